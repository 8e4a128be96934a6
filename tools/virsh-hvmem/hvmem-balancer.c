/*
 * hvmem-balancer.c: from what libvirt reports of all domains to the balancer's decision
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-balancer.h"
#include "hvmem-plan.h"

#include <string.h>

/* A guest of which libvirt refused something is left alone for so long. */
#define REFUSED 60.0

/* Closer than this, in KiB, a guest has what was requested. */
#define NEAR (HVMEM_NEAR / HVMEM_KIB)


static void
balancedFree(hvmemBalanced *guest)
{
    hvmemDomainFree(guest->dom);
    g_free(guest->named);
    g_free(guest->refusal);
    g_free(guest->xml);
    g_free(guest);
}


hvmemBalancer *
hvmemBalancerNew(void)
{
    hvmemBalancer *balancer = g_new0(hvmemBalancer, 1);

    balancer->reserve = HVMEM_UNKNOWN;
    balancer->last = balancer->idle = -1;
    balancer->before.total = balancer->before.swappedOut = HVMEM_UNKNOWN;
    balancer->domains = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)balancedFree);
    balancer->active = g_ptr_array_new();
    return balancer;
}


void
hvmemBalancerFree(hvmemBalancer *balancer)
{
    if (!balancer)
        return;

    g_hash_table_unref(balancer->domains);
    g_ptr_array_unref(balancer->active);
    g_free(balancer);
}


hvmemBalanced *
hvmemBalancerGet(const hvmemBalancer *balancer,
                 const char *uuid)
{
    return g_hash_table_lookup(balancer->domains, uuid);
}


/* Of a process that is gone. */
static void
forgetRun(hvmemBalanced *guest)
{
    guest->asked = 0;
    guest->rss = 0;
    guest->refused = -1;
    guest->migrating = false;
    guest->taking = 0;
    guest->pace = (hvmemPace) { 0 };
    guest->usage = (hvmemUsage) { 0 };
    guest->growth = (hvmemGrowth) { 0 };
}


/* Has a guest with the @id, as far as that is known, been started since it had the one of @dom? */
static bool
isAnother(const hvmemDomain *dom,
          unsigned int id)
{
    return dom->id != 0 && id != 0 && dom->id != id;
}


/* The key of the table is the domain's own UUID. */
hvmemBalanced *
hvmemBalancerPut(hvmemBalancer *balancer,
                 hvmemDomain *dom,
                 const hvmemAuto *settings)
{
    hvmemBalanced *guest = hvmemBalancerGet(balancer, dom->uuid);

    if (guest) {
        g_hash_table_steal(balancer->domains, dom->uuid);
        if (!dom->active || !guest->dom->active || isAnother(guest->dom, dom->id))
            forgetRun(guest);
        hvmemDomainFree(guest->dom);
    } else {
        guest = g_new0(hvmemBalanced, 1);
        guest->refused = -1;
    }
    guest->dom = dom;
    guest->settings = *settings;
    g_hash_table_insert(balancer->domains, dom->uuid, guest);
    return guest;
}


bool
hvmemBalancerRead(hvmemBalancer *balancer,
                  const char *name,
                  const char *uuid,
                  bool active,
                  const char *xml,
                  GError **error)
{
    hvmemBalanced *guest = hvmemBalancerGet(balancer, uuid);
    hvmemDomain *dom;

    if (guest && guest->dom->active == active && g_strcmp0(guest->xml, xml) == 0)
        return true;
    if (!(dom = hvmemDomainNew(name, active, xml, error)))
        return false;

    g_strlcpy(dom->uuid, uuid, sizeof(dom->uuid));
    guest = hvmemBalancerPut(balancer, dom, &dom->automatic);
    g_free(guest->xml);
    guest->xml = g_strdup(xml);
    return true;
}


bool
hvmemBalancedMeet(hvmemBalanced *guest,
                  unsigned int id)
{
    bool another = isAnother(guest->dom, id);

    if (id != 0)
        guest->dom->id = id;
    if (!another)
        return true;

    forgetRun(guest);
    guest->dom->requested = HVMEM_UNKNOWN;
    g_clear_pointer(&guest->xml, g_free);
    return false;
}


void
hvmemBalancerLost(hvmemBalancer *balancer)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, balancer->domains);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        hvmemBalanced *guest = value;

        guest->asked = 0;
        guest->dom->id = 0;
    }
}


static gboolean
isGone(gpointer uuid,
       gpointer guest G_GNUC_UNUSED,
       gpointer uuids)
{
    return !g_hash_table_contains(uuids, uuid);
}


void
hvmemBalancerKeep(hvmemBalancer *balancer,
                  GHashTable *uuids)
{
    g_ptr_array_set_size(balancer->active, 0);
    g_hash_table_foreach_remove(balancer->domains, isGone, uuids);
}


/*
 * What is known of a guest
 */

/* All that is needed. A guest with many sticks has hundreds of others, which would take their time for each guest and each decision. */
static bool
isNeeded(const char *field)
{
    static const char *const fields[] = {
        "state.state", "state.reason", "balloon.current", "balloon.usable", "balloon.rss", "balloon.hyperv.requested", "balloon.hyperv.boot",
        "balloon.hyperv.connected", "balloon.hyperv.state", "balloon.hyperv.available", "balloon.hyperv.committed", "balloon.hyperv.released",
        "balloon.hyperv.capacity", "balloon.hyperv.alignment",
    };
    size_t i;

    if (g_str_has_prefix(field, "balloon.hyperv.stick."))
        return false;
    if (g_str_has_prefix(field, "balloon.hyperv.plan."))
        return true;
    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (strcmp(field, fields[i]) == 0)
            return true;
    }
    return false;
}


void
hvmemBalancedTake(hvmemBalanced *guest,
                  const virTypedParameter *params,
                  int nparams)
{
    g_autofree virTypedParameter *needed = g_new(virTypedParameter, MAX(nparams, 1));
    int i, n = 0;

    for (i = 0; i < nparams; i++) {
        if (isNeeded(params[i].field))
            needed[n++] = params[i];
    }
    guest->dom->usable = guest->dom->rss = HVMEM_UNKNOWN;
    hvmemDomainAddStats(guest->dom, needed, n);
    /* the guest's last report is newer than balloon.usable, which follows <stats period> */
    if (guest->dom->available != HVMEM_UNKNOWN)
        guest->dom->usable = guest->dom->available;
}


static guint64
kib(guint64 bytes)
{
    return bytes == HVMEM_UNKNOWN ? 0 : bytes / HVMEM_KIB;
}


static bool
isRefused(const hvmemBalanced *guest,
          double now)
{
    return guest->refused >= 0 && now - guest->refused < REFUSED;
}


/* Libvirt tells what a process holds of every domain that it is not busy with. A guest that is "waiting" is connected, and so for a moment after each
 * request. */
static hvmemBalanceState
stateOf(const hvmemBalanced *guest,
        double now)
{
    static const struct {
        const char *name;
        hvmemBalanceState state;
    } states[] = {
        { "disconnected", HVMEM_BALANCE_DISCONNECTED }, { "handshake", HVMEM_BALANCE_DISCONNECTED }, { "refused", HVMEM_BALANCE_REFUSED },
        { "late", HVMEM_BALANCE_FROZEN }, { "frozen", HVMEM_BALANCE_FROZEN }, { "new-kernel", HVMEM_BALANCE_FROZEN },
        { "not-onlined", HVMEM_BALANCE_NOT_ONLINED },
    };
    const hvmemDomain *dom = guest->dom;
    size_t i;

    if (hvmemAutoFixed(dom))
        return HVMEM_BALANCE_FIXED;
    if (hvmemAutoIsHeld(&guest->settings))
        return HVMEM_BALANCE_HELD;
    if (dom->paused || dom->asleep)
        return HVMEM_BALANCE_PAUSED;
    if (isRefused(guest, now))
        return guest->migrating ? HVMEM_BALANCE_MIGRATING : HVMEM_BALANCE_REFUSED;
    if (dom->rss == HVMEM_UNKNOWN)
        return HVMEM_BALANCE_BUSY;
    if (!dom->told || dom->usable == HVMEM_UNKNOWN || guest->usage.silent)
        return HVMEM_BALANCE_SILENT;
    for (i = 0; i < G_N_ELEMENTS(states); i++) {
        if (strcmp(dom->state, states[i].name) == 0)
            return states[i].state;
    }
    return dom->connected ? HVMEM_BALANCE_READY : HVMEM_BALANCE_DISCONNECTED;
}


static guint64
known(guint64 bytes)
{
    return bytes == HVMEM_UNKNOWN ? HVMEM_BALANCE_UNKNOWN : bytes / HVMEM_KIB;
}


/* What the host has to give at once when it is rebooted: nothing of huge pages, which are the guest's, nor of what is locked. */
static guint64
bootOf(const hvmemDomain *dom)
{
    return hvmemAutoFixed(dom) ? 0 : kib(dom->boot);
}


/* Somebody else's requests are noticed once. */
static void
readRequest(hvmemBalanced *guest)
{
    bool told = guest->dom->requested != HVMEM_UNKNOWN;
    guint64 requested = kib(guest->dom->requested);

    guest->foreign = told && guest->asked != 0 && MAX(requested, guest->asked) - MIN(requested, guest->asked) > NEAR;
    if (told && (guest->foreign || guest->asked == 0))
        guest->asked = requested;
}


/* What libvirt refuses says nothing about the guest. */
static hvmemGrowthSign
signOf(const hvmemBalanced *guest,
       hvmemBalanceState state,
       double now)
{
    if (state == HVMEM_BALANCE_READY || (state == HVMEM_BALANCE_REFUSED && isRefused(guest, now)))
        return HVMEM_GROWTH_MAY;
    return state == HVMEM_BALANCE_REFUSED || state == HVMEM_BALANCE_NOT_ONLINED ? HVMEM_GROWTH_FAILS : HVMEM_GROWTH_NOT_NOW;
}


/* One that was rebooted, or that somebody else has requested a size of, may take more than before. One that takes no more can give back: up to what it has
 * it is as any other. */
static hvmemBalanceState
readState(hvmemBalanced *guest,
          guint64 actual,
          guint64 requested,
          double now)
{
    hvmemBalanceState state = stateOf(guest, now);
    hvmemGrowthSign sign = signOf(guest, state, now);

    if (guest->foreign || state == HVMEM_BALANCE_DISCONNECTED)
        guest->growth = (hvmemGrowth) { 0 };
    hvmemGrowthTake(&guest->growth, sign, actual, requested, now);
    return hvmemBalancedGaveUp(guest) && sign == HVMEM_GROWTH_FAILS ? HVMEM_BALANCE_READY : state;
}


/* Linux's blocks are no larger, and no request gives more at a time. */
#define MOST_AT_ONCE (2 * 1024 * 1024)


/* Until its driver has connected, libvirt knows what is usual. */
static hvmemBalanceBlocks
blocksOf(const hvmemDomain *dom)
{
    guint64 released = dom->released == HVMEM_UNKNOWN ? 0 : dom->released;
    guint64 size = kib(dom->alignment);
    hvmemBalanceBlocks blocks = { .added = kib(hvmemShareAdd(dom->current, released)) };

    if (dom->current == HVMEM_UNKNOWN)
        return (hvmemBalanceBlocks) { 0 };
    blocks.most = kib(dom->maxMemory == HVMEM_UNKNOWN ? dom->total : MAX(dom->maxMemory, dom->total));
    blocks.origin = MIN(kib(dom->boot), blocks.added);
    blocks.size = MIN(size == 0 && dom->planned ? dom->plan.alignment : size, MOST_AT_ONCE);
    return blocks;
}


/* A guest that takes what was requested goes on with that until it has replied, whatever is requested meanwhile. */
static void
readTaking(hvmemBalanced *guest)
{
    const hvmemDomain *dom = guest->dom;
    const char *state = dom->state;

    if (g_strcmp0(state, "adding") == 0 || g_strcmp0(state, "returning") == 0)
        guest->taking = MAX(guest->taking, kib(dom->requested));
    else if (g_strcmp0(state, "late") != 0)
        guest->taking = 0;
    guest->taking = MIN(guest->taking, hvmemShareAdd(kib(dom->current), MOST_AT_ONCE));
}


/* What it can have of what it may: a larger request would be refused, again and again, and it would never get what is possible. */
static void
readBounds(hvmemBalanced *guest)
{
    const hvmemDomain *dom = guest->dom;
    guint64 maximum = hvmemAutoMaximum(&guest->settings, dom);
    qemuHvBalloonRefusalType why;
    guint64 most = hvmemPlanMost(dom, &why);

    guest->limit = HVMEM_BALANCED_SET;
    if (most < maximum && why != QEMU_HVBALLOON_REFUSAL_NONE)
        guest->limit = why == QEMU_HVBALLOON_REFUSAL_NO_SLOT ? HVMEM_BALANCED_NO_SLOT : HVMEM_BALANCED_NO_SPACE;
    guest->in.maximum = kib(MIN(maximum, most));
    if (hvmemBalancedGaveUp(guest) && guest->growth.most < guest->in.maximum) {
        guest->limit = HVMEM_BALANCED_TAKES;
        guest->in.maximum = guest->growth.most;
    }
    guest->in.minimum = MIN(kib(hvmemAutoMinimum(&guest->settings, dom)), guest->in.maximum);
}


static void
readGuest(hvmemBalanced *guest,
          double now)
{
    const hvmemDomain *dom = guest->dom;
    guint64 actual = kib(dom->current);
    guint64 requested = dom->requested == HVMEM_UNKNOWN ? actual : kib(dom->requested);

    readRequest(guest);
    hvmemUsageTake(&guest->usage, actual, requested, known(dom->usable), known(dom->committed), now);
    guest->in = (hvmemBalanceGuest) {
        .buffer = guest->settings.buffer, .weight = guest->settings.weight, .state = readState(guest, actual, requested, now),
        .demand = guest->usage.demand, .rise = guest->usage.rise, .actual = actual, .requested = requested, .boot = bootOf(dom),
        .taking = guest->taking,
        .rate = hvmemPaceTake(&guest->pace, actual, requested, now),
    };
    readBounds(guest);
    guest->in.blocks = blocksOf(dom);
}


/*
 * All of them
 */

static int
compareNames(gconstpointer a,
             gconstpointer b)
{
    const hvmemBalanced *const *one = a;
    const hvmemBalanced *const *two = b;

    return strcmp((*one)->dom->name, (*two)->dom->name);
}


typedef struct _Sums Sums;
struct _Sums {
    guint64 resident;           /* bytes of the host that guests hold */
    guint64 others;             /* KiB that guests hold whose memory is not automatic */
    guint64 starting;           /* KiB that automatic domains take that are shut off, when they start, and others that are rebooted */
    guint64 largest;            /* one of them */
    guint64 held;               /* KiB that all who run have, or may take because it was requested for them */
    guint64 untold;             /* KiB of that which may be in use, but of which nobody has told yet: it is not in @resident */
    guint64 back;               /* KiB that automatic guests would take back that are rebooted */
    guint64 backLargest;        /* one of them */
};


/* What the guest may have of huge pages: those of its boot memory, and sticks beyond that. */
static guint64
hugeOf(const hvmemDomain *dom,
       guint64 current)
{
    guint64 sum = dom->needs.stickPage && dom->boot != HVMEM_UNKNOWN ? hvmemShareSub(current, dom->boot) : 0;
    size_t i;

    for (i = 0; dom->needs.hugepages && i < dom->needs.hugepages->len; i++)
        sum = hvmemShareAdd(sum, g_array_index(dom->needs.hugepages, hvmemPages, i).bytes);
    return sum;
}


/*
 * What the host has available is without this. A process also holds memory that is not the guest's: no guest can be given that. A domain that is busy
 * does not tell it: it is taken for what it was, and for nothing before it was told. Huge pages are neither available nor resident: they count as what
 * the guest has.
 */
static guint64
residentOf(hvmemBalanced *guest)
{
    const hvmemDomain *dom = guest->dom;
    guint64 current = dom->current == HVMEM_UNKNOWN ? 0 : dom->current;

    if (dom->rss != HVMEM_UNKNOWN)
        guest->rss = dom->rss;
    return MIN(hvmemShareAdd(guest->rss, hugeOf(dom, current)), current);
}


/* What it has, or may take because somebody has requested it. */
static guint64
heldBy(const hvmemDomain *dom)
{
    hvmemBalanceBlocks blocks = blocksOf(dom);

    return MAX(kib(dom->current), hvmemBalanceReach(&blocks, kib(dom->requested)));
}


static guint64
holds(const hvmemBalanced *guest)
{
    return MAX(heldBy(guest->dom), guest->taking);
}


void
hvmemBalancedSaved(hvmemBalanced *guest,
                   const char *xml)
{
    g_autoptr(hvmemDomain) saved = xml ? hvmemDomainNew(guest->dom->name, false, xml, NULL) : NULL;

    guest->saved = saved ? hvmemFromKiB(heldBy(saved)) : 0;
}


/* What is taken at once when it starts, and what it then grows to because its definition says so. A saved state has what it had. Huge pages are there
 * already. */
static guint64
startOf(const hvmemBalanced *guest)
{
    if (hvmemNeedsHuge(&guest->dom->needs))
        return 0;
    return guest->saved ? guest->saved / HVMEM_KIB : MAX(kib(guest->dom->boot), heldBy(guest->dom));
}


static void
addStart(Sums *sums,
         guint64 size)
{
    sums->starting = hvmemShareAdd(sums->starting, size);
    sums->largest = MAX(sums->largest, size);
}


/* One that is not automatic also has its boot memory again when it is rebooted. */
static void
addOther(Sums *sums,
         const hvmemBalanced *guest)
{
    guint64 has = holds(guest);

    sums->others = hvmemShareAdd(sums->others, has);
    addStart(sums, hvmemShareSub(bootOf(guest->dom), has));
}


static void
addRunning(Sums *sums,
           hvmemBalanced *guest)
{
    guint64 resident = residentOf(guest);
    guint64 has = holds(guest);

    sums->resident = hvmemShareAdd(sums->resident, resident);
    sums->held = hvmemShareAdd(sums->held, has);
    if (guest->rss == 0)
        sums->untold = hvmemShareAdd(sums->untold, hvmemShareSub(has, resident / HVMEM_KIB));
}


static void
addAutomatic(Sums *sums,
             const hvmemDomain *dom)
{
    guint64 back = hvmemShareSub(bootOf(dom), heldBy(dom));

    sums->back = hvmemShareAdd(sums->back, back);
    sums->backLargest = MAX(sums->backLargest, back);
}


static Sums
sortDomains(hvmemBalancer *balancer)
{
    Sums sums = { 0 };
    GHashTableIter iter;
    gpointer value;

    g_ptr_array_set_size(balancer->active, 0);
    g_hash_table_iter_init(&iter, balancer->domains);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        hvmemBalanced *guest = value;
        const hvmemDomain *dom = guest->dom;
        bool automatic = dom->hyperv && guest->settings.on;

        if (!dom->active) {
            if (automatic)
                addStart(&sums, startOf(guest));
            continue;
        }
        readTaking(guest);
        addRunning(&sums, guest);
        if (automatic) {
            addAutomatic(&sums, dom);
            g_ptr_array_add(balancer->active, guest);
        } else {
            addOther(&sums, guest);
        }
    }
    g_ptr_array_sort(balancer->active, compareNames);
    return sums;
}


/*
 * A guest that arrives, is restored or has just been started has not told what it holds of the host, only what it has. What it holds is not available any
 * more, and would be missing twice: there, and as what the guest has. Nobody knows how much that is. So nobody gives on its account: the budget is no
 * less than what is held and kept for starts, and meanwhile nothing is kept for reboots. And nobody gets on its account: it is no more than that.
 */
static void
allowForUntold(const hvmemBalancer *balancer,
               const Sums *sums,
               hvmemBalanceHost *host)
{
    guint64 back = host->reboots ? hvmemBalanceReserve(host->budget, sums->back, sums->backLargest) : 0;
    guint64 starts = MAX(host->reserve, host->starts);
    guint64 could = hvmemShareAdd(host->budget, sums->untold);

    if (sums->untold == 0 || host->budget >= hvmemShareAdd(sums->held, MAX(starts, back)))
        return;

    if (balancer->budget)
        could = MIN(could, kib(balancer->budget));
    host->budget = MAX(host->budget, MIN(could, hvmemShareAdd(sums->held, starts)));
    host->reserve = MAX(host->reserve, MIN(starts, hvmemShareSub(host->budget, sums->held)));
    host->starts = 0;
    host->reboots = false;
}


static bool
readHost(hvmemBalancer *balancer,
         const Sums *sums,
         const hvmemPressure *pressure,
         double now,
         GError **error)
{
    guint64 budget = hvmemPressureBudget(pressure, sums->resident, balancer->budget, &balancer->steady, now);
    double seconds = balancer->last < 0 ? 0 : now - balancer->last;
    bool idle = balancer->idle >= 0 && now - balancer->idle >= HVMEM_BALANCER_IDLE;

    if (budget == HVMEM_UNKNOWN)
        return hvmemFailUsage(error, "the host's memory is not known on this connection: say with --budget how much guests may have");

    balancer->host = (hvmemBalanceHost) {
        .budget = kib(budget), .used = sums->others,
        .pressure = hvmemPressureLevel(pressure, &balancer->before, seconds, &balancer->steady, now),
        .reserve = balancer->reserve == HVMEM_UNKNOWN ? 0 : kib(balancer->reserve),
        .starts = balancer->reserve == HVMEM_UNKNOWN ? hvmemBalanceReserve(kib(budget), sums->starting, sums->largest) : 0,
        .seconds = idle ? MIN(now - balancer->idle, 2 * HVMEM_BALANCER_IDLE) : 0, .reboots = balancer->reserve == HVMEM_UNKNOWN,
    };
    allowForUntold(balancer, sums, &balancer->host);
    if (idle || balancer->idle < 0)
        balancer->idle = now;
    balancer->before = *pressure;
    return true;
}


bool
hvmemBalancerDecide(hvmemBalancer *balancer,
                    const hvmemPressure *pressure,
                    double now,
                    GError **error)
{
    Sums sums = sortDomains(balancer);
    size_t n = balancer->active->len;
    g_autofree hvmemBalanceGuest *in = g_new0(hvmemBalanceGuest, n);
    g_autofree hvmemBalanceDecision *out = g_new0(hvmemBalanceDecision, n);
    size_t i;

    if (!readHost(balancer, &sums, pressure, now, error))
        return false;

    for (i = 0; i < n; i++) {
        hvmemBalanced *guest = balancer->active->pdata[i];

        readGuest(guest, now);
        in[i] = guest->in;
    }
    hvmemBalanceDecide(&balancer->host, in, out, n, &balancer->summary);
    for (i = 0; i < n; i++) {
        hvmemBalanced *guest = balancer->active->pdata[i];

        guest->out = out[i];
    }
    balancer->last = now;
    return true;
}


/* That is not the budget that was given: another one may count from now on. */
static guint64
mostNow(const hvmemBalancer *balancer)
{
    return balancer->steady.known ? MAX(balancer->steady.budget, hvmemFromKiB(balancer->host.budget)) : HVMEM_UNKNOWN;
}


bool
hvmemBalancerCheckReserve(const hvmemBalancer *balancer,
                          guint64 budget,
                          guint64 reserve,
                          GError **error)
{
    guint64 ever = hvmemPressureMost(&balancer->before);
    guint64 now = mostNow(balancer);
    g_autofree char *size = hvmemFormatSize(reserve);
    g_autofree char *given = hvmemFormatSize(budget);
    g_autofree char *most = hvmemFormatSize(ever);
    g_autofree char *available = hvmemFormatSize(now);

    if (reserve == HVMEM_UNKNOWN)
        return true;
    if (budget && reserve >= budget)
        return hvmemFailUsage(error, "a reserve of %s leaves nothing of the budget, %s: choose a smaller reserve, or a larger budget", size, given);
    if (reserve >= ever)
        return hvmemFailUsage(error, "a reserve of %s leaves nothing of what this host can give to guests, %s: choose a smaller one, or 'auto'", size, most);
    if (reserve >= now)
        return hvmemFail(error, "a reserve of %s leaves nothing of what guests may have now, %s, which is what they hold and the host has available: choose a "
                         "smaller one, or 'auto', or end what else takes the host's memory", size, available);
    return true;
}


static void
stay(hvmemBalanced *guest)
{
    guest->out.target = guest->in.requested;
    guest->out.move = HVMEM_BALANCE_STAY;
}


/* Is it not what the decision was about? The next one names that, and goes by it. */
static bool
isRequestedAnew(const hvmemBalanced *guest,
                xmlNodePtr root)
{
    guint64 requested = root ? hvmemXMLSize(root, "devices/memballoon/requested", HVMEM_UNKNOWN) : HVMEM_UNKNOWN;

    return requested != HVMEM_UNKNOWN && hvmemDistance(requested, hvmemFromKiB(guest->in.requested)) > HVMEM_NEAR;
}


void
hvmemBalancedRefresh(hvmemBalanced *guest,
                     const char *xml)
{
    g_autoptr(xmlDoc) doc = xml ? hvmemXMLParse(xml, NULL) : NULL;
    xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;
    hvmemAuto settings;

    hvmemAutoReadNode(&settings, root);
    if (isRequestedAnew(guest, root))
        stay(guest);
    if (hvmemAutoIsSame(&settings, &guest->settings))
        return;

    guest->settings = settings;
    g_clear_pointer(&guest->xml, g_free);
    guest->foreign = guest->foreign && settings.on && !hvmemAutoIsHeld(&settings);
    stay(guest);
}


void
hvmemBalancedAsked(hvmemBalanced *guest)
{
    guest->asked = guest->out.target;
}


bool
hvmemBalancedRefused(hvmemBalanced *guest,
                     const char *message,
                     double now)
{
    g_auto(GStrv) parts = g_strsplit_set(message, "0123456789", -1);
    g_autofree char *words = g_strjoinv("", parts);
    bool isNew = g_strcmp0(words, guest->refusal) != 0;

    guest->refused = now;
    g_free(guest->refusal);
    guest->refusal = g_steal_pointer(&words);
    return isNew;
}


void
hvmemBalancedWell(hvmemBalanced *guest)
{
    g_clear_pointer(&guest->named, g_free);
    g_clear_pointer(&guest->refusal, g_free);
}


bool
hvmemBalancedGaveUp(const hvmemBalanced *guest)
{
    return guest->growth.ended;
}


bool
hvmemBalancedMoves(const hvmemBalanced *guest)
{
    return guest->out.bound != HVMEM_BALANCE_LEFT_ALONE && guest->out.target != guest->in.requested;
}
