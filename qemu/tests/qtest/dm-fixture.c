/*
 * A machine with hv-balloon and a guest whose releases the test chooses
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "dm-fixture.h"

/* ---- The guest ---- */

static void take_boot_page(Fixture *f, uint64_t pfn, bool is_new)
{
    g_assert_cmpuint(pfn, <, BOOT_PAGES);
    g_assert_true(f->lacks[pfn] && !is_new);
    f->lacks[pfn] = false;
}

/*
 * No page may be given twice: a page is new only once, and only one that was
 * added can be returned.
 */
static void take_page(Fixture *f, uint64_t pfn, bool is_new)
{
    uint64_t i = pfn - ADDED_BASE;

    if (pfn < ADDED_BASE) {
        take_boot_page(f, pfn, is_new);
        return;
    }
    g_assert_cmpuint(i, <, ADDED_PAGES);
    g_assert_false(f->has[i]);
    g_assert_true(f->known[i] == !is_new);
    f->has[i] = f->known[i] = true;
    f->seed[i] = 0;
}

static void take(Fixture *f, DmPages pages, bool is_new)
{
    uint64_t i;

    for (i = 0; i < pages.count; i++) {
        take_page(f, pages.first + i, is_new);
    }
}

static void drop_page(Fixture *f, uint64_t pfn)
{
    if (pfn < BOOT_PAGES) {
        g_assert_false(f->lacks[pfn]);
        f->lacks[pfn] = true;
    } else {
        g_assert_true(f->has[pfn - ADDED_BASE]);
        f->has[pfn - ADDED_BASE] = false;
    }
}

static void drop(Fixture *f, DmPages pages)
{
    uint64_t i;

    for (i = 0; i < pages.count; i++) {
        drop_page(f, pages.first + i);
    }
}

/* Take up to @pages off the run that is to be released next. */
static DmPages release_next(Fixture *f, uint64_t pages)
{
    DmPages *next = &f->release[0];
    DmPages part = { next->first, MIN(next->count, pages) };

    next->first += part.count;
    next->count -= part.count;
    if (!next->count) {
        f->n_release--;
        memmove(next, next + 1, f->n_release * sizeof(*next));
    }
    drop(f, part);
    return part;
}

/* Release up to @pages of the pages that the test named, in its order. */
static void release(Fixture *f, uint64_t pages)
{
    DmPages out[510];
    unsigned n;
    bool more;

    do {
        for (n = 0; pages && f->n_release && n < ARRAY_SIZE(out); n++) {
            out[n] = release_next(f, pages);
            pages -= out[n].count;
        }
        more = pages && f->n_release;
        dm_balloon_response(&f->guest, out, n, more);
    } while (more);
}

void take_returned(Fixture *f, const DmPages *ranges, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        take(f, ranges[i], false);
    }
    dm_unballoon_response(&f->guest);
}

static void unballoon(Fixture *f)
{
    DmPages ranges[510];
    unsigned n = dm_unballoon_ranges(&f->guest, ranges, ARRAY_SIZE(ranges));

    take_returned(f, ranges, n);
}

static void hot_add(Fixture *f)
{
    DmPages pages = dm_hot_add_range(&f->guest);

    g_assert_cmpuint(pages.first % BLOCK_PAGES, ==, 0);
    g_assert_cmpuint(pages.count % BLOCK_PAGES, ==, 0);
    take(f, pages, true);
    f->hot_adds++;
    dm_hot_add_response(&f->guest, pages.count, 1);
}

bool serve(Fixture *f)
{
    if (!dm_pending(&f->guest)) {
        return false;
    }
    switch (dm_receive_any(&f->guest)) {
    case DM_BALLOON_REQUEST:
        release(f, dm_balloon_pages(&f->guest));
        break;
    case DM_UNBALLOON_REQUEST:
        unballoon(f);
        break;
    case DM_MEM_HOT_ADD_REQUEST:
        hot_add(f);
        break;
    default:
        g_assert_not_reached();
    }
    return true;
}

void serve_until(Fixture *f, uint64_t actual)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    while (balloon_number(f->qts, "actual") != actual) {
        while (serve(f)) {
        }
        if (g_get_monotonic_time() >= end) {
            g_autofree char *info = qtest_hmp(f->qts, "info hv-balloon");

            g_error("the guest shall have %" PRIu64 " KiB: %s", actual / KiB,
                    info);
        }
    }
    wait_state(f->qts, "idle");
    g_assert_false(serve(f));
}

uint64_t pages_owned(const Fixture *f)
{
    uint64_t i, n = 0;

    for (i = 0; i < ADDED_PAGES; i++) {
        n += f->has[i];
    }
    return n;
}

/*
 * How many pages from @start on the guest has, with @same_seed of the same
 * pattern.
 */
static uint32_t run_length(const Fixture *f, uint32_t start, bool same_seed)
{
    uint32_t end = start;

    while (end < ADDED_PAGES && f->has[end] &&
           (!same_seed || f->seed[end] == f->seed[start])) {
        end++;
    }
    return end - start;
}

void fill(Fixture *f, uint32_t seed)
{
    uint32_t i, n, j;

    for (i = 0; i < ADDED_PAGES; i += MAX(n, 1)) {
        n = run_length(f, i, false);
        if (n) {
            guest_fill(f->qts, ADDED_BASE + i, n, seed);
        }
        for (j = 0; j < n; j++) {
            f->seed[i + j] = seed;
        }
    }
}

void check(Fixture *f)
{
    uint32_t i, n;

    for (i = 0; i < ADDED_PAGES; i += MAX(n, 1)) {
        n = run_length(f, i, true);
        if (n && f->seed[i]) {
            g_assert_cmpuint(guest_check(f->qts, ADDED_BASE + i, n,
                                         f->seed[i]), ==, 0);
        }
    }
    g_assert_cmpuint(guest_check(f->qts, KEPT_BASE, KEPT_PAGES, KEPT_SEED),
                     ==, 0);
}

char *fixture_options(const char *more)
{
    return g_strdup_printf("-m 64M,maxmem=192M -device vmbus-bridge "
                           "-device hv-balloon%s", more);
}

void fixture_start(Fixture *f, const char *more)
{
    g_autofree char *options = fixture_options(more);

    memset(f, 0, sizeof(*f));
    f->qts = guest_simple(DM_FLAGS, options);
    dm_connect(&f->guest, f->qts);
    dm_open(&f->guest, CAPS);
    guest_fill(f->qts, KEPT_BASE, KEPT_PAGES, KEPT_SEED);
}

void release_all(Fixture *f, uint32_t piece)
{
    uint32_t at = ADDED_PAGES;

    f->n_release = 0;
    while (at) {
        at -= piece;
        if (f->has[at]) {
            f->release[f->n_release++] = (DmPages) { ADDED_BASE + at, piece };
        }
    }
}

void release_half(Fixture *f, uint32_t piece)
{
    uint32_t at;

    f->n_release = 0;
    for (at = 0; at < ADDED_PAGES; at += 2 * piece) {
        f->release[f->n_release++] = (DmPages) { ADDED_BASE + at, piece };
    }
}

/* ---- Sticks ---- */

void plug(Fixture *f, const char *id, uint64_t size, bool on_demand)
{
    g_autofree char *mem = g_strdup_printf("mem-%s", id);

    qtest_qmp_assert_success(f->qts,
        "{'execute': 'object-add', 'arguments': {'qom-type': "
        "'memory-backend-ram', 'id': %s, 'size': %" PRIu64 "}}", mem, size);
    qtest_qmp_assert_success(f->qts,
        "{'execute': 'device_add', 'arguments': {'driver': 'mem-haprot', "
        "'id': %s, 'memdev': %s, 'insert': %s}}", id, mem,
        on_demand ? "on-demand" : "now");
}

void unplug(Fixture *f, const char *id)
{
    g_autofree char *mem = g_strdup_printf("mem-%s", id);

    qtest_qmp_device_del(f->qts, id);
    qtest_qmp_assert_success(f->qts, "{'execute': 'object-del', "
                             "'arguments': {'id': %s}}", mem);
}

void assert_in_use(Fixture *f, const char *id)
{
    QDict *rsp = qtest_qmp(f->qts, "{'execute': 'device_del', 'arguments': "
                           "{'id': %s}}", id);

    g_assert_true(qdict_haskey(rsp, "error"));
    qobject_unref(rsp);
}
