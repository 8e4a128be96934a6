/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-test.c: the parts of virsh-hvmem that need no libvirt daemon
 */

#include "hvmem-explain.h"
#include "hvmem-output.h"
#include "hvmem-progress.h"

#include <string.h>

#define MIB HVMEM_MIB
#define GIB HVMEM_GIB


static void
testBar(void)
{
    g_autofree char *bar = hvmemBar(1, 2, 4, 8, false);
    g_autofree char *full = hvmemBar(9, 9, 4, 4, false);
    g_autofree char *empty = hvmemBar(0, 0, 0, 4, true);

    g_assert_cmpstr(bar, ==, "##==....");
    g_assert_cmpstr(full, ==, "####");
    g_assert_cmpstr(empty, ==, "····");
}


/*
 * Domains
 */

#define DOMAIN_XML \
    "<domain type='kvm'><name>g</name>" \
    "<maxMemory unit='GiB'>8</maxMemory><memory unit='KiB'>3145728</memory><currentMemory unit='KiB'>716800</currentMemory>" \
    "<os><type arch='x86_64' machine='pc-q35-10.0'>hvm</type></os>" \
    "<features><acpi/><hyperv mode='custom'><vpindex state='on'/><synic state='on'/></hyperv></features>" \
    "<pm><suspend-to-disk enabled='no'/></pm>" \
    "<devices><emulator>/bin/qemu</emulator>" \
    "<memballoon model='hyperv'><minimum unit='MiB'>512</minimum><requested unit='KiB'>716800</requested></memballoon>" \
    "<memory model='haprot'><target insert='on-demand'><size unit='GiB'>2</size><address base='0x100000000'/></target>" \
    "<alias name='ua-haprot0'/></memory></devices></domain>"

static hvmemDomain *
newDomain(const char *xml,
          bool active)
{
    g_autoptr(GError) error = NULL;
    hvmemDomain *dom = hvmemDomainNew("g", active, xml, &error);

    g_assert_no_error(error);
    g_assert_nonnull(dom);
    return dom;
}


static void
testFromXML(void)
{
    g_autoptr(hvmemDomain) dom = newDomain(DOMAIN_XML, true);
    const hvmemStick *stick;

    g_assert_true(dom->hyperv);
    g_assert_cmpstr(dom->machine, ==, "pc-q35-10.0");
    g_assert_cmpuint(dom->maxMemory, ==, 8 * GIB);
    g_assert_cmpuint(dom->total, ==, 3 * GIB);
    g_assert_cmpuint(dom->current, ==, 700 * MIB);
    g_assert_cmpuint(dom->requested, ==, 700 * MIB);
    g_assert_cmpuint(dom->minimum, ==, 512 * MIB);
    g_assert_cmpuint(dom->boot, ==, GIB);
    g_assert_true(dom->vpindex && dom->synic && dom->acpi);
    g_assert_false(dom->hibernation || dom->told || dom->locked);
    g_assert_cmpuint(dom->needs.stickPage, ==, 0);
    g_assert_cmpuint(dom->sticks->len, ==, 1);
    stick = dom->sticks->pdata[0];
    g_assert_cmpstr(stick->alias, ==, "ua-haprot0");
    g_assert_true(stick->byDriver);
    g_assert_cmpuint(stick->addr, ==, 4 * GIB);
    g_assert_cmpuint(stick->size, ==, 2 * GIB);
    g_assert_null(stick->state);
}


static void
testFromXMLOther(void)
{
    g_autoptr(hvmemDomain) none = newDomain("<domain type='qemu'><memory>1024</memory><memoryBacking><hugepages/><locked/>"
                                            "</memoryBacking></domain>", false);
    g_autoptr(hvmemDomain) page = newDomain("<domain><memory>1024</memory><memoryBacking><hugepages><page size='1' unit='G'/>"
                                            "</hugepages></memoryBacking><devices><hostdev type='pci'/><hostdev type='usb'/>"
                                            "<memory model='dimm'/><memballoon model='virtio'/></devices></domain>", false);
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(none->model, ==, "none");
    g_assert_false(none->hyperv);
    g_assert_cmpuint(none->maxMemory, ==, HVMEM_UNKNOWN);
    g_assert_cmpuint(none->current, ==, MIB);
    g_assert_true(none->hibernation && none->locked);
    g_assert_cmpuint(none->needs.stickPage, ==, 1);
    g_assert_cmpuint(page->needs.stickPage, ==, GIB);
    g_assert_cmpuint(page->hostdevs, ==, 1);
    g_assert_cmpuint(page->otherMemory, ==, 1);
    g_assert_null(hvmemDomainNew("g", true, "<domain", &error));
    g_assert_nonnull(error);
}


static virTypedParameter
number(const char *name,
       guint64 value)
{
    virTypedParameter param = { .type = VIR_TYPED_PARAM_ULLONG, .value.ul = value };

    g_strlcpy(param.field, name, sizeof(param.field));
    return param;
}


static virTypedParameter
text(const char *name,
     const char *value)
{
    virTypedParameter param = { .type = VIR_TYPED_PARAM_STRING, .value.s = (char *)value };

    g_strlcpy(param.field, name, sizeof(param.field));
    return param;
}


static virTypedParameter
boolean(const char *name,
        bool value)
{
    virTypedParameter param = { .type = VIR_TYPED_PARAM_BOOLEAN, .value.b = value };

    g_strlcpy(param.field, name, sizeof(param.field));
    return param;
}


/* The guest's own figure can be any. */
static void
testUsable(void)
{
    static const struct {
        guint64 told;           /* KiB, as all here */
        guint64 current;
        guint64 usable;
    } cases[] = {
        { 900 << 10, 4 << 20, 900 << 10 }, { 5 << 20, 4 << 20, 4 << 20 }, { G_GUINT64_CONSTANT(1) << 52, 4 << 20, 4 << 20 },
        { G_MAXUINT64 - 1, 4 << 20, 4 << 20 }, { 0, 4 << 20, 0 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = newDomain(DOMAIN_XML, true);
        const virTypedParameter params[] = { number("balloon.usable", cases[i].told), number("balloon.current", cases[i].current),
                                             number("balloon.maximum", 1 << 20) };

        hvmemDomainAddStats(dom, params, G_N_ELEMENTS(params));
        g_assert_cmpuint(dom->usable, ==, cases[i].usable * HVMEM_KIB);
    }
}


/* As virsh domstats --balloon printed them for a guest. */
static void
testFromStats(void)
{
    g_autoptr(hvmemDomain) dom = newDomain(DOMAIN_XML, true);
    const virTypedParameter params[] = {
        number("balloon.current", 1 << 20), number("balloon.maximum", 4 << 20), number("balloon.usable", 900 << 10),
        number("balloon.rss", 5000), number("balloon.hyperv.requested", 3 << 20), number("balloon.hyperv.boot", 1 << 20),
        number("balloon.hyperv.capacity", 4 << 20), number("balloon.hyperv.released", 0), number("balloon.hyperv.ghosts", 2048),
        number("balloon.hyperv.alignment", 131072), boolean("balloon.hyperv.connected", true),
        number("balloon.hyperv.free-slots", 5),
        text("balloon.hyperv.state", "adding"), number("balloon.hyperv.stick.count", 2),
        text("balloon.hyperv.stick.0.alias", "ua-haprot0"), number("balloon.hyperv.stick.0.addr", 4 * GIB),
        number("balloon.hyperv.stick.0.size", 2 << 20), text("balloon.hyperv.stick.0.state", "inuse"),
        number("balloon.hyperv.stick.0.added", 1 << 20), number("balloon.hyperv.stick.0.released", 1024),
        text("balloon.hyperv.stick.0.owner", "driver"),
        number("balloon.hyperv.stick.1.size", 1 << 20), text("balloon.hyperv.stick.1.owner", "user"),
    };
    const hvmemStick *stick;

    g_assert_cmpuint(dom->freeSlots, ==, HVMEM_UNKNOWN);
    hvmemDomainAddStats(dom, params, G_N_ELEMENTS(params));
    g_assert_cmpuint(dom->freeSlots, ==, 5);
    g_assert_cmpuint(dom->current, ==, GIB);
    g_assert_cmpuint(dom->total, ==, 4 * GIB);
    g_assert_cmpuint(dom->requested, ==, 3 * GIB);
    g_assert_cmpuint(dom->usable, ==, 900 * MIB);
    g_assert_cmpuint(dom->ghosts, ==, 2 * MIB);
    g_assert_true(dom->told && dom->connected);
    g_assert_null(dom->lastError);
    g_assert_cmpuint(dom->sticks->len, ==, 2);
    stick = dom->sticks->pdata[0];
    g_assert_cmpuint(stick->addr, ==, 4 * GIB);
    g_assert_cmpuint(stick->added, ==, GIB);
    g_assert_cmpstr(stick->state, ==, "inuse");
    g_assert_true(stick->byDriver);
    stick = dom->sticks->pdata[1];
    g_assert_null(stick->alias);
    g_assert_cmpuint(stick->added, ==, HVMEM_UNKNOWN);
    g_assert_false(stick->byDriver);
}


/* A daemon may say anything: a number of sticks that is not there, a text
 * where a number belongs. */
static void
testFromOddStats(void)
{
    g_autoptr(hvmemDomain) dom = newDomain(DOMAIN_XML, true);
    const virTypedParameter params[] = {
        number("balloon.hyperv.stick.count", G_MAXUINT64), text("balloon.current", "much"),
        number("balloon.hyperv.requested", G_MAXUINT64 / 2), number("balloon.hyperv.state", 3),
        boolean("balloon.hyperv.connected", true),
    };

    hvmemDomainAddStats(dom, params, G_N_ELEMENTS(params));
    g_assert_cmpuint(dom->current, ==, 700 * MIB);
    g_assert_cmpuint(dom->requested, ==, HVMEM_UNKNOWN - 1);
    g_assert_cmpuint(dom->sticks->len, <=, G_N_ELEMENTS(params));
    g_assert_false(dom->told);
}


/*
 * Explanations
 */

static hvmemDomain *
domainIn(const char *state,
         guint64 have,
         guint64 want)
{
    hvmemDomain *dom = newDomain(DOMAIN_XML, true);
    const virTypedParameter params[] = {
        number("balloon.current", have / 1024), number("balloon.hyperv.requested", want / 1024),
        boolean("balloon.hyperv.connected", strcmp(state, "disconnected") != 0), text("balloon.hyperv.state", state),
    };

    hvmemDomainAddStats(dom, params, G_N_ELEMENTS(params));
    return dom;
}


/* Every state of query-hv-balloon has words of its own, and whoever has to act is told how. */
static void
testEveryStateExplained(void)
{
    static const struct {
        const char *state;
        bool problem;
    } states[] = {
        { "disconnected", true }, { "handshake", false }, { "waiting", false }, { "ballooning", false },
        { "returning", false }, { "adding", false }, { "refused", true }, { "floor", true }, { "not-onlined", true },
        { "late", true }, { "new-kernel", true }, { "frozen", true }, { "idle", true }, { "of-a-later-qemu", false },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(states); i++) {
        g_autoptr(hvmemDomain) dom = domainIn(states[i].state, 2 * GIB, GIB);
        g_autoptr(hvmemExplanation) why = hvmemExplain(dom);

        g_test_message("%s: %s", states[i].state, why->label);
        g_assert_true(why->problem == states[i].problem);
        g_assert_nonnull(why->meaning);
        g_assert_true(!why->problem || why->remedy);
        g_assert_cmpint(hvmemColumns(why->label), <=, 14);
        g_auto(GStrv) words = g_strsplit(why->label, " ", -1);
        g_assert_cmpuint(g_strv_length(words), <=, 2);
        g_assert_false(hvmemDomainIsThere(dom));
    }
}


static void
testAtRest(void)
{
    g_autoptr(hvmemDomain) dom = domainIn("idle", 2 * GIB, 2 * GIB + MIB);
    g_autoptr(hvmemDomain) moving = domainIn("ballooning", 2 * GIB, 2 * GIB);
    g_autoptr(hvmemDomain) ceiling = domainIn("idle", 8 * GIB, 8 * GIB);
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);
    g_autoptr(hvmemExplanation) top = hvmemExplain(ceiling);

    g_assert_true(hvmemDomainIsThere(dom));
    g_assert_false(hvmemDomainIsThere(moving));
    g_assert_cmpstr(why->label, ==, "at rest");
    g_assert_null(why->remedy);
    g_assert_null(why->next);
    g_assert_nonnull(strstr(top->meaning, "ceiling"));
}


/* A guest that stands still answers nothing: that is why, and not its driver. */
static void
testPaused(void)
{
    static const char *const states[] = { "late", "disconnected", "ballooning", "idle" };
    const virTypedParameter paused = { .field = "state.state", .type = VIR_TYPED_PARAM_INT, .value.i = VIR_DOMAIN_PAUSED };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(states); i++) {
        g_autoptr(hvmemDomain) dom = domainIn(states[i], 2 * GIB, GIB);
        g_autoptr(hvmemExplanation) why = NULL;
        virTypedParameter params[] = {
            paused, boolean("balloon.hyperv.connected", true), text("balloon.hyperv.state", states[i]),
        };

        hvmemDomainAddStats(dom, params, G_N_ELEMENTS(params));
        why = hvmemExplain(dom);
        g_assert_cmpstr(why->label, ==, "paused");
        g_assert_true(why->problem);
        g_assert_false(why->hopeless);
        g_assert_nonnull(strstr(why->remedy, "virsh resume g"));
        g_assert_nonnull(strstr(why->next, "shrinks from 2 GiB to 1 GiB"));
    }
}


static void
testHibernationIsBlamed(void)
{
    g_autoptr(hvmemDomain) dom = domainIn("late", 2 * GIB, GIB);
    g_autoptr(hvmemExplanation) without = hvmemExplain(dom);
    g_autoptr(hvmemExplanation) with = NULL;

    dom->hibernation = true;
    with = hvmemExplain(dom);
    g_assert_null(strstr(without->remedy, "hibernation"));
    g_assert_nonnull(strstr(with->remedy, "<suspend-to-disk enabled='no'/>"));
}


/*
 * Two definitions
 */

#define PENDING_XML(memory, model) "<domain type='kvm'>" memory "<devices><memballoon model='" model "'/></devices></domain>"

static void
testPending(void)
{
    static const char virtio[] = PENDING_XML("<memory unit='GiB'>1</memory>", "virtio");
    static const char hyperv[] = PENDING_XML("<maxMemory unit='GiB'>4</maxMemory><memory unit='GiB'>1</memory>", "hyperv");
    static const char rounded[] = PENDING_XML("<maxMemory unit='KiB'>4193999</maxMemory><memory unit='GiB'>1</memory>", "hyperv");
    static const char higher[] = PENDING_XML("<maxMemory unit='GiB'>8</maxMemory><memory unit='GiB'>1</memory>", "hyperv");
    static const struct {
        const char *now;
        const char *stored;     /* NULL: shut off */
        const char *saved;
        const char *words;      /* NULL: nothing is pending */
    } cases[] = {
        { virtio, virtio, NULL, NULL },
        { virtio, NULL, "virtio", NULL },
        { hyperv, hyperv, NULL, NULL },
        { hyperv, NULL, NULL, NULL },
        { virtio, hyperv, NULL, "has the hyperv balloon already" },
        { hyperv, virtio, NULL, "no hyperv balloon any more but model virtio" },
        { hyperv, higher, NULL, "another ceiling, 8 GiB" },
        { hyperv, rounded, NULL, NULL },
        { hyperv, NULL, "virtio", "virsh managedsave-remove g" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = hvmemDomainNew("g", cases[i].stored, cases[i].now, NULL);
        g_autofree char *pending = NULL;
        g_autofree char *state = NULL;
        bool problem;
        g_autoptr(hvmemExplanation) why = NULL;

        if (cases[i].stored)
            dom->stored = hvmemDomainNew("g", false, cases[i].stored, NULL);
        dom->savedModel = g_strdup(cases[i].saved);
        pending = hvmemDomainPending(dom);
        state = hvmemExplainState(dom, &problem);
        g_assert_cmpint(!pending, ==, !cases[i].words);
        if (pending)
            g_assert_nonnull(strstr(pending, cases[i].words));
        why = hvmemExplain(dom);
        if (cases[i].saved)
            g_assert_cmpstr(why->remedy, ==, pending);
        if (!dom->hyperv)
            g_assert_cmpstr(state, ==, cases[i].stored == hyperv ? "restart needed" : "virtio balloon");
        if (!dom->hyperv)
            g_assert_cmpint(problem, ==, cases[i].stored == hyperv);
    }
}


/* A driver that never comes: the remedy is what the definition lacks, not patience. */
static void
testDisconnectedIsBlamed(void)
{
    static const struct {
        const char *type;
        const char *hyperv;
        const char *kvm;
        const char *cpu;
        const char *remedy;
    } cases[] = {
        { "qemu", "<vpindex state='on'/><synic state='on'/>", "", "", "'modprobe hv_balloon', or a reboot" },
        { "qemu", "<vpindex state='on'/>", "", "", "<synic state='on'/>" },
        { "kvm", "<vpindex state='on'/><synic state='on'/>", "", "", "<hidden state='on'/>" },
        { "kvm", "<vpindex state='on'/><synic state='on'/>", "<hidden state='on'/>", "<feature policy='disable' name='hypervisor'/>", "hypervisor'/> out of" },
        { "qemu", "<vpindex state='on'/><synic state='on'/>", "", "<feature policy='forbid' name='hypervisor'/>", "hypervisor'/> out of" },
        { "qemu", "<vpindex state='on'/><synic state='on'/><vendor_id state='on' value='none'/>", "", "", "<vendor_id> out of" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *xml = g_strdup_printf("<domain type='%s'><memory>1024</memory><features><hyperv>%s</hyperv><kvm>%s</kvm></features>"
                                               "<cpu>%s</cpu><devices><memballoon model='hyperv'/></devices></domain>",
                                               cases[i].type, cases[i].hyperv, cases[i].kvm, cases[i].cpu);
        g_autoptr(hvmemDomain) dom = newDomain(xml, true);
        g_autoptr(hvmemExplanation) why = NULL;

        dom->told = true;
        dom->state = g_strdup("disconnected");
        why = hvmemExplain(dom);
        g_assert_nonnull(strstr(why->remedy, cases[i].remedy));
    }
}


/* What is onlined counts when the guest says so, and it begins to say so late. */
static void
testNotOnlinedCountsLater(void)
{
    g_autoptr(hvmemDomain) dom = domainIn("not-onlined", GIB, 3 * GIB);
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);

    g_assert_nonnull(strstr(why->remedy, "next report"));
    g_assert_nonnull(strstr(why->remedy, "45 seconds"));
    g_assert_nonnull(strstr(why->remedy, "memhp_default_state=online "));
    g_assert_nonnull(strstr(why->next, "next report"));
}


/* Which way the guest goes is said by its sizes: the device's own steps may go the other way for a moment. */
static void
testDirection(void)
{
    static const struct {
        const char *state;
        guint64 have;
        guint64 want;
        const char *label;
    } cases[] = {
        { "adding", GIB, 3 * GIB, "growing" }, { "returning", GIB, 3 * GIB, "growing" }, { "ballooning", GIB, 3 * GIB, "growing" },
        { "ballooning", 3 * GIB, GIB, "shrinking" }, { "returning", 3 * GIB, GIB, "shrinking" },
        { "ballooning", GIB, GIB, "shrinking" }, { "adding", GIB, GIB, "growing" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = domainIn(cases[i].state, cases[i].have, cases[i].want);
        g_autoptr(hvmemExplanation) why = hvmemExplain(dom);

        g_assert_cmpstr(why->label, ==, cases[i].label);
        g_assert_true(why->moving);
    }
}


/*
 * Progress
 */

typedef struct _Look Look;
struct _Look {
    const char *state;
    guint64 have;               /* MiB */
    int done;                   /* percent that it says */
    const char *at;
};

static void
followProgress(guint64 from,
               guint64 to,
               const char *label,
               const Look *looks,
               size_t n)
{
    g_autoptr(hvmemDomain) before = domainIn("idle", from * MIB, to * MIB);
    g_auto(hvmemProgress) progress = { 0 };
    size_t i;

    hvmemProgressInit(&progress, before, to * MIB);
    for (i = 0; i < n; i++) {
        g_autoptr(hvmemDomain) dom = domainIn(looks[i].state, looks[i].have * MIB, to * MIB);
        g_autofree char *rest = g_strdup_printf(" %3d %%  1:05  %s, ", looks[i].done, looks[i].at);
        g_autofree char *line = NULL;

        hvmemProgressUpdate(&progress, dom);
        line = hvmemProgressFormat(&progress, dom, 65, 79);
        g_test_message("%s", line);
        g_assert_nonnull(strstr(line, rest));
        g_assert_true(g_str_has_suffix(line, label));
        g_assert_cmpint(hvmemColumns(line), <=, 79);
    }
}


/* What it says goes one way, whatever steps the device takes: a stick comes in whole blocks, and what is too much is ballooned out again. */
static void
testProgress(void)
{
    static const Look up[] = {
        { "returning", 1200, 10, "1.2 of 2.9 GiB" }, { "adding", 2000, 50, "2.0 of 2.9 GiB" }, { "ballooning", 1990, 50, "2.0 of 2.9 GiB" },
        { "adding", 3128, 100, "2.9 of 2.9 GiB" }, { "ballooning", 3128, 100, "2.9 of 2.9 GiB" }, { "ballooning", 3060, 100, "2.9 of 2.9 GiB" },
    };
    static const Look down[] = {
        { "ballooning", 2800, 10, "2800.0 of 1000.0 MiB" }, { "ballooning", 1100, 95, "1100.0 of 1000.0 MiB" }, { "returning", 1104, 95, "1100.0 of 1000.0 MiB" },
        { "ballooning", 990, 100, "1000.0 of 1000.0 MiB" }, { "returning", 990, 100, "1000.0 of 1000.0 MiB" },
    };
    static const Look reboot[] = {
        { "ballooning", 1000, 80, "1000.0 of 500.0 MiB" }, { "disconnected", 2500, 20, "2500.0 of 500.0 MiB" },
    };

    followProgress(1000, 3000, "growing", up, G_N_ELEMENTS(up));
    followProgress(3000, 1000, "shrinking", down, G_N_ELEMENTS(down));
    followProgress(3000, 500, "", reboot, G_N_ELEMENTS(reboot));
}


/* The guest's size stands still while a stick is being given to it, and while it looks for memory: other figures move. */
static void
testProgressFigures(void)
{
    virTypedParameter params[] = {
        number("balloon.hyperv.stick.count", 1), number("balloon.hyperv.stick.0.size", 2 << 20),
        number("balloon.hyperv.stick.0.added", 512 << 10), number("balloon.hyperv.released", 256 << 10),
    };
    g_autoptr(hvmemDomain) before = domainIn("idle", GIB, GIB);
    g_autoptr(hvmemDomain) first = domainIn("idle", GIB, 3 * GIB);
    g_autoptr(hvmemDomain) growing = domainIn("adding", GIB, 3 * GIB);
    g_autoptr(hvmemDomain) shrinking = domainIn("ballooning", GIB, 512 * MIB);
    g_auto(hvmemProgress) up = { 0 };
    g_auto(hvmemProgress) down = { 0 };
    g_autofree char *asked = NULL;
    g_autofree char *given = NULL;
    g_autofree char *released = NULL;

    hvmemDomainAddStats(growing, params, G_N_ELEMENTS(params));
    growing->told = shrinking->told = true;
    growing->state = g_strdup("adding");
    growing->requested = 3 * GIB;
    shrinking->released = 256 * MIB;
    hvmemProgressInit(&up, before, 3 * GIB);
    hvmemProgressInit(&down, before, 512 * MIB);
    asked = hvmemProgressFormat(&up, first, 0, 79);
    given = hvmemProgressFormat(&up, growing, 1, 79);
    released = hvmemProgressFormat(&down, shrinking, 1, 79);
    g_assert_true(g_str_has_suffix(asked, "1.0 of 3.0 GiB, requested"));
    g_assert_true(g_str_has_suffix(given, ", growing, given 0.5 of 2.0 GiB of the sticks"));
    g_assert_true(g_str_has_suffix(released, ", shrinking, released 256.0 MiB"));
}


/* Whichever figure says that memory moves, it moves. */
static void
testMovement(void)
{
    static const char *const names[] = {
        "balloon.current", "balloon.hyperv.released", "balloon.hyperv.capacity", "balloon.hyperv.ghosts",
        "balloon.hyperv.stick.0.size", "balloon.hyperv.stick.0.added", "balloon.hyperv.stick.0.released",
    };
    g_autoptr(hvmemDomain) dom = domainIn("ballooning", 3 * GIB, GIB);
    g_auto(hvmemProgress) progress = { 0 };
    virTypedParameter params[G_N_ELEMENTS(names) + 2];
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(names); i++)
        params[i] = number(names[i], 1024);
    params[i++] = number("balloon.hyperv.stick.count", 1);
    params[i] = number("balloon.usable", 1024);

    hvmemDomainAddStats(dom, params, G_N_ELEMENTS(params));
    hvmemProgressInit(&progress, dom, GIB);
    g_assert_false(hvmemProgressUpdate(&progress, dom));

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        params[i].value.ul++;
        hvmemDomainAddStats(dom, params, G_N_ELEMENTS(params));
        g_test_message("%s", names[i]);
        g_assert_true(hvmemProgressUpdate(&progress, dom));
        g_assert_false(hvmemProgressUpdate(&progress, dom));
    }

    /* a guest's programs use memory whether or not it moves */
    params[G_N_ELEMENTS(params) - 1].value.ul++;
    hvmemDomainAddStats(dom, params, G_N_ELEMENTS(params));
    g_assert_false(hvmemProgressUpdate(&progress, dom));
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/output/bar", testBar);
    g_test_add_func("/hvmem/domain/xml", testFromXML);
    g_test_add_func("/hvmem/domain/other-xml", testFromXMLOther);
    g_test_add_func("/hvmem/domain/stats", testFromStats);
    g_test_add_func("/hvmem/domain/usable", testUsable);
    g_test_add_func("/hvmem/domain/odd-stats", testFromOddStats);
    g_test_add_func("/hvmem/domain/pending", testPending);
    g_test_add_func("/hvmem/explain/every-state", testEveryStateExplained);
    g_test_add_func("/hvmem/explain/at-rest", testAtRest);
    g_test_add_func("/hvmem/explain/paused", testPaused);
    g_test_add_func("/hvmem/explain/hibernation", testHibernationIsBlamed);
    g_test_add_func("/hvmem/explain/disconnected", testDisconnectedIsBlamed);
    g_test_add_func("/hvmem/explain/not-onlined", testNotOnlinedCountsLater);
    g_test_add_func("/hvmem/explain/direction", testDirection);
    g_test_add_func("/hvmem/progress/one-way", testProgress);
    g_test_add_func("/hvmem/progress/figures", testProgressFigures);
    g_test_add_func("/hvmem/progress/movement", testMovement);

    return g_test_run();
}
