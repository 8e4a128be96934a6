/*
 * Dynamic Memory engine: does a state that was read fit together?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "state-int.h"

#include "engine-int.h"

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

/* No page may be discarded that the guest has: neither released nor of a stick
 * and never added. */
static const char *check_discard(const DmEngine *e)
{
    return dm_regions_all_released(&e->regions, e->discard) ? NULL :
           "it discards what the guest has";
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

const char *dm_state_fault(const DmEngine *e)
{
    const char *why = dm_regions_fault(&e->regions);

    why = why ? why : check_session(e);
    why = why ? why : check_obstacle(e);
    why = why ? why : check_discard(e);
    why = why ? why : check_postponed(e);
    why = why ? why : check_transaction(e);
    return why || e->target ? why : "a target of 0";
}
