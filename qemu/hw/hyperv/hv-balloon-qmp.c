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
#include "qemu/error-report.h"
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

static uint64_t mib(uint64_t pages)
{
    return pages / (MiB / DM_PAGE_SIZE);
}

/* Nothing can be requested of the guest. */
static char *driver_problem(DmProblemCode code)
{
    static const char *const texts[] = {
        [DM_PROBLEM_NO_BALLOON] = "the guest's driver cannot release memory",
        [DM_PROBLEM_NO_HOT_ADD] = "the guest's driver cannot add memory",
        [DM_PROBLEM_CAPABILITIES] =
            "the guest's driver came back with other capabilities; a restart"
            " of the guest clears this",
        [DM_PROBLEM_NEW_KERNEL] =
            "another kernel was started without a reset (kexec): memory is"
            " neither added nor returned before the guest is restarted",
        [DM_PROBLEM_ACCOUNTING] =
            "the guest's driver took memory in too many pieces, or"
            " disconnected too often while it was given some: it gets no more"
            " before the guest is restarted",
    };

    return g_strdup(texts[code]);
}

/* There is no memory to give. */
static char *memory_problem(const DmProblem *p)
{
    switch (p->code) {
    case DM_PROBLEM_CAPACITY:
        return g_strdup_printf("the target is %" PRIu64 " MiB above what is"
                               " plugged", mib(p->pages));
    case DM_PROBLEM_ALIGNMENT:
        return g_strdup_printf("%" PRIu64 " MiB of the plugged memory cannot"
                               " be given to this guest, which takes it in"
                               " pieces of %" PRIu64 " MiB", mib(p->pages),
                               mib(p->of));
    case DM_PROBLEM_IN_DOUBT:
        return g_strdup_printf("the target cannot be met: it is unknown"
                               " whether the guest has %" PRIu64 " MiB that"
                               " were on their way when its driver"
                               " disconnected; a restart of the guest clears"
                               " this", mib(p->pages));
    case DM_PROBLEM_POPULATE:
        return g_strdup_printf("the host cannot make memory at 0x%" PRIx64
                               " ready for the guest, as an assigned device"
                               " cannot map it; it will be tried again",
                               bytes(p->page));
    default:
        g_assert_not_reached();
    }
}

/* The guest did not do what was requested. */
static char *guest_problem(const DmProblem *p)
{
    switch (p->code) {
    case DM_PROBLEM_FLOOR:
        return g_strdup_printf("the guest releases no more: it kept %" PRIu64
                               " MiB of %" PRIu64 " MiB requested",
                               mib(p->pages), mib(p->of));
    case DM_PROBLEM_RAN_DRY:
        return g_strdup_printf("the guest has %" PRIu64 " MiB available and"
                               " releases no more: memory that was onlined as"
                               " movable (memhp_default_state=online_movable)"
                               " cannot be released, and its kernel may lack"
                               " other memory; it gets %" PRIu64 " MiB back",
                               mib(p->pages), mib(p->of));
    case DM_PROBLEM_REFUSED:
        return g_strdup_printf("the guest could not add memory at 0x%" PRIx64
                               "; it will be asked again", bytes(p->page));
    case DM_PROBLEM_REFUSED_FOR_GOOD:
        return g_strdup_printf("the guest refuses memory at 0x%" PRIx64
                               " for good: it is asked again only when the"
                               " target or the plugged memory changes, or it"
                               " is restarted", bytes(p->page));
    case DM_PROBLEM_NOT_ONLINED:
        return g_strdup_printf("the guest took %" PRIu64 " MiB and seems not"
                               " to online it: start its kernel with"
                               " memhp_default_state=online", mib(p->pages));
    default:
        g_assert_not_reached();
    }
}

/* A request takes too long. */
static char *late_problem(const DmProblem *p)
{
    static const char *const what[] = {
        [DM_REQUEST_NONE] = "do nothing",
        [DM_REQUEST_BALLOON] = "release memory",
        [DM_REQUEST_RETURN] = "take released memory back",
        [DM_REQUEST_HOT_ADD] = "add memory",
    };
    static const char s4[] =
        "; Linux ignores all requests where the machine offers hibernation"
        " (ACPI S4), so turn that off: -global ICH9-LPC.disable_s4=1 (q35) or"
        " PIIX4_PM.disable_s4=1 (pc), in domain XML <suspend-to-disk"
        " enabled='no'/>";

    QEMU_BUILD_BUG_ON(ARRAY_SIZE(what) != DM_REQUEST__MAX);
    return g_strdup_printf("the guest has not %s a request to %s for %" PRIu64
                           " s%s", p->code == DM_PROBLEM_NOT_SENT ?
                           "made room for" : "answered", what[p->request],
                           p->ms / 1000,
                           p->code == DM_PROBLEM_NEVER_REPLIED ? s4 : "");
}

/* Why the target is not met, or NULL. The compiler warns of a missing code. */
static char *problem_text(const DmProblem *p)
{
    switch (p->code) {
    case DM_PROBLEM_NO_BALLOON:
    case DM_PROBLEM_NO_HOT_ADD:
    case DM_PROBLEM_CAPABILITIES:
    case DM_PROBLEM_NEW_KERNEL:
    case DM_PROBLEM_ACCOUNTING:
        return driver_problem(p->code);
    case DM_PROBLEM_CAPACITY:
    case DM_PROBLEM_ALIGNMENT:
    case DM_PROBLEM_IN_DOUBT:
    case DM_PROBLEM_POPULATE:
        return memory_problem(p);
    case DM_PROBLEM_FLOOR:
    case DM_PROBLEM_RAN_DRY:
    case DM_PROBLEM_REFUSED:
    case DM_PROBLEM_REFUSED_FOR_GOOD:
    case DM_PROBLEM_NOT_ONLINED:
        return guest_problem(p);
    case DM_PROBLEM_NOT_SENT:
    case DM_PROBLEM_NO_REPLY:
    case DM_PROBLEM_NEVER_REPLIED:
        return late_problem(p);
    case DM_PROBLEM_NONE:
    case DM_PROBLEM__MAX:
        break;
    }
    return NULL;
}

void hv_balloon_warn(DmWarning warning)
{
    static const char *const texts[] = {
        [DM_WARNING_HEADER] = "a message whose header and length do not fit",
        [DM_WARNING_TYPE] = "a message of a type that no guest sends",
        [DM_WARNING_VERSION] =
            "the guest asks for a protocol version in the middle of a session",
        [DM_WARNING_CAPABILITIES] =
            "the guest reports its capabilities out of turn",
        [DM_WARNING_UNREQUESTED] =
            "the guest answers a request that was not made",
        [DM_WARNING_BALLOON_SIZE] = "a balloon response of the wrong size",
        [DM_WARNING_BALLOON_SURPLUS] =
            "the guest releases more than was requested",
        [DM_WARNING_BALLOON_PAGES] =
            "the guest releases pages that it does not have",
        [DM_WARNING_BALLOON_IDLE] =
            "the guest announces memory and releases none",
        [DM_WARNING_HOT_ADD_SIZE] = "a hot-add response of the wrong size",
        [DM_WARNING_HOT_ADD_SURPLUS] =
            "the guest takes more memory than it was offered",
    };

    QEMU_BUILD_BUG_ON(ARRAY_SIZE(texts) != DM_WARNING__MAX);
    warn_report(TYPE_HV_BALLOON ": %s", texts[warning]);
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
    info->last_error = problem_text(&e.problem);
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
