/*
 * hvmem-domain.c: what libvirt says about the memory of a domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-domain.h"
#include "hvmem-move.h"
#include "hvmem-xml.h"

#include <string.h>


static void
stickFree(hvmemStick *stick)
{
    g_free(stick->alias);
    g_free(stick->state);
    g_free(stick);
}


void
hvmemDomainFree(hvmemDomain *dom)
{
    if (!dom)
        return;

    g_free(dom->name);
    g_free(dom->model);
    g_free(dom->arch);
    g_free(dom->machine);
    g_free(dom->virtType);
    g_free(dom->emulator);
    g_free(dom->state);
    g_free(dom->lastError);
    g_free(dom->savedModel);
    g_free(dom->stray);
    g_free(dom->host);
    if (dom->obstacles)
        g_ptr_array_unref(dom->obstacles);
    hvmemDomainFree(dom->stored);
    g_ptr_array_unref(dom->sticks);
    hvmemNeedsClear(&dom->needs);
    g_free(dom);
}


/*
 * From XML
 */

static hvmemStick *
stickNew(void)
{
    hvmemStick *stick = g_new0(hvmemStick, 1);

    stick->addr = stick->size = stick->added = stick->released = HVMEM_UNKNOWN;
    return stick;
}


static void
readStick(hvmemDomain *dom,
          xmlNodePtr node)
{
    hvmemStick *stick = stickNew();
    g_autofree char *base = hvmemXMLString(node, "string(target/address/@base)");

    stick->size = hvmemXMLSize(node, "target/size", 0);
    stick->alias = hvmemXMLString(node, "string(alias/@name)");
    stick->byDriver = qemuHvBalloonIsDriverAlias(stick->alias);
    if (base)
        stick->addr = g_ascii_strtoull(base, NULL, 0);
    g_ptr_array_add(dom->sticks, stick);
}


static void
readMemoryDevices(hvmemDomain *dom,
                  xmlNodePtr root)
{
    g_autoptr(GPtrArray) nodes = hvmemXMLNodes(root, "devices/memory");
    size_t i;

    for (i = 0; i < nodes->len; i++) {
        if (hvmemXMLTest(nodes->pdata[i], "@model = 'haprot'"))
            readStick(dom, nodes->pdata[i]);
        else
            dom->otherMemory++;
    }
}


static void
readMachine(hvmemDomain *dom,
            xmlNodePtr root)
{
    dom->virtType = hvmemXMLString(root, "string(@type)");
    dom->arch = hvmemXMLString(root, "string(os/type/@arch)");
    dom->machine = hvmemXMLString(root, "string(os/type/@machine)");
    dom->emulator = hvmemXMLString(root, "string(devices/emulator)");
    dom->acpi = hvmemXMLTest(root, "features/acpi");
    dom->hypervPassthrough = hvmemXMLTest(root, "features/hyperv[@mode = 'passthrough']");
    dom->vpindex = hvmemXMLTest(root, "features/hyperv/vpindex[@state = 'on']");
    dom->synic = hvmemXMLTest(root, "features/hyperv/synic[@state = 'on']");
    dom->kvmVisible = hvmemXMLTest(root, "@type = 'kvm' and not(features/kvm/hidden[@state = 'on'])");
    dom->hibernation = !hvmemXMLTest(root, "pm/suspend-to-disk[@enabled = 'no']");
    dom->locked = hvmemXMLTest(root, "memoryBacking/locked");
    dom->hostdevs = hvmemXMLCount(root, "devices/hostdev[@type = 'pci' or @type = 'mdev'] | devices/interface[@type = 'hostdev'] | "
                                  "devices/disk[@type = 'nvme']");
}


static void
readBalloon(hvmemDomain *dom,
            xmlNodePtr root)
{
    if (!(dom->model = hvmemXMLString(root, "string(devices/memballoon/@model)")))
        dom->model = g_strdup("none");

    dom->hyperv = strcmp(dom->model, "hyperv") == 0;
    dom->freePageReporting = hvmemXMLTest(root, "devices/memballoon/@freePageReporting = 'on'");
    dom->minimum = hvmemXMLSize(root, "devices/memballoon/minimum", 0);
    dom->requested = hvmemXMLSize(root, "devices/memballoon/requested", HVMEM_UNKNOWN);
}


/* A client does not learn from a domain that it has already that it was renamed. */
static void
readName(hvmemDomain *dom,
         xmlNodePtr root)
{
    char *name = hvmemXMLString(root, "string(name)");

    if (!name)
        return;
    g_free(dom->name);
    dom->name = name;
}


static void
readSizes(hvmemDomain *dom,
          xmlNodePtr root)
{
    size_t i;

    dom->maxMemory = hvmemXMLSize(root, "maxMemory", HVMEM_UNKNOWN);
    dom->total = hvmemXMLSize(root, "memory", HVMEM_UNKNOWN);
    dom->current = hvmemXMLSize(root, "currentMemory", dom->total);
    dom->boot = dom->total;

    for (i = 0; i < dom->sticks->len; i++) {
        const hvmemStick *stick = dom->sticks->pdata[i];

        dom->boot -= MIN(dom->boot, stick->size);
    }
}


hvmemDomain *
hvmemDomainNew(const char *name,
               bool active,
               const char *xml,
               GError **error)
{
    g_autoptr(hvmemDomain) dom = g_new0(hvmemDomain, 1);
    g_autoptr(xmlDoc) doc = NULL;
    xmlNodePtr root;

    dom->name = g_strdup(name);
    dom->active = active;
    dom->sticks = g_ptr_array_new_with_free_func((GDestroyNotify)stickFree);
    dom->capacity = dom->released = dom->ghosts = HVMEM_UNKNOWN;
    dom->freeSlots = dom->usable = dom->rss = dom->available = dom->committed = HVMEM_UNKNOWN;
    dom->moved = -1;

    if (!(doc = hvmemXMLParse(xml, error)))
        return NULL;

    root = xmlDocGetRootElement(doc);
    dom->id = active ? hvmemXMLNumber(root, "string(@id)") : 0;
    readName(dom, root);
    readMachine(dom, root);
    readBalloon(dom, root);
    readMemoryDevices(dom, root);
    readSizes(dom, root);
    hvmemNeedsRead(&dom->needs, root);
    hvmemAutoReadNode(&dom->automatic, root);
    dom->obstacles = hvmemMoveObstacles(root);

    return g_steal_pointer(&dom);
}


/*
 * From statistics
 */

/* Whatever kind of number it is. */
static guint64
paramNumber(const virTypedParameter *param,
            guint64 fallback)
{
    if (!param)
        return fallback;

    switch (param->type) {
    case VIR_TYPED_PARAM_INT:
        return param->value.i < 0 ? fallback : (guint64)param->value.i;
    case VIR_TYPED_PARAM_UINT:
        return param->value.ui;
    case VIR_TYPED_PARAM_LLONG:
        return param->value.l < 0 ? fallback : (guint64)param->value.l;
    case VIR_TYPED_PARAM_ULLONG:
        return param->value.ul;
    case VIR_TYPED_PARAM_BOOLEAN:
        return param->value.b != 0;
    default:
        return fallback;
    }
}


typedef struct _Stats Stats;
struct _Stats {
    const virTypedParameter *params;
    int nparams;
};


static void
takeSize(const Stats *stats,
         const char *name,
         guint64 *size)
{
    const virTypedParameter *param = hvmemFindParam(stats->params, stats->nparams, name);
    guint64 kib = paramNumber(param, HVMEM_UNKNOWN);

    if (kib != HVMEM_UNKNOWN)
        *size = hvmemFromKiB(kib);
}


static void
takeText(const Stats *stats,
         const char *name,
         char **text)
{
    const virTypedParameter *param = hvmemFindParam(stats->params, stats->nparams, name);

    g_clear_pointer(text, g_free);
    if (param && param->type == VIR_TYPED_PARAM_STRING)
        *text = g_strdup(param->value.s);
}


static hvmemStick *
takeStick(const Stats *stats,
          size_t index)
{
    hvmemStick *stick = stickNew();
    g_autofree char *prefix = g_strdup_printf("balloon.hyperv.stick.%zu.", index);
    g_autofree char *alias = g_strconcat(prefix, "alias", NULL);
    g_autofree char *addr = g_strconcat(prefix, "addr", NULL);
    g_autofree char *size = g_strconcat(prefix, "size", NULL);
    g_autofree char *state = g_strconcat(prefix, "state", NULL);
    g_autofree char *added = g_strconcat(prefix, "added", NULL);
    g_autofree char *released = g_strconcat(prefix, "released", NULL);
    g_autofree char *owner = g_strconcat(prefix, "owner", NULL);
    g_autofree char *ownerName = NULL;

    takeText(stats, alias, &stick->alias);
    takeText(stats, state, &stick->state);
    takeText(stats, owner, &ownerName);
    takeSize(stats, size, &stick->size);
    takeSize(stats, added, &stick->added);
    takeSize(stats, released, &stick->released);
    stick->addr = paramNumber(hvmemFindParam(stats->params, stats->nparams, addr), HVMEM_UNKNOWN);
    stick->byDriver = g_strcmp0(ownerName, "driver") == 0;
    return stick;
}


/* The first of @sticks that @others do not have. */
static const hvmemStick *
onlyIn(const GPtrArray *sticks,
       const GPtrArray *others)
{
    size_t i;
    size_t k;

    for (i = 0; i < sticks->len; i++) {
        const hvmemStick *stick = sticks->pdata[i];

        for (k = 0; k < others->len; k++) {
            const hvmemStick *other = others->pdata[k];

            if (g_strcmp0(stick->alias, other->alias) == 0 && stick->size == other->size)
                break;
        }
        if (k == others->len)
            return stick;
    }
    return NULL;
}


/* Do QEMU, which told @told, and the XML agree about sticks? */
static void
noteStray(hvmemDomain *dom,
          const GPtrArray *told)
{
    const hvmemStick *inQEMU = onlyIn(told, dom->sticks);
    const hvmemStick *stray = inQEMU ? inQEMU : onlyIn(dom->sticks, told);

    g_clear_pointer(&dom->stray, g_free);
    if (!stray)
        return;

    dom->stray = g_strdup(stray->alias ? stray->alias : "without a name");
    dom->strayInQEMU = inQEMU;
}


static void
takeSticks(hvmemDomain *dom,
           const Stats *stats)
{
    g_autoptr(GPtrArray) told = g_ptr_array_new_with_free_func((GDestroyNotify)stickFree);
    const virTypedParameter *param = hvmemFindParam(stats->params, stats->nparams, "balloon.hyperv.stick.count");
    guint64 count = MIN(paramNumber(param, 0), (guint64)stats->nparams);
    size_t i;

    if (!param)
        return;

    for (i = 0; i < count; i++)
        g_ptr_array_add(told, takeStick(stats, i));
    noteStray(dom, told);
    g_ptr_array_unref(dom->sticks);
    dom->sticks = g_steal_pointer(&told);
}


/* What has no limit is not told. */
static void
takePlan(hvmemDomain *dom,
         const Stats *stats)
{
    const virTypedParameter *costly = hvmemFindParam(stats->params, stats->nparams, "balloon.hyperv.plan.costly");
    const char *name;
    guint64 *number;
    size_t i;

    for (i = 0; (number = qemuHvBalloonPlanNumber(&dom->plan, i, &name)); i++) {
        g_autofree char *field = g_strconcat("balloon.hyperv.plan.", name, NULL);

        *number = paramNumber(hvmemFindParam(stats->params, stats->nparams, field), QEMU_HVBALLOON_UNLIMITED);
    }

    dom->plan.costly = paramNumber(costly, 0) != 0;
    dom->planned = costly;
}


static void
takeState(hvmemDomain *dom,
          guint64 state,
          guint64 reason)
{
    dom->movedAway = state == VIR_DOMAIN_SHUTOFF && reason == VIR_DOMAIN_SHUTOFF_MIGRATED;
    dom->paused = state == VIR_DOMAIN_PAUSED;
    dom->asleep = state == VIR_DOMAIN_CRASHED || state == VIR_DOMAIN_PMSUSPENDED;
    if (!dom->paused)
        return;

    dom->pausedByUser = reason == VIR_DOMAIN_PAUSED_USER;
    if (reason == VIR_DOMAIN_PAUSED_MIGRATION || reason == VIR_DOMAIN_PAUSED_POSTCOPY)
        dom->move = HVMEM_MOVE_OUT;
    else if (reason == VIR_DOMAIN_PAUSED_POSTCOPY_FAILED)
        dom->move = HVMEM_MOVE_BROKEN;
}


/* The guest's own figure: it can be any, and no guest has more to give than it has. */
static void
limitUsable(hvmemDomain *dom)
{
    guint64 most = dom->current != HVMEM_UNKNOWN ? dom->current : dom->total;

    if (dom->usable != HVMEM_UNKNOWN)
        dom->usable = MIN(dom->usable, most);
}


/* What is released counts as committed in it. */
static void
takeReport(hvmemDomain *dom,
           const Stats *stats)
{
    guint64 released = 0;

    dom->available = dom->committed = HVMEM_UNKNOWN;
    takeSize(stats, "balloon.hyperv.available", &dom->available);
    takeSize(stats, "balloon.hyperv.committed", &dom->committed);
    takeSize(stats, "balloon.hyperv.released", &released);
    if (dom->committed != HVMEM_UNKNOWN)
        dom->committed -= MIN(dom->committed, released);
}


void
hvmemDomainAddStats(hvmemDomain *dom,
                    const virTypedParameter *params,
                    int nparams)
{
    Stats stats = { params, nparams };
    const virTypedParameter *connected = hvmemFindParam(params, nparams, "balloon.hyperv.connected");

    takeSize(&stats, "balloon.current", &dom->current);
    takeSize(&stats, "balloon.maximum", &dom->total);
    takeSize(&stats, "balloon.usable", &dom->usable);
    limitUsable(dom);
    takeSize(&stats, "balloon.rss", &dom->rss);

    takeSize(&stats, "balloon.hyperv.requested", &dom->requested);
    takeSize(&stats, "balloon.hyperv.boot", &dom->boot);
    takeSize(&stats, "balloon.hyperv.capacity", &dom->capacity);
    takeSize(&stats, "balloon.hyperv.released", &dom->released);
    takeSize(&stats, "balloon.hyperv.ghosts", &dom->ghosts);
    takeReport(dom, &stats);
    takeSize(&stats, "balloon.hyperv.alignment", &dom->alignment);
    dom->freeSlots = paramNumber(hvmemFindParam(params, nparams, "balloon.hyperv.free-slots"), HVMEM_UNKNOWN);
    takeText(&stats, "balloon.hyperv.state", &dom->state);
    takeText(&stats, "balloon.hyperv.last-error", &dom->lastError);
    takeSticks(dom, &stats);
    takePlan(dom, &stats);

    takeState(dom, paramNumber(hvmemFindParam(params, nparams, "state.state"), VIR_DOMAIN_NOSTATE),
              paramNumber(hvmemFindParam(params, nparams, "state.reason"), 0));
    dom->told = connected && dom->state;
    dom->connected = paramNumber(connected, 0) != 0;
}


/*
 * Two definitions
 */

char *
hvmemDomainCommand(const char *name,
                   bool transient,
                   const char *command,
                   const char *options)
{
    g_autofree char *plain = g_strconcat(name, ".xml", NULL);
    g_autofree char *word = hvmemShellWord(name);
    g_autofree char *file = hvmemShellWord(plain);
    g_autofree char *change = g_strdup_printf("virsh-hvmem %s %s%s%s", command, word, options ? " " : "", options ? options : "");

    if (!transient)
        return g_steal_pointer(&change);
    return g_strdup_printf("virsh dumpxml --inactive --security-info %s >%s && virsh define %s && %s", word, file, file, change);
}


char *
hvmemDomainEnable(const hvmemDomain *dom,
                  const char *option,
                  guint64 bytes)
{
    g_autofree char *size = hvmemSizeArgument(bytes);
    g_autofree char *options = g_strconcat(option, " ", size, NULL);

    return hvmemDomainCommand(dom->name, dom->transient, "enable", options);
}


bool
hvmemDomainFailTransient(const char *name,
                         const char *command,
                         GError **error)
{
    g_autofree char *change = hvmemDomainCommand(name, true, command, NULL);

    return hvmemFailRefused(error, "domain '%s' is transient: it has no definition that could be changed. Either give it one and change that ('%s'), then shut it "
                     "down and start it; or create it anew from XML that has the <memballoon> it shall have", name, change);
}


bool
hvmemDomainIsMeant(const hvmemDomain *dom)
{
    return dom->hyperv || (dom->stored && dom->stored->hyperv);
}


static char *
pendingModel(const hvmemDomain *dom)
{
    g_autofree char *name = hvmemShellWord(dom->name);
    g_autofree char *differ = dom->hyperv ?
        g_strdup_printf("The definition has no hyperv balloon any more but model %s, and the running guest still has it", dom->stored->model) :
        g_strdup_printf("The definition has the hyperv balloon already, and the running guest still has model %s", dom->model);

    return g_strdup_printf("%s: shut it down and start it ('virsh shutdown %s', then 'virsh start %s'; a reboot is not enough).",
                           differ, name, name);
}


static char *
pendingCeiling(const hvmemDomain *dom)
{
    g_autofree char *size = hvmemFormatSize(dom->stored->maxMemory);
    g_autofree char *name = hvmemShellWord(dom->name);

    return g_strdup_printf("The definition has another ceiling, %s, which counts when the guest has been shut down and started "
                           "('virsh shutdown %s', then 'virsh start %s').", size, name, name);
}


static char *
pendingSaved(const hvmemDomain *dom)
{
    g_autofree char *name = hvmemShellWord(dom->name);

    return g_strdup_printf("A saved state of the guest is there and comes back with the balloon that it had then (model %s), whatever "
                           "the definition says. Either start the guest and shut it down once more ('virsh start %s', 'virsh shutdown "
                           "%s'), or give the saved state up, and what the guest had in memory only ('virsh managedsave-remove %s').",
                           dom->savedModel, name, name, name);
}


char *
hvmemDomainPending(const hvmemDomain *dom)
{
    if (!dom->active)
        return dom->savedModel && strcmp(dom->savedModel, dom->model) != 0 ? pendingSaved(dom) : NULL;
    if (!dom->stored)
        return NULL;
    if (dom->stored->hyperv != dom->hyperv)
        return pendingModel(dom);
    /* libvirt rounds the ceiling of one that it starts */
    if (dom->hyperv && hvmemDistance(dom->stored->maxMemory, dom->maxMemory) > HVMEM_NEAR)
        return pendingCeiling(dom);
    return NULL;
}


const hvmemDomain *
hvmemDomainStored(const hvmemDomain *dom)
{
    return dom->active && dom->stored ? dom->stored : dom;
}


bool
hvmemDomainIsThere(const hvmemDomain *dom)
{
    if (dom->requested == HVMEM_UNKNOWN || hvmemDistance(dom->requested, dom->current) > HVMEM_NEAR)
        return false;

    return !dom->told || g_strcmp0(dom->state, "idle") == 0;
}


void
hvmemDomainKeep(hvmemDomain *dom,
                const hvmemDomain *last)
{
    if (!dom->active || dom->told || !last || !last->told)
        return;

    dom->told = true;
    dom->connected = last->connected;
    dom->state = g_strdup(last->state);
    dom->lastError = g_strdup(last->lastError);
    dom->usable = last->usable;
    dom->available = last->available;
    dom->committed = last->committed;
    dom->rss = last->rss;
}


hvmemDomain *
hvmemDomainRemember(const hvmemDomain *dom)
{
    hvmemDomain *copy = g_new0(hvmemDomain, 1);

    g_strlcpy(copy->uuid, dom->uuid, sizeof(copy->uuid));
    copy->name = g_strdup(dom->name);
    copy->model = g_strdup(dom->model);
    copy->host = g_strdup(dom->host);
    copy->hyperv = dom->hyperv;
    copy->maxMemory = dom->maxMemory;
    copy->minimum = dom->minimum;
    copy->total = dom->total;
    copy->current = dom->current;
    copy->requested = dom->requested;
    copy->boot = dom->boot;
    copy->capacity = dom->capacity;
    copy->automatic = dom->automatic;
    copy->released = copy->ghosts = copy->freeSlots = copy->usable = copy->rss = copy->available = copy->committed = HVMEM_UNKNOWN;
    copy->moved = -1;
    copy->sticks = g_ptr_array_new();
    return copy;
}


/*
 * What is shown of it
 */

guint64
hvmemDomainCurrent(const hvmemDomain *dom)
{
    return dom->active ? dom->current : HVMEM_UNKNOWN;
}


guint64
hvmemDomainUsable(const hvmemDomain *dom)
{
    return dom->active ? dom->usable : HVMEM_UNKNOWN;
}


guint64
hvmemDomainResident(const hvmemDomain *dom)
{
    return dom->active ? dom->rss : HVMEM_UNKNOWN;
}


guint64
hvmemDomainBoot(const hvmemDomain *dom)
{
    return dom->boot;
}


guint64
hvmemDomainCeiling(const hvmemDomain *dom)
{
    return dom->hyperv && dom->maxMemory != HVMEM_UNKNOWN ? dom->maxMemory : dom->total;
}
