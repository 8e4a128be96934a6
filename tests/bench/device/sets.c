/*
 * Benchmark: the page set against a GTree of ranges
 *
 * The tree is like that of QEMU's own hv-balloon: nodes ordered by their first page, neighbours merged. Both sides get the same inserts in
 * the same order, in turns; the best round counts, in CPU time, since the machine may be busy.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "bench.h"
#include "qemu/pageset.h"

#define PAGES_2M 512
#define PAGES_GIB UINT64_C(262144)

/* ---- the peer ---- */

typedef struct Range {
    uint64_t first, count;
} Range;

static gint compare_ranges(gconstpointer a, gconstpointer b, gpointer opaque)
{
    const Range *x = a, *y = b;

    (void)opaque;
    return (x->first > y->first) - (x->first < y->first);
}

static GTree *tree_new(void)
{
    return g_tree_new_full(compare_ranges, NULL, g_free, NULL);
}

/* The patterns here never insert a page twice. */
static void tree_add(GTree *tree, uint64_t first, uint64_t count)
{
    Range key = { first, count };
    GTreeNode *above = g_tree_upper_bound(tree, &key);
    GTreeNode *below = above ? g_tree_node_previous(above) : g_tree_node_last(tree);
    Range *next = above ? g_tree_node_key(above) : NULL;
    Range *prev = below ? g_tree_node_key(below) : NULL;

    if (prev && prev->first + prev->count == first) {
        prev->count += count;
        if (next && prev->first + prev->count == next->first) {
            prev->count += next->count;
            g_tree_remove(tree, next);
        }
    } else if (next && first + count == next->first) {
        next->first = first;
        next->count += count;
    } else {
        next = g_new(Range, 1);
        *next = key;
        g_tree_insert(tree, next, next);
    }
}

static gboolean add_count(gpointer key, gpointer value, gpointer opaque)
{
    (void)key;
    *(uint64_t *)opaque += ((Range *)value)->count;
    return FALSE;
}

static uint64_t tree_count(GTree *tree)
{
    uint64_t n = 0;

    g_tree_foreach(tree, add_count, &n);
    return n;
}

/* ---- the lower bound ---- */

/* The least work of any set: a call that sets a bit and counts it, without checks, with a bit for every possible page. */
typedef struct Bits {
    uint64_t count;
    uint64_t words[];
} Bits;

static G_GNUC_NO_INLINE void bits_add(Bits *bits, uint64_t page)
{
    bits->words[page / 64] |= UINT64_C(1) << page % 64;
    bits->count++;
}

/* ---- the patterns ---- */

typedef struct Pattern {
    const char *name;
    uint64_t unit;              /* pages per insert */
    uint64_t stride;            /* from one insert to the next */
    bool shuffled;
} Pattern;

static const Pattern patterns[] = {
    { "contiguous 4 KiB", 1, 1, false },
    { "contiguous 2 MiB", PAGES_2M, PAGES_2M, false },
    { "random 2 MiB", PAGES_2M, PAGES_2M, true },
    { "alternating 4 KiB", 1, 2, false },
    { "random alternating 4 KiB", 1, 2, true },
};

/* The order of the inserts: the same for both sides. */
static uint32_t *make_order(uint64_t n, bool shuffled)
{
    uint32_t *order = g_new(uint32_t, n), seed = 1;
    uint64_t i;

    for (i = 0; i < n; i++) {
        order[i] = i;
    }
    for (i = n - 1; shuffled && i > 0; i--) {
        uint64_t j = bench_random(&seed) % (i + 1);
        uint32_t swap = order[i];

        order[i] = order[j];
        order[j] = swap;
    }
    return order;
}

typedef struct Cost {
    double ns;                  /* per insert */
    double bytes;               /* in use after all inserts, by the allocator's count */
} Cost;

typedef struct Job {
    const Pattern *pattern;
    const uint32_t *order;
    uint64_t n;
    void *made;
    double seconds;
} Job;

static void *fill_set(void *opaque)
{
    Job *job = opaque;
    const Pattern *p = job->pattern;
    PageSet *set = job->made = pageset_new();
    double start = bench_cpu();
    uint64_t i;

    for (i = 0; i < job->n; i++) {
        pageset_add(set, job->order[i] * p->stride, p->unit);
    }
    job->seconds = bench_cpu() - start;
    g_assert_cmpuint(pageset_count(set), ==, job->n * p->unit);
    return NULL;
}

static void *fill_tree(void *opaque)
{
    Job *job = opaque;
    const Pattern *p = job->pattern;
    GTree *tree = job->made = tree_new();
    double start = bench_cpu();
    uint64_t i;

    for (i = 0; i < job->n; i++) {
        tree_add(tree, job->order[i] * p->stride, p->unit);
    }
    job->seconds = bench_cpu() - start;
    g_assert_cmpuint(tree_count(tree), ==, job->n * p->unit);
    return NULL;
}

static void *fill_bits(void *opaque)
{
    Job *job = opaque;
    const Pattern *p = job->pattern;
    Bits *bits = job->made = g_malloc0(sizeof(Bits) + job->n * p->stride / 64 * sizeof(uint64_t) + sizeof(uint64_t));
    double start = bench_cpu();
    uint64_t i;

    for (i = 0; i < job->n; i++) {
        bits_add(bits, job->order[i] * p->stride);
    }
    job->seconds = bench_cpu() - start;
    g_assert_cmpuint(bits->count, ==, job->n);
    return NULL;
}

/* In a thread of its own, so that memory it freed does not count as in use. */
static Cost cost(GThreadFunc fill, GDestroyNotify drop, const Pattern *p, const uint32_t *order, uint64_t n)
{
    size_t before = bench_heap();
    Job job = { p, order, n, NULL, 0 };
    Cost result;

    g_thread_join(g_thread_new("fill", fill, &job));
    result = (Cost) { job.seconds * 1e9 / n, bench_heap() - before };
    drop(job.made);
    return result;
}

static Cost cost_set(const Pattern *p, const uint32_t *order, uint64_t n)
{
    return cost(fill_set, (GDestroyNotify)pageset_free, p, order, n);
}

static Cost cost_tree(const Pattern *p, const uint32_t *order, uint64_t n)
{
    return cost(fill_tree, (GDestroyNotify)g_tree_unref, p, order, n);
}

static Cost cost_bits(const Pattern *p, const uint32_t *order, uint64_t n)
{
    return cost(fill_bits, g_free, p, order, n);
}

static Cost best(Cost a, Cost b)
{
    return (Cost) { MIN(a.ns, b.ns), MIN(a.bytes, b.bytes) };
}

/* @floor: against the lower bound, too. */
static void pair(const Pattern *p, uint64_t gib, unsigned rounds, bool floor)
{
    g_autofree char *name = g_strdup_printf("page set, %s, %" G_GUINT64_FORMAT " GiB: ", p->name, gib);
    uint64_t n = gib * PAGES_GIB / p->stride;
    g_autofree uint32_t *order = make_order(n, p->shuffled);
    Cost ours = { INFINITY, INFINITY }, peer = ours, least = ours;
    unsigned i;

    for (i = 0; i < rounds; i++) {
        ours = best(ours, cost_set(p, order, n));
        peer = best(peer, cost_tree(p, order, n));
        if (floor) {
            least = best(least, cost_bits(p, order, n));
        }
    }
    bench_pair(name, "an insert", ours.ns, peer.ns, "GTree of ranges", "ns", false);
    if (floor) {
        bench_pair(name, "an insert", ours.ns, least.ns, "minimum: set a bit and count", "ns", false);
    }
    bench_pair(name, "held", ours.bytes, peer.bytes, "GTree of ranges", "bytes", false);
}

/* A tree of this size does not fit into most machines, so the peer is the promised limit. */
static void worst_case(uint64_t gib)
{
    const Pattern *p = &patterns[3];
    uint64_t n = gib * PAGES_GIB / p->stride;
    g_autofree uint32_t *order = make_order(n, false);
    g_autofree char *name = g_strdup_printf("page set, %s, %" G_GUINT64_FORMAT " GiB: ", p->name, gib);

    bench_pair(name, "held", cost_set(p, order, n).bytes, 33.0 * gib * 1024, "the limit, 33 MiB for 1 TiB", "bytes", false);
}

void bench_sets(bool smoke)
{
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(patterns); i++) {
        const Pattern *p = &patterns[i];
        bool pages = p->unit == 1, floor = pages && p->stride == 2;

        if (smoke) {
            pair(p, 1, 1, floor);
            continue;
        }
        pair(p, 16, 3, floor);
        /* A tree of single pages takes 120 bytes for every two: 64 GiB still fits. */
        pair(p, pages ? 64 : 1024, pages ? 1 : 3, floor);
    }
    worst_case(smoke ? 4 : 1024);
}
