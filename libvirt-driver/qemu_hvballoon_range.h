/*
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_hvballoon_range.h: free address ranges between sticks
 *
 * Pure: C11 and GLib, no header of libvirt or QEMU. All addresses and sizes are
 * in bytes.
 */

#pragma once

#include <glib.h>

typedef struct _qemuHvBalloonRange qemuHvBalloonRange;
struct _qemuHvBalloonRange {
    guint64 start;
    guint64 size;
};

guint64
qemuHvBalloonLargestFree(const qemuHvBalloonRange *space,
                         const qemuHvBalloonRange *taken,
                         size_t ntaken,
                         guint64 granule);
