/*
 * qemu_hvballoon_monitor.h: QMP queries about the hyperv memory balloon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_hvballoon_plan.h"
#include "qemu_hvballoon_range.h"
#include "qemu_monitor.h"

/* libvirt trusts QEMU, so replies are not checked against QMP's schema. Numbers
 * that decide what memory a guest gets are checked, since the guest influences
 * them; texts are made printable.
 *
 * Sizes are in KiB, addresses in bytes. */

typedef struct _qemuMonitorHvBalloonStick qemuMonitorHvBalloonStick;
struct _qemuMonitorHvBalloonStick {
    char *id;                   /* NULL: plugged without a name */
    char *memdev;               /* name of the backend object */
    unsigned long long address;
    unsigned long long size;
    unsigned long long added;   /* of @size, ever given to the guest */
    unsigned long long released; /* of @added, by the guest */
    bool onDemand;
    qemuHvBalloonStickState state;
};

void
qemuMonitorHvBalloonStickFree(qemuMonitorHvBalloonStick *stick);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuMonitorHvBalloonStick, qemuMonitorHvBalloonStickFree);

typedef struct _qemuMonitorHvBalloonInfo qemuMonitorHvBalloonInfo;
struct _qemuMonitorHvBalloonInfo {
    bool connected;             /* the guest's driver is connected */
    unsigned long long alignment; /* of hot-added memory; 0: not known yet */
    unsigned long long target;
    unsigned long long actual;
    unsigned long long capacity; /* boot memory and all sticks */
    unsigned long long released; /* of boot memory and sticks, by the guest */
    unsigned long long ghosts;  /* released, of sticks that were removed */
    unsigned long long freeSlots; /* sticks that can still be plugged, or
                                     QEMU_HVBALLOON_UNLIMITED */
    qemuHvBalloonRange space;   /* where sticks can be, in bytes; size 0: not
                                   reported */
    GPtrArray *sticks;          /* qemuMonitorHvBalloonStick in order of address,
                                   consistent with the sizes above; NULL: not
                                   reported here */
    bool reported;              /* the guest has reported the next two: */
    unsigned long long committed; /* with what it released or did not online */
    unsigned long long available; /* to new programs without swapping */
    char *state;                /* one line of text */
    char *lastError;            /* the same, or NULL */
};

void
qemuMonitorHvBalloonInfoFree(qemuMonitorHvBalloonInfo *info);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuMonitorHvBalloonInfo, qemuMonitorHvBalloonInfoFree);

const char *
qemuMonitorHvBalloonStickStateName(qemuHvBalloonStickState state);

int
qemuMonitorGetHvBalloonSticks(qemuMonitor *mon,
                              GPtrArray **sticks);

int
qemuMonitorGetHvBalloonInfo(qemuMonitor *mon,
                            qemuMonitorHvBalloonInfo **info);

unsigned long long
qemuMonitorHvBalloonFreeSpace(const qemuMonitorHvBalloonInfo *info,
                              const GPtrArray *sticks,
                              unsigned long long granule);

int
qemuMonitorGetMemoryBackends(qemuMonitor *mon,
                             GHashTable **backends);

const char *
qemuMonitorHvBalloonParseDevice(virJSONValue *data,
                                qemuMonitorMemoryDeviceInfo *info);
