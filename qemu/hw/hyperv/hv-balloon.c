/*
 * Hyper-V Dynamic Memory (hv-balloon): the VMBus device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hv-balloon-internal.h"
#include "hw/mem/memory-device.h"
#include "hw/qdev-properties.h"
#include "hw/resettable.h"
#include "migration/misc.h"
#include "qapi/error.h"
#include "qapi/qapi-events-machine.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "system/balloon.h"
#include "system/reset.h"
#include "trace.h"

#define HV_BALLOON_GUID "525074DC-8985-46e2-8057-A307DC18A502"

/* Messages taken from the ring before other work of the main loop. */
#define MESSAGE_BUDGET 32

/*
 * After so much work of the engine the main loop sleeps for a moment, if it has
 * nothing else to do: only then does a virtual processor that waits for the big
 * lock get it.
 */
#define WORK_NS (10 * SCALE_MS)
#define PAUSE_US 1000

/* Running the engine */

static void arm_timer(HvBalloon *balloon)
{
    uint64_t deadline = dm_engine_deadline(balloon->engine);

    if (deadline == UINT64_MAX) {
        timer_del(balloon->timer);
    } else {
        timer_mod(balloon->timer, MIN(deadline, INT64_MAX / SCALE_MS));
    }
}

static void publish_state(HvBalloon *balloon)
{
    DmEngineInfo info;

    dm_engine_query(balloon->engine, &info);
    if (info.state != balloon->traced) {
        balloon->traced = info.state;
        trace_hv_balloon_state(dm_state_name(info.state));
    }
    qemu_balloon_set_connected(balloon, info.connected);
}

/* The timer is of the host's time: there may be work while no guest runs. */
static void run_again(HvBalloon *balloon)
{
    if (balloon->worked_ns < WORK_NS) {
        hv_balloon_kick(balloon);
        return;
    }
    balloon->worked_ns = 0;
    timer_mod(balloon->pause,
              qemu_clock_get_us(QEMU_CLOCK_REALTIME) + PAUSE_US);
}

/* Messages that were held back are taken as soon as the engine wants more. */
static void release_messages(HvBalloon *balloon)
{
    if (balloon->held && !dm_engine_throttled(balloon->engine)) {
        balloon->held = false;
        vmbus_channel_notify_host(balloon->chan);
    }
}

static void run_engine(void *opaque)
{
    HvBalloon *balloon = opaque;
    int64_t began = get_clock();
    bool more;

    if (!hv_balloon_may_run()) {
        return;
    }
    hv_balloon_before_run(balloon);
    if (!hv_balloon_may_run()) {
        return;                 /* stopped while it waited for a processor */
    }
    more = dm_engine_run(balloon->engine, hv_balloon_now());
    balloon->worked_ns = more ? balloon->worked_ns + get_clock() - began : 0;
    publish_state(balloon);
    release_messages(balloon);
    if (more) {
        run_again(balloon);
    }
    arm_timer(balloon);
}

/* What the engine asks for */

/*
 * If the ring is full, the guest signals as soon as there is room. A ring that
 * cannot be written at all (it is in memory that was removed) is left alone
 * until the channel is opened again: the engine's deadlines report it.
 */
static bool op_send(void *opaque, const void *msg, size_t len)
{
    HvBalloon *balloon = opaque;
    ssize_t ret;

    if (!balloon->chan || balloon->send_failed ||
        vmbus_channel_reserve(balloon->chan, 0, len)) {
        return false;
    }
    ret = vmbus_channel_send(balloon->chan, VMBUS_PACKET_DATA_INBAND, NULL, 0,
                             (void *)msg, len, false, 0);
    if (ret < 0) {
        balloon->send_failed = true;
        warn_report_once(TYPE_HV_BALLOON ": the guest's ring cannot be"
                         " written: %s", strerror(-ret));
    }
    return ret >= 0;
}

static bool op_populate(void *opaque, uint64_t first, uint64_t count)
{
    return hv_balloon_populate((DmRange) { first, count });
}

static void op_discard(void *opaque, uint64_t first, uint64_t count)
{
    DmRange range = { first, count };

    hv_balloon_leave_out(opaque, range);
    hv_balloon_discard(opaque, range, true);
}

static void op_stick_state(void *opaque, unsigned stick, DmStickState state)
{
    trace_hv_balloon_stick(stick, dm_stick_state_name(state));
    hv_balloon_stick_event(opaque, stick, state);
}

static void op_actual_changed(void *opaque, uint64_t actual)
{
    trace_hv_balloon_actual(actual << DM_PAGE_SHIFT);
    qapi_event_send_balloon_change(actual << DM_PAGE_SHIFT);
}

static void op_status(void *opaque, const DmStatus *status)
{
    hv_balloon_report_received(opaque, status);
}

static void op_warn(void *opaque, DmWarning warning)
{
    hv_balloon_warn(warning);
}

static uint64_t op_clock(void *opaque)
{
    return get_clock();
}

/* What the engine traces. A name is only looked up for an event that is on. */

static void op_received(void *opaque, const DmHeader *header)
{
    if (trace_event_get_state_backends(TRACE_HV_BALLOON_RECEIVED)) {
        trace_hv_balloon_received(header->type, dm_message_name(header->type),
                                  header->size, header->trans_id);
    }
}

static void op_sent(void *opaque, const DmHeader *header)
{
    if (trace_event_get_state_backends(TRACE_HV_BALLOON_SENT)) {
        trace_hv_balloon_sent(header->type, dm_message_name(header->type),
                              header->size, header->trans_id);
    }
}

static void op_version(void *opaque, uint32_t version, bool last,
                       bool accepted)
{
    trace_hv_balloon_version(version >> 16, version & 0xffff, last, accepted);
}

static void op_capabilities(void *opaque, const DmCapabilities *caps)
{
    trace_hv_balloon_capabilities(caps->balloon, caps->hot_add,
                                  caps->alignment);
}

static void op_target(void *opaque, uint64_t pages)
{
    trace_hv_balloon_target(pages);
}

static void op_request(void *opaque, DmRequest kind, uint64_t pages,
                       unsigned ranges, uint64_t page)
{
    if (trace_event_get_state_backends(TRACE_HV_BALLOON_REQUEST)) {
        trace_hv_balloon_request(kind, dm_request_name(kind), pages, ranges,
                                 page);
    }
}

static void op_done(void *opaque, DmRequest kind, uint64_t pages, uint64_t of)
{
    if (trace_event_get_state_backends(TRACE_HV_BALLOON_DONE)) {
        trace_hv_balloon_done(kind, dm_request_name(kind), pages, of);
    }
}

static void op_onlined(void *opaque, uint64_t pages)
{
    trace_hv_balloon_onlined(pages);
}

static void op_problem(void *opaque, const DmProblem *p)
{
    trace_hv_balloon_problem(p->code, dm_problem_name(p->code), p->request,
                             p->page, p->pages, p->of, p->ms);
}

static void op_warning(void *opaque, DmWarning warning)
{
    trace_hv_balloon_warning(warning, dm_warning_name(warning));
}

static const DmTraceOps engine_trace = {
    .received = op_received,
    .sent = op_sent,
    .version = op_version,
    .capabilities = op_capabilities,
    .target = op_target,
    .request = op_request,
    .done = op_done,
    .onlined = op_onlined,
    .problem = op_problem,
    .warning = op_warning,
};

static const DmEngineOps engine_ops = {
    .send = op_send,
    .populate = op_populate,
    .discard = op_discard,
    .stick_state = op_stick_state,
    .actual_changed = op_actual_changed,
    .status = op_status,
    .warn = op_warn,
    .trace = &engine_trace,
    .clock = op_clock,
};

/* VMBus */

static void take_packet(HvBalloon *balloon, const VMBusChanReq *req)
{
    trace_hv_balloon_packet(req->pkt_type, req->msglen);
    if (req->pkt_type == VMBUS_PACKET_DATA_INBAND) {
        if (migration_is_running()) {
            dm_engine_excuse(balloon->engine);
        }
        dm_engine_receive(balloon->engine, req->msg, req->msglen,
                          hv_balloon_now());
    }
}

/*
 * Take packets up to the budget, or until the engine is throttled; true if
 * there may be more to take at once.
 */
static bool take_packets(HvBalloon *balloon, VMBusChannel *chan)
{
    for (int i = 0;
         i < MESSAGE_BUDGET && !dm_engine_throttled(balloon->engine); i++) {
        VMBusChanReq *req = vmbus_channel_recv_peek(chan, sizeof(*req));

        if (!req) {
            return false;
        }
        take_packet(balloon, req);
        vmbus_free_req(req);
        vmbus_channel_recv_pop(chan);
    }
    balloon->held = dm_engine_throttled(balloon->engine);
    return !balloon->held;
}

static void chan_notify(VMBusChannel *chan)
{
    HvBalloon *balloon = HV_BALLOON(vmbus_channel_device(chan));
    bool more;

    dm_engine_writable(balloon->engine, hv_balloon_now());
    hv_balloon_kick(balloon);
    if (vmbus_channel_recv_start(chan)) {
        return;
    }
    more = take_packets(balloon, chan);
    vmbus_channel_recv_done(chan);
    if (more) {
        vmbus_channel_notify_host(chan);
    }
}

static void use_channel(HvBalloon *balloon, VMBusChannel *chan)
{
    balloon->chan = chan;
    balloon->send_failed = balloon->held = false;
}

static int open_channel(VMBusChannel *chan)
{
    HvBalloon *balloon = HV_BALLOON(vmbus_channel_device(chan));
    bool is_new = hv_balloon_kernel_is_new(balloon);

    hv_balloon_kernel_remember(balloon);
    trace_hv_balloon_open(balloon->kernel.guest_os_id, is_new);
    if (is_new) {
        hv_balloon_kernel_came(balloon);
    }
    use_channel(balloon, chan);
    dm_engine_channel_open(balloon->engine, balloon->kernel.guest_os_id, is_new,
                           hv_balloon_now());
    hv_balloon_kick(balloon);
    return 0;
}

/*
 * The engine's state was loaded before. Without a session, opening the channel
 * had failed, and the guest has not been told yet.
 */
static int reopen_channel(VMBusChannel *chan)
{
    HvBalloon *balloon = HV_BALLOON(vmbus_channel_device(chan));
    DmEngineInfo e;

    dm_engine_query(balloon->engine, &e);
    if (e.state == DM_STATE_DISCONNECTED) {
        return -ENOTCONN;
    }
    use_channel(balloon, chan);
    return 0;
}

static void close_channel(VMBusChannel *chan)
{
    HvBalloon *balloon = HV_BALLOON(vmbus_channel_device(chan));

    trace_hv_balloon_close();
    balloon->chan = NULL;
    balloon->held = false;
    dm_engine_channel_close(balloon->engine);
    hv_balloon_report_reset(balloon);
    hv_balloon_kick(balloon);
}

/*
 * The device is reset with its channel, and with the bus when a guest
 * negotiates the bus again: neither is a system reset, and no page changes
 * hands.
 */
static void vmdev_reset(VMBusDevice *vdev)
{
    if (bus_is_in_reset(qdev_get_parent_bus(DEVICE(vdev)))) {
        HV_BALLOON(vdev)->kernel.bus_was_reset = true;
    }
}

/* System reset */

struct HvBalloonSystemReset {
    Object parent_obj;
    ResettableState reset_state;
    HvBalloon *balloon;
};

OBJECT_DEFINE_SIMPLE_TYPE_WITH_INTERFACES(HvBalloonSystemReset,
                                          hv_balloon_system_reset,
                                          HV_BALLOON_SYSTEM_RESET, OBJECT,
                                          { TYPE_RESETTABLE_INTERFACE }, { })

static void hv_balloon_system_reset_init(Object *obj)
{
}

static void hv_balloon_system_reset_finalize(Object *obj)
{
}

static ResettableState *system_reset_state(Object *obj)
{
    return &HV_BALLOON_SYSTEM_RESET(obj)->reset_state;
}

/*
 * A snapshot brings its own state. In the enter phase, so that the channel is
 * closed, in a later one, for an engine that has none: nobody is told anything.
 */
static void system_reset_enter(Object *obj, ResetType type)
{
    if (type == RESET_TYPE_SNAPSHOT_LOAD) {
        hv_balloon_forget(HV_BALLOON_SYSTEM_RESET(obj)->balloon);
        hv_balloon_report_reset(HV_BALLOON_SYSTEM_RESET(obj)->balloon);
    }
}

/*
 * In the exit phase, when the VMBus has closed the channel. A guest that wakes
 * from suspend to RAM keeps its memory.
 */
static void system_reset_exit(Object *obj, ResetType type)
{
    HvBalloon *balloon = HV_BALLOON_SYSTEM_RESET(obj)->balloon;

    if (type == RESET_TYPE_WAKEUP || type == RESET_TYPE_SNAPSHOT_LOAD) {
        return;
    }
    trace_hv_balloon_system_reset();
    hv_balloon_kernel_forget(balloon);
    hv_balloon_report_reset(balloon);
    hv_balloon_settle(balloon);
    dm_engine_system_reset(balloon->engine);
    hv_balloon_kick(balloon);
}

static void hv_balloon_system_reset_class_init(ObjectClass *oc, void *data)
{
    ResettableClass *rc = RESETTABLE_CLASS(oc);

    rc->get_state = system_reset_state;
    rc->phases.enter = system_reset_enter;
    rc->phases.exit = system_reset_exit;
}

static void system_reset_start(HvBalloon *balloon)
{
    Object *obj = object_new(TYPE_HV_BALLOON_SYSTEM_RESET);

    balloon->system_reset = HV_BALLOON_SYSTEM_RESET(obj);
    balloon->system_reset->balloon = balloon;
    qemu_register_resettable(obj);
}

static void system_reset_stop(HvBalloon *balloon)
{
    Object *obj = OBJECT(balloon->system_reset);

    qemu_unregister_resettable(obj);
    object_unref(obj);
}

/* The balloon commands */

static void set_target(void *opaque, ram_addr_t target)
{
    HvBalloon *balloon = opaque;
    /* the least target is one page */
    uint64_t pages = MAX(target >> DM_PAGE_SHIFT, 1);

    /* cannot fail: only 0 is refused */
    dm_engine_set_target(balloon->engine, pages, NULL);
    hv_balloon_kick(balloon);
}

static void query_balloon(void *opaque, BalloonInfo *info)
{
    HvBalloon *balloon = opaque;
    DmEngineInfo e;

    dm_engine_query(balloon->engine, &e);
    info->actual = e.actual << DM_PAGE_SHIFT;
}

/* Has this device changed how much memory the guest has? */
static bool holds_memory(void *opaque)
{
    HvBalloon *balloon = opaque;
    DmEngineInfo e;

    dm_engine_query(balloon->engine, &e);
    return e.released || e.in_doubt || e.state == DM_STATE_BALLOONING ||
           e.capacity - e.ungranted > e.boot;
}

/* The device */

static bool join_balloons(HvBalloon *balloon, Error **errp)
{
    if (qemu_add_balloon_handler(set_target, query_balloon, balloon)) {
        error_setg(errp, "there is already an " TYPE_HV_BALLOON " device");
        return false;
    }
    qemu_balloon_set_holds(balloon, holds_memory);
    return true;
}

static void vmdev_realize(VMBusDevice *vdev, Error **errp)
{
    HvBalloon *balloon = HV_BALLOON(vdev);

    if (balloon->engine) {
        error_setg(errp, "an " TYPE_HV_BALLOON " that was unrealized cannot"
                   " be realized again: restart QEMU");
        return;
    }
    if (!join_balloons(balloon, errp)) {
        return;
    }
    if (!hv_balloon_mem_realize(balloon, &engine_ops, errp)) {
        qemu_remove_balloon_handler(balloon);
        return;
    }
    balloon->bh = qemu_bh_new_guarded(run_engine, balloon,
                                      &DEVICE(vdev)->mem_reentrancy_guard);
    balloon->timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, run_engine, balloon);
    balloon->pause = timer_new_us(QEMU_CLOCK_REALTIME, run_engine, balloon);
    system_reset_start(balloon);
    hv_balloon_migrate_start(balloon);
    hyperv_set_free_pages_handler(hv_balloon_free_pages_reported, balloon);
}

/*
 * "realized" can be set to false at any time, and this cannot fail. The guest
 * may still have memory of sticks, and lacks what it released: so only the
 * channel is closed, and the accounting, the sticks and what protects them are
 * kept until the device is finalized.
 */
static void vmdev_unrealize(VMBusDevice *vdev)
{
    HvBalloon *balloon = HV_BALLOON(vdev);

    hyperv_set_free_pages_handler(NULL, NULL);
    qemu_remove_balloon_handler(balloon);
    balloon->chan = NULL;
    balloon->held = false;
    dm_engine_channel_close(balloon->engine);
}

static void hv_balloon_finalize(Object *obj)
{
    HvBalloon *balloon = HV_BALLOON(obj);

    if (!balloon->engine) {
        return;
    }
    hv_balloon_migrate_stop(balloon);
    system_reset_stop(balloon);
    timer_free(balloon->timer);
    timer_free(balloon->pause);
    qemu_bh_delete(balloon->bh);
    hv_balloon_mem_unrealize(balloon);
}

static int get_profile(Object *obj, Error **errp)
{
    return HV_BALLOON(obj)->profile;
}

static void set_profile(Object *obj, int value, Error **errp)
{
    if (HV_BALLOON(obj)->engine) {
        error_setg(errp, "'guest-profile' of " TYPE_HV_BALLOON " cannot be"
                   " changed after the device was realized");
        return;
    }
    HV_BALLOON(obj)->profile = value;
}

static const Property hv_balloon_props[] = {
    DEFINE_PROP_BOOL("status-report", HvBalloon, status_report, false),
};

static void hv_balloon_init(Object *obj)
{
    /* the same in every machine, so that a guest recognizes its device */
    qemu_uuid_parse(HV_BALLOON_GUID, &VMBUS_DEVICE(obj)->instanceid);
    hv_balloon_qmp_init(obj);
}

static void hv_balloon_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    VMBusDeviceClass *vdc = VMBUS_DEVICE_CLASS(oc);

    dc->desc = "Hyper-V Dynamic Memory";
    device_class_set_props(dc, hv_balloon_props);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    dc->vmsd = &vmstate_hv_balloon;
    object_class_property_add_enum(oc, "guest-profile", "HvBalloonProfile",
                                   &HvBalloonProfile_lookup,
                                   get_profile, set_profile);
    object_class_property_set_description(oc, "guest-profile",
        "auto, windows or linux: whose timing and message shapes to use");

    qemu_uuid_parse(HV_BALLOON_GUID, &vdc->classid);
    vdc->vmdev_realize = vmdev_realize;
    vdc->vmdev_unrealize = vmdev_unrealize;
    vdc->vmdev_reset = vmdev_reset;
    vdc->open_channel = open_channel;
    vdc->reopen_channel = reopen_channel;
    vdc->close_channel = close_channel;
    vdc->chan_notify_cb = chan_notify;
    hv_balloon_mem_class_init(oc);
}

static const TypeInfo hv_balloon_type_info = {
    .name = TYPE_HV_BALLOON,
    .parent = TYPE_VMBUS_DEVICE,
    .instance_size = sizeof(HvBalloon),
    .instance_init = hv_balloon_init,
    .instance_finalize = hv_balloon_finalize,
    .class_init = hv_balloon_class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_MEMORY_DEVICE },
        { }
    },
};

static void hv_balloon_register_types(void)
{
    type_register_static(&hv_balloon_type_info);
}

type_init(hv_balloon_register_types)
