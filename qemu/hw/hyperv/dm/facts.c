/*
 * Dynamic Memory engine: the facts that it reports
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "facts.h"

G_DEFINE_QUARK(dm-error-quark, dm_error)

const char *dm_guest_name(DmGuest guest)
{
    static const char *const names[] = {
        [DM_GUEST_NONE] = "none",
        [DM_GUEST_LINUX] = "linux",
        [DM_GUEST_WINDOWS] = "windows",
        [DM_GUEST_OTHER] = "other",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == DM_GUEST__MAX);
    return names[guest];
}

const char *dm_stick_state_name(DmStickState state)
{
    static const char *const names[] = {
        [DM_STICK_IDLE] = "idle",
        [DM_STICK_INUSE] = "inuse",
        [DM_STICK_UNUSED] = "unused",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == DM_STICK__MAX);
    return names[state];
}

const char *dm_state_name(DmState state)
{
    static const char *const names[] = {
        [DM_STATE_DISCONNECTED] = "disconnected",
        [DM_STATE_HANDSHAKE] = "handshake",
        [DM_STATE_WAITING] = "waiting",
        [DM_STATE_IDLE] = "idle",
        [DM_STATE_BALLOONING] = "ballooning",
        [DM_STATE_RETURNING] = "returning",
        [DM_STATE_ADDING] = "adding",
        [DM_STATE_REFUSED] = "refused",
        [DM_STATE_FLOOR] = "floor",
        [DM_STATE_NOT_ONLINED] = "not-onlined",
        [DM_STATE_LATE] = "late",
        [DM_STATE_NEW_KERNEL] = "new-kernel",
        [DM_STATE_FROZEN] = "frozen",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == DM_STATE__MAX);
    return names[state];
}
