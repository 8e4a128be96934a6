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
    DM_STICK_UNUSED,            /* all released, or the system was reset */
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

#endif
