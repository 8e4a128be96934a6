/*
 * Hyper-V enlightenments under TCG
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Written from the Hypervisor Top Level Functional Specification (TLFS).
 * Where that leaves a choice, this does what KVM does, so that a guest cannot
 * tell the accelerators apart and can be developed on either.
 *
 * State lives where KVM's does, in CPUX86State's msr_hv_* fields, and so is
 * reset and migrated with the processor.  Partition-wide MSRs are kept by the
 * first processor.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "exec/address-spaces.h"
#include "exec/cputlb.h"
#include "exec/exec-all.h"
#include "exec/helper-proto.h"
#include "exec/translation-block.h"
#include "hw/core/cpu.h"
#include "hw/hyperv/free-pages.h"
#include "hw/hyperv/hyperv.h"
#include "hw/i386/apic_internal.h"
#include "hw/i386/apic-msidef.h"
#include "hw/pci/msi.h"
#include "system/runstate.h"
#include "kvm/hyperv.h"
#include "kvm/hyperv-proto.h"
#include "tcg/helper-tcg.h"
#include "tcg/hyperv.h"

/* From the TLFS, missing in kvm/hyperv-proto.h. */
#define HV_SINT_POLLING               (1u << 18)
#define HV_SINT_FIRST_VALID_VECTOR    16
#define HV_NOTIFY_LONG_SPIN_WAIT      0x0008
#define HV_STATUS_ACCESS_DENIED       6
#define HV_CPUID_RANGE_LAST           0x400000ff
#define HV_CRASH_CTL_SUPPORTED        HV_CRASH_CTL_NOTIFY
#define HV_REFERENCE_TSC_ENABLE       (1u << 0)
#define HV_REFERENCE_TSC_INVALID      0

/*
 * Hypercall input value: code in bits 15:0, fast in 16, variable header size
 * in 26:17, repeat count in 43:32, repeat start in 59:48, the rest reserved.
 * Of these the hypercalls dispatched here take only code and fast.
 */
#define HV_HYPERCALL_CODE(input)      ((uint16_t)(input))
#define HV_HYPERCALL_NOT_SIMPLE(input) \
    ((input) & ~(uint64_t)(0xffff | HV_HYPERCALL_FAST))

/* ---- Enlightenments ---- */

typedef struct HvFeature {
    const char *name;
    bool implemented;
} HvFeature;

static const HvFeature hv_features[] = {
    [HYPERV_FEAT_RELAXED]         = { "hv-relaxed", true },
    [HYPERV_FEAT_VAPIC]           = { "hv-vapic" },
    [HYPERV_FEAT_TIME]            = { "hv-time", true },
    [HYPERV_FEAT_CRASH]           = { "hv-crash", true },
    [HYPERV_FEAT_RESET]           = { "hv-reset", true },
    [HYPERV_FEAT_VPINDEX]         = { "hv-vpindex", true },
    [HYPERV_FEAT_RUNTIME]         = { "hv-runtime" },
    [HYPERV_FEAT_SYNIC]           = { "hv-synic", true },
    [HYPERV_FEAT_STIMER]          = { "hv-stimer" },
    [HYPERV_FEAT_FREQUENCIES]     = { "hv-frequencies" },
    [HYPERV_FEAT_REENLIGHTENMENT] = { "hv-reenlightenment" },
    [HYPERV_FEAT_TLBFLUSH]        = { "hv-tlbflush" },
    [HYPERV_FEAT_EVMCS]           = { "hv-evmcs" },
    [HYPERV_FEAT_IPI]             = { "hv-ipi" },
    [HYPERV_FEAT_STIMER_DIRECT]   = { "hv-stimer-direct" },
    [HYPERV_FEAT_AVIC]            = { "hv-avic" },
    [HYPERV_FEAT_SYNDBG]          = { "hv-syndbg" },
    [HYPERV_FEAT_MSR_BITMAP]      = { "hv-emsr-bitmap" },
    [HYPERV_FEAT_XMM_INPUT]       = { "hv-xmm-input" },
    [HYPERV_FEAT_TLBFLUSH_EXT]    = { "hv-tlbflush-ext" },
    [HYPERV_FEAT_TLBFLUSH_DIRECT] = { "hv-tlbflush-direct" },
    [HYPERV_FEAT_FREE_PAGE_REPORTING] = { "hv-free-page-reporting", true },
};

static bool hv_has(const X86CPU *cpu, int feat)
{
    return cpu->hyperv_features & BIT_ULL(feat);
}

bool tcg_hyperv_enabled(const X86CPU *cpu)
{
    return cpu->hyperv_features ||
        cpu->hyperv_spinlock_attempts != HYPERV_SPINLOCK_NEVER_NOTIFY;
}

static bool hv_not_implemented(const char *name, Error **errp)
{
    ERRP_GUARD();

    error_setg(errp, "Hyper-V enlightenment '%s' is not implemented by TCG",
               name);
    error_append_hint(errp, "Leave '%s' out of -cpu, or use -accel kvm.\n",
                      name);
    return false;
}

static const char *hv_unimplemented_feature(const X86CPU *cpu)
{
    int feat;

    for (feat = 0; feat < 64; feat++) {
        if (!hv_has(cpu, feat)) {
            continue;
        }
        if (feat >= ARRAY_SIZE(hv_features) || !hv_features[feat].name) {
            return "hv-*";
        }
        if (!hv_features[feat].implemented) {
            return hv_features[feat].name;
        }
    }
    if (cpu->hyperv_passthrough) {
        return "hv-passthrough";
    }
    if (cpu->hyperv_no_nonarch_cs != ON_OFF_AUTO_OFF) {
        return "hv-no-nonarch-coresharing";
    }
    if (cpu->hyperv_synic_kvm_only) {
        return "x-hv-synic-kvm-only";
    }
    return NULL;
}

static bool hv_check_dependency(const X86CPU *cpu, int feat, int needed,
                                Error **errp)
{
    ERRP_GUARD();

    if (!hv_has(cpu, feat) || hv_has(cpu, needed)) {
        return true;
    }
    error_setg(errp, "Hyper-V enlightenment '%s' requires '%s'",
               hv_features[feat].name, hv_features[needed].name);
    error_append_hint(errp, "Add '%s' to -cpu.\n", hv_features[needed].name);
    return false;
}

bool tcg_hyperv_check_features(X86CPU *cpu, Error **errp)
{
    const char *name = hv_unimplemented_feature(cpu);

    if (name) {
        return hv_not_implemented(name, errp);
    }
    /* messages, events and rings are read as the guest wrote them */
    if (HOST_BIG_ENDIAN && cpu->hyperv_features) {
        error_setg(errp, "Hyper-V enlightenments (hv-*) need a host that is "
                   "little-endian");
        return false;
    }
    return hv_check_dependency(cpu, HYPERV_FEAT_SYNIC, HYPERV_FEAT_VPINDEX,
                               errp) &&
        hv_check_dependency(cpu, HYPERV_FEAT_FREE_PAGE_REPORTING,
                            HYPERV_FEAT_SYNIC, errp);
}

/* ---- CPUID ---- */

static uint32_t hv_features_eax(const X86CPU *cpu)
{
    uint32_t eax = HV_HYPERCALL_AVAILABLE;

    if (hv_has(cpu, HYPERV_FEAT_TIME)) {
        eax |= HV_TIME_REF_COUNT_AVAILABLE | HV_REFERENCE_TSC_AVAILABLE;
    }
    if (hv_has(cpu, HYPERV_FEAT_SYNIC)) {
        eax |= HV_SYNIC_AVAILABLE;
    }
    if (hv_has(cpu, HYPERV_FEAT_VPINDEX)) {
        eax |= HV_VP_INDEX_AVAILABLE;
    }
    if (hv_has(cpu, HYPERV_FEAT_RESET)) {
        eax |= HV_RESET_AVAILABLE;
    }
    return eax;
}

static uint32_t hv_features_ebx(const X86CPU *cpu)
{
    uint32_t ebx = 0;

    if (hv_has(cpu, HYPERV_FEAT_SYNIC)) {
        ebx |= HV_POST_MESSAGES | HV_SIGNAL_EVENTS;
    }
    if (hv_has(cpu, HYPERV_FEAT_FREE_PAGE_REPORTING)) {
        ebx |= HV_ENABLE_EXTENDED_HYPERCALLS;
    }
    return ebx;
}

static uint32_t hv_features_edx(const X86CPU *cpu)
{
    uint32_t edx = HV_CPU_DYNAMIC_PARTITIONING_AVAILABLE;

    if (hv_has(cpu, HYPERV_FEAT_CRASH)) {
        edx |= HV_GUEST_CRASH_MSR_AVAILABLE;
    }
    return edx;
}

static uint32_t hv_recommendations(const X86CPU *cpu)
{
    uint32_t eax = 0;

    if (hv_has(cpu, HYPERV_FEAT_RELAXED)) {
        eax |= HV_RELAXED_TIMING_RECOMMENDED;
    }
    if (hv_has(cpu, HYPERV_FEAT_RESET)) {
        eax |= HV_SYSTEM_RESET_RECOMMENDED;
    }
    if (hv_has(cpu, HYPERV_FEAT_SYNIC)) {
        /* The emulated APIC has no automatic end of interrupt. */
        eax |= HV_DEPRECATING_AEOI_RECOMMENDED;
    }
    return eax;
}

/*
 * All leaves of Hyper-V's range are answered, unknown ones with zeros: guests
 * read some leaves without checking whether they exist, and a processor answers
 * leaves beyond its maximum with another leaf.
 */
static bool hv_is_cpuid_leaf(uint32_t index)
{
    return index >= HV_CPUID_VENDOR_AND_MAX_FUNCTIONS &&
        index <= HV_CPUID_RANGE_LAST;
}

bool tcg_hyperv_cpuid(const X86CPU *cpu, uint32_t index,
                      uint32_t *eax, uint32_t *ebx,
                      uint32_t *ecx, uint32_t *edx)
{
    if (!tcg_hyperv_enabled(cpu) || !hv_is_cpuid_leaf(index)) {
        return false;
    }
    *eax = *ebx = *ecx = *edx = 0;

    switch (index) {
    case HV_CPUID_VENDOR_AND_MAX_FUNCTIONS:
        *eax = HV_CPUID_IMPLEMENT_LIMITS;
        *ebx = cpu->hyperv_vendor_id[0];
        *ecx = cpu->hyperv_vendor_id[1];
        *edx = cpu->hyperv_vendor_id[2];
        return true;
    case HV_CPUID_INTERFACE:
        *eax = cpu->hyperv_interface_id[0];
        *ebx = cpu->hyperv_interface_id[1];
        *ecx = cpu->hyperv_interface_id[2];
        *edx = cpu->hyperv_interface_id[3];
        return true;
    case HV_CPUID_VERSION:
        *eax = cpu->hyperv_ver_id_build;
        *ebx = (uint32_t)cpu->hyperv_ver_id_major << 16 |
            cpu->hyperv_ver_id_minor;
        *ecx = cpu->hyperv_ver_id_sp;
        *edx = (uint32_t)cpu->hyperv_ver_id_sb << 24 |
            (cpu->hyperv_ver_id_sn & 0xffffff);
        return true;
    case HV_CPUID_FEATURES:
        *eax = hv_features_eax(cpu);
        *ebx = hv_features_ebx(cpu);
        *edx = hv_features_edx(cpu);
        return true;
    case HV_CPUID_ENLIGHTMENT_INFO:
        *eax = hv_recommendations(cpu);
        *ebx = cpu->hyperv_spinlock_attempts;
        return true;
    case HV_CPUID_IMPLEMENT_LIMITS:
        *eax = cpu->hv_max_vps;
        *ebx = cpu->hyperv_limits[0];
        *ecx = cpu->hyperv_limits[1];
        *edx = cpu->hyperv_limits[2];
        return true;
    default:
        return true;
    }
}

/* ---- Guest memory ---- */

/* Pages and parameter blocks must be in RAM. */
static const MemTxAttrs hv_ram_only = { .memory = 1 };

static bool hv_gpa_valid(const X86CPU *cpu, uint64_t gpa)
{
    return !(gpa >> cpu->phys_bits);
}

static bool hv_write_ram(uint64_t gpa, const void *buf, size_t len)
{
    return address_space_write(&address_space_memory, gpa, hv_ram_only,
                               buf, len) == MEMTX_OK;
}

/* ---- Partition-wide MSRs ---- */

static CPUX86State *hv_partition(void)
{
    return cpu_env(first_cpu);
}

static void hv_set_guest_os_id(uint64_t val)
{
    CPUX86State *part = hv_partition();

    part->msr_hv_guest_os_id = val;
    if (!val) {
        /* Hypercalls need a guest OS id. */
        part->msr_hv_hypercall &= ~(uint64_t)HV_HYPERCALL_ENABLE;
    }
}

static bool hv_set_hypercall_page(const X86CPU *cpu, uint64_t val)
{
    static const uint8_t code[] = { 0x0f, 0x01, 0xc1, 0xc3 }; /* vmcall; ret */
    CPUX86State *part = hv_partition();

    if (!part->msr_hv_guest_os_id) {
        /* As the TLFS says, the enable bit stays clear. */
        return true;
    }
    if (val & HV_HYPERCALL_ENABLE) {
        uint64_t gpa = val & TARGET_PAGE_MASK;

        if (!hv_gpa_valid(cpu, gpa) || !hv_write_ram(gpa, code, sizeof(code))) {
            return false;
        }
    }
    part->msr_hv_hypercall = val;
    return true;
}

/*
 * The TSC of TCG has no constant frequency, so the page says "invalid", and
 * guests read the reference counter's MSR instead.
 */
static bool hv_set_reference_tsc(const X86CPU *cpu, uint64_t val)
{
    if (val & HV_REFERENCE_TSC_ENABLE) {
        uint64_t gpa = val & TARGET_PAGE_MASK;
        uint32_t sequence = cpu_to_le32(HV_REFERENCE_TSC_INVALID);

        if (!hv_gpa_valid(cpu, gpa) ||
            !hv_write_ram(gpa, &sequence, sizeof(sequence))) {
            return false;
        }
    }
    hv_partition()->msr_hv_tsc = val;
    return true;
}

/* In units of 100 ns since the machine was started; migration keeps it. */
static uint64_t hv_reference_time(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) / 100;
}

static void hv_guest_crashed(CPUX86State *env)
{
    BQL_LOCK_GUARD();
    /* The report is made from the parameters of the processor that crashed. */
    memmove(env->msr_hv_crash_params, hv_partition()->msr_hv_crash_params,
            sizeof(env->msr_hv_crash_params));
    qemu_system_guest_panicked(cpu_get_crash_info(env_cpu(env)));
}

/* ---- SynIC MSRs ---- */

static void hv_synic_update_work(CPUState *cs, run_on_cpu_data data)
{
    BQL_LOCK_GUARD();
    hyperv_x86_synic_update(X86_CPU(cs));
}

/*
 * The message and event pages are memory regions: move them while no processor
 * runs.  This one stops before its next instruction for that.
 */
static void hv_synic_update(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);

    async_safe_run_on_cpu(cs, hv_synic_update_work, RUN_ON_CPU_NULL);
    cpu_exit(cs);
}

static bool hv_set_synic_page(CPUX86State *env, uint64_t *page, uint64_t val)
{
    if (!hv_gpa_valid(env_archcpu(env), val)) {
        return false;
    }
    *page = val;
    hv_synic_update(env);
    return true;
}

static bool hv_sint_valid(uint64_t val)
{
    if (val & HV_SINT_MASKED) {
        return true;
    }
    if (val & HV_SINT_AUTO_EOI) {
        qemu_log_mask(LOG_UNIMP, "Hyper-V: automatic end of interrupt is not "
                      "implemented by TCG\n");
        return false;
    }
    return (val & HV_SINT_VECTOR_MASK) >= HV_SINT_FIRST_VALID_VECTOR;
}

static bool hv_set_sint(CPUX86State *env, int sint, uint64_t val)
{
    if (!hv_sint_valid(val)) {
        return false;
    }
    qatomic_set_u64(&env->msr_hv_synic_sint[sint], val);
    return true;
}

static void hv_end_of_message(CPUX86State *env)
{
    BQL_LOCK_GUARD();
    hyperv_synic_eom(env_cpu(env));
}

static bool hv_synic_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val)
{
    switch (msr) {
    case HV_X64_MSR_SCONTROL:
        *val = env->msr_hv_synic_control;
        return true;
    case HV_X64_MSR_SVERSION:
        *val = HV_SYNIC_VERSION;
        return true;
    case HV_X64_MSR_SIEFP:
        *val = env->msr_hv_synic_evt_page;
        return true;
    case HV_X64_MSR_SIMP:
        *val = env->msr_hv_synic_msg_page;
        return true;
    case HV_X64_MSR_EOM:
        *val = 0;
        return true;
    case HV_X64_MSR_SINT0 ... HV_X64_MSR_SINT15:
        *val = env->msr_hv_synic_sint[msr - HV_X64_MSR_SINT0];
        return true;
    default:
        return false;
    }
}

static bool hv_synic_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val)
{
    switch (msr) {
    case HV_X64_MSR_SCONTROL:
        env->msr_hv_synic_control = val;
        hv_synic_update(env);
        return true;
    case HV_X64_MSR_SIEFP:
        return hv_set_synic_page(env, &env->msr_hv_synic_evt_page, val);
    case HV_X64_MSR_SIMP:
        return hv_set_synic_page(env, &env->msr_hv_synic_msg_page, val);
    case HV_X64_MSR_EOM:
        hv_end_of_message(env);
        return true;
    case HV_X64_MSR_SINT0 ... HV_X64_MSR_SINT15:
        return hv_set_sint(env, msr - HV_X64_MSR_SINT0, val);
    default:
        return false;
    }
}

/* ---- All MSRs ---- */

/* The enlightenment that an MSR belongs to, or -1. */
static int hv_msr_feature(uint32_t msr)
{
    switch (msr) {
    case HV_X64_MSR_VP_INDEX:
        return HYPERV_FEAT_VPINDEX;
    case HV_X64_MSR_RESET:
        return HYPERV_FEAT_RESET;
    case HV_X64_MSR_TIME_REF_COUNT:
    case HV_X64_MSR_REFERENCE_TSC:
        return HYPERV_FEAT_TIME;
    case HV_X64_MSR_SCONTROL ... HV_X64_MSR_EOM:
    case HV_X64_MSR_SINT0 ... HV_X64_MSR_SINT15:
        return HYPERV_FEAT_SYNIC;
    case HV_X64_MSR_CRASH_P0 ... HV_X64_MSR_CRASH_CTL:
        return HYPERV_FEAT_CRASH;
    default:
        return -1;
    }
}

static bool hv_msr_available(const X86CPU *cpu, uint32_t msr)
{
    int feat = hv_msr_feature(msr);

    if (feat >= 0) {
        return hv_has(cpu, feat);
    }
    /* Linux sets its assist page without checking whether there is one. */
    return msr != HV_X64_MSR_APIC_ASSIST_PAGE || !cpu->hyperv_enforce_cpuid;
}

bool tcg_hyperv_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val)
{
    CPUX86State *part = hv_partition();

    if (!hv_msr_available(env_archcpu(env), msr)) {
        return false;
    }
    switch (msr) {
    case HV_X64_MSR_GUEST_OS_ID:
        *val = part->msr_hv_guest_os_id;
        return true;
    case HV_X64_MSR_HYPERCALL:
        *val = part->msr_hv_hypercall;
        return true;
    case HV_X64_MSR_VP_INDEX:
        *val = hyperv_vp_index(env_cpu(env));
        return true;
    case HV_X64_MSR_RESET:
        *val = 0;
        return true;
    case HV_X64_MSR_TIME_REF_COUNT:
        *val = hv_reference_time();
        return true;
    case HV_X64_MSR_REFERENCE_TSC:
        *val = part->msr_hv_tsc;
        return true;
    case HV_X64_MSR_APIC_ASSIST_PAGE:
        *val = env->msr_hv_vapic;
        return true;
    case HV_X64_MSR_CRASH_P0 ... HV_X64_MSR_CRASH_P4:
        *val = part->msr_hv_crash_params[msr - HV_X64_MSR_CRASH_P0];
        return true;
    case HV_X64_MSR_CRASH_CTL:
        *val = HV_CRASH_CTL_SUPPORTED;
        return true;
    default:
        return hv_synic_rdmsr(env, msr, val);
    }
}

bool tcg_hyperv_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val)
{
    X86CPU *cpu = env_archcpu(env);

    if (!hv_msr_available(cpu, msr)) {
        return false;
    }
    switch (msr) {
    case HV_X64_MSR_GUEST_OS_ID:
        hv_set_guest_os_id(val);
        return true;
    case HV_X64_MSR_HYPERCALL:
        return hv_set_hypercall_page(cpu, val);
    case HV_X64_MSR_RESET:
        if (val & 1) {
            qemu_system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
        }
        return true;
    case HV_X64_MSR_REFERENCE_TSC:
        return hv_set_reference_tsc(cpu, val);
    case HV_X64_MSR_APIC_ASSIST_PAGE:
        /* The guest can read it back; the page is not used. */
        env->msr_hv_vapic = val;
        return true;
    case HV_X64_MSR_CRASH_P0 ... HV_X64_MSR_CRASH_P4:
        hv_partition()->msr_hv_crash_params[msr - HV_X64_MSR_CRASH_P0] = val;
        return true;
    case HV_X64_MSR_CRASH_CTL:
        if (val & HV_CRASH_CTL_NOTIFY) {
            hv_guest_crashed(env);
        }
        return true;
    default:
        return hv_synic_wrmsr(env, msr, val);
    }
}

/* ---- Hypercalls ---- */

typedef struct HvHypercall {
    uint64_t input;     /* the hypercall input value */
    uint64_t in;        /* GPA of the parameters; if fast, the parameter */
    uint64_t out;       /* GPA of the results */
} HvHypercall;

static bool hv_64bit(const CPUX86State *env)
{
#ifdef TARGET_X86_64
    return env->hflags & HF_CS64_MASK;
#else
    return false;
#endif
}

static uint64_t hv_reg_pair(const CPUX86State *env, int hi, int lo)
{
    return (uint64_t)(uint32_t)env->regs[hi] << 32 | (uint32_t)env->regs[lo];
}

static HvHypercall hv_fetch(const CPUX86State *env)
{
#ifdef TARGET_X86_64
    if (hv_64bit(env)) {
        return (HvHypercall) {
            .input = env->regs[R_ECX],
            .in = env->regs[R_EDX],
            .out = env->regs[R_R8],
        };
    }
#endif
    return (HvHypercall) {
        .input = hv_reg_pair(env, R_EDX, R_EAX),
        .in = hv_reg_pair(env, R_EBX, R_ECX),
        .out = hv_reg_pair(env, R_EDI, R_ESI),
    };
}

/* 32-bit code has both the input value and the result there. */
static void hv_set_edx_eax(CPUX86State *env, uint64_t val)
{
    env->regs[R_EAX] = (uint32_t)val;
    env->regs[R_EDX] = val >> 32;
}

static void hv_return(CPUX86State *env, uint64_t result)
{
    if (hv_64bit(env)) {
        env->regs[R_EAX] = result;
    } else {
        hv_set_edx_eax(env, result);
    }
}

static void hv_set_input(CPUX86State *env, uint64_t input)
{
    if (hv_64bit(env)) {
        env->regs[R_ECX] = input;
    } else {
        hv_set_edx_eax(env, input);
    }
}

static uint16_t hv_dispatch(const X86CPU *cpu, const HvHypercall *call)
{
    bool fast = call->input & HV_HYPERCALL_FAST;
    bool synic = hv_has(cpu, HYPERV_FEAT_SYNIC);
    uint16_t code = HV_HYPERCALL_CODE(call->input);

    switch (code) {
    case HV_POST_MESSAGE:
    case HV_SIGNAL_EVENT:
        if (!synic) {
            return HV_STATUS_ACCESS_DENIED;
        }
        break;
    case HV_NOTIFY_LONG_SPIN_WAIT:
        break;
    default:
        return HV_STATUS_INVALID_HYPERCALL_CODE;
    }
    if (HV_HYPERCALL_NOT_SIMPLE(call->input)) {
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    }

    switch (code) {
    case HV_POST_MESSAGE:
        return hyperv_hcall_post_message(call->in, fast);
    case HV_SIGNAL_EVENT:
        return hyperv_hcall_signal_event(call->in, fast);
    default:
        /* A hint to let others run; the end of this block does that. */
        return HV_STATUS_SUCCESS;
    }
}

/*
 * A call does a bounded amount of work.  For the rest the same instruction is
 * executed again with a changed input value, so that interrupts are taken in
 * between.
 */
static uint64_t hv_free_pages(CPUX86State *env, const HvHypercall *call,
                              uintptr_t ra)
{
    uint64_t result, rest;

    if (!hv_has(env_archcpu(env), HYPERV_FEAT_FREE_PAGE_REPORTING)) {
        return HV_STATUS_ACCESS_DENIED;
    }
    result = hyperv_hcall_free_pages(&env->hv_free_pages, call->input, call->in,
                                     call->out);
    if (hyperv_free_pages_unfinished(call->input, result, &rest)) {
        hv_set_input(env, rest);
        cpu_loop_exit_restore(env_cpu(env), ra);
    }
    return result;
}

/* Only a kernel that has set its guest OS id, and no nested guest. */
static bool hv_may_call(const CPUX86State *env)
{
    return hv_partition()->msr_hv_guest_os_id &&
        (env->cr[0] & CR0_PE_MASK) &&
        !(env->hflags & (HF_CPL_MASK | HF_GUEST_MASK));
}

void helper_vmcall(CPUX86State *env)
{
    X86CPU *cpu = env_archcpu(env);
    HvHypercall call;

    if (!tcg_hyperv_enabled(cpu) || !hv_may_call(env)) {
        raise_exception_ra(env, EXCP06_ILLOP, GETPC());
    }
    call = hv_fetch(env);
    hv_return(env, hyperv_is_free_pages_hcall(call.input) ?
              hv_free_pages(env, &call, GETPC()) : hv_dispatch(cpu, &call));
}

/* ---- Interrupts ---- */

static void hv_send_fixed(X86CPU *cpu, uint8_t vector)
{
    MSIMessage msi = {
        .address = APIC_DEFAULT_ADDRESS |
            (uint64_t)(cpu->apic_id & 0xff) << MSI_ADDR_DEST_ID_SHIFT |
            (uint64_t)(cpu->apic_id & ~0xffu) << 32,
        .data = vector,
    };

    apic_get_class(NULL)->send_msi(&msi);
}

void tcg_hyperv_set_sint(CPUState *cs, uint32_t sint)
{
    X86CPU *cpu = X86_CPU(cs);
    uint64_t val;

    assert(sint < HV_SINT_COUNT);
    val = qatomic_read_u64(&cpu->env.msr_hv_synic_sint[sint]);
    if ((val & (HV_SINT_MASKED | HV_SINT_POLLING)) ||
        (val & HV_SINT_VECTOR_MASK) < HV_SINT_FIRST_VALID_VECTOR) {
        return;
    }
    BQL_LOCK_GUARD();
    hv_send_fixed(cpu, val & HV_SINT_VECTOR_MASK);
}

/* ---- Realize and reset ---- */

bool tcg_hyperv_realize(X86CPU *cpu, Error **errp)
{
    CPUState *cs = CPU(cpu);

    if (!hv_has(cpu, HYPERV_FEAT_SYNIC)) {
        return true;
    }
    if (!(cpu->env.features[FEAT_1_EDX] & CPUID_APIC)) {
        error_setg(errp, "Hyper-V enlightenment 'hv-synic' requires a local "
                   "APIC");
        return false;
    }
    /*
     * The SynIC's pages and the VMBus rings are written by other host threads,
     * so the guest's locked instructions have to be atomic even with a single
     * processor.
     */
    tcg_cflags_set(cs, CF_PARALLEL);
    hyperv_x86_synic_add(cpu);
    return true;
}

void tcg_hyperv_after_reset(X86CPU *cpu)
{
    int i;

    if (!hv_has(cpu, HYPERV_FEAT_SYNIC)) {
        return;
    }
    for (i = 0; i < HV_SINT_COUNT; i++) {
        cpu->env.msr_hv_synic_sint[i] = HV_SINT_MASKED;
    }
    hyperv_x86_synic_reset(cpu);
}

void tcg_hyperv_after_init(CPUX86State *env, const CPUX86State *old)
{
    size_t first = offsetof(CPUX86State, msr_hv_hypercall);
    size_t end = offsetof(CPUX86State, msr_rtit_ctrl);

    memcpy((char *)env + first, (const char *)old + first, end - first);
}
