/*
 * Free page reporting by Hyper-V's hypercall, under TCG
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "haprot-qmp.h"
#include "hyperv-guest.h"

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
    guest_fails("-cpu max,hv-free-page-reporting", "requires 'hv-synic'");
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

static void add_tests(void)
{
    if (!qtest_has_device("hv-balloon")) {
        g_test_skip("hv-balloon needed");
        return;
    }
    qtest_add_func("/hyperv-tcg/free-pages/off", test_reporting_off);
    qtest_add_func("/hyperv-tcg/free-pages/query", test_reporting_query);
    qtest_add_func("/hyperv-tcg/free-pages/discards", test_reporting_discards);
    qtest_add_func("/hyperv-tcg/free-pages/unfinished",
                   test_reporting_unfinished);
    qtest_add_func("/hyperv-tcg/free-pages/long-range",
                   test_reporting_long_range);
    qtest_add_func("/hyperv-tcg/free-pages/bad", test_reporting_bad);
    qtest_add_func("/hyperv-tcg/free-pages/itself", test_reporting_itself);
}

int main(int argc, char **argv)
{
    return guest_main(argc, argv, "tcg", "vmbus-bridge", add_tests);
}
