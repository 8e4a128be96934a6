/*
 * Hyper-V enlightenments under TCG
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Free page reporting is in hyperv-free-pages-test.c, what a malicious guest
 * does to the VMBus in hyperv-vmbus-test.c.
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "hyperv-guest.h"

/* ---- Enlightenments ---- */

static const char *const refused[] = {
    "hv-vapic", "hv-runtime", "hv-stimer", "hv-frequencies",
    "hv-reenlightenment", "hv-tlbflush", "hv-evmcs", "hv-ipi",
    "hv-stimer-direct", "hv-avic", "hv-syndbg", "hv-emsr-bitmap",
    "hv-xmm-input", "hv-tlbflush-ext", "hv-tlbflush-direct",
    "hv-passthrough",
};

static QDict *expand(QTestState *qts, const char *prop)
{
    return qtest_qmp(qts, "{'execute': 'query-cpu-model-expansion', "
                     "'arguments': {'type': 'full', 'model': {'name': 'max', "
                     "'props': {%s: true}}}}", prop);
}

static void test_refused(void)
{
    QTestState *qts = qtest_init("-machine none -accel tcg");
    size_t i;

    for (i = 0; i < ARRAY_SIZE(refused); i++) {
        QDict *rsp = expand(qts, refused[i]);
        QDict *error = qdict_get_qdict(rsp, "error");
        g_autofree char *quoted = g_strdup_printf("'%s'", refused[i]);

        g_assert_nonnull(error);
        g_assert_nonnull(strstr(qdict_get_str(error, "desc"), quoted));
        qobject_unref(rsp);
    }
    qtest_quit(qts);
}

static void test_accepted(void)
{
    static const char *const props[] = {
        "hv-relaxed", "hv-time", "hv-vpindex", "hv-reset", "hv-crash",
        "hv-enforce-cpuid",
    };
    QTestState *qts = qtest_init("-machine none -accel tcg");
    size_t i;

    for (i = 0; i < ARRAY_SIZE(props); i++) {
        QDict *rsp = expand(qts, props[i]);

        g_assert_true(qdict_haskey(rsp, "return"));
        qobject_unref(rsp);
    }
    qtest_quit(qts);
}

static void test_dependencies(void)
{
    guest_fails("-cpu max,hv-synic", "requires 'hv-vpindex'");
    guest_fails("-cpu max,hv-stimer", "'hv-stimer' is not implemented by TCG");
    guest_fails("-cpu max,hv-no-nonarch-coresharing=on",
                "'hv-no-nonarch-coresharing'");
    guest_fails("-cpu max -device vmbus-bridge", "hv-vpindex,hv-synic");
    guest_fails("-cpu max,hv-vpindex -device vmbus-bridge",
                "hv-vpindex,hv-synic");
}

/* ---- CPUID and MSRs ---- */

static void test_cpuid(void)
{
    QTestState *qts = guest_simple(ALL_FLAGS, "");
    Regs r = cpuid(qts, 0x40000000);

    g_assert_cmphex(r.eax, ==, 0x40000005);
    g_assert_cmpmem(&r.ebx, 12, "Microsoft Hv" /* ebx, ecx, edx */, 12);
    g_assert_cmphex(cpuid(qts, 0x40000001).eax, ==, 0x31237648);
    r = cpuid(qts, 0x40000003);
    g_assert_cmphex(r.eax, ==, 0x2e6);
    g_assert_cmphex(r.ebx, ==, 0x30);
    g_assert_cmphex(r.edx, ==, 0x408);
    g_assert_cmphex(cpuid(qts, 0x40000004).eax, ==, 0x230);
    g_assert_cmphex(cpuid(qts, 1).ecx & (1u << 31), !=, 0);
    qtest_quit(qts);
}

/*
 * Linux 6.19 and later reads 0x40000082 without checking whether it exists, and
 * takes bit 3 of EAX for the VMBus of a confidential VM.
 */
static void test_cpuid_unused(void)
{
    static const uint32_t leaves[] = {
        0x40000006, 0x40000007, 0x4000000a, 0x4000000c, 0x40000080,
        0x40000081, 0x40000082, 0x400000ff,
    };
    QTestState *qts = guest_simple(ALL_FLAGS, "");
    uint32_t basic = cpuid(qts, cpuid(qts, 0).eax).eax;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(leaves); i++) {
        Regs r = cpuid(qts, leaves[i]);

        g_assert_cmphex(r.eax, ==, 0);
        g_assert_cmphex(r.ebx, ==, 0);
        g_assert_cmphex(r.ecx, ==, 0);
        g_assert_cmphex(r.edx, ==, 0);
    }
    /* beyond Hyper-V's range, as the processor does it */
    g_assert_cmphex(cpuid(qts, 0x40000100).eax, ==, basic);
    qtest_quit(qts);
}

static void test_off(void)
{
    QTestState *qts = guest_simple("", "");
    Regs r = cpuid(qts, 0x40000000);
    uint64_t val;

    g_assert_cmphex(r.eax, ==, 0x40000001);
    g_assert_cmpmem(&r.ebx, 12, "TCGTCGTCGTCG", 12);
    wrmsr(qts, 0, MSR_GUEST_OS_ID, 1);
    g_assert_cmphex(rdmsr(qts, 0, MSR_GUEST_OS_ID), ==, 0);
    g_assert_cmphex(try_hypercall(qts, POST_MESSAGE, INPUT, &val), ==, UD);
    qtest_quit(qts);
}

static void test_msrs(void)
{
    static const uint32_t absent[] = {
        MSR_VP_RUNTIME, 0x40000022, 0x40000070, MSR_SINT0 + 16,
        MSR_STIMER0_CONFIG, 0x40000106, 0x400001ff,
    };
    static const uint32_t read_only[] = {
        MSR_VP_INDEX, MSR_TIME_REF_COUNT, MSR_SVERSION,
    };
    QTestState *qts = guest_simple(ALL_FLAGS, "");
    uint64_t val, before;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(absent); i++) {
        g_assert_cmphex(try_rdmsr(qts, 0, absent[i], &val), ==, GP);
        g_assert_cmphex(try_wrmsr(qts, 0, absent[i], 0), ==, GP);
    }
    for (i = 0; i < ARRAY_SIZE(read_only); i++) {
        g_assert_cmphex(try_wrmsr(qts, 0, read_only[i], 0), ==, GP);
    }
    g_assert_cmphex(rdmsr(qts, 0, MSR_SVERSION), ==, 1);
    g_assert_cmphex(rdmsr(qts, 0, MSR_EOM), ==, 0);
    g_assert_cmphex(rdmsr(qts, 0, MSR_SINT0), ==, SINT_MASKED);
    wrmsr(qts, 0, MSR_VP_ASSIST_PAGE, 0x5001);
    g_assert_cmphex(rdmsr(qts, 0, MSR_VP_ASSIST_PAGE), ==, 0x5001);

    before = rdmsr(qts, 0, MSR_TIME_REF_COUNT);
    g_usleep(10000);
    val = rdmsr(qts, 0, MSR_TIME_REF_COUNT);
    g_assert_cmpuint(val - before, >=, 100000 /* 10 ms in 100 ns */);

    qtest_writel(qts, TSC_PAGE, 77);
    wrmsr(qts, 0, MSR_REFERENCE_TSC, TSC_PAGE | 1);
    g_assert_cmpuint(qtest_readl(qts, TSC_PAGE), ==, 0);
    g_assert_cmphex(rdmsr(qts, 0, MSR_REFERENCE_TSC), ==, TSC_PAGE | 1);

    wrmsr(qts, 0, MSR_CRASH_P0 + 4, 0x1234567890);
    g_assert_cmphex(rdmsr(qts, 0, MSR_CRASH_P0 + 4), ==, 0x1234567890);
    g_assert_cmphex(rdmsr(qts, 0, MSR_CRASH_CTL), ==, 1ull << 63);
    qtest_quit(qts);
}

static void test_msrs_follow_flags(void)
{
    QTestState *qts = guest_simple("hv-relaxed,hv-enforce-cpuid", "");
    static const uint32_t absent[] = {
        MSR_VP_INDEX, MSR_RESET, MSR_TIME_REF_COUNT, MSR_REFERENCE_TSC,
        MSR_VP_ASSIST_PAGE, MSR_SCONTROL, MSR_SIMP, MSR_EOM, MSR_SINT0,
        MSR_CRASH_P0, MSR_CRASH_CTL,
    };
    uint64_t val;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(absent); i++) {
        g_assert_cmphex(try_rdmsr(qts, 0, absent[i], &val), ==, GP);
        g_assert_cmphex(try_wrmsr(qts, 0, absent[i], 0), ==, GP);
    }
    enable_hypercalls(qts);
    g_assert_cmphex(hypercall(qts, POST_MESSAGE, INPUT), ==,
                    STATUS_ACCESS_DENIED);
    qtest_quit(qts);
}

static void test_synic_msrs(void)
{
    QTestState *qts = guest_simple(ALL_FLAGS, "");

    g_assert_cmphex(try_wrmsr(qts, 0, MSR_SINT0, 15), ==, GP);
    g_assert_cmphex(try_wrmsr(qts, 0, MSR_SINT0, 0x20040), ==, GP);
    wrmsr(qts, 0, MSR_SINT0, SINT_MASKED | 3);
    g_assert_cmphex(rdmsr(qts, 0, MSR_SINT0), ==, SINT_MASKED | 3);
    g_assert_cmphex(try_wrmsr(qts, 0, MSR_SIMP, 1ull << 63 | 1), ==, GP);

    /* The pages overlay RAM, whose contents come back. */
    qtest_writel(qts, SIMP(0), 0x1111);
    wrmsr(qts, 0, MSR_SIMP, SIMP(0) | 1);
    g_assert_cmphex(qtest_readl(qts, SIMP(0)), ==, 0);
    qtest_writel(qts, SIMP(0), 0x2222);
    wrmsr(qts, 0, MSR_SIMP, 0);
    g_assert_cmphex(qtest_readl(qts, SIMP(0)), ==, 0x1111);
    /* Both at one address, over ROM, over an absent page. */
    wrmsr(qts, 0, MSR_SIMP, SIMP(0) | 1);
    wrmsr(qts, 0, MSR_SIEFP, SIMP(0) | 1);
    wrmsr(qts, 0, MSR_SIMP, 0xfffff001);
    wrmsr(qts, 0, MSR_SIEFP, 0x7ffffff001);
    wrmsr(qts, 0, MSR_SIMP, 0);
    wrmsr(qts, 0, MSR_SIEFP, 0);
    qtest_quit(qts);
}

/* ---- Hypercalls ---- */

static void test_hypercall_page(void)
{
    QTestState *qts = guest_simple(ALL_FLAGS, "");
    uint64_t val;

    wrmsr(qts, 0, MSR_HYPERCALL, HCALL_PAGE | 1);
    g_assert_cmphex(rdmsr(qts, 0, MSR_HYPERCALL), ==, 0);
    g_assert_cmphex(try_hypercall(qts, 1, 0, &val), ==, UD);

    enable_hypercalls(qts);
    g_assert_cmphex(qtest_readl(qts, HCALL_PAGE), ==, 0xc3c1010f);
    g_assert_cmphex(rdmsr(qts, 0, MSR_HYPERCALL), ==, HCALL_PAGE | 1);
    /* not RAM; nothing there */
    g_assert_cmphex(try_wrmsr(qts, 0, MSR_HYPERCALL, 0xfed00001), ==, GP);
    g_assert_cmphex(try_wrmsr(qts, 0, MSR_HYPERCALL, 1ull << 62 | 1), ==, GP);

    wrmsr(qts, 0, MSR_GUEST_OS_ID, 0);
    g_assert_cmphex(rdmsr(qts, 0, MSR_HYPERCALL), ==, HCALL_PAGE);
    g_assert_cmphex(try_hypercall(qts, 1, 0, &val), ==, UD);
    qtest_quit(qts);
}

static void test_hypercall_errors(void)
{
    QTestState *qts = guest_with_vmbus("");
    uint8_t junk[256] = {};

    g_assert_cmphex(hypercall(qts, 0, 0), ==, STATUS_INVALID_CODE);
    g_assert_cmphex(hypercall(qts, 0xffff, 0), ==, STATUS_INVALID_CODE);
    g_assert_cmphex(hypercall(qts, 8, 0), ==, STATUS_SUCCESS);
    g_assert_cmphex(hypercall(qts, POST_MESSAGE | 1ull << 32, INPUT), ==,
                    STATUS_INVALID_INPUT);
    g_assert_cmphex(hypercall(qts, POST_MESSAGE | FAST, INPUT), ==,
                    STATUS_INVALID_CODE);
    g_assert_cmphex(hypercall(qts, POST_MESSAGE, INPUT + 1), ==,
                    STATUS_INVALID_ALIGNMENT);
    g_assert_cmphex(hypercall(qts, POST_MESSAGE, 0xfed00000), ==,
                    STATUS_INSUFFICIENT_MEMORY);
    g_assert_cmphex(hypercall(qts, POST_MESSAGE, ~0ull << 8), ==,
                    STATUS_INSUFFICIENT_MEMORY);
    g_assert_cmphex(hypercall(qts, SIGNAL_EVENT, ~0ull << 8), ==,
                    STATUS_INSUFFICIENT_MEMORY);
    g_assert_cmphex(hypercall(qts, SIGNAL_EVENT | FAST, 99), ==,
                    STATUS_INVALID_CONNECTION_ID);
    g_assert_cmphex(hypercall(qts, SIGNAL_EVENT | FAST, 1ull << 32), ==,
                    STATUS_INVALID_PORT_ID);
    g_assert_cmphex(hypercall(qts, SIGNAL_EVENT | FAST, 1ull << 48), ==,
                    STATUS_INVALID_INPUT);
    qtest_writeq(qts, INPUT, VMBUS_EVENT_CONNECTION_ID);
    g_assert_cmphex(hypercall(qts, SIGNAL_EVENT, INPUT), ==, STATUS_SUCCESS);
    g_assert_cmphex(hypercall(qts, SIGNAL_EVENT | FAST,
                              VMBUS_EVENT_CONNECTION_ID), ==, STATUS_SUCCESS);
    g_assert_cmphex(post(qts, junk, 241), ==, STATUS_INVALID_INPUT);
    g_assert_cmphex(post(qts, junk, 4), ==, STATUS_INVALID_INPUT);
    g_assert_cmphex(post(qts, junk, 240), ==, STATUS_INVALID_INPUT);
    qtest_quit(qts);
}

/* ---- Messages and interrupts ---- */

static void do_all_vps(const char *machine, const char *accel)
{
    QTestState *qts = guest_start(machine, accel, 4, ALL_FLAGS,
                                  "-device vmbus-bridge");
    int cpu;

    enable_hypercalls(qts);
    for (cpu = 0; cpu < 4; cpu++) {
        uint64_t irqs = MAILBOX(cpu) + MB_IRQS;

        if (cpu) {
            start_ap(qts, cpu);
        }
        g_assert_cmphex(rdmsr(qts, cpu, MSR_VP_INDEX), ==, cpu);
        enable_synic(qts, cpu);
        qtest_writel(qts, irqs, 0);
        connect_vmbus(qts, cpu);
        wait_for(qts, irqs, 1, true);
    }
    /* Masked: the message, but no interrupt. */
    wrmsr(qts, 3, MSR_SINT0 + SINT, SINT_MASKED | IRQ_VECTOR);
    connect_vmbus(qts, 3);
    g_assert_cmpuint(qtest_readl(qts, MAILBOX(3) + MB_IRQS), ==, 1);
    qtest_quit(qts);
}

static void test_all_vps(void)
{
    do_all_vps("q35", "tcg,thread=multi");
}

static void test_all_vps_single(void)
{
    do_all_vps("pc", "tcg,thread=single");
}

static void test_pending_message(void)
{
    QTestState *qts = guest_with_vmbus("");

    post_contact(qts, VMBUS_VERSION_WIN10, 0);
    peek(qts, 0, VMBUS_MSG_VERSION_RESPONSE, NULL, 0);
    post_simple(qts, VMBUS_MSG_REQUESTOFFERS);
    /* The second one waits, which sets a flag in the first. */
    wait_for(qts, slot_addr(0) + 4, MSG_PENDING << 8 | 16, true);
    consume(qts, 0);
    receive(qts, 0, VMBUS_MSG_ALLOFFERS_DELIVERED, NULL, 0);
    /* ends of message without a message */
    wrmsr(qts, 0, MSR_EOM, 0);
    wrmsr(qts, 0, MSR_EOM, 0);
    connect_vmbus(qts, 0);
    qtest_quit(qts);
}

static void test_init_keeps_synic(void)
{
    QTestState *qts = guest_start("q35", "tcg", 2, ALL_FLAGS,
                                  "-device vmbus-bridge");

    enable_hypercalls(qts);
    start_ap(qts, 1);
    enable_synic(qts, 1);
    init_ap(qts, 1);
    start_ap(qts, 1);
    g_assert_cmphex(rdmsr(qts, 1, MSR_SIMP), ==, SIMP(1) | 1);
    g_assert_cmphex(rdmsr(qts, 1, MSR_SINT0 + SINT), ==, IRQ_VECTOR);
    connect_vmbus(qts, 1);
    qtest_quit(qts);
}

static void assert_reset_state(QTestState *qts)
{
    g_assert_cmphex(rdmsr(qts, 0, MSR_GUEST_OS_ID), ==, 0);
    g_assert_cmphex(rdmsr(qts, 0, MSR_HYPERCALL), ==, 0);
    g_assert_cmphex(rdmsr(qts, 0, MSR_REFERENCE_TSC), ==, 0);
    g_assert_cmphex(rdmsr(qts, 0, MSR_SCONTROL), ==, 0);
    g_assert_cmphex(rdmsr(qts, 0, MSR_SIMP), ==, 0);
    g_assert_cmphex(rdmsr(qts, 0, MSR_SIEFP), ==, 0);
    g_assert_cmphex(rdmsr(qts, 0, MSR_SINT0 + SINT), ==, SINT_MASKED);
}

static void test_reset(void)
{
    QTestState *qts = guest_with_vmbus("");
    int i;

    connect_vmbus(qts, 0);
    for (i = 0; i < 3; i++) {
        system_reset(qts);
        assert_reset_state(qts);
        enable_hypercalls(qts);
        enable_synic(qts, 0);
        connect_vmbus(qts, 0);
    }
    qtest_quit(qts);
}

/* The guest's own reset, by MSR. */
static void test_reset_msr(void)
{
    QTestState *qts = guest_with_vmbus("");

    wrmsr(qts, 0, MSR_RESET, 0);
    wrmsr(qts, 0, MSR_GUEST_OS_ID, 5);
    qtest_writel(qts, MAILBOX(0) + 4, 1);
    qtest_writel(qts, MAILBOX(0) + 12, MSR_RESET);
    qtest_writel(qts, MAILBOX(0) + 16, 0);
    qtest_writel(qts, MAILBOX(0), OP_WRMSR);
    qtest_qmp_eventwait(qts, "RESET");
    wait_for(qts, MAILBOX(0) + MB_FAULT, READY, true);
    assert_reset_state(qts);
    qtest_quit(qts);
}

static void test_crash_msr(void)
{
    QTestState *qts = guest_simple(ALL_FLAGS, "-action panic=none");
    QDict *event, *info;

    wrmsr(qts, 0, MSR_CRASH_P0, 0x77);
    wrmsr(qts, 0, MSR_CRASH_CTL, 1ull << 63);
    event = qtest_qmp_eventwait_ref(qts, "GUEST_PANICKED");
    info = qdict_get_qdict(qdict_get_qdict(event, "data"), "info");
    g_assert_cmpstr(qdict_get_str(info, "type"), ==, "hyper-v");
    g_assert_cmphex(qdict_get_int(info, "arg1"), ==, 0x77);
    qobject_unref(event);
    qtest_quit(qts);
}

/* A message that the guest does not take must not survive the reset. */
static void test_reset_with_pending_message(void)
{
    QTestState *qts = guest_with_vmbus("");
    int i;

    for (i = 0; i < 5; i++) {
        post_contact(qts, VMBUS_VERSION_WIN10, 0);
        peek(qts, 0, VMBUS_MSG_VERSION_RESPONSE, NULL, 0);
        post_simple(qts, VMBUS_MSG_REQUESTOFFERS);
        wait_for(qts, slot_addr(0) + 4, MSG_PENDING << 8 | 16, true);
        /* These stay in the queue, which the reset has to empty. */
        post_simple(qts, VMBUS_MSG_REQUESTOFFERS);
        post_simple(qts, VMBUS_MSG_REQUESTOFFERS);
        system_reset(qts);
        enable_hypercalls(qts);
        enable_synic(qts, 0);
    }
    connect_vmbus(qts, 0);
    qtest_quit(qts);
}

/*
 * The reset comes while a message is on its way to the slot: what was to tell
 * the bus of it then finds the bus reset. Freed memory is spoilt, or nobody
 * would notice who uses it; with ASan it is noticed anyway.
 */
static void test_reset_while_posting(void)
{
    vmbus_message_header request = {
        .message_type = VMBUS_MSG_REQUESTOFFERS,
    };
    QTestState *qts;
    int i;

    g_setenv("MALLOC_PERTURB_", "165", false);
    qts = guest_start("q35", "tcg", 2, ALL_FLAGS, "-device vmbus-bridge");
    for (i = 0; i < 200; i++) {
        enable_hypercalls(qts);
        start_ap(qts, 1);
        enable_synic(qts, 1);
        connect_vmbus(qts, 1);
        put_message(qts, INPUT, &request, sizeof(request));
        post_for_ever(qts, 0, INPUT, TSC_PAGE);
        system_reset(qts);
    }
    enable_hypercalls(qts);
    enable_synic(qts, 0);
    connect_vmbus(qts, 0);
    qtest_quit(qts);
}

/* ---- Migration ---- */

static void wait_migrated(QTestState *qts)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    for (;;) {
        QDict *rsp = qtest_qmp(qts, "{'execute': 'query-migrate'}");
        QDict *ret = qdict_get_qdict(rsp, "return");
        bool done = qdict_haskey(ret, "status") &&
            !strcmp(qdict_get_str(ret, "status"), "completed");

        qobject_unref(rsp);
        if (done) {
            return;
        }
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(10000);
    }
}

static QTestState *migrate(QTestState *src, const char *options)
{
    g_autofree char *path = g_strdup_printf("%s.mig", rom_file());
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    g_autofree char *incoming = g_strdup_printf("%s -incoming defer", options);
    QTestState *dst;

    qtest_qmp_assert_success(src, "{'execute': 'migrate', "
                             "'arguments': {'uri': %s}}", uri);
    wait_migrated(src);
    qtest_quit(src);

    dst = guest_init(incoming);
    qtest_qmp_assert_success(dst, "{'execute': 'migrate-incoming', "
                             "'arguments': {'uri': %s}}", uri);
    qtest_qmp_eventwait(dst, "RESUME");
    unlink(path);
    return dst;
}

static void test_migration(void)
{
    static const char options[] =
        "-machine q35 -accel tcg -smp 2 -device vmbus-bridge "
        "-cpu max,hv-vpindex,hv-synic,hv-time,hv-relaxed,hv-reset,hv-crash";
    QTestState *qts = guest_init(options);
    uint64_t time;

    wait_for(qts, MAILBOX(0) + MB_FAULT, READY, true);
    enable_hypercalls(qts);
    start_ap(qts, 1);
    enable_synic(qts, 0);
    enable_synic(qts, 1);
    wrmsr(qts, 0, MSR_REFERENCE_TSC, TSC_PAGE | 1);
    wrmsr(qts, 1, MSR_VP_ASSIST_PAGE, 0x7001);
    wrmsr(qts, 0, MSR_CRASH_P0, 42);
    connect_vmbus(qts, 1);
    /* One message in its slot, one behind it. */
    post_contact(qts, VMBUS_VERSION_WIN10, 1);
    peek(qts, 1, VMBUS_MSG_VERSION_RESPONSE, NULL, 0);
    post_simple(qts, VMBUS_MSG_REQUESTOFFERS);
    wait_for(qts, slot_addr(1) + 4, MSG_PENDING << 8 | 16, true);
    time = rdmsr(qts, 0, MSR_TIME_REF_COUNT);

    qts = migrate(qts, options);

    g_assert_cmphex(rdmsr(qts, 0, MSR_GUEST_OS_ID), ==, 0x8100000000000001);
    g_assert_cmphex(rdmsr(qts, 0, MSR_HYPERCALL), ==, HCALL_PAGE | 1);
    g_assert_cmphex(rdmsr(qts, 0, MSR_REFERENCE_TSC), ==, TSC_PAGE | 1);
    g_assert_cmphex(rdmsr(qts, 1, MSR_VP_ASSIST_PAGE), ==, 0x7001);
    g_assert_cmphex(rdmsr(qts, 0, MSR_CRASH_P0), ==, 42);
    g_assert_cmphex(rdmsr(qts, 1, MSR_VP_INDEX), ==, 1);
    g_assert_cmphex(rdmsr(qts, 1, MSR_SINT0 + SINT), ==, IRQ_VECTOR);
    g_assert_cmphex(rdmsr(qts, 0, MSR_SIMP), ==, SIMP(0) | 1);
    g_assert_cmpuint(rdmsr(qts, 0, MSR_TIME_REF_COUNT), >, time);
    receive(qts, 1, VMBUS_MSG_VERSION_RESPONSE, NULL, 0);
    receive(qts, 1, VMBUS_MSG_ALLOFFERS_DELIVERED, NULL, 0);
    qtest_writel(qts, MAILBOX(0) + MB_IRQS, 0);
    connect_vmbus(qts, 0);
    wait_for(qts, MAILBOX(0) + MB_IRQS, 1, true);
    qtest_quit(qts);
}

static void add_tests(void)
{
    qtest_add_func("/hyperv-tcg/flags/refused", test_refused);
    qtest_add_func("/hyperv-tcg/flags/accepted", test_accepted);
    qtest_add_func("/hyperv-tcg/flags/dependencies", test_dependencies);
    qtest_add_func("/hyperv-tcg/cpuid", test_cpuid);
    qtest_add_func("/hyperv-tcg/cpuid/unused", test_cpuid_unused);
    qtest_add_func("/hyperv-tcg/off", test_off);
    qtest_add_func("/hyperv-tcg/msr/values", test_msrs);
    qtest_add_func("/hyperv-tcg/msr/follow-flags", test_msrs_follow_flags);
    qtest_add_func("/hyperv-tcg/msr/synic", test_synic_msrs);
    qtest_add_func("/hyperv-tcg/msr/reset", test_reset_msr);
    qtest_add_func("/hyperv-tcg/msr/crash", test_crash_msr);
    qtest_add_func("/hyperv-tcg/hypercall/page", test_hypercall_page);
    qtest_add_func("/hyperv-tcg/hypercall/errors", test_hypercall_errors);
    qtest_add_func("/hyperv-tcg/sint/all-vps", test_all_vps);
    qtest_add_func("/hyperv-tcg/sint/all-vps-single", test_all_vps_single);
    qtest_add_func("/hyperv-tcg/sint/pending-message", test_pending_message);
    qtest_add_func("/hyperv-tcg/init", test_init_keeps_synic);
    qtest_add_func("/hyperv-tcg/reset", test_reset);
    qtest_add_func("/hyperv-tcg/reset-with-pending-message",
                   test_reset_with_pending_message);
    qtest_add_func("/hyperv-tcg/reset-while-posting", test_reset_while_posting);
    qtest_add_func("/hyperv-tcg/migration", test_migration);
}

int main(int argc, char **argv)
{
    return guest_main(argc, argv, "tcg", "vmbus-bridge", add_tests);
}
