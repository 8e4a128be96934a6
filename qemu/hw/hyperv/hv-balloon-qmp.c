/*
 * Hyper-V Dynamic Memory (hv-balloon): events, queries, guest-stats
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hv-balloon-internal.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-hv-balloon.h"
#include "qapi/qapi-events-hv-balloon.h"
#include "qapi/visitor.h"
#include "trace.h"

/* Events */

void hv_balloon_stick_event(HvBalloon *balloon, unsigned number,
                            DmStickState state)
{
    MemHaprot *stick = hv_balloon_stick(balloon, number);
    g_autofree char *path = NULL;
    g_autofree char *memdev = NULL;

    if (!stick || state == DM_STICK_IDLE) {
        return;
    }
    path = haprot_qom_path(stick);
    memdev = object_get_canonical_path(OBJECT(stick->memdev));
    if (state == DM_STICK_INUSE) {
        qapi_event_send_hv_balloon_haprot_inuse(DEVICE(stick)->id, path,
                                                memdev, stick->addr,
                                                haprot_size(stick));
    } else {
        qapi_event_send_hv_balloon_haprot_unused(DEVICE(stick)->id, path,
                                                 memdev, stick->addr,
                                                 haprot_size(stick));
    }
}

/*
 * The guest reports every second on its own, so guest-stats need no polling to
 * be current: an interval only makes them change less often.  The time of day
 * that is shown may be set back, so the interval is measured by another clock.
 */
static bool stats_due(const HvBalloon *balloon)
{
    return !balloon->stats.valid ||
           hv_balloon_now() - balloon->stats_ms >=
           (uint64_t)balloon->stats_interval_s * 1000;
}

void hv_balloon_report_received(HvBalloon *balloon, const DmStatus *status)
{
    balloon->report = (HvBalloonReport) {
        .valid = true,
        .available = hv_balloon_bytes(status->available),
        .committed = hv_balloon_bytes(status->committed),
        .when_s = g_get_real_time() / G_USEC_PER_SEC,
    };
    trace_hv_balloon_status_report(balloon->report.committed,
                                   balloon->report.available);
    if (stats_due(balloon)) {
        balloon->stats = balloon->report;
        balloon->stats_ms = hv_balloon_now();
    }
    if (balloon->status_report) {
        qapi_event_send_hv_balloon_status_report(balloon->report.committed,
                                                 balloon->report.available);
    }
}

/* A report from before a reset, or of a driver that is gone, is stale. */
void hv_balloon_report_reset(HvBalloon *balloon)
{
    balloon->report = (HvBalloonReport) { };
    balloon->stats = (HvBalloonReport) { };
}

/* Queries */

/* The only one, or NULL. */
static HvBalloon *hv_balloon_find(void)
{
    Object *obj = object_resolve_path_type("", TYPE_HV_BALLOON, NULL);

    return obj && DEVICE(obj)->realized ? HV_BALLOON(obj) : NULL;
}

static HvBalloonGuest guest_kind(DmGuest guest)
{
    static const HvBalloonGuest kinds[] = {
        [DM_GUEST_NONE] = HV_BALLOON_GUEST_NONE,
        [DM_GUEST_LINUX] = HV_BALLOON_GUEST_LINUX,
        [DM_GUEST_WINDOWS] = HV_BALLOON_GUEST_WINDOWS,
        [DM_GUEST_OTHER] = HV_BALLOON_GUEST_OTHER,
    };

    QEMU_BUILD_BUG_ON(ARRAY_SIZE(kinds) != DM_GUEST__MAX);
    QEMU_BUILD_BUG_ON(ARRAY_SIZE(kinds) != HV_BALLOON_GUEST__MAX);
    return kinds[guest];
}

static HvBalloonState state_kind(DmState state)
{
    static const HvBalloonState kinds[] = {
        [DM_STATE_DISCONNECTED] = HV_BALLOON_STATE_DISCONNECTED,
        [DM_STATE_HANDSHAKE] = HV_BALLOON_STATE_HANDSHAKE,
        [DM_STATE_WAITING] = HV_BALLOON_STATE_WAITING,
        [DM_STATE_IDLE] = HV_BALLOON_STATE_IDLE,
        [DM_STATE_BALLOONING] = HV_BALLOON_STATE_BALLOONING,
        [DM_STATE_RETURNING] = HV_BALLOON_STATE_RETURNING,
        [DM_STATE_ADDING] = HV_BALLOON_STATE_ADDING,
        [DM_STATE_REFUSED] = HV_BALLOON_STATE_REFUSED,
        [DM_STATE_FLOOR] = HV_BALLOON_STATE_FLOOR,
        [DM_STATE_NOT_ONLINED] = HV_BALLOON_STATE_NOT_ONLINED,
        [DM_STATE_LATE] = HV_BALLOON_STATE_LATE,
        [DM_STATE_NEW_KERNEL] = HV_BALLOON_STATE_NEW_KERNEL,
        [DM_STATE_FROZEN] = HV_BALLOON_STATE_FROZEN,
    };

    QEMU_BUILD_BUG_ON(ARRAY_SIZE(kinds) != DM_STATE__MAX);
    QEMU_BUILD_BUG_ON(ARRAY_SIZE(kinds) != HV_BALLOON_STATE__MAX);
    return kinds[state];
}

static HvBalloonCounters *counters(const HvBalloon *balloon,
                                   const DmEngineInfo *e)
{
    HvBalloonCounters *info = g_new0(HvBalloonCounters, 1);
    const DmCounters *c = &e->counters;

    info->messages_sent = c->messages_sent;
    info->messages_received = c->messages_received;
    info->malformed = c->malformed;
    info->unexpected = c->unexpected;
    info->dropped_ranges = c->dropped_ranges;
    info->duplicate_pages = c->duplicate_pages;
    info->surplus_pages = c->surplus_pages;
    info->late = c->late;
    info->refused = c->refused;
    info->reconnects = c->reconnects;
    info->resets = c->resets;
    info->discarded = balloon->discarded;
    info->discard_inhibited = balloon->discard_inhibited;
    info->discard_failed = balloon->discard_failed;
    info->reported = balloon->reported;
    info->work_calls = e->work.calls;
    info->work_ns = e->work.ns;
    info->work_longest_ns = e->work.longest_ns;
    return info;
}

/* NULL if no report has arrived. */
static HvBalloonInfo *report_info(const HvBalloon *balloon)
{
    HvBalloonInfo *info;

    if (!balloon->report.valid) {
        return NULL;
    }
    info = g_new0(HvBalloonInfo, 1);
    info->committed = balloon->report.committed;
    info->available = balloon->report.available;
    return info;
}

static void fill_free_slots(HvBalloonStatus *info)
{
    unsigned free = haprot_free_slots();

    info->has_free_slots = free != UINT_MAX;
    info->free_slots = info->has_free_slots ? free : 0;
}

HvBalloonStatus *qmp_query_hv_balloon(Error **errp)
{
    HvBalloon *balloon = hv_balloon_find();
    HvBalloonStatus *info;
    DmEngineInfo e;

    if (!balloon) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE,
                  "there is no " TYPE_HV_BALLOON " device");
        return NULL;
    }
    dm_engine_query(balloon->engine, &e);

    info = g_new0(HvBalloonStatus, 1);
    info->connected = e.connected;
    if (e.connected) {
        info->version = g_strdup_printf("%u.%u", e.version >> 16,
                                        e.version & 0xffff);
    }
    info->guest = guest_kind(e.guest);
    info->can_balloon = e.can_balloon;
    info->can_hot_add = e.can_hot_add;
    info->alignment = hv_balloon_bytes(e.alignment);
    info->state = state_kind(e.state);
    info->target = hv_balloon_bytes(e.target);
    info->actual = hv_balloon_bytes(e.actual);
    info->boot = hv_balloon_bytes(e.boot);
    info->capacity = hv_balloon_bytes(e.capacity);
    info->released = hv_balloon_bytes(e.released);
    info->in_doubt = hv_balloon_bytes(e.in_doubt);
    info->offline = hv_balloon_bytes(e.offline);
    info->accounting = e.bytes;
    info->ghosts = hv_balloon_bytes(e.ghosts);
    info->ungranted = hv_balloon_bytes(e.ungranted);
    info->sticks = qmp_query_haprot(&error_abort);
    fill_free_slots(info);
    info->device_memory = haprot_space();
    info->last_error = hv_balloon_problem_text(&e.problem);
    info->report = report_info(balloon);
    info->counters = counters(balloon, &e);
    info->migration = g_new0(HvBalloonMigrationStatus, 1);
    info->migration->not_sent = hv_balloon_not_sent(balloon);
    return info;
}

HvBalloonInfo *qmp_query_hv_balloon_status_report(Error **errp)
{
    HvBalloon *balloon = hv_balloon_find();

    if (!balloon) {
        error_setg(errp, "there is no " TYPE_HV_BALLOON " device");
        return NULL;
    }
    if (!balloon->status_report) {
        error_setg(errp, "the " TYPE_HV_BALLOON " device was not created with"
                   " status-report=on");
        return NULL;
    }
    if (!balloon->report.valid) {
        error_setg(errp, "no status report has arrived from the guest yet");
        return NULL;
    }
    return report_info(balloon);
}

/* guest-stats, with the members that virtio-balloon has */

static const char *const stat_names[] = {
    "stat-swap-in", "stat-swap-out", "stat-major-faults", "stat-minor-faults",
    "stat-free-memory", "stat-total-memory", "stat-available-memory",
    "stat-disk-caches", "stat-htlb-pgalloc", "stat-htlb-pgfail",
    "stat-oom-kills", "stat-alloc-stalls", "stat-async-scans",
    "stat-direct-scans", "stat-async-reclaims", "stat-direct-reclaims",
};

/* The protocol has only one of them; the others are unknown, that is -1. */
static uint64_t stat_value(const HvBalloon *balloon, const char *name)
{
    if (balloon->stats.valid && g_str_equal(name, "stat-available-memory")) {
        return balloon->stats.available;
    }
    return UINT64_MAX;
}

static bool visit_stats(const HvBalloon *balloon, Visitor *v, Error **errp)
{
    bool ok = true;

    if (!visit_start_struct(v, "stats", NULL, 0, errp)) {
        return false;
    }
    for (size_t i = 0; ok && i < ARRAY_SIZE(stat_names); i++) {
        uint64_t value = stat_value(balloon, stat_names[i]);

        ok = visit_type_uint64(v, stat_names[i], &value, errp);
    }
    ok = ok && visit_check_struct(v, errp);
    visit_end_struct(v, NULL);
    return ok;
}

static void get_guest_stats(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    HvBalloon *balloon = HV_BALLOON(obj);
    int64_t when = balloon->stats.when_s;

    if (!visit_start_struct(v, name, NULL, 0, errp)) {
        return;
    }
    if (visit_type_int(v, "last-update", &when, errp) &&
        visit_stats(balloon, v, errp)) {
        visit_check_struct(v, errp);
    }
    visit_end_struct(v, NULL);
}

static void get_stats_interval(Object *obj, Visitor *v, const char *name,
                               void *opaque, Error **errp)
{
    visit_type_int(v, name, &HV_BALLOON(obj)->stats_interval_s, errp);
}

static void set_stats_interval(Object *obj, Visitor *v, const char *name,
                               void *opaque, Error **errp)
{
    int64_t value;

    if (!visit_type_int(v, name, &value, errp)) {
        return;
    }
    if (value < 0 || value > UINT32_MAX) {
        error_setg(errp, "%s is a number of seconds from 0 (off) to %u, not %"
                   PRId64, name, UINT32_MAX, value);
        return;
    }
    HV_BALLOON(obj)->stats_interval_s = value;
}

void hv_balloon_qmp_init(Object *obj)
{
    object_property_add(obj, "guest-stats", "guest statistics",
                        get_guest_stats, NULL, NULL, NULL);
    object_property_add(obj, "guest-stats-polling-interval", "int",
                        get_stats_interval, set_stats_interval, NULL, NULL);
}
