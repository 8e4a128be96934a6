/*
 * hvmem-doctor-auto.c: checks of automatic memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-doctor.h"
#include "hvmem-auto.h"
#include "hvmem-balance-lock.h"
#include "hvmem-size.h"

/* A minimum below this part of what the guest uses may be a mistake. */
#define USED_PART 2

#define LOWER "Lower some ('virsh-hvmem auto DOMAIN --minimum SIZE'): nobody gets more than its minimum."


/*
 * The host
 */

static void
checkBalancer(GPtrArray *checks,
              const hvmemHost *host)
{
    gint64 idle = hvmemBalanceIdleMinutes(host->decided, g_get_real_time() / G_USEC_PER_SEC);

    if (!host->local)
        hvmemChecksAdd(checks, HVMEM_SKIP, "balancer", NULL, "whether somebody balances its guests is known on that host only");
    else if (host->balancer && idle > 0)
        hvmemChecksAdd(checks, HVMEM_WARN, "balancer", "Is it stopped, or libvirt busy? See what it has said; end it and start it again if it stays like that.",
                       "process %ld balances %s, but has decided nothing for %" G_GINT64_FORMAT " minutes", host->balancer, host->uri, idle);
    else if (host->balancer)
        hvmemChecksAdd(checks, HVMEM_PASS, "balancer", NULL, "process %ld balances %s", host->balancer, host->uri);
    else
        hvmemChecksAdd(checks, HVMEM_WARN, "balancer", "Run 'virsh-hvmem balance', or 'systemctl enable --now hv-balloon-balance'.",
                       "nobody balances %s: the memory of %u automatic domain%s stays as it is", host->uri, host->automatic, host->automatic == 1 ? "" : "s");
}


/* Two that move the same guests, or give away the same memory. */
static void
checkOthers(GPtrArray *checks,
            const hvmemHost *host)
{
    if (host->otherBalancers)
        hvmemChecksAdd(checks, HVMEM_WARN, "balancer", "End all but one; or give each a --budget, if they balance different guests.",
                       "others balance guests of this host too, and may give away the same memory: %s", host->otherBalancers);
    if (host->mom)
        hvmemChecksAdd(checks, HVMEM_WARN, "balancer", "End it, or its ballooning rules.", "MOM runs (momd), which requests sizes for the same guests");
}


/* What others of the host use, and a reserve that the balancer finds itself, is not known here: that it passes does not say that they fit. */
static void
checkMinimums(GPtrArray *checks,
              const hvmemHost *host)
{
    bool budget = host->budget && host->budget < host->memory;
    guint64 all = budget ? host->budget : host->memory;
    guint64 most = all - MIN(all, host->reserve);
    g_autofree char *sum = hvmemFormatSize(host->minimums);
    g_autofree char *memory = hvmemFormatSize(most);
    const char *what = budget ? "the budget" : "the host's memory";
    const char *less = !host->reserve ? "" : budget ? " less its reserve" : " less the balancer's reserve";

    if (host->minimums > most)
        hvmemChecksAdd(checks, HVMEM_FAIL, "minimums", host->minimums > all ? LOWER : "Give 'balance' a smaller --reserve: less of it is kept, and nobody gets "
                       "more than its minimum. Or lower some minimums ('virsh-hvmem auto DOMAIN --minimum SIZE').",
                       "automatic guests have minimums of %s in all, more than %s%s, %s", sum, what, less, memory);
    else
        hvmemChecksAdd(checks, HVMEM_PASS, "minimums", NULL,
                       "of automatic guests: %s in all, not more than %s%s, %s; 'virsh-hvmem balance' says if others leave less than that", sum, what, less,
                       memory);
}


void
hvmemDoctorBalancer(GPtrArray *checks,
                    const hvmemHost *host)
{
    if (host->automatic == 0)
        return;

    checkBalancer(checks, host);
    checkOthers(checks, host);
    checkMinimums(checks, host);
}


/*
 * A domain
 */

static void
checkFixed(GPtrArray *checks,
           const hvmemDomain *dom)
{
    g_autofree char *word = hvmemShellWord(dom->name);
    g_autofree char *remedy = g_strdup_printf("Take %s out of <memoryBacking>, or say that its memory is not automatic: 'virsh-hvmem auto %s --off'.",
                                              hvmemNeedsHuge(&dom->needs) ? "<hugepages>" : "<locked/>", word);

    hvmemChecksAdd(checks, HVMEM_WARN, "automatic", remedy, "the balancer leaves it alone: %s", hvmemAutoFixed(dom));
}


/* It may have been changed since they were set, or they were written by hand. */
static void
checkSettings(GPtrArray *checks,
              const hvmemDomain *dom)
{
    g_autofree char *word = hvmemShellWord(dom->name);
    g_autofree char *remedy = g_strdup_printf("The nearest size that is possible counts. 'virsh-hvmem auto %s' shows what that is, and changes it.", word);
    g_autoptr(GError) error = NULL;

    if (dom->automatic.unread)
        hvmemChecksAdd(checks, HVMEM_WARN, "automatic", remedy, "'%s' in its <metadata> is no number that is possible: the default counts",
                       dom->automatic.unread);
    if (!hvmemAutoCheck(&dom->automatic, dom, &error))
        hvmemChecksAdd(checks, HVMEM_WARN, "automatic", remedy, "a setting does not fit the domain any more: %s", error->message);
}


/* Can the guest live with its minimum, and the host? */
static void
checkMinimum(GPtrArray *checks,
             const hvmemDomain *dom,
             const hvmemHost *host)
{
    guint64 minimum = hvmemAutoMinimum(&dom->automatic, dom);
    guint64 demand = hvmemAutoDemand(dom);
    g_autofree char *size = hvmemFormatSize(minimum);
    g_autofree char *used = hvmemFormatSize(demand);
    g_autofree char *memory = hvmemFormatSize(host->memory);
    g_autofree char *word = hvmemShellWord(dom->name);
    g_autofree char *remedy = g_strdup_printf("virsh-hvmem auto %s --minimum SIZE", word);

    if (minimum > host->memory)
        hvmemChecksAdd(checks, HVMEM_FAIL, "automatic", remedy, "its minimum, %s, is more than the host has, %s", size, memory);
    else if (minimum < HVMEM_SIZE_LEAST)
        hvmemChecksAdd(checks, HVMEM_WARN, "automatic", remedy, "its minimum, %s, is less than a guest can live with", size);
    else if (demand != HVMEM_UNKNOWN && minimum < demand / USED_PART)
        hvmemChecksAdd(checks, HVMEM_WARN, "automatic", remedy,
                       "its minimum is %s, and it uses %s: when memory is short it may be left with less than half of that", size, used);
}


static void
checkForeign(GPtrArray *checks,
             const hvmemDomain *dom,
             const hvmemHost *host)
{
    g_autofree char *word = hvmemShellWord(dom->name);
    g_autofree char *remedy = g_strdup_printf("End what does so (MOM, a script), or 'virsh-hvmem auto %s --hold 30min' for a while.", word);
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    gint64 ago = now - host->foreign;

    if (host->foreign && hvmemAutoIsLately(host->foreign, now))
        hvmemChecksAdd(checks, HVMEM_WARN, "automatic", remedy, "%" G_GINT64_FORMAT " minute%s ago somebody else requested a size for it, too",
                       ago / 60, ago / 60 == 1 ? "" : "s");
}


static void
checkReports(GPtrArray *checks,
             const hvmemDomain *dom)
{
    if (dom->active && dom->told && dom->connected && hvmemAutoDemand(dom) == HVMEM_UNKNOWN)
        hvmemChecksAdd(checks, HVMEM_WARN, "automatic", "A Linux guest begins to report 45 seconds after its driver was loaded: try again then.",
                       "the guest has not told what it uses, and is left alone until it does");
}


void
hvmemDoctorAuto(GPtrArray *checks,
                const hvmemDomain *dom,
                const hvmemHost *host)
{
    guint before = checks->len;
    g_autofree char *minimum = NULL;
    g_autofree char *maximum = NULL;

    if (!hvmemAutoIsOn(dom))
        return;
    if (hvmemAutoFixed(dom)) {
        checkFixed(checks, dom);
        return;
    }

    checkSettings(checks, dom);
    checkMinimum(checks, dom, host);
    checkForeign(checks, dom, host);
    checkReports(checks, dom);
    if (checks->len > before)
        return;

    minimum = hvmemFormatSize(hvmemAutoMinimum(&dom->automatic, dom));
    maximum = hvmemFormatSize(hvmemAutoMaximum(&dom->automatic, dom));
    hvmemChecksAdd(checks, HVMEM_PASS, "automatic", NULL, "from %s to %s%s", minimum, maximum,
                   hvmemAutoIsHeld(&dom->automatic) ? ", and left alone for now ('auto --hold')" : "");
}
