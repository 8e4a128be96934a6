/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-doctor-test.c: what the doctor finds, but for the next start and migration
 */

#include "hvmem-test-doctor.h"

static void
testGood(void)
{
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(GPtrArray) checks = NULL;
    g_autoptr(GPtrArray) hostChecks = NULL;
    size_t i;

    fillHost(&host);
    checks = examine(GOOD, false, &host);
    hostChecks = hvmemDoctorHost(&host);
    for (i = 0; i < checks->len; i++) {
        const hvmemCheck *check = checks->pdata[i];

        g_assert_cmpint(check->verdict, ==, strcmp(check->subject, "guest") == 0 ? HVMEM_SKIP : HVMEM_PASS);
    }
    for (i = 0; i < hostChecks->len; i++)
        g_assert_cmpint(((hvmemCheck *)hostChecks->pdata[i])->verdict, ==, HVMEM_PASS);
}


static void
testBad(void)
{
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(GPtrArray) bad = NULL;
    g_autoptr(GPtrArray) visible = NULL;
    g_autoptr(GPtrArray) other = NULL;

    fillHost(&host);
    bad = examine("<domain><memory>1048576</memory><memoryBacking><locked/><hugepages/></memoryBacking>"
                  "<devices><memballoon model='hyperv'/></devices></domain>", true, &host);
    visible = examine("<domain type='kvm'><memory>1048576</memory><devices><memballoon model='hyperv'/></devices></domain>", true, &host);
    other = examine(VIRTIO, true, &host);

    g_assert_cmpint(find(bad, "machine")->verdict, ==, HVMEM_FAIL);
    g_assert_cmpint(find(bad, "enlightenments")->verdict, ==, HVMEM_FAIL);
    g_assert_cmpint(find(bad, "hibernation")->verdict, ==, HVMEM_FAIL);
    g_assert_cmpint(find(bad, "ceiling")->verdict, ==, HVMEM_WARN);
    g_assert_cmpint(find(bad, "passthrough")->verdict, ==, HVMEM_WARN);
    g_assert_cmpint(find(bad, "huge pages")->verdict, ==, HVMEM_WARN);
    g_assert_cmpint(find(visible, "KVM's interface")->verdict, ==, HVMEM_WARN);
    g_assert_cmpint(find(other, "balloon")->verdict, ==, HVMEM_FAIL);
    g_assert_cmpuint(other->len, ==, 1);
}


/* What the doctor gives as the remedy is to work: a transient domain has no definition that 'enable' could change. */
static void
testTransient(void)
{
    static const char *const first = "virsh dumpxml --inactive --security-info g >g.xml && virsh define g.xml && virsh-hvmem enable g";
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(hvmemDomain) virtio = domain(VIRTIO, true);
    g_autoptr(hvmemDomain) low = domain(DOMAIN("kvm", "3", "", "", ""), true);
    g_autoptr(GPtrArray) checks = NULL;
    g_autoptr(GPtrArray) lowChecks = NULL;

    fillHost(&host);
    virtio->transient = low->transient = true;
    checks = hvmemDoctorDomain(virtio, &host, &taken);
    lowChecks = hvmemDoctorDomain(low, &host, &taken);
    g_assert_cmpstr(find(checks, "balloon")->remedy, ==, first);
    g_assert_true(g_str_has_prefix(find(lowChecks, "ceiling")->remedy, first));
}


/* A guest that does not run is not one of those that do. */
static void
testWhoMayGrow(void)
{
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(GPtrArray) running = NULL;
    g_autoptr(GPtrArray) stopped = NULL;

    fillHost(&host);
    running = hvmemDoctorHost(&host);
    host.oneMore = true;
    stopped = hvmemDoctorHost(&host);
    g_assert_cmpstr(find(running, "host memory")->finding, ==, "16 GiB, and the running guests together may grow to 8 GiB");
    g_assert_cmpstr(find(stopped, "host memory")->finding, ==, "16 GiB, and the running guests and this one together may grow to 8 GiB");
}


/* What runs and what is stored differ after enabling, or disabling, until the next start. */
static void
testBothDefinitions(void)
{
    const hvmemAnswer refused = { .asked = true, .refusal = (char *)"no" };
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(hvmemDomain) virtio = domain(VIRTIO, true);
    g_autoptr(hvmemDomain) hyperv = domain(GOOD, true);
    g_autoptr(GPtrArray) enabled = NULL;
    g_autoptr(GPtrArray) disabled = NULL;

    fillHost(&host);
    virtio->stored = domain(GOOD, false);
    hyperv->stored = domain(VIRTIO, false);
    enabled = hvmemDoctorDomain(virtio, &host, &refused);
    disabled = hvmemDoctorDomain(hyperv, &host, &taken);
    g_assert_cmpint(find(enabled, "balloon")->verdict, ==, HVMEM_WARN);
    g_assert_nonnull(strstr(find(enabled, "balloon")->remedy, "virsh start g"));
    g_assert_cmpint(find(enabled, "definition")->verdict, ==, HVMEM_FAIL);
    g_assert_cmpint(find(disabled, "balloon")->verdict, ==, HVMEM_WARN);
    g_assert_cmpint(find(disabled, "guest")->verdict, ==, HVMEM_WARN);
}


/* A saved state comes back instead of the definition. */
static void
testSavedState(void)
{
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(hvmemDomain) dom = domain(GOOD, false);
    g_autoptr(GPtrArray) checks = NULL;

    fillHost(&host);
    dom->savedModel = g_strdup("virtio");
    checks = hvmemDoctorDomain(dom, &host, &taken);
    g_assert_cmpint(find(checks, "balloon")->verdict, ==, HVMEM_WARN);
    g_assert_nonnull(strstr(find(checks, "balloon")->remedy, "managedsave-remove g"));
}


static void
testGuest(void)
{
    static const struct {
        const char *state;
        bool connected;
        const char *subject;
        hvmemVerdict verdict;
        double ran;
        double busy;
        bool paused;
    } cases[] = {
        { "disconnected", false, "guest driver", HVMEM_FAIL, 0, 0, false },
        { "disconnected", false, "guest driver", HVMEM_FAIL, 3000, 1, false },
        { "disconnected", false, "guest driver", HVMEM_WARN, 12, 0.9, false },
        { "disconnected", false, "guest driver", HVMEM_FAIL, 12, 0.02, false },
        { "disconnected", false, "guest driver", HVMEM_WARN, 0, 0, true },
        { "not-onlined", true, "onlining", HVMEM_FAIL, 0, 0, false },
        { "late", true, "state", HVMEM_FAIL, 0, 0, false },
        { "refused", true, "state", HVMEM_FAIL, 0, 0, false },
        { "floor", true, "state", HVMEM_WARN, 0, 0, false },
        { "ballooning", true, "state", HVMEM_PASS, 0, 0, false },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(hvmemHost) host = { 0 };
        g_autoptr(hvmemDomain) dom = domain(GOOD, true);
        g_autoptr(GPtrArray) checks = NULL;

        fillHost(&host);
        dom->told = true;
        host.ran = cases[i].ran;
        host.busy = cases[i].busy;
        dom->paused = cases[i].paused;
        dom->connected = cases[i].connected;
        dom->state = g_strdup(cases[i].state);
        dom->requested = 2 * GIB;
        checks = hvmemDoctorDomain(dom, &host, &taken);
        g_assert_cmpint(find(checks, cases[i].subject)->verdict, ==, cases[i].verdict);
    }
}


static void
testHost(void)
{
    g_auto(hvmemHost) host = { .libvirtVersion = 11003000, .qemuVersion = 10000013, .memory = GIB, .ceilings = 2 * GIB, .balloon = taken };
    g_autoptr(GPtrArray) checks = hvmemDoctorHost(&host);
    g_autoptr(GPtrArray) stock = NULL;

    g_assert_cmpint(find(checks, "KVM")->verdict, ==, HVMEM_WARN);
    g_assert_cmpstr(find(checks, "libvirt")->finding, ==, "version 11.3.0");
    g_assert_cmpint(find(checks, "host memory")->verdict, ==, HVMEM_WARN);
    g_assert_cmpint(find(checks, "hyperv balloon")->verdict, ==, HVMEM_PASS);

    host.balloon.refusal = g_strdup("unknown memory balloon model 'hyperv'");
    stock = hvmemDoctorHost(&host);
    g_assert_cmpint(((hvmemCheck *)stock->pdata[3])->verdict, ==, HVMEM_FAIL);
}


/*
 * Of what the host's script would do with guests, the last word counts; a comment is none. With a QEMU that migrates, guests can be saved.
 */
static void
testHostShutdown(void)
{
    static const struct {
        const char *text;
        bool saves;
    } cases[] = {
        { "", false }, { "#ON_SHUTDOWN=suspend\n", false }, { "URIS=default\nON_SHUTDOWN=suspend\n", true }, { " ON_SHUTDOWN=\"suspend\"", true },
        { "ON_SHUTDOWN=suspend\nON_SHUTDOWN=shutdown\n", false }, { "ON_SHUTDOWN='suspend' # all\n", true }, { "ON_SHUTDOWN=\n", false },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(hvmemHost) host = { 0 };
        g_autoptr(GPtrArray) checks = NULL;

        fillHost(&host);
        hvmemHostReadGuests(&host, cases[i].text);
        g_test_message("%s", cases[i].text);
        g_assert_true(host.savesGuests == cases[i].saves);
        checks = hvmemDoctorHost(&host);
        g_assert_false(has(checks, "host shutdown"));
        g_ptr_array_unref(checks);
        host.balloon.refusal = g_strdup("this QEMU has no mem-haprot");
        checks = hvmemDoctorHost(&host);
        if (cases[i].saves)
            g_assert_cmpint(find(checks, "host shutdown")->verdict, ==, HVMEM_WARN);
        else
            g_assert_false(has(checks, "host shutdown"));
    }
}


/* Suggested where it is off and the host can do it. */
static void
testReporting(void)
{
    static const struct {
        const char *type;
        const char *on;
        const char *kernel;
        hvmemVerdict verdict;
        const char *in;
    } cases[] = {
        { "kvm", "", "6.3.0-1-amd64", HVMEM_WARN, "not reported: the host keeps" }, { "kvm", "", "6.1.0-1-amd64", HVMEM_PASS, "this host has 6.1.0" },
        { "kvm", "", "6.12.1", HVMEM_WARN, "not reported" }, { "kvm", "", "7.0", HVMEM_WARN, "not reported" }, { "kvm", "", "5.19.3", HVMEM_PASS, "6.3" },
        { "kvm", "", NULL, HVMEM_PASS, "not reported (with KVM" }, { "qemu", "", "5.10", HVMEM_WARN, "not reported" },
        { "kvm", " freePageReporting='on'", "6.1", HVMEM_PASS, "reported by the guest" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *xml = g_strdup_printf("<domain type='%s'><memory>1048576</memory><devices><memballoon model='hyperv'%s/></devices></domain>",
                                               cases[i].type, cases[i].on);
        g_auto(hvmemHost) host = { 0 };
        g_autoptr(GPtrArray) checks = NULL;
        const hvmemCheck *check;

        fillHost(&host);
        host.kernel = g_strdup(cases[i].kernel);
        checks = examine(xml, false, &host);
        check = find(checks, "free pages");
        g_test_message("%s", check->finding);
        g_assert_cmpint(check->verdict, ==, cases[i].verdict);
        g_assert_nonnull(strstr(check->finding, cases[i].in));
        if (check->remedy)
            g_assert_nonnull(strstr(check->remedy, "virsh-hvmem enable g --free-page-reporting"));
    }
}


/* A domain with another balloon is examined as it would be after 'enable'. */
static void
testBefore(void)
{
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(hvmemDomain) now = domain(VIRTIO, true);
    g_autoptr(hvmemDomain) would = domain(DOMAIN("kvm", "64", "", "<memtune><hard_limit unit='GiB'>4</hard_limit></memtune>", ""), false);
    g_autoptr(GError) refusal = NULL;
    g_autoptr(GPtrArray) checks = NULL;
    g_autoptr(GPtrArray) refused = NULL;

    fillHost(&host);
    checks = hvmemDoctorBefore(now, would, NULL, &host, &taken);
    g_assert_cmpint(find(checks, "balloon")->verdict, ==, HVMEM_WARN);
    g_assert_cmpstr(find(checks, "balloon")->remedy, ==, "virsh-hvmem enable g");
    g_assert_cmpint(find(checks, "memory limit")->verdict, ==, HVMEM_FAIL);
    g_assert_cmpint(find(checks, "definition")->verdict, ==, HVMEM_PASS);
    g_assert_false(has(checks, "guest"));

    hvmemFail(&refusal, "it has no <acpi/>");
    refused = hvmemDoctorBefore(now, NULL, refusal, &host, &taken);
    g_assert_cmpuint(refused->len, ==, 1);
    g_assert_cmpint(find(refused, "balloon")->verdict, ==, HVMEM_FAIL);
    g_assert_nonnull(strstr(find(refused, "balloon")->finding, "it has no <acpi/>"));
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/doctor/good", testGood);
    g_test_add_func("/hvmem/doctor/transient", testTransient);
    g_test_add_func("/hvmem/doctor/bad", testBad);
    g_test_add_func("/hvmem/doctor/who-may-grow", testWhoMayGrow);
    g_test_add_func("/hvmem/doctor/both-definitions", testBothDefinitions);
    g_test_add_func("/hvmem/doctor/saved-state", testSavedState);
    g_test_add_func("/hvmem/doctor/guest", testGuest);
    g_test_add_func("/hvmem/doctor/host", testHost);
    g_test_add_func("/hvmem/doctor/host-shutdown", testHostShutdown);

    g_test_add_func("/hvmem/doctor/reporting", testReporting);
    g_test_add_func("/hvmem/doctor/before", testBefore);

    return g_test_run();
}
