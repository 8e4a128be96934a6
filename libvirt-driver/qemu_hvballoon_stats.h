/*
 * qemu_hvballoon_stats.h: the hyperv memory balloon in domain statistics
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_domain.h"
#include "qemu_hvballoon_monitor.h"
#include "virtypedparam.h"

/* Fields of virConnectGetAllDomainStats. Sizes are in KiB; they and numbers are
 * unsigned long long. */
#define QEMU_HVBALLOON_STATS "balloon.hyperv."
#define QEMU_HVBALLOON_STATS_REQUESTED QEMU_HVBALLOON_STATS "requested"  /* by setmem */
#define QEMU_HVBALLOON_STATS_BOOT QEMU_HVBALLOON_STATS "boot"            /* there at start */
#define QEMU_HVBALLOON_STATS_CAPACITY QEMU_HVBALLOON_STATS "capacity"    /* boot and sticks */
#define QEMU_HVBALLOON_STATS_RELEASED QEMU_HVBALLOON_STATS "released"    /* of it, given back */
#define QEMU_HVBALLOON_STATS_GHOSTS QEMU_HVBALLOON_STATS "ghosts"        /* of sticks that are gone */
#define QEMU_HVBALLOON_STATS_ALIGNMENT QEMU_HVBALLOON_STATS "alignment"  /* 0: not known */
#define QEMU_HVBALLOON_STATS_FREE_SLOTS QEMU_HVBALLOON_STATS "free-slots" /* for sticks, absent: no limit */
#define QEMU_HVBALLOON_STATS_CONNECTED QEMU_HVBALLOON_STATS "connected"  /* boolean */
#define QEMU_HVBALLOON_STATS_STATE QEMU_HVBALLOON_STATS "state"          /* string, as in query-hv-balloon */
#define QEMU_HVBALLOON_STATS_LAST_ERROR QEMU_HVBALLOON_STATS "last-error" /* string, absent: none */
#define QEMU_HVBALLOON_STATS_COMMITTED QEMU_HVBALLOON_STATS "committed"  /* as the guest reports it, */
#define QEMU_HVBALLOON_STATS_AVAILABLE QEMU_HVBALLOON_STATS "available"  /* and this; absent: no report yet */
#define QEMU_HVBALLOON_STATS_STICK_COUNT QEMU_HVBALLOON_STATS "stick.count"

/* What setmem is planned with: this and the names of qemuHvBalloonPlanNumber(),
 * absent: no limit. */
#define QEMU_HVBALLOON_STATS_PLAN QEMU_HVBALLOON_STATS "plan."
#define QEMU_HVBALLOON_STATS_PLAN_COSTLY QEMU_HVBALLOON_STATS_PLAN "costly" /* boolean */

/* QEMU_HVBALLOON_STATS_STICK_PREFIX, a number from 0, then one of these. */
#define QEMU_HVBALLOON_STATS_STICK_PREFIX QEMU_HVBALLOON_STATS "stick."
#define QEMU_HVBALLOON_STATS_STICK_ALIAS ".alias"           /* string, absent: none */
#define QEMU_HVBALLOON_STATS_STICK_ADDR ".addr"             /* guest address in bytes */
#define QEMU_HVBALLOON_STATS_STICK_SIZE ".size"
#define QEMU_HVBALLOON_STATS_STICK_STATE ".state"           /* idle, inuse or unused */
#define QEMU_HVBALLOON_STATS_STICK_ADDED ".added"           /* given to the guest */
#define QEMU_HVBALLOON_STATS_STICK_RELEASED ".released"     /* of that, given back */
#define QEMU_HVBALLOON_STATS_STICK_OWNER ".owner"           /* driver or user */
#define QEMU_HVBALLOON_STATS_OWNER_DRIVER "driver"
#define QEMU_HVBALLOON_STATS_OWNER_USER "user"

/* Asks QEMU, for numbers that belong to one moment; @current becomes what the
 * guest has then, in KiB. NULL, and @current stays as it is, for another balloon,
 * without @live (the caller has a job that allows monitor commands), and if QEMU
 * does not answer as it should. Reports no error. */
qemuMonitorHvBalloonInfo *
qemuHvBalloonQueryStats(virDomainObj *vm,
                        bool live,
                        unsigned long long *current);

/* Adds these fields of a domain that has such a balloon; nothing for any
 * other. Without @info, only what the definition tells. */
void
qemuHvBalloonAddStats(virDomainObj *vm,
                      const qemuMonitorHvBalloonInfo *info,
                      virTypedParamList *params);
