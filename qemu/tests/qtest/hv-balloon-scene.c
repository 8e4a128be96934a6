/*
 * A machine with hv-balloon and sticks, and a guest whose driver the test is
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hv-balloon-scene.h"

void assert_stick(QTestState *qts, const char *id, const char *state,
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

void wait_unused(QTestState *qts, const char *id, uint64_t added,
                 uint64_t released)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    while (!stick_is(qts, id, "unused")) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
    assert_stick(qts, id, "unused", added, released);
}

void del_fails(QTestState *qts, const char *id, const char *what)
{
    assert_error(qtest_qmp_assert_failure_ref(qts, "{'execute': 'device_del',"
                                              " 'arguments': {'id': %s}}", id),
                 what);
}

QTestState *start_guest(DmGuest *guest, const char *more)
{
    g_autofree char *options = g_strdup_printf(MEMORY "%s", more);
    QTestState *qts = guest_with_vmbus(options);

    dm_connect(guest, qts);
    dm_open(guest, DM_CAPS);
    wait_state(qts, "idle");
    return qts;
}

DmPages take_memory(DmGuest *guest)
{
    DmPages pages = dm_hot_add_request(guest);

    dm_hot_add_response(guest, pages.count, 1);
    return pages;
}

DmPages start_with_stick(DmGuest *guest)
{
    DmPages pages;

    add_memory(guest->qts, "a", 2 * CHUNK, "on-demand");
    set_target(guest->qts, BOOT + CHUNK);
    pages = take_memory(guest);
    wait_number(guest->qts, "actual", BOOT + CHUNK);
    return pages;
}

DmPages start_with_unused_stick(DmGuest *guest)
{
    DmPages pages = start_with_stick(guest);

    set_target(guest->qts, BOOT);
    dm_release(guest, pages);
    wait_number(guest->qts, "actual", BOOT);
    wait_unused(guest->qts, "a", CHUNK, CHUNK);
    return pages;
}

void kexec(DmGuest *guest)
{
    QTestState *qts = guest->qts;

    wrmsr(qts, 0, MSR_GUEST_OS_ID, 0);
    enable_hypercalls(qts);
    connect_vmbus(qts, 0);
    dm_connect(guest, qts);
    dm_open(guest, DM_CAPS);
    wait_state(qts, "new-kernel");
}
