/*
 * Hyper-V Dynamic Memory (hv-balloon): the layout of the guest's memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_HV_BALLOON_LAYOUT_H
#define HW_HYPERV_HV_BALLOON_LAYOUT_H

#include "hv-balloon-internal.h"
#include "migration/vmstate.h"

typedef struct HvBalloonStickLayout {
    uint64_t addr;              /* bytes */
    uint64_t size;              /* bytes */
    bool on_demand;
} HvBalloonStickLayout;

typedef struct HvBalloonLayout {
    uint8_t profile;            /* HvBalloonProfile */
    uint64_t boot;              /* bytes, with the holes for ROM */
    uint64_t windows[2 * HV_BALLOON_WINDOWS];   /* first page, pages */
    int32_t n_sticks;
    HvBalloonStickLayout *sticks;   /* by address */
} HvBalloonLayout;

/* What a destination has to have like the source. Zeroed before it is used. */
void hv_balloon_layout_now(const HvBalloon *balloon, HvBalloonLayout *layout);
void hv_balloon_layout_clear(HvBalloonLayout *layout);
/* If not, it is reported what differs. */
bool hv_balloon_layouts_match(const HvBalloonLayout *theirs,
                              const HvBalloonLayout *ours);

extern const VMStateDescription vmstate_hv_balloon_layout;

#endif
