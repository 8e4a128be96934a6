/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-libvirt.c: libvirt's answers about guests that do not exist, for the screens of virsh-hvmem
 *
 * Linked into virsh-hvmem-fake, these functions come before libvirt's own. The connection is libvirt's test driver; the domains in it are those of
 * the key file HVMEM_FAKE, which is read again when it changes:
 *
 *     [host]                       the host, in MiB
 *     memory=65536
 *     free=20000
 *     [g1]                         a domain; sizes in MiB
 *     running=true
 *     model=hyperv
 *     max=8192
 *     boot=1024
 *     sticks=ua-haprot0:2048:inuse;…
 *     current=3072
 *     requested=3072
 *     state=idle                   as query-hv-balloon has it; without it, nothing is told
 *     usable=…, rss=…, minimum=…, last-error=…, paused=true
 *     auto=minimum='…' weight='…'    its memory is automatic, with these settings
 *     speed=256                    a request moves 'current' so far with each query
 *     floor=512                    but not below
 *     refuse=true                  libvirt refuses every request
 *     migrated=true                it does not run here any more, since it was migrated to another host
 *     slow=500                     libvirt takes so many milliseconds for statistics
 *     hangs=true                   libvirt does not answer any more when it is asked for statistics
 */

#include <dlfcn.h>
#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB(mib) ((mib) * G_GUINT64_CONSTANT(1024))

static GKeyFile *scene;
static char *content;               /* of the file, when it was read last */


static bool
isDomain(const char *group)
{
    return strcmp(group, "host") != 0;
}


/* Keeps what requests have changed until the file itself changes. */
static void
readScene(void)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents(g_getenv("HVMEM_FAKE"), &text, NULL, NULL) || g_strcmp0(text, content) == 0)
        return;

    g_clear_pointer(&scene, g_key_file_free);
    scene = g_key_file_new();
    if (!g_key_file_load_from_data(scene, text, -1, G_KEY_FILE_NONE, NULL))
        g_error("HVMEM_FAKE: no key file");
    g_free(content);
    content = g_steal_pointer(&text);
}


static guint64
mib(const char *name,
    const char *key,
    guint64 fallback)
{
    return g_key_file_has_key(scene, name, key, NULL) ? g_key_file_get_uint64(scene, name, key, NULL) : fallback;
}


static char *
word(const char *name,
     const char *key)
{
    return g_key_file_get_string(scene, name, key, NULL);
}


static bool
isRunning(const char *name)
{
    return g_key_file_get_boolean(scene, name, "running", NULL);
}


static char **
sticksOf(const char *name)
{
    char **sticks = g_key_file_get_string_list(scene, name, "sticks", NULL, NULL);

    return sticks ? sticks : g_new0(char *, 1);
}


static guint64
total(const char *name)
{
    g_auto(GStrv) sticks = sticksOf(name);
    guint64 sum = mib(name, "boot", 1024);
    size_t i;

    for (i = 0; sticks[i]; i++)
        sum += g_ascii_strtoull(strchr(sticks[i], ':') + 1, NULL, 10);
    return sum;
}


/* What a guest does between two queries. */
static void
move(const char *name)
{
    guint64 speed = mib(name, "speed", 0);
    guint64 have = mib(name, "current", 0);
    guint64 want = mib(name, "requested", have);
    guint64 least = MAX(want, mib(name, "floor", 0));

    if (!speed || have == want)
        return;

    if (have < want)
        have = MIN(have + speed, want);
    else
        have = have > least + speed ? have - speed : MIN(have, least);
    g_key_file_set_uint64(scene, name, "current", have);
    g_key_file_set_string(scene, name, "state", have == want ? "idle" : have < want ? "adding" : have == least ? "floor" : "ballooning");
}


/*
 * The connection
 */

typedef virConnectPtr (*OpenAuth)(const char *uri, virConnectAuthPtr auth, unsigned int flags);

virConnectPtr
virConnectOpenAuth(const char *uri G_GNUC_UNUSED,
                   virConnectAuthPtr auth,
                   unsigned int flags)
{
    OpenAuth real = (OpenAuth)dlsym(RTLD_NEXT, "virConnectOpenAuth");
    virConnectPtr conn = real("test:///default", auth, flags & ~VIR_CONNECT_RO);
    virDomainPtr old = virDomainLookupByName(conn, "test");
    g_auto(GStrv) names = NULL;
    size_t i;

    readScene();
    virDomainDestroy(old);
    virDomainUndefine(old);
    virDomainFree(old);

    names = g_key_file_get_groups(scene, NULL);
    for (i = 0; names[i]; i++) {
        g_autofree char *xml = g_markup_printf_escaped("<domain type='test'><name>%s</name><memory unit='MiB'>128</memory><os><type>hvm</type></os>"
                                                       "</domain>", names[i]);
        virDomainPtr dom = isDomain(names[i]) ? virDomainDefineXML(conn, xml) : NULL;

        if (dom && isRunning(names[i]))
            virDomainCreate(dom);
        if (dom)
            virDomainFree(dom);
    }
    return conn;
}


int
virNodeGetMemoryStats(virConnectPtr conn G_GNUC_UNUSED,
                      int cell G_GNUC_UNUSED,
                      virNodeMemoryStatsPtr stats,
                      int *n,
                      unsigned int flags G_GNUC_UNUSED)
{
    if (!stats) {
        *n = 2;
        return 0;
    }
    g_strlcpy(stats[0].field, VIR_NODE_MEMORY_STATS_TOTAL, sizeof(stats[0].field));
    stats[0].value = KIB(mib("host", "memory", 65536));
    g_strlcpy(stats[1].field, VIR_NODE_MEMORY_STATS_FREE, sizeof(stats[1].field));
    stats[1].value = KIB(mib("host", "free", 20000));
    return 0;
}


/*
 * A domain
 */

int
virDomainIsActive(virDomainPtr dom)
{
    readScene();
    return isRunning(virDomainGetName(dom));
}


static void
formatSticks(const char *name,
             GString *out)
{
    g_auto(GStrv) sticks = sticksOf(name);
    size_t i;

    for (i = 0; sticks[i]; i++) {
        g_auto(GStrv) parts = g_strsplit(sticks[i], ":", -1);

        g_string_append_printf(out, "<memory model='haprot'><target><size unit='MiB'>%s</size></target><alias name='%s'/></memory>", parts[1], parts[0]);
    }
}


char *
virDomainGetXMLDesc(virDomainPtr dom,
                    unsigned int flags G_GNUC_UNUSED)
{
    const char *name = virDomainGetName(dom);
    g_autoptr(GString) out = g_string_new("<domain type='kvm'>");
    g_autofree char *model = NULL;
    g_autofree char *settings = NULL;
    guint64 max;

    readScene();
    model = word(name, "model");
    settings = word(name, "auto");
    if (settings)
        g_string_append_printf(out, "<metadata><a:auto xmlns:a='urn:virsh-hvmem:auto:1' %s/></metadata>", settings);
    max = mib(name, "max", 0);
    if (max)
        g_string_append_printf(out, "<maxMemory unit='MiB'>%" G_GUINT64_FORMAT "</maxMemory>", max);
    g_string_append_printf(out, "<memory unit='MiB'>%" G_GUINT64_FORMAT "</memory><currentMemory unit='MiB'>%" G_GUINT64_FORMAT "</currentMemory>"
                           "<os><type arch='x86_64' machine='pc-q35-10.0'>hvm</type></os><features><acpi/><hyperv mode='custom'><vpindex state='on'/>"
                           "<synic state='on'/></hyperv><kvm><hidden state='on'/></kvm></features><pm><suspend-to-disk enabled='no'/></pm><devices>",
                           total(name), mib(name, "current", total(name)));
    formatSticks(name, out);
    g_string_append_printf(out, "<memballoon model='%s'>", model ? model : "hyperv");
    if (g_key_file_has_key(scene, name, "minimum", NULL))
        g_string_append_printf(out, "<minimum unit='MiB'>%" G_GUINT64_FORMAT "</minimum>", mib(name, "minimum", 0));
    if (g_key_file_has_key(scene, name, "requested", NULL))
        g_string_append_printf(out, "<requested unit='MiB'>%" G_GUINT64_FORMAT "</requested>", mib(name, "requested", 0));
    g_string_append(out, "</memballoon></devices></domain>");
    return strdup(out->str);
}


int
virDomainSetMemoryFlags(virDomainPtr dom,
                        unsigned long memory,
                        unsigned int flags G_GNUC_UNUSED)
{
    const char *name = virDomainGetName(dom);

    if (g_key_file_get_boolean(scene, name, "refuse", NULL)) {
        /* the test driver has no such thing, and leaves an error that says so */
        return virDomainPMWakeup(dom, 0);
    }
    g_key_file_set_uint64(scene, name, "requested", memory / 1024);
    return 0;
}


/*
 * Statistics
 */

static void
addSize(virDomainStatsRecordPtr record,
        int *max,
        const char *field,
        const char *name,
        const char *key)
{
    if (g_key_file_has_key(scene, name, key, NULL))
        virTypedParamsAddULLong(&record->params, &record->nparams, max, field, KIB(mib(name, key, 0)));
}


static void
addSticks(virDomainStatsRecordPtr record,
          int *max,
          const char *name)
{
    g_auto(GStrv) sticks = sticksOf(name);
    guint addr = 4;
    size_t i;

    virTypedParamsAddUInt(&record->params, &record->nparams, max, "balloon.hyperv.stick.count", g_strv_length(sticks));
    for (i = 0; sticks[i]; i++) {
        g_auto(GStrv) parts = g_strsplit(sticks[i], ":", -1);
        g_autofree char *prefix = g_strdup_printf("balloon.hyperv.stick.%zu.", i);
        g_autofree char *alias = g_strconcat(prefix, "alias", NULL);
        g_autofree char *size = g_strconcat(prefix, "size", NULL);
        g_autofree char *addrName = g_strconcat(prefix, "addr", NULL);
        g_autofree char *state = g_strconcat(prefix, "state", NULL);
        g_autofree char *added = g_strconcat(prefix, "added", NULL);
        g_autofree char *released = g_strconcat(prefix, "released", NULL);
        g_autofree char *owner = g_strconcat(prefix, "owner", NULL);
        guint64 kib = KIB(g_ascii_strtoull(parts[1], NULL, 10));

        virTypedParamsAddString(&record->params, &record->nparams, max, alias, parts[0]);
        virTypedParamsAddULLong(&record->params, &record->nparams, max, size, kib);
        virTypedParamsAddULLong(&record->params, &record->nparams, max, addrName, (guint64)addr << 30);
        virTypedParamsAddString(&record->params, &record->nparams, max, state, parts[2]);
        virTypedParamsAddULLong(&record->params, &record->nparams, max, added, strcmp(parts[2], "inuse") == 0 ? kib : 0);
        virTypedParamsAddULLong(&record->params, &record->nparams, max, released, 0);
        virTypedParamsAddString(&record->params, &record->nparams, max, owner, "driver");
        addr += 2;
    }
}


/* What setmem plans with. */
static void
addPlan(virDomainStatsRecordPtr record,
        int *max,
        const char *name)
{
    const struct {
        const char *field;
        guint64 mib;
    } numbers[] = {
        { "balloon.hyperv.plan.boot", mib(name, "boot", 1024) }, { "balloon.hyperv.plan.max-memory", mib(name, "max", 0) },
        { "balloon.hyperv.plan.minimum", mib(name, "minimum", 0) }, { "balloon.hyperv.plan.keep-total", 0 },
        { "balloon.hyperv.plan.device-target", mib(name, "requested", 0) }, { "balloon.hyperv.plan.granule", 2 },
        { "balloon.hyperv.plan.alignment", 128 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(numbers); i++)
        virTypedParamsAddULLong(&record->params, &record->nparams, max, numbers[i].field, KIB(numbers[i].mib));
    virTypedParamsAddULLong(&record->params, &record->nparams, max, "balloon.hyperv.plan.free-slots", 16);
    virTypedParamsAddBoolean(&record->params, &record->nparams, max, "balloon.hyperv.plan.costly", 0);
}


static void
addBalloon(virDomainStatsRecordPtr record,
           int *max,
           const char *name)
{
    g_autofree char *state = word(name, "state");
    g_autofree char *error = word(name, "last-error");

    addSize(record, max, "balloon.hyperv.requested", name, "requested");
    addSize(record, max, "balloon.hyperv.boot", name, "boot");
    addSize(record, max, "balloon.hyperv.released", name, "released");
    virTypedParamsAddULLong(&record->params, &record->nparams, max, "balloon.hyperv.capacity", KIB(total(name)));
    virTypedParamsAddULLong(&record->params, &record->nparams, max, "balloon.hyperv.alignment", KIB(128));
    virTypedParamsAddUInt(&record->params, &record->nparams, max, "balloon.hyperv.free-slots", 16);
    addSticks(record, max, name);
    addPlan(record, max, name);
    if (!state)
        return;
    virTypedParamsAddBoolean(&record->params, &record->nparams, max, "balloon.hyperv.connected", strcmp(state, "disconnected") != 0);
    virTypedParamsAddString(&record->params, &record->nparams, max, "balloon.hyperv.state", state);
    if (error)
        virTypedParamsAddString(&record->params, &record->nparams, max, "balloon.hyperv.last-error", error);
}


static virDomainStatsRecordPtr
statsOf(virDomainPtr dom)
{
    virDomainStatsRecordPtr record = calloc(1, sizeof(*record));
    const char *name = virDomainGetName(dom);
    g_autofree char *model = word(name, "model");
    bool paused = g_key_file_get_boolean(scene, name, "paused", NULL);
    bool migrated = g_key_file_get_boolean(scene, name, "migrated", NULL);
    int max = 0;

    move(name);
    virDomainRef(dom);
    record->dom = dom;
    virTypedParamsAddInt(&record->params, &record->nparams, &max, "state.state", migrated ? VIR_DOMAIN_SHUTOFF : paused ? VIR_DOMAIN_PAUSED : VIR_DOMAIN_RUNNING);
    virTypedParamsAddInt(&record->params, &record->nparams, &max, "state.reason", migrated ? VIR_DOMAIN_SHUTOFF_MIGRATED : 1);
    addSize(record, &max, "balloon.current", name, "current");
    if (!isRunning(name))
        return record;

    virTypedParamsAddULLong(&record->params, &record->nparams, &max, "balloon.maximum", KIB(total(name)));
    addSize(record, &max, "balloon.usable", name, "usable");
    addSize(record, &max, "balloon.rss", name, "rss");
    if (!model || strcmp(model, "hyperv") == 0)
        addBalloon(record, &max, name);
    return record;
}


/* Whatever signal comes. */
static void
hang(void)
{
    fprintf(stderr, "libvirt hangs\n");
    while (true)
        g_usleep(G_USEC_PER_SEC);
}


int
virDomainListGetStats(virDomainPtr *doms,
                      unsigned int stats G_GNUC_UNUSED,
                      virDomainStatsRecordPtr **records,
                      unsigned int flags G_GNUC_UNUSED)
{
    int n = 0;
    int i;

    readScene();
    while (doms[n])
        n++;
    if (g_key_file_get_boolean(scene, virDomainGetName(doms[0]), "hangs", NULL))
        hang();
    g_usleep(1000 * g_key_file_get_uint64(scene, virDomainGetName(doms[0]), "slow", NULL));
    *records = calloc(n + 1, sizeof(**records));
    for (i = 0; i < n; i++)
        (*records)[i] = statsOf(doms[i]);
    return n;
}
