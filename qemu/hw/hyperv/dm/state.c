/*
 * Dynamic Memory engine: its state as plain data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "state.h"

#include <string.h>

#include "engine-int.h"

#define MAGIC UINT64_C(0x0065746174736d64)      /* "dmstate" */
/*
 * The form of the state. A release that adds to it writes the next number, and
 * reads all numbers before: it asks s->version for what it added. What is
 * written already is never moved, dropped or given another meaning.
 */
#define VERSION 1
/* The state holds values of these: new ones come last, with a new VERSION. */
G_STATIC_ASSERT(DM_STATE__MAX == 13 && DM_REQUEST__MAX == 4 &&
                DM_PROBLEM__MAX == 19 && STAGE_READY == 3);
#define CONTAINER_SHIFT 16
#define CONTAINER_PAGES (UINT64_C(1) << CONTAINER_SHIFT)
#define BITMAP_WORDS (CONTAINER_PAGES / 64)
/* More runs than this in a container, and a bitmap is the shorter form. */
#define MAX_RUNS BITMAP_WORDS
#define MAX_PAGES (UINT64_MAX >> DM_PAGE_SHIFT)
#define MAX_MS (UINT64_C(7) * 24 * 3600 * 1000)

/*
 * The same walk over the state writes and reads it, so the two cannot differ.
 * After a failure reading gives zeros, and the first error is kept.
 */
typedef struct Stream {
    GByteArray *out;            /* NULL: reading */
    const uint8_t *in;
    size_t len, at;             /* bytes */
    uint64_t now;               /* ms */
    uint64_t version;           /* of what is read or written */
    char *fault;
} Stream;

static void G_GNUC_PRINTF(2, 3) fail(Stream *s, const char *format, ...)
{
    va_list args;

    if (s->fault) {
        return;
    }
    va_start(args, format);
    s->fault = g_strdup_vprintf(format, args);
    va_end(args);
}

static bool reading(const Stream *s)
{
    return !s->out;
}

static void put_number(Stream *s, uint64_t value)
{
    uint64_t bytes = GUINT64_TO_LE(value);

    g_byte_array_append(s->out, (const uint8_t *)&bytes, sizeof(bytes));
}

static uint64_t get_number(Stream *s, const char *what)
{
    uint64_t bytes;

    if (s->fault) {
        return 0;
    }
    if (s->len - s->at < sizeof(bytes)) {
        fail(s, "it ends within '%s', after %zu bytes", what, s->len);
        return 0;
    }
    memcpy(&bytes, s->in + s->at, sizeof(bytes));
    s->at += sizeof(bytes);
    return GUINT64_FROM_LE(bytes);
}

/* A number that is at most @max. */
static uint64_t number(Stream *s, const char *what, uint64_t value,
                       uint64_t max)
{
    if (!reading(s)) {
        put_number(s, value);
        return value;
    }
    value = get_number(s, what);
    if (value > max) {
        fail(s, "'%s' is %" G_GUINT64_FORMAT ", at most %" G_GUINT64_FORMAT
             " is possible", what, value, max);
        return 0;
    }
    return value;
}

#define NUMBER(s, what, lvalue, max) \
    ((lvalue) = number((s), (what), (lvalue), (max)))
#define FLAG(s, what, lvalue) NUMBER(s, what, lvalue, 1)

/* A number that must be the same on both sides. */
static void same(Stream *s, const char *what, uint64_t value)
{
    uint64_t theirs = number(s, what, value, UINT64_MAX);

    if (theirs != value) {
        fail(s, "'%s' is %" G_GUINT64_FORMAT " there and %" G_GUINT64_FORMAT
             " here", what, theirs, value);
    }
}

/* A time to come; one that has passed becomes now. */
static void moment(Stream *s, const char *what, uint64_t *when)
{
    uint64_t left = *when > s->now ? *when - s->now : 0;

    left = number(s, what, left, MAX_MS);
    *when = s->now + left;
}

static void moment_or_never(Stream *s, const char *what, uint64_t *when)
{
    bool never = *when == NEVER;

    FLAG(s, what, never);
    if (never) {
        *when = NEVER;
    } else {
        moment(s, what, when);
    }
}

static void moment_past(Stream *s, const char *what, uint64_t *when)
{
    uint64_t ago = MIN(s->now - *when, MAX_MS);

    ago = number(s, what, ago, MAX_MS);
    *when = s->now - MIN(ago, s->now);
}

static void range(Stream *s, const char *what, DmRange *r)
{
    NUMBER(s, what, r->first, DM_MAX_PFN);
    NUMBER(s, what, r->count, DM_MAX_RANGE_PAGES);
}

/* ---- sets of pages ---- */

/* The runs of a container, or 0 if they are more than MAX_RUNS. */
static unsigned collect_runs(const PageSet *set, uint64_t start,
                             DmRange *runs)
{
    uint64_t end = start + CONTAINER_PAGES, at = start;
    unsigned n = 0;
    DmRange run;

    while (pageset_next(set, at, end, &run.first, &run.count)) {
        if (n == MAX_RUNS) {
            return 0;
        }
        runs[n++] = run;
        at = run.first + run.count;
    }
    return n;
}

static void put_bitmap(Stream *s, const PageSet *set, uint64_t start)
{
    uint64_t words[BITMAP_WORDS] = { 0 };
    uint64_t end = start + CONTAINER_PAGES, at = start, first, count, page;
    unsigned i;

    while (pageset_next(set, at, end, &first, &count)) {
        at = first + count;
        for (page = first - start; page < at - start; page++) {
            words[page / 64] |= UINT64_C(1) << page % 64;
        }
    }
    for (i = 0; i < BITMAP_WORDS; i++) {
        put_number(s, words[i]);
    }
}

static void put_container(Stream *s, const PageSet *set, uint64_t start)
{
    g_autofree DmRange *runs = g_new(DmRange, MAX_RUNS);
    unsigned i, n = collect_runs(set, start, runs);

    put_number(s, start >> CONTAINER_SHIFT);
    put_number(s, n);
    for (i = 0; i < n; i++) {
        put_number(s, (runs[i].first - start) |
                      (runs[i].first + runs[i].count - 1 - start) << 16);
    }
    if (!n) {
        put_bitmap(s, set, start);
    }
}

static void put_set(Stream *s, const PageSet *set)
{
    uint64_t at = 0, first, count;

    while (pageset_next(set, at, DM_MAX_PFN + 1, &first, &count)) {
        at = first >> CONTAINER_SHIFT << CONTAINER_SHIFT;
        put_container(s, set, at);
        at += CONTAINER_PAGES;
    }
    put_number(s, NEVER);
}

static void get_runs(Stream *s, const char *what, PageSet *set,
                     uint64_t start, uint64_t n)
{
    uint64_t next = 0;

    while (n-- && !s->fault) {
        uint64_t run = get_number(s, what);
        uint64_t first = run & 0xffff, last = run >> 16;

        if (first < next || last < first || last >= CONTAINER_PAGES) {
            fail(s, "'%s' has a run out of order at page 0x%"
                 G_GINT64_MODIFIER "x", what, start + first);
            return;
        }
        pageset_add(set, start + first, last - first + 1);
        next = last + 1;
    }
}

static void get_bitmap(Stream *s, const char *what, PageSet *set,
                       uint64_t start)
{
    unsigned i;

    for (i = 0; i < BITMAP_WORDS; i++) {
        uint64_t word = get_number(s, what), first = start + i * 64;

        while (word) {
            unsigned low = __builtin_ctzll(word);
            uint64_t rest = ~(word >> low);
            unsigned n = rest ? __builtin_ctzll(rest) : 64;

            pageset_add(set, first + low, n);
            word = low + n < 64 ? word >> (low + n) << (low + n) : 0;
        }
    }
}

static void get_set(Stream *s, const char *what, PageSet *set)
{
    uint64_t next = 0, index;

    while (!s->fault && (index = get_number(s, what)) != NEVER) {
        uint64_t n = number(s, what, 0, MAX_RUNS);

        if (index < next || index > DM_MAX_PFN >> CONTAINER_SHIFT) {
            fail(s, "'%s' has a container out of order", what);
        } else if (n) {
            get_runs(s, what, set, index << CONTAINER_SHIFT, n);
        } else {
            get_bitmap(s, what, set, index << CONTAINER_SHIFT);
        }
        next = index + 1;
    }
}

static void page_set(Stream *s, const char *what, PageSet *set)
{
    if (reading(s)) {
        get_set(s, what, set);
    } else {
        put_set(s, set);
    }
}

/* ---- the walk ---- */

static void layout(Stream *s, DmEngine *e)
{
    DmRegions *r = &e->regions;
    unsigned i;

    same(s, "profile", e->profile);
    same(s, "boot memory", r->boot_pages);
    same(s, "number of ranges of boot memory", r->boot->len);
    for (i = 0; i < r->boot->len; i++) {
        DmRange boot = g_array_index(r->boot, DmRange, i);

        same(s, "start of boot memory", boot.first);
        same(s, "size of boot memory", boot.count);
    }
    same(s, "number of sticks", r->sticks->len);
    for (i = 0; i < r->sticks->len; i++) {
        DmStick *stick = &g_array_index(r->sticks, DmStick, i);

        same(s, "start of a stick", stick->range.first);
        same(s, "size of a stick", stick->range.count);
        same(s, "insert of a stick", stick->on_demand);
        FLAG(s, "use of a stick", stick->used);
        NUMBER(s, "state of a stick", stick->state, DM_STICK_UNUSED);
    }
}

static void hot_add(Stream *s, const char *what, DmHotAdd *add)
{
    range(s, what, &add->range);
    range(s, what, &add->region);
    NUMBER(s, what, add->end, DM_MAX_PFN + 1);
}

static void postponed(Stream *s, DmRegions *r)
{
    unsigned i;

    NUMBER(s, "number of postponed hot-adds", r->n_postponed,
           DM_MAX_POSTPONED);
    for (i = 0; i < r->n_postponed; i++) {
        hot_add(s, "postponed", &r->postponed[i]);
    }
}

static void accounting(Stream *s, DmRegions *r)
{
    page_set(s, "added", r->added);
    page_set(s, "released", r->released);
    page_set(s, "in doubt", r->in_doubt);
    page_set(s, "offline", r->offline);
    page_set(s, "ghosts", r->ghosts);
    page_set(s, "unusable", r->unusable);
    postponed(s, r);
}

static void session(Stream *s, DmEngine *e)
{
    NUMBER(s, "stage", e->stage, STAGE_READY);
    NUMBER(s, "version", e->version, UINT32_MAX);
    NUMBER(s, "request number", e->trans_id, UINT32_MAX);
    NUMBER(s, "guest OS id", e->guest_os_id, UINT64_MAX);
    FLAG(s, "capabilities known", e->had_caps);
    FLAG(s, "can balloon", e->caps.balloon);
    FLAG(s, "can hot-add", e->caps.hot_add);
    NUMBER(s, "alignment", e->caps.alignment, 15);
    NUMBER(s, "min pages", e->caps.min_pages, UINT64_MAX);
    NUMBER(s, "max page number", e->caps.max_pfn, UINT64_MAX);
    FLAG(s, "connected before", e->met);
    moment(s, "quiet time", &e->quiet_until);
}

static void transaction(Stream *s, Txn *txn)
{
    unsigned i;

    NUMBER(s, "request", txn->kind, DM_REQUEST__MAX - 1);
    if (txn->kind == DM_REQUEST_NONE) {
        return;
    }
    FLAG(s, "request sent", txn->sent);
    FLAG(s, "request late", txn->late);
    moment_past(s, "start of the request", &txn->started);
    moment(s, "deadline", &txn->deadline);
    NUMBER(s, "pages requested", txn->asked, MAX_PAGES);
    NUMBER(s, "pages claimed", txn->claimed, txn->asked);
    NUMBER(s, "pages got", txn->got, txn->claimed);
    NUMBER(s, "idle responses", txn->idle_responses, UINT32_MAX);
    if (txn->kind == DM_REQUEST_HOT_ADD) {
        hot_add(s, "hot-add", &txn->add);
    } else if (txn->kind == DM_REQUEST_RETURN) {
        NUMBER(s, "ranges to return", txn->n_ranges, DM_MAX_SEND_RANGES);
        for (i = 0; i < txn->n_ranges; i++) {
            range(s, "range to return", &txn->ranges[i]);
        }
    }
}

static void status(Stream *s, DmStatus *status)
{
    NUMBER(s, "available", status->available, UINT64_MAX);
    NUMBER(s, "committed", status->committed, UINT64_MAX);
    NUMBER(s, "page file", status->page_file_size, UINT64_MAX);
    NUMBER(s, "zero and free", status->zero_free, UINT64_MAX);
    NUMBER(s, "page file writes", status->page_file_writes, UINT32_MAX);
    NUMBER(s, "input and output", status->io_diff, UINT32_MAX);
}

/* That of a late request is not saved: it follows from the request. */
static void problem(Stream *s, DmProblem *problem)
{
    NUMBER(s, "problem", problem->code, DM_PROBLEM_NOT_SENT - 1);
    NUMBER(s, "page of the problem", problem->page, DM_MAX_PFN);
    NUMBER(s, "pages of the problem", problem->pages, UINT64_MAX);
    NUMBER(s, "whole of the problem", problem->of, UINT64_MAX);
}

static void intent(Stream *s, DmEngine *e)
{
    NUMBER(s, "target", e->target, MAX_PAGES);
    NUMBER(s, "obstacle", e->obstacle, DM_STATE__MAX - 1);
    e->regions.new_kernel = e->obstacle == DM_STATE_NEW_KERNEL;
    problem(s, &e->problem);
    moment_or_never(s, "next try", &e->retry_at);
    NUMBER(s, "delay of tries", e->retry_delay, MAX_MS);
    FLAG(s, "probed", e->probed);
    FLAG(s, "elsewhere", e->elsewhere);
    FLAG(s, "answered", e->answered);
    NUMBER(s, "relief", e->relief, RELIEF_PAGES);
    status(s, &e->status);
    FLAG(s, "waiting", e->waiting);
    FLAG(s, "settled", e->settled);
    NUMBER(s, "size reported", e->reported, MAX_PAGES);
}

static void counters(Stream *s, DmCounters *c)
{
    uint64_t *all[] = {
        &c->messages_sent, &c->messages_received, &c->malformed,
        &c->unexpected, &c->dropped_ranges, &c->duplicate_pages,
        &c->surplus_pages, &c->late, &c->refused, &c->reconnects, &c->resets,
    };
    unsigned i;

    G_STATIC_ASSERT(G_N_ELEMENTS(all) * sizeof(*all[0]) == sizeof(*c));
    for (i = 0; i < G_N_ELEMENTS(all); i++) {
        NUMBER(s, "counter", *all[i], UINT64_MAX);
    }
}

/* ---- a message that waits for room ---- */

typedef enum Pending {
    PENDING_NONE,
    PENDING_VERSION,            /* an answer to the guest */
    PENDING_CAPABILITIES,
    PENDING_REQUEST,            /* the transaction's own */
} Pending;

static Pending pending_kind(const DmEngine *e, DmHeader *header)
{
    if (!e->out_len || !dm_wire_header(e->out, e->out_len, header)) {
        return PENDING_NONE;
    }
    switch (header->type) {
    case DM_MSG_VERSION_RESPONSE:
        return PENDING_VERSION;
    case DM_MSG_CAPABILITIES_RESPONSE:
        return PENDING_CAPABILITIES;
    default:
        return PENDING_REQUEST;
    }
}

static size_t put_request(DmEngine *e)
{
    const Txn *txn = &e->txn;

    switch (txn->kind) {
    case DM_REQUEST_BALLOON:
        return dm_wire_put_balloon_request(e->out, e->trans_id, txn->asked);
    case DM_REQUEST_RETURN:
        return dm_wire_put_unballoon_request(e->out, e->trans_id, txn->ranges,
                                             txn->n_ranges);
    case DM_REQUEST_HOT_ADD:
        return dm_wire_put_hot_add_request(e->out, e->trans_id,
                                           &txn->add.range,
                                           txn->add.region.count ?
                                           &txn->add.region : NULL);
    default:
        return 0;
    }
}

static size_t put_pending(DmEngine *e, Pending kind, uint32_t trans_id,
                          bool accepted)
{
    switch (kind) {
    case PENDING_VERSION:
        return dm_wire_put_version_response(e->out, trans_id, accepted);
    case PENDING_CAPABILITIES:
        return dm_wire_put_capabilities_response(e->out, trans_id, accepted);
    case PENDING_REQUEST:
        return put_request(e);
    default:
        return 0;
    }
}

static bool request_waits(const DmEngine *e)
{
    return e->txn.kind != DM_REQUEST_NONE && !e->txn.sent;
}

/* Comes last, because the message is built again from what was read before: no
 * byte of the buffer is sent to the guest. */
static const char *check(const DmEngine *e);

static void pending(Stream *s, DmEngine *e)
{
    DmHeader header = { 0 };
    Pending kind = pending_kind(e, &header);
    bool accepted = kind != PENDING_NONE && e->out[8];

    NUMBER(s, "message that waits", kind, PENDING_REQUEST);
    NUMBER(s, "number it answers", header.trans_id, UINT32_MAX);
    FLAG(s, "its answer", accepted);
    if (!reading(s) || s->fault) {
        return;
    }
    if (check(e)) {
        fail(s, "%s", check(e));
    } else if ((kind == PENDING_REQUEST) != request_waits(e)) {
        fail(s, "the message that waits is not that of the request");
    } else if (kind != PENDING_NONE && e->stage == STAGE_CLOSED) {
        fail(s, "a message waits for a guest that is not connected");
    } else {
        e->out_len = put_pending(e, kind, header.trans_id, accepted);
    }
}

static void walk(Stream *s, DmEngine *e)
{
    layout(s, e);
    accounting(s, &e->regions);
    page_set(s, "to discard", e->discard);
    session(s, e);
    transaction(s, &e->txn);
    intent(s, e);
    counters(s, &e->counters);
    pending(s, e);
}

/* ---- does it fit together? ---- */

static const char *check_session(const DmEngine *e)
{
    bool known = e->version == DM_VERSION_2_0 ||
                 e->version == DM_VERSION_1_0 || e->version == DM_VERSION_0_3;

    if (known != (e->stage >= STAGE_CAPABILITIES) ||
        (!known && e->version)) {
        return "its protocol version does not go with the stage of the "
               "session";
    }
    if (e->stage == STAGE_READY && !e->had_caps) {
        return "a session without capabilities";
    }
    if (e->stage != STAGE_CLOSED && !e->met) {
        return "a session of a guest that never connected";
    }
    return NULL;
}

static const char *check_obstacle(const DmEngine *e)
{
    if (e->retry_delay < RETRY_MIN) {
        return "no pause before the next try";
    }
    switch (e->obstacle) {
    case DM_STATE_IDLE:
    case DM_STATE_REFUSED:
    case DM_STATE_FLOOR:
    case DM_STATE_NOT_ONLINED:
    case DM_STATE_NEW_KERNEL:
    case DM_STATE_FROZEN:
        return NULL;
    default:
        return "an obstacle that is none";
    }
}

static bool ends_within_protocol(DmRange r)
{
    return r.first + r.count <= DM_MAX_PFN + 1;
}

static const char *check_hot_add(const DmEngine *e, const DmHotAdd *add)
{
    DmRange r = add->range, region = add->region;

    if (!r.count || !ends_within_protocol(r) ||
        !dm_regions_never_given(&e->regions, r)) {
        return "it hot-adds what the guest has or no stick holds";
    }
    if (region.count &&
        (!ends_within_protocol(region) || region.first > r.first ||
         region.first + region.count < r.first + r.count)) {
        return "it hot-adds a region that does not hold its range";
    }
    if (add->end < r.first + r.count ||
        (region.count && add->end != region.first + region.count)) {
        return "it hot-adds beyond the end of a chunk";
    }
    return NULL;
}

static const char *check_return(const DmEngine *e)
{
    PageSet *seen = pageset_new();
    uint64_t pages = 0;
    bool good = true;
    unsigned i;

    for (i = 0; i < e->txn.n_ranges; i++) {
        DmRange r = e->txn.ranges[i];

        pages += r.count;
        good = good && r.count &&
               pageset_add(seen, r.first, r.count) == r.count &&
               pageset_count_in(e->regions.released, r.first, r.count) ==
               r.count;
    }
    pageset_free(seen);
    return good && pages && pages == e->txn.asked ? NULL :
           "it returns pages that the guest has not released";
}

static const char *check_transaction(const DmEngine *e)
{
    const Txn *txn = &e->txn;

    if (e->obstacle == DM_STATE_NEW_KERNEL &&
        (txn->kind != DM_REQUEST_NONE || pageset_count(e->discard))) {
        return "something goes on under a new kernel";
    }
    if (txn->kind == DM_REQUEST_NONE) {
        return e->relief && !e->had_caps ?
               "it relieves a guest that never connected" : NULL;
    }
    if (e->relief && txn->kind != DM_REQUEST_RETURN) {
        return "it relieves a guest and asks something else of it";
    }
    if (e->stage != STAGE_READY) {
        return "a request without a session";
    }
    if (txn->kind == DM_REQUEST_BALLOON) {
        return txn->asked && txn->asked <= MAX_BALLOON_PAGES ? NULL :
               "a balloon request of an impossible size";
    }
    if (pageset_count(e->discard)) {
        return "it gives memory while there is some to discard";
    }
    if (txn->kind == DM_REQUEST_RETURN) {
        return txn->asked <= MAX_RETURN_PAGES ? check_return(e) :
               "a return of an impossible size";
    }
    return txn->asked != txn->add.range.count ?
           "a hot-add of two sizes" : check_hot_add(e, &txn->add);
}

/* No page may be discarded that the guest has. */
static const char *check_discard(const DmEngine *e)
{
    uint64_t at = 0;
    DmRange r;

    while (pageset_next(e->discard, at, DM_MAX_PFN + 1, &r.first,
                        &r.count)) {
        if (!dm_regions_is_released(&e->regions, r)) {
            return "it discards what the guest has";
        }
        at = r.first + r.count;
    }
    return NULL;
}

static const char *check_postponed(const DmEngine *e)
{
    const DmRegions *r = &e->regions;
    const char *why = NULL;
    unsigned i, j;

    for (i = 0; i < r->n_postponed && !why; i++) {
        why = check_hot_add(e, &r->postponed[i]);
        for (j = 0; j < i && !why; j++) {
            if (r->postponed[i].range.first == r->postponed[j].range.first) {
                why = "a hot-add is postponed twice";
            }
        }
    }
    return why;
}

static const char *check(const DmEngine *e)
{
    const char *why = dm_regions_fault(&e->regions);

    why = why ? why : check_session(e);
    why = why ? why : check_obstacle(e);
    why = why ? why : check_discard(e);
    why = why ? why : check_postponed(e);
    why = why ? why : check_transaction(e);
    return why || e->target ? why : "a target of 0";
}

/* ---- in and out ---- */

GByteArray *dm_state_export(const DmEngine *engine, uint64_t now)
{
    Stream s = { .out = g_byte_array_new(), .now = now, .version = VERSION };

    put_number(&s, MAGIC);
    put_number(&s, VERSION);
    /* Writing does not change it. */
    walk(&s, (DmEngine *)engine);
    return s.out;
}

static bool fresh(const DmEngine *e)
{
    const DmRegions *r = &e->regions;

    return e->stage == STAGE_CLOSED && !e->met &&
           !pageset_count(r->added) && !pageset_count(r->released);
}

/* Another engine over the same memory. */
static DmEngine *sibling(const DmEngine *e)
{
    const DmRegions *r = &e->regions;
    DmEngine *new = dm_engine_new((const DmRange *)r->boot->data,
                                  r->boot->len, r->boot_pages, e->profile,
                                  &e->ops, e->opaque);
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        DmStick stick = g_array_index(r->sticks, DmStick, i);

        dm_regions_plug(&new->regions, stick.id, stick.range,
                        stick.on_demand, NULL);
    }
    return new;
}

static void swap(DmEngine *a, DmEngine *b)
{
    DmEngine c = *a;

    *a = *b;
    *b = c;
}

static void read_all(Stream *s, DmEngine *e)
{
    if (get_number(s, "mark") != MAGIC) {
        fail(s, "it is not the state of an engine");
        return;
    }
    s->version = get_number(s, "version");
    if (!s->version || s->version > VERSION) {
        fail(s, "it is of version %" G_GUINT64_FORMAT ", and versions up to %d"
             " can be read", s->version, VERSION);
        return;
    }
    walk(s, e);
    if (s->at != s->len) {
        fail(s, "%zu bytes follow its end", s->len - s->at);
    }
}

void dm_state_forget(DmEngine *engine)
{
    DmEngine *new = sibling(engine);

    swap(engine, new);
    dm_engine_free(new);
}

/*
 * The released pages and what is to be discarded, a bit a page; the other sets
 * are bounded by dm_accounting_is_full(), in another form. Ghosts may lie where
 * there is no memory any more: three numbers for 256 MiB in one piece.
 */
size_t dm_state_max(const DmEngine *engine)
{
    uint64_t pages = dm_regions_capacity(&engine->regions);

    return 2 * (pages / 8) + pages / 64 + 64 * 1024 * 1024;
}

bool dm_state_import(DmEngine *engine, const void *data, size_t len,
                     uint64_t now, GError **error)
{
    Stream s = { .in = data, .len = len, .now = now };
    DmEngine *read;

    if (!fresh(engine)) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_NOT_FRESH,
                            "engine state can be read only before a guest "
                            "connects");
        return false;
    }
    read = sibling(engine);
    read_all(&s, read);
    if (!s.fault) {
        swap(engine, read);
    }
    dm_engine_free(read);
    if (s.fault) {
        g_set_error(error, DM_ERROR, DM_ERROR_STATE,
                    "the engine state cannot be used: %s", s.fault);
        g_free(s.fault);
        return false;
    }
    return true;
}
