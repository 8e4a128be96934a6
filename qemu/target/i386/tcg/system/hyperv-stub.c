/*
 * Hyper-V enlightenments under TCG, for a QEMU without CONFIG_HYPERV
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "tcg/hyperv.h"

bool tcg_hyperv_enabled(const X86CPU *cpu)
{
    return false;
}

bool tcg_hyperv_check_features(X86CPU *cpu, Error **errp)
{
    if (cpu->hyperv_features || cpu->hyperv_passthrough) {
        error_setg(errp, "this QEMU was built without Hyper-V enlightenments "
                   "(hv-*)");
        return false;
    }
    return true;
}

bool tcg_hyperv_realize(X86CPU *cpu, Error **errp)
{
    return true;
}

void tcg_hyperv_after_reset(X86CPU *cpu)
{
}

void tcg_hyperv_after_init(CPUX86State *env, const CPUX86State *old)
{
}

bool tcg_hyperv_cpuid(const X86CPU *cpu, uint32_t index,
                      uint32_t *eax, uint32_t *ebx,
                      uint32_t *ecx, uint32_t *edx)
{
    return false;
}

bool tcg_hyperv_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val)
{
    return false;
}

bool tcg_hyperv_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val)
{
    return false;
}

void helper_vmcall(CPUX86State *env)
{
    raise_exception_ra(env, EXCP06_ILLOP, GETPC());
}
