/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-edit-test.c: enabling, disabling and planning
 */

#include "hvmem-conn.h"
#include "hvmem-diff.h"
#include "hvmem-edit.h"
#include "hvmem-trial.h"
#include "hvmem-test-domain.h"

#include <string.h>

#define MIB HVMEM_MIB
#define GIB HVMEM_GIB

#define DOMAIN(before, features, after, devices) \
    "<domain type='kvm'>\n  <name>g</name>\n" before \
    "  <memory unit='KiB'>1048576</memory>\n  <currentMemory unit='KiB'>1048576</currentMemory>\n" \
    "  <os>\n    <type arch='x86_64' machine='q35'>hvm</type>\n  </os>\n" \
    "  <features>\n    <acpi/>\n" features "  </features>\n" after \
    "  <devices>\n" devices "  </devices>\n</domain>\n"

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


static hvmemEdit *
enable(const char *xml,
       guint64 max,
       guint64 minimum)
{
    g_autoptr(GError) error = NULL;
    hvmemEditSizes sizes = { .max = max, .fallback = 16 * GIB, .minimum = minimum, .plugged = HVMEM_UNKNOWN };
    hvmemEdit *edit = hvmemEditEnable(xml, &sizes, true, &error);

    g_assert_no_error(error);
    return edit;
}


static hvmemEdit *
disable(const char *xml,
        bool doubts)
{
    g_autoptr(GError) error = NULL;
    hvmemEdit *edit = hvmemEditDisable(xml, doubts, &error);

    g_assert_no_error(error);
    return edit;
}


static void
assertHas(const char *text,
          const char *part)
{
    if (!strstr(text, part))
        g_error("'%s' is not in:\n%s", part, text);
}


static void
assertSame(const char *text,
           const char *other)
{
    g_autofree char *diff = hvmemDiff(text, other);

    g_assert_cmpstr(diff, ==, "");
}


#define CLOCK "  <clock offset='localtime'>\n    <timer name='rtc' tickpolicy='catchup'/>\n  </clock>\n"
#define OSINFO(id) \
    "  <metadata>\n    <libosinfo:libosinfo xmlns:libosinfo=\"http://libosinfo.org/xmlns/libvirt/domain/1.0\">\n" \
    "      <libosinfo:os id=\"" id "\"/>\n    </libosinfo:libosinfo>\n  </metadata>\n"
#define WINDOWS OSINFO("http://microsoft.com/win/11")

/* Enabling changes what it has to, and disabling takes back just that: byte for byte, as libvirt prints it. */
static void
testThereAndBack(void)
{
    static const char *const xmls[] = {
        DOMAIN("", "", "", VIRTIO),
        DOMAIN("", HYPERV, "", VIRTIO),
        DOMAIN("", HYPERV "    <kvm>\n      <hint-dedicated state='on'/>\n    </kvm>\n", "", VIRTIO),
        DOMAIN("  <maxMemory slots='4' unit='KiB'>8388608</maxMemory>\n", HYPERV, "", ""
               "    <memballoon model='none'/>\n"),
        DOMAIN("  <metadata>\n    <x:y xmlns:x=\"urn:x\"/>\n  </metadata>\n", "    <hyperv mode='passthrough'/>\n    <vmport state='off'/>\n",
               "  <pm>\n    <suspend-to-mem enabled='yes'/>\n    <suspend-to-disk enabled='yes'/>\n  </pm>\n", VIRTIO),
        DOMAIN("", "    <hyperv mode='custom'>\n      <vpindex state='off'/>\n      <synic state='on'/>\n    </hyperv>\n",
               "  <pm>\n    <suspend-to-disk enabled='no'/>\n  </pm>\n", VIRTIO),
        DOMAIN("  <metadata/>\n", "", "", VIRTIO),
        DOMAIN(WINDOWS, "", CLOCK, VIRTIO),
        DOMAIN(WINDOWS, HYPERV, "  <clock offset='utc'/>\n", ""
               "    <memballoon model='virtio' freePageReporting='on'>\n      <stats period='10'/>\n      <alias name='ua-b'/>\n"
               "      <address type='pci' domain='0x0000' bus='0x05' slot='0x00' function='0x0'/>\n      <driver iommu='on' ats='on'/>\n"
               "    </memballoon>\n    <rng model='virtio'>\n      <backend model='random'>/dev/urandom</backend>\n    </rng>\n"),
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(xmls); i++) {
        g_autoptr(hvmemEdit) on = enable(xmls[i], 12 * GIB, 512 * MIB);
        g_autoptr(hvmemEdit) again = enable(on->xml, 13 * GIB, 256 * MIB);
        g_autoptr(hvmemEdit) off = disable(again->xml, true);

        assertHas(on->xml, "      <minimum unit='KiB'>524288</minimum>\n");
        assertHas(on->xml, "unit='KiB'>12582912</maxMemory>");
        assertHas(on->xml, "<suspend-to-disk enabled='no'/>");
        assertHas(on->xml, "<hidden state='on'/>");
        g_assert_true(strstr(on->xml, "passthrough") || strstr(on->xml, "<vpindex state='on'/>"));
        assertHas(again->xml, "unit='KiB'>13631488</maxMemory>");
        assertSame(xmls[i], off->xml);
    }
}


static void
testEnableTwice(void)
{
    g_autoptr(hvmemEdit) once = enable(DOMAIN("", "", "", VIRTIO), HVMEM_UNKNOWN, HVMEM_UNKNOWN);
    g_autoptr(hvmemEdit) twice = enable(once->xml, HVMEM_UNKNOWN, HVMEM_UNKNOWN);
    g_autoptr(hvmemEdit) other = enable(once->xml, 3 * GIB, HVMEM_UNKNOWN);

    assertHas(once->xml, ">16777216</maxMemory>");
    g_assert_cmpstr(once->xml, ==, twice->xml);
    assertHas(other->xml, ">3145728</maxMemory>");
}


/* A ceiling that enabling found, and changed only when it was asked a second or a third time. */
static void
testFirstCeilingComesBack(void)
{
    static const char xml[] = DOMAIN("  <maxMemory slots='16' unit='KiB'>2097152</maxMemory>\n", "", "", VIRTIO);
    g_autoptr(hvmemEdit) once = enable(xml, HVMEM_UNKNOWN, HVMEM_UNKNOWN);
    g_autoptr(hvmemEdit) twice = enable(once->xml, 8 * GIB, HVMEM_UNKNOWN);
    g_autoptr(hvmemEdit) thrice = enable(twice->xml, 9 * GIB, 512 * MIB);
    g_autoptr(hvmemEdit) off = disable(thrice->xml, true);

    assertHas(thrice->xml, ">9437184</maxMemory>");
    assertSame(xml, off->xml);
}


/* What Windows wants is added where the domain says that it is Windows, and where QEMU has it. */
static void
testWindows(void)
{
    g_autoptr(hvmemEdit) windows = enable(DOMAIN(WINDOWS, HYPERV, CLOCK, VIRTIO), HVMEM_UNKNOWN, HVMEM_UNKNOWN);
    g_autoptr(hvmemEdit) linux_ = enable(DOMAIN(OSINFO("http://debian.org/debian/13"), HYPERV, CLOCK, VIRTIO), HVMEM_UNKNOWN, HVMEM_UNKNOWN);
    g_autofree char *text = g_strdup(DOMAIN(WINDOWS, HYPERV, CLOCK, VIRTIO));
    g_autoptr(hvmemEdit) tcg = NULL;

    assertHas(windows->xml, "    <hyperv mode='custom'>\n      <relaxed state='on'/>\n      <vapic state='on'/>\n      <vpindex state='on'/>\n"
              "      <runtime state='on'/>\n      <synic state='on'/>\n      <stimer state='on'/>\n    </hyperv>\n");
    assertHas(windows->xml, "    <timer name='rtc' tickpolicy='catchup'/>\n    <timer name='hypervclock' present='yes'/>\n  </clock>\n");
    g_assert_null(strstr(linux_->xml, "<vapic"));
    g_assert_null(strstr(linux_->xml, "<timer name='hypervclock'"));

    memcpy(strstr(text, "type='kvm'"), "type='tcg'", strlen("type='tcg'"));
    tcg = enable(text, HVMEM_UNKNOWN, HVMEM_UNKNOWN);
    assertHas(tcg->xml, "<timer name='hypervclock' present='yes'/>");
    g_assert_null(strstr(tcg->xml, "<vapic"));
    g_assert_null(strstr(tcg->xml, "<stimer"));
}


/* Who has them off has said so, and hears of it. */
static void
testWindowsWithThingsOff(void)
{
    g_autoptr(hvmemEdit) edit = enable(DOMAIN(WINDOWS, "    <hyperv mode='custom'>\n      <vapic state='off'/>\n    </hyperv>\n",
                                              "  <clock offset='utc'>\n    <timer name='hypervclock' present='no'/>\n  </clock>\n",
                                              "    <memballoon model='none'/>\n"), HVMEM_UNKNOWN, HVMEM_UNKNOWN);

    assertHas(edit->xml, "<vapic state='off'/>");
    assertHas(edit->xml, "<timer name='hypervclock' present='no'/>");
    assertHas(edit->xml, "<runtime state='on'/>");
    g_assert_null(strstr(edit->xml, "<stimer"));
    g_assert_cmpuint(edit->remarks->len, ==, 2);
    assertHas(edit->remarks->pdata[0], "hypervclock");
    assertHas(edit->remarks->pdata[1], "<vapic state='off'/>");
}


#define EVERYTHING \
    "    <memballoon model='virtio' autodeflate='on' freePageReporting='on'>\n      <stats period='10'/>\n      <alias name='ua-b'/>\n" \
    "      <acpi index='7'/>\n      <address type='pci' domain='0x0000' bus='0x05' slot='0x1f' function='0x2'/>\n      <driver iommu='on'/>\n" \
    "    </memballoon>\n"

/* What both kinds of balloon can have goes along; what is lost is named. */
static void
testBalloonKeeps(void)
{
    g_autoptr(hvmemEdit) on = enable(DOMAIN("", "", "", EVERYTHING), HVMEM_UNKNOWN, 512 * MIB);
    g_autoptr(hvmemEdit) plain = enable(DOMAIN("", "", "", "    <memballoon model='none'/>\n"), HVMEM_UNKNOWN, HVMEM_UNKNOWN);
    hvmemEditSizes sizes = { .max = HVMEM_UNKNOWN, .fallback = GIB, .minimum = HVMEM_UNKNOWN, .plugged = HVMEM_UNKNOWN };
    g_autoptr(hvmemEdit) without = hvmemEditEnable(DOMAIN("", "", "", EVERYTHING), &sizes, false, NULL);

    assertHas(on->xml, "    <memballoon model='hyperv' freePageReporting='on'>\n      <stats period='10'/>\n"
              "      <minimum unit='KiB'>524288</minimum>\n      <alias name='ua-b'/>\n    </memballoon>\n");
    g_assert_cmpuint(on->remarks->len, ==, 2);
    assertHas(on->remarks->pdata[0], "Linux 6.3");
    assertHas(on->remarks->pdata[1], "autodeflate='on'");
    assertHas(on->remarks->pdata[1], "<driver iommu='on'/>");
    assertHas(on->remarks->pdata[1], "<acpi index='7'/>");
    assertHas(on->remarks->pdata[1], "0000:05:1f.2");
    assertHas(on->doubtful, "freePageReporting");
    assertHas(without->xml, "    <memballoon model='hyperv'>\n      <stats");
    g_assert_cmpuint(plain->remarks->len, ==, 0);
    g_assert_null(plain->doubtful);
}


/* The old balloon's slot may be another device's by now: then the balloon comes back without it. */
static void
testDisableWithoutAddress(void)
{
    g_autoptr(hvmemEdit) on = enable(DOMAIN("", "", "", EVERYTHING), HVMEM_UNKNOWN, HVMEM_UNKNOWN);
    g_autoptr(hvmemEdit) all = disable(on->xml, true);
    g_autoptr(hvmemEdit) rest = disable(on->xml, false);
    g_autofree char *diff = hvmemDiff(all->xml, rest->xml);

    assertHas(all->doubtful, "0000:05:1f.2");
    assertHas(diff, "-      <address type='pci' domain='0x0000' bus='0x05' slot='0x1f' function='0x2'/>\n");
    g_assert_null(strstr(diff, "\n+"));
}


static void
testDisableTakesSticks(void)
{
    g_autoptr(hvmemEdit) off =
        disable("<domain><maxMemory unit='GiB'>8</maxMemory><memory unit='GiB'>3</memory><currentMemory unit='GiB'>3</currentMemory>"
                "<devices><memballoon model='hyperv' freePageReporting='on'><minimum unit='GiB'>1</minimum><stats period='3'/></memballoon>"
                "<memory model='haprot'><target><size unit='GiB'>2</size></target></memory></devices></domain>", true);

    g_assert_cmpstr(off->xml, ==, "<domain>\n  <memory unit='KiB'>1048576</memory>\n  <currentMemory unit='KiB'>1048576</currentMemory>\n"
                    "  <devices>\n    <memballoon model='virtio' freePageReporting='on'>\n      <stats period='3'/>\n    </memballoon>\n"
                    "  </devices>\n</domain>\n");
    g_assert_cmpuint(off->remarks->len, ==, 1);
    assertHas(off->remarks->pdata[0], "1 GiB");
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
        { DOMAIN("", "", "", "<memory model='dimm'><target><size unit='GiB'>1</size></target><address type='dimm' slot='3'/></memory>"
                 "<memory model='virtio-mem'><target><size unit='b'>3221225472</size></target><alias name='ua-vm'/></memory>"),
          HVMEM_UNKNOWN, HVMEM_UNKNOWN, "dimm of 1 GiB in slot 3, virtio-mem of 3 GiB named 'ua-vm'" },
        { DOMAIN("", "", "", "<memory model='virtio-mem'><target><size unit='GiB'>1</size></target>"
                 "<address type='pci' domain='0x0000' bus='0x03' slot='0x00' function='0x0'/></memory>"),
          HVMEM_UNKNOWN, HVMEM_UNKNOWN, "virtio-mem of 1 GiB at PCI address 0000:03:00.0" },
        { DOMAIN("", "", "", VIRTIO), GIB - MIB, HVMEM_UNKNOWN, "--max 1023 MiB is below the domain's memory, 1 GiB: request at least that" },
        { DOMAIN("", "", "", VIRTIO), HVMEM_UNKNOWN, 2 * GIB, "--minimum 2 GiB is above what the domain starts with, 1 GiB: request no more" },
    };
    g_autoptr(GError) error = NULL;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) why = NULL;
        hvmemEditSizes sizes = { .max = cases[i].max, .minimum = cases[i].minimum, .plugged = HVMEM_UNKNOWN };

        g_assert_null(hvmemEditEnable(cases[i].xml, &sizes, true, &why));
        g_test_message("%s", why->message);
        assertHas(why->message, cases[i].word);
    }

    g_assert_null(hvmemEditDisable(DOMAIN("", "", "", VIRTIO), true, &error));
    assertHas(error->message, "no hyperv balloon");
}


/* What libvirt prints comes back byte for byte: the quotes of what is libvirt's own, and those of <metadata>, which are not libvirt's. */
static void
testPrint(void)
{
    static const char xml[] =
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n  <name>a &quot;b&quot; &amp; it&apos;s</name>\n"
        "  <description>one\n  5 &lt; 6, &gt; 4</description>\n  <metadata>\n"
        "    <app:info xmlns:app=\"http://example.org/app\" note=\"it's &quot;so&quot;\" js=\"{&quot;a&quot;: &quot;b &gt; c&quot;}\">\n"
        "      <app:script><![CDATA[if (a < \"b\" && c > 'd') { print(\"it's\"); }]]></app:script>\n"
        "      <!-- a \"comment\" with it's own <tags a=\"b\"> -->\n      <app:json>{\"ram\": \"4 GiB\", \"who\": \"it's\"}</app:json>\n"
        "    </app:info>\n    <?app keep=\"it's\"?>\n  </metadata>\n  <memory unit='KiB' dumpCore='off'>524288</memory>\n"
        "  <os>\n    <cmdline>a=&quot;b c&quot; d=&apos;e&apos;</cmdline>\n  </os>\n  <features>\n    <acpi/>\n  </features>\n  <devices>\n"
        "    <serial type='pty'/>\n    <memballoon model='virtio'/>\n  </devices>\n  <qemu:commandline>\n    <qemu:arg value='-x'/>\n"
        "  </qemu:commandline>\n</domain>\n";
    g_autofree char *same = hvmemEditNormalise(xml);
    g_autoptr(hvmemEdit) on = enable(xml, HVMEM_UNKNOWN, HVMEM_UNKNOWN);
    g_autoptr(hvmemEdit) off = disable(on->xml, true);
    g_autofree char *shown = hvmemDiff(xml, on->xml);

    assertSame(xml, same);
    assertSame(xml, off->xml);
    assertHas(shown, "\n-    <memballoon model='virtio'/>\n");
    g_assert_null(strstr(strstr(shown, "\n-") + 1, "\n-"));
    assertHas(shown, "\n+    <hvmem:before xmlns:hvmem=\"" HVMEM_METADATA_URI "\"");
    assertHas(shown, ">\n+      <memballoon model=\"virtio\"/>\n+    </hvmem:before>\n");
}


/* A trial has no network card that libvirt would make a tap device of, and who would take its slot hears so all the same. */
static void
testTrial(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text =
        hvmemTrialXML("<domain><devices><interface type='hostdev'><source><address type='pci' bus='0x81'/></source><alias name='ua-n'/>"
                      "<address type='pci' bus='0x05'/></interface><interface type='bridge'><model type='usb-net'/>"
                      "<address type='usb' bus='0'/></interface><interface type='user'/>"
                      "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1'/><product id='0x2'/></source></hostdev>"
                      "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='2'/></source></hostdev>"
                      "<emulator>/q</emulator></devices></domain>", &error);

    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, "<domain><devices><rng model=\"virtio\"><backend model=\"random\">/dev/urandom</backend><alias name=\"ua-n\"/>"
                    "<address type=\"pci\" bus=\"0x05\"/></rng><rng model=\"virtio\"><backend model=\"random\">/dev/urandom</backend></rng>"
                    "<hostdev mode=\"subsystem\" type=\"usb\"><source><address bus=\"1\" device=\"2\"/></source></hostdev>"
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
        g_assert_error(error, HVMEM_TRY_ERROR, HVMEM_TRY_UNASKED);
    }
}


/* The command to copy works, whatever the name. */
static void
testCommand(void)
{
    g_autofree char *plain = hvmemDomainCommand("g", false, "disable", NULL);
    g_autofree char *options = hvmemDomainCommand("my guest", false, "enable", "--max 4GiB");
    g_autofree char *transient = hvmemDomainCommand("my guest", true, "enable", "--max 4GiB");
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(plain, ==, "virsh-hvmem disable g");
    g_assert_cmpstr(options, ==, "virsh-hvmem enable 'my guest' --max 4GiB");
    g_assert_cmpstr(transient, ==, "virsh dumpxml --inactive --security-info 'my guest' >'my guest.xml' && virsh define 'my guest.xml' && "
                    "virsh-hvmem enable 'my guest' --max 4GiB");
    g_assert_false(hvmemDomainFailTransient("g", "disable", &error));
    g_assert_nonnull(strstr(error->message, "virsh define g.xml && virsh-hvmem disable g'"));
    g_assert_nonnull(strstr(error->message, "create it anew"));
}


/* On where the host can do it, and never changed of a hyperv balloon unless somebody says so. */
static void
testReporting(void)
{
    static const struct {
        const char *balloon;
        hvmemReporting reporting;
        bool doubts;
        const char *expected;
        bool doubtful;
    } cases[] = {
        { "<memballoon model='virtio'/>", HVMEM_REPORTING_KEEP, true, "<memballoon model='hyperv'/>", false },
        { "<memballoon model='virtio'/>", HVMEM_REPORTING_AUTO, true, "<memballoon model='hyperv' freePageReporting='on'/>", true },
        { "<memballoon model='virtio'/>", HVMEM_REPORTING_AUTO, false, "<memballoon model='hyperv'/>", true },
        { "<memballoon model='virtio' freePageReporting='on'/>", HVMEM_REPORTING_OFF, true, "<memballoon model='hyperv'/>", false },
        { "<memballoon model='virtio' freePageReporting='on'/>", HVMEM_REPORTING_AUTO, true, "<memballoon model='hyperv' freePageReporting='on'/>", true },
        { "", HVMEM_REPORTING_ON, true, "<memballoon model='hyperv' freePageReporting='on'/>", true },
        { "<memballoon model='hyperv'/>", HVMEM_REPORTING_AUTO, true, "<memballoon model='hyperv'/>", false },
        { "<memballoon model='hyperv'/>", HVMEM_REPORTING_ON, true, "<memballoon model='hyperv' freePageReporting='on'/>", false },
        { "<memballoon model='hyperv' freePageReporting='on'/>", HVMEM_REPORTING_AUTO, true, "<memballoon model='hyperv' freePageReporting='on'/>", false },
        { "<memballoon model='hyperv' freePageReporting='on'/>", HVMEM_REPORTING_OFF, true, "<memballoon model='hyperv'/>", false },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *xml = g_strdup_printf("<domain type='qemu'><name>g</name><memory>1048576</memory><features><acpi/></features><devices>%s</devices>"
                                               "</domain>", cases[i].balloon);
        hvmemEditSizes sizes = { .max = 2 * GIB, .minimum = HVMEM_UNKNOWN, .plugged = HVMEM_UNKNOWN, .reporting = cases[i].reporting };
        g_autoptr(hvmemEdit) edit = hvmemEditEnable(xml, &sizes, cases[i].doubts, NULL);

        g_test_message("%zu: %s", i, edit->xml);
        g_assert_nonnull(strstr(edit->xml, cases[i].expected));
        g_assert_true(!edit->doubtful == !cases[i].doubtful);
    }
}


/* What is going to happen is said before the XML: the ceiling, and where it comes from. */
static void
testWords(void)
{
    static const struct {
        const char *ceiling;
        guint64 max;
        hvmemReporting reporting;
        bool guessed;
        const char *in;
        const char *alsoIn;
    } cases[] = {
        { "", HVMEM_UNKNOWN, HVMEM_REPORTING_KEEP, true, "up to a ceiling of 16 GiB: that is what this host has; --max SIZE names another", "off: it is old" },
        { "", 4 * GIB, HVMEM_REPORTING_AUTO, false, "up to a ceiling of 4 GiB: --max says so", "Free page reporting is on" },
        { "<maxMemory unit='GiB'>3</maxMemory>", HVMEM_UNKNOWN, HVMEM_REPORTING_AUTO, false, "3 GiB: its <maxMemory> says so already", "migrated to must" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *xml = g_strdup_printf("<domain type='kvm'><name>g</name>%s<memory unit='GiB'>1</memory><features><acpi/></features><devices>"
                                               "<memballoon model='virtio'/></devices></domain>", cases[i].ceiling);
        hvmemEditSizes sizes = {
            .max = cases[i].max, .fallback = 16 * GIB, .minimum = HVMEM_UNKNOWN, .plugged = HVMEM_UNKNOWN, .reporting = cases[i].reporting,
            .notReporting = "it is old"
        };
        g_autoptr(hvmemEdit) edit = hvmemEditEnable(xml, &sizes, true, NULL);
        g_autofree char *all = NULL;

        g_ptr_array_add(edit->words, NULL);
        all = g_strjoinv("\n", (char **)edit->words->pdata);
        g_test_message("%s", all);
        g_assert_true(edit->guessed == cases[i].guessed);
        g_assert_nonnull(strstr(all, "'g' starts with 1 GiB as before"));
        g_assert_nonnull(strstr(all, "in place of its balloon of model virtio"));
        g_assert_nonnull(strstr(all, cases[i].in));
        g_assert_nonnull(strstr(all, cases[i].alsoIn));
        g_ptr_array_set_size(edit->words, edit->words->len - 1);
    }
}


/*
 * What is plugged and not given to the guest
 */

#define STICK(insert, kib, alias) \
    "    <memory model='haprot'>\n      <target insert='" insert "'>\n        <size unit='KiB'>" kib "</size>\n      </target>\n" \
    "      <alias name='" alias "'/>\n    </memory>\n"
#define SIZES(max, memory, current) \
    "  <maxMemory unit='KiB'>" max "</maxMemory>\n  <memory unit='KiB'>" memory "</memory>\n  <currentMemory unit='KiB'>" current "</currentMemory>\n"
#define HYPERV_DOMAIN(sizes, more, devices) \
    "<domain type='kvm'>\n  <name>g</name>\n" sizes more "  <features>\n    <acpi/>\n  </features>\n  <devices>\n" \
    "    <memballoon model='hyperv'/>\n" devices "  </devices>\n</domain>\n"
#define VSOCK "    <vsock model='virtio'/>\n"


static hvmemEdit *
plug(const char *xml,
     guint64 max,
     guint64 plugged,
     GError **error)
{
    hvmemEditSizes sizes = { .max = max, .fallback = 16 * GIB, .minimum = HVMEM_UNKNOWN, .plugged = plugged };

    return hvmemEditEnable(xml, &sizes, true, error);
}


static char *
wordsOf(const hvmemEdit *edit)
{
    GString *all = g_string_new(NULL);
    size_t i;

    for (i = 0; i < edit->words->len; i++)
        g_string_append_printf(all, "%s\n", (const char *)edit->words->pdata[i]);
    return g_string_free(all, FALSE);
}


/* Boot memory and what the guest starts with stay, and disabling restores what was there. */
static void
testPlugged(void)
{
    static const char xml[] = DOMAIN("", "", "", VIRTIO VSOCK);
    g_autoptr(GError) error = NULL;
    g_autoptr(hvmemEdit) on = plug(xml, 8 * GIB, 8 * GIB, &error);
    g_autoptr(hvmemEdit) same = NULL;
    g_autoptr(hvmemEdit) less = NULL;
    g_autoptr(hvmemEdit) none = NULL;
    g_autoptr(hvmemEdit) off = NULL;
    g_autofree char *words = NULL;
    g_autofree char *last = NULL;

    g_assert_no_error(error);
    words = wordsOf(on);
    assertHas(on->xml, SIZES("8388608", "8388608", "1048576"));
    assertHas(on->xml, "    </memballoon>\n" STICK("on-demand", "7340032", "ua-plugged") VSOCK);
    assertHas(words, "'g' starts with 1 GiB as before");
    assertHas(words, "8 GiB is plugged: boot memory, which does not change, and a stick of 7 GiB");
    assertHas(words, "costs the host nothing");

    same = plug(on->xml, HVMEM_UNKNOWN, 8 * GIB, NULL);
    assertSame(on->xml, same->xml);

    /* the ceiling follows, though it is below what was plugged */
    less = plug(on->xml, 4 * GIB, 2 * GIB, NULL);
    assertHas(less->xml, SIZES("4194304", "2097152", "1048576"));
    assertHas(less->xml, STICK("on-demand", "1048576", "ua-plugged"));

    none = plug(less->xml, HVMEM_UNKNOWN, GIB, NULL);
    last = wordsOf(none);
    assertHas(none->xml, SIZES("4194304", "1048576", "1048576"));
    g_assert_null(strstr(none->xml, "haprot"));
    assertHas(last, "Nothing beyond 1 GiB is plugged any more");

    off = disable(less->xml, true);
    assertSame(xml, off->xml);
}


/* What is there already counts: a user's sticks stay, the driver's are replaced, for it would remove them when the guest starts. */
static void
testPluggedBesideOthers(void)
{
    static const struct {
        const char *xml;
        guint64 plugged;
        const char *in;
        const char *alsoIn;
        const char *words;
    } cases[] = {
        { HYPERV_DOMAIN(SIZES("16777216", "6291456", "5242880"), "", STICK("on-demand", "2097152", "ua-haprot0") STICK("now", "1048576", "ua-mine")), 8 * GIB,
          SIZES("16777216", "8388608", "5242880"), STICK("now", "1048576", "ua-mine") STICK("on-demand", "4194304", "ua-plugged") "  </devices>",
          "costs the host nothing" },
        { HYPERV_DOMAIN(SIZES("16777216", "6291456", "5242880"), "", STICK("on-demand", "2097152", "ua-haprot0") STICK("now", "1048576", "ua-mine")), 5 * GIB,
          SIZES("16777216", "5242880", "5242880"), STICK("on-demand", "1048576", "ua-plugged"), "costs the host nothing" },
        { HYPERV_DOMAIN(SIZES("16777216", "2097152", "2097152"), "  <cpu>\n    <numa>\n      <cell id='0' memory='1048576' unit='KiB'/>\n"
                        "      <cell id='1' memory='1048576' unit='KiB'/>\n    </numa>\n  </cpu>\n", ""), 3 * GIB,
          SIZES("16777216", "3145728", "2097152"), "<size unit='KiB'>1048576</size>\n        <node>1</node>\n      </target>", "costs the host nothing" },
        { HYPERV_DOMAIN(SIZES("16777216", "2097152", "2097152"), "  <memoryBacking>\n    <hugepages>\n      <page size='1048576' unit='KiB'/>\n"
                        "    </hugepages>\n  </memoryBacking>\n", ""), 3 * GIB,
          SIZES("16777216", "3145728", "2097152"), STICK("on-demand", "1048576", "ua-plugged"), "takes its whole size of the host's memory at the start" },
        { HYPERV_DOMAIN(SIZES("16777216", "2097152", "2097152"), "  <memoryBacking>\n    <locked/>\n  </memoryBacking>\n", ""), 3 * GIB,
          "3145728", "ua-plugged", "takes its whole size" },
        { HYPERV_DOMAIN(SIZES("16777216", "2097152", "2097152"), "  <memoryBacking>\n    <allocation mode='immediate'/>\n  </memoryBacking>\n", ""), 3 * GIB,
          "3145728", "ua-plugged", "takes its whole size" },
        { HYPERV_DOMAIN(SIZES("16777216", "2097152", "2097152"), "", "    <hostdev mode='subsystem' type='pci'/>\n"), 3 * GIB, "3145728", "ua-plugged",
          "takes its whole size" },
        { "<domain><maxMemory unit='GiB'>4</maxMemory><memory unit='GiB'>1</memory><features><acpi/></features><devices><memballoon model='hyperv'/></devices>"
          "</domain>", 3 * GIB, SIZES("4194304", "3145728", "1048576") + strlen("  <maxMemory unit='KiB'>4194304</maxMemory>\n"), "ua-plugged", "3 GiB is plugged" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(hvmemEdit) edit = plug(cases[i].xml, HVMEM_UNKNOWN, cases[i].plugged, &error);
        g_autofree char *words = NULL;

        g_test_message("%zu", i);
        g_assert_no_error(error);
        words = wordsOf(edit);
        assertHas(edit->xml, cases[i].in);
        assertHas(edit->xml, cases[i].alsoIn);
        assertHas(words, cases[i].words);
        g_assert_null(strstr(edit->xml, "ua-haprot"));
    }
}


static void
testPluggedRefusals(void)
{
    static const char mine[] = HYPERV_DOMAIN(SIZES("8388608", "3145728", "1048576"), "", STICK("on-demand", "1048576", "ua-mine"));
    static const char more[] = HYPERV_DOMAIN(SIZES("8388608", "4194304", "3145728"), "", STICK("on-demand", "2097152", "ua-plugged"));
    static const char huge[] = HYPERV_DOMAIN(SIZES("4194304", "1048576", "1048576"), "  <memoryBacking>\n    <hugepages>\n      <page size='1048576' unit='KiB'/>\n"
                                             "    </hugepages>\n  </memoryBacking>\n", "");
    static const struct {
        const char *xml;
        guint64 max;
        guint64 plugged;
        const char *word;
    } cases[] = {
        { DOMAIN("", "", "", VIRTIO), HVMEM_UNKNOWN, 512 * MIB, "--plugged 512 MiB is below boot memory, 1 GiB: request at least that" },
        { DOMAIN("", "", "", VIRTIO), HVMEM_UNKNOWN, 17 * GIB, "--plugged 17 GiB is above the ceiling, 16 GiB, which is what this host has: request" },
        { DOMAIN("", "", "", VIRTIO), 4 * GIB, 5 * GIB, "--plugged 5 GiB is above the ceiling, 4 GiB: request no more than that, or name a higher ceiling with --max" },
        { DOMAIN("", "", "", VIRTIO), HVMEM_UNKNOWN, 2 * GIB + MIB, "--plugged 2049MiB cannot be reached: the stick beyond 1 GiB is a multiple of 2 MiB. Request 2GiB or 2050MiB" },
        { DOMAIN("", "", "", VIRTIO), 2 * GIB + MIB, 2 * GIB + MIB, "Request 2GiB" },
        { mine, HVMEM_UNKNOWN, 2 * GIB + 512 * MIB, "is below boot memory and the sticks that are defined, 3 GiB" },
        { mine, HVMEM_UNKNOWN, 9 * GIB, "above the ceiling, 8 GiB" },
        { more, HVMEM_UNKNOWN, 2 * GIB, "--plugged 2 GiB is below what the domain starts with, 3 GiB: request at least that, or let it start with less first" },
        { more, HVMEM_UNKNOWN, 3 * GIB + MIB, "Request 3GiB or 3074MiB" },
        { more, 3 * GIB, HVMEM_UNKNOWN, "--max 3 GiB is below the domain's memory, 4 GiB: request at least that, or give the domain less first (--plugged)" },
        { huge, HVMEM_UNKNOWN, 2 * GIB + 512 * MIB, "beyond 1 GiB is a multiple of 1 GiB. Request 2GiB or 3GiB" },
        { HYPERV_DOMAIN(SIZES("3145729", "3145728", "3145729"), "", STICK("on-demand", "2097152", "ua-plugged")), HVMEM_UNKNOWN, 3 * GIB + HVMEM_KIB,
          "no such size is between what the domain starts with and its ceiling" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) why = NULL;

        g_test_message("%zu", i);
        g_assert_null(plug(cases[i].xml, cases[i].max, cases[i].plugged, &why));
        g_test_message("%s", why->message);
        assertHas(why->message, cases[i].word);
    }
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
    g_test_add_func("/hvmem/edit/first-ceiling", testFirstCeilingComesBack);
    g_test_add_func("/hvmem/edit/windows", testWindows);
    g_test_add_func("/hvmem/edit/windows-off", testWindowsWithThingsOff);
    g_test_add_func("/hvmem/edit/keeps", testBalloonKeeps);
    g_test_add_func("/hvmem/edit/without-address", testDisableWithoutAddress);
    g_test_add_func("/hvmem/edit/print", testPrint);
    g_test_add_func("/hvmem/trial", testTrial);
    g_test_add_func("/hvmem/command", testCommand);
    g_test_add_func("/hvmem/try/unasked", testTryUnasked);

    g_test_add_func("/hvmem/edit/reporting", testReporting);
    g_test_add_func("/hvmem/edit/words", testWords);
    g_test_add_func("/hvmem/edit/plugged", testPlugged);
    g_test_add_func("/hvmem/edit/plugged-beside-others", testPluggedBesideOthers);
    g_test_add_func("/hvmem/edit/plugged-refusals", testPluggedRefusals);

    return g_test_run();
}
