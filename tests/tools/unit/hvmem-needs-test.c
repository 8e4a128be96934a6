/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-needs-test.c: what a definition takes of the host
 */

#include "hvmem-conn.h"
#include "hvmem-test-domain.h"

#include <string.h>

#define MIB HVMEM_MIB
#define GIB HVMEM_GIB
#define TIB (1024 * GIB)


static hvmemDomain *
domainOn(const char *type,
         const char *machine,
         const char *inside)
{
    g_autofree char *xml = g_strdup_printf("<domain type='%s'><maxMemory unit='GiB'>16</maxMemory><memory unit='GiB'>4</memory>"
                                           "<os><type arch='x86_64' machine='%s'>hvm</type></os>%s</domain>", type, machine, inside);

    return domain(xml, true);
}


/* Which CPU is compared: one that is checked in full, as live XML has it that is defined again. */
static void
testExactCPU(void)
{
    static const struct {
        const char *cpu;
        bool exact;
    } cases[] = {
        { "", false },
        { "<cpu mode='custom' match='exact' check='full'><model fallback='forbid'>EPYC</model><feature policy='require' name='hypervisor'/></cpu>", true },
        { "<cpu match='exact' check='full'><model>EPYC</model></cpu>", true },
        { "<cpu mode='custom' match='exact' check='partial'><model>EPYC</model></cpu>", false },
        { "<cpu mode='custom' match='exact' check='none'><model>EPYC</model></cpu>", false },
        { "<cpu mode='custom' match='strict' check='full'><model>EPYC</model></cpu>", false },
        { "<cpu mode='custom' match='exact' check='full'><model>EPYC</model><feature policy='forbid' name='svm'/></cpu>", false },
        { "<cpu mode='host-model' check='full'/>", false },
        { "<cpu mode='maximum' check='full'/>", false },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = domainOn("kvm", "q35", cases[i].cpu);

        g_test_message("%s", cases[i].cpu);
        g_assert_true(cases[i].exact == !!dom->needs.exactCPU);
        g_assert_true(!cases[i].exact || g_str_has_prefix(dom->needs.exactCPU, "<cpu "));
        g_assert_true(!cases[i].exact || g_str_has_suffix(dom->needs.exactCPU, "</cpu>"));
        g_assert_true(!cases[i].exact || strstr(dom->needs.exactCPU, ">EPYC</model>"));
    }
}


static void
testList(void)
{
    g_assert_true(hvmemListHas("3", 3));
    g_assert_true(hvmemListHas("0-3,^2,8", 8));
    g_assert_true(hvmemListHas("0-3,^2,8", 1));
    g_assert_false(hvmemListHas("0-3,^2,8", 2));
    g_assert_false(hvmemListHas("0-3,^2,8", 4));
    g_assert_true(hvmemListHas("1, 5-6", 5));
    g_assert_false(hvmemListHas("", 0));
}


#define CELLS "<cpu><numa><cell id='0' memory='2097152' unit='KiB'/><cell id='1' memory='2' unit='GiB'/></numa></cpu>"
#define PAGES(pages) "<memoryBacking><hugepages>" pages "</hugepages></memoryBacking>"

/* Sticks belong to the last cell, and so are made of its pages; a <page> that names no cell is for those that none names. */
static void
testHugepages(void)
{
    static const struct {
        const char *inside;
        guint64 stick;
        guint64 huge;           /* of boot memory */
    } cases[] = {
        { "", 0, 0 },
        { PAGES(""), 1, 4 * GIB },
        { PAGES("<page size='2048' unit='KiB'/>"), 2 * MIB, 4 * GIB },
        { PAGES("<page size='4' unit='KiB'/>"), 0, 0 },
        { CELLS PAGES(""), 1, 4 * GIB },
        { CELLS PAGES("<page size='2048' unit='KiB' nodeset='0'/><page size='2048' unit='KiB' nodeset='1'/>"), 2 * MIB, 4 * GIB },
        { CELLS PAGES("<page size='2' unit='M' nodeset='0-1'/>"), 2 * MIB, 4 * GIB },
        { CELLS PAGES("<page size='2' unit='M' nodeset='0'/>"), 0, 2 * GIB },
        { CELLS PAGES("<page size='2' unit='M' nodeset='1'/>"), 2 * MIB, 2 * GIB },
        { CELLS PAGES("<page size='1' unit='G' nodeset='0'/><page size='2' unit='M'/>"), 2 * MIB, 4 * GIB },
        { CELLS PAGES("<page size='2' unit='M'/><page size='4' unit='KiB' nodeset='1'/>"), 0, 2 * GIB },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = domainOn("kvm", "q35", cases[i].inside);
        guint64 huge = 0;
        size_t j;

        g_test_message("%s", cases[i].inside);
        g_assert_cmpuint(dom->needs.stickPage, ==, cases[i].stick);
        for (j = 0; j < dom->needs.hugepages->len; j++)
            huge += g_array_index(dom->needs.hugepages, hvmemPages, j).bytes;
        g_assert_cmpuint(huge, ==, cases[i].huge);
        g_assert_true(hvmemNeedsHuge(&dom->needs) == (huge > 0));
    }
}


static void
testAddressBits(void)
{
    static const struct {
        const char *type;
        const char *cpu;
        guint bits;             /* 0: the host's */
        guint limit;
    } cases[] = {
        { "qemu", "", 40, 0 },
        { "kvm", "", 40, 0 },
        { "qemu", "<cpu mode='maximum'/>", 40, 0 },
        { "qemu", "<cpu mode='maximum'><maxphysaddr mode='emulate' bits='46'/></cpu>", 46, 0 },
        { "qemu", "<cpu mode='maximum'><maxphysaddr mode='passthrough'/></cpu>", 40, 0 },
        { "kvm", "<cpu mode='host-passthrough'/>", 0, 0 },
        { "kvm", "<cpu mode='maximum'/>", 0, 0 },
        { "kvm", "<cpu mode='host-model'/>", 40, 0 },
        { "kvm", "<cpu mode='host-model'><maxphysaddr mode='passthrough'/></cpu>", 0, 0 },
        { "kvm", "<cpu mode='host-passthrough'><maxphysaddr mode='emulate' bits='39'/></cpu>", 0, 0 },
        { "kvm", "<cpu mode='host-passthrough'><maxphysaddr mode='emulate'/></cpu>", 40, 0 },
        { "kvm", "<cpu mode='host-model'><maxphysaddr mode='emulate' bits='39'/></cpu>", 39, 0 },
        { "kvm", "<cpu mode='custom'><model>EPYC</model><maxphysaddr mode='passthrough' limit='42'/></cpu>", 0, 42 },
        { "kvm", "<cpu mode='custom'><model>EPYC</model></cpu>", 40, 0 },
        { "kvm", "<cpu mode='custom'><model fallback='allow'>qemu32</model></cpu>", 36, 0 },
        { "qemu", "<cpu mode='custom'><model>pentium</model></cpu>", 32, 0 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = domainOn(cases[i].type, "q35", cases[i].cpu);

        g_test_message("%s %s", cases[i].type, cases[i].cpu);
        g_assert_cmpuint(dom->needs.addressBits, ==, cases[i].bits);
        g_assert_cmpuint(dom->needs.addressLimit, ==, cases[i].limit);
    }
}


/* The figures are those that QEMU 10.0 names when it refuses to start ("Address space limit … < …"), plus one. */
static void
testAddressTop(void)
{
    static const struct {
        const char *machine;
        const char *inside;
        guint64 boot;
        guint64 max;
        bool amd;
        guint64 top;
    } cases[] = {
        { "pc-q35-10.0", "", GIB, 16 * GIB, true, 66 * GIB },
        { "pc-i440fx-10.0", "", GIB, 16 * GIB, true, 36 * GIB },
        { "pc-q35-10.0", "", GIB, 400 * GIB, true, 467 * GIB },
        { "pc-q35-10.0", "", 8 * GIB, 400 * GIB, true, 466 * GIB },
        { "pc-i440fx-10.0", "", 8 * GIB, 400 * GIB, true, 435 * GIB },
        { "pc-q35-10.0", "<devices><controller type='pci' index='0' model='pcie-root'><pcihole64 unit='GiB'>512</pcihole64></controller></devices>",
          GIB, 400 * GIB, true, 947 * GIB },
        { "pc-i440fx-10.0", "", GIB, 4 * TIB, true, 4 * TIB + 37 * GIB + 1020 * GIB },
        { "pc-i440fx-10.0", "", GIB, 4 * TIB, false, 4 * TIB + 37 * GIB },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = domainOn("qemu", cases[i].machine, cases[i].inside);

        g_test_message("%s %s", cases[i].machine, cases[i].inside);
        g_assert_cmpuint(hvmemNeedsTop(&dom->needs, cases[i].boot, cases[i].max, cases[i].amd) / GIB, ==, cases[i].top / GIB);
    }
}


/* The ceiling named as the remedy is the highest that can be addressed. */
static void
testCeiling(void)
{
    static const char *const machines[] = { "q35", "pc" };
    guint bits;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(machines); i++) {
        g_autoptr(hvmemDomain) dom = domainOn("qemu", machines[i], "");

        for (bits = 36; bits <= 52; bits++) {
            guint64 boot = g_test_rand_int_range(1, 20 * 1024) * MIB;
            bool amd = bits % 2;
            guint64 max = hvmemNeedsCeiling(&dom->needs, boot, bits, amd);

            if (max == 0) {
                g_assert_cmpuint(hvmemNeedsTop(&dom->needs, boot, boot, amd), >, 1ULL << bits);
                continue;
            }
            g_assert_cmpuint(max, >=, boot);
            g_assert_cmpuint(hvmemNeedsTop(&dom->needs, boot, max, amd), <=, 1ULL << bits);
            g_assert_cmpuint(hvmemNeedsTop(&dom->needs, boot, (max / GIB + 1) * GIB, amd), >, 1ULL << bits);
        }
    }
}


static void
testOther(void)
{
    g_autoptr(hvmemDomain) dom =
        domainOn("kvm", "q35", "<memtune><hard_limit unit='KiB'>2097152</hard_limit></memtune><vcpu cpuset='0-1'>2</vcpu>"
                 "<cputune><vcpupin vcpu='0' cpuset='4'/><emulatorpin cpuset='5-6'/></cputune>"
                 "<features><hyperv><relaxed state='on'/><vpindex state='on'/><ipi state='off'/><vendor_id state='on' value='none'/></hyperv></features>"
                 "<cpu><feature policy='disable' name='hypervisor'/></cpu><devices><disk type='nvme'/></devices>");
    g_autoptr(hvmemDomain) plain =
        domainOn("kvm", "q35", "<features><hyperv><vendor_id state='on' value='Microsoft Hv'/></hyperv></features>"
                 "<cpu><feature policy='require' name='hypervisor'/></cpu>");

    g_assert_cmpuint(dom->needs.hardLimit, ==, 2 * GIB);
    g_assert_cmpuint(dom->needs.pins->len, ==, 3);
    g_assert_cmpstr(dom->needs.hypervVendor, ==, "none");
    g_assert_true(dom->needs.hypervisorHidden);
    g_assert_cmpuint(g_strv_length(dom->needs.enlightenments), ==, 3);
    g_assert_false(g_strv_contains((const char *const *)dom->needs.enlightenments, "ipi"));
    g_assert_cmpuint(dom->hostdevs, ==, 1);

    g_assert_cmpuint(plain->needs.hardLimit, ==, HVMEM_UNKNOWN);
    g_assert_cmpuint(plain->needs.pins->len, ==, 0);
    g_assert_null(plain->needs.hypervVendor);
    g_assert_false(plain->needs.hypervisorHidden);
}


/* Of what is named, what is not there is named again: libvirt's test driver has one network, which is active. */
static void
testMissing(void)
{
    g_autoptr(hvmemDomain) dom =
        domainOn("kvm", "q35", "<os><kernel>/dev/null</kernel><initrd>/nonexistent/initrd</initrd></os><devices>"
                 "<disk type='file'><source file='/dev/zero'/></disk><disk type='file'><source file='/dev/null/a'/></disk>"
                 "<disk type='file'><source file='/nonexistent/b' startupPolicy='optional'/></disk><disk type='file' device='cdrom'/>"
                 "<disk type='block'><source dev='/nonexistent/c'/></disk>"
                 "<filesystem type='mount'><source dir='/nonexistent/d'/></filesystem><filesystem type='ram'><source usage='1'/></filesystem>"
                 "<rng model='virtio'><backend model='random'>/dev/null</backend></rng>"
                 "<interface type='network'><source network='default'/></interface><interface type='network'><source network='gone'/></interface>"
                 "<interface type='bridge'><source bridge='lo'/></interface><interface type='direct'><source dev='none-such'/></interface></devices>");
    g_autoptr(GError) error = NULL;
    g_autoptr(virConnect) conn = hvmemConnect("test:///default", true, &error);
    g_autoptr(GPtrArray) missing = NULL;
    virNetworkPtr network;

    g_assert_no_error(error);
    missing = hvmemConnMissing(conn, &dom->needs);
    g_assert_cmpuint(missing->len, ==, 6);
    g_assert_nonnull(strstr(missing->pdata[0], "network 'gone'"));
    g_assert_cmpstr(missing->pdata[1], ==, "file '/nonexistent/initrd' is not available");
    g_assert_cmpstr(missing->pdata[2], ==, "file '/dev/null/a' is not available");
    g_assert_cmpstr(missing->pdata[3], ==, "file '/nonexistent/c' is not available");
    g_assert_cmpstr(missing->pdata[4], ==, "file '/nonexistent/d' is not available");
    g_assert_nonnull(strstr(missing->pdata[5], "'none-such'"));
    g_clear_pointer(&missing, g_ptr_array_unref);
    g_clear_pointer(&conn, virConnectClose);

    conn = hvmemConnect("test:///default", false, &error);
    g_assert_no_error(error);
    network = virNetworkLookupByName(conn, "default");
    g_assert_cmpint(virNetworkDestroy(network), ==, 0);
    virNetworkFree(network);
    missing = hvmemConnMissing(conn, &dom->needs);
    g_assert_cmpuint(missing->len, ==, 7);
    g_assert_nonnull(strstr(missing->pdata[0], "virsh net-start default"));
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/needs/list", testList);
    g_test_add_func("/hvmem/needs/exact-cpu", testExactCPU);
    g_test_add_func("/hvmem/needs/hugepages", testHugepages);
    g_test_add_func("/hvmem/needs/address-bits", testAddressBits);
    g_test_add_func("/hvmem/needs/address-top", testAddressTop);
    g_test_add_func("/hvmem/needs/ceiling", testCeiling);
    g_test_add_func("/hvmem/needs/other", testOther);
    g_test_add_func("/hvmem/needs/missing", testMissing);

    return g_test_run();
}
