/*
 * Hyper-V Dynamic Memory (hv-balloon): the engine's facts in words
 *
 * What the engine reports as enums and numbers is put into words here, and
 * nowhere else. Nothing here calls the other files of the device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hv-balloon-internal.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/units.h"

uint64_t hv_balloon_bytes(uint64_t pages)
{
    return pages > UINT64_MAX >> DM_PAGE_SHIFT ? UINT64_MAX
                                               : pages << DM_PAGE_SHIFT;
}

void hv_balloon_set_error(Error **errp, DmError code, DmRange range)
{
    switch (code) {
    case DM_ERROR_RANGE:
        error_setg(errp, "a stick of %" PRIu64 " KiB at 0x%" PRIx64
                   " is outside the addresses of the protocol",
                   hv_balloon_bytes(range.count) / KiB, hv_balloon_bytes(range.first));
        break;
    case DM_ERROR_OVERLAP:
        error_setg(errp, "the stick at 0x%" PRIx64 " overlaps other memory",
                   hv_balloon_bytes(range.first));
        break;
    case DM_ERROR_IN_USE:
        error_setg(errp, "the guest uses it: lower the target and wait for"
                   " HV_BALLOON_HAPROT_UNUSED, or restart the guest");
        break;
    case DM_ERROR_IN_FLIGHT:
        error_setg(errp, "the guest is just being given a part of it");
        break;
    case DM_ERROR_NEW_KERNEL:
        error_setg(errp, "another kernel was started without a reset (kexec)"
                   " and may use it: restart the guest first");
        break;
    case DM_ERROR_NO_TARGET:
    case DM_ERROR_NOT_FRESH:
    case DM_ERROR_STATE:
    case DM_ERROR__MAX:
        /* none of them is about a stick */
        g_assert_not_reached();
    }
}

static uint64_t mib(uint64_t pages)
{
    return pages / (MiB / DM_PAGE_SIZE);
}

/* The guest's driver rules the request out. */
static char *driver_problem(DmProblemCode code)
{
    static const char *const texts[] = {
        [DM_PROBLEM_NO_BALLOON] = "the guest's driver cannot release memory",
        [DM_PROBLEM_NO_HOT_ADD] = "the guest's driver cannot add memory",
        [DM_PROBLEM_CAPABILITIES] =
            "the guest's driver came back with other capabilities; a restart"
            " of the guest clears this",
        [DM_PROBLEM_NEW_KERNEL] =
            "another kernel was started without a reset (kexec): memory is"
            " neither added nor returned before the guest is restarted",
        [DM_PROBLEM_ACCOUNTING] =
            "the guest's driver took memory in too many pieces, or"
            " disconnected too often while it was given some: it gets no more"
            " before the guest is restarted",
    };

    return g_strdup(texts[code]);
}

/* There is no memory that could be given. */
static char *memory_problem(const DmProblem *p)
{
    switch (p->code) {
    case DM_PROBLEM_CAPACITY:
        return g_strdup_printf("the target is %" PRIu64 " MiB above what is"
                               " plugged", mib(p->pages));
    case DM_PROBLEM_ALIGNMENT:
        return g_strdup_printf("%" PRIu64 " MiB of the plugged memory cannot"
                               " be given to this guest, which takes it in"
                               " pieces of %" PRIu64 " MiB", mib(p->pages),
                               mib(p->of));
    case DM_PROBLEM_IN_DOUBT:
        return g_strdup_printf("the target cannot be met: it is unknown"
                               " whether the guest has %" PRIu64 " MiB that"
                               " were in flight when its driver"
                               " disconnected; a restart of the guest clears"
                               " this", mib(p->pages));
    case DM_PROBLEM_POPULATE:
        return g_strdup_printf("the host cannot make memory at 0x%" PRIx64
                               " ready for the guest: no huge page is free,"
                               " or an assigned device cannot map it; it will"
                               " be tried again",
                               hv_balloon_bytes(p->page));
    case DM_PROBLEM_HELD:
        return g_strdup_printf("the guest gets %" PRIu64 " MiB more as soon as"
                               " its migration is over: until then its memory"
                               " is still arriving (postcopy), or is saved as"
                               " it was (background snapshot)", mib(p->pages));
    default:
        g_assert_not_reached();
    }
}

/* The guest did not do what was requested. */
static char *guest_problem(const DmProblem *p)
{
    switch (p->code) {
    case DM_PROBLEM_FLOOR:
        return g_strdup_printf("the guest releases no more: it kept %" PRIu64
                               " MiB of %" PRIu64 " MiB requested",
                               mib(p->pages), mib(p->of));
    case DM_PROBLEM_RAN_DRY:
        return g_strdup_printf("the guest has %" PRIu64 " MiB available and"
                               " releases no more: memory that was onlined as"
                               " movable (memhp_default_state=online_movable)"
                               " cannot be released, and its kernel may lack"
                               " other memory; it gets %" PRIu64 " MiB back",
                               mib(p->pages), mib(p->of));
    case DM_PROBLEM_REFUSED:
        return g_strdup_printf("the guest could not add memory at 0x%" PRIx64
                               "; it will be asked again", hv_balloon_bytes(p->page));
    case DM_PROBLEM_REFUSED_FOR_GOOD:
        return g_strdup_printf("the guest refuses memory at 0x%" PRIx64
                               " for good: it is asked again only when the"
                               " target or the plugged memory changes, or it"
                               " is restarted", hv_balloon_bytes(p->page));
    case DM_PROBLEM_NOT_ONLINED:
        return g_strdup_printf("the guest took %" PRIu64 " MiB and seems not"
                               " to online it: start its kernel with"
                               " memhp_default_state=online", mib(p->pages));
    default:
        g_assert_not_reached();
    }
}

/* A request takes too long. */
static char *late_problem(const DmProblem *p)
{
    static const char *const what[] = {
        [DM_REQUEST_NONE] = "do nothing",
        [DM_REQUEST_BALLOON] = "release memory",
        [DM_REQUEST_RETURN] = "take released memory back",
        [DM_REQUEST_HOT_ADD] = "add memory",
    };
    static const char s4[] =
        "; Linux ignores all requests where the machine offers hibernation"
        " (ACPI S4), so turn that off: -global ICH9-LPC.disable_s4=1 (q35) or"
        " PIIX4_PM.disable_s4=1 (pc), in domain XML <suspend-to-disk"
        " enabled='no'/>";

    QEMU_BUILD_BUG_ON(ARRAY_SIZE(what) != DM_REQUEST__MAX);
    return g_strdup_printf("the guest has not %s a request to %s for %" PRIu64
                           " s%s", p->code == DM_PROBLEM_NOT_SENT ?
                           "made room for" : "answered", what[p->request],
                           p->ms / 1000,
                           p->code == DM_PROBLEM_NEVER_REPLIED ? s4 : "");
}

/* The compiler warns of a missing code. */
char *hv_balloon_problem_text(const DmProblem *p)
{
    switch (p->code) {
    case DM_PROBLEM_NO_BALLOON:
    case DM_PROBLEM_NO_HOT_ADD:
    case DM_PROBLEM_CAPABILITIES:
    case DM_PROBLEM_NEW_KERNEL:
    case DM_PROBLEM_ACCOUNTING:
        return driver_problem(p->code);
    case DM_PROBLEM_CAPACITY:
    case DM_PROBLEM_ALIGNMENT:
    case DM_PROBLEM_IN_DOUBT:
    case DM_PROBLEM_POPULATE:
    case DM_PROBLEM_HELD:
        return memory_problem(p);
    case DM_PROBLEM_FLOOR:
    case DM_PROBLEM_RAN_DRY:
    case DM_PROBLEM_REFUSED:
    case DM_PROBLEM_REFUSED_FOR_GOOD:
    case DM_PROBLEM_NOT_ONLINED:
        return guest_problem(p);
    case DM_PROBLEM_NOT_SENT:
    case DM_PROBLEM_NO_REPLY:
    case DM_PROBLEM_NEVER_REPLIED:
        return late_problem(p);
    case DM_PROBLEM_NONE:
    case DM_PROBLEM__MAX:
        break;
    }
    return NULL;
}

void hv_balloon_warn(DmWarning warning)
{
    static const char *const texts[] = {
        [DM_WARNING_HEADER] = "a message whose header and length do not fit",
        [DM_WARNING_TYPE] = "a message of a type that no guest sends",
        [DM_WARNING_VERSION] =
            "the guest asks for a protocol version in the middle of a session",
        [DM_WARNING_CAPABILITIES] =
            "the guest reports its capabilities out of turn",
        [DM_WARNING_UNREQUESTED] =
            "the guest answers a request that was not made",
        [DM_WARNING_BALLOON_SIZE] = "a balloon response of the wrong size",
        [DM_WARNING_BALLOON_SURPLUS] =
            "the guest releases more than was requested",
        [DM_WARNING_BALLOON_PAGES] =
            "the guest releases pages that it does not have",
        [DM_WARNING_BALLOON_IDLE] =
            "the guest announces memory and releases none",
        [DM_WARNING_HOT_ADD_SIZE] = "a hot-add response of the wrong size",
        [DM_WARNING_HOT_ADD_SURPLUS] =
            "the guest takes more memory than it was offered",
    };

    QEMU_BUILD_BUG_ON(ARRAY_SIZE(texts) != DM_WARNING__MAX);
    warn_report(TYPE_HV_BALLOON ": %s", texts[warning]);
}
