/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemu_hvballoon_range.h: free address ranges between sticks
 *
 * Knows neither libvirt nor QEMU: C11 and GLib only. All addresses and sizes
 * are in bytes.
 */

#pragma once

#include <glib.h>

typedef struct _qemuHvBalloonRange qemuHvBalloonRange;
struct _qemuHvBalloonRange {
    guint64 start;
    guint64 size;
};

/* The largest multiple of @granule that is free in @space beside the @ntaken
 * ranges @taken, from an address that is a multiple of @granule too; 0 if there
 * is none. @taken is sorted by address; what of it lies outside of @space does
 * no harm. */
guint64
qemuHvBalloonLargestFree(const qemuHvBalloonRange *space,
                         const qemuHvBalloonRange *taken,
                         size_t ntaken,
                         guint64 granule);
