/*
 * Queries of sticks and hv-balloon and commands to them, for the qtests of both
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "haprot-qmp.h"
#include "hyperv-guest.h"

QDict *query_dict(QTestState *qts, const char *command)
{
    QDict *response = qtest_qmp(qts, "{'execute': %s}", command);
    QDict *dict = qdict_get_qdict(response, "return");

    g_assert_nonnull(dict);
    qobject_ref(dict);
    qobject_unref(response);
    return dict;
}

QList *query_list(QTestState *qts, const char *command)
{
    QDict *response = qtest_qmp(qts, "{'execute': %s}", command);
    QList *list = qdict_get_qlist(response, "return");

    g_assert_nonnull(list);
    qobject_ref(list);
    qobject_unref(response);
    return list;
}

uint64_t balloon_number(QTestState *qts, const char *member)
{
    QDict *info = query_dict(qts, "query-hv-balloon");
    uint64_t number = qdict_get_int(info, member);

    qobject_unref(info);
    return number;
}

void assert_balloon(QTestState *qts, const char *member, uint64_t value)
{
    g_assert_cmphex(balloon_number(qts, member), ==, value);
}

void wait_number(QTestState *qts, const char *member, uint64_t value)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    while (balloon_number(qts, member) != value) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

uint64_t balloon_counter(QTestState *qts, const char *name)
{
    QDict *info = query_dict(qts, "query-hv-balloon");
    uint64_t number = qdict_get_int(qdict_get_qdict(info, "counters"), name);

    qobject_unref(info);
    return number;
}

void wait_counter(QTestState *qts, const char *name, uint64_t val)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;
    uint64_t is;

    while ((is = balloon_counter(qts, name)) < val) {
        if (g_get_monotonic_time() >= end) {
            g_error("%s: %" PRIu64 ", not %" PRIu64, name, is, val);
        }
    }
}

static uint64_t huge_pages(const char *name)
{
    g_autofree char *file =
        g_strdup_printf("/sys/kernel/mm/hugepages/hugepages-2048kB/%s", name);
    g_autofree char *text = NULL;

    return g_file_get_contents(file, &text, NULL, NULL) ?
           g_ascii_strtoull(text, NULL, 10) : 0;
}

uint64_t free_huge_bytes(void)
{
    return (huge_pages("free_hugepages") - huge_pages("resv_hugepages")) *
           2 * MiB;
}

static char *balloon_state(QTestState *qts)
{
    QDict *info = query_dict(qts, "query-hv-balloon");
    char *state = g_strdup(qdict_get_str(info, "state"));

    qobject_unref(info);
    return state;
}

bool balloon_state_is(QTestState *qts, const char *state)
{
    g_autofree char *now = balloon_state(qts);

    return g_str_equal(now, state);
}

void wait_state(QTestState *qts, const char *state)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    for (;;) {
        g_autofree char *now = balloon_state(qts);

        if (g_str_equal(now, state)) {
            return;
        }
        if (g_get_monotonic_time() >= end) {
            g_error("state is %s, not %s", now, state);
        }
        g_usleep(1000);
    }
}

void set_target(QTestState *qts, uint64_t bytes)
{
    qtest_qmp_assert_success(qts, "{'execute': 'balloon', 'arguments': {"
                             " 'value': %" PRIu64 "}}", bytes);
}

QDict *find_stick(QTestState *qts, const char *id)
{
    QList *list = query_list(qts, "query-haprot");
    QDict *found = NULL;
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(list, entry) {
        QDict *stick = qobject_to(QDict, qlist_entry_obj(entry));

        if (g_str_equal(qdict_get_str(stick, "id"), id)) {
            found = stick;
            qobject_ref(found);
        }
    }
    qobject_unref(list);
    return found;
}

uint64_t stick_addr(QTestState *qts, const char *id)
{
    QDict *stick = find_stick(qts, id);
    uint64_t addr;

    g_assert_nonnull(stick);
    addr = qdict_get_int(stick, "addr");
    qobject_unref(stick);
    return addr;
}

void add_backend(QTestState *qts, const char *id, uint64_t size)
{
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'memory-backend-ram',"
                             " 'id': %s, 'size': %" PRIu64 "}}", id, size);
}

void add_stick(QTestState *qts, const char *id, const char *memdev,
               const char *insert)
{
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': {"
                             " 'driver': 'mem-haprot', 'id': %s,"
                             " 'memdev': %s, 'insert': %s}}",
                             id, memdev, insert);
}

void add_memory(QTestState *qts, const char *id, uint64_t size,
                const char *insert)
{
    g_autofree char *memdev = g_strdup_printf("mem-%s", id);

    add_backend(qts, memdev, size);
    add_stick(qts, id, memdev, insert);
}

void add_fails(QTestState *qts, const char *args, const char *what)
{
    g_autofree char *command =
        g_strdup_printf("{'execute': 'device_add', 'arguments': {"
                        " 'driver': 'mem-haprot', %s}}", args);
    QDict *error = qtest_qmp_assert_failure_ref(qts, command, NULL);
    const char *desc = qdict_get_str(error, "desc");

    if (!strstr(desc, what)) {
        g_error("error of %s: '%s', expected '%s'", args, desc, what);
    }
    qobject_unref(error);
}

void assert_error(QDict *error, const char *what)
{
    const char *desc = qdict_get_str(error, "desc");

    if (!strstr(desc, what)) {
        g_error("error '%s', expected '%s'", desc, what);
    }
    qobject_unref(error);
}
