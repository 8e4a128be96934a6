/*
 * Sticks and a guest whose driver the test is: which state a stick is in when,
 * what may be removed, and what kexec, a reset or a new driver change
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hv-balloon-scene.h"

#define WRITTEN 0x12345678      /* by the guest, to its stick */

static void del_backend(QTestState *qts, const char *id)
{
    qtest_qmp_assert_success(qts, "{'execute': 'object-del',"
                             " 'arguments': {'id': %s}}", id);
}

static void del_backend_fails(QTestState *qts, const char *id)
{
    assert_error(qtest_qmp_assert_failure_ref(qts, "{'execute': 'object-del',"
                                              " 'arguments': {'id': %s}}", id),
                 "in use");
}

static void expect_event(QTestState *qts, const char *name, const char *id)
{
    QDict *event = qtest_qmp_eventwait_ref(qts, name);
    QDict *data = qdict_get_qdict(event, "data");

    g_assert_cmpstr(qdict_get_str(data, "id"), ==, id);
    qobject_unref(event);
}

/* The memory is mapped before it is offered. */
static void test_add(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");
    uint64_t addr;
    DmPages pages;

    add_memory(qts, "a", 2 * CHUNK, "on-demand");
    addr = stick_addr(qts, "a");
    assert_stick(qts, "a", "idle", 0, 0);
    set_target(qts, BOOT + CHUNK);
    pages = dm_hot_add_request(&guest);
    g_assert_cmphex(pages.first * DM_PAGE, ==, addr);
    g_assert_cmpuint(pages.count, ==, CHUNK_PAGES);
    qtest_writel(qts, addr, WRITTEN);
    qtest_writel(qts, addr + CHUNK - 4, 0x9abcdef0);
    g_assert_cmphex(qtest_readl(qts, addr), ==, WRITTEN);
    g_assert_cmphex(qtest_readl(qts, addr + CHUNK - 4), ==, 0x9abcdef0);

    g_assert_true(balloon_state_is(qts, "adding"));
    g_assert_cmphex(balloon_number(qts, "actual"), ==, BOOT);
    del_fails(qts, "a", "just being given");
    dm_hot_add_response(&guest, pages.count, 1);
    expect_event(qts, "HV_BALLOON_HAPROT_INUSE", "a");
    qtest_qmp_eventwait(qts, "BALLOON_CHANGE");
    wait_state(qts, "idle");
    g_assert_cmphex(balloon_number(qts, "actual"), ==, BOOT + CHUNK);
    g_assert_cmphex(balloon_number(qts, "ungranted"), ==, CHUNK);
    assert_stick(qts, "a", "inuse", CHUNK, 0);
    g_assert_cmphex(qtest_readl(qts, addr), ==, WRITTEN);
    qtest_quit(qts);
}

static void test_in_use(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");

    start_with_stick(&guest);
    del_fails(qts, "a", "mem-haprot 'a' cannot be unplugged: the guest uses"
                        " it: lower the target and wait for"
                        " HV_BALLOON_HAPROT_UNUSED, or restart the guest");
    del_backend_fails(qts, "mem-a");
    qtest_quit(qts);
}

static void test_unused(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");
    DmPages pages = start_with_unused_stick(&guest);
    DmPages back[2];

    expect_event(qts, "HV_BALLOON_HAPROT_UNUSED", "a");
    qtest_qmp_device_del(qts, "a");
    del_backend(qts, "mem-a");
    g_assert_cmphex(balloon_number(qts, "ghosts"), ==, CHUNK);

    /* the same address, which was hot-added before */
    add_memory(qts, "b", CHUNK, "on-demand");
    g_assert_cmphex(stick_addr(qts, "b"), ==, pages.first * DM_PAGE);
    g_assert_cmphex(balloon_number(qts, "ghosts"), ==, 0);
    set_target(qts, BOOT + CHUNK);
    g_assert_cmpuint(dm_unballoon_request(&guest, back, 2), ==, 1);
    g_assert_cmphex(back[0].first, ==, pages.first);
    g_assert_cmphex(back[0].count, ==, pages.count);
    dm_unballoon_response(&guest);
    wait_number(qts, "actual", BOOT + CHUNK);
    qtest_quit(qts);
}

/* An unused stick can be removed while the guest is busy with another. */
static void test_del_while_busy(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");
    DmPages pages;

    start_with_unused_stick(&guest);
    add_memory(qts, "b", CHUNK, "on-demand");
    set_target(qts, BOOT + 3 * CHUNK);
    /* released memory is returned first: leave that unanswered */
    g_assert_cmpuint(dm_unballoon_request(&guest, &pages, 1), ==, 1);
    del_fails(qts, "a", "just being given");
    qtest_qmp_device_del(qts, "b");
    del_backend(qts, "mem-b");
    dm_unballoon_response(&guest);
    take_memory(&guest);
    wait_number(qts, "actual", BOOT + 2 * CHUNK);
    qtest_quit(qts);
}

/* The guest has written to its stick, at the address that is returned. */
static uint64_t start_with_written_stick(DmGuest *guest)
{
    uint64_t addr;

    start_with_stick(guest);
    addr = stick_addr(guest->qts, "a");
    qtest_writel(guest->qts, addr, WRITTEN);
    return addr;
}

static void test_reset(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");
    uint64_t addr;

    addr = start_with_written_stick(&guest);
    qtest_qmp_assert_success(qts, "{'execute': 'system_reset'}");
    /* in order of arrival: waiting for an event drops those before it */
    qtest_qmp_eventwait(qts, "RESET");
    expect_event(qts, "HV_BALLOON_HAPROT_UNUSED", "a");
    wait_number(qts, "actual", BOOT);
    wait_unused(qts, "a", 0, 0);
    /* nothing is left for the next guest */
    wait_number(qts, "ungranted", 2 * CHUNK);
    g_assert_cmphex(qtest_readl(qts, addr), ==, 0);
    qtest_qmp_device_del(qts, "a");
    del_backend(qts, "mem-a");
    qtest_quit(qts);
}

/* The machine is reset during a hot-add, and the stick removed. */
static void test_del_during_reset(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");

    add_memory(qts, "a", CHUNK, "on-demand");
    set_target(qts, BOOT + CHUNK);
    dm_hot_add_request(&guest);
    qtest_qmp_assert_success(qts, "{'execute': 'stop'}");
    qtest_qmp_assert_success(qts, "{'execute': 'system_reset'}");
    qtest_qmp_eventwait(qts, "RESET");
    qtest_qmp_device_del(qts, "a");
    del_backend(qts, "mem-a");
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    wait_number(qts, "capacity", BOOT);
    qtest_quit(qts);
}

/*
 * What is populated for it is what the guest was given, not the whole stick,
 * which may be large.
 */
static void test_kexec_populates(void)
{
    g_autofree char *log = NULL, *options = NULL, *text = NULL;
    int fd = g_file_open_tmp("hv-balloon-XXXXXX", &log, NULL);
    DmGuest guest;

    close(fd);
    options = g_strdup_printf("-trace haprot_populate -D %s", log);
    start_guest(&guest, options);
    start_with_unused_stick(&guest);
    kexec(&guest);
    qtest_quit(guest.qts);
    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "haprot_populate id=a 0x0 + 0x8000000\n"));
    g_assert_null(strstr(text, "+ 0x10000000\n"));
    unlink(log);
}

/*
 * A kernel that starts another one (kexec) clears its guest OS id. What it had
 * released may be in the memory map of the new one, long before that connects.
 */
static void test_kexec(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");

    start_with_unused_stick(&guest);
    add_memory(qts, "b", CHUNK, "on-demand");
    wrmsr(qts, 0, MSR_GUEST_OS_ID, 0);
    del_fails(qts, "a", "kexec");
    /* this one was never offered */
    qtest_qmp_device_del(qts, "b");
    /* the new kernel has the same id and hypercall page, and connects */
    enable_hypercalls(qts);
    connect_vmbus(qts, 0);
    del_fails(qts, "a", "kexec");
    dm_connect(&guest, qts);
    dm_open(&guest, DM_CAPS);
    wait_state(qts, "new-kernel");
    del_fails(qts, "a", "kexec");
    del_backend_fails(qts, "mem-a");

    system_reset(qts);
    wait_number(qts, "released", 0);
    qtest_qmp_device_del(qts, "a");
    qtest_quit(qts);
}

/* The same kernel reloads its driver: the accounting is kept. */
static void test_driver_reload(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");

    start_with_unused_stick(&guest);
    dm_close(&guest);
    wait_state(qts, "disconnected");
    dm_open(&guest, DM_CAPS);
    wait_state(qts, "idle");
    g_assert_cmphex(balloon_number(qts, "released"), ==, CHUNK);
    qtest_qmp_device_del(qts, "a");
    qtest_quit(qts);
}

/* The driver closes the channel before its last answer has been read. */
static void test_close_with_answer(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");
    DmPages pages = { 0x1000, 512 };

    set_target(qts, BOOT - 2 * MiB);
    g_assert_cmpuint(dm_balloon_request(&guest), ==, pages.count);
    dm_leave_balloon_response(&guest, pages);
    dm_close(&guest);
    wait_state(qts, "disconnected");
    g_assert_cmphex(balloon_number(qts, "released"), ==, 2 * MiB);
    qtest_quit(qts);
}

/* ---- A device that is not realized any more ---- */

static void unrealize(QTestState *qts, const char *path)
{
    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': {"
                             " 'path': %s, 'property': 'realized',"
                             " 'value': false}}", path);
}

/* "realized" is set to false: memory in use stays mapped. */
static void test_unrealize_stick(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");
    uint64_t addr;

    addr = start_with_written_stick(&guest);
    unrealize(qts, "/machine/peripheral/a");
    del_backend_fails(qts, "mem-a");
    assert_stick(qts, "a", "inuse", CHUNK, 0);
    assert_error(qtest_qmp_assert_failure_ref(qts,
                     "{'execute': 'qom-set', 'arguments': {"
                     " 'path': '/machine/peripheral/a',"
                     " 'property': 'addr', 'value': 0}}"), "fixed");
    assert_error(qtest_qmp_assert_failure_ref(qts,
                     "{'execute': 'qom-set', 'arguments': {"
                     " 'path': '/machine/peripheral/a',"
                     " 'property': 'memdev', 'value': ''}}"), "fixed");
    assert_error(qtest_qmp_assert_failure_ref(qts,
                     "{'execute': 'qom-set', 'arguments': {"
                     " 'path': '/machine/peripheral/a',"
                     " 'property': 'realized', 'value': true}}"), "in use");
    g_assert_cmphex(qtest_readl(qts, addr), ==, WRITTEN);
    g_assert_cmphex(balloon_number(qts, "actual"), ==, BOOT + CHUNK);
    system_reset(qts);
    wait_unused(qts, "a", 0, 0);
    qtest_quit(qts);
}

static void test_unrealize_balloon(void)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, "");
    uint64_t addr;

    addr = start_with_written_stick(&guest);
    unrealize(qts, "/machine/peripheral/hvb");
    assert_error(qtest_qmp_assert_failure_ref(qts,
                     "{'execute': 'qom-set', 'arguments': {"
                     " 'path': '/machine/peripheral/hvb',"
                     " 'property': 'realized', 'value': true}}"),
                 "cannot be realized again");
    assert_stick(qts, "a", "inuse", CHUNK, 0);
    del_fails(qts, "a", "the guest uses it");
    del_backend_fails(qts, "mem-a");
    g_assert_cmphex(qtest_readl(qts, addr), ==, WRITTEN);
    /* the stick can still be removed */
    system_reset(qts);
    wait_unused(qts, "a", 0, 0);
    qtest_qmp_device_del(qts, "a");
    del_backend(qts, "mem-a");
    qtest_quit(qts);
}

static void add_tests(void)
{
    qtest_add_func("/hv-balloon/stick/add", test_add);
    qtest_add_func("/hv-balloon/stick/in-use", test_in_use);
    qtest_add_func("/hv-balloon/stick/unused", test_unused);
    qtest_add_func("/hv-balloon/stick/del-while-busy", test_del_while_busy);
    qtest_add_func("/hv-balloon/stick/reset", test_reset);
    qtest_add_func("/hv-balloon/stick/del-during-reset",
                   test_del_during_reset);
    qtest_add_func("/hv-balloon/stick/kexec", test_kexec);
    qtest_add_func("/hv-balloon/stick/kexec-populates", test_kexec_populates);
    qtest_add_func("/hv-balloon/stick/driver-reload", test_driver_reload);
    qtest_add_func("/hv-balloon/close-with-answer", test_close_with_answer);
    qtest_add_func("/hv-balloon/unrealize/stick", test_unrealize_stick);
    qtest_add_func("/hv-balloon/unrealize/balloon", test_unrealize_balloon);
}

int main(int argc, char **argv)
{
    return guest_main(argc, argv, test_accel(), "hv-balloon", add_tests);
}
