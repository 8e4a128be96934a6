/*
 * hvmem-doctor-auto-test.c: what the doctor finds about automatic memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-test-doctor.h"

#define AUTOMATIC "<metadata><a:auto xmlns:a='urn:virsh-hvmem:auto:1' minimum='1048576'/></metadata>"


static void
assertHost(const hvmemHost *host,
           const char *subject,
           hvmemVerdict verdict,
           const char *finding)
{
    g_autoptr(GPtrArray) checks = hvmemDoctorHost(host);
    const hvmemCheck *check = find(checks, subject);

    g_test_message("%s", check->finding);
    g_assert_cmpint(check->verdict, ==, verdict);
    g_assert_nonnull(strstr(check->finding, finding));
}


static void
assertRemedy(const hvmemHost *host,
             const char *subject,
             const char *remedy)
{
    g_autoptr(GPtrArray) checks = hvmemDoctorHost(host);

    g_assert_nonnull(strstr(find(checks, subject)->remedy, remedy));
}


/* Who balances, who else does, and whether it can be done at all. */
static void
testBalancers(void)
{
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(GPtrArray) none = NULL;

    fillHost(&host);
    host.uri = g_strdup("qemu:///system");
    host.local = true;
    none = hvmemDoctorHost(&host);
    g_assert_false(has(none, "balancer"));
    g_assert_false(has(none, "minimums"));

    host.automatic = 2;
    host.minimums = 4 * GIB;
    assertHost(&host, "balancer", HVMEM_WARN, "nobody balances qemu:///system: the memory of 2 automatic domains stays as it is");
    assertHost(&host, "minimums", HVMEM_PASS, "4 GiB in all, not more than the host's memory, 16 GiB; 'virsh-hvmem balance' says if others leave less than that");
    host.balancer = 7;
    assertHost(&host, "balancer", HVMEM_PASS, "process 7 balances qemu:///system");
    host.decided = g_get_real_time() / G_USEC_PER_SEC - 100;
    assertHost(&host, "balancer", HVMEM_PASS, "process 7 balances qemu:///system");
    host.decided -= 530;
    assertHost(&host, "balancer", HVMEM_WARN, "process 7 balances qemu:///system, but has decided nothing for 10 minutes");
    host.budget = 3 * GIB;
    assertHost(&host, "minimums", HVMEM_FAIL, "4 GiB in all, more than the budget, 3 GiB");
    host.budget = 4 * GIB;
    assertHost(&host, "minimums", HVMEM_PASS, "4 GiB in all, not more than the budget, 4 GiB");
    host.reserve = GIB / 2;
    assertHost(&host, "minimums", HVMEM_FAIL, "4 GiB in all, more than the budget less its reserve, 3.5 GiB");
    assertRemedy(&host, "minimums", "a smaller --reserve");
    host.minimums += MIB;
    assertRemedy(&host, "minimums", "Lower some");
    host.budget = 0;
    host.minimums = 15 * GIB + 600 * MIB;
    assertHost(&host, "minimums", HVMEM_FAIL, "15.6 GiB in all, more than the host's memory less the balancer's reserve, 15.5 GiB");
    host.reserve = 17 * GIB;
    assertHost(&host, "minimums", HVMEM_FAIL, "the balancer's reserve, 0");
    host.reserve = 0;
    host.minimums = 17 * GIB;
    assertHost(&host, "minimums", HVMEM_FAIL, "17 GiB in all, more than the host's memory, 16 GiB");
    host.local = false;
    host.mom = true;
    assertHost(&host, "balancer", HVMEM_SKIP, "known on that host only");
}


static void
testOtherBalancers(void)
{
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(GPtrArray) checks = NULL;
    const hvmemCheck *last;

    fillHost(&host);
    host.automatic = 1;
    host.otherBalancers = g_strdup("process 8 (qemu:///session)");
    host.mom = true;
    checks = hvmemDoctorHost(&host);
    last = checks->pdata[checks->len - 2];
    g_assert_cmpstr(last->finding, ==, "MOM runs (momd), which requests sizes for the same guests");
    last = checks->pdata[checks->len - 3];
    g_assert_cmpint(last->verdict, ==, HVMEM_WARN);
    g_assert_nonnull(strstr(last->finding, "the same memory: process 8 (qemu:///session)"));
}


static void
assertAutomatic(const hvmemDomain *dom,
                const hvmemHost *host,
                hvmemVerdict verdict,
                const char *finding)
{
    g_autoptr(GPtrArray) checks = hvmemDoctorDomain(dom, host, &taken);
    const hvmemCheck *check = find(checks, "automatic");

    g_test_message("%s", check->finding);
    g_assert_cmpint(check->verdict, ==, verdict);
    g_assert_nonnull(strstr(check->finding, finding));
}


static void
testAutomatic(void)
{
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(hvmemDomain) dom = domain(DOMAIN("kvm", "8", "", AUTOMATIC, ""), true);
    g_autoptr(hvmemDomain) good = NULL;
    g_autoptr(GPtrArray) usual = NULL;

    fillHost(&host);
    good = domain(GOOD, true);
    usual = hvmemDoctorDomain(good, &host, &taken);
    g_assert_false(has(usual, "automatic"));

    dom->told = dom->connected = true;
    dom->state = g_strdup("idle");
    assertAutomatic(dom, &host, HVMEM_WARN, "has not told what it uses");
    dom->usable = GIB / 2;
    assertAutomatic(dom, &host, HVMEM_PASS, "from 1 GiB to 8 GiB");
    dom->automatic.hold = g_get_real_time() / G_USEC_PER_SEC + 1000;
    assertAutomatic(dom, &host, HVMEM_PASS, "left alone for now");

    dom->automatic.unread = "minimum";
    assertAutomatic(dom, &host, HVMEM_WARN, "'minimum' in its <metadata> is no number that is possible: the default counts");
    dom->automatic.unread = NULL;

    dom->locked = true;
    assertAutomatic(dom, &host, HVMEM_WARN, "the balancer leaves it alone: its memory is locked");
    dom->locked = false;
    dom->needs.stickPage = 1;
    assertAutomatic(dom, &host, HVMEM_WARN, "the balancer leaves it alone: its memory is in huge pages");
    dom->needs.stickPage = 0;

    host.foreign = g_get_real_time() / G_USEC_PER_SEC - 130;
    assertAutomatic(dom, &host, HVMEM_WARN, "2 minutes ago somebody else requested a size");
    /* too long ago, and by a clock that was set meanwhile */
    host.foreign = g_get_real_time() / G_USEC_PER_SEC - 3700;
    assertAutomatic(dom, &host, HVMEM_PASS, "left alone for now");
    host.foreign = g_get_real_time() / G_USEC_PER_SEC + 100;
    assertAutomatic(dom, &host, HVMEM_PASS, "left alone for now");
    host.foreign = 0;
    dom->current = 4 * GIB;
    assertAutomatic(dom, &host, HVMEM_WARN, "its minimum is 1 GiB, and it uses 3.5 GiB");
    dom->automatic.minimum = 32 * MIB;
    assertAutomatic(dom, &host, HVMEM_WARN, "less than a guest can live with");
    dom->automatic.minimum = 9 * GIB;
    assertAutomatic(dom, &host, HVMEM_WARN, "--minimum 9 GiB is above the maximum, 8 GiB");
    dom->automatic.minimum = 5 * GIB;
    host.memory = 4 * GIB;
    assertAutomatic(dom, &host, HVMEM_FAIL, "its minimum, 5 GiB, is more than the host has, 4 GiB");
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/doctor-auto/balancers", testBalancers);
    g_test_add_func("/hvmem/doctor-auto/other-balancers", testOtherBalancers);
    g_test_add_func("/hvmem/doctor-auto/domain", testAutomatic);
    return g_test_run();
}
