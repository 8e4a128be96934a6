/*
 * Dynamic Memory engine: the facts that it reports
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C + GLib. Whatever the engine tells its owner is an enum and numbers.
 * The sentences, and the advice in them, are the owner's: it knows who reads
 * them and how the machine was configured. The names here are for traces and
 * tests; those of DmState, DmGuest and DmStickState are stable.
 *
 * Each enum ends in __MAX, so that tables over it are checked when they are
 * compiled. Sizes and addresses are in 4 KiB pages.
 */

#ifndef DM_FACTS_H
#define DM_FACTS_H

#include <glib.h>
#include <stdint.h>

typedef enum DmGuest {
    DM_GUEST_NONE,
    DM_GUEST_LINUX,
    DM_GUEST_WINDOWS,
    DM_GUEST_OTHER,
    DM_GUEST__MAX,
} DmGuest;

typedef enum DmStickState {
    DM_STICK_IDLE,              /* plugged; the guest never had a page of it */
    DM_STICK_INUSE,
    DM_STICK_UNUSED,            /* all released or reset, and discarded */
    DM_STICK__MAX,
} DmStickState;

typedef enum DmState {
    DM_STATE_DISCONNECTED,
    DM_STATE_HANDSHAKE,
    DM_STATE_WAITING,           /* connected; it is too early to ask */
    DM_STATE_IDLE,
    DM_STATE_BALLOONING,
    DM_STATE_RETURNING,
    DM_STATE_ADDING,
    DM_STATE_REFUSED,           /* the guest refused a hot-add */
    DM_STATE_FLOOR,             /* the guest gives no more */
    DM_STATE_NOT_ONLINED,       /* it took memory and does not online it */
    DM_STATE_LATE,              /* a reply is overdue */
    DM_STATE_NEW_KERNEL,        /* kexec: nothing is done before a reset */
    DM_STATE_FROZEN,            /* a reconnect with other capabilities */
    DM_STATE__MAX,
} DmState;

/* What the one outstanding request asks of the guest. */
typedef enum DmRequest {
    DM_REQUEST_NONE,
    DM_REQUEST_BALLOON,         /* release memory */
    DM_REQUEST_RETURN,          /* take released memory back */
    DM_REQUEST_HOT_ADD,         /* add memory */
    DM_REQUEST__MAX,
} DmRequest;

/* Why the target is not met; which fields of DmProblem go with it. */
typedef enum DmProblemCode {
    DM_PROBLEM_NONE,

    /* Nothing can be requested of this guest. */
    DM_PROBLEM_NO_BALLOON,      /* its driver cannot release memory */
    DM_PROBLEM_NO_HOT_ADD,      /* its driver cannot add memory */
    DM_PROBLEM_CAPABILITIES,    /* its driver came back with others */
    DM_PROBLEM_NEW_KERNEL,      /* another kernel, without a reset */
    DM_PROBLEM_ACCOUNTING,      /* it fragments the accounting too much */

    /* There is no memory to give. */
    DM_PROBLEM_CAPACITY,        /* pages that the target is above capacity */
    DM_PROBLEM_ALIGNMENT,       /* pages ungranted; of: alignment */
    DM_PROBLEM_IN_DOUBT,        /* pages in doubt */
    DM_PROBLEM_POPULATE,        /* page: the owner could not populate it */
    DM_PROBLEM_HELD,            /* pages missing: the owner holds growing */

    /* The guest did not do what was requested. */
    DM_PROBLEM_FLOOR,           /* pages it kept; of: pages requested */
    DM_PROBLEM_RAN_DRY,         /* pages available; of: pages it gets back */
    DM_PROBLEM_REFUSED,         /* page: not added there for now */
    DM_PROBLEM_REFUSED_FOR_GOOD,        /* page: never */
    DM_PROBLEM_NOT_ONLINED,     /* pages it took and does not use */

    /* A request takes too long: which, and how many ms it was given. */
    DM_PROBLEM_NOT_SENT,        /* there was no room to send it */
    DM_PROBLEM_NO_REPLY,
    DM_PROBLEM_NEVER_REPLIED,   /* a Linux that never replied to any */
    DM_PROBLEM__MAX,
} DmProblemCode;

typedef struct DmProblem {
    DmProblemCode code;
    DmRequest request;
    uint64_t page;              /* a page number */
    uint64_t pages;
    uint64_t of;                /* pages */
    uint64_t ms;
} DmProblem;

/* What a guest does against the protocol. */
typedef enum DmWarning {
    DM_WARNING_HEADER,          /* header and length do not fit */
    DM_WARNING_TYPE,            /* a type that no guest sends */
    DM_WARNING_VERSION,         /* a version request within a session */
    DM_WARNING_CAPABILITIES,    /* capabilities out of turn */
    DM_WARNING_UNREQUESTED,     /* a reply to no request */
    DM_WARNING_BALLOON_SIZE,    /* a balloon response of a wrong size */
    DM_WARNING_BALLOON_SURPLUS, /* more released than was requested */
    DM_WARNING_BALLOON_PAGES,   /* pages released that it does not have */
    DM_WARNING_BALLOON_IDLE,    /* more announced, again and again, for none */
    DM_WARNING_HOT_ADD_SIZE,    /* a hot-add response of a wrong size */
    DM_WARNING_HOT_ADD_SURPLUS, /* more taken than was offered */
    DM_WARNING__MAX,
} DmWarning;

/*
 * Why a call of the owner was refused: the code of a GError. Its message is
 * for a log or a debugger; only that of DM_ERROR_STATE says more than the code.
 */
#define DM_ERROR dm_error_quark()

typedef enum DmError {
    DM_ERROR_NO_TARGET,         /* a target of no pages */
    DM_ERROR_RANGE,             /* empty, or beyond what the protocol names */
    DM_ERROR_OVERLAP,           /* there is other memory */
    DM_ERROR_IN_USE,            /* the guest has pages of the stick */
    DM_ERROR_IN_FLIGHT,         /* a request for a part of it is out */
    DM_ERROR_NEW_KERNEL,        /* another kernel may have found it */
    DM_ERROR_NOT_FRESH,         /* a guest has connected to this engine */
    DM_ERROR_STATE,             /* a saved state that is not possible */
    DM_ERROR__MAX,
} DmError;

GQuark dm_error_quark(void);

const char *dm_guest_name(DmGuest guest);
const char *dm_stick_state_name(DmStickState state);
const char *dm_state_name(DmState state);
const char *dm_request_name(DmRequest request);
const char *dm_problem_name(DmProblemCode code);
const char *dm_warning_name(DmWarning warning);

#endif
