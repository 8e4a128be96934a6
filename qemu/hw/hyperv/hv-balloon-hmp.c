/*
 * Hyper-V Dynamic Memory (hv-balloon): info hv-balloon
 *
 * In every build, as the monitor's commands are: the queries report it if
 * there is no device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-hv-balloon.h"

static void print_size(Monitor *mon, const char *name, uint64_t size)
{
    monitor_printf(mon, "  %s: %" PRIu64 "\n", name, size);
}

static void print_balloon(Monitor *mon, const HvBalloonStatus *info)
{
    monitor_printf(mon, "hv-balloon: %s, guest %s, protocol %s\n",
                   HvBalloonState_str(info->state),
                   HvBalloonGuest_str(info->guest),
                   info->version ? info->version : "(none)");
    if (info->last_error) {
        monitor_printf(mon, "  last-error: %s\n", info->last_error);
    }
    print_size(mon, "target", info->target);
    print_size(mon, "actual", info->actual);
    print_size(mon, "boot", info->boot);
    print_size(mon, "capacity", info->capacity);
    print_size(mon, "released", info->released);
    print_size(mon, "in-doubt", info->in_doubt);
    print_size(mon, "offline", info->offline);
    print_size(mon, "ghosts", info->ghosts);
    print_size(mon, "ungranted", info->ungranted);
    print_size(mon, "alignment", info->alignment);
    print_size(mon, "discarded", info->counters->discarded);
    print_size(mon, "discard-inhibited", info->counters->discard_inhibited);
    print_size(mon, "discard-failed", info->counters->discard_failed);
    print_size(mon, "not-sent", info->migration->not_sent);
}

static void print_stick(Monitor *mon, const HaprotInfo *stick)
{
    monitor_printf(mon, "mem-haprot: \"%s\", %s\n",
                   stick->id ? stick->id : "", HaprotState_str(stick->state));
    monitor_printf(mon, "  addr: 0x%" PRIx64 "\n", stick->addr);
    print_size(mon, "size", stick->size);
    print_size(mon, "added", stick->added);
    print_size(mon, "released", stick->released);
    monitor_printf(mon, "  insert: %s\n", HaprotInsert_str(stick->insert));
    monitor_printf(mon, "  memdev: %s\n", stick->memdev);
}

void hmp_info_hv_balloon(Monitor *mon, const QDict *qdict)
{
    g_autoptr(HvBalloonStatus) info = NULL;
    g_autoptr(HaprotInfoList) sticks = NULL;
    HaprotInfoList *item;
    Error *err = NULL;

    info = qmp_query_hv_balloon(&err);
    if (hmp_handle_error(mon, err)) {
        return;
    }
    print_balloon(mon, info);
    sticks = qmp_query_haprot(&error_abort);
    for (item = sticks; item; item = item->next) {
        print_stick(mon, item->value);
    }
}
