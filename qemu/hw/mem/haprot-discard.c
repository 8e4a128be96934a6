/*
 * Memory sticks (mem-haprot): RamDiscardManager
 *
 * Whoever maps the guest's memory for a device (VFIO), dumps it or copies it
 * leaves out what the guest was not given and what it has released.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/mem/haprot.h"
#include "migration/misc.h"
#include "qemu/error-report.h"
#include "qemu/granules.h"
#include "trace.h"

/* ---- Listeners ---- */

/* Cut @s to [@offset, @offset + @size); false if nothing is left. */
static bool cut_section(MemoryRegionSection *s, uint64_t offset, uint64_t size)
{
    uint64_t start = MAX(s->offset_within_region, offset);
    uint64_t end = MIN(s->offset_within_region + int128_get64(s->size),
                       offset + size);

    if (start >= end) {
        return false;
    }
    s->offset_within_address_space += start - s->offset_within_region;
    s->offset_within_region = start;
    s->size = int128_make64(end - start);
    return true;
}

static int notify_populate(RamDiscardListener *rdl, uint64_t offset,
                           uint64_t size)
{
    MemoryRegionSection s = *rdl->section;

    return cut_section(&s, offset, size) ? rdl->notify_populate(rdl, &s) : 0;
}

static void notify_discard(RamDiscardListener *rdl, uint64_t offset,
                           uint64_t size)
{
    MemoryRegionSection s = *rdl->section;

    if (cut_section(&s, offset, size)) {
        rdl->notify_discard(rdl, &s);
    }
}

/*
 * A migration has left this out when it began. What the guest writes there is
 * logged, but in postcopy it also waits, at the destination, for what it only
 * reads: so all of it has to be on the list of what is sent, if only as zeros.
 */
static void set_dirty(MemHaprot *stick, uint64_t offset, uint64_t size)
{
    if (migration_is_running() && migrate_postcopy_ram()) {
        memory_region_set_dirty(haprot_memory_region(stick), offset, size);
    }
}

/* Notify all listeners; if one fails, undo it for those before. */
static int populate_run(uint64_t offset, uint64_t size, void *opaque)
{
    MemHaprot *stick = opaque;
    RamDiscardListener *rdl, *notified;
    int ret = 0;

    trace_haprot_populate(haprot_name(stick), offset, size);
    QLIST_FOREACH(rdl, &stick->listeners, next) {
        ret = notify_populate(rdl, offset, size);
        if (ret) {
            break;
        }
    }
    for (notified = QLIST_FIRST(&stick->listeners); ret && notified != rdl;
         notified = QLIST_NEXT(notified, next)) {
        notify_discard(notified, offset, size);
    }
    if (!ret) {
        set_dirty(stick, offset, size);
    }
    return ret;
}

static int discard_run(uint64_t offset, uint64_t size, void *opaque)
{
    MemHaprot *stick = opaque;
    RamDiscardListener *rdl;

    trace_haprot_discard(haprot_name(stick), offset, size);
    QLIST_FOREACH(rdl, &stick->listeners, next) {
        notify_discard(rdl, offset, size);
    }
    return 0;
}

uint64_t haprot_granule(const MemHaprot *stick)
{
    return granules_size(stick->granules);
}

bool haprot_populate(MemHaprot *stick, uint64_t offset, uint64_t size,
                     bool anyway)
{
    int ret = granules_populate(stick->granules, offset, size, populate_run,
                                discard_run, stick);

    if (ret && anyway) {
        granules_populate_anyway(stick->granules, offset, size, populate_run,
                                 stick);
    }
    if (ret) {
        error_report_once("memory of " TYPE_MEM_HAPROT " '%s' cannot be given"
                          " to the guest, as an assigned device cannot map"
                          " it: %s", haprot_name(stick), strerror(-ret));
    }
    return !ret;
}

void haprot_discard(MemHaprot *stick, uint64_t offset, uint64_t size)
{
    if (stick->granules) {
        granules_discard(stick->granules, offset, size, discard_run, stick);
    }
}

/* ---- RamDiscardManager ---- */

static uint64_t haprot_rdm_get_min_granularity(const RamDiscardManager *rdm,
                                               const MemoryRegion *mr)
{
    return haprot_granule(MEM_HAPROT(rdm));
}

static bool haprot_rdm_is_populated(const RamDiscardManager *rdm,
                                    const MemoryRegionSection *s)
{
    return granules_populated(MEM_HAPROT(rdm)->granules,
                              s->offset_within_region,
                              int128_get64(s->size));
}

typedef struct Replay {
    const MemoryRegionSection *section;
    ReplayRamPopulate populate; /* either this ... */
    ReplayRamDiscard discard;   /* ... or this */
    void *opaque;
} Replay;

static int replay_run(uint64_t offset, uint64_t size, void *opaque)
{
    Replay *replay = opaque;
    MemoryRegionSection s = *replay->section;

    if (!cut_section(&s, offset, size)) {
        return 0;
    }
    if (replay->populate) {
        return replay->populate(&s, replay->opaque);
    }
    replay->discard(&s, replay->opaque);
    return 0;
}

static int replay_section(const RamDiscardManager *rdm, Replay *replay)
{
    return granules_replay(MEM_HAPROT(rdm)->granules,
                           replay->populate != NULL,
                           replay->section->offset_within_region,
                           int128_get64(replay->section->size),
                           replay_run, replay);
}

static int haprot_rdm_replay_populated(const RamDiscardManager *rdm,
                                       MemoryRegionSection *s,
                                       ReplayRamPopulate fn, void *opaque)
{
    Replay replay = { .section = s, .populate = fn, .opaque = opaque };

    return replay_section(rdm, &replay);
}

static void haprot_rdm_replay_discarded(const RamDiscardManager *rdm,
                                        MemoryRegionSection *s,
                                        ReplayRamDiscard fn, void *opaque)
{
    Replay replay = { .section = s, .discard = fn, .opaque = opaque };

    replay_section(rdm, &replay);
}

static int populate_listener(MemoryRegionSection *s, void *opaque)
{
    RamDiscardListener *rdl = opaque;

    return rdl->notify_populate(rdl, s);
}

static int discard_listener(MemoryRegionSection *s, void *opaque)
{
    RamDiscardListener *rdl = opaque;

    rdl->notify_discard(rdl, s);
    return 0;
}

/*
 * Without the view that the section is part of. A reference to that would keep
 * every device alive that is in it, an assigned one even after it was
 * unplugged; and only when that is freed does its listener go.
 */
static MemoryRegionSection *copy_section(const MemoryRegionSection *s)
{
    MemoryRegionSection copy = *s;

    copy.fv = NULL;
    return memory_region_section_new_copy(&copy);
}

static void haprot_rdm_register_listener(RamDiscardManager *rdm,
                                         RamDiscardListener *rdl,
                                         MemoryRegionSection *s)
{
    MemHaprot *stick = MEM_HAPROT(rdm);
    int ret;

    g_assert(s->mr == haprot_memory_region(stick));
    rdl->section = copy_section(s);
    QLIST_INSERT_HEAD(&stick->listeners, rdl, next);
    ret = haprot_rdm_replay_populated(rdm, rdl->section, populate_listener,
                                      rdl);
    if (ret) {
        error_report("memory of " TYPE_MEM_HAPROT " '%s' that the guest has"
                     " cannot be mapped for a device: %s", haprot_name(stick),
                     strerror(-ret));
    }
}

static void haprot_rdm_unregister_listener(RamDiscardManager *rdm,
                                           RamDiscardListener *rdl)
{
    haprot_rdm_replay_populated(rdm, rdl->section, discard_listener, rdl);
    memory_region_section_free_copy(rdl->section);
    rdl->section = NULL;
    QLIST_REMOVE(rdl, next);
}

void haprot_discard_class_init(ObjectClass *oc)
{
    RamDiscardManagerClass *rdmc = RAM_DISCARD_MANAGER_CLASS(oc);

    rdmc->get_min_granularity = haprot_rdm_get_min_granularity;
    rdmc->is_populated = haprot_rdm_is_populated;
    rdmc->replay_populated = haprot_rdm_replay_populated;
    rdmc->replay_discarded = haprot_rdm_replay_discarded;
    rdmc->register_listener = haprot_rdm_register_listener;
    rdmc->unregister_listener = haprot_rdm_unregister_listener;
}

/* ---- Plugging and unplugging ---- */

/*
 * If something forbids coordinated discards, there is no RamDiscardManager:
 * the stick is all mapped, and what the guest releases is not discarded.
 */
void haprot_coordinate(MemHaprot *stick, uint64_t granule)
{
    MemoryRegion *mr = haprot_memory_region(stick);

    if (ram_block_coordinated_discard_require(true)) {
        return;
    }
    stick->granules = granules_new(memory_region_size(mr), granule);
    QLIST_INIT(&stick->listeners);
    memory_region_set_ram_discard_manager(mr, RAM_DISCARD_MANAGER(stick));
}

void haprot_uncoordinate(MemHaprot *stick)
{
    if (stick->granules) {
        memory_region_set_ram_discard_manager(haprot_memory_region(stick),
                                              NULL);
        g_clear_pointer(&stick->granules, granules_free);
        ram_block_coordinated_discard_require(false);
    }
}
