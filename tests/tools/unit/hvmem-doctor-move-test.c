/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-doctor-move-test.c: what the doctor says of a migration
 */

#include "hvmem-doctor.h"
#include "hvmem-test-domain.h"

#include <string.h>

#define XML(inside) "<domain type='kvm'><name>g</name><maxMemory unit='GiB'>8</maxMemory><memory unit='GiB'>3</memory><currentMemory unit='GiB'>1" \
    "</currentMemory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>" inside "</domain>"
#define BALLOON "<memballoon model='hyperv'><requested unit='GiB'>1</requested></memballoon>"
#define STICK "<memory model='haprot'><target><size unit='GiB'>2</size></target><alias name='ua-haprot0'/></memory>"


static const hvmemCheck *
findMove(const GPtrArray *checks,
         const char *in)
{
    size_t i;

    for (i = 0; i < checks->len; i++) {
        const hvmemCheck *check = checks->pdata[i];

        g_assert_true((check->verdict == HVMEM_PASS) == !check->remedy);
        if (strcmp(check->subject, "migration") == 0 && strstr(check->finding, in))
            return check;
    }
    return NULL;
}


/* Whatever keeps it from migrating is named, with what to do; it is no failure. */
static void
testObstacles(void)
{
    static const struct {
        const char *xml;
        const char *in;
        hvmemVerdict verdict;
    } cases[] = {
        { XML("<devices>" BALLOON "</devices>"), "nothing here is in the way", HVMEM_PASS },
        { XML("<devices><memballoon model='hyperv' freePageReporting='on'/></devices>"), "and free page reporting", HVMEM_PASS },
        { XML("<features><hyperv mode='passthrough'/></features><devices>" BALLOON "</devices>"), "passthrough", HVMEM_WARN },
        { XML("<devices>" BALLOON "<hostdev mode='subsystem' type='pci'/></devices>"), "<hostdev>", HVMEM_WARN },
        { XML("<devices>" BALLOON "<hostdev mode='subsystem' type='usb'/></devices>"), "nothing here", HVMEM_PASS },
        { XML("<devices>" BALLOON "<interface type='hostdev'><teaming type='transient'/></interface></devices>"), "nothing here", HVMEM_PASS },
        { XML("<devices>" BALLOON "<shmem name='x' role='peer'/></devices>"), "<shmem>", HVMEM_WARN },
        { XML("<devices>" BALLOON "<filesystem type='mount'><source dir='/x'/></filesystem></devices>"), "<filesystem>", HVMEM_WARN },
        { XML("<devices>" BALLOON "<filesystem><driver type='virtiofs'/></filesystem></devices>"), "virtiofs", HVMEM_WARN },
        { XML("<devices>" BALLOON "<disk><transient/></disk></devices>"), "transient disk", HVMEM_WARN },
        { XML("<launchSecurity type='sev'/><devices>" BALLOON "</devices>"), "encrypted", HVMEM_WARN },
        { XML("<cpu><feature name='invtsc' policy='require'/></cpu><devices>" BALLOON "</devices>"), "invtsc", HVMEM_WARN },
        { XML("<cpu><feature name='invtsc'/></cpu><clock><timer name='tsc' frequency='2000000000'/></clock><devices>" BALLOON "</devices>"),
          "nothing here", HVMEM_PASS },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = domain(cases[i].xml, false);
        g_autoptr(GPtrArray) checks = hvmemChecksNew();
        g_auto(hvmemHost) host = { 0 };
        const hvmemCheck *check;

        hvmemDoctorMove(checks, dom, &host);
        check = findMove(checks, cases[i].in);
        g_test_message("%s", ((hvmemCheck *)checks->pdata[0])->finding);
        g_assert_nonnull(check);
        g_assert_cmpint(check->verdict, ==, cases[i].verdict);
        g_assert_cmpuint(checks->len, ==, 1);
    }
}


/* What is not in the definition. */
static void
testHost(void)
{
    g_autoptr(hvmemDomain) dom = domain(XML("<devices>" BALLOON "</devices>"), true);
    g_autoptr(GPtrArray) checks = hvmemChecksNew();
    g_auto(hvmemHost) host = { .snapshots = 2, .balloon.fixed = true };

    hvmemDoctorMove(checks, dom, &host);
    g_assert_nonnull(findMove(checks, "has no sticks"));
    g_assert_nonnull(findMove(checks, "2 snapshots"));
    g_assert_null(findMove(checks, "nothing here"));
}


/* A stick that QEMU has and the XML has not, and the other way round, from the statistics. */
static void
testStray(void)
{
    static const struct {
        const char *xml;
        const char *alias;      /* of QEMU's only stick; NULL: it has none */
        unsigned long long kib;
        const char *in;
    } cases[] = {
        { XML("<devices>" BALLOON STICK "</devices>"), "ua-haprot0", 2 << 20, "nothing here" },
        { XML("<devices>" BALLOON "</devices>"), "mine", 2 << 20, "QEMU has a stick, mine," },
        { XML("<devices>" BALLOON STICK "</devices>"), "ua-haprot0", 1 << 20, "QEMU has a stick, ua-haprot0," },
        { XML("<devices>" BALLOON STICK "</devices>"), NULL, 0, "that QEMU does not have" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = domain(cases[i].xml, true);
        g_autoptr(GPtrArray) checks = hvmemChecksNew();
        g_auto(hvmemHost) host = { 0 };
        const virTypedParameter params[] = {
            { .field = "balloon.hyperv.connected", .type = VIR_TYPED_PARAM_BOOLEAN, .value.b = 1 },
            { .field = "balloon.hyperv.state", .type = VIR_TYPED_PARAM_STRING, .value.s = (char *)"idle" },
            { .field = "balloon.hyperv.stick.count", .type = VIR_TYPED_PARAM_ULLONG, .value.ul = cases[i].alias != NULL },
            { .field = "balloon.hyperv.stick.0.size", .type = VIR_TYPED_PARAM_ULLONG, .value.ul = cases[i].kib },
            { .field = "balloon.hyperv.stick.0.alias", .type = VIR_TYPED_PARAM_STRING, .value.s = (char *)cases[i].alias },
        };

        hvmemDomainAddStats(dom, params, cases[i].alias ? 5 : 3);
        hvmemDoctorMove(checks, dom, &host);
        g_test_message("%s", ((hvmemCheck *)checks->pdata[0])->finding);
        g_assert_nonnull(findMove(checks, cases[i].in));
    }
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/doctor-move/obstacles", testObstacles);
    g_test_add_func("/hvmem/doctor-move/host", testHost);
    g_test_add_func("/hvmem/doctor-move/stray", testStray);

    return g_test_run();
}
