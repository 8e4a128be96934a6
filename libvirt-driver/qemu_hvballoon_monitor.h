/*
 * qemu_hvballoon_monitor.h: what QEMU says about the hyperv memory balloon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_hvballoon_plan.h"
#include "qemu_hvballoon_range.h"
#include "qemu_monitor.h"

/* libvirt trusts QEMU: what a reply is made of is not checked beyond what is
 * needed to read it. Numbers that decide what memory a guest gets are, since
 * the guest has a part in them; texts are made fit to be shown.
 *
 * All sizes in KiB, addresses in bytes. */

typedef struct _qemuMonitorHvBalloonStick qemuMonitorHvBalloonStick;
struct _qemuMonitorHvBalloonStick {
    char *id;                   /* NULL: plugged without a name */
    char *memdev;               /* name of the backend object */
    unsigned long long address;
    unsigned long long size;
    unsigned long long added;   /* of @size, ever given to the guest */
    unsigned long long released; /* of @added, what the guest gave back */
    bool onDemand;
    qemuHvBalloonStickState state;
};

void
qemuMonitorHvBalloonStickFree(qemuMonitorHvBalloonStick *stick);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuMonitorHvBalloonStick, qemuMonitorHvBalloonStickFree);

typedef struct _qemuMonitorHvBalloonInfo qemuMonitorHvBalloonInfo;
struct _qemuMonitorHvBalloonInfo {
    bool connected;             /* the guest's driver talks to us */
    unsigned long long alignment; /* of hot-added memory; 0: not known yet */
    unsigned long long target;
    unsigned long long actual;
    unsigned long long capacity; /* boot memory and all sticks */
    unsigned long long released; /* what the guest gave back, of all of it */
    unsigned long long ghosts;  /* what it gave back of sticks that are gone */
    unsigned long long freeSlots; /* sticks that can still be plugged, or
                                     QEMU_HVBALLOON_UNLIMITED */
    qemuHvBalloonRange space;   /* where sticks can lie, in bytes; size 0: QEMU
                                   does not tell */
    GPtrArray *sticks;          /* qemuMonitorHvBalloonStick by address, at the
                                   same moment; NULL: QEMU does not tell them here */
    char *state;                /* one line of text */
    char *lastError;            /* the same, or NULL */
};

void
qemuMonitorHvBalloonInfoFree(qemuMonitorHvBalloonInfo *info);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuMonitorHvBalloonInfo, qemuMonitorHvBalloonInfoFree);

/* As QEMU calls it. */
const char *
qemuMonitorHvBalloonStickStateName(qemuHvBalloonStickState state);

/* @sticks: array of qemuMonitorHvBalloonStick, by address. */
int
qemuMonitorGetHvBalloonSticks(qemuMonitor *mon,
                              GPtrArray **sticks);

int
qemuMonitorGetHvBalloonInfo(qemuMonitor *mon,
                            qemuMonitorHvBalloonInfo **info);

/* The largest stick that finds a place beside @sticks, made of whole @granules,
 * at least QEMU_HVBALLOON_STICK_GRANULE; QEMU_HVBALLOON_UNLIMITED if QEMU does
 * not tell where sticks can lie, and will refuse what does not fit. */
unsigned long long
qemuMonitorHvBalloonFreeSpace(const qemuMonitorHvBalloonInfo *info,
                              const GPtrArray *sticks,
                              unsigned long long granule);

/* @backends: name -> type of each memory backend object. */
int
qemuMonitorGetMemoryBackends(qemuMonitor *mon,
                             GHashTable **backends);

/* What query-memory-devices says of a stick, @data, goes into @info; its name is
 * returned. NULL without an error if it has none or cannot be as it says: what a
 * stick is says query-haprot. */
const char *
qemuMonitorHvBalloonParseDevice(virJSONValue *data,
                                qemuMonitorMemoryDeviceInfo *info);
