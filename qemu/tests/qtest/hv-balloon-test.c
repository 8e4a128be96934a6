/*
 * hv-balloon with a guest whose driver the test is
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What needs a guest that answers, message by message. Which state a stick is
 * in when and what may be removed is in hv-balloon-stick-test.c, what goes back
 * to the host in hv-balloon-discard-test.c. What the engine does with a guest's
 * answers is tested with the engine alone.
 */

#include "qemu/osdep.h"
#include "hv-balloon-scene.h"

/* ---- Queries and events ---- */

static void expect_change(QTestState *qts, uint64_t actual)
{
    QDict *event = qtest_qmp_eventwait_ref(qts, "BALLOON_CHANGE");

    g_assert_cmphex(qdict_get_int(qdict_get_qdict(event, "data"), "actual"),
                    ==, actual);
    qobject_unref(event);
}

/* "actual" follows the guest while it moves. */
static void test_actual_follows(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");
    DmPages first = { 0x1000, 512 }, second = { 0x2000, 512 };

    set_target(qts, BOOT - 2 * MiB);
    set_target(qts, BOOT - 4 * MiB);
    g_assert_cmpuint(dm_balloon_request(&guest), ==, first.count);
    dm_balloon_response(&guest, &first, 1, true);
    expect_change(qts, BOOT - 2 * MiB);
    g_assert_true(balloon_state_is(qts, "ballooning"));
    g_assert_cmphex(balloon_number(qts, "actual"), ==, BOOT - 2 * MiB);
    dm_balloon_response(&guest, NULL, 0, false);
    g_assert_cmpuint(dm_balloon_request(&guest), ==, second.count);
    dm_balloon_response(&guest, &second, 1, false);
    expect_change(qts, BOOT - 4 * MiB);
    qtest_quit(qts);
}

/* query-hv-balloon is consistent and includes the sticks. */
static void test_one_reply(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");
    QDict *info;
    QList *sticks;

    start_with_unused_stick(&guest);
    add_memory(qts, "b", CHUNK, "on-demand");
    info = query_dict(qts, "query-hv-balloon");
    sticks = query_list(qts, "query-haprot");
    g_assert_cmpuint(qlist_size(sticks), ==, 2);
    g_assert_true(qobject_is_equal(QOBJECT(sticks),
                                   qdict_get(info, "sticks")));
    qobject_unref(sticks);
    qobject_unref(info);
    qtest_quit(qts);
}

/* ---- memdev= ---- */

static void test_memdev(void)
{
    DmGuest guest;
    QTestState *qts = guest_with_vmbus(
        "-m 256M,maxmem=4G -object memory-backend-ram,id=m,size=256M "
        "-device hv-balloon,id=hvb,memdev=m ");
    DmPages pages;

    dm_connect(&guest, qts);
    dm_open(&guest, DM_CAPS);
    set_target(qts, BOOT + CHUNK);
    pages = take_memory(&guest);
    wait_number(qts, "actual", BOOT + CHUNK);
    qtest_writel(qts, pages.first * DM_PAGE, 0x12345678);
    set_target(qts, BOOT);
    dm_release(&guest, pages);
    wait_number(qts, "actual", BOOT);
    wait_for(qts, pages.first * DM_PAGE, 0, true);

    /* released memory is returned before anything is added */
    set_target(qts, BOOT + 2 * CHUNK);
    g_assert_cmpuint(dm_unballoon_request(&guest, &pages, 1), ==, 1);
    dm_unballoon_response(&guest);
    take_memory(&guest);
    wait_number(qts, "actual", BOOT + 2 * CHUNK);
    qtest_writel(qts, pages.first * DM_PAGE, 0x12345678);
    system_reset(qts);
    wait_number(qts, "actual", BOOT);
    wait_number(qts, "ungranted", 2 * CHUNK);
    wait_for(qts, pages.first * DM_PAGE, 0, true);
    /* the target is kept */
    g_assert_cmphex(balloon_number(qts, "target"), ==, BOOT + 2 * CHUNK);
    qtest_quit(qts);
}

/* ---- Two balloons ---- */

#define VIRTIO_PORT 0xc000

/* Load or unload the virtio-balloon driver: only its status is set. */
static void virtio_driver(QTestState *qts, bool loaded)
{
    uint32_t device = 0x80000000 | 5 << 11;

    qtest_outl(qts, 0xcf8, device | 0x10);
    qtest_outl(qts, 0xcfc, VIRTIO_PORT);
    qtest_outl(qts, 0xcf8, device | 4);
    qtest_outw(qts, 0xcfc, 5);                  /* I/O, bus master */
    qtest_outb(qts, VIRTIO_PORT + 18, loaded ? 7 : 0);
}

static uint64_t virtio_asked(QTestState *qts)
{
    return qtest_inl(qts, VIRTIO_PORT + 20);
}

static uint64_t balloon_actual(QTestState *qts)
{
    QDict *info = query_dict(qts, "query-balloon");
    uint64_t actual = qdict_get_int(info, "actual");

    qobject_unref(info);
    return actual;
}

static void test_two_balloons(void)
{
    QTestState *qts = guest_with_vmbus(
        "-device virtio-balloon-pci,addr=5,disable-modern=on " MEMORY);
    DmPages pages = { SAFE / DM_PAGE, 32 * MiB / DM_PAGE };
    DmPages back;
    DmGuest guest;

    /* without any driver: the first balloon */
    virtio_driver(qts, false);
    set_target(qts, BOOT - 2 * MiB);
    g_assert_cmpuint(virtio_asked(qts), ==, 512);
    set_target(qts, BOOT);
    g_assert_cmpuint(virtio_asked(qts), ==, 0);

    /* the one with a driver */
    dm_connect(&guest, qts);
    dm_open(&guest, DM_CAPS);
    wait_state(qts, "idle");
    set_target(qts, BOOT - 32 * MiB);
    g_assert_cmpuint(virtio_asked(qts), ==, 0);
    dm_release(&guest, pages);
    wait_number(qts, "actual", BOOT - 32 * MiB);
    g_assert_cmphex(balloon_actual(qts), ==, BOOT - 32 * MiB);

    /* it holds memory, so there is no switch */
    virtio_driver(qts, true);
    g_assert_cmphex(balloon_actual(qts), ==, BOOT - 32 * MiB);
    set_target(qts, BOOT);
    g_assert_cmpuint(virtio_asked(qts), ==, 0);
    g_assert_cmpuint(dm_unballoon_request(&guest, &back, 1), ==, 1);
    dm_unballoon_response(&guest);
    wait_number(qts, "actual", BOOT);

    /* both have a driver and hold nothing: the first balloon */
    set_target(qts, BOOT - 2 * MiB);
    g_assert_cmpuint(virtio_asked(qts), ==, 512);
    g_assert_cmphex(balloon_number(qts, "target"), ==, BOOT);
    g_assert_false(dm_pending(&guest));
    set_target(qts, BOOT);

    /* a switch takes the target along */
    add_memory(qts, "a", CHUNK, "on-demand");
    set_target(qts, BOOT + CHUNK);
    g_assert_cmphex(balloon_number(qts, "target"), ==, BOOT);
    virtio_driver(qts, false);
    g_assert_cmphex(balloon_actual(qts), ==, BOOT);
    take_memory(&guest);
    wait_number(qts, "actual", BOOT + CHUNK);
    /* the memory of the stick counts */
    g_assert_cmphex(balloon_actual(qts), ==, BOOT + CHUNK);
    qtest_quit(qts);
}

/* ---- Returning memory ---- */

/* Boot memory is returned first, so that sticks can be removed. */
static void test_return_order(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");
    DmPages stick = start_with_stick(&guest);
    DmPages boot = { SAFE / DM_PAGE, 512 };
    DmPages back;

    stick.count = 512;
    set_target(qts, BOOT + CHUNK - 4 * MiB);
    g_assert_cmpuint(dm_balloon_request(&guest), ==, 1024);
    dm_balloon_response(&guest, &stick, 1, true);
    dm_balloon_response(&guest, &boot, 1, false);
    wait_number(qts, "released", 4 * MiB);
    set_target(qts, BOOT + CHUNK - 2 * MiB);
    g_assert_cmpuint(dm_unballoon_request(&guest, &back, 1), ==, 1);
    g_assert_cmphex(back.first, ==, boot.first);
    dm_unballoon_response(&guest);
    set_target(qts, BOOT + CHUNK);
    g_assert_cmpuint(dm_unballoon_request(&guest, &back, 1), ==, 1);
    g_assert_cmphex(back.first, ==, stick.first);
    dm_unballoon_response(&guest);
    wait_number(qts, "actual", BOOT + CHUNK);
    qtest_quit(qts);
}

/* ---- Reading the guest's memory ---- */

/* The size of a dump of what is mapped in @size bytes at @addr. */
static uint64_t dump_size(QTestState *qts, uint64_t addr, uint64_t size)
{
    g_autofree char *file = NULL, *protocol = NULL;
    int fd = g_file_open_tmp("hv-balloon-XXXXXX", &file, NULL);
    struct stat st;

    close(fd);
    protocol = g_strdup_printf("file:%s", file);
    qtest_qmp_assert_success(qts, "{'execute': 'dump-guest-memory',"
                             " 'arguments': {'paging': false, 'protocol': %s,"
                             " 'begin': %" PRIu64 ", 'length': %" PRIu64 "}}",
                             protocol, addr, size);
    g_assert_cmpint(stat(file, &st), ==, 0);
    unlink(file);
    return st.st_size;
}

/* It may take several turns of the main loop. */
static void wait_dump_size(QTestState *qts, uint64_t addr, uint64_t size,
                           uint64_t dumped)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    while (dump_size(qts, addr, size) != dumped) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

/* Memory that the guest was not given, or has released, is not dumped. */
static void test_dump(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");
    uint64_t begin = BOOT - 2 * MiB, size, before;
    DmPages pages;

    add_memory(qts, "a", 2 * CHUNK, "on-demand");
    size = stick_addr(qts, "a") + 2 * CHUNK - begin;
    before = dump_size(qts, begin, size);
    set_target(qts, BOOT + CHUNK);
    pages = take_memory(&guest);
    wait_number(qts, "actual", BOOT + CHUNK);
    g_assert_cmphex(dump_size(qts, begin, size) - before, >=, CHUNK);
    g_assert_cmphex(dump_size(qts, begin, size) - before, <, CHUNK + 2 * MiB);
    set_target(qts, BOOT);
    dm_release(&guest, pages);
    wait_number(qts, "actual", BOOT);
    wait_dump_size(qts, begin, size, before);
    qtest_quit(qts);
}

/* What the guest is offered is populated before, and no longer once it has
 * refused it, or is reset before it replied. */
static void test_populate(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");
    uint64_t begin = BOOT - 2 * MiB, size, before;

    add_memory(qts, "a", 2 * CHUNK, "on-demand");
    size = stick_addr(qts, "a") + 2 * CHUNK - begin;
    before = dump_size(qts, begin, size);
    set_target(qts, BOOT + CHUNK);
    dm_hot_add_request(&guest);
    g_assert_cmphex(dump_size(qts, begin, size) - before, >=, CHUNK);
    dm_hot_add_response(&guest, 0, 0);
    wait_state(qts, "refused");
    wait_dump_size(qts, begin, size, before);
    set_target(qts, BOOT + CHUNK);
    dm_hot_add_request(&guest);
    g_assert_cmphex(dump_size(qts, begin, size) - before, >=, CHUNK);
    system_reset(qts);
    wait_dump_size(qts, begin, size, before);
    qtest_quit(qts);
}

/* ---- last-error ---- */

static void wait_last_error(QTestState *qts, const char *state,
                            const char *text)
{
    QDict *status;

    wait_state(qts, state);
    status = query_dict(qts, "query-hv-balloon");
    g_assert_cmpstr(qdict_get_try_str(status, "last-error"), ==, text);
    qobject_unref(status);
}

static void test_last_error(void)
{
    g_autofree char *not_now = NULL, *never = NULL;
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");
    uint64_t addr;

    wait_last_error(qts, "idle", NULL);
    set_target(qts, BOOT + CHUNK);
    wait_last_error(qts, "idle",
                    "the target is 128 MiB above what is plugged");

    add_memory(qts, "a", 2 * CHUNK, "on-demand");
    addr = dm_hot_add_request(&guest).first * DM_PAGE;
    not_now = g_strdup_printf("the guest could not add memory at 0x%" PRIx64
                              "; it will be asked again", addr);
    dm_hot_add_response(&guest, 0, 0);
    wait_last_error(qts, "refused", not_now);

    set_target(qts, BOOT + 2 * CHUNK);
    dm_hot_add_request(&guest);
    never = g_strdup_printf("the guest refuses memory at 0x%" PRIx64 " for"
                            " good: it is asked again only when the target or"
                            " the plugged memory changes, or it is restarted",
                            addr);
    dm_hot_add_response(&guest, 0, 1);
    wait_last_error(qts, "refused", never);

    set_target(qts, BOOT - 4 * MiB);
    dm_balloon_request(&guest);
    dm_balloon_response(&guest, NULL, 0, false);
    wait_last_error(qts, "floor", "the guest releases no more: it kept 4 MiB"
                    " of 4 MiB requested");
    set_target(qts, BOOT);
    wait_last_error(qts, "idle", NULL);
    qtest_quit(qts);
}

/* ---- Trace events ---- */

static void test_trace(void)
{
    static const char *const said[] = {
        "hv_balloon_open guest OS id 0x8100000000000001, new kernel 0",
        "hv_balloon_state idle", "hv_balloon_state adding",
        "hv_balloon_state ballooning", "hv_balloon_state disconnected",
        "hv_balloon_sent type 10 (hot-add-request), 24 bytes",
        "hv_balloon_packet type 6",
        "hv_balloon_target 98304 pages", "hv_balloon_version 2.0",
        "hv_balloon_capabilities balloon 1, hot-add 1, alignment 2^7 MiB",
        "hv_balloon_request 3 (hot-add): 32768 pages in 1 ranges",
        "hv_balloon_done 3 (hot-add): 32768 of 32768 pages",
        "hv_balloon_request 1 (balloon): 32768 pages",
        "hv_balloon_problem 6 (capacity)",
        "hv_balloon_received type 7 (balloon-response), ",
        "hv_balloon_stick stick 1 is inuse",
        "hv_balloon_stick stick 1 is unused", "hv_balloon_actual 402653184",
        "hv_balloon_discard ", "hv_balloon_status_report committed 8192, ",
        "hv_balloon_close", "hv_balloon_system_reset",
        "haprot_plug id=a ", "haprot_unplug_refused id=a",
        /* in pieces, of which the first is the smallest */
        "haprot_populate id=a 0x0 + 0x200000",
        "haprot_populate id=a 0x200000 + 0x", "haprot_discard id=a 0x",
        "haprot_unplug id=a ",
    };
    g_autofree char *log = NULL, *options = NULL, *text = NULL;
    int fd = g_file_open_tmp("hv-balloon-XXXXXX", &log, NULL);
    DmGuest guest;
    QTestState *qts;
    DmPages pages;
    size_t i;

    close(fd);
    options = g_strdup_printf("-trace 'hv_balloon_*' -trace 'haprot_*' -D %s",
                              log);
    qts = start_guest(&guest, options);
    set_target(qts, BOOT + CHUNK);
    pages = start_with_stick(&guest);
    dm_status_report(&guest, 1, 2);
    del_fails(qts, "a", "the guest uses it");
    set_target(qts, BOOT);
    dm_release(&guest, pages);
    wait_number(qts, "actual", BOOT);
    qtest_qmp_device_del(qts, "a");
    dm_close(&guest);
    wait_state(qts, "disconnected");
    system_reset(qts);
    qtest_quit(qts);

    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    for (i = 0; i < ARRAY_SIZE(said); i++) {
        if (!strstr(text, said[i])) {
            g_error("no '%s' in:\n%s", said[i], text);
        }
    }
    unlink(log);
}

/* ---- The monitor ---- */

static void assert_says(QTestState *qts, const char *command, const char *what)
{
    g_autofree char *text = qtest_hmp(qts, "%s", command);

    if (!strstr(text, what)) {
        g_error("%s: '%s', expected '%s'", command, text, what);
    }
}

static void test_hmp(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");

    start_with_stick(&guest);
    wait_state(qts, "idle");
    assert_says(qts, "info balloon", "balloon: actual=384");
    assert_says(qts, "info memory-devices",
                "Memory device [mem-haprot]: \"a\"");
    assert_says(qts, "info memory-devices", "memdev: /objects/mem-a");
    assert_says(qts, "info hv-balloon",
                "hv-balloon: idle, guest linux, protocol 2.0");
    assert_says(qts, "info hv-balloon", "  actual: 402653184\r\n");
    assert_says(qts, "info hv-balloon", "  offline: 0\r\n");
    assert_says(qts, "info hv-balloon", "  ungranted: 134217728\r\n");
    assert_says(qts, "info hv-balloon", "mem-haprot: \"a\", inuse\r\n");
    assert_says(qts, "info hv-balloon", "  added: 134217728\r\n");
    assert_says(qts, "balloon 256", "");
    wait_number(qts, "target", BOOT);
    qtest_quit(qts);
}

/* ---- Reports ---- */

static void assert_available(QTestState *qts, uint64_t pages)
{
    QDict *data = qtest_qmp(qts, "{'execute': 'qom-get', 'arguments': {"
                            " 'path': '/machine/peripheral/hvb',"
                            " 'property': 'guest-stats'}}");
    QDict *info = qdict_get_qdict(data, "return");
    QDict *stats = qdict_get_qdict(info, "stats");

    g_assert_cmpint(qdict_get_int(info, "last-update"), >, 0);
    g_assert_cmpint(qdict_get_int(stats, "stat-available-memory"), ==,
                    pages * DM_PAGE);
    qobject_unref(data);
}

static void set_polling_interval(QTestState *qts, unsigned seconds)
{
    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': {"
                             " 'path': '/machine/peripheral/hvb',"
                             " 'property': 'guest-stats-polling-interval',"
                             " 'value': %u}}", seconds);
}

/* The interval delays guest-stats only; 0 is none. */
static void test_polling_interval(void)
{
    DmGuest guest;
    QTestState *qts = guest_with_vmbus(
        "-m 256M -device hv-balloon,id=hvb,status-report=on");

    dm_connect(&guest, qts);
    dm_open(&guest, DM_CAPS);
    set_polling_interval(qts, 36000);
    dm_status_report(&guest, 1000, 3000);
    qtest_qmp_eventwait(qts, "HV_BALLOON_STATUS_REPORT");
    assert_available(qts, 1000);
    dm_status_report(&guest, 2000, 3000);
    qtest_qmp_eventwait(qts, "HV_BALLOON_STATUS_REPORT");
    assert_available(qts, 1000);
    set_polling_interval(qts, 0);
    dm_status_report(&guest, 3000, 3000);
    qtest_qmp_eventwait(qts, "HV_BALLOON_STATUS_REPORT");
    assert_available(qts, 3000);
    qtest_quit(qts);
}

/* In pages. */
static void assert_reported(QTestState *qts, uint64_t available,
                            uint64_t committed)
{
    QDict *info = query_dict(qts, "query-hv-balloon");
    QDict *report = qdict_get_qdict(info, "report");

    g_assert_cmpint(qdict_get_int(report, "available"), ==,
                    available * DM_PAGE);
    g_assert_cmpint(qdict_get_int(report, "committed"), ==,
                    committed * DM_PAGE);
    qobject_unref(info);
}

static void assert_no_report(QTestState *qts)
{
    QDict *info = query_dict(qts, "query-hv-balloon");

    g_assert_false(qdict_haskey(info, "report"));
    qobject_unref(info);
}

static void test_status_report(void)
{
    DmGuest guest;
    QTestState *qts;
    QDict *event, *data;

    qts = guest_with_vmbus("-m 256M "
                           "-device hv-balloon,id=hvb,status-report=on");
    assert_error(qtest_qmp_assert_failure_ref(qts,
                     "{'execute': 'query-hv-balloon-status-report'}"),
                 "no status report has arrived");
    dm_connect(&guest, qts);
    dm_open(&guest, DM_CAPS);
    assert_no_report(qts);
    dm_status_report(&guest, 1000, 3000);
    event = qtest_qmp_eventwait_ref(qts, "HV_BALLOON_STATUS_REPORT");
    data = qdict_get_qdict(event, "data");
    g_assert_cmpint(qdict_get_int(data, "available"), ==, 1000 * DM_PAGE);
    g_assert_cmpint(qdict_get_int(data, "committed"), ==, 3000 * DM_PAGE);
    qobject_unref(event);

    data = query_dict(qts, "query-hv-balloon-status-report");
    g_assert_cmpint(qdict_get_int(data, "available"), ==, 1000 * DM_PAGE);
    g_assert_cmpint(qdict_get_int(data, "committed"), ==, 3000 * DM_PAGE);
    qobject_unref(data);
    assert_reported(qts, 1000, 3000);

    assert_available(qts, 1000);
    system_reset(qts);
    assert_no_report(qts);

    dm_connect(&guest, qts);
    dm_open(&guest, DM_CAPS);
    dm_status_report(&guest, 2000, 3000);
    qtest_qmp_eventwait(qts, "HV_BALLOON_STATUS_REPORT");
    dm_close(&guest);
    wait_state(qts, "disconnected");
    assert_no_report(qts);
    qtest_quit(qts);
}

/* At most one event a second, and always one for the last report. */
static void test_status_report_rate(void)
{
    QTestState *qts = guest_with_vmbus("-m 256M "
                                       "-device hv-balloon,status-report=on");
    uint64_t last = 0;
    unsigned i, events = 0;
    int64_t start_us;
    DmGuest guest;

    dm_connect(&guest, qts);
    dm_open(&guest, DM_CAPS);
    start_us = g_get_monotonic_time();
    for (i = 1; i <= 50; i++) {
        dm_status_report(&guest, i, 0);
    }
    while (last != 50 * DM_PAGE) {
        QDict *event = qtest_qmp_eventwait_ref(qts, "HV_BALLOON_STATUS_REPORT");

        last = qdict_get_int(qdict_get_qdict(event, "data"), "available");
        events++;
        qobject_unref(event);
    }
    g_assert_cmpuint(events, <=, 2 + (g_get_monotonic_time() - start_us) /
                                 G_USEC_PER_SEC);
    qtest_quit(qts);
}

static void add_tests(void)
{
    qtest_add_func("/hv-balloon/actual-follows", test_actual_follows);
    qtest_add_func("/hv-balloon/one-reply", test_one_reply);
    qtest_add_func("/hv-balloon/memdev", test_memdev);
    qtest_add_func("/hv-balloon/two-balloons", test_two_balloons);
    qtest_add_func("/hv-balloon/return-order", test_return_order);
    qtest_add_func("/hv-balloon/dump", test_dump);
    qtest_add_func("/hv-balloon/populate", test_populate);
    qtest_add_func("/hv-balloon/last-error", test_last_error);
    qtest_add_func("/hv-balloon/trace", test_trace);
    qtest_add_func("/hv-balloon/status-report-rate", test_status_report_rate);
    qtest_add_func("/hv-balloon/hmp", test_hmp);
    qtest_add_func("/hv-balloon/status-report", test_status_report);
    qtest_add_func("/hv-balloon/polling-interval", test_polling_interval);
}

int main(int argc, char **argv)
{
    return guest_main(argc, argv, test_accel(), "hv-balloon", add_tests);
}
