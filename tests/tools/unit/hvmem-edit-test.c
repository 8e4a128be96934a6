/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-edit-test.c: enabling, disabling, planning and the doctor
 */

#include "hvmem-conn.h"
#include "hvmem-diff.h"
#include "hvmem-doctor.h"
#include "hvmem-edit.h"
#include "hvmem-plan.h"
#include "hvmem-trial.h"

#include <string.h>

#define MIB HVMEM_MIB
#define GIB HVMEM_GIB

#define DOMAIN(before, features, after, devices) \
    "<domain type='kvm'>\n  <name>g</name>\n" before \
    "  <memory unit='KiB'>1048576</memory>\n  <currentMemory unit='KiB'>1048576</currentMemory>\n" \
    "  <os>\n    <type arch='x86_64' machine='q35'>hvm</type>\n  </os>\n" \
    "  <features>\n    <acpi/>\n" features "  </features>\n" after \
    "  <devices>\n" devices "  </devices>\n</domain>"

#define VIRTIO "    <memballoon model='virtio' autodeflate='on'>\n      <stats period='5'/>\n    </memballoon>\n"
#define HYPERV "    <hyperv mode='custom'>\n      <relaxed state='on'/>\n    </hyperv>\n"


static void
testDiff(void)
{
    g_autofree char *same = hvmemDiff("a\nb\n", "a\nb\n");
    g_autofree char *one = hvmemDiff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n");
    g_autofree char *ends = hvmemDiff("a\n1\n2\n3\n4\n5\n6\n7\n8\nb\n", "1\n2\n3\n4\n5\n6\n7\n8\nc\nd\n");
    g_autofree char *fresh = hvmemDiff("", "a\n");

    g_assert_cmpstr(same, ==, "");
    g_assert_cmpstr(one, ==, "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n");
    g_assert_cmpstr(ends, ==, "@@ -1,4 +1,3 @@\n-a\n 1\n 2\n 3\n@@ -7,4 +6,5 @@\n 6\n 7\n 8\n-b\n+c\n+d\n");
    g_assert_cmpstr(fresh, ==, "@@ -0,0 +1,1 @@\n+a\n");
}


static char *
enable(const char *xml,
       guint64 max,
       guint64 minimum)
{
    g_autoptr(GError) error = NULL;
    char *text = hvmemEditEnable(xml, max, 16 * GIB, minimum, &error);

    g_assert_no_error(error);
    return text;
}


static char *
disable(const char *xml)
{
    g_autoptr(GError) error = NULL;
    char *text = hvmemEditDisable(xml, &error);

    g_assert_no_error(error);
    return text;
}


/* Enabling changes what it has to, and disabling takes back just that. */
static void
testThereAndBack(void)
{
    static const char *const xmls[] = {
        DOMAIN("", "", "", VIRTIO),
        DOMAIN("", HYPERV, "", VIRTIO),
        DOMAIN("", HYPERV "    <kvm>\n      <hint-dedicated state='on'/>\n    </kvm>\n", "", VIRTIO),
        DOMAIN("  <maxMemory slots='4' unit='KiB'>8388608</maxMemory>\n", HYPERV, "", ""
               "    <memballoon model='none'/>\n"),
        DOMAIN("  <metadata>\n    <x:y xmlns:x='urn:x'/>\n  </metadata>\n", "    <hyperv mode='passthrough'/>\n",
               "  <pm>\n    <suspend-to-mem enabled='yes'/>\n    <suspend-to-disk enabled='yes'/>\n  </pm>\n", VIRTIO),
        DOMAIN("", "    <hyperv mode='custom'>\n      <vpindex state='off'/>\n      <synic state='on'/>\n    </hyperv>\n",
               "  <pm>\n    <suspend-to-disk enabled='no'/>\n  </pm>\n", VIRTIO),
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(xmls); i++) {
        g_autofree char *on = enable(xmls[i], 12 * GIB, 512 * MIB);
        g_autofree char *off = disable(on);
        g_autofree char *same = hvmemEditNormalise(xmls[i]);

        g_assert_nonnull(strstr(on, "<memballoon model='hyperv'>\n      <minimum unit='KiB'>524288</minimum>"));
        g_assert_nonnull(strstr(on, "unit='KiB'>12582912</maxMemory>"));
        g_assert_nonnull(strstr(on, "<suspend-to-disk enabled='no'/>"));
        g_assert_nonnull(strstr(on, "<hidden state='on'/>"));
        g_assert_true(strstr(on, "passthrough") || strstr(on, "<vpindex state='on'/>"));
        if (i != 3) {           /* a ceiling keeps its unit, libvirt writes KiB anyway */
            g_autofree char *diff = hvmemDiff(same, off);

            g_assert_cmpstr(diff, ==, "");
        }
    }
}


static void
testEnableTwice(void)
{
    g_autofree char *once = enable(DOMAIN("", "", "", VIRTIO), HVMEM_UNKNOWN, HVMEM_UNKNOWN);
    g_autofree char *twice = enable(once, HVMEM_UNKNOWN, HVMEM_UNKNOWN);
    g_autofree char *other = enable(once, 3 * GIB, HVMEM_UNKNOWN);

    g_assert_nonnull(strstr(once, ">16777216</maxMemory>"));
    g_assert_cmpstr(once, ==, twice);
    g_assert_nonnull(strstr(other, ">3145728</maxMemory>"));
}


static void
testDisableTakesSticks(void)
{
    g_autofree char *off = disable("<domain><maxMemory unit='GiB'>8</maxMemory><memory unit='GiB'>3</memory>"
                                   "<currentMemory unit='GiB'>3</currentMemory><devices><memballoon model='hyperv'/>"
                                   "<memory model='haprot'><target><size unit='GiB'>2</size></target></memory></devices></domain>");

    g_assert_cmpstr(off, ==, "<domain><memory unit='KiB'>1048576</memory><currentMemory unit='KiB'>1048576</currentMemory>"
                    "<devices><memballoon model='virtio'/></devices></domain>");
}


static void
testEditRefusals(void)
{
    static const struct {
        const char *xml;
        guint64 max;
        guint64 minimum;
        const char *word;
    } cases[] = {
        { "<domain", HVMEM_UNKNOWN, HVMEM_UNKNOWN, "cannot be read" },
        { "<domain><memory>1</memory><devices/></domain>", HVMEM_UNKNOWN, HVMEM_UNKNOWN, "<acpi/>" },
        { "<domain><devices/></domain>", HVMEM_UNKNOWN, HVMEM_UNKNOWN, "<memory>" },
        { DOMAIN("", "", "", "<memory model='dimm'/>"), HVMEM_UNKNOWN, HVMEM_UNKNOWN, "dimm" },
        { DOMAIN("", "", "", VIRTIO), GIB - MIB, HVMEM_UNKNOWN, "--max 1023 MiB" },
        { DOMAIN("", "", "", VIRTIO), HVMEM_UNKNOWN, 2 * GIB, "--minimum 2 GiB" },
    };
    g_autoptr(GError) error = NULL;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) why = NULL;

        g_assert_null(hvmemEditEnable(cases[i].xml, cases[i].max, 0, cases[i].minimum, &why));
        g_test_message("%s", why->message);
        g_assert_nonnull(strstr(why->message, cases[i].word));
    }

    g_assert_null(hvmemEditDisable(DOMAIN("", "", "", VIRTIO), &error));
    g_assert_nonnull(strstr(error->message, "no hyperv balloon"));
}


/* Quotes in values and comments survive being printed libvirt's way. */
static void
testQuotes(void)
{
    g_autofree char *text = hvmemEditNormalise("<a b=\"it's\" c='say &quot;no&quot;'><!-- \"x\" 'y' --><d>\"text\" 'it'</d></a>");
    g_autofree char *again = hvmemEditNormalise(text);

    g_assert_cmpstr(text, ==, again);
    g_assert_nonnull(strstr(text, "<!-- \"x\" 'y' -->"));
    g_assert_nonnull(strstr(text, "b='it&apos;s'"));
    g_assert_nonnull(strstr(text, "<d>\"text\" 'it'</d>"));
}


/* A trial has no network card that libvirt would make a tap device of, and who would take its slot hears so all the same. */
static void
testTrial(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text =
        hvmemTrialXML("<domain><devices><interface type='hostdev'><source><address type='pci' bus='0x81'/></source><alias name='ua-n'/>"
                      "<address type='pci' bus='0x05'/></interface><interface type='bridge'><model type='usb-net'/>"
                      "<address type='usb' bus='0'/></interface><interface type='user'/><emulator>/q</emulator></devices></domain>", &error);

    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, "<domain><devices><rng model=\"virtio\"><backend model=\"random\">/dev/urandom</backend><alias name=\"ua-n\"/>"
                    "<address type=\"pci\" bus=\"0x05\"/></rng><rng model=\"virtio\"><backend model=\"random\">/dev/urandom</backend></rng>"
                    "<emulator>/q</emulator></devices></domain>");
    g_assert_null(hvmemTrialXML("<domain", &error));
    g_assert_nonnull(strstr(error->message, "cannot be read"));
}


/* A connection that cannot be asked is told from a definition that is refused. */
static void
testTryUnasked(void)
{
    int readonly;

    for (readonly = 0; readonly <= 1; readonly++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(virConnect) conn = hvmemConnect("test:///default", readonly, &error);

        g_assert_no_error(error);
        g_assert_false(hvmemConnTry(conn, DOMAIN("", "", "", VIRTIO), &error));
        g_assert_error(error, HVMEM_ERROR, HVMEM_TRY_UNASKED);
    }
}


/*
 * Plan and doctor
 */

#define HYPERV_DOMAIN \
    "<domain type='kvm'><name>g</name><maxMemory unit='GiB'>8</maxMemory><memory unit='GiB'>3</memory>" \
    "<currentMemory unit='GiB'>1</currentMemory><os><type arch='x86_64' machine='pc-q35-10.0'>hvm</type></os>" \
    "<features><acpi/><hyperv><vpindex state='on'/><synic state='on'/></hyperv><kvm><hidden state='on'/></kvm></features>" \
    "<pm><suspend-to-disk enabled='no'/></pm><devices><memballoon model='hyperv'><minimum unit='MiB'>512</minimum></memballoon>" \
    "<memory model='haprot'><target insert='on-demand'><size unit='GiB'>2</size></target><alias name='ua-haprot0'/></memory>" \
    "</devices></domain>"

static hvmemDomain *
domain(const char *xml,
       bool active)
{
    g_autoptr(GError) error = NULL;
    hvmemDomain *dom = hvmemDomainNew("g", active, xml, &error);

    g_assert_no_error(error);
    return dom;
}


static void
testPlanLive(void)
{
    g_autoptr(hvmemDomain) dom = domain(HYPERV_DOMAIN, true);
    g_autoptr(hvmemPlan) up = hvmemPlanNew(dom, 5 * GIB);
    g_autoptr(hvmemPlan) within = hvmemPlanNew(dom, 3 * GIB);
    g_autoptr(hvmemPlan) above = hvmemPlanNew(dom, 9 * GIB);
    g_autoptr(hvmemPlan) below = hvmemPlanNew(dom, 256 * MIB);

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
    g_autoptr(hvmemDomain) dom = domain(HYPERV_DOMAIN, true);
    g_autoptr(hvmemPlan) last = NULL;
    g_autoptr(hvmemPlan) none = NULL;

    dom->freeSlots = 1;
    last = hvmemPlanNew(dom, 4 * GIB);
    g_assert_cmpuint(last->steps->steps[0].size, ==, 5 * GIB / 1024);
    dom->freeSlots = 0;
    none = hvmemPlanNew(dom, 4 * GIB);
    g_assert_null(none->steps);
    g_assert_nonnull(strstr(none->refused, "no memory slot is free"));
}


/* What nobody has said to be unused is not planned to be removed. */
static void
testPlanKeepsUnknownSticks(void)
{
    g_autoptr(hvmemDomain) dom = domain(HYPERV_DOMAIN, true);
    g_autoptr(hvmemPlan) unknown = hvmemPlanNew(dom, GIB);
    g_autoptr(hvmemPlan) unused = NULL;
    hvmemStick *stick = dom->sticks->pdata[0];

    stick->state = g_strdup("unused");
    unused = hvmemPlanNew(dom, GIB);
    g_assert_cmpuint(unknown->steps->nsteps, ==, 1);
    g_assert_cmpuint(unused->steps->nsteps, ==, 2);
    g_assert_cmpint(unused->steps->steps[1].type, ==, QEMU_HVBALLOON_STEP_UNPLUG);
    g_assert_cmpstr(unused->steps->steps[1].alias, ==, "ua-haprot0");
}


static void
testPlanConfig(void)
{
    g_autoptr(hvmemDomain) dom = domain(HYPERV_DOMAIN, false);
    g_autoptr(hvmemPlan) up = hvmemPlanNew(dom, 4 * GIB);
    g_autoptr(hvmemPlan) down = hvmemPlanNew(dom, GIB);

    g_assert_cmpint(up->steps->steps[0].type, ==, QEMU_HVBALLOON_STEP_PLUG);
    g_assert_cmpuint(up->steps->steps[0].size, ==, GIB / 1024);
    g_assert_cmpint(down->steps->steps[0].type, ==, QEMU_HVBALLOON_STEP_UNPLUG);
    g_assert_cmpuint(down->steps->steps[0].size, ==, 2 * GIB / 1024);
}


static const hvmemCheck *
find(const GPtrArray *checks,
     const char *subject)
{
    size_t i;

    for (i = 0; i < checks->len; i++) {
        const hvmemCheck *check = checks->pdata[i];

        g_assert_true((check->verdict == HVMEM_PASS) == !check->remedy);
        if (strcmp(check->subject, subject) == 0)
            return check;
    }
    g_error("no check '%s'", subject);
}


static void
testDoctorDomain(void)
{
    g_autoptr(hvmemDomain) good = domain(HYPERV_DOMAIN, false);
    g_autoptr(hvmemDomain) bad = domain("<domain><memory>1048576</memory><memoryBacking><locked/><hugepages/></memoryBacking>"
                                        "<devices><memballoon model='hyperv'/></devices></domain>", true);
    g_autoptr(hvmemDomain) other = domain(DOMAIN("", "", "", VIRTIO), true);
    g_autoptr(GPtrArray) goodChecks = hvmemDoctorDomain(good);
    g_autoptr(GPtrArray) badChecks = hvmemDoctorDomain(bad);
    g_autoptr(GPtrArray) otherChecks = hvmemDoctorDomain(other);
    g_autoptr(hvmemDomain) visible = domain("<domain type='kvm'><memory>1048576</memory><devices><memballoon model='hyperv'/></devices></domain>", true);
    g_autoptr(GPtrArray) otherKvm = hvmemDoctorDomain(visible);
    size_t i;

    for (i = 0; i < goodChecks->len; i++)
        g_assert_cmpint(((hvmemCheck *)goodChecks->pdata[i])->verdict, ==, HVMEM_PASS);
    g_assert_cmpint(find(badChecks, "machine")->verdict, ==, HVMEM_FAIL);
    g_assert_cmpint(find(badChecks, "enlightenments")->verdict, ==, HVMEM_FAIL);
    g_assert_cmpint(find(badChecks, "hibernation")->verdict, ==, HVMEM_FAIL);
    g_assert_cmpint(find(badChecks, "ceiling")->verdict, ==, HVMEM_WARN);
    g_assert_cmpint(find(otherKvm, "KVM's interface")->verdict, ==, HVMEM_WARN);
    g_assert_cmpint(find(badChecks, "passthrough")->verdict, ==, HVMEM_WARN);
    g_assert_cmpint(find(badChecks, "huge pages")->verdict, ==, HVMEM_WARN);
    g_assert_cmpint(find(otherChecks, "balloon")->verdict, ==, HVMEM_FAIL);
    g_assert_cmpuint(otherChecks->len, ==, 1);
}


static void
testDoctorGuest(void)
{
    static const struct {
        const char *state;
        bool connected;
        const char *subject;
        hvmemVerdict verdict;
    } cases[] = {
        { "disconnected", false, "guest driver", HVMEM_FAIL },
        { "not-onlined", true, "onlining", HVMEM_FAIL },
        { "late", true, "state", HVMEM_FAIL },
        { "ballooning", true, "state", HVMEM_PASS },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = domain(HYPERV_DOMAIN, true);
        g_autoptr(GPtrArray) checks = NULL;

        dom->told = true;
        dom->connected = cases[i].connected;
        dom->state = g_strdup(cases[i].state);
        dom->requested = 2 * GIB;
        checks = hvmemDoctorDomain(dom);
        g_assert_cmpint(find(checks, cases[i].subject)->verdict, ==, cases[i].verdict);
    }
}


static void
testDoctorHost(void)
{
    hvmemHost host = { .libvirtVersion = 11003000, .qemuVersion = 10000013, .memory = GIB, .ceilings = 2 * GIB, .tried = true };
    g_autoptr(GPtrArray) checks = hvmemDoctorHost(&host);
    g_autoptr(GPtrArray) stock = NULL;

    g_assert_cmpint(find(checks, "KVM")->verdict, ==, HVMEM_WARN);
    g_assert_cmpstr(find(checks, "libvirt")->finding, ==, "version 11.3.0");
    g_assert_cmpint(find(checks, "host memory")->verdict, ==, HVMEM_WARN);
    g_assert_cmpint(find(checks, "hyperv balloon")->verdict, ==, HVMEM_PASS);

    host.refusal = (char *)"unknown memory balloon model 'hyperv'";
    stock = hvmemDoctorHost(&host);
    g_assert_cmpint(((hvmemCheck *)stock->pdata[3])->verdict, ==, HVMEM_FAIL);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/diff", testDiff);
    g_test_add_func("/hvmem/edit/there-and-back", testThereAndBack);
    g_test_add_func("/hvmem/edit/twice", testEnableTwice);
    g_test_add_func("/hvmem/edit/sticks", testDisableTakesSticks);
    g_test_add_func("/hvmem/edit/refusals", testEditRefusals);
    g_test_add_func("/hvmem/edit/quotes", testQuotes);
    g_test_add_func("/hvmem/trial", testTrial);
    g_test_add_func("/hvmem/try/unasked", testTryUnasked);
    g_test_add_func("/hvmem/plan/live", testPlanLive);
    g_test_add_func("/hvmem/plan/slots", testPlanCountsSlots);
    g_test_add_func("/hvmem/plan/unknown-sticks", testPlanKeepsUnknownSticks);
    g_test_add_func("/hvmem/plan/config", testPlanConfig);
    g_test_add_func("/hvmem/doctor/domain", testDoctorDomain);
    g_test_add_func("/hvmem/doctor/guest", testDoctorGuest);
    g_test_add_func("/hvmem/doctor/host", testDoctorHost);

    return g_test_run();
}
