/*
 * Hyper-V Dynamic Memory (hv-balloon): giving released memory to the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "exec/cpu-common.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "hv-balloon-internal.h"
#include "migration/misc.h"
#include "qemu/madvise.h"
#include "system/system.h"
#include "trace.h"

/* How long nothing is discarded after a failure. */
#define DISCARD_PAUSE_MS 10000

/*
 * Pages that someone else relies on (they are locked, postcopy will fetch
 * them, a background snapshot will save them) are not discarded, though they
 * count as released. Nor are those that VFIO has pinned, except in a stick,
 * where VFIO is told to unpin them: see discard_window().
 */
static bool discards_inhibited(void)
{
    return should_mlock(mlock_state) || hv_balloon_memory_is_held();
}

/*
 * In postcopy the source may have any of these pages on its list, or none: who
 * touches one that is on nobody's list waits to the end. A background snapshot
 * protects what is populated when it begins, in a thread of its own.
 */
bool hv_balloon_memory_is_held(void)
{
    return migration_in_incoming_postcopy() || migration_in_bg_snapshot();
}

/*
 * What the guest sees decides: ROM, devices and closed SMRAM that overlay its
 * memory must not be discarded.
 */
bool hv_balloon_section_is_memory(const MemoryRegionSection *s)
{
    return memory_region_is_ram(s->mr) && !memory_region_is_rom(s->mr) &&
           !memory_region_is_romd(s->mr) && s->mr->ram_block;
}

void hv_balloon_each_section(DmRange range, HvBalloonSectionFunc *func,
                             void *opaque)
{
    hwaddr next = range.first << DM_PAGE_SHIFT;
    hwaddr end = (range.first + range.count) << DM_PAGE_SHIFT;
    bool go_on = true;

    while (go_on && next < end) {
        MemoryRegionSection s = memory_region_find(get_system_memory(), next,
                                                   end - next);

        if (!s.mr) {
            return;
        }
        next = s.offset_within_address_space + int128_get64(s.size);
        go_on = func(&s, opaque);
        memory_region_unref(s.mr);
    }
}

/* Contiguous guest memory that is contiguous in a RAM block too. */
typedef struct DiscardWindow {
    const DmEngine *engine;
    RAMBlock *block;
    uint64_t pfn;               /* a guest page and ... */
    uint64_t page;              /* ... where it is in its block */
    bool rest_in_doubt;         /* what else counts as released may be in use */
} DiscardWindow;

/*
 * Does the guest see all pages @range of the block at @pfn? A huge page may
 * reach beyond the section that was released, into memory that SMRAM hides or
 * that is mapped elsewhere, so a page number alone is not enough.
 */
static bool window_shows(const DiscardWindow *w, DmRange range, uint64_t pfn)
{
    uint64_t size = range.count << DM_PAGE_SHIFT;
    MemoryRegionSection s = memory_region_find(get_system_memory(),
                                               pfn << DM_PAGE_SHIFT, size);
    bool shows;

    if (!s.mr) {
        return false;
    }
    shows = hv_balloon_section_is_memory(&s) && s.mr->ram_block == w->block &&
            s.offset_within_region == range.first << DM_PAGE_SHIFT &&
            int128_get64(s.size) == size;
    memory_region_unref(s.mr);
    return shows;
}

static bool window_released(DmRange range, void *opaque)
{
    const DiscardWindow *w = opaque;
    uint64_t pfn = range.first + w->pfn - w->page;

    /* the block may begin below page 0 of the guest */
    return !w->rest_in_doubt && range.first + w->pfn >= w->page &&
           window_shows(w, range, pfn) &&
           dm_engine_is_released(w->engine, pfn, range.count);
}

/* Of a file that others can open: it may be what they start from, too. */
static bool is_private_copy_of_file(RAMBlock *rb)
{
    struct stat st;

    return qemu_ram_get_fd(rb) >= 0 && !qemu_ram_is_shared(rb) &&
           !fstat(qemu_ram_get_fd(rb), &st) && st.st_nlink > 0;
}

/*
 * ram_block_discard_range() also punches a hole into the file, which is not the
 * guest's. Without that its own copies are gone all the same, and the guest sees
 * what is in the file. Huge pages have no such call; a hugetlbfs is not where
 * such files are.
 */
static bool shows_file_again(RAMBlock *rb)
{
    return is_private_copy_of_file(rb) &&
           qemu_ram_pagesize(rb) == qemu_real_host_page_size();
}

static int discard_block_range(RAMBlock *rb, uint64_t offset, uint64_t size)
{
    if (!shows_file_again(rb)) {
        return ram_block_discard_range(rb, offset, size);
    }
    return qemu_madvise(rb->host + offset, size, QEMU_MADV_DONTNEED) ? -errno
                                                                     : 0;
}

/*
 * After a failure nothing is tried for a while, as it would most likely fail
 * again with a line in the log each time; what is skipped counts as failed.
 */
static void discard_units(HvBalloon *balloon, RAMBlock *rb, DmRange units)
{
    uint64_t offset = units.first << DM_PAGE_SHIFT;
    uint64_t size = units.count << DM_PAGE_SHIFT;
    int ret;

    if (hv_balloon_now() < balloon->discard_again) {
        balloon->discard_failed += size;
        return;
    }
    trace_hv_balloon_discard(qemu_ram_get_idstr(rb), offset, size);
    ret = discard_block_range(rb, offset, size);
    if (!ret) {
        balloon->discarded += size;
        return;
    }
    trace_hv_balloon_discard_failed(qemu_ram_get_idstr(rb), offset, size, ret);
    balloon->discard_failed += size;
    balloon->discard_again = hv_balloon_now() + DISCARD_PAUSE_MS;
}

/* Discard the whole host pages that are released. A failure is harmless. */
static void discard_in_block(HvBalloon *balloon, const DiscardWindow *window,
                             uint64_t count)
{
    uint64_t unit = MAX(qemu_ram_pagesize(window->block), DM_PAGE_SIZE) /
                    DM_PAGE_SIZE;
    DmRange units;

    if (!dm_discard_units((DmRange) { window->page, count }, unit,
                          window_released, (void *)window, &units)) {
        return;
    }
    discard_units(balloon, window->block, units);
}

/* The stick that @s is in, if it has a RamDiscardManager. */
static MemHaprot *section_stick(const MemoryRegionSection *s)
{
    RamDiscardManager *rdm = memory_region_is_ram(s->mr) ?
                             memory_region_get_ram_discard_manager(s->mr) :
                             NULL;

    return rdm ? (MemHaprot *)object_dynamic_cast(OBJECT(rdm), TYPE_MEM_HAPROT)
               : NULL;
}

/*
 * In a stick, have listeners unmap the granules that are wholly released;
 * these are returned.
 */
static DmRange unmap_granules(const MemoryRegionSection *s,
                              DiscardWindow *window, uint64_t count)
{
    MemHaprot *stick = section_stick(s);
    DmRange units = { 0, 0 };

    if (stick && dm_discard_units((DmRange) { window->page, count },
                                  haprot_granule(stick) >> DM_PAGE_SHIFT,
                                  window_released, window, &units)) {
        haprot_discard(stick, units.first << DM_PAGE_SHIFT,
                       units.count << DM_PAGE_SHIFT);
    }
    return units;
}

/*
 * Memory that the guest keeps has to read as zero, or as before: a Linux that
 * clears pages as it frees them (init_on_free=1) relies on that.
 */
static void discard_window(HvBalloon *balloon, const MemoryRegionSection *s,
                           DiscardWindow *window, uint64_t count,
                           bool released)
{
    DmRange units = { 0, 0 };

    if (released && !hv_balloon_memory_is_held()) {
        units = unmap_granules(s, window, count);
    }

    if (discards_inhibited() ||
        (!released && shows_file_again(window->block)) ||
        (ram_block_discard_is_disabled() && !units.count)) {
        balloon->discard_inhibited += count << DM_PAGE_SHIFT;
    } else if (ram_block_discard_is_disabled()) {
        discard_units(balloon, window->block, units);
    } else {
        discard_in_block(balloon, window, count);
    }
}

typedef struct Discard {
    HvBalloon *balloon;
    bool released;
} Discard;

/* Discard the whole pages of section @s. */
static bool discard_section(const MemoryRegionSection *s, void *opaque)
{
    Discard *discard = opaque;
    HvBalloon *balloon = discard->balloon;
    bool released = discard->released;
    hwaddr start = s->offset_within_address_space;
    hwaddr end = start + int128_get64(s->size);
    uint64_t first = DIV_ROUND_UP(start, DM_PAGE_SIZE);
    hwaddr lead = (first << DM_PAGE_SHIFT) - start;
    hwaddr offset = s->offset_within_region + lead;

    if (hv_balloon_section_is_memory(s) && first < end >> DM_PAGE_SHIFT &&
        QEMU_IS_ALIGNED(offset, DM_PAGE_SIZE)) {
        DiscardWindow window = {
            .engine = balloon->engine,
            .block = s->mr->ram_block,
            .pfn = first,
            .page = offset >> DM_PAGE_SHIFT,
            .rest_in_doubt = !released &&
                             dm_engine_released_in_doubt(balloon->engine),
        };
        discard_window(balloon, s, &window, (end >> DM_PAGE_SHIFT) - first,
                       released);
    }
    return true;
}

/*
 * A huge page that was discarded is the host's to give to others. If there is
 * none when the guest touches it, QEMU gets SIGBUS: so it is allocated before.
 * Kernels before 5.14 cannot do that.
 */
static bool allocate_huge_pages(const MemoryRegionSection *s)
{
    RAMBlock *rb = s->mr->ram_block;
    uint64_t size = qemu_ram_pagesize(rb);
    uint64_t start = QEMU_ALIGN_DOWN(s->offset_within_region, size);
    uint64_t end = s->offset_within_region + int128_get64(s->size);

    return size == qemu_real_host_page_size() ||
           !qemu_madvise(rb->host + start, QEMU_ALIGN_UP(end, size) - start,
                         QEMU_MADV_POPULATE_WRITE) ||
           errno == EINVAL;
}

/* One section. With @anyway the guest has it, and may have used it. */
static bool populate_section(const MemoryRegionSection *s, bool anyway)
{
    MemHaprot *stick = section_stick(s);

    if (!anyway && hv_balloon_section_is_memory(s) &&
        !allocate_huge_pages(s)) {
        return false;
    }
    return !stick || haprot_populate(stick, s->offset_within_region,
                                     int128_get64(s->size), anyway);
}

static bool populate_or_stop(const MemoryRegionSection *s, void *opaque)
{
    bool *ok = opaque;

    *ok = populate_section(s, false);
    return *ok;
}

bool hv_balloon_populate(DmRange range)
{
    bool ok = true;

    hv_balloon_each_section(range, populate_or_stop, &ok);
    return ok;
}

static bool populate_and_go_on(const MemoryRegionSection *s, void *opaque)
{
    bool *ok = opaque;

    *ok = populate_section(s, true) && *ok;
    return true;
}

bool hv_balloon_populate_anyway(DmRange range)
{
    bool ok = true;

    hv_balloon_each_section(range, populate_and_go_on, &ok);
    return ok;
}

void hv_balloon_discard(HvBalloon *balloon, DmRange range, bool released)
{
    Discard discard = { balloon, released };

    hv_balloon_each_section(range, discard_section, &discard);
}

/*
 * The accounting does not change. A huge page of the host is only discarded if
 * the rest of it is released, by the kernel that runs.
 */
void hv_balloon_free_pages_reported(void *opaque, uint64_t first,
                                    uint64_t count)
{
    HvBalloon *balloon = opaque;

    balloon->reported += count << DM_PAGE_SHIFT;
    hv_balloon_discard(balloon, (DmRange) { first, count }, false);
}
