/*
 * Hyper-V enlightenments under TCG, and VMBus facing a malicious guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing that the guest of hyperv-guest.h does may end QEMU.
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

/* QEMU exits with @text in its error. */
static void assert_fails(const char *options, const char *text)
{
    g_autofree char *command =
        g_strdup_printf("%s -nodefaults -display none -S -machine q35 "
                        "-bios %s -accel tcg %s", getenv("QTEST_QEMU_BINARY"),
                        rom_file(), options);
    g_autofree char *err = NULL;
    int status;

    g_assert_true(g_spawn_command_line_sync(command, NULL, &err, &status,
                                            NULL));
    g_assert_cmpint(status, !=, 0);
    if (!strstr(err, text)) {
        g_test_message("no '%s' in: %s", text, err);
        g_test_fail();
    }
}

static void test_dependencies(void)
{
    assert_fails("-cpu max,hv-synic", "requires 'hv-vpindex'");
    assert_fails("-cpu max,hv-stimer", "'hv-stimer' is not implemented by TCG");
    assert_fails("-cpu max,hv-no-nonarch-coresharing=on",
                 "'hv-no-nonarch-coresharing'");
    assert_fails("-cpu max -device vmbus-bridge", "hv-vpindex,hv-synic");
    assert_fails("-cpu max,hv-vpindex -device vmbus-bridge",
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

/* ---- Free page reporting ---- */

static const char reporting_flags[] =
    "hv-vpindex,hv-synic,hv-free-page-reporting";

/* Where the guest's idle memory is: 2 MiB from 8 MiB on, and so on. */
#define IDLE            (8ull << 20)
#define LARGE_SIZE      (2ull << 20)
#define LARGE           (1ull << 11)
#define HUGE_PAGES      (LARGE | 1ull << 12)
#define FROM(n)         ((uint64_t)(n) << 48)
#define PATTERN         0x1234567890abcdef

static QTestState *guest_reporting(const char *more)
{
    QTestState *qts = guest_simple(reporting_flags, more);

    enable_hypercalls(qts);
    return qts;
}

static QTestState *guest_reporting_to_balloon(void)
{
    return guest_reporting("-device vmbus-bridge -device hv-balloon");
}

/* Hint at ranges @start to @n. */
static uint64_t hint(QTestState *qts, const uint64_t *ranges, unsigned n,
                     unsigned start)
{
    return hint_free_pages(qts, ranges, n, FROM(start));
}

static uint64_t balloon_counter(QTestState *qts, const char *name)
{
    QDict *rsp = qtest_qmp(qts, "{'execute': 'query-hv-balloon'}");
    QDict *counters =
        qdict_get_qdict(qdict_get_qdict(rsp, "return"), "counters");
    uint64_t val = qdict_get_int(counters, name);

    qobject_unref(rsp);
    return val;
}

/* Write to the first and the last word of each of @n large pages. */
static void fill_large(QTestState *qts, uint64_t addr, unsigned n)
{
    for (; n--; addr += LARGE_SIZE) {
        qtest_writeq(qts, addr, PATTERN);
        qtest_writeq(qts, addr + LARGE_SIZE - 8, PATTERN);
    }
}

static void assert_large(QTestState *qts, uint64_t addr, unsigned n,
                         uint64_t val)
{
    for (; n--; addr += LARGE_SIZE) {
        g_assert_cmphex(qtest_readq(qts, addr), ==, val);
        g_assert_cmphex(qtest_readq(qts, addr + LARGE_SIZE - 8), ==, val);
    }
}

static void test_reporting_off(void)
{
    QTestState *qts = guest_with_vmbus("-device hv-balloon");

    g_assert_cmphex(cpuid(qts, 0x40000003).ebx, ==, 0x30);
    g_assert_cmphex(hypercall_out(qts, EXT_QUERY, 0, INPUT), ==,
                    STATUS_ACCESS_DENIED);
    g_assert_cmphex(hypercall(qts, EXT_HINT | REPS(1), INPUT), ==,
                    STATUS_ACCESS_DENIED);
    qtest_quit(qts);
    assert_fails("-cpu max,hv-free-page-reporting", "requires 'hv-synic'");
}

static void test_reporting_query(void)
{
    QTestState *qts = guest_reporting("");

    g_assert_cmphex(cpuid(qts, 0x40000003).ebx, ==, 0x100030);
    /* There is no handler for hints. */
    qtest_writeq(qts, INPUT, PATTERN);
    g_assert_cmphex(hypercall_out(qts, EXT_QUERY, 0, INPUT), ==,
                    STATUS_SUCCESS);
    g_assert_cmphex(qtest_readq(qts, INPUT), ==, 0);
    g_assert_cmphex(hypercall(qts, EXT_HINT | REPS(1), INPUT), ==,
                    STATUS_INVALID_CODE);
    qtest_quit(qts);

    qts = guest_reporting_to_balloon();
    g_assert_cmphex(hypercall_out(qts, EXT_QUERY, 0, INPUT), ==,
                    STATUS_SUCCESS);
    g_assert_cmphex(qtest_readq(qts, INPUT), ==, 1 << 8);
    g_assert_cmphex(hypercall_out(qts, EXT_QUERY, 0, INPUT + 4), ==,
                    STATUS_INVALID_ALIGNMENT);
    g_assert_cmphex(hypercall_out(qts, EXT_QUERY, 0, 0xfed00000), ==,
                    STATUS_INSUFFICIENT_MEMORY);
    g_assert_cmphex(hypercall_out(qts, EXT_QUERY, 0, 1ull << 63), ==,
                    STATUS_INSUFFICIENT_MEMORY);
    g_assert_cmphex(hypercall_out(qts, EXT_QUERY | FAST, 0, INPUT), ==,
                    STATUS_INVALID_PARAMETER);
    g_assert_cmphex(hypercall_out(qts, EXT_QUERY | REPS(1), 0, INPUT), ==,
                    STATUS_INVALID_INPUT);
    qtest_quit(qts);
}

static void test_reporting_discards(void)
{
    /* three large pages, one page, nothing, a large page; not the second */
    const uint64_t ranges[] = {
        IDLE | LARGE | 2,
        IDLE + 4 * LARGE_SIZE + 0x1000,
        0xfed00000,
        (IDLE + 6 * LARGE_SIZE) | LARGE,
    };
    QTestState *qts = guest_reporting_to_balloon();

    fill_large(qts, IDLE - LARGE_SIZE, 9);
    qtest_writeq(qts, IDLE + 4 * LARGE_SIZE + 0x1000, PATTERN);
    qtest_writeq(qts, IDLE + 4 * LARGE_SIZE + 0x2000, PATTERN);
    g_assert_cmphex(hint(qts, ranges, 4, 0), ==, REPS(4));
    assert_large(qts, IDLE - LARGE_SIZE, 1, PATTERN);
    assert_large(qts, IDLE, 3, 0);
    assert_large(qts, IDLE + 3 * LARGE_SIZE, 3, PATTERN);
    g_assert_cmphex(qtest_readq(qts, IDLE + 4 * LARGE_SIZE + 0x1000), ==, 0);
    g_assert_cmphex(qtest_readq(qts, IDLE + 4 * LARGE_SIZE + 0x2000), ==,
                    PATTERN);
    assert_large(qts, IDLE + 6 * LARGE_SIZE, 1, 0);
    assert_large(qts, IDLE + 7 * LARGE_SIZE, 1, PATTERN);
    g_assert_cmpuint(balloon_counter(qts, "reported"), ==,
                     4 * LARGE_SIZE + 2 * 4096);
    g_assert_cmpuint(balloon_counter(qts, "discarded"), ==,
                     4 * LARGE_SIZE + 4096);
    g_assert_cmpuint(balloon_counter(qts, "dropped-ranges"), ==, 0);

    /* The first two are done already. */
    fill_large(qts, IDLE, 7);
    g_assert_cmphex(hint(qts, ranges, 4, 2), ==, REPS(4));
    assert_large(qts, IDLE, 6, PATTERN);
    assert_large(qts, IDLE + 6 * LARGE_SIZE, 1, 0);
    qtest_quit(qts);
}

/* More than one call can do; the guest does not notice. */
static void test_reporting_unfinished(void)
{
    QTestState *qts = guest_reporting_to_balloon();
    uint64_t ranges[511];
    unsigned i;

    for (i = 0; i < 511; i++) {
        ranges[i] = IDLE + 0x1000 * i;
        qtest_writeq(qts, ranges[i], PATTERN);
    }
    qtest_writeq(qts, ranges[510] + 0x1000, PATTERN);
    g_assert_cmphex(hint(qts, ranges, 511, 0), ==, REPS(511));
    for (i = 0; i < 511; i++) {
        g_assert_cmphex(qtest_readq(qts, ranges[i]), ==, 0);
    }
    g_assert_cmphex(qtest_readq(qts, ranges[510] + 0x1000), ==, PATTERN);
    g_assert_cmpuint(balloon_counter(qts, "reported"), ==, 511 * 4096);

    /* ranges that are not memory, then one that is */
    for (i = 0; i < 10; i++) {
        ranges[i] = (i + 1ull) << 40 | HUGE_PAGES | 1023;
    }
    ranges[10] = IDLE;
    qtest_writeq(qts, IDLE, PATTERN);
    g_assert_cmphex(hint(qts, ranges, 11, 0), ==, REPS(11));
    g_assert_cmphex(qtest_readq(qts, IDLE), ==, 0);
    qtest_quit(qts);
}

#define GIGABYTE        (1ull << 30)

/* The ranges in the log are these, in this order. */
static void assert_traced(const char *log, const uint64_t (*expected)[2],
                          size_t n)
{
    g_autofree char *text = NULL;
    const char *next;
    size_t i;

    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    next = text;
    for (i = 0; i < n; i++) {
        g_autofree char *line =
            g_strdup_printf("hyperv_free_pages 0x%" PRIx64 " + 0x%" PRIx64,
                            expected[i][0], expected[i][1]);

        next = strstr(next, "hyperv_free_pages");
        g_assert_nonnull(next);
        if (strncmp(next, line, strlen(line)) ||
            g_ascii_isxdigit(next[strlen(line)])) {
            g_error("not '%s' but %.60s", line, next);
        }
        next += strlen(line);
    }
    g_assert_null(strstr(next, "hyperv_free_pages"));
}

/*
 * A call does 4 GiB, even if that ends within a range. Nothing is left out and
 * nothing is done twice, even if two ranges are the same.
 */
static void test_reporting_long_range(void)
{
    const uint64_t at = 1ull << 40, big = 2ull << 40, end = at + 9 * GIGABYTE;
    const uint64_t ranges[] = {
        at | HUGE_PAGES | 2,
        at | HUGE_PAGES | 2,
        at | HUGE_PAGES | 8,
        big | HUGE_PAGES | 2047,
        IDLE,
    };
    const uint64_t expected[][2] = {
        { at, 3 * GIGABYTE }, { at, GIGABYTE },
        { at + GIGABYTE, 2 * GIGABYTE }, { at, 2 * GIGABYTE },
        { at + 2 * GIGABYTE, 4 * GIGABYTE },
        { end - 3 * GIGABYTE, 3 * GIGABYTE }, { big, GIGABYTE },
    };
    uint64_t all[ARRAY_SIZE(expected) + 513][2];
    size_t n = ARRAY_SIZE(expected);
    g_autofree char *log = NULL, *options = NULL;
    int fd = g_file_open_tmp("hyperv-tcg-XXXXXX", &log, NULL);
    uint64_t next;
    QTestState *qts;

    close(fd);
    options = g_strdup_printf("-device vmbus-bridge -device hv-balloon"
                              " -trace hyperv_free_pages -D %s", log);
    memcpy(all, expected, sizeof(expected));
    for (next = big + GIGABYTE; next + 4 * GIGABYTE <= 2 * big;
         next += 4 * GIGABYTE, n++) {
        all[n][0] = next;
        all[n][1] = 4 * GIGABYTE;
    }
    all[n][0] = next;
    all[n++][1] = 2 * big - next;
    all[n][0] = IDLE;
    all[n++][1] = 4096;
    g_assert_cmpuint(n, ==, ARRAY_SIZE(all));

    qts = guest_reporting(options);
    qtest_writeq(qts, IDLE, PATTERN);
    g_assert_cmphex(hint(qts, ranges, 5, 0), ==, REPS(5));
    g_assert_cmphex(qtest_readq(qts, IDLE), ==, 0);
    g_assert_cmpuint(balloon_counter(qts, "reported"), ==,
                     15 * GIGABYTE + big + 4096);
    qtest_quit(qts);
    assert_traced(log, all, n);
    unlink(log);
}

static void test_reporting_bad(void)
{
    static const uint64_t bad_ranges[] = {
        IDLE | LARGE | 1ull << 13,              /* reserved */
        IDLE | LARGE | 1ull << 20,
        IDLE | HUGE_PAGES,                      /* not at 1 GiB */
        ~0ull << 12 | 1,                        /* past the end */
        ~0ull << 21 | LARGE | 1,
        ~0ull << 30 | HUGE_PAGES | 2047,
    };
    QTestState *qts = guest_reporting_to_balloon();
    uint64_t page = INPUT;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(bad_ranges); i++) {
        const uint64_t ranges[] = { IDLE, bad_ranges[i], IDLE };

        /* The first of them is done. */
        g_assert_cmphex(hint(qts, ranges, 3, 0), ==,
                        REPS(1) | STATUS_INVALID_PARAMETER);
    }
    g_assert_cmpuint(balloon_counter(qts, "reported"), ==, 4096 * i);

    qtest_writeq(qts, page, 2);
    g_assert_cmphex(hypercall(qts, EXT_HINT, page), ==, STATUS_INVALID_INPUT);
    g_assert_cmphex(hypercall(qts, EXT_HINT | REPS(1) | FROM(1), page), ==,
                    STATUS_INVALID_INPUT);
    g_assert_cmphex(hypercall(qts, EXT_HINT | REPS(1) | FROM(4095), page), ==,
                    STATUS_INVALID_INPUT);
    g_assert_cmphex(hypercall(qts, EXT_HINT | REPS(512), page), ==,
                    STATUS_INVALID_INPUT);
    g_assert_cmphex(hypercall(qts, EXT_HINT | REPS(4095), page), ==,
                    STATUS_INVALID_INPUT);
    g_assert_cmphex(hypercall(qts, EXT_HINT | REPS(1) | 1 << 17, page), ==,
                    STATUS_INVALID_INPUT);
    g_assert_cmphex(hypercall(qts, EXT_HINT | REPS(1) | 1ull << 60, page), ==,
                    STATUS_INVALID_INPUT);
    g_assert_cmphex(hypercall(qts, EXT_HINT | REPS(1) | FAST, page), ==,
                    STATUS_INVALID_PARAMETER);
    g_assert_cmphex(hypercall(qts, EXT_HINT | REPS(1), page + 4), ==,
                    STATUS_INVALID_ALIGNMENT);
    g_assert_cmphex(hypercall(qts, EXT_HINT | REPS(1), page + 4088), ==,
                    STATUS_INVALID_INPUT);
    g_assert_cmphex(hypercall(qts, EXT_HINT | REPS(1), 0xfed00000), ==,
                    STATUS_INSUFFICIENT_MEMORY);
    g_assert_cmphex(hypercall(qts, EXT_HINT | REPS(1), ~0ull << 12), ==,
                    STATUS_INSUFFICIENT_MEMORY);
    /* other kinds of hint, reserved bits */
    for (i = 0; i < 64; i++) {
        qtest_writeq(qts, page, i == 1 ? 0 : 2 ^ 1ull << i);
        g_assert_cmphex(hypercall(qts, EXT_HINT | REPS(1), page), ==,
                        STATUS_INVALID_PARAMETER);
    }
    g_assert_cmpuint(balloon_counter(qts, "reported"), ==,
                     4096 * ARRAY_SIZE(bad_ranges));
    qtest_quit(qts);
}

/* Hinting at the page with the hint itself, and at the code. */
static void test_reporting_itself(void)
{
    const uint64_t ranges[] = { INPUT, HCALL_PAGE, INPUT, 0xf0000 };
    QTestState *qts = guest_reporting_to_balloon();

    g_assert_cmphex(hint(qts, ranges, 4, 0), ==, REPS(4));
    g_assert_cmphex(qtest_readq(qts, INPUT), ==, 0);
    /* ROM stays. */
    g_assert_cmphex(hint(qts, ranges, 4, 3), ==, REPS(4));
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

/* ---- A malicious guest ---- */

static void test_bad_contact(void)
{
    QTestState *qts = guest_with_vmbus("");

    post_simple(qts, VMBUS_MSG_UNLOAD);
    post_simple(qts, VMBUS_MSG_REQUESTOFFERS);
    post_contact(qts, VMBUS_VERSION_WIN10, 1);
    post_contact(qts, VMBUS_VERSION_WIN10, 99);
    post_contact(qts, VMBUS_VERSION_WIN10, UINT32_MAX);
    post_simple(qts, VMBUS_MSG_UNLOAD);
    connect_vmbus(qts, 0);
    post_simple(qts, VMBUS_MSG_UNLOAD);
    receive(qts, 0, VMBUS_MSG_UNLOAD_RESPONSE, NULL, 0);
    connect_vmbus(qts, 0);
    qtest_quit(qts);
}

static void test_bad_gpadl(void)
{
    QTestState *qts = guest_with_vmbus("");
    vmbus_message_gpadl_header head = {
        .header.message_type = VMBUS_MSG_GPADL_HEADER,
        .gpadl_id = 7,
        .rangecount = 1,
    };
    uint8_t msg[sizeof(head) + 8] = {};
    uint32_t huge = 0xfffff000;

    connect_vmbus(qts, 0);
    /* The range buffer is shorter than a range's head. */
    memcpy(msg, &head, sizeof(head));
    memcpy(msg + sizeof(head), &huge, sizeof(huge));
    post_ok(qts, msg, sizeof(msg));
    /* No page at all. */
    post_gpadl(qts, 8, 0, 0, 0);
    /* bodies for a complete GPADL and for none */
    create_gpadl(qts, 9, 2, RING >> 12);
    post_gpadl_body(qts, 9, 1);
    post_gpadl_body(qts, 10, 1);
    /* one that needs a single body */
    post_gpadl(qts, 11, 3, 2, RING >> 12);
    post_gpadl_body(qts, 11, 1);
    receive(qts, 0, VMBUS_MSG_GPADL_CREATED, NULL, 0);
    post_gpadl_body(qts, 11, 1);
    connect_vmbus(qts, 0);
    qtest_quit(qts);
}

/* The last request was not answered: the next message is the end of offers. */
static void assert_unanswered(QTestState *qts)
{
    post_simple(qts, VMBUS_MSG_REQUESTOFFERS);
    receive(qts, 0, VMBUS_MSG_ALLOFFERS_DELIVERED, NULL, 0);
}

static void test_many_gpadls(void)
{
    QTestState *qts = guest_with_vmbus("");
    uint32_t i;

    connect_vmbus(qts, 0);
    for (i = 0; i < 4096; i++) {
        create_gpadl(qts, i, 1, RING >> 12);
    }
    post_gpadl(qts, 4096, 1, 1, RING >> 12);
    assert_unanswered(qts);
    /* A new connection removes all of them. */
    connect_vmbus(qts, 0);
    create_gpadl(qts, 4096, 1, RING >> 12);
    qtest_quit(qts);
}

static void test_large_gpadls(void)
{
    QTestState *qts = guest_with_vmbus("");
    uint32_t i, pages = (UINT16_MAX - 8) / 8;

    connect_vmbus(qts, 0);
    for (i = 0; i < (1u << 20) / pages; i++) {
        post_gpadl(qts, i, pages, 1, 0);
    }
    /* 256 pages are left. */
    for (i = 0; i < 16; i++) {
        create_gpadl(qts, 1000 + i, 16, RING >> 12);
    }
    post_gpadl(qts, 2000, 1, 1, RING >> 12);
    assert_unanswered(qts);
    qtest_quit(qts);
}

static void test_bad_rings(void)
{
    static const uint32_t offsets[] = {
        0, 1, 7, 8, 9, 0x7fffffff, 0x80000000, UINT32_MAX - 1, UINT32_MAX,
    };
    QTestState *qts = guest_with_vmbus("-device hv-balloon");
    uint32_t relid;
    size_t i;

    connect_vmbus(qts, 0);
    relid = first_offer(qts);
    create_gpadl(qts, 1, 8, RING >> 12);
    create_gpadl(qts, 2, 8, MMIO_PFN);
    create_gpadl(qts, 3, 8, 1ull << 40);
    for (i = 0; i < ARRAY_SIZE(offsets); i++) {
        g_assert_cmpuint(open_channel(qts, relid, 1, offsets[i], 0), !=, 0);
    }
    g_assert_cmpuint(open_channel(qts, relid, 2, 4, 0), !=, 0);
    g_assert_cmpuint(open_channel(qts, relid, 3, 4, 0), !=, 0);
    g_assert_cmpuint(open_channel(qts, relid, 99, 4, 0), !=, 0);
    g_assert_cmpuint(open_channel(qts, relid, 1, 4, 1), !=, 0);
    g_assert_cmpuint(open_channel(qts, relid, 1, 4, UINT32_MAX), !=, 0);
    g_assert_cmpuint(open_channel(qts, relid, 1, 4, 0), ==, 0);
    close_channel(qts, relid);
    close_channel(qts, relid);
    close_channel(qts, relid + 1);
    g_assert_cmpuint(open_channel(qts, relid, 1, 4, 0), ==, 0);
    connect_vmbus(qts, 0);
    qtest_quit(qts);
}

/* A packet of @type in the ring from the guest, which then signals it. */
static void send_packet(QTestState *qts, uint32_t relid, uint64_t ring,
                        uint16_t type, uint16_t offset, uint16_t len,
                        const uint32_t *body, uint32_t words)
{
    uint16_t head[4] = { type, offset, len, 0 };
    uint64_t data = ring + 0x1000;

    g_assert_cmpuint(open_channel(qts, relid, 1, 4, 0), ==, 0);
    qtest_writel(qts, ring + 4, 0);
    qtest_memwrite(qts, data, head, sizeof(head));
    qtest_memwrite(qts, data + 16, body, words * 4);
    qtest_writel(qts, ring, 16 + words * 4 + 8);
    g_assert_cmphex(hypercall(qts, SIGNAL_EVENT | FAST, 16 + relid), ==,
                    STATUS_SUCCESS);
    close_channel(qts, relid);
    qtest_memset(qts, ring, 0, 0x8000);
}

static void test_bad_packets(void)
{
    /* reserved, rangecount, byte count, byte offset, and a page number */
    static const uint32_t many[] = { 0, 0xc0000000, 16, 0, 1, 0 };
    static const uint32_t most[] = { 0, UINT32_MAX, 16, 0, 1, 0 };
    static const uint32_t long_range[] = { 0, 1, UINT32_MAX, 0, 1, 0 };
    static const uint32_t offset[] = { 0, 1, 16, UINT32_MAX, 1, 0 };
    const uint16_t direct = VMBUS_PACKET_DATA_USING_GPA_DIRECT;
    const uint16_t inband = VMBUS_PACKET_DATA_INBAND;
    QTestState *qts = guest_with_vmbus("-device hv-balloon");
    uint32_t relid;

    connect_vmbus(qts, 0);
    relid = first_offer(qts);
    create_gpadl(qts, 1, 8, RING >> 12);
    send_packet(qts, relid, RING, direct, 5, 5, many, 6);
    send_packet(qts, relid, RING, direct, 5, 5, most, 6);
    send_packet(qts, relid, RING, direct, 5, 5, long_range, 6);
    send_packet(qts, relid, RING, direct, 5, 5, offset, 6);
    send_packet(qts, relid, RING, direct, 2, 5, offset, 6);
    send_packet(qts, relid, RING, inband, 0, 5, many, 6);
    send_packet(qts, relid, RING, inband, 6, 5, many, 6);
    send_packet(qts, relid, RING, inband, 2, 0xffff, many, 6);
    send_packet(qts, relid, RING, inband, 2, 5, many, 6);
    send_packet(qts, relid, RING, 0xffff, 2, 5, many, 6);
    connect_vmbus(qts, 0);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    if (!qtest_has_accel("tcg") || !qtest_has_device("vmbus-bridge")) {
        g_test_skip("TCG and VMBus needed");
        return 0;
    }
    rom_create();

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
    qtest_add_func("/vmbus/contact", test_bad_contact);
    qtest_add_func("/hostile/21-22-gpadl-bad", test_bad_gpadl);
    qtest_add_func("/hostile/22-gpadl-many", test_many_gpadls);
    qtest_add_func("/hostile/22-gpadl-large", test_large_gpadls);
    if (qtest_has_device("hv-balloon")) {
        qtest_add_func("/hyperv-tcg/free-pages/off", test_reporting_off);
        qtest_add_func("/hyperv-tcg/free-pages/query", test_reporting_query);
        qtest_add_func("/hyperv-tcg/free-pages/discards",
                       test_reporting_discards);
        qtest_add_func("/hyperv-tcg/free-pages/unfinished",
                       test_reporting_unfinished);
        qtest_add_func("/hyperv-tcg/free-pages/long-range",
                       test_reporting_long_range);
        qtest_add_func("/hyperv-tcg/free-pages/bad", test_reporting_bad);
        qtest_add_func("/hyperv-tcg/free-pages/itself", test_reporting_itself);
        qtest_add_func("/vmbus/rings", test_bad_rings);
        qtest_add_func("/vmbus/packets", test_bad_packets);
    }

    ret = g_test_run();
    rom_delete();
    return ret;
}
