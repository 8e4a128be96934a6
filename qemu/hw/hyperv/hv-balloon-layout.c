/*
 * Hyper-V Dynamic Memory (hv-balloon): the layout of the guest's memory
 *
 * It is the first section of the stream, so that a destination which has another
 * one refuses while the source can still go on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hv-balloon-layout.h"
#include "qemu/error-report.h"
#include "qemu/units.h"

#define MAX_STICKS 65536

static HvBalloonStickLayout builtin_layout(const HvBalloon *balloon)
{
    MemoryRegion *mr = host_memory_backend_get_memory(balloon->memdev);

    return (HvBalloonStickLayout) {
        .addr = balloon->addr,
        .size = memory_region_size(mr),
        .on_demand = true,
    };
}

static HvBalloonStickLayout stick_layout(const MemHaprot *stick)
{
    return (HvBalloonStickLayout) {
        .addr = stick->addr,
        .size = haprot_size(stick),
        .on_demand = stick->insert == HAPROT_INSERT_ON_DEMAND,
    };
}

static gint compare_sticks(gconstpointer a, gconstpointer b)
{
    const HvBalloonStickLayout *x = a, *y = b;

    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

void hv_balloon_layout_clear(HvBalloonLayout *layout)
{
    g_clear_pointer(&layout->sticks, g_free);
    *layout = (HvBalloonLayout) { 0 };
}

static void layout_of_sticks(const HvBalloon *balloon, HvBalloonLayout *layout)
{
    unsigned n = g_hash_table_size(balloon->sticks);
    GHashTableIter iter;
    gpointer stick;

    layout->sticks = g_new(HvBalloonStickLayout, n + 1);
    if (balloon->memdev) {
        layout->sticks[layout->n_sticks++] = builtin_layout(balloon);
    }
    g_hash_table_iter_init(&iter, balloon->sticks);
    while (g_hash_table_iter_next(&iter, NULL, &stick)) {
        layout->sticks[layout->n_sticks++] = stick_layout(stick);
    }
    qsort(layout->sticks, layout->n_sticks, sizeof(HvBalloonStickLayout),
          compare_sticks);
}

void hv_balloon_layout_now(const HvBalloon *balloon, HvBalloonLayout *layout)
{
    DmRange windows[HV_BALLOON_WINDOWS] = { };
    DmEngineInfo e;

    hv_balloon_layout_clear(layout);
    dm_engine_query(balloon->engine, &e);
    layout->profile = balloon->profile;
    layout->boot = hv_balloon_bytes(e.boot);
    hv_balloon_boot_windows(windows);
    for (int i = 0; i < HV_BALLOON_WINDOWS; i++) {
        layout->windows[2 * i] = windows[i].first;
        layout->windows[2 * i + 1] = windows[i].count;
    }
    layout_of_sticks(balloon, layout);
}

static char *sticks_text(const HvBalloonLayout *layout)
{
    GString *text = g_string_new(NULL);

    for (int i = 0; i < layout->n_sticks; i++) {
        const HvBalloonStickLayout *stick = &layout->sticks[i];

        g_string_append_printf(text, "%s0x%" PRIx64 " bytes at 0x%" PRIx64
                               " (%s)", i ? ", " : "", stick->size,
                               stick->addr,
                               HaprotInsert_str(stick->on_demand ?
                                                HAPROT_INSERT_ON_DEMAND :
                                                HAPROT_INSERT_NOW));
    }
    return g_string_free(g_string_append(text, layout->n_sticks ? "" : "none"),
                         FALSE);
}

static bool same_sticks(const HvBalloonLayout *a, const HvBalloonLayout *b)
{
    bool same = a->n_sticks == b->n_sticks;

    for (int i = 0; same && i < a->n_sticks; i++) {
        same = a->sticks[i].addr == b->sticks[i].addr &&
               a->sticks[i].size == b->sticks[i].size &&
               a->sticks[i].on_demand == b->sticks[i].on_demand;
    }
    return same;
}

bool hv_balloon_layouts_match(const HvBalloonLayout *theirs,
                              const HvBalloonLayout *ours)
{
    g_autofree char *there = sticks_text(theirs);
    g_autofree char *here = sticks_text(ours);

    if (theirs->boot != ours->boot ||
        memcmp(theirs->windows, ours->windows, sizeof(ours->windows))) {
        error_report(TYPE_HV_BALLOON ": boot memory is %" PRIu64 " MiB there"
                     " and %" PRIu64 " MiB here, or lies elsewhere: use the"
                     " same -m and machine type", theirs->boot / MiB,
                     ours->boot / MiB);
        return false;
    }
    if (theirs->profile != ours->profile) {
        error_report(TYPE_HV_BALLOON ": 'guest-profile' is %s there and %s"
                     " here: use the same",
                     HvBalloonProfile_str(theirs->profile),
                     HvBalloonProfile_str(ours->profile));
        return false;
    }
    if (!same_sticks(theirs, ours)) {
        error_report(TYPE_HV_BALLOON ": the sticks (" TYPE_MEM_HAPROT ", and"
                     " memdev=) differ. There: %s. Here: %s. Start this QEMU"
                     " with those that query-haprot shows there, with addr=",
                     there, here);
        return false;
    }
    return true;
}

static bool profile_valid(void *opaque, int version_id)
{
    return ((HvBalloonLayout *)opaque)->profile < HV_BALLOON_PROFILE__MAX;
}

/* Before as many are allocated. */
static bool n_sticks_valid(void *opaque, int version_id)
{
    HvBalloonLayout *layout = opaque;

    return layout->n_sticks >= 0 && layout->n_sticks <= MAX_STICKS;
}

static const VMStateDescription vmstate_stick_layout = {
    .name = "hv-balloon/layout/stick",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(addr, HvBalloonStickLayout),
        VMSTATE_UINT64(size, HvBalloonStickLayout),
        VMSTATE_BOOL(on_demand, HvBalloonStickLayout),
        VMSTATE_END_OF_LIST()
    }
};

const VMStateDescription vmstate_hv_balloon_layout = {
    .name = "hv-balloon/layout/fields",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8(profile, HvBalloonLayout),
        VMSTATE_VALIDATE("guest-profile", profile_valid),
        VMSTATE_UINT64(boot, HvBalloonLayout),
        VMSTATE_UINT64_ARRAY(windows, HvBalloonLayout, 2 * HV_BALLOON_WINDOWS),
        VMSTATE_INT32(n_sticks, HvBalloonLayout),
        VMSTATE_VALIDATE("number of sticks", n_sticks_valid),
        VMSTATE_STRUCT_VARRAY_ALLOC(sticks, HvBalloonLayout, n_sticks, 1,
                                    vmstate_stick_layout, HvBalloonStickLayout),
        VMSTATE_END_OF_LIST()
    }
};
