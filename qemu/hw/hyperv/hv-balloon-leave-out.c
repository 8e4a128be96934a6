/*
 * Hyper-V Dynamic Memory (hv-balloon): what a migration does not send
 *
 * What the guest lacks is taken out of the bitmap of pages that are to be sent.
 * Of sticks, granules that are not populated are in nobody's bitmap.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "hv-balloon-internal.h"
#include "migration/colo.h"
#include "migration/misc.h"
#include "migration/register.h"
#include "qemu/main-loop.h"
#include "qemu/pageset.h"
#include "qemu/units.h"
#include "system/cpu-throttle.h"
#include "trace.h"

/* How long a turn over the bitmap looks for what the guest lacks ... */
#define TURN_NS (10 * SCALE_MS)
/* ... when the next one begins: others get the big lock meanwhile ... */
#define PAUSE_US 1000
/* ... and how long the first pass takes in all, before anything is sent and
 * while a migration cannot be cancelled; nobody waits for a VM that was paused
 * before, as to be saved. */
#define FIRST_NS NANOSECONDS_PER_SECOND
/* The largest piece of it between two looks at the clock. */
#define PIECE_PAGES (1 * GiB >> DM_PAGE_SHIFT)

/* No section of the stream is ours, and none has this name. */
#define PENDING_ID "hv-balloon/pending"

struct HvBalloonLeaveOut {
    HvBalloon *balloon;
    NotifierWithReturn precopy;

    /* the migration */
    bool kernel_was_new;        /* when it began */
    bool paused;                /* the VM, then */
    bool first;                 /* nothing has been sent yet */
    uint64_t not_sent_pages;    /* bytes, by the last complete pass */
    uint64_t not_sent_granules; /* bytes, when it began */

    bool due;                   /* a pass, or what was missed */
    bool pass;                  /* over all that the guest lacks, not ended */
    uint64_t next;              /* page at which it goes on */
    uint64_t left_out;          /* populated bytes, in it */

    PageSet *missed;            /* released while the bitmap was not to be had */
    PageSet *again;             /* to be discarded once more */
};

/* ---- A run of pages ---- */

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

/* Notes in @opaque if it could not. */
static bool leave_out_all(const MemoryRegionSection *s, void *opaque)
{
    bool *busy = opaque;
    DmRange run = {
        s->offset_within_address_space >> DM_PAGE_SHIFT,
        int128_get64(s->size) >> DM_PAGE_SHIFT
    };
    uint64_t bytes = 0;

    *busy = section_has_pages(s) && !leave_out_run(s, run, &bytes);
    return !*busy;
}

static bool leave_out(DmRange range)
{
    bool busy = false;

    hv_balloon_each_section(range, leave_out_all, &busy);
    return !busy;
}

static bool may_leave_out(void)
{
    return migration_is_running() && !migration_in_colo_state() &&
           !migrate_postcopy_ram() && !hv_balloon_memory_is_held();
}

/* ---- A pass over all that the guest lacks ---- */

static void note_due(HvBalloonLeaveOut *l)
{
    qatomic_set(&l->due, l->pass || pageset_count(l->missed));
}

/* What was missed is found by it too. */
static void begin_pass(HvBalloonLeaveOut *l)
{
    l->pass = true;
    l->next = l->left_out = 0;
    note_due(l);
}

static void end_pass(HvBalloonLeaveOut *l)
{
    l->pass = false;
    note_due(l);
}

/* The pages of @s that the guest lacks: false if time has run out, or the
 * bitmap cannot be had. */
static bool leave_out_section(HvBalloonLeaveOut *l,
                              const MemoryRegionSection *s, int64_t until)
{
    hwaddr start = s->offset_within_address_space;
    hwaddr size = int128_get64(s->size);
    uint64_t end = DIV_ROUND_UP(start + size, DM_PAGE_SIZE);
    bool ram = section_has_pages(s);
    DmRange run;

    while (dm_engine_next_absent(l->balloon->engine, l->next, &run) &&
           run.first < end) {
        run.count = MIN(MIN(run.count, end - run.first), PIECE_PAGES);
        if (ram && !leave_out_run(s, run, &l->left_out)) {
            return false;
        }
        l->next = run.first + run.count;
        if (get_clock() > until) {
            return false;
        }
    }
    return true;
}

/*
 * What the guest lacks it does not write to before a request gives it; what it
 * writes then is logged. A turn takes a bounded time, as a guest can have released
 * any number of single pages.
 */
static void pass_turn(HvBalloonLeaveOut *l, int64_t until)
{
    MemoryRegion *all = get_system_memory();
    bool in_time = true;
    DmRange run;

    while (in_time &&
           dm_engine_next_absent(l->balloon->engine, l->next, &run)) {
        MemoryRegionSection s =
            memory_region_find(all, run.first << DM_PAGE_SHIFT,
                               (DM_MAX_PFN - run.first) << DM_PAGE_SHIFT);

        if (!s.mr) {
            break;
        }
        l->next = MAX(l->next, s.offset_within_address_space >> DM_PAGE_SHIFT);
        in_time = leave_out_section(l, &s, until);
        memory_region_unref(s.mr);
    }
    trace_hv_balloon_left_out(l->left_out, l->next);
    if (in_time) {
        l->not_sent_pages = l->left_out;
        end_pass(l);
    }
}

/* ---- What was released while the bitmap could not be had ---- */

static bool first_of(const PageSet *set, DmRange *range)
{
    return pageset_next(set, 0, DM_MAX_PFN + 1, &range->first, &range->count);
}

/* The guest may have been given some of it again. */
static bool next_absent_in(const HvBalloonLeaveOut *l, DmRange range,
                           DmRange *run)
{
    uint64_t end = range.first + range.count;

    if (!dm_engine_next_absent(l->balloon->engine, range.first, run) ||
        run->first >= end) {
        return false;
    }
    run->count = MIN(MIN(run->count, end - run->first), PIECE_PAGES);
    return true;
}

static void missed_is_for_later(HvBalloonLeaveOut *l)
{
    pageset_add_from(l->again, l->missed, 0, DM_MAX_PFN + 1);
    pageset_clear(l->missed);
    note_due(l);
}

/* The migration thread may have read it, which has populated it. */
static void missed_turn(HvBalloonLeaveOut *l, int64_t until)
{
    DmRange range, run;

    while (first_of(l->missed, &range) && get_clock() <= until) {
        if (next_absent_in(l, range, &run)) {
            if (!leave_out(run)) {
                return;
            }
            pageset_add(l->again, run.first, run.count);
            range.count = run.first + run.count - range.first;
        }
        pageset_remove(l->missed, range.first, range.count);
    }
    note_due(l);
    if (pageset_count(l->again)) {
        hv_balloon_kick(l->balloon);
    }
}

/* Without what it was given since then; another kernel may use any of it. */
static void discard_again(HvBalloonLeaveOut *l)
{
    int64_t until = get_clock() + TURN_NS;
    DmRange range, run;

    if (hv_balloon_kernel_is_new(l->balloon)) {
        pageset_clear(l->again);
    }
    while (first_of(l->again, &range) && get_clock() <= until) {
        if (next_absent_in(l, range, &run)) {
            hv_balloon_discard(l->balloon, run, true);
            range.count = run.first + run.count - range.first;
        }
        pageset_remove(l->again, range.first, range.count);
    }
}

/* Whether the engine may go on changes with a message, or a reset: then this is
 * called again in any case. */
bool hv_balloon_leave_out_before_run(HvBalloon *balloon)
{
    HvBalloonLeaveOut *l = balloon->leave_out;
    bool may = dm_engine_may_discard_again(balloon->engine) &&
               !hv_balloon_memory_is_held();

    if (pageset_count(l->missed) && !may_leave_out()) {
        missed_is_for_later(l);
    }
    /* It waits for a vCPU, which may be made to sleep most of the time. */
    if (pageset_count(l->again) && may && !cpu_throttle_active()) {
        discard_again(l);
    }
    return pageset_count(l->missed) || (pageset_count(l->again) && may);
}

void hv_balloon_leave_out_gone(HvBalloon *balloon, DmRange range)
{
    HvBalloonLeaveOut *l = balloon->leave_out;

    pageset_remove(l->missed, range.first, range.count);
    pageset_remove(l->again, range.first, range.count);
    note_due(l);
}

void hv_balloon_leave_out(HvBalloon *balloon, DmRange range)
{
    HvBalloonLeaveOut *l = balloon->leave_out;

    if (may_leave_out() && !leave_out(range)) {
        pageset_add(l->missed, range.first, range.count);
        note_due(l);
    }
}

/* ---- When ---- */

static void no_turn(HvBalloonLeaveOut *l)
{
    end_pass(l);
    missed_is_for_later(l);
}

/* Nothing is found while it is in doubt what was released. */
static void one_turn(HvBalloonLeaveOut *l, int64_t ns)
{
    int64_t until = get_clock() + ns;

    if (dm_engine_released_in_doubt(l->balloon->engine)) {
        no_turn(l);
        return;
    }
    missed_turn(l, until);
    if (l->pass) {
        pass_turn(l, until);
    }
}

/* True if there is more to do, soon. Others may run while the kernel is looked
 * at. */
static bool pending_turn(HvBalloonLeaveOut *l)
{
    BQL_LOCK_GUARD();

    if (!hv_balloon_kernel_is_new(l->balloon) && may_leave_out()) {
        one_turn(l, TURN_NS);
    } else {
        no_turn(l);
    }
    return l->due;
}

/*
 * In the migration thread, before it sends: what it reads is populated by that.
 * There is nothing to add to what is pending. The first pass finds most, and is
 * completed; later ones must not keep a migration from converging.
 */
static void pending_turns(void *opaque, uint64_t *must_precopy,
                          uint64_t *can_postcopy)
{
    HvBalloonLeaveOut *l = opaque;
    int64_t until = get_clock() + FIRST_NS;

    if (qatomic_read(&l->due)) {
        while (pending_turn(l) && l->first && get_clock() < until) {
            g_usleep(PAUSE_US);
        }
    }
    l->first = false;
}

static int no_section(QEMUFile *f, void *opaque, int version_id)
{
    return -EINVAL;
}

static const SaveVMHandlers pending_handlers = {
    .state_pending_estimate = pending_turns,
    .load_state = no_section,
};

/*
 * A new kernel may use what the last one had released: it is sent. When the first
 * pass begins, the list of RAM blocks is locked, and no vCPU may be waited for;
 * what one has written that was started since the migration began is logged.
 */
static bool is_for_new_kernel(HvBalloonLeaveOut *l)
{
    return l->first ? l->kernel_was_new : hv_balloon_kernel_is_new(l->balloon);
}

/*
 * There is one pass for each time that the dirty bitmap is collected. While the
 * VM is stopped there may be no other turn before the memory is read; if it was
 * before, all of the first pass may be this one. A postcopy destination would
 * wait for each of these pages to the end. COLO collects it without the big lock.
 */
static int precopy_notified(NotifierWithReturn *notifier, void *data,
                            Error **errp)
{
    HvBalloonLeaveOut *l = container_of(notifier, HvBalloonLeaveOut, precopy);
    PrecopyNotifyData *precopy = data;

    if (precopy->reason == PRECOPY_NOTIFY_AFTER_BITMAP_SYNC && bql_locked() &&
        may_leave_out()) {
        if (is_for_new_kernel(l)) {
            end_pass(l);
        } else {
            begin_pass(l);
            one_turn(l, l->first && l->paused ? FIRST_NS : TURN_NS);
        }
    }
    return 0;
}

void hv_balloon_leave_out_begin(HvBalloon *balloon, uint64_t granules)
{
    HvBalloonLeaveOut *l = balloon->leave_out;

    l->kernel_was_new = hv_balloon_kernel_is_new(balloon);
    l->paused = !hv_balloon_may_run();
    l->first = true;
    l->not_sent_pages = 0;
    l->not_sent_granules = granules;
}

uint64_t hv_balloon_not_sent(const HvBalloon *balloon)
{
    return balloon->leave_out->not_sent_pages +
           balloon->leave_out->not_sent_granules;
}

/* ---- Life ---- */

void hv_balloon_leave_out_start(HvBalloon *balloon)
{
    HvBalloonLeaveOut *l = g_new0(HvBalloonLeaveOut, 1);

    l->balloon = balloon;
    l->missed = pageset_new();
    l->again = pageset_new();
    l->precopy.notify = precopy_notified;
    precopy_add_notifier(&l->precopy);
    register_savevm_live(PENDING_ID, VMSTATE_INSTANCE_ID_ANY, 1,
                         &pending_handlers, l);
    balloon->leave_out = l;
}

void hv_balloon_leave_out_stop(HvBalloon *balloon)
{
    HvBalloonLeaveOut *l = balloon->leave_out;

    unregister_savevm(NULL, PENDING_ID, l);
    precopy_remove_notifier(&l->precopy);
    pageset_free(l->again);
    pageset_free(l->missed);
    g_clear_pointer(&balloon->leave_out, g_free);
}
