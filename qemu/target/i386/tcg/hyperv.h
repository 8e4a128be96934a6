/*
 * Hyper-V enlightenments under TCG
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The interface between the emulated processor and the part of the Hyper-V
 * hypervisor interface (TLFS) that TCG offers: the CPUID leaves at 0x40000000,
 * the MSRs at 0x40000000, VMCALL, and the synthetic interrupt controller
 * (SynIC).  The SynIC's pages and everything above them (VMBus) are those of
 * hw/hyperv; KVM does the same job in the kernel.
 *
 * All of it is inert unless tcg_hyperv_enabled().  Without CONFIG_HYPERV the
 * functions are stubs, and asking for an enlightenment is an error.
 */

#ifndef I386_TCG_HYPERV_H
#define I386_TCG_HYPERV_H

#include "cpu.h"

/* The synthetic MSRs: all of this range belongs to the hypervisor. */
#define HV_MSR_FIRST  0x40000000u
#define HV_MSR_LAST   0x400001ffu

/* Whether the user asked for any enlightenment (hv-*) of this processor. */
bool tcg_hyperv_enabled(const X86CPU *cpu);

/*
 * Check the enlightenments asked for.  False, with an error that names the
 * property and the remedy, for one that TCG does not implement or that lacks
 * another it depends on.
 */
bool tcg_hyperv_check_features(X86CPU *cpu, Error **errp);

/* Give the processor its SynIC if it is to have one.  Needs its cpu_index. */
bool tcg_hyperv_realize(X86CPU *cpu, Error **errp);

/*
 * System reset, after all devices were reset: they have to give up their SINT
 * routes before the SynIC goes.
 */
void tcg_hyperv_after_reset(X86CPU *cpu);

/* INIT resets the processor but none of the synthetic MSRs, held in @old. */
void tcg_hyperv_after_init(CPUX86State *env, const CPUX86State *old);

/* Answer CPUID leaf @index.  False if it is not one of Hyper-V's. */
bool tcg_hyperv_cpuid(const X86CPU *cpu, uint32_t index,
                      uint32_t *eax, uint32_t *ebx,
                      uint32_t *ecx, uint32_t *edx);

/* True if @msr is to be handled by the two functions below. */
static inline bool tcg_hyperv_owns_msr(const X86CPU *cpu, uint32_t msr)
{
    return msr >= HV_MSR_FIRST && msr <= HV_MSR_LAST &&
        tcg_hyperv_enabled(cpu);
}

/* False if the guest is to get #GP. */
bool tcg_hyperv_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val);
bool tcg_hyperv_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val);

/*
 * Raise @sint (0..15) of @cs, whose vector the guest chose in a SINT MSR.
 * Silently does nothing while the guest has it masked.  Any thread; takes the
 * BQL if the caller has not.
 */
void tcg_hyperv_set_sint(CPUState *cs, uint32_t sint);

#endif
