/*
 * Dynamic Memory engine: its state as plain data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "state.h"

#include "engine-int.h"
#include "state-int.h"
#include "state-stream.h"

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
#define MAX_PAGES (UINT64_MAX >> DM_PAGE_SHIFT)

/* ---- the walk ---- */

#define NUMBER(s, what, lvalue, max) \
    ((lvalue) = dm_stream_number((s), (what), (lvalue), (max)))
#define FLAG(s, what, lvalue) NUMBER(s, what, lvalue, 1)

static void range(DmStream *s, const char *what, DmRange *r)
{
    NUMBER(s, what, r->first, DM_MAX_PFN);
    NUMBER(s, what, r->count, DM_MAX_RANGE_PAGES);
}

static void layout(DmStream *s, DmEngine *e)
{
    DmRegions *r = &e->regions;
    unsigned i;

    dm_stream_same(s, "profile", e->profile);
    dm_stream_same(s, "boot memory", r->boot_pages);
    dm_stream_same(s, "number of ranges of boot memory", r->boot->len);
    for (i = 0; i < r->boot->len; i++) {
        DmRange boot = g_array_index(r->boot, DmRange, i);

        dm_stream_same(s, "start of boot memory", boot.first);
        dm_stream_same(s, "size of boot memory", boot.count);
    }
    dm_stream_same(s, "number of sticks", r->sticks->len);
    for (i = 0; i < r->sticks->len; i++) {
        DmStick *stick = &g_array_index(r->sticks, DmStick, i);

        dm_stream_same(s, "start of a stick", stick->range.first);
        dm_stream_same(s, "size of a stick", stick->range.count);
        dm_stream_same(s, "insert of a stick", stick->on_demand);
        FLAG(s, "use of a stick", stick->used);
        NUMBER(s, "state of a stick", stick->state, DM_STICK_UNUSED);
    }
}

static void hot_add(DmStream *s, const char *what, DmHotAdd *add)
{
    range(s, what, &add->range);
    range(s, what, &add->region);
    NUMBER(s, what, add->end, DM_MAX_PFN + 1);
}

static void postponed(DmStream *s, DmRegions *r)
{
    unsigned i;

    NUMBER(s, "number of postponed hot-adds", r->n_postponed,
           DM_MAX_POSTPONED);
    for (i = 0; i < r->n_postponed; i++) {
        hot_add(s, "postponed", &r->postponed[i]);
    }
}

static void accounting(DmStream *s, DmRegions *r)
{
    dm_stream_set(s, "added", r->added);
    dm_stream_set(s, "released", r->released);
    dm_stream_set(s, "in doubt", r->in_doubt);
    dm_stream_set(s, "offline", r->offline);
    dm_stream_set(s, "ghosts", r->ghosts);
    dm_stream_set(s, "unusable", r->unusable);
    postponed(s, r);
}

static void session(DmStream *s, DmEngine *e)
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
    dm_stream_moment(s, "quiet time", &e->quiet_until);
}

static void transaction(DmStream *s, Txn *txn)
{
    unsigned i;

    NUMBER(s, "request", txn->kind, DM_REQUEST__MAX - 1);
    if (txn->kind == DM_REQUEST_NONE) {
        return;
    }
    FLAG(s, "request sent", txn->sent);
    FLAG(s, "request late", txn->late);
    dm_stream_moment_past(s, "start of the request", &txn->started);
    dm_stream_moment(s, "deadline", &txn->deadline);
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

static void status(DmStream *s, DmStatus *status)
{
    NUMBER(s, "available", status->available, UINT64_MAX);
    NUMBER(s, "committed", status->committed, UINT64_MAX);
    NUMBER(s, "page file", status->page_file_size, UINT64_MAX);
    NUMBER(s, "zero and free", status->zero_free, UINT64_MAX);
    NUMBER(s, "page file writes", status->page_file_writes, UINT32_MAX);
    NUMBER(s, "input and output", status->io_diff, UINT32_MAX);
}

/* That of a late request is not saved: it follows from the request. */
static void problem(DmStream *s, DmProblem *problem)
{
    NUMBER(s, "problem", problem->code, DM_PROBLEM_NOT_SENT - 1);
    NUMBER(s, "page of the problem", problem->page, DM_MAX_PFN);
    NUMBER(s, "pages of the problem", problem->pages, UINT64_MAX);
    NUMBER(s, "whole of the problem", problem->of, UINT64_MAX);
}

static void intent(DmStream *s, DmEngine *e)
{
    NUMBER(s, "target", e->target, MAX_PAGES);
    NUMBER(s, "obstacle", e->obstacle, DM_STATE__MAX - 1);
    e->regions.new_kernel = e->obstacle == DM_STATE_NEW_KERNEL;
    problem(s, &e->problem);
    dm_stream_moment_or_never(s, "next try", &e->retry_at);
    NUMBER(s, "delay of tries", e->retry_delay, DM_STREAM_MAX_MS);
    FLAG(s, "probed", e->probed);
    FLAG(s, "elsewhere", e->elsewhere);
    FLAG(s, "answered", e->answered);
    NUMBER(s, "relief", e->relief, RELIEF_PAGES);
    status(s, &e->status);
    FLAG(s, "waiting", e->waiting);
    FLAG(s, "settled", e->settled);
    NUMBER(s, "size reported", e->reported, MAX_PAGES);
}

static void counters(DmStream *s, DmCounters *c)
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
static void pending(DmStream *s, DmEngine *e)
{
    DmHeader header = { 0 };
    Pending kind = pending_kind(e, &header);
    bool accepted = kind != PENDING_NONE && e->out[8];
    const char *why;

    NUMBER(s, "message that waits", kind, PENDING_REQUEST);
    NUMBER(s, "number it answers", header.trans_id, UINT32_MAX);
    FLAG(s, "its answer", accepted);
    if (!dm_stream_reading(s) || s->fault) {
        return;
    }
    why = dm_state_fault(e);
    if (why) {
        dm_stream_fail(s, "%s", why);
    } else if ((kind == PENDING_REQUEST) != request_waits(e)) {
        dm_stream_fail(s, "the message that waits is not that of the request");
    } else if (kind != PENDING_NONE && e->stage == STAGE_CLOSED) {
        dm_stream_fail(s, "a message waits for a guest that is not "
                       "connected");
    } else {
        e->out_len = put_pending(e, kind, header.trans_id, accepted);
    }
}

static void walk(DmStream *s, DmEngine *e)
{
    layout(s, e);
    accounting(s, &e->regions);
    dm_stream_set(s, "to discard", e->discard);
    session(s, e);
    transaction(s, &e->txn);
    intent(s, e);
    counters(s, &e->counters);
    pending(s, e);
}

/* ---- in and out ---- */

GByteArray *dm_state_export(const DmEngine *engine, uint64_t now)
{
    DmStream s = { .out = g_byte_array_new(), .now = now, .version = VERSION,
                   .most = dm_state_max(engine) };

    dm_stream_put(&s, MAGIC);
    dm_stream_put(&s, VERSION);
    /* Writing does not change it. */
    walk(&s, (DmEngine *)engine);
    if (s.fault) {
        g_clear_pointer(&s.out, g_byte_array_unref);
        g_free(s.fault);
    }
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

static void read_all(DmStream *s, DmEngine *e)
{
    if (dm_stream_get(s, "mark") != MAGIC) {
        dm_stream_fail(s, "it is not the state of an engine");
        return;
    }
    s->version = dm_stream_get(s, "version");
    if (!s->version || s->version > VERSION) {
        dm_stream_fail(s, "it is of version %" G_GUINT64_FORMAT
                       ", and versions up to %d can be read", s->version,
                       VERSION);
        return;
    }
    walk(s, e);
    if (s->at != s->len) {
        dm_stream_fail(s, "%zu bytes follow its end", s->len - s->at);
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
 * there is no memory any more: three numbers for 256 MiB in one piece. A
 * field of QEMU's stream has at most INT32_MAX bytes, which a machine of 29 TiB
 * can reach.
 */
size_t dm_state_max(const DmEngine *engine)
{
    uint64_t pages = dm_regions_capacity(&engine->regions);

    return MIN(2 * (pages / 8) + pages / 64 + 64 * 1024 * 1024,
               PAGESET_WRITTEN_MAX);
}

bool dm_state_import(DmEngine *engine, const void *data, size_t len,
                     uint64_t now, GError **error)
{
    DmStream s = { .in = data, .len = len, .now = now };
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
        dm_engine_excuse(read);
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
