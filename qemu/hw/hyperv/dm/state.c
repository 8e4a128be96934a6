/*
 * Engine state as bytes: written out, validated, read back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "state.h"

#include <string.h>

#include "engine-internal.h"

#define MAGIC 0x534d4448        /* "HDMS" */
#define PAGES_END (UINT64_C(1) << 40)
/* A set of more pages (64 TiB) is no machine's; this bounds the memory that
 * reading one takes. */
#define MAX_SET_PAGES (UINT64_C(1) << 34)
#define MAX_TEXT 1024
/* No time that matters is further away than this. */
#define MAX_AWAY (UINT64_C(1) << 40)

/*
 * One walk over the fields serves both ways, so that writer and reader cannot
 * disagree: with @out it appends, else it reads @in. After a fault every
 * further field is skipped; the first fault is kept.
 */
typedef struct Coder {
    GByteArray *out;
    const uint8_t *in;
    size_t left;
    uint64_t now;
    const char *fault;          /* static text */
} Coder;

static void fault(Coder *c, const char *text)
{
    if (!c->fault) {
        c->fault = text;
    }
}

static void check(Coder *c, bool good, const char *text)
{
    if (!good) {
        fault(c, text);
    }
}

/* ---- fields ---- */

static void bytes(Coder *c, void *data, size_t len)
{
    if (c->out) {
        g_byte_array_append(c->out, data, len);
    } else if (c->fault || c->left < len) {
        memset(data, 0, len);
        fault(c, "it is cut short");
    } else {
        memcpy(data, c->in, len);
        c->in += len;
        c->left -= len;
    }
}

static void u64(Coder *c, uint64_t *value)
{
    uint64_t wire = GUINT64_TO_LE(*value);

    bytes(c, &wire, sizeof(wire));
    if (!c->out) {
        *value = GUINT64_FROM_LE(wire);
    }
}

/* A number below @bound. */
static uint64_t bounded(Coder *c, uint64_t value, uint64_t bound,
                        const char *what)
{
    u64(c, &value);
    if (!c->out && value >= bound) {
        fault(c, what);
        return 0;
    }
    return value;
}

static void flag(Coder *c, bool *value)
{
    *value = bounded(c, *value, 2, "a flag is neither 0 nor 1");
}

static void u32(Coder *c, uint32_t *value)
{
    *value = bounded(c, *value, UINT64_C(1) << 32,
                     "a number of 32 bits is larger");
}

static void range(Coder *c, DmRange *value)
{
    u64(c, &value->first);
    u64(c, &value->count);
    if (value->first > PAGES_END || value->count > PAGES_END ||
        value->first + value->count > PAGES_END) {
        fault(c, "a range ends beyond the last page number");
        *value = (DmRange) { 0, 0 };
    }
}

/* A time, which may have passed; UINT64_MAX is never. */
static void when(Coder *c, uint64_t *value)
{
    uint64_t away = *value == UINT64_MAX ? UINT64_MAX
                                         : *value - c->now + MAX_AWAY;

    u64(c, &away);
    if (c->out || away == UINT64_MAX) {
        *value = c->out ? *value : UINT64_MAX;
    } else if (away >= 2 * MAX_AWAY) {
        fault(c, "a time is out of reach");
    } else {
        *value = c->now + away < MAX_AWAY ? 0 : c->now + away - MAX_AWAY;
    }
}

static void text(Coder *c, char **value)
{
    size_t len = *value ? MIN(strlen(*value), MAX_TEXT - 1) : 0;

    len = bounded(c, len, MAX_TEXT, "a text is too long");
    if (!c->out) {
        g_free(*value);
        *value = len ? g_malloc0(len + 1) : NULL;
    }
    if (len) {
        bytes(c, *value, len);
        check(c, g_utf8_validate(*value, len, NULL), "a text is not UTF-8");
    }
}

/* ---- sets ---- */

static uint64_t count_runs(const DmPageSet *set)
{
    uint64_t at = 0, first, count, n = 0;

    while (dm_pageset_next(set, at, PAGES_END, &first, &count)) {
        at = first + count;
        n++;
    }
    return n;
}

static void save_runs(Coder *c, const DmPageSet *set)
{
    uint64_t n = count_runs(set), at = 0;
    DmRange run;

    u64(c, &n);
    while (dm_pageset_next(set, at, PAGES_END, &run.first, &run.count)) {
        range(c, &run);
        at = run.first + run.count;
    }
}

/* Runs ascend and do not touch: a set has one form only. */
static void load_runs(Coder *c, DmPageSet *set, uint64_t limit)
{
    uint64_t n = 0, i, end = 0;
    DmRange run;

    dm_pageset_clear(set);
    u64(c, &n);
    for (i = 0; i < n && !c->fault; i++) {
        range(c, &run);
        check(c, run.count && (i == 0 || run.first > end),
              "the runs of a page set do not ascend");
        check(c, run.first + run.count <= limit &&
                 dm_pageset_count(set) + run.count <= MAX_SET_PAGES,
              "a page set reaches beyond the machine's memory");
        if (!c->fault) {
            dm_pageset_add(set, run.first, run.count);
            end = run.first + run.count;
        }
    }
}

/* No page of @value is at or above @limit. */
static void set(Coder *c, DmPageSet *value, uint64_t limit)
{
    if (c->out) {
        save_runs(c, value);
    } else {
        load_runs(c, value, limit);
    }
}

static uint64_t memory_end(const DmRegions *r)
{
    uint64_t end = 0;
    unsigned i;

    for (i = 0; i < r->boot->len; i++) {
        DmRange boot = g_array_index(r->boot, DmRange, i);

        end = MAX(end, boot.first + boot.count);
    }
    for (i = 0; i < r->sticks->len; i++) {
        DmRange stick = g_array_index(r->sticks, DmStick, i).range;

        end = MAX(end, stick.first + stick.count);
    }
    return end;
}

/* ---- the parts ---- */

static void machine(Coder *c, DmRegions *r)
{
    uint64_t boot = r->boot_pages, n = r->boot->len, i;

    u64(c, &boot);
    u64(c, &n);
    check(c, boot == r->boot_pages && n == r->boot->len,
          "it is of a machine with other boot memory");
    for (i = 0; i < r->boot->len && !c->fault; i++) {
        DmRange ours = g_array_index(r->boot, DmRange, i), theirs = ours;

        range(c, &theirs);
        check(c, theirs.first == ours.first && theirs.count == ours.count,
              "it is of a machine with other boot memory");
    }
}

static void stick(Coder *c, DmStick *s)
{
    DmRange theirs = s->range;

    range(c, &theirs);
    check(c, theirs.first == s->range.first && theirs.count == s->range.count,
          "it is of a machine with other sticks");
    flag(c, &s->used);
    s->state = bounded(c, s->state, DM_STICK_UNUSED + 1,
                       "a stick's state is unknown");
}

static void sticks(Coder *c, DmRegions *r)
{
    uint64_t n = r->sticks->len, i;

    u64(c, &n);
    check(c, n == r->sticks->len, "it is of a machine with other sticks");
    for (i = 0; i < r->sticks->len && !c->fault; i++) {
        stick(c, &g_array_index(r->sticks, DmStick, i));
    }
}

static void regions(Coder *c, DmRegions *r)
{
    machine(c, r);
    sticks(c, r);
    set(c, r->added, memory_end(r));
    set(c, r->released, memory_end(r));
    set(c, r->in_doubt, memory_end(r));
    /* These two may lie where a stick was. */
    set(c, r->ghosts, PAGES_END);
    set(c, r->unusable, PAGES_END);
    range(c, &r->postponed.range);
    range(c, &r->postponed.region);
}

static void transaction(Coder *c, Txn *t)
{
    unsigned i;

    t->kind = bounded(c, t->kind, TXN_HOT_ADD + 1,
                      "the kind of a request is unknown");
    flag(c, &t->sent);
    flag(c, &t->late);
    when(c, &t->started);
    when(c, &t->deadline);
    u64(c, &t->asked);
    u64(c, &t->claimed);
    u64(c, &t->got);
    u32(c, &t->idle_responses);
    range(c, &t->add.range);
    range(c, &t->add.region);
    t->n_ranges = bounded(c, t->n_ranges, DM_MAX_SEND_RANGES + 1,
                          "a request has too many ranges");
    for (i = 0; i < t->n_ranges; i++) {
        range(c, &t->ranges[i]);
    }
}

static void session(Coder *c, DmEngine *e)
{
    e->stage = bounded(c, e->stage, STAGE_READY + 1,
                       "the stage of the handshake is unknown");
    u32(c, &e->version);
    u32(c, &e->trans_id);
    u64(c, &e->guest_os_id);
    flag(c, &e->had_caps);
    flag(c, &e->caps.balloon);
    flag(c, &e->caps.hot_add);
    e->caps.alignment = bounded(c, e->caps.alignment, 16,
                                "the guest's alignment is out of range");
    u64(c, &e->caps.min_pages);
    u64(c, &e->caps.max_pfn);
    flag(c, &e->met);
    when(c, &e->quiet_until);
    e->out_len = bounded(c, e->out_len, DM_MAX_SEND + 1,
                         "a message is too long");
    bytes(c, e->out, e->out_len);
}

static void purpose(Coder *c, DmEngine *e)
{
    u64(c, &e->target);
    set(c, e->discard, memory_end(&e->regions));
    e->obstacle = bounded(c, e->obstacle, DM_STATE_FROZEN + 1,
                          "the engine's state is unknown");
    text(c, &e->last_error);
    when(c, &e->retry_at);
    u64(c, &e->retry_delay);
    flag(c, &e->probed);
    flag(c, &e->waiting);
    flag(c, &e->settled);
    u64(c, &e->reported);
    when(c, &e->next_warning);
}

static void counters(Coder *c, DmCounters *n)
{
    u64(c, &n->messages_sent);
    u64(c, &n->messages_received);
    u64(c, &n->malformed);
    u64(c, &n->unexpected);
    u64(c, &n->dropped_ranges);
    u64(c, &n->duplicate_pages);
    u64(c, &n->surplus_pages);
    u64(c, &n->late);
    u64(c, &n->refused);
    u64(c, &n->reconnects);
    u64(c, &n->resets);
}

static void everything(Coder *c, DmEngine *e)
{
    uint32_t magic = MAGIC, version = DM_STATE_VERSION;

    u32(c, &magic);
    check(c, magic == MAGIC, "it is not the state of an engine");
    u32(c, &version);
    check(c, version == DM_STATE_VERSION, "its version is unknown");
    regions(c, &e->regions);
    session(c, e);
    transaction(c, &e->txn);
    purpose(c, e);
    counters(c, &e->counters);
    check(c, c->out || c->left == 0, "something follows its end");
}

/* ---- does it add up? ---- */

/* Is every page of @set in memory that the guest was given? */
static bool all_given(const DmRegions *r, const DmPageSet *set)
{
    uint64_t at = 0, first, count, given = 0;
    unsigned i;

    for (i = 0; i < r->boot->len; i++) {
        DmRange boot = g_array_index(r->boot, DmRange, i);

        given += dm_pageset_count_in(set, boot.first, boot.count);
    }
    while (dm_pageset_next(r->added, at, PAGES_END, &first, &count)) {
        given += dm_pageset_count_in(set, first, count);
        at = first + count;
    }
    return given == dm_pageset_count(set);
}

static uint64_t in_sticks(const DmRegions *r, const DmPageSet *set)
{
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        DmRange stick = g_array_index(r->sticks, DmStick, i).range;

        n += dm_pageset_count_in(set, stick.first, stick.count);
    }
    return n;
}

static uint64_t in_boot(const DmRegions *r, const DmPageSet *set)
{
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < r->boot->len; i++) {
        DmRange boot = g_array_index(r->boot, DmRange, i);

        n += dm_pageset_count_in(set, boot.first, boot.count);
    }
    return n;
}

static bool disjoint(const DmPageSet *a, const DmPageSet *b)
{
    uint64_t at = 0, first, count;

    while (dm_pageset_next(a, at, PAGES_END, &first, &count)) {
        if (dm_pageset_count_in(b, first, count)) {
            return false;
        }
        at = first + count;
    }
    return true;
}

static void check_regions(Coder *c, const DmRegions *r)
{
    check(c, in_sticks(r, r->added) == dm_pageset_count(r->added),
          "a page was added that no stick has");
    check(c, all_given(r, r->released) && all_given(r, r->in_doubt),
          "a page was released that the guest never had");
    check(c, disjoint(r->released, r->in_doubt),
          "a page is both released and in doubt");
    check(c, in_sticks(r, r->ghosts) == 0 && in_boot(r, r->ghosts) == 0,
          "a ghost lies in memory that is plugged");
    check(c, in_boot(r, r->unusable) == 0 && disjoint(r->added, r->unusable),
          "a page that the guest has is marked as refused");
}

/* Wholly inside the sticks, and nothing of it given before. */
static bool may_be_added(const DmRegions *r, DmRange range)
{
    DmPageSet *pages = dm_pageset_new();
    bool good;

    dm_pageset_add(pages, range.first, range.count);
    good = in_sticks(r, pages) == range.count &&
           disjoint(pages, r->added) && disjoint(pages, r->unusable);
    dm_pageset_free(pages);
    return good;
}

static bool good_hot_add(const DmRegions *r, const DmHotAdd *add)
{
    return add->range.count <= DM_MAX_RANGE_PAGES &&
           add->region.count <= DM_MAX_RANGE_PAGES &&
           may_be_added(r, add->range);
}

/* Of what is on its way back, nothing twice and nothing but released. */
static bool good_return(const DmRegions *r, const Txn *t)
{
    DmPageSet *pages = dm_pageset_new();
    uint64_t sum = 0;
    bool good = true;
    unsigned i;

    for (i = 0; i < t->n_ranges; i++) {
        DmRange part = t->ranges[i];

        sum += part.count;
        good = good && part.count && part.count <= DM_MAX_RANGE_PAGES &&
               dm_pageset_add(pages, part.first, part.count) == part.count &&
               dm_pageset_count_in(r->released, part.first, part.count) ==
                       part.count;
    }
    dm_pageset_free(pages);
    return good && sum == t->asked;
}

static void check_transaction(Coder *c, const DmEngine *e)
{
    const Txn *t = &e->txn;
    bool good = true;

    if (t->kind == TXN_BALLOON) {
        good = t->asked <= UINT32_MAX && t->claimed <= t->asked &&
               t->got <= t->claimed;
    } else if (t->kind == TXN_RETURN) {
        good = good_return(&e->regions, t);
    } else if (t->kind == TXN_HOT_ADD) {
        good = good_hot_add(&e->regions, &t->add) && t->add.range.count &&
               t->asked == t->add.range.count;
    }
    check(c, good, "the outstanding request does not fit the rest");
    check(c, t->kind == TXN_NONE || e->stage == STAGE_READY,
          "a request is outstanding without a connection");
    check(c, t->kind == TXN_NONE || t->sent == (e->out_len == 0),
          "a request neither waits nor was sent");
}

/* The request once more, as it is to be sent. */
static size_t encode_request(const DmEngine *e, uint8_t *buf)
{
    const Txn *t = &e->txn;

    switch (t->kind) {
    case TXN_BALLOON:
        return dm_wire_put_balloon_request(buf, e->trans_id, t->asked);
    case TXN_RETURN:
        return dm_wire_put_unballoon_request(buf, e->trans_id, t->ranges,
                                             t->n_ranges);
    default:
        return dm_wire_put_hot_add_request(buf, e->trans_id, &t->add.range,
                                           t->add.region.count ?
                                           &t->add.region : NULL);
    }
}

/* What waits to be sent is what the rest says, or a handshake's reply. */
static void check_message(Coder *c, const DmEngine *e)
{
    uint8_t want[DM_MAX_SEND];
    DmHeader header;

    if (c->fault || !e->out_len) {
        return;
    }
    if (e->txn.kind != TXN_NONE) {
        check(c, encode_request(e, want) == e->out_len &&
                 memcmp(want, e->out, e->out_len) == 0,
              "the message that waits is not the outstanding request");
        return;
    }
    check(c, e->out_len == 16 && dm_wire_header(e->out, 16, &header) &&
             (header.type == DM_MSG_VERSION_RESPONSE ||
              header.type == DM_MSG_CAPABILITIES_RESPONSE),
          "the message that waits is not of a handshake");
}

static void check_engine(Coder *c, const DmEngine *e)
{
    check_regions(c, &e->regions);
    check_transaction(c, e);
    check_message(c, e);
    check(c, e->retry_delay >= 1000 && e->retry_delay <= 3600 * 1000,
          "the time between two attempts is out of range");
    check(c, good_hot_add(&e->regions, &e->regions.postponed),
          "the postponed hot-add does not fit the rest");
    check(c, in_sticks(&e->regions, e->discard) +
             in_boot(&e->regions, e->discard) ==
             dm_pageset_count(e->discard),
          "memory is to be discarded that is not there");
    check(c, e->target > 0, "its target is 0");
    check(c, e->stage != STAGE_READY || e->had_caps,
          "a connection has no capabilities");
}

/* Of what is to be discarded the guest must have nothing. */
static void check_discard(Coder *c, const DmEngine *e)
{
    uint64_t at = 0, first, count;

    while (!c->fault &&
           dm_pageset_next(e->discard, at, PAGES_END, &first, &count)) {
        check(c, dm_engine_is_released(e, first, count),
              "memory is to be discarded that the guest has");
        at = first + count;
    }
}

/* ---- in and out ---- */

GByteArray *dm_state_save(const DmEngine *engine, uint64_t now)
{
    Coder c = { .out = g_byte_array_new(), .now = now };

    /* With @out the walk only reads. */
    everything(&c, (DmEngine *)engine);
    g_assert(!c.fault);
    return c.out;
}

/* An engine like @e, with the same memory and nothing known of a guest. */
static DmEngine *empty_twin(const DmEngine *e)
{
    const DmRegions *r = &e->regions;
    DmEngine *twin = dm_engine_new((const DmRange *)r->boot->data,
                                   r->boot->len, r->boot_pages, e->profile,
                                   &e->ops, e->opaque);
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        const DmStick *s = &g_array_index(r->sticks, DmStick, i);

        dm_regions_plug(&twin->regions, s->id, s->range, s->on_demand, NULL);
    }
    return twin;
}

bool dm_state_load(DmEngine *engine, const void *data, size_t len,
                   uint64_t now, GError **error)
{
    Coder c = { .in = data, .left = len, .now = now };
    DmEngine *twin = empty_twin(engine);

    everything(&c, twin);
    if (!c.fault) {
        check_engine(&c, twin);
        check_discard(&c, twin);
    }
    if (c.fault) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "the saved state of the memory balloon is refused: %s",
                    c.fault);
    } else {
        DmEngine old = *engine;

        *engine = *twin;
        *twin = old;
    }
    dm_engine_free(twin);
    return !c.fault;
}
