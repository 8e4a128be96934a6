/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-survey-test.c: what doctor finds out about a running domain, with a libvirt that is told what to answer
 */

#include "hvmem-survey.h"

static int state;
static int reason;
static double seconds;          /* of processor time */
static double perLook;          /* and what is added by each look */
static unsigned int looks;


int
virDomainGetState(virDomainPtr dom G_GNUC_UNUSED,
                  int *now,
                  int *why,
                  unsigned int flags G_GNUC_UNUSED)
{
    *now = state;
    *why = reason;
    return 0;
}


int
virDomainGetInfo(virDomainPtr dom G_GNUC_UNUSED,
                 virDomainInfoPtr info)
{
    *info = (virDomainInfo) { .state = state, .cpuTime = seconds * 1e9 };
    seconds += perLook;
    looks++;
    return 0;
}


int
virDomainSnapshotNum(virDomainPtr dom G_GNUC_UNUSED,
                     unsigned int flags G_GNUC_UNUSED)
{
    return -1;
}


/* Only of a guest that was started here it is known how much it has computed, and only of one that has not for long whether it still does. */
static void
testStarting(void)
{
    static const struct {
        int state;
        int reason;
        double seconds;
        double perLook;
        bool starting;
        double ran;
        bool busy;
        unsigned int looks;
    } cases[] = {
        { VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED, 10, 0.9, true, 10, true, 2 },
        { VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_UNPAUSED, 10, 0.9, true, 10, true, 2 },
        { VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED, 10, 0, true, 10, false, 2 },
        { VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED, 10, 0.9, false, 10, false, 1 },
        { VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED, 61, 0.9, true, 61, false, 1 },
        { VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_MIGRATED, 10, 0.9, true, 0, false, 0 },
        { VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_RESTORED, 10, 0.9, true, 0, false, 0 },
        { VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_FROM_SNAPSHOT, 10, 0.9, true, 0, false, 0 },
        { VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_POSTCOPY, 10, 0.9, true, 0, false, 0 },
        { VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER, 10, 0, true, 0, false, 0 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(hvmemHost) host = { 0 };

        state = cases[i].state;
        reason = cases[i].reason;
        seconds = cases[i].seconds;
        perLook = cases[i].perLook;
        looks = 0;
        hvmemSurveyDomain(NULL, cases[i].starting, &host);
        g_test_message("%zu: ran %g, busy %g", i, host.ran, host.busy);
        g_assert_cmpfloat(host.ran, ==, cases[i].ran);
        g_assert_true((host.busy > 0) == cases[i].busy);
        g_assert_cmpfloat(host.busy, <=, perLook);
        g_assert_cmpuint(looks, ==, cases[i].looks);
    }
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/survey/starting", testStarting);

    return g_test_run();
}
