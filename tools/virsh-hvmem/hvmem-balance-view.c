/*
 * hvmem-balance-view.c: the balancer as others see it: who it is, and what it thinks of a guest
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-balance-view.h"
#include "hvmem-balance-conn.h"
#include "hvmem-balance-text.h"
#include "hvmem-conn.h"

#include <stdlib.h>


hvmemBalanceView *
hvmemBalanceViewNew(virConnectPtr conn)
{
    hvmemBalanceView *view = g_new0(hvmemBalanceView, 1);
    char *uri = virConnectGetURI(conn);

    view->local = hvmemConnIsLocal(conn);
    view->uri = g_strdup(uri ? uri : "this connection");
    view->owners = view->local ? hvmemBalanceOwners() : g_ptr_array_new();
    view->owner = hvmemBalanceOwnerOf(view->owners, view->uri);
    free(uri);
    virResetLastError();
    return view;
}


void
hvmemBalanceViewFree(hvmemBalanceView *view)
{
    if (!view)
        return;

    g_free(view->uri);
    g_ptr_array_unref(view->owners);
    g_free(view);
}


hvmemBalancer *
hvmemBalanceViewDecide(const hvmemBalanceView *view,
                       virConnectPtr conn)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemPressure pressure;
    bool known;

    if (!view->owner || !view->owner->told || !hvmemBalancerReadDomains(balancer, conn, NULL) || !hvmemBalancerReadStats(balancer, conn, &known, NULL)) {
        virResetLastError();
        return NULL;
    }
    hvmemPressureRead(&pressure);
    balancer->budget = view->owner->budget;
    balancer->reserve = view->owner->reserve;
    return hvmemBalancerDecide(balancer, &pressure, 1, NULL) ? g_steal_pointer(&balancer) : NULL;
}


/*
 * In words
 */

static char *
untilText(const hvmemAuto *settings)
{
    g_autoptr(GDateTime) until = g_date_time_new_from_unix_local(settings->hold);

    return until ? g_date_time_format(until, "%F %T") : g_strdup("the year 10000");
}


static void
addSettings(GString *out,
            const hvmemDomain *dom)
{
    const hvmemAuto *settings = &dom->automatic;
    g_autofree char *minimum = hvmemFormatSize(hvmemAutoMinimum(settings, dom));
    g_autofree char *maximum = hvmemFormatSize(hvmemAutoMaximum(settings, dom));
    g_autofree char *demand = hvmemFormatSize(hvmemAutoDemand(dom));

    g_string_append_printf(out, "From %s to %s, %u %% more than it uses, weight %u.", minimum, maximum, settings->buffer, settings->weight);
    if (dom->active && hvmemAutoDemand(dom) == HVMEM_UNKNOWN)
        g_string_append(out, " It has not told what it uses.");
    else if (dom->active)
        g_string_append_printf(out, " It uses %s.", demand);
}


static const char *
changeText(const hvmemBalanced *guest)
{
    static const char *const texts[] = {
        [HVMEM_BALANCE_DEMAND] = " It gets more when it uses more.",
        [HVMEM_BALANCE_AT_MINIMUM] = " Only with a lower --minimum would it give more.",
        [HVMEM_BALANCE_BUFFER_CUT] = " A larger budget, a higher --weight, or others that use less would give it more.",
        [HVMEM_BALANCE_DEMAND_CUT] = " A larger budget, a higher --weight, or others that use less would give it more.",
        [HVMEM_BALANCE_LEFT_ALONE] = "",
    };
    static const char *const limits[] = {
        [HVMEM_BALANCED_SET] = " Only with a higher --maximum would it get more.",
        [HVMEM_BALANCED_NO_SLOT] = " Started with more boot memory, or with fewer memory devices, it could get more.",
        [HVMEM_BALANCED_NO_SPACE] = " Shut down and started, with no holes between its sticks, it could get more.",
        [HVMEM_BALANCED_TAKES] = " It is asked for more again some minutes later.",
    };

    return guest->out.bound == HVMEM_BALANCE_AT_MAXIMUM ? limits[guest->limit] : texts[guest->out.bound];
}


static void
addDecision(GString *out,
            const hvmemBalanced *guest)
{
    g_autofree char *reason = hvmemBalanceReason(guest);

    if (guest->out.bound == HVMEM_BALANCE_LEFT_ALONE) {
        *reason = g_ascii_toupper(*reason);
        g_string_append_printf(out, " %s.", reason);
    } else {
        g_string_append_printf(out, " It %s.%s", reason, changeText(guest));
    }
}


/* One that is stopped still has its lock. */
static void
addOwner(GString *out,
         const hvmemBalanceOwner *owner)
{
    gint64 idle = hvmemBalanceIdleMinutes(owner->decided, g_get_real_time() / G_USEC_PER_SEC);

    g_string_append_printf(out, " Process %ld balances it", owner->pid);
    if (idle > 0)
        g_string_append_printf(out, ", but has decided nothing for %" G_GINT64_FORMAT " minutes", idle);
    g_string_append(out, ".");
}


char *
hvmemBalanceViewText(const hvmemBalanceView *view,
                     const hvmemDomain *dom,
                     const hvmemBalanced *guest)
{
    GString *out = g_string_new(NULL);

    addSettings(out, dom);
    if (dom->active && guest)
        addDecision(out, guest);
    if (hvmemAutoIsHeld(&dom->automatic)) {
        g_autofree char *until = untilText(&dom->automatic);

        g_string_append_printf(out, " That lasts until %s.", until);
    }
    if (!view->local)
        g_string_append(out, " Whether somebody balances it is known on its host only.");
    else if (view->owner)
        addOwner(out, view->owner);
    else
        g_string_append_printf(out, " But nobody balances %s now: until 'virsh-hvmem balance' runs, it stays as it is.", view->uri);
    return g_string_free(out, FALSE);
}


char *
hvmemBalanceViewRemark(const hvmemBalanceView *view,
                       const hvmemDomain *dom)
{
    g_autofree char *word = hvmemShellWord(dom->name);
    g_autofree char *until = untilText(&dom->automatic);
    g_autofree char *who = NULL;

    if (!hvmemAutoIsOn(dom))
        return NULL;
    if (hvmemAutoIsHeld(&dom->automatic))
        return g_strdup_printf("its memory is automatic, and left alone until %s; then the balancer may change it again. 'virsh-hvmem auto %s --off' ends "
                               "that", until, word);

    who = view->owner ? g_strdup_printf("process %ld, which balances it, may change this again, at once if others need memory", view->owner->pid) :
        view->local ? g_strdup("'virsh-hvmem balance' may change this again once it runs") :
        g_strdup("the balancer, if one runs on its host, may change this again");
    return g_strdup_printf("its memory is automatic: %s. 'virsh-hvmem auto %s --hold 30min' leaves it alone for a while, 'virsh-hvmem auto %s --off' for good",
                           who, word, word);
}
