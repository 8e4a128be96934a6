/*
 * Hyper-V Dynamic Memory (hv-balloon): migration and snapshots
 *
 * Three sections of the stream:
 *
 * - "hv-balloon/layout" comes before the memory: boot memory, sticks, profile.
 *   A destination that has others refuses while the source can still go on.
 * - "hv-balloon/memory" comes before all other devices: the engine's state, so
 *   what the guest has, and with it which granules of sticks are populated. In
 *   postcopy another device may need memory of a stick when it is loaded.
 * - "hv-balloon" is the VMBus device with its channel, and what the guest has
 *   reported.
 *
 * What the guest lacks is not sent, see hv-balloon-leave-out.c. The destination
 * gives to its host what was populated for it nevertheless.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hv-balloon-internal.h"
#include "hv-balloon-layout.h"
#include "hw/hyperv/dm/state.h"
#include "migration/misc.h"
#include "migration/vmstate.h"
#include "qemu/error-report.h"
#include "system/balloon.h"
#include "system/runstate.h"
#include "trace.h"

/* How often it is looked whether what waits for a migration may go on. */
#define HELD_MS 100

/* of guest time, so that no deadline overflows */
#define MAX_CLOCK_MS (INT64_MAX / SCALE_MS / 2)

struct HvBalloonMigration {
    HvBalloon *balloon;
    VMChangeStateEntry *vm_state;
    NotifierWithReturn migration;
    QEMUTimer *poll;            /* while something waits for a migration */

    HvBalloonLayout layout;

    /* the engine's state */
    bool kernel_is_new;         /* and has not connected; when it was saved */
    uint64_t clock_ms;          /* then */
    uint32_t state_len;
    uint8_t *state;

    bool memory_came;           /* in a stream, as balloon->arriving has */
    bool unfinished;            /* a snapshot, since the reset that precedes it */
    bool loaded;                /* and the VM has not run since */
    bool held;                  /* a migration relies on what the guest has */
    bool inhibited;             /* a device forbids that memory is discarded */
    bool discard_due;           /* what the guest lacks may be populated */
    bool populate_due;          /* a new kernel came while memory was held */
};

/* ---- The layout, before the memory ---- */

/*
 * Another kernel may run, and use what the last one had released: it is sent.
 * The destination populates it too, and in postcopy waits to the end for what
 * is not on the list here. The same kernel may come back if the guest stays.
 */
static void populate_in_doubt(HvBalloonMigration *m)
{
    if (!m->balloon->chan || hv_balloon_kernel_is_new(m->balloon)) {
        hv_balloon_populate_for_new_kernel(m->balloon);
        m->discard_due = true;
    }
}

/* The first call of a migration: the RAM does not ask for granules earlier. */
static int layout_pre_save(void *opaque)
{
    HvBalloonMigration *m = opaque;

    hv_balloon_layout_now(m->balloon, &m->layout);
    if (!hv_balloon_memory_is_held()) {
        populate_in_doubt(m);
    }
    hv_balloon_leave_out_begin(m->balloon, hv_balloon_unpopulated(m->balloon));
    return 0;
}

static int layout_post_save(void *opaque)
{
    HvBalloonMigration *m = opaque;

    hv_balloon_layout_clear(&m->layout);
    return 0;
}

static int layout_pre_load(void *opaque)
{
    return layout_post_save(opaque);
}

static int layout_post_load(void *opaque, int version_id)
{
    HvBalloonMigration *m = opaque;
    HvBalloonLayout ours = { 0 };
    bool match;

    hv_balloon_layout_now(m->balloon, &ours);
    match = hv_balloon_layouts_match(&m->layout, &ours);
    hv_balloon_layout_clear(&ours);
    hv_balloon_layout_clear(&m->layout);
    m->balloon->arriving = match;
    return match ? 0 : -EINVAL;
}

/* The priority puts it before the RAM, which asks the granules at once. */
static const VMStateDescription vmstate_layout = {
    .name = "hv-balloon/layout",
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_VIRTIO_MEM,
    .early_setup = true,
    .pre_save = layout_pre_save,
    .post_save = layout_post_save,
    .pre_load = layout_pre_load,
    .post_load = layout_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(layout, HvBalloonMigration, 1, vmstate_hv_balloon_layout,
                       HvBalloonLayout),
        VMSTATE_END_OF_LIST()
    }
};

/* ---- The engine's state, before the other devices ---- */

static int memory_post_save(void *opaque)
{
    HvBalloonMigration *m = opaque;

    g_clear_pointer(&m->state, g_free);
    m->state_len = 0;
    return 0;
}

static int memory_pre_save(void *opaque)
{
    HvBalloonMigration *m = opaque;
    GByteArray *state;
    gsize len;

    memory_post_save(m);
    m->kernel_is_new = hv_balloon_kernel_is_new(m->balloon);
    m->clock_ms = hv_balloon_now();
    state = dm_state_export(m->balloon->engine, m->clock_ms);
    if (!state) {
        error_report(TYPE_HV_BALLOON ": the state takes more than %zu bytes,"
                     " which no destination accepts",
                     dm_state_max(m->balloon->engine));
        return -E2BIG;
    }
    m->state = g_byte_array_steal(state, &len);
    m->state_len = len;
    g_byte_array_unref(state);
    trace_hv_balloon_saved(m->state_len);
    return 0;
}

static int memory_pre_load(void *opaque)
{
    return memory_post_save(opaque);
}

/* Before as much is allocated. */
static bool state_len_valid(void *opaque, int version_id)
{
    HvBalloonMigration *m = opaque;

    return m->state_len && m->state_len <= dm_state_max(m->balloon->engine);
}

static bool clock_valid(void *opaque, int version_id)
{
    return ((HvBalloonMigration *)opaque)->clock_ms <= MAX_CLOCK_MS;
}

/*
 * The clock is that of the source: this machine's is set to it when "timer" is
 * loaded, before any deadline is looked at.
 */
static int memory_post_load(void *opaque, int version_id)
{
    HvBalloonMigration *m = opaque;
    g_autoptr(GError) error = NULL;
    int64_t began = get_clock();
    bool ok;

    dm_state_forget(m->balloon->engine);
    ok = dm_state_import(m->balloon->engine, m->state, m->state_len,
                         m->clock_ms, &error);
    memory_post_save(m);
    if (!ok) {
        error_report(TYPE_HV_BALLOON ": %s", error->message);
        return -EINVAL;
    }
    ok = m->kernel_is_new ? hv_balloon_populate_for_new_kernel(m->balloon)
                          : hv_balloon_populate_as_loaded(m->balloon);
    if (!ok && runstate_check(RUN_STATE_INMIGRATE)) {
        error_report(TYPE_HV_BALLOON ": an assigned device cannot map what the"
                     " guest has: raise the limit of locked memory, or of what"
                     " the IOMMU may map");
        return -EINVAL;
    }
    m->loaded = m->discard_due = m->memory_came = true;
    m->held = m->populate_due = false;
    /* Until the device brings the kernel: it does not, if the load fails. */
    hv_balloon_kernel_doubt(m->balloon);
    trace_hv_balloon_loaded(get_clock() - began);
    return 0;
}

static const VMStateDescription vmstate_memory = {
    .name = "hv-balloon/memory",
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_VIRTIO_MEM,
    .pre_save = memory_pre_save,
    .post_save = memory_post_save,
    .pre_load = memory_pre_load,
    .post_load = memory_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_BOOL(kernel_is_new, HvBalloonMigration),
        VMSTATE_UINT64(clock_ms, HvBalloonMigration),
        VMSTATE_VALIDATE("time of the state", clock_valid),
        VMSTATE_UINT32(state_len, HvBalloonMigration),
        VMSTATE_VALIDATE("length of the engine's state", state_len_valid),
        VMSTATE_VBUFFER_ALLOC_UINT32(state, HvBalloonMigration, 1, NULL,
                                     state_len),
        VMSTATE_END_OF_LIST()
    }
};

/* ---- The device ---- */

static const VMStateDescription vmstate_kernel = {
    .name = "hv-balloon/kernel",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_BOOL(known, HvBalloonKernel),
        VMSTATE_BOOL(bus_was_reset, HvBalloonKernel),
        VMSTATE_UINT64(guest_os_id, HvBalloonKernel),
        VMSTATE_UINT64(hypercall_page, HvBalloonKernel),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_report = {
    .name = "hv-balloon/report",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_BOOL(valid, HvBalloonReport),
        VMSTATE_UINT64(available, HvBalloonReport),
        VMSTATE_UINT64(committed, HvBalloonReport),
        VMSTATE_INT64(when_s, HvBalloonReport),
        VMSTATE_END_OF_LIST()
    }
};

/*
 * QEMU does not mind if a section is missing. Without these nobody knows which
 * memory the guest has.
 */
static bool all_came(HvBalloonMigration *m)
{
    bool all = m->balloon->arriving && m->memory_came;

    m->balloon->arriving = m->memory_came = false;
    if (!all) {
        error_report(TYPE_HV_BALLOON ": the stream is that of another"
                     " hv-balloon: it does not say what memory the guest has."
                     " Use a QEMU there whose hv-balloon can migrate");
    }
    return all;
}

/*
 * The engine's session came in a section of its own. It ends here if the
 * channel could not be opened again, because the guest has spoilt its ring.
 */
static int device_post_load(void *opaque, int version_id)
{
    HvBalloon *balloon = opaque;
    DmEngineInfo e;

    if (!all_came(balloon->migration)) {
        return -EINVAL;
    }
    if (!balloon->chan) {
        dm_engine_channel_close(balloon->engine);
    }
    dm_engine_query(balloon->engine, &e);
    qemu_balloon_loaded(balloon, e.connected);
    balloon->migration->unfinished = false;
    return 0;
}

const VMStateDescription vmstate_hv_balloon = {
    .name = TYPE_HV_BALLOON,
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = device_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(parent_obj, HvBalloon, 0, vmstate_vmbus_dev,
                       VMBusDevice),
        VMSTATE_STRUCT(kernel, HvBalloon, 1, vmstate_kernel, HvBalloonKernel),
        VMSTATE_STRUCT(report, HvBalloon, 1, vmstate_report, HvBalloonReport),
        VMSTATE_UINT64(discarded, HvBalloon),
        VMSTATE_UINT64(discard_inhibited, HvBalloon),
        VMSTATE_UINT64(discard_failed, HvBalloon),
        VMSTATE_UINT64(reported, HvBalloon),
        VMSTATE_END_OF_LIST()
    }
};

/*
 * It begins, before a background snapshot looks at what is populated, or ends.
 * A guest that is migrated may be slowed, and reply after that.
 */
static int migration_notified(NotifierWithReturn *notifier, MigrationEvent *e,
                              Error **errp)
{
    HvBalloonMigration *m = container_of(notifier, HvBalloonMigration,
                                         migration);

    dm_engine_excuse(m->balloon->engine);
    switch (e->type) {
    case MIG_EVENT_PRECOPY_SETUP:
        populate_in_doubt(m);
        break;
    case MIG_EVENT_PRECOPY_FAILED:
        m->discard_due = true;      /* what it has read is populated */
        hv_balloon_kick(m->balloon);
        break;
    default:
        break;
    }
    return 0;
}

/* ---- Before it is sent, and after it was loaded ---- */

static void after_hold(HvBalloonMigration *m)
{
    HvBalloon *balloon = m->balloon;

    if (m->populate_due) {
        m->populate_due = false;
        hv_balloon_populate_for_new_kernel(balloon);
    }
    if (m->discard_due && !hv_balloon_kernel_is_new(balloon)) {
        m->discard_due = !dm_engine_discard_released(balloon->engine) ||
                         !hv_balloon_discard_never_given(balloon);
    }
}

/* What was released while a device was there is given up once it is gone. */
static void note_inhibited(HvBalloonMigration *m)
{
    bool inhibited = ram_block_discard_is_disabled();

    m->discard_due |= m->inhibited && !inhibited;
    m->inhibited = inhibited;
}

void hv_balloon_before_run(HvBalloon *balloon)
{
    HvBalloonMigration *m = balloon->migration;
    bool held = hv_balloon_memory_is_held();
    bool again = hv_balloon_leave_out_before_run(balloon);

    note_inhibited(m);
    if (held != m->held) {
        m->held = held;
        dm_engine_hold_growth(balloon->engine, held);
    }
    if (held) {
        m->discard_due = true;
    } else {
        after_hold(m);
    }
    if (held || again) {
        timer_mod(m->poll, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + HELD_MS);
    }
}

/* In postcopy, who touches what is not populated gets zeros at once; what is
 * would be asked for at the source, which has it on no list. */
void hv_balloon_kernel_came(HvBalloon *balloon)
{
    /* what nobody has is given up once that kernel is gone */
    balloon->migration->discard_due = true;
    balloon->migration->populate_due = hv_balloon_memory_is_held();
    if (!balloon->migration->populate_due) {
        hv_balloon_populate_for_new_kernel(balloon);
    }
}

/*
 * A snapshot that was refused has left an engine that knows no more than what
 * came before: the memory of sticks has to agree with it. If the engine's state
 * did not come, no processor's has, and the guest starts anew.
 */
bool hv_balloon_settle(HvBalloon *balloon)
{
    HvBalloonMigration *m = balloon->migration;

    if (!m->unfinished) {
        return false;
    }
    m->unfinished = m->populate_due = false;
    m->discard_due = true;
    m->balloon->arriving = m->memory_came = false;
    m->loaded = true;
    hv_balloon_populate_as_loaded(balloon);
    return true;
}

/* Before the last of the dirty pages are collected. */
static void stopped(HvBalloonMigration *m)
{
    if (migration_is_running() && !migration_in_bg_snapshot()) {
        populate_in_doubt(m);
    }
}

static void vm_state_changed(void *opaque, bool running, RunState state)
{
    HvBalloonMigration *m = opaque;

    if (!running) {
        stopped(m);
        return;
    }
    hv_balloon_settle(m->balloon);
    if (m->loaded) {
        m->loaded = false;
        dm_engine_announce(m->balloon->engine);
    }
    hv_balloon_kick(m->balloon);
}

static void poll_held(void *opaque)
{
    hv_balloon_kick(opaque);
}

void hv_balloon_forget(HvBalloon *balloon)
{
    HvBalloonMigration *m = balloon->migration;

    m->unfinished = true;
    m->loaded = m->discard_due = m->memory_came = balloon->arriving = false;
    m->held = m->populate_due = false;
    dm_state_forget(balloon->engine);
    hv_balloon_kernel_forget(balloon);
    balloon->discard_again = 0;         /* the clock is going back */
}

/* ---- Life ---- */

void hv_balloon_migrate_start(HvBalloon *balloon)
{
    HvBalloonMigration *m = g_new0(HvBalloonMigration, 1);

    m->balloon = balloon;
    m->poll = timer_new_ms(QEMU_CLOCK_REALTIME, poll_held, balloon);
    migration_add_notifier(&m->migration, migration_notified);
    m->vm_state = qemu_add_vm_change_state_handler(vm_state_changed, m);
    vmstate_register_any(VMSTATE_IF(balloon), &vmstate_layout, m);
    vmstate_register_any(VMSTATE_IF(balloon), &vmstate_memory, m);
    balloon->migration = m;
    hv_balloon_leave_out_start(balloon);
}

void hv_balloon_migrate_stop(HvBalloon *balloon)
{
    HvBalloonMigration *m = balloon->migration;

    hv_balloon_leave_out_stop(balloon);
    vmstate_unregister(VMSTATE_IF(balloon), &vmstate_memory, m);
    vmstate_unregister(VMSTATE_IF(balloon), &vmstate_layout, m);
    qemu_del_vm_change_state_handler(m->vm_state);
    migration_remove_notifier(&m->migration);
    timer_free(m->poll);
    hv_balloon_layout_clear(&m->layout);
    g_free(m->state);
    g_clear_pointer(&balloon->migration, g_free);
}
