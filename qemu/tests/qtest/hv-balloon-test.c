/*
 * hv-balloon with a guest whose driver the test is
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What needs a guest that answers, message by message: which state a stick is
 * in when, what may be removed, what goes back to the host.  What the engine
 * does with a guest's answers is tested with the engine alone.
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "dm-guest.h"
#include "haprot-qmp.h"
#include "test-accel.h"

#define BOOT (256 * MiB)
#define CHUNK (128 * MiB)
#define CHUNK_PAGES (CHUNK / DM_PAGE)
/* Rings and code are below this; no test releases memory there. */
#define SAFE (128 * MiB)

#define MEMORY "-m 256M,maxmem=4G -device hv-balloon,id=hvb "

/* ---- Queries ---- */

static void wait_number(QTestState *qts, const char *member, uint64_t value)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    while (balloon_number(qts, member) != value) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

static void assert_stick(QTestState *qts, const char *id, const char *state,
                         uint64_t added, uint64_t released)
{
    QDict *stick = find_stick(qts, id);

    g_assert_nonnull(stick);
    g_assert_cmpstr(qdict_get_str(stick, "state"), ==, state);
    g_assert_cmphex(qdict_get_int(stick, "added"), ==, added);
    g_assert_cmphex(qdict_get_int(stick, "released"), ==, released);
    qobject_unref(stick);
}

static bool stick_is(QTestState *qts, const char *id, const char *state)
{
    QDict *stick = find_stick(qts, id);
    bool is = stick && g_str_equal(qdict_get_str(stick, "state"), state);

    qobject_unref(stick);
    return is;
}

/* A stick is unused once all that the guest had of it is discarded. */
static void wait_unused(QTestState *qts, const char *id, uint64_t added,
                        uint64_t released)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    while (!stick_is(qts, id, "unused")) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
    assert_stick(qts, id, "unused", added, released);
}

/* ---- Commands ---- */

static void assert_error(QDict *error, const char *what)
{
    const char *desc = qdict_get_str(error, "desc");

    if (!strstr(desc, what)) {
        g_error("error '%s', expected '%s'", desc, what);
    }
    qobject_unref(error);
}

static void del_fails(QTestState *qts, const char *id, const char *what)
{
    assert_error(qtest_qmp_assert_failure_ref(qts, "{'execute': 'device_del',"
                                              " 'arguments': {'id': %s}}", id),
                 what);
}

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

static void unrealize(QTestState *qts, const char *path)
{
    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': {"
                             " 'path': %s, 'property': 'realized',"
                             " 'value': false}}", path);
}

/* ---- The guest ---- */

/* Start a machine with hv-balloon and @more, and connect a driver. */
static QTestState *start(DmGuest *guest, const char *more)
{
    g_autofree char *options = g_strdup_printf(MEMORY "%s", more);
    QTestState *qts = guest_with_vmbus(options);

    dm_connect(guest, qts);
    dm_open(guest, DM_CAPS);
    wait_state(qts, "idle");
    return qts;
}

/* The guest accepts the next hot-add. Returns its range. */
static DmPages take_memory(DmGuest *guest)
{
    DmPages pages = dm_hot_add_request(guest);

    dm_hot_add_response(guest, pages.count, 1);
    return pages;
}

/* The guest connects, and takes all of a stick of one chunk. */
static DmPages connect_and_take(DmGuest *guest, QTestState *qts)
{
    DmPages pages;

    dm_connect(guest, qts);
    dm_open(guest, DM_CAPS);
    pages = take_memory(guest);
    wait_number(qts, "actual", BOOT + CHUNK);
    return pages;
}

/* Add stick a of two chunks, and give the first one to the guest. */
static DmPages start_with_stick(DmGuest *guest)
{
    DmPages pages;

    add_memory(guest->qts, "a", 2 * CHUNK, "on-demand");
    set_target(guest->qts, BOOT + CHUNK);
    pages = take_memory(guest);
    wait_number(guest->qts, "actual", BOOT + CHUNK);
    return pages;
}

/* The same, and the guest releases it again. */
static DmPages start_with_unused_stick(DmGuest *guest)
{
    DmPages pages = start_with_stick(guest);

    set_target(guest->qts, BOOT);
    dm_release(guest, pages);
    wait_number(guest->qts, "actual", BOOT);
    wait_unused(guest->qts, "a", CHUNK, CHUNK);
    return pages;
}

/* ---- Sticks ---- */

/* The memory is mapped before it is offered. */
static void test_add(void)
{
    DmGuest guest;
    QTestState *qts = start(&guest, "");
    uint64_t addr;
    DmPages pages;

    add_memory(qts, "a", 2 * CHUNK, "on-demand");
    addr = stick_addr(qts, "a");
    assert_stick(qts, "a", "idle", 0, 0);
    set_target(qts, BOOT + CHUNK);
    pages = dm_hot_add_request(&guest);
    g_assert_cmphex(pages.first * DM_PAGE, ==, addr);
    g_assert_cmpuint(pages.count, ==, CHUNK_PAGES);
    qtest_writel(qts, addr, 0x12345678);
    qtest_writel(qts, addr + CHUNK - 4, 0x9abcdef0);
    g_assert_cmphex(qtest_readl(qts, addr), ==, 0x12345678);
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
    g_assert_cmphex(qtest_readl(qts, addr), ==, 0x12345678);
    qtest_quit(qts);
}

static void test_in_use(void)
{
    DmGuest guest;
    QTestState *qts = start(&guest, "");

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
    QTestState *qts = start(&guest, "");
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
    QTestState *qts = start(&guest, "");
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
    QTestState *qts = start(&guest, "");
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

/* An unused stick can be removed while the guest is busy with another. */
static void test_del_while_busy(void)
{
    DmGuest guest;
    QTestState *qts = start(&guest, "");
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

static void test_reset(void)
{
    DmGuest guest;
    QTestState *qts = start(&guest, "");
    uint64_t addr;

    start_with_stick(&guest);
    addr = stick_addr(qts, "a");
    qtest_writel(qts, addr, 0x12345678);
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
    QTestState *qts = start(&guest, "");

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

/* Another kernel is started, and connects. */
static void kexec(DmGuest *guest)
{
    QTestState *qts = guest->qts;

    wrmsr(qts, 0, MSR_GUEST_OS_ID, 0);
    enable_hypercalls(qts);
    connect_vmbus(qts, 0);
    dm_connect(guest, qts);
    dm_open(guest, DM_CAPS);
    wait_state(qts, "new-kernel");
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
    start(&guest, options);
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
    QTestState *qts = start(&guest, "");

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
    QTestState *qts = start(&guest, "");

    start_with_unused_stick(&guest);
    dm_close(&guest);
    wait_state(qts, "disconnected");
    dm_open(&guest, DM_CAPS);
    wait_state(qts, "idle");
    g_assert_cmphex(balloon_number(qts, "released"), ==, CHUNK);
    qtest_qmp_device_del(qts, "a");
    qtest_quit(qts);
}

/* "realized" is set to false: memory in use stays mapped. */
static void test_unrealize_stick(void)
{
    DmGuest guest;
    QTestState *qts = start(&guest, "");
    uint64_t addr;

    start_with_stick(&guest);
    addr = stick_addr(qts, "a");
    qtest_writel(qts, addr, 0x12345678);
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
    g_assert_cmphex(qtest_readl(qts, addr), ==, 0x12345678);
    g_assert_cmphex(balloon_number(qts, "actual"), ==, BOOT + CHUNK);
    system_reset(qts);
    wait_unused(qts, "a", 0, 0);
    qtest_quit(qts);
}

static void test_unrealize_balloon(void)
{
    DmGuest guest;
    QTestState *qts = start(&guest, "");
    uint64_t addr;

    start_with_stick(&guest);
    addr = stick_addr(qts, "a");
    qtest_writel(qts, addr, 0x12345678);
    unrealize(qts, "/machine/peripheral/hvb");
    assert_error(qtest_qmp_assert_failure_ref(qts,
                     "{'execute': 'qom-set', 'arguments': {"
                     " 'path': '/machine/peripheral/hvb',"
                     " 'property': 'realized', 'value': true}}"),
                 "cannot be realized again");
    assert_stick(qts, "a", "inuse", CHUNK, 0);
    del_fails(qts, "a", "the guest uses it");
    del_backend_fails(qts, "mem-a");
    g_assert_cmphex(qtest_readl(qts, addr), ==, 0x12345678);
    /* the stick can still be removed */
    system_reset(qts);
    wait_unused(qts, "a", 0, 0);
    qtest_qmp_device_del(qts, "a");
    del_backend(qts, "mem-a");
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

/* ---- Giving memory to the host ---- */

static void do_discard(const char *more, bool inhibited)
{
    DmGuest guest;
    QTestState *qts = start(&guest, more);
    DmPages pages = { SAFE / DM_PAGE, 32 * MiB / DM_PAGE };
    uint64_t addr = SAFE + 5 * MiB + DM_PAGE;

    qtest_writel(qts, addr, 0x12345678);
    set_target(qts, BOOT - 32 * MiB);
    dm_release(&guest, pages);
    wait_number(qts, "actual", BOOT - 32 * MiB);
    g_assert_cmphex(balloon_number(qts, "released"), ==, 32 * MiB);
    /* it is discarded after the size has changed */
    wait_counter(qts, inhibited ? "discard-inhibited" : "discarded", 32 * MiB);
    g_assert_cmphex(qtest_readl(qts, addr), ==, inhibited ? 0x12345678 : 0);
    g_assert_cmphex(balloon_counter(qts, "discarded"), ==,
                    inhibited ? 0 : 32 * MiB);
    g_assert_cmphex(balloon_counter(qts, "discard-inhibited"), ==,
                    inhibited ? 32 * MiB : 0);
    g_assert_cmphex(balloon_counter(qts, "discard-failed"), ==, 0);
    qtest_quit(qts);
}

static void test_discard(void)
{
    do_discard("", false);
}

static void test_discard_shared(void)
{
    do_discard("-machine memory-backend=m "
               "-object memory-backend-memfd,id=m,size=256M,share=on ", false);
}

static void test_discard_locked(void)
{
    do_discard("-overcommit mem-lock=on ", true);
}

/* A guest with a stick of file @path, or of what a descriptor is open for. */
static QTestState *guest_of_file(const char *path, const char *more)
{
    g_autofree char *options = g_strdup_printf(
        MEMORY "-object memory-backend-file,id=m,size=128M,mem-path=%s,%s ",
        path, more);

    return guest_with_vmbus(options);
}

/*
 * Other guests may have begun with the same file: only the guest's own copies
 * of its pages go.
 */
static void do_private_file(const char *more)
{
    g_autofree char *file = NULL, *now = NULL;
    g_autofree char *text = g_malloc(CHUNK);
    DmGuest guest;
    QTestState *qts;
    DmPages pages;
    gsize len;
    int fd;

    fd = g_file_open_tmp("hv-balloon-XXXXXX", &file, NULL);
    memset(text, 'x', CHUNK);
    g_assert_cmpint(qemu_write_full(fd, text, CHUNK), ==, CHUNK);
    close(fd);
    qts = guest_of_file(file, more);
    pages = connect_and_take(&guest, qts);
    qtest_writel(qts, pages.first * DM_PAGE, 0x12345678);
    set_target(qts, BOOT);
    dm_release(&guest, pages);
    wait_number(qts, "released", CHUNK);
    wait_counter(qts, "discarded", CHUNK);
    g_assert_cmphex(balloon_counter(qts, "discarded"), ==, CHUNK);
    g_assert_cmphex(balloon_counter(qts, "discard-failed"), ==, 0);
    g_assert_cmphex(qtest_readl(qts, pages.first * DM_PAGE), ==, 0x78787878);
    qtest_quit(qts);
    g_assert_true(g_file_get_contents(file, &now, &len, NULL));
    g_assert_cmpmem(now, len, text, CHUNK);
    unlink(file);
}

static void test_discard_private_file(void)
{
    do_private_file("share=off -device mem-haprot,id=a,memdev=m");
}

static void test_discard_read_only_file(void)
{
    do_private_file("share=off,readonly=on,rom=off"
                    " -device mem-haprot,id=a,memdev=m");
}

/*
 * After a failure there is a pause, so that the log is not flooded. From a file
 * that is sealed nothing can be removed.
 */
static void test_discard_failed(void)
{
    g_autofree char *log = NULL, *file = NULL, *more = NULL, *text = NULL;
    g_auto(GStrv) lines = NULL;
    unsigned i, complaints = 0;
    DmGuest guest;
    QTestState *qts;
    DmPages pages;
    int fd, sealed = memfd_create("sealed", MFD_ALLOW_SEALING);

    g_assert_cmpint(ftruncate(sealed, CHUNK), ==, 0);
    file = g_strdup_printf("/proc/%d/fd/%d", getpid(), sealed);
    fd = g_file_open_tmp("hv-balloon-log-XXXXXX", &log, NULL);
    close(fd);
    more = g_strdup_printf("share=on -device mem-haprot,id=a,memdev=m 2>%s",
                           log);

    qts = guest_of_file(file, more);
    g_assert_cmpint(fcntl(sealed, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), ==, 0);
    pages = connect_and_take(&guest, qts);
    set_target(qts, BOOT);
    for (i = 0; i < 8; i++) {
        DmPages part = { pages.first + i * pages.count / 8, pages.count / 8 };

        dm_balloon_request(&guest);
        dm_balloon_response(&guest, &part, 1, false);
        wait_number(qts, "released", (i + 1) * CHUNK / 8);
        if (i < 7) {
            /* a guest that released less gets no further request at once */
            set_target(qts, BOOT - i * 2 * MiB);
        }
    }
    wait_counter(qts, "discard-failed", CHUNK);
    g_assert_cmphex(balloon_counter(qts, "discard-failed"), ==, CHUNK);
    g_assert_cmphex(balloon_counter(qts, "discarded"), ==, 0);
    qtest_quit(qts);

    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (i = 0; lines[i]; i++) {
        complaints += !!strstr(lines[i], "ram_block_discard_range");
    }
    g_assert_cmpuint(complaints, >=, 1);
    g_assert_cmpuint(complaints, <=, 2);
    close(sealed);
    unlink(log);
}

/* Turn closed SMRAM in the last MiB of low memory (TSEG of q35) on or off. */
static void set_tseg(QTestState *qts, bool on)
{
    qtest_outl(qts, 0xcf8, 0x8000009c);
    qtest_outb(qts, 0xcfd, 0x0a);               /* SMRAM: enabled, closed */
    qtest_outb(qts, 0xcfe, on ? 1 : 0);         /* ESMRAMC: TSEG of 1 MiB */
}

/* What closed SMRAM hides must not be discarded. */
static void do_smram(const char *more, uint64_t discarded)
{
    DmGuest guest;
    QTestState *qts = start(&guest, more);
    uint64_t memory = BOOT - 2 * MiB, smram = BOOT - 1 * MiB;
    DmPages pages = { memory / DM_PAGE, 2 * MiB / DM_PAGE };

    qtest_writel(qts, memory, 0x12345678);
    qtest_writel(qts, smram, 0x9abcdef0);
    set_tseg(qts, true);
    g_assert_cmphex(qtest_readl(qts, smram), !=, 0x9abcdef0);
    set_target(qts, BOOT - 2 * MiB);
    dm_release(&guest, pages);
    wait_number(qts, "actual", BOOT - 2 * MiB);
    wait_counter(qts, "discarded", discarded);
    g_assert_cmphex(balloon_counter(qts, "discarded"), ==, discarded);
    set_tseg(qts, false);
    g_assert_cmphex(qtest_readl(qts, smram), ==, 0x9abcdef0);
    g_assert_cmphex(qtest_readl(qts, memory), ==,
                    discarded ? 0 : 0x12345678);
    qtest_quit(qts);
}

static void test_discard_smram(void)
{
    do_smram("", 1 * MiB);
}

#define HUGE_MEMORY "-machine memory-backend=m -object memory-backend-memfd," \
                    "id=m,size=256M,hugetlb=on,hugetlbsize=2M "

static void test_discard_smram_huge(void)
{
    if (free_huge_bytes() >= BOOT) {
        do_smram(HUGE_MEMORY, 0);
    } else {
        g_test_skip("not enough free huge pages of 2 MiB on this host");
    }
}

/* A huge page is discarded when the last of its pages is released. */
static void test_discard_huge(void)
{
    DmGuest guest;
    DmPages part = { SAFE / DM_PAGE, 300 };
    QTestState *qts;

    if (free_huge_bytes() < BOOT) {
        g_test_skip("not enough free huge pages of 2 MiB on this host");
        return;
    }
    qts = start(&guest, HUGE_MEMORY);
    qtest_writel(qts, SAFE, 0x12345678);
    set_target(qts, BOOT - 2 * MiB);
    g_assert_cmpuint(dm_balloon_request(&guest), ==, 512);
    dm_balloon_response(&guest, &part, 1, true);
    wait_number(qts, "released", 300 * DM_PAGE);
    g_assert_cmphex(balloon_counter(qts, "discarded"), ==, 0);
    g_assert_cmphex(qtest_readl(qts, SAFE), ==, 0x12345678);
    part = (DmPages) { part.first + 300, 212 };
    dm_balloon_response(&guest, &part, 1, false);
    wait_number(qts, "actual", BOOT - 2 * MiB);
    wait_counter(qts, "discarded", 2 * MiB);
    g_assert_cmphex(balloon_counter(qts, "discarded"), ==, 2 * MiB);
    g_assert_cmphex(qtest_readl(qts, SAFE), ==, 0);
    qtest_quit(qts);
}

/*
 * Others have taken the pages that the guest released. It gets them back when
 * there are some, and does not die of touching what there is not.
 */
static void test_no_huge_page_is_free(void)
{
    DmGuest guest;
    DmPages part = { SAFE / DM_PAGE, 16 * MiB / DM_PAGE };
    DmPages back;
    uint64_t size;
    QTestState *qts;
    void *taken;

    if (free_huge_bytes() < BOOT) {
        g_test_skip("not enough free huge pages of 2 MiB on this host");
        return;
    }
    qts = start(&guest, HUGE_MEMORY);
    qtest_memset(qts, SAFE, 1, part.count * DM_PAGE);
    set_target(qts, BOOT - 16 * MiB);
    dm_release(&guest, part);
    wait_number(qts, "actual", BOOT - 16 * MiB);
    size = free_huge_bytes();
    taken = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
                 MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
    g_assert_true(taken != MAP_FAILED);
    set_target(qts, BOOT);
    wait_state(qts, "refused");
    g_assert_cmphex(balloon_number(qts, "actual"), ==, BOOT - 16 * MiB);
    munmap(taken, size);
    g_assert_cmpuint(dm_unballoon_request(&guest, &back, 1), ==, 1);
    dm_unballoon_response(&guest);
    wait_number(qts, "actual", BOOT);
    qtest_memset(qts, SAFE, 2, part.count * DM_PAGE);
    qtest_quit(qts);
}

/*
 * Another kernel may use what counts as released of a stick: if it reports the
 * rest of a huge page, that is not discarded.
 */
static void test_reports_of_new_kernel(void)
{
    DmGuest guest;
    DmPages pages, part;
    uint64_t addr, last;
    QTestState *qts;

    if (free_huge_bytes() < CHUNK) {
        g_test_skip("not enough free huge pages of 2 MiB on this host");
        return;
    }
    qts = guest_on_vmbus(ALL_FLAGS ",hv-free-page-reporting", MEMORY "-object "
                         "memory-backend-memfd,id=m,size=128M,hugetlb=on,"
                         "hugetlbsize=2M -device mem-haprot,id=a,memdev=m ");
    pages = connect_and_take(&guest, qts);
    set_target(qts, BOOT + CHUNK - 2 * MiB);
    g_assert_cmpuint(dm_balloon_request(&guest), ==, 512);
    part = (DmPages) { pages.first, 511 };
    dm_balloon_response(&guest, &part, 1, false);
    wait_number(qts, "released", part.count * DM_PAGE);

    kexec(&guest);
    addr = pages.first * DM_PAGE;
    last = addr + 511 * DM_PAGE;
    qtest_writel(qts, addr, 0x12345678);
    g_assert_cmphex(hint_free_pages(qts, &last, 1, 0), ==, REPS(1));
    g_assert_cmphex(balloon_counter(qts, "reported"), ==, DM_PAGE);
    g_assert_cmphex(balloon_counter(qts, "discarded"), ==, 0);
    g_assert_cmphex(qtest_readl(qts, addr), ==, 0x12345678);
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
    QTestState *qts = start(&guest, "");
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
    QTestState *qts = start(&guest, "");
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
    QTestState *qts = start(&guest, "");
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
    QTestState *qts = start(&guest, "");
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
    qts = start(&guest, options);
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
    QTestState *qts = start(&guest, "");

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

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    if (!qtest_has_accel(test_accel()) || !qtest_has_device("hv-balloon")) {
        g_test_skip("the accelerator and hv-balloon needed");
        return 0;
    }
    rom_create();

    qtest_add_func("/hv-balloon/stick/add", test_add);
    qtest_add_func("/hv-balloon/actual-follows", test_actual_follows);
    qtest_add_func("/hv-balloon/one-reply", test_one_reply);
    qtest_add_func("/hv-balloon/stick/in-use", test_in_use);
    qtest_add_func("/hv-balloon/stick/unused", test_unused);
    qtest_add_func("/hv-balloon/stick/del-while-busy", test_del_while_busy);
    qtest_add_func("/hv-balloon/stick/reset", test_reset);
    qtest_add_func("/hv-balloon/stick/del-during-reset",
                   test_del_during_reset);
    qtest_add_func("/hv-balloon/stick/kexec", test_kexec);
    qtest_add_func("/hv-balloon/stick/kexec-populates", test_kexec_populates);
    qtest_add_func("/hv-balloon/stick/driver-reload", test_driver_reload);
    qtest_add_func("/hv-balloon/unrealize/stick", test_unrealize_stick);
    qtest_add_func("/hv-balloon/unrealize/balloon", test_unrealize_balloon);
    qtest_add_func("/hv-balloon/memdev", test_memdev);
    qtest_add_func("/hv-balloon/discard/anonymous", test_discard);
    qtest_add_func("/hv-balloon/discard/shared", test_discard_shared);
    qtest_add_func("/hv-balloon/discard/locked", test_discard_locked);
    qtest_add_func("/hv-balloon/discard/private-file",
                   test_discard_private_file);
    qtest_add_func("/hv-balloon/discard/read-only-file",
                   test_discard_read_only_file);
    qtest_add_func("/hv-balloon/discard/failed", test_discard_failed);
    qtest_add_func("/hv-balloon/discard/no-huge-page",
                   test_no_huge_page_is_free);
    qtest_add_func("/hv-balloon/discard/reports-of-new-kernel",
                   test_reports_of_new_kernel);
    qtest_add_func("/hv-balloon/discard/smram", test_discard_smram);
    qtest_add_func("/hv-balloon/discard/smram-huge", test_discard_smram_huge);
    qtest_add_func("/hv-balloon/discard/huge", test_discard_huge);
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

    ret = g_test_run();
    rom_delete();
    return ret;
}
