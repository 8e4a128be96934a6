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
 * What the guest lacks is not sent: sticks say so by their granules, and for the
 * rest each pass over the dirty bitmap leaves it out. The destination gives to
 * its host what was populated for it nevertheless.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "hv-balloon-internal.h"
#include "hv-balloon-layout.h"
#include "hw/hyperv/dm/state.h"
#include "migration/misc.h"
#include "migration/vmstate.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "system/balloon.h"
#include "system/runstate.h"
#include "trace.h"

/* How long a turn over the dirty bitmap looks for released memory ... */
#define LEAVE_OUT_NS (10 * SCALE_MS)
/* ... and of a VM that was paused before, as to be saved: nobody waits for it */
#define LEAVE_OUT_PAUSED_NS NANOSECONDS_PER_SECOND
/* ... when the next one begins ... */
#define LEAVE_OUT_PAUSE_MS 1
/* ... and when, if the migration thread has the bitmap, and sends. */
#define LEAVE_OUT_BUSY_MS 10
/* The largest piece of it between two looks at the clock. */
#define LEAVE_OUT_PAGES (1 * GiB >> DM_PAGE_SHIFT)
/* How often it is looked whether the migration has ended that holds memory. */
#define HELD_MS 100

/* of guest time, so that no deadline overflows */
#define MAX_CLOCK_MS (INT64_MAX / SCALE_MS / 2)

struct HvBalloonMigration {
    HvBalloon *balloon;
    VMChangeStateEntry *vm_state;
    NotifierWithReturn migration;
    NotifierWithReturn precopy;
    QEMUTimer *poll;            /* while memory is held or to be left out */

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

    bool kernel_was_new;        /* when the migration began */
    bool paused;                /* the VM, since before that */
    unsigned turns;             /* over the dirty bitmap, since then */
    uint64_t next;              /* page at which the next turn goes on */
    uint64_t left_out;          /* populated bytes, in this pass */
    uint64_t not_sent_pages;    /* bytes, by the last complete pass */
    uint64_t not_sent_granules; /* bytes, when the migration began */
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
    m->kernel_was_new = hv_balloon_kernel_is_new(m->balloon);
    m->paused = !hv_balloon_may_run();
    if (!hv_balloon_memory_is_held()) {
        populate_in_doubt(m);
    }
    m->turns = 0;
    m->next = m->left_out = m->not_sent_pages = 0;
    m->not_sent_granules = hv_balloon_unpopulated(m->balloon);
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

/* ---- What is not sent ---- */

static int add_size(MemoryRegionSection *s, void *opaque)
{
    *(uint64_t *)opaque += int128_get64(s->size);
    return 0;
}

/* Of a stick, granules that are not populated are counted already. */
static uint64_t populated_bytes(MemoryRegion *mr, hwaddr offset, uint64_t size)
{
    RamDiscardManager *rdm = memory_region_get_ram_discard_manager(mr);
    MemoryRegionSection run = {
        .mr = mr,
        .offset_within_region = offset,
        .size = int128_make64(size),
    };
    uint64_t bytes = 0;

    if (!rdm) {
        return size;
    }
    ram_discard_manager_replay_populated(rdm, &run, add_size, &bytes);
    return bytes;
}

/* False if the bitmap cannot be had: the migration thread keeps it while it
 * sends, and the big lock must not wait for who does not receive. */
static bool leave_out_run(const MemoryRegionSection *s, DmRange run,
                          uint64_t *bytes)
{
    hwaddr addr = run.first << DM_PAGE_SHIFT;
    hwaddr offset = addr - s->offset_within_address_space +
                    s->offset_within_region;
    uint64_t size = run.count << DM_PAGE_SHIFT;

    if (!s->mr->ram_block->bmap) {
        *bytes += size;         /* a block that does not migrate */
        return true;
    }
    if (!qemu_guest_free_page_try_hint(memory_region_get_ram_ptr(s->mr) +
                                       offset, size)) {
        return false;
    }
    *bytes += populated_bytes(s->mr, offset, size);
    return true;
}

/* Is it guest memory, in whole pages? */
static bool section_has_pages(const MemoryRegionSection *s)
{
    return hv_balloon_section_is_memory(s) &&
           QEMU_IS_ALIGNED(s->offset_within_address_space |
                           int128_get64(s->size) | s->offset_within_region,
                           DM_PAGE_SIZE);
}

static bool leave_out_all(const MemoryRegionSection *s, void *opaque)
{
    DmRange run = {
        s->offset_within_address_space >> DM_PAGE_SHIFT,
        int128_get64(s->size) >> DM_PAGE_SHIFT
    };
    uint64_t bytes = 0;

    return !section_has_pages(s) || leave_out_run(s, run, &bytes);
}

static bool may_leave_out(void)
{
    return migration_is_running() && !migrate_postcopy_ram() &&
           !hv_balloon_memory_is_held();
}

/* What cannot be left out now is when the bitmap is collected again. */
void hv_balloon_leave_out(DmRange range)
{
    if (may_leave_out()) {
        hv_balloon_each_section(range, leave_out_all, NULL);
    }
}

/* The pages of @s that the guest lacks: false if time has run out, or the
 * bitmap cannot be had. */
static bool leave_out_section(HvBalloonMigration *m,
                              const MemoryRegionSection *s, int64_t until)
{
    hwaddr start = s->offset_within_address_space;
    hwaddr size = int128_get64(s->size);
    uint64_t end = DIV_ROUND_UP(start + size, DM_PAGE_SIZE);
    bool ram = section_has_pages(s);
    DmRange run;

    while (dm_engine_next_absent(m->balloon->engine, m->next, &run) &&
           run.first < end) {
        run.count = MIN(MIN(run.count, end - run.first), LEAVE_OUT_PAGES);
        if (ram && !leave_out_run(s, run, &m->left_out)) {
            return false;
        }
        m->next = run.first + run.count;
        if (get_clock() > until) {
            return false;
        }
    }
    return true;
}

/*
 * The first turn is made with the list of RAM blocks locked, when no vCPU may be
 * waited for; what a kernel that was started since then wrote is logged.
 */
static bool turn_is_for_new_kernel(HvBalloonMigration *m)
{
    return m->turns++ ? hv_balloon_kernel_is_new(m->balloon)
                      : m->kernel_was_new;
}

/*
 * What the guest lacks it cannot write to before a request gives it, which
 * dirties it again. There is one pass for each time that the dirty bitmap
 * is collected. A turn takes a bounded time, as the VM may be stopped already: a
 * guest can have released any number of single pages. The next one goes on: in
 * the main loop, or when the bitmap is collected again. By then the rest may have
 * been read, which populates it: so the first turn is a long one if it may be.
 */
static void leave_out_absent(HvBalloonMigration *m, int64_t ns)
{
    int64_t until = get_clock() + ns;
    MemoryRegion *all = get_system_memory();
    bool same_kernel = !turn_is_for_new_kernel(m);
    bool in_time = same_kernel, busy;
    DmRange run;

    while (in_time &&
           dm_engine_next_absent(m->balloon->engine, m->next, &run)) {
        MemoryRegionSection s =
            memory_region_find(all, run.first << DM_PAGE_SHIFT,
                               (DM_MAX_PFN - run.first) << DM_PAGE_SHIFT);

        if (!s.mr) {
            break;
        }
        m->next = MAX(m->next, s.offset_within_address_space >> DM_PAGE_SHIFT);
        in_time = leave_out_section(m, &s, until);
        memory_region_unref(s.mr);
    }
    if (in_time) {
        m->not_sent_pages = m->left_out;
        m->next = m->left_out = 0;
    }
    if (m->next && same_kernel) {
        busy = get_clock() <= until;
        timer_mod(m->poll, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                  (busy ? LEAVE_OUT_BUSY_MS : LEAVE_OUT_PAUSE_MS));
    }
    trace_hv_balloon_left_out(m->not_sent_pages, m->next);
}

/* Before a background snapshot looks at what is populated. */
static int migration_notified(NotifierWithReturn *notifier, MigrationEvent *e,
                              Error **errp)
{
    if (e->type == MIG_EVENT_PRECOPY_SETUP) {
        populate_in_doubt(container_of(notifier, HvBalloonMigration,
                                       migration));
    }
    return 0;
}

/* A postcopy destination would wait for each of these pages to the end. */
static int precopy_notified(NotifierWithReturn *notifier, void *data,
                            Error **errp)
{
    PrecopyNotifyData *precopy = data;

    if (precopy->reason == PRECOPY_NOTIFY_AFTER_BITMAP_SYNC &&
        !migrate_postcopy_ram()) {
        HvBalloonMigration *m = container_of(notifier, HvBalloonMigration,
                                             precopy);

        leave_out_absent(m, m->paused ? LEAVE_OUT_PAUSED_NS : LEAVE_OUT_NS);
    }
    return 0;
}

uint64_t hv_balloon_not_sent(const HvBalloon *balloon)
{
    return balloon->migration->not_sent_pages +
           balloon->migration->not_sent_granules;
}

/* ---- After it was loaded ---- */

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

    note_inhibited(m);
    if (held != m->held) {
        m->held = held;
        dm_engine_hold_growth(balloon->engine, held);
    }
    if (held) {
        m->discard_due = true;
        timer_mod(m->poll, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + HELD_MS);
    } else {
        after_hold(m);
    }
    if (m->next && may_leave_out()) {
        leave_out_absent(m, LEAVE_OUT_NS);
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
    m->paused = false;
    hv_balloon_settle(m->balloon);
    if (m->loaded) {
        m->loaded = false;
        dm_engine_announce(m->balloon->engine);
    }
    hv_balloon_kick(m->balloon);
}

/* A turn over the bitmap is no work of the VM's, which may be stopped. */
static void poll_held(void *opaque)
{
    HvBalloon *balloon = opaque;
    HvBalloonMigration *m = balloon->migration;

    if (!hv_balloon_may_run() && m->next && may_leave_out()) {
        leave_out_absent(m, LEAVE_OUT_NS);
    }
    hv_balloon_kick(balloon);
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
    m->precopy.notify = precopy_notified;
    precopy_add_notifier(&m->precopy);
    m->vm_state = qemu_add_vm_change_state_handler(vm_state_changed, m);
    vmstate_register_any(VMSTATE_IF(balloon), &vmstate_layout, m);
    vmstate_register_any(VMSTATE_IF(balloon), &vmstate_memory, m);
    balloon->migration = m;
}

void hv_balloon_migrate_stop(HvBalloon *balloon)
{
    HvBalloonMigration *m = balloon->migration;

    vmstate_unregister(VMSTATE_IF(balloon), &vmstate_memory, m);
    vmstate_unregister(VMSTATE_IF(balloon), &vmstate_layout, m);
    qemu_del_vm_change_state_handler(m->vm_state);
    precopy_remove_notifier(&m->precopy);
    migration_remove_notifier(&m->migration);
    timer_free(m->poll);
    hv_balloon_layout_clear(&m->layout);
    g_free(m->state);
    g_clear_pointer(&balloon->migration, g_free);
}
