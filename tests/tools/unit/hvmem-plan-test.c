/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-plan-test.c: what setmem would do, and why
 */

#include "hvmem-limits.h"
#include "hvmem-plan.h"
#include "hvmem-plan-text.h"
#include "hvmem-test-domain.h"

#include <string.h>

#define MIB HVMEM_MIB
#define GIB HVMEM_GIB

/* Of the planner, which counts in KiB. */
#define K(bytes) ((bytes) / HVMEM_KIB)


/* A domain of which the daemon tells what it plans with: nothing out of the ordinary. */
static hvmemDomain *
told(const char *xml,
     bool active)
{
    hvmemDomain *dom = domain(xml, active);

    dom->planned = true;
    dom->plan = (qemuHvBalloonPlanInput) {
        .boot = K(dom->boot),
        .maxMemory = K(dom->maxMemory),
        .minimum = K(dom->minimum),
        .granule = QEMU_HVBALLOON_STICK_GRANULE,
        .alignment = QEMU_HVBALLOON_GUEST_ALIGNMENT,
        .freeSlots = QEMU_HVBALLOON_UNLIMITED,
        .freeSpace = QEMU_HVBALLOON_UNLIMITED,
    };
    return dom;
}


#define HYPERV_DOMAIN \
    "<domain type='kvm'><name>g</name><maxMemory unit='GiB'>8</maxMemory><memory unit='GiB'>3</memory>" \
    "<currentMemory unit='GiB'>1</currentMemory><os><type arch='x86_64' machine='pc-q35-10.0'>hvm</type></os>" \
    "<features><acpi/><hyperv><vpindex state='on'/><synic state='on'/></hyperv><kvm><hidden state='on'/></kvm></features>" \
    "<pm><suspend-to-disk enabled='no'/></pm><devices><memballoon model='hyperv'><minimum unit='MiB'>512</minimum></memballoon>" \
    "<memory model='haprot'><target insert='on-demand'><size unit='GiB'>2</size></target><alias name='ua-haprot0'/></memory>" \
    "</devices></domain>"

static void
testPlanLive(void)
{
    g_autoptr(hvmemDomain) dom = told(HYPERV_DOMAIN, true);
    g_autoptr(hvmemPlan) up = hvmemPlanNew(dom, 5 * GIB, NULL);
    g_autoptr(hvmemPlan) within = hvmemPlanNew(dom, 3 * GIB, NULL);
    g_autoptr(hvmemPlan) above = hvmemPlanNew(dom, 9 * GIB, NULL);
    g_autoptr(hvmemPlan) below = hvmemPlanNew(dom, 256 * MIB, NULL);

    g_assert_cmpuint(up->steps->nsteps, ==, 2);
    g_assert_cmpint(up->steps->steps[0].type, ==, QEMU_HVBALLOON_STEP_PLUG);
    g_assert_cmpuint(up->steps->steps[0].size, ==, 2 * GIB / 1024);
    g_assert_cmpuint(within->steps->nsteps, ==, 1);
    g_assert_null(above->steps);
    g_assert_nonnull(strstr(above->refused, "<maxMemory>"));
    g_assert_nonnull(strstr(below->refused, "<minimum>"));
}


/* As the driver, which knows by the same way how many there are. */
static void
testPlanCountsSlots(void)
{
    g_autoptr(hvmemDomain) dom = told(HYPERV_DOMAIN, true);
    g_autoptr(hvmemPlan) last = NULL;
    g_autoptr(hvmemPlan) none = NULL;

    dom->plan.freeSlots = 1;
    last = hvmemPlanNew(dom, 4 * GIB, NULL);
    g_assert_cmpuint(last->steps->steps[0].size, ==, 5 * GIB / 1024);
    dom->plan.freeSlots = 0;
    none = hvmemPlanNew(dom, 4 * GIB, NULL);
    g_assert_null(none->steps);
    g_assert_nonnull(strstr(none->refused, "no memory slot is free"));
}


/* What can be had at all, without the size of each stick. */
static void
testPlanMost(void)
{
    g_autoptr(hvmemDomain) dom = told(HYPERV_DOMAIN, true);
    qemuHvBalloonRefusalType why;

    g_assert_cmpuint(hvmemPlanMost(dom, &why), ==, HVMEM_UNKNOWN);
    dom->capacity = 3 * GIB;
    g_assert_cmpuint(hvmemPlanMost(dom, &why), ==, 8 * GIB);
    g_assert_cmpint(why, ==, QEMU_HVBALLOON_REFUSAL_NONE);
    dom->plan.freeSlots = 0;
    g_assert_cmpuint(hvmemPlanMost(dom, &why), ==, 3 * GIB);
    g_assert_cmpint(why, ==, QEMU_HVBALLOON_REFUSAL_NO_SLOT);
    dom->capacity = 0;
    g_assert_cmpuint(hvmemPlanMost(dom, &why), ==, GIB);
    dom->planned = false;
    g_assert_cmpuint(hvmemPlanMost(dom, &why), ==, HVMEM_UNKNOWN);
}


/* What a stick costs the host when it is plugged is not more than what is missing. */
static void
testPlanWithHugepages(void)
{
    g_autoptr(hvmemDomain) dom = told(HYPERV_DOMAIN, true);
    g_autoptr(hvmemPlan) plan = NULL;

    dom->plan.granule = K(GIB);
    dom->plan.costly = true;
    plan = hvmemPlanNew(dom, 3 * GIB + 300 * MIB, NULL);
    g_assert_cmpuint(plan->steps->nsteps, ==, 2);
    g_assert_cmpint(plan->steps->steps[0].type, ==, QEMU_HVBALLOON_STEP_PLUG);
    g_assert_cmpuint(plan->steps->steps[0].size, ==, GIB / 1024);
}


/* What nobody has said to be unused is not planned to be removed. */
static void
testPlanKeepsUnknownSticks(void)
{
    g_autoptr(hvmemDomain) dom = told(HYPERV_DOMAIN, true);
    g_autoptr(hvmemPlan) unknown = hvmemPlanNew(dom, GIB, NULL);
    g_autoptr(hvmemPlan) unused = NULL;
    hvmemStick *stick = dom->sticks->pdata[0];

    stick->state = g_strdup("unused");
    unused = hvmemPlanNew(dom, GIB, NULL);
    g_assert_cmpuint(unknown->steps->nsteps, ==, 1);
    g_assert_cmpuint(unused->steps->nsteps, ==, 2);
    g_assert_cmpint(unused->steps->steps[1].type, ==, QEMU_HVBALLOON_STEP_UNPLUG);
    g_assert_cmpstr(unused->steps->steps[1].alias, ==, "ua-haprot0");
}


static void
testPlanConfig(void)
{
    g_autoptr(hvmemDomain) dom = told(HYPERV_DOMAIN, false);
    g_autoptr(hvmemPlan) up = hvmemPlanNew(dom, 4 * GIB, NULL);
    g_autoptr(hvmemPlan) down = hvmemPlanNew(dom, GIB, NULL);

    g_assert_cmpint(up->steps->steps[0].type, ==, QEMU_HVBALLOON_STEP_PLUG);
    g_assert_cmpuint(up->steps->steps[0].size, ==, GIB / 1024);
    g_assert_cmpint(down->steps->steps[0].type, ==, QEMU_HVBALLOON_STEP_UNPLUG);
    g_assert_cmpuint(down->steps->steps[0].size, ==, 2 * GIB / 1024);
}


#define LIMITS(max, min) \
    "<domain><maxMemory unit='GiB'>" max "</maxMemory><memory unit='GiB'>1</memory><devices><memballoon model='hyperv'>" \
    "<minimum unit='MiB'>" min "</minimum></memballoon></devices></domain>"

/* Who asks for too much or too little hears which command changes the limit, or that it is changed already. */
static void
testPlanCheck(void)
{
    static const struct {
        bool active;
        const char *stored;     /* XML of the definition beside it; NULL: none */
        guint64 size;
        const char *error;      /* has this; NULL: good */
    } cases[] = {
        { true, NULL, 8 * GIB, NULL },
        { true, NULL, 512 * MIB, NULL },
        { true, NULL, 9 * GIB, "'virsh-hvmem enable g --max 9GiB'" },
        { true, LIMITS("9", "512"), 9 * GIB, "another ceiling, 9 GiB" },
        { true, NULL, 256 * MIB, "takes effect after shutting down: 'virsh-hvmem enable g --minimum 256MiB'" },
        { false, NULL, 256 * MIB, "A lower one: 'virsh-hvmem enable g --minimum 256MiB'" },
        { true, LIMITS("8", "256"), 256 * MIB, "'virsh shutdown g', then 'virsh start g'" },
        { true, LIMITS("8", "300"), 256 * MIB, "--minimum 256MiB" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = domain(LIMITS("8", "512"), cases[i].active);
        g_autoptr(GError) error = NULL;
        bool good;

        dom->stored = cases[i].stored ? domain(cases[i].stored, false) : NULL;
        good = hvmemLimitsCheck(dom, cases[i].size, &error);
        g_test_message("%s", good ? "good" : error->message);
        g_assert_true(good == !cases[i].error);
        g_assert_true(good || strstr(error->message, cases[i].error));
    }
}


/* Live XML that was defined again has as many as there were. */
static void
testPlanConfigSticks(void)
{
    g_autoptr(hvmemDomain) dom = told("<domain><maxMemory unit='GiB'>8</maxMemory><memory unit='GiB'>4</memory>"
                                        "<currentMemory unit='GiB'>4</currentMemory><devices><memballoon model='hyperv'/>"
                                        "<memory model='haprot'><target insert='on-demand'><size unit='GiB'>1</size></target>"
                                        "<alias name='ua-haprot0'/></memory>"
                                        "<memory model='haprot'><target insert='on-demand'><size unit='GiB'>2</size></target>"
                                        "<alias name='ua-haprot1'/></memory></devices></domain>", false);
    g_autoptr(hvmemPlan) down = hvmemPlanNew(dom, 2 * GIB, NULL);

    g_assert_null(down->refused);
    g_assert_cmpint(down->steps->steps[0].type, ==, QEMU_HVBALLOON_STEP_UNPLUG);
    g_assert_cmpuint(down->steps->steps[0].size, ==, 2 * GIB / 1024);
}


/*
 * What the daemon tells
 */

static void
addParam(GArray *params,
         int type,
         const char *name,
         guint64 value,
         const char *text)
{
    virTypedParameter param = { .type = type };

    g_assert_cmpint(g_strlcpy(param.field, name, sizeof(param.field)), <, sizeof(param.field));
    if (type == VIR_TYPED_PARAM_ULLONG)
        param.value.ul = value;
    else if (type == VIR_TYPED_PARAM_BOOLEAN)
        param.value.b = value;
    else
        param.value.s = (char *)text;
    g_array_append_val(params, param);
}


/* As qemu_hvballoon_stats.c writes it: what has no limit is left out. */
static GArray *
statsOf(qemuHvBalloonPlanInput *in)
{
    static const char *const states[] = { "idle", "inuse", "unused" };
    GArray *params = g_array_new(FALSE, FALSE, sizeof(virTypedParameter));
    const char *name;
    guint64 *number;
    size_t i;

    for (i = 0; (number = qemuHvBalloonPlanNumber(in, i, &name)); i++) {
        g_autofree char *field = g_strconcat("balloon.hyperv.plan.", name, NULL);

        if (*number != QEMU_HVBALLOON_UNLIMITED)
            addParam(params, VIR_TYPED_PARAM_ULLONG, field, *number, NULL);
    }
    addParam(params, VIR_TYPED_PARAM_BOOLEAN, "balloon.hyperv.plan.costly", in->costly, NULL);

    addParam(params, VIR_TYPED_PARAM_ULLONG, "balloon.hyperv.stick.count", in->nsticks, NULL);
    for (i = 0; i < in->nsticks; i++) {
        const qemuHvBalloonPlanStick *stick = in->sticks + i;
        g_autofree char *alias = g_strdup_printf("balloon.hyperv.stick.%zu.alias", i);
        g_autofree char *size = g_strdup_printf("balloon.hyperv.stick.%zu.size", i);
        g_autofree char *state = g_strdup_printf("balloon.hyperv.stick.%zu.state", i);
        g_autofree char *owner = g_strdup_printf("balloon.hyperv.stick.%zu.owner", i);

        addParam(params, VIR_TYPED_PARAM_STRING, alias, 0, stick->alias);
        addParam(params, VIR_TYPED_PARAM_ULLONG, size, stick->size, NULL);
        addParam(params, VIR_TYPED_PARAM_STRING, state, 0, states[stick->state]);
        addParam(params, VIR_TYPED_PARAM_STRING, owner, 0, stick->byDriver ? "driver" : "user");
    }
    return params;
}


static void
assertSameReason(const qemuHvBalloonReason *one,
                 const qemuHvBalloonReason *two)
{
    g_assert_cmpint(one->type, ==, two->type);
    g_assert_cmpuint(one->requested, ==, two->requested);
    g_assert_cmpuint(one->missing, ==, two->missing);
    g_assert_cmpuint(one->total, ==, two->total);
    g_assert_cmpint(one->size, ==, two->size);
    g_assert_cmpuint(one->freeSlots, ==, two->freeSlots);
    g_assert_cmpuint(one->maxMemory, ==, two->maxMemory);
}


static void
assertSamePlan(const qemuHvBalloonPlan *one,
               const qemuHvBalloonPlan *two)
{
    size_t i;

    g_assert_true(!one == !two);
    if (!one)
        return;

    g_assert_cmpuint(one->nsteps, ==, two->nsteps);
    for (i = 0; i < one->nsteps; i++) {
        g_assert_cmpint(one->steps[i].type, ==, two->steps[i].type);
        g_assert_cmpuint(one->steps[i].size, ==, two->steps[i].size);
        g_assert_cmpuint(one->steps[i].least, ==, two->steps[i].least);
        g_assert_cmpstr(one->steps[i].alias, ==, two->steps[i].alias);
        assertSameReason(&one->steps[i].reason, &two->steps[i].reason);
    }
}


static guint64
someSize(GRand *r,
         guint64 top)
{
    return ((guint64)g_rand_int(r) << 32 | g_rand_int(r)) % (top + 1);
}


static guint64
someLimit(GRand *r,
          guint64 top)
{
    return g_rand_int_range(r, 0, 4) ? QEMU_HVBALLOON_UNLIMITED : someSize(r, top);
}


static void
someInput(qemuHvBalloonPlanInput *in,
          qemuHvBalloonPlanStick *sticks,
          size_t max,
          GRand *r)
{
    static const char *const aliases[] = { "ua-haprot0", "ua-haprot1", "ua-mine", "ua-haprot2" };
    size_t i;

    *in = (qemuHvBalloonPlanInput) {
        .boot = K(GIB) + someSize(r, K(4 * GIB)),
        .maxMemory = K(8 * GIB) + someSize(r, K(64 * GIB)),
        .minimum = someSize(r, K(GIB)),
        .keepTotal = g_rand_boolean(r) ? 0 : someSize(r, K(16 * GIB)),
        .deviceTarget = someSize(r, K(8 * GIB)),
        .granule = g_rand_boolean(r) ? QEMU_HVBALLOON_STICK_GRANULE : K(GIB),
        .alignment = K(2 * MIB) << g_rand_int_range(r, 0, 12),
        .freeSlots = someLimit(r, 3),
        .freeSpace = someLimit(r, K(4 * GIB)),
        .costly = g_rand_boolean(r),
        .sticks = sticks,
        .nsticks = someSize(r, max),
    };
    for (i = 0; i < in->nsticks; i++)
        sticks[i] = (qemuHvBalloonPlanStick) {
            .alias = aliases[i % G_N_ELEMENTS(aliases)],
            .size = K(2 * MIB) * (1 + someSize(r, 1024)),
            .state = g_rand_int_range(r, 0, 3),
            .byDriver = i % G_N_ELEMENTS(aliases) != 2,
        };
}


/* Whatever the daemon plans with, what it would do is what is planned here: nothing of that is known by another way. Its XML is read once: reading it takes
 * ten times as long as a case, and the statistics of each case replace all that is planned with. */
static void
testPlanIsTheDaemons(void)
{
    g_autoptr(hvmemDomain) dom = domain(HYPERV_DOMAIN, true);
    g_autoptr(GRand) r = g_rand_new_with_seed(g_test_rand_int());
    size_t refused = 0;
    size_t i;

    for (i = 0; i < 20000; i++) {
        qemuHvBalloonPlanStick sticks[4];
        qemuHvBalloonPlanInput in;
        qemuHvBalloonRefusal refusal;
        guint64 target;
        g_autoptr(GArray) params = NULL;
        g_autoptr(qemuHvBalloonPlan) daemons = NULL;
        g_autoptr(hvmemPlan) plan = NULL;

        someInput(&in, sticks, G_N_ELEMENTS(sticks), r);
        target = someSize(r, in.maxMemory + in.maxMemory / 8);
        params = statsOf(&in);
        hvmemDomainAddStats(dom, (const virTypedParameter *)(void *)params->data, params->len);

        daemons = qemuHvBalloonPlanSetTarget(&in, target, &refusal);
        plan = hvmemPlanNew(dom, target * HVMEM_KIB, NULL);
        assertSamePlan(plan->steps, daemons);
        g_assert_true(!plan->steps == !!plan->refused);
        refused += !daemons;
    }
    g_test_message("%zu of %zu refused", refused, i);
}


/* The same for a definition. */
static void
testStoredPlanIsTheDaemons(void)
{
    g_autoptr(hvmemDomain) dom = domain(HYPERV_DOMAIN, false);
    g_autoptr(GRand) r = g_rand_new_with_seed(g_test_rand_int());
    size_t i;

    for (i = 0; i < 20000; i++) {
        qemuHvBalloonPlanStick sticks[4];
        qemuHvBalloonPlanInput in;
        qemuHvBalloonRefusal refusal;
        guint64 target;
        guint64 before = 0;
        guint64 after;
        g_autoptr(GArray) params = NULL;
        g_autoptr(hvmemPlan) plan = NULL;
        size_t n;
        size_t j;

        someInput(&in, sticks, G_N_ELEMENTS(sticks), r);
        target = someSize(r, in.maxMemory + in.maxMemory / 8);
        params = statsOf(&in);
        hvmemDomainAddStats(dom, (const virTypedParameter *)(void *)params->data, params->len);

        for (n = j = 0; j < in.nsticks; j++) {
            if (sticks[j].byDriver)
                before += sticks[j].size;
            else
                sticks[n++] = sticks[j];
        }
        in.nsticks = n;
        after = before;

        plan = hvmemPlanNew(dom, target * HVMEM_KIB, NULL);
        g_assert_true(!plan->refused == qemuHvBalloonPlanConfig(&in, target, &after, &refusal));
        if (plan->refused)
            continue;
        g_assert_cmpuint(plan->stickBefore, ==, before);
        g_assert_cmpuint(plan->stickAfter, ==, after);
        g_assert_cmpuint(plan->steps->nsteps, ==, before == after ? 1 : 2);
    }
}


/* A daemon that does not say what it plans with is not guessed at. */
static void
testPlanUntold(void)
{
    static const struct {
        bool active;
        bool told;              /* QEMU answers */
        const char *why;
    } cases[] = {
        { false, false, "): the daemon is older than this program." },
        { true, true, "): the daemon is older than this program." },
        { true, false, "its QEMU does not answer, or the daemon is older" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = domain(HYPERV_DOMAIN, cases[i].active);
        g_autoptr(GError) error = NULL;

        hvmemDomainAddStats(dom, NULL, 0);
        dom->told = cases[i].told;
        g_assert_null(hvmemPlanNew(dom, 2 * GIB, &error));
        g_assert_nonnull(strstr(error->message, "balloon.hyperv.plan.*"));
        g_assert_nonnull(strstr(error->message, cases[i].why));
    }
}


/*
 * In words
 */

static void
testReasons(void)
{
    static const struct {
        qemuHvBalloonStep step;
        const char *text;
    } cases[] = {
        { { .type = QEMU_HVBALLOON_STEP_PLUG,
            .reason = { .type = QEMU_HVBALLOON_REASON_TARGET, .missing = K(2 * GIB), .total = K(3 * GIB) } },
          "2 GiB are missing to reach the requested size; boot memory and sticks are 3 GiB" },
        { { .type = QEMU_HVBALLOON_STEP_PLUG,
            .reason = { .type = QEMU_HVBALLOON_REASON_TARGET, .missing = K(2 * GIB), .total = K(3 * GIB), .size = QEMU_HVBALLOON_SIZE_COSTLY } },
          "2 GiB are missing to reach the requested size; boot memory and sticks are 3 GiB, the backing takes host memory at once" },
        { { .type = QEMU_HVBALLOON_STEP_PLUG,
            .reason = { .type = QEMU_HVBALLOON_REASON_ALIGNMENT, .missing = K(MIB), .total = K(GIB), .size = QEMU_HVBALLOON_SIZE_FEW_SLOTS,
                        .freeSlots = 3, .maxMemory = K(8 * GIB) } },
          "1 MiB are missing, in whole blocks that the guest can take; boot memory and sticks are 1 GiB, memory slots are left for 3 more on the way to 8 GiB" },
        { { .type = QEMU_HVBALLOON_STEP_BALLOON, .size = K(GIB),
            .reason = { .type = QEMU_HVBALLOON_REASON_REQUESTED, .requested = K(GIB), .total = K(3 * GIB) } },
          "requested; boot memory and sticks are 3 GiB" },
        { { .type = QEMU_HVBALLOON_STEP_BALLOON, .size = K(3 * GIB),
            .reason = { .type = QEMU_HVBALLOON_REASON_REQUESTED, .requested = K(4 * GIB), .total = K(3 * GIB) } },
          "4 GiB are requested, boot memory and sticks are no more than this" },
        { { .type = QEMU_HVBALLOON_STEP_UNPLUG,
            .reason = { .type = QEMU_HVBALLOON_REASON_UNUSED, .requested = K(GIB), .total = K(2 * GIB) } },
          "the guest uses none of it; 2 GiB remain, and 1 GiB are requested" },
    };
    const hvmemPlan live = { .stored = false };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = hvmemPlanReason(&live, &cases[i].step);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}


static void
testStoredReasons(void)
{
    static const struct {
        qemuHvBalloonStepType type;
        guint64 before;
        guint64 after;
        const char *text;
    } cases[] = {
        { QEMU_HVBALLOON_STEP_PLUG, 0, 1, "the definition gets a stick" },
        { QEMU_HVBALLOON_STEP_PLUG, 1, 2, "the definition's stick grows" },
        { QEMU_HVBALLOON_STEP_UNPLUG, 2, 1, "less of the definition's stick is needed" },
        { QEMU_HVBALLOON_STEP_UNPLUG, 1, 0, "the definition's stick is not needed" },
        { QEMU_HVBALLOON_STEP_BALLOON, 1, 1, "what the guest gets when it is started" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        const hvmemPlan plan = { .stored = true, .stickBefore = cases[i].before, .stickAfter = cases[i].after };
        const qemuHvBalloonStep step = { .type = cases[i].type };
        g_autofree char *text = hvmemPlanReason(&plan, &step);

        g_assert_true(g_str_has_prefix(text, cases[i].text));
    }
}


/* Each names the limit and what can be done. */
static void
testRefusals(void)
{
    static const struct {
        guint64 size;
        qemuHvBalloonRefusal refusal;
        const char *text;
    } cases[] = {
        { 1, { .type = QEMU_HVBALLOON_REFUSAL_TARGET_ZERO, .limit = K(512 * MIB) }, "Request 512 MiB at least" },
        { 9 * GIB, { .type = QEMU_HVBALLOON_REFUSAL_TARGET_ABOVE_MAXMEMORY, .limit = K(8 * GIB) },
          "9 GiB is above the ceiling of 'g', <maxMemory> 8 GiB. A higher one takes effect after shutting down: 'virsh-hvmem enable g --max 9GiB'" },
        { 256 * MIB, { .type = QEMU_HVBALLOON_REFUSAL_TARGET_BELOW_MINIMUM, .limit = K(512 * MIB) }, "'virsh-hvmem enable g --minimum 256MiB'" },
        { 2 * GIB, { .type = QEMU_HVBALLOON_REFUSAL_TARGET_ABOVE_MAXMEMORY, .limit = K(GIB) }, "the limits of 'g', which have changed" },
        { 4 * GIB, { .type = QEMU_HVBALLOON_REFUSAL_TARGET_NO_MAXMEMORY, .limit = K(3 * GIB) }, "has 3 GiB and there is no <maxMemory>" },
        { 4 * GIB, { .type = QEMU_HVBALLOON_REFUSAL_NO_SLOT, .stick = K(GIB) }, "no memory slot is free for one more stick beside the present 2" },
        { 4 * GIB, { .type = QEMU_HVBALLOON_REFUSAL_NO_SPACE, .stick = K(GIB), .limit = K(MIB) },
          "the largest free range for memory devices is 1 MiB, a stick of 1 GiB is needed. Request less" },
        { 4 * GIB, { .type = QEMU_HVBALLOON_REFUSAL_CONFIG_NO_ROOM, .requested = K(4 * GIB), .stick = K(3 * GIB), .limit = K(2 * GIB), .left = K(GIB),
                     .most = K(GIB) },
          "needs a stick of 3 GiB, <maxMemory> 2 GiB leaves only 1 GiB. Request 1 GiB at most, or raise <maxMemory>: 'virsh-hvmem enable g --max 4GiB'" },
    };
    const qemuHvBalloonPlanInput in = { .nsticks = 2 };
    g_autoptr(hvmemDomain) dom = told(HYPERV_DOMAIN, true);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = hvmemPlanRefusalText(dom, cases[i].size, &in, &cases[i].refusal);

        g_test_message("%s", text);
        g_assert_nonnull(strstr(text, cases[i].text));
    }
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/plan/live", testPlanLive);
    g_test_add_func("/hvmem/plan/slots", testPlanCountsSlots);
    g_test_add_func("/hvmem/plan/most", testPlanMost);
    g_test_add_func("/hvmem/plan/hugepages", testPlanWithHugepages);
    g_test_add_func("/hvmem/plan/unknown-sticks", testPlanKeepsUnknownSticks);
    g_test_add_func("/hvmem/plan/config", testPlanConfig);
    g_test_add_func("/hvmem/plan/config-sticks", testPlanConfigSticks);
    g_test_add_func("/hvmem/plan/check", testPlanCheck);
    g_test_add_func("/hvmem/plan/daemons", testPlanIsTheDaemons);
    g_test_add_func("/hvmem/plan/stored-daemons", testStoredPlanIsTheDaemons);
    g_test_add_func("/hvmem/plan/untold", testPlanUntold);
    g_test_add_func("/hvmem/plan/reasons", testReasons);
    g_test_add_func("/hvmem/plan/stored-reasons", testStoredReasons);
    g_test_add_func("/hvmem/plan/refusals", testRefusals);

    return g_test_run();
}
