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

const char *dm_request_name(DmRequest request)
{
    static const char *const names[] = {
        [DM_REQUEST_NONE] = "none",
        [DM_REQUEST_BALLOON] = "balloon",
        [DM_REQUEST_RETURN] = "return",
        [DM_REQUEST_HOT_ADD] = "hot-add",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == DM_REQUEST__MAX);
    return names[request];
}

const char *dm_problem_name(DmProblemCode code)
{
    static const char *const names[] = {
        [DM_PROBLEM_NONE] = "none",
        [DM_PROBLEM_NO_BALLOON] = "no-balloon",
        [DM_PROBLEM_NO_HOT_ADD] = "no-hot-add",
        [DM_PROBLEM_CAPABILITIES] = "capabilities",
        [DM_PROBLEM_NEW_KERNEL] = "new-kernel",
        [DM_PROBLEM_ACCOUNTING] = "accounting",
        [DM_PROBLEM_CAPACITY] = "capacity",
        [DM_PROBLEM_ALIGNMENT] = "alignment",
        [DM_PROBLEM_IN_DOUBT] = "in-doubt",
        [DM_PROBLEM_POPULATE] = "populate",
        [DM_PROBLEM_HELD] = "held",
        [DM_PROBLEM_FLOOR] = "floor",
        [DM_PROBLEM_RAN_DRY] = "ran-dry",
        [DM_PROBLEM_REFUSED] = "refused",
        [DM_PROBLEM_REFUSED_FOR_GOOD] = "refused-for-good",
        [DM_PROBLEM_NOT_ONLINED] = "not-onlined",
        [DM_PROBLEM_NOT_SENT] = "not-sent",
        [DM_PROBLEM_NO_REPLY] = "no-reply",
        [DM_PROBLEM_NEVER_REPLIED] = "never-replied",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == DM_PROBLEM__MAX);
    return names[code];
}

const char *dm_warning_name(DmWarning warning)
{
    static const char *const names[] = {
        [DM_WARNING_HEADER] = "header",
        [DM_WARNING_TYPE] = "type",
        [DM_WARNING_VERSION] = "version",
        [DM_WARNING_CAPABILITIES] = "capabilities",
        [DM_WARNING_UNREQUESTED] = "unrequested",
        [DM_WARNING_BALLOON_SIZE] = "balloon-size",
        [DM_WARNING_BALLOON_SURPLUS] = "balloon-surplus",
        [DM_WARNING_BALLOON_PAGES] = "balloon-pages",
        [DM_WARNING_BALLOON_IDLE] = "balloon-idle",
        [DM_WARNING_HOT_ADD_SIZE] = "hot-add-size",
        [DM_WARNING_HOT_ADD_SURPLUS] = "hot-add-surplus",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == DM_WARNING__MAX);
    return names[warning];
}
