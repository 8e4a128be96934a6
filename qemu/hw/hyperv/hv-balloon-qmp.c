/*
 * Hyper-V Dynamic Memory (hv-balloon): events, queries, guest-stats
 *
 * What the engine reports as enums and numbers is put into words here, and
 * nowhere else.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hv-balloon-internal.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-hv-balloon.h"
#include "qapi/qapi-events-hv-balloon.h"
#include "qapi/visitor.h"
#include "qemu/units.h"
#include "trace.h"

static uint64_t bytes(uint64_t pages)
{
    /* what a guest claims may not fit */
    return pages > UINT64_MAX >> DM_PAGE_SHIFT ? UINT64_MAX
                                               : pages << DM_PAGE_SHIFT;
}

/* Facts in words */

void hv_balloon_set_error(Error **errp, DmError code, DmRange range)
{
    switch (code) {
    case DM_ERROR_RANGE:
        error_setg(errp, "a stick of %" PRIu64 " KiB at 0x%" PRIx64
                   " is outside what the protocol can name",
                   bytes(range.count) / KiB, bytes(range.first));
        break;
    case DM_ERROR_OVERLAP:
        error_setg(errp, "the stick at 0x%" PRIx64 " overlaps other memory",
                   bytes(range.first));
        break;
    case DM_ERROR_IN_USE:
        error_setg(errp, "the guest uses it: lower the target and wait for"
                   " HV_BALLOON_HAPROT_UNUSED, or restart the guest");
        break;
    case DM_ERROR_IN_FLIGHT:
        error_setg(errp, "the guest is just being given a part of it");
        break;
    case DM_ERROR_NEW_KERNEL:
        error_setg(errp, "another kernel was started without a reset (kexec)"
                   " and may use it: restart the guest first");
        break;
    case DM_ERROR_NO_TARGET:
    case DM_ERROR_NOT_FRESH:
    case DM_ERROR_STATE:
    case DM_ERROR__MAX:
        /* none of them is about a stick */
        g_assert_not_reached();
    }
}

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
 * The guest reports every second, asked or not, so guest-stats need no polling
 * to be current: an interval only makes them change less often.  The time of
 * day, which is shown, may be set back and is no measure of that.
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
        .available = bytes(status->available),
        .committed = bytes(status->committed),
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

/* What the guest said before a reset is not true any more. */
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
    switch (guest) {
    case DM_GUEST_LINUX:
        return HV_BALLOON_GUEST_LINUX;
    case DM_GUEST_WINDOWS:
        return HV_BALLOON_GUEST_WINDOWS;
    case DM_GUEST_OTHER:
        return HV_BALLOON_GUEST_OTHER;
    default:
        return HV_BALLOON_GUEST_NONE;
    }
}

/* The engine's states have QAPI's names. */
static HvBalloonState state_kind(DmState state)
{
    return qapi_enum_parse(&HvBalloonState_lookup, dm_state_name(state),
                           HV_BALLOON_STATE_DISCONNECTED, &error_abort);
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
    info->alignment = bytes(e.alignment);
    info->state = state_kind(e.state);
    info->target = bytes(e.target);
    info->actual = bytes(e.actual);
    info->boot = bytes(e.boot);
    info->capacity = bytes(e.capacity);
    info->released = bytes(e.released);
    info->in_doubt = bytes(e.in_doubt);
    info->offline = bytes(e.offline);
    info->books = e.bytes;
    info->ghosts = bytes(e.ghosts);
    info->ungranted = bytes(e.ungranted);
    info->sticks = qmp_query_haprot(&error_abort);
    fill_free_slots(info);
    info->device_memory = haprot_space();
    info->last_error = g_strdup(e.last_error);
    info->counters = counters(balloon, &e);
    return info;
}

HvBalloonInfo *qmp_query_hv_balloon_status_report(Error **errp)
{
    HvBalloon *balloon = hv_balloon_find();
    HvBalloonInfo *info;

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
    info = g_new0(HvBalloonInfo, 1);
    info->committed = balloon->report.committed;
    info->available = balloon->report.available;
    return info;
}

/* guest-stats, with the members that virtio-balloon has */

static const char *const stat_names[] = {
    "stat-swap-in", "stat-swap-out", "stat-major-faults", "stat-minor-faults",
    "stat-free-memory", "stat-total-memory", "stat-available-memory",
    "stat-disk-caches", "stat-htlb-pgalloc", "stat-htlb-pgfail",
    "stat-oom-kills", "stat-alloc-stalls", "stat-async-scans",
    "stat-direct-scans", "stat-async-reclaims", "stat-direct-reclaims",
};

/* The protocol carries one of them; the others are unknown, which is -1. */
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
