/*
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_hvballoon_plan.h: what to do so that a guest gets the memory
 *                        requested for it
 *
 * The planner looks at what a machine has and at what is requested and answers
 * with a few steps, or with a refusal. It does nothing itself and knows
 * neither libvirt nor QEMU: C11 and GLib only. The driver carries the steps
 * out; whoever links this file can say beforehand what it would do.
 *
 *     qemuHvBalloonPlanInput in = { .boot = …, .maxMemory = …, .sticks = …, … };
 *     qemuHvBalloonRefusal refusal;
 *     g_autoptr(qemuHvBalloonPlan) plan = qemuHvBalloonPlanSetTarget(&in, target, &refusal);
 *
 *     if (!plan)
 *         report(&refusal, &in);
 *
 * It says why by facts, an enum and the numbers it follows from. Words are made
 * of them by those who talk to people: the driver (qemu_hvballoon_text.c) and
 * virsh-hvmem (hvmem-plan-text.c).
 *
 * What may be relied on, whatever the input (tests/unit/plan-test.c):
 * - at most one stick is plugged per request, and never beyond maxMemory;
 * - no target is below the minimum, as far as there is memory for it;
 * - a stick goes only if it is the driver's, the guest uses none of it, and
 *   the target and keepTotal are met without it;
 * - repeating a request, or reconciling, changes nothing more at rest;
 * - unless the backing is costly, the sticks that requests for a target plug
 *   are at least an eighth of what there was before each: their number grows
 *   with the logarithm of the size. Where memory slots are too few for that,
 *   they are as much larger as it takes: while a slot is free, maxMemory can
 *   be reached.
 *
 * All sizes are in KiB.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/* Every stick is a multiple of this: the device cannot use less. */
#define QEMU_HVBALLOON_STICK_GRANULE 2048ULL

/* What hot-added memory must be a multiple of as long as the guest has not said
 * otherwise: Linux's memory block, 128 MiB. */
#define QEMU_HVBALLOON_GUEST_ALIGNMENT 131072ULL

/* The device counts in pages of this size. */
#define QEMU_HVBALLOON_PAGE 4ULL

/* A limit that is not known. */
#define QEMU_HVBALLOON_UNLIMITED G_MAXUINT64

/* The driver's own sticks have this name and a number. */
#define QEMU_HVBALLOON_DRIVER_ALIAS "ua-haprot"

/* Is @alias, which may be NULL, @prefix and a number? */
bool qemuHvBalloonIsNumbered(const char *alias, const char *prefix);

/* Is @alias, which may be NULL, a name of one of the driver's own sticks? */
bool qemuHvBalloonIsDriverAlias(const char *alias);

typedef enum {
    QEMU_HVBALLOON_STICK_IDLE,      /* the guest never got any of it */
    QEMU_HVBALLOON_STICK_INUSE,     /* the guest has, or may have, some of it */
    QEMU_HVBALLOON_STICK_UNUSED,    /* the guest gave all of it back */
} qemuHvBalloonStickState;

typedef struct _qemuHvBalloonPlanStick qemuHvBalloonPlanStick;
struct _qemuHvBalloonPlanStick {
    const char *alias;
    guint64 size;
    qemuHvBalloonStickState state;
    bool byDriver;                  /* else it is the user's: never removed */
};

typedef struct _qemuHvBalloonPlanInput qemuHvBalloonPlanInput;
struct _qemuHvBalloonPlanInput {
    /* qemuHvBalloonPlanNumber() knows all of these */
    guint64 boot;                   /* memory the guest booted with */
    guint64 maxMemory;              /* ceiling; 0: none, no stick can be added */
    guint64 minimum;                /* no target below this; 0: none */
    guint64 keepTotal;              /* unplug nothing below this total */
    guint64 deviceTarget;           /* what the device was last told; 0: unknown */
    guint64 granule;                /* of a new stick: backing's page, >= 2 MiB */
    guint64 alignment;              /* of what the guest can be given */
    guint64 freeSlots;              /* sticks that can still be plugged, or
                                       QEMU_HVBALLOON_UNLIMITED */
    guint64 freeSpace;              /* largest free address range, or
                                       QEMU_HVBALLOON_UNLIMITED */

    bool costly;                    /* backing takes host memory at once: plug
                                       no more than what is missing */
    const qemuHvBalloonPlanStick *sticks;
    size_t nsticks;
};

/* Number @i of @in, from 0, and its @name ("max-memory", …), for those who pass
 * an input on by name; NULL if there are no more. */
guint64 *qemuHvBalloonPlanNumber(qemuHvBalloonPlanInput *in,
                                 size_t i,
                                 const char **name);

typedef enum {
    QEMU_HVBALLOON_STEP_PLUG,       /* one more on-demand stick of @size */
    QEMU_HVBALLOON_STEP_BALLOON,    /* tell the device that the target is @size */
    QEMU_HVBALLOON_STEP_UNPLUG,     /* remove the stick @alias of @size */

    QEMU_HVBALLOON_STEP_LAST
} qemuHvBalloonStepType;

/* "plug", "balloon" or "unplug"; NULL for anything else. */
const char *qemuHvBalloonStepTypeToString(qemuHvBalloonStepType type);

/* Why there is a step. */
typedef enum {
    QEMU_HVBALLOON_REASON_TARGET,   /* PLUG: @missing to have @requested */
    QEMU_HVBALLOON_REASON_ALIGNMENT, /* PLUG: the same, and there is enough, but
                                       not in units of the guest's alignment */
    QEMU_HVBALLOON_REASON_TOTAL,    /* PLUG: @missing to a total of @requested */
    QEMU_HVBALLOON_REASON_REQUESTED, /* BALLOON: @requested now */
    QEMU_HVBALLOON_REASON_RESENT,   /* BALLOON: @requested before, and not what
                                       the device was told last */
    QEMU_HVBALLOON_REASON_UNUSED,   /* UNPLUG: the guest uses none of it, nor is
                                       it needed to have @requested */
} qemuHvBalloonReasonType;

/* Why a stick is not of the usual size. */
typedef enum {
    QEMU_HVBALLOON_SIZE_USUAL,
    QEMU_HVBALLOON_SIZE_COSTLY,     /* smaller: it takes host memory at once */
    QEMU_HVBALLOON_SIZE_FEW_SLOTS,  /* larger: @freeSlots are left to reach
                                       @maxMemory */
} qemuHvBalloonSizeReason;

typedef struct _qemuHvBalloonReason qemuHvBalloonReason;
struct _qemuHvBalloonReason {
    qemuHvBalloonReasonType type;
    guint64 requested;              /* target, or total (REASON_TOTAL) */
    guint64 missing;                /* of a PLUG */
    guint64 total;                  /* boot memory and sticks: before a PLUG, with
                                       a BALLOON, after an UNPLUG */
    qemuHvBalloonSizeReason size;   /* of a PLUG; the next two belong to it */
    guint64 freeSlots;
    guint64 maxMemory;
};

typedef struct _qemuHvBalloonStep qemuHvBalloonStep;
struct _qemuHvBalloonStep {
    qemuHvBalloonStepType type;
    guint64 size;                   /* of a BALLOON: below reason.requested if
                                       there is no more */
    guint64 least;                  /* of a PLUG: what would do if need be */
    char *alias;                    /* of the stick to UNPLUG, else NULL */
    qemuHvBalloonReason reason;
};

/* Why there is no plan. */
typedef enum {
    QEMU_HVBALLOON_REFUSAL_NONE,

    /* @requested is a target */
    QEMU_HVBALLOON_REFUSAL_TARGET_ZERO, /* at least @limit */
    QEMU_HVBALLOON_REFUSAL_TARGET_BELOW_MINIMUM, /* @limit */
    QEMU_HVBALLOON_REFUSAL_TARGET_NO_MAXMEMORY, /* and above the total, @limit */
    QEMU_HVBALLOON_REFUSAL_TARGET_ABOVE_MAXMEMORY, /* @limit */

    /* @requested is a total */
    QEMU_HVBALLOON_REFUSAL_TOTAL_BELOW_BOOT, /* @limit */
    QEMU_HVBALLOON_REFUSAL_TOTAL_ABOVE_MAXMEMORY, /* @limit */

    /* either, and needs a stick of @stick */
    QEMU_HVBALLOON_REFUSAL_NO_SLOT,
    QEMU_HVBALLOON_REFUSAL_NO_SPACE, /* the largest free range is @limit */

    /* the machine is not running: a target, and a total */
    QEMU_HVBALLOON_REFUSAL_CONFIG_NO_ROOM, /* needs @stick, maxMemory @limit leaves
                                       @left: @most can be requested */
    QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_ZERO,
    QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_BELOW_MINIMUM, /* @limit */
    QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_ABOVE_MAXMEMORY, /* @limit */
    QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_NO_BOOT, /* the input's sticks leave
                                       nothing to boot with */
} qemuHvBalloonRefusalType;

typedef struct _qemuHvBalloonRefusal qemuHvBalloonRefusal;
struct _qemuHvBalloonRefusal {
    qemuHvBalloonRefusalType type;
    guint64 requested;
    guint64 limit;
    guint64 stick;
    guint64 left;
    guint64 most;
};

/* Steps in the order in which they have to be done: at most one PLUG, then at
 * most one BALLOON, then any UNPLUGs. */
typedef struct _qemuHvBalloonPlan qemuHvBalloonPlan;
struct _qemuHvBalloonPlan {
    qemuHvBalloonStep *steps;
    size_t nsteps;
};

void qemuHvBalloonPlanFree(qemuHvBalloonPlan *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuHvBalloonPlan, qemuHvBalloonPlanFree);

/* Boot memory and all sticks. */
guint64 qemuHvBalloonPlanTotal(const qemuHvBalloonPlanInput *in);

/* The most that the guest can have of it: sticks count in whole units of the
 * guest's alignment. */
guint64 qemuHvBalloonPlanReachable(const qemuHvBalloonPlanInput *in);

/* The most that the guest can have after one request: no larger target has a plan
 * that gives it more. @why: what is in the way of having all that the ceiling
 * allows, NO_SLOT or NO_SPACE, or NONE. */
guint64 qemuHvBalloonPlanMost(const qemuHvBalloonPlanInput *in,
                              qemuHvBalloonRefusalType *why);

/* Boot memory and all sticks once @plan is carried out. */
guint64 qemuHvBalloonPlanTotalAfter(const qemuHvBalloonPlanInput *in,
                                    const qemuHvBalloonPlan *plan);

/* What the guest should have once @plan is carried out: the size of its BALLOON,
 * or @requested if it has none. */
guint64 qemuHvBalloonPlanTarget(const qemuHvBalloonPlan *plan,
                                guint64 requested);

/* As the device counts: the least that can be requested is one page. */
guint64 qemuHvBalloonPlanPages(guint64 size);

/* The functions below return NULL, or false, and set @refusal if it cannot be
 * done. */

/* The guest should have @target. */
qemuHvBalloonPlan *
qemuHvBalloonPlanSetTarget(const qemuHvBalloonPlanInput *in,
                           guint64 target,
                           qemuHvBalloonRefusal *refusal);

/* Boot memory and sticks should be @total, without giving more to the guest, for
 * which @target is requested. What is missing is plugged, no more; of what is too
 * much only what the guest does not use goes, so the total may stay above. */
qemuHvBalloonPlan *
qemuHvBalloonPlanSetTotal(const qemuHvBalloonPlanInput *in,
                          guint64 total,
                          guint64 target,
                          qemuHvBalloonRefusal *refusal);

/* Something changed, @target is still what is requested (0: nothing was
 * requested yet): removes what is not needed any more and resends the target, as far
 * as there is memory for it, unless it is what the device was told last: that
 * would only make the device start over. Never refuses, never plugs. */
qemuHvBalloonPlan *
qemuHvBalloonPlanReconcile(const qemuHvBalloonPlanInput *in,
                           guint64 target);

/* The machine is not running and should start with @target, through the driver's
 * sticks, which now have @stick together (0: there are none) and are not among
 * in->sticks. On success @stick is what one of them should have in place of all
 * (0: none is needed). */
bool
qemuHvBalloonPlanConfig(const qemuHvBalloonPlanInput *in,
                        guint64 target,
                        guint64 *stick,
                        qemuHvBalloonRefusal *refusal);

/* The machine is not running and boot memory and sticks should be @total when it
 * starts. @stick as above. The driver's sticks go first: boot memory is what
 * @total leaves beside them when it grows, and is lowered when they are gone.
 * On success @boot is what it should boot with. */
bool
qemuHvBalloonPlanConfigTotal(const qemuHvBalloonPlanInput *in,
                             guint64 total,
                             guint64 *boot,
                             guint64 *stick,
                             qemuHvBalloonRefusal *refusal);
