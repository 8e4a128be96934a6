/*
 * hvmem-balancer-test.c: automatic memory around the balancer: host, configuration, and what is made of libvirt's answers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-balance-text.h"
#include "hvmem-output.h"
#include "hvmem-test-balancer.h"
#include "hvmem-test-lock.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>


/*
 * The host
 */

static hvmemBalancePressure
freshLevel(const hvmemPressure *host,
           const hvmemPressure *before,
           double seconds)
{
    hvmemSteady steady = { 0 };

    return hvmemPressureLevel(host, before, seconds, &steady, 1);
}


static void
testPressure(void)
{
    hvmemPressure host = { 0 };
    hvmemPressure before = { .swappedOut = 5000 };

    hvmemPressureReadMeminfo(&host, "MemTotal:       33554432 kB\nMemFree:         1000 kB\nMemAvailable:    8388608 kB\nHugetlb:         1048576 kB\n");
    hvmemPressureReadStalls(&host, "some avg10=1.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=1\n");
    hvmemPressureReadVmstat(&host, "pgpgin 7\npswpin 1\npswpout 6000\n");
    g_assert_cmpuint(host.total, ==, 32 * GIB);
    g_assert_cmpuint(host.available, ==, 8 * GIB);
    g_assert_cmpuint(host.huge, ==, GIB);
    g_assert_cmpfloat(host.some, ==, 1.5);
    g_assert_cmpfloat(host.full, ==, 0.25);
    g_assert_cmpuint(host.swappedOut, ==, 6000);

    g_assert_cmpint(freshLevel(&host, &before, 1), ==, HVMEM_BALANCE_PRESSURE_NONE);
    host.some = 10;
    g_assert_cmpint(freshLevel(&host, &before, 1), ==, HVMEM_BALANCE_PRESSURE_SOME);
    host.full = 5;
    g_assert_cmpint(freshLevel(&host, &before, 1), ==, HVMEM_BALANCE_PRESSURE_FULL);
    host.some = host.full = 0;
    host.swappedOut = 5000 + 2048;
    g_assert_cmpint(freshLevel(&host, &before, 2), ==, HVMEM_BALANCE_PRESSURE_SOME);
    g_assert_cmpint(freshLevel(&host, &before, 0), ==, HVMEM_BALANCE_PRESSURE_NONE);
    before.swappedOut = HVMEM_UNKNOWN;
    g_assert_cmpint(freshLevel(&host, &before, 2), ==, HVMEM_BALANCE_PRESSURE_NONE);
}


/* Pressure about a limit: the level stays until it has been half of that for half a minute. */
static void
testSteadyLevel(void)
{
    static const struct {
        double now;
        double some;
        double full;
        hvmemBalancePressure level;
    } steps[] = {
        { 0, 9, 4, HVMEM_BALANCE_PRESSURE_NONE }, { 1, 10, 5, HVMEM_BALANCE_PRESSURE_FULL }, { 2, 10, 4, HVMEM_BALANCE_PRESSURE_FULL },
        { 60, 10, 2, HVMEM_BALANCE_PRESSURE_FULL }, { 89, 10, 2, HVMEM_BALANCE_PRESSURE_FULL }, { 90, 10, 2, HVMEM_BALANCE_PRESSURE_SOME },
        { 91, 4, 0, HVMEM_BALANCE_PRESSURE_SOME }, { 100, 6, 0, HVMEM_BALANCE_PRESSURE_SOME }, { 101, 4, 0, HVMEM_BALANCE_PRESSURE_SOME },
        { 130, 4, 0, HVMEM_BALANCE_PRESSURE_SOME }, { 131, 4, 0, HVMEM_BALANCE_PRESSURE_NONE },
    };
    hvmemPressure host = { .swappedOut = HVMEM_UNKNOWN };
    hvmemSteady steady = { 0 };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_test_message("%g", steps[i].now);
        host.some = steps[i].some;
        host.full = steps[i].full;
        g_assert_cmpint(hvmemPressureLevel(&host, &host, 1, &steady, steps[i].now), ==, steps[i].level);
    }
}


static guint64
freshBudget(const hvmemPressure *host,
            guint64 guests,
            guint64 budget)
{
    hvmemSteady steady = { 0 };

    return hvmemPressureBudget(host, guests, budget, &steady, 1);
}


static void
testBudget(void)
{
    hvmemPressure host = { .total = 32 * GIB, .available = 8 * GIB };
    hvmemPressure nothing = { 0 };

    /* 1 GiB is the host's own */
    g_assert_cmpuint(freshBudget(&host, 20 * GIB, 0), ==, 27 * GIB);
    g_assert_cmpuint(freshBudget(&host, 20 * GIB + MIB, 0), ==, 27 * GIB);
    g_assert_cmpuint(freshBudget(&host, 20 * GIB, 16 * GIB), ==, 16 * GIB);
    g_assert_cmpuint(freshBudget(&host, 20 * GIB, 64 * GIB), ==, 27 * GIB);
    g_assert_cmpuint(freshBudget(&host, 64 * GIB, 0), ==, 31 * GIB);
    host.huge = 16 * GIB;
    g_assert_cmpuint(freshBudget(&host, 20 * GIB, 0), ==, 27 * GIB + 512 * MIB);

    hvmemPressureReadMeminfo(&nothing, NULL);
    g_assert_cmpuint(freshBudget(&nothing, GIB, 0), ==, HVMEM_UNKNOWN);
    g_assert_cmpuint(freshBudget(&nothing, GIB, 2 * GIB), ==, 2 * GIB);
}


/* A host whose memory is about a step: less counts at once, more if it lasts or is much. */
static void
testSteadyBudget(void)
{
    hvmemPressure host = { .total = 32 * GIB, .available = 8 * GIB };
    hvmemSteady steady = { 0 };
    double now;

    g_assert_cmpuint(hvmemPressureBudget(&host, 20 * GIB, 0, &steady, 0), ==, 27 * GIB);
    for (now = 1; now < 100; now++)
        g_assert_cmpuint(hvmemPressureBudget(&host, 20 * GIB + ((int)now % 20 ? 1 : -1) * MIB, 0, &steady, now), ==, 27 * GIB - (now < 20 ? 0 : 256 * MIB));
    for (now = 100; now < 130; now++)
        g_assert_cmpuint(hvmemPressureBudget(&host, 20 * GIB + (now < 101 ? -1 : 1) * MIB, 0, &steady, now), ==, 27 * GIB - 256 * MIB);
    g_assert_cmpuint(hvmemPressureBudget(&host, 20 * GIB + MIB, 0, &steady, 131), ==, 27 * GIB);
    g_assert_cmpuint(hvmemPressureBudget(&host, 20 * GIB + 520 * MIB, 0, &steady, 132), ==, 27 * GIB + 512 * MIB);
}


/* Of a host with 32 GiB, 1 of which is its own, and 8 of which are available to guests that hold 1. */
static void
assertReserve(guint64 budget,
              guint64 reserve,
              const char *expected,
              int code)
{
    static const hvmemPressure host = { .total = 32 * GIB, .available = 8 * GIB, .swappedOut = HVMEM_UNKNOWN };
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    g_autoptr(GError) error = NULL;

    addGuest(balancer, "a", GIB);
    g_assert_true(hvmemBalancerDecide(balancer, &host, 100, NULL));
    g_assert_true(hvmemBalancerCheckReserve(balancer, budget, reserve, &error) == !expected);
    if (!expected)
        return;
    g_assert_cmpstr(error->message, ==, expected);
    g_assert_cmpint(error->code, ==, code);
}


/* A reserve that leaves nothing is named, with what it is more than; and whether that is a mistake in any case, or only now. */
static void
testImpossibleReserve(void)
{
    g_autoptr(hvmemBalancer) unknown = hvmemBalancerNew();

    assertReserve(0, HVMEM_UNKNOWN, NULL, 0);
    assertReserve(0, 0, NULL, 0);
    assertReserve(0, 8 * GIB - MIB, NULL, 0);
    assertReserve(0, 8 * GIB, "a reserve of 8 GiB leaves nothing of what guests may have now, 8 GiB, which is what they hold and the host has available: "
                  "choose a smaller one, or 'auto', or end what else takes the host's memory", HVMEM_EXIT_FAILED);
    assertReserve(0, 31 * GIB, "a reserve of 31 GiB leaves nothing of what this host can give to guests, 31 GiB: choose a smaller one, or 'auto'", HVMEM_EXIT_USAGE);
    assertReserve(4 * GIB, 4 * GIB, "a reserve of 4 GiB leaves nothing of the budget, 4 GiB: choose a smaller reserve, or a larger budget", HVMEM_EXIT_USAGE);
    assertReserve(4 * GIB, 3 * GIB, NULL, 0);

    /* before a decision, nothing is known of the host */
    g_assert_true(hvmemBalancerCheckReserve(unknown, 0, 99 * GIB, NULL));
    g_assert_false(hvmemBalancerCheckReserve(unknown, GIB, GIB, NULL));
}


/* What of it cannot be kept later is said; the minimums are not what is to blame. */
static void
testReserveLater(void)
{
    static const hvmemPressure tight = { .total = 64 * GIB, .available = 4 * GIB, .swappedOut = HVMEM_UNKNOWN };
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", GIB);
    g_autofree char *before = NULL;
    g_autofree char *text = NULL;
    g_autofree char *table = NULL;

    balancer->reserve = 8 * GIB;
    decide(balancer, 100);
    before = hvmemBalanceReserveText(balancer);
    g_assert_null(before);
    g_assert_cmpuint(balancer->summary.reserve, ==, 8 * GIB / 1024);

    g_assert_true(hvmemBalancerDecide(balancer, &tight, 101, NULL));
    text = hvmemBalanceReserveText(balancer);
    g_assert_cmpstr(text, ==, "only 2.5 GiB of the reserve of 8 GiB can be kept now: guests may have 3 GiB in all, and the rest of that are the minimums of "
                    "automatic guests, who get no more, and what others hold. A smaller reserve would leave them more");
    g_assert_false(balancer->summary.over);
    g_assert_cmpuint(guest->out.goal, ==, 512 * MIB / 1024);
    table = hvmemBalanceTable(balancer, true, 100);
    g_assert_nonnull(strstr(table, "will be free. Only 2.5 GiB of the reserve"));

    /* nobody gave one: there is nothing to tell */
    balancer->reserve = HVMEM_UNKNOWN;
    g_assert_true(hvmemBalancerDecide(balancer, &tight, 102, NULL));
    g_assert_null(hvmemBalanceReserveText(balancer));
}


/*
 * Configuration
 */

static bool
readConf(hvmemBalanceConf *conf,
         const char *text,
         GError **error)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("balance-XXXXXX.conf", &path, NULL);
    bool ok;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, text, strlen(text)), ==, strlen(text));
    close(fd);
    ok = hvmemBalanceConfRead(conf, path, error);
    g_unlink(path);
    return ok;
}


static void
testConf(void)
{
    static const struct {
        const char *text;
        const char *word;       /* of the error */
    } bad[] = {
        { "budget = 4GiB\n", "group" }, { "[balance]\nbudget = 4x\n", "budget '4x'" }, { "[balance]\nbudget = 0\n", "budget" },
        { "[balance]\nbuget = 4GiB\n", "'buget' is not known" }, { "[balance]\ninterval = 0\n", "interval '0'" },
        { "[balance]\ninterval = 61\n", "interval '61'" }, { "[balance]\ninterval = nan\n", "interval 'nan'" }, { "[other]\n", "balance" },
    };
    hvmemBalanceConf conf;
    size_t i;

    hvmemBalanceConfInit(&conf);
    g_assert_cmpuint(conf.budget, ==, 0);
    g_assert_cmpuint(conf.reserve, ==, HVMEM_UNKNOWN);
    g_assert_true(readConf(&conf, "# mine\n[balance]\nbudget = 16GiB\nreserve=0\ninterval = 2.5\n", NULL));
    g_assert_cmpuint(conf.budget, ==, 16 * GIB);
    g_assert_cmpuint(conf.reserve, ==, 0);
    g_assert_cmpfloat(conf.interval, ==, 2.5);

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(readConf(&conf, bad[i].text, &error));
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, bad[i].word));
        g_assert_cmpuint(conf.budget, ==, 16 * GIB);
        g_assert_cmpfloat(conf.interval, ==, 2.5);
    }
    g_assert_true(readConf(&conf, "[balance]\nbudget = auto\nreserve = auto\n", NULL));
    g_assert_cmpuint(conf.budget, ==, 0);
    g_assert_cmpuint(conf.reserve, ==, HVMEM_UNKNOWN);
}


/* Another process does not get it, and is told who has it; another connection has another lock. */
static void
testLock(void)
{
    g_autofree char *uri = g_strdup_printf("test:///hvmem-balancer-test-%d", getpid());
    g_autofree char *owner = g_strdup_printf("process %d", getpid());
    g_autofree char *other = g_strconcat(uri, "2", NULL);
    g_autofree char *path = hvmemBalanceLockPath(uri);
    g_autofree char *otherPath = hvmemBalanceLockPath(other);
    int status = 0;
    pid_t pid;

    g_assert_true(hvmemBalanceLock(uri, NULL));
    if ((pid = fork()) == 0) {
        g_autoptr(GError) error = NULL;
        bool refused = !hvmemBalanceLock(uri, &error) && strstr(error->message, owner) && hvmemBalanceLock(other, NULL);

        _exit(refused ? 0 : 1);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    removeLock(path);
    removeLock(otherPath);
}


static void
testNotify(void)
{
    g_autofree char *dir = g_dir_make_tmp("notify-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "socket", NULL);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char got[32] = "";
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);

    hvmemBalanceNotify("nobody listens");
    g_setenv("NOTIFY_SOCKET", path, true);
    hvmemBalanceNotify("READY=1");
    g_unsetenv("NOTIFY_SOCKET");
    g_assert_cmpint(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT), ==, 7);
    g_assert_cmpstr(got, ==, "READY=1");

    close(fd);
    g_unlink(path);
    g_rmdir(dir);
}


/*
 * Guests
 */

static void
testDecide(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *a = addGuest(balancer, "a", GIB / 8);
    hvmemBalanced *b = addGuest(balancer, "b", GIB);
    g_autofree char *reason = NULL;
    g_autofree char *table = NULL;

    balancer->budget = 16 * GIB;
    decide(balancer, 100);
    g_assert_cmpuint(balancer->active->len, ==, 2);
    g_assert_cmpuint(balancer->host.budget, ==, 16 * GIB / 1024);
    g_assert_cmpuint(a->in.demand, ==, (2 * GIB - GIB / 8) / 1024);
    g_assert_true(hvmemBalancedMoves(a));
    g_assert_cmpint(a->out.move, ==, HVMEM_BALANCE_GROW);
    g_assert_false(hvmemBalancedMoves(b));

    reason = hvmemBalanceReason(a);
    g_assert_cmpstr(reason, ==, "grows to 2.2 GiB, demand and buffer");
    table = hvmemBalanceTable(balancer, false, 200);
    g_assert_nonnull(strstr(table, "a       1.9 GiB   2 GiB       2 GiB   2.2 GiB   grows to 2.2 GiB, demand and buffer"));
}


/* XML is read when it has changed. */
static void
testReadAgain(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    g_autoptr(GError) error = NULL;
    const hvmemDomain *dom;

    g_assert_true(hvmemBalancerRead(balancer, "g", "u", true, XML(AUTO("weight='7'")), NULL));
    dom = hvmemBalancerGet(balancer, "u")->dom;
    g_assert_cmpuint(hvmemBalancerGet(balancer, "u")->settings.weight, ==, 7);
    g_assert_true(hvmemBalancerRead(balancer, "g", "u", true, XML(AUTO("weight='7'")), NULL));
    g_assert_true(hvmemBalancerGet(balancer, "u")->dom == dom);
    g_assert_true(hvmemBalancerRead(balancer, "g", "u", true, XML(AUTO("weight='8'")), NULL));
    g_assert_cmpuint(hvmemBalancerGet(balancer, "u")->settings.weight, ==, 8);
    g_assert_true(hvmemBalancerRead(balancer, "g", "u", false, XML(AUTO("weight='8'")), NULL));
    g_assert_false(hvmemBalancerGet(balancer, "u")->dom->active);
    g_assert_false(hvmemBalancerRead(balancer, "g", "u", false, "no XML", &error));
    g_assert_nonnull(error);
}


static void
addParam(virTypedParameter *params,
         int *n,
         const char *field,
         guint64 number)
{
    g_strlcpy(params[*n].field, field, sizeof(params[*n].field));
    params[*n].type = VIR_TYPED_PARAM_ULLONG;
    params[(*n)++].value.ul = number;
}


/* libvirt's statistics; a busy domain has fewer of them, and is left alone. */
static void
testTake(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", GIB);
    virTypedParameter params[12] = { 0 };
    char state[] = "idle";
    int n = 0;

    addParam(params, &n, "balloon.current", 3 * GIB / 1024);
    addParam(params, &n, "balloon.hyperv.requested", 4 * GIB / 1024);
    addParam(params, &n, "balloon.hyperv.stick.0.size", 1);
    addParam(params, &n, "balloon.rss", GIB / 1024);
    addParam(params, &n, "balloon.usable", 2 * GIB / 1024);
    addParam(params, &n, "balloon.hyperv.connected", 1);
    g_strlcpy(params[n].field, "balloon.hyperv.state", sizeof(params[n].field));
    params[n].type = VIR_TYPED_PARAM_STRING;
    params[n++].value.s = state;

    hvmemBalancedTake(guest, params, n);
    decide(balancer, 100);
    g_assert_cmpuint(guest->in.actual, ==, 3 * GIB / 1024);
    g_assert_cmpuint(guest->in.requested, ==, 4 * GIB / 1024);
    g_assert_cmpuint(guest->in.demand, ==, GIB / 1024);
    g_assert_cmpuint(guest->dom->rss, ==, GIB);
    g_assert_cmpint(guest->in.state, ==, HVMEM_BALANCE_READY);

    /* a newer libvirt has the guest's own report */
    addParam(params, &n, "balloon.hyperv.available", 0);
    addParam(params, &n, "balloon.hyperv.committed", 7 * GIB / 1024);
    addParam(params, &n, "balloon.hyperv.released", 2 * GIB / 1024);
    hvmemBalancedTake(guest, params, n);
    decide(balancer, 100.5);
    g_assert_cmpuint(guest->in.demand, ==, 5 * GIB / 1024);

    /* one that sleeps is as one that is paused */
    addParam(params, &n, "state.state", VIR_DOMAIN_PMSUSPENDED);
    hvmemBalancedTake(guest, params, n);
    decide(balancer, 100.7);
    g_assert_cmpint(guest->in.state, ==, HVMEM_BALANCE_PAUSED);

    hvmemBalancedTake(guest, params, 2);
    decide(balancer, 101);
    g_assert_cmpint(guest->in.state, ==, HVMEM_BALANCE_BUSY);
    g_assert_cmpuint(guest->out.target, ==, 4 * GIB / 1024);
}


/* A guest that has all of 4 GiB and uses it, with what libvirt plans with. */
static void
takeFull(hvmemBalanced *guest,
         guint64 slots,
         guint64 space)
{
    virTypedParameter params[20] = { 0 };
    char state[] = "idle";
    int n = 0;

    addParam(params, &n, "balloon.current", 4 * GIB / 1024);
    addParam(params, &n, "balloon.rss", 4 * GIB / 1024);
    addParam(params, &n, "balloon.hyperv.requested", 4 * GIB / 1024);
    addParam(params, &n, "balloon.hyperv.boot", 2 * GIB / 1024);
    addParam(params, &n, "balloon.hyperv.capacity", 4 * GIB / 1024);
    addParam(params, &n, "balloon.hyperv.available", 0);
    addParam(params, &n, "balloon.hyperv.plan.boot", 2 * GIB / 1024);
    addParam(params, &n, "balloon.hyperv.plan.max-memory", 8 * GIB / 1024);
    addParam(params, &n, "balloon.hyperv.plan.granule", 2048);
    addParam(params, &n, "balloon.hyperv.plan.alignment", 128 * 1024);
    addParam(params, &n, "balloon.hyperv.plan.free-slots", slots);
    addParam(params, &n, "balloon.hyperv.plan.free-space", space / 1024);
    addParam(params, &n, "balloon.hyperv.plan.costly", 0);
    addParam(params, &n, "balloon.hyperv.connected", 1);
    g_strlcpy(params[n].field, "balloon.hyperv.state", sizeof(params[n].field));
    params[n].type = VIR_TYPED_PARAM_STRING;
    params[n++].value.s = state;
    hvmemBalancedTake(guest, params, n);
}


static void
assertReason(const hvmemBalanced *guest,
             const char *expected)
{
    g_autofree char *reason = hvmemBalanceReason(guest);

    g_assert_cmpstr(reason, ==, expected);
}


/* What libvirt would refuse for want of a slot, or of addresses, is not requested: what is possible is; and why it is no more is said. */
static void
testReach(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", GIB);

    takeFull(guest, 3, 4 * GIB);
    decide(balancer, 100);
    g_assert_cmpuint(guest->in.maximum, ==, 8 * GIB / 1024);
    g_assert_cmpuint(guest->out.target, >, 6 * GIB / 1024);

    takeFull(guest, 3, GIB + 100 * MIB);
    decide(balancer, 101);
    g_assert_cmpuint(guest->out.target, ==, 5 * GIB / 1024);
    assertReason(guest, "grows to 5 GiB, all that it can have now, since no larger range of addresses is free for a stick; demand and buffer would be 6 GiB");

    takeFull(guest, 0, 4 * GIB);
    guest->settings.minimum = 6 * GIB;
    decide(balancer, 102);
    g_assert_false(hvmemBalancedMoves(guest));
    assertReason(guest, "stays; its goal is 4 GiB, all that it can have now, since no memory slot is free for one more stick; demand and buffer would be 4.8 GiB");

    /* nor is that anybody else's, who has set less */
    guest->settings.minimum = 0;
    guest->settings.maximum = 3 * GIB;
    decide(balancer, 103);
    g_assert_cmpuint(guest->in.maximum, ==, 3 * GIB / 1024);
    g_assert_cmpint(guest->limit, ==, HVMEM_BALANCED_SET);

    /* a QEMU without sticks does not tell */
    guest->settings.maximum = 0;
    guest->dom->capacity = HVMEM_UNKNOWN;
    decide(balancer, 104);
    g_assert_cmpuint(guest->in.maximum, ==, 8 * GIB / 1024);
}


/* Each state in which a guest is left alone. */
static void
testAlone(void)
{
    static const struct {
        const char *state;
        bool connected;
        bool told;
        bool paused;
        guint64 usable;
        hvmemBalanceState alone;
    } cases[] = {
        { "idle", true, true, false, GIB, HVMEM_BALANCE_READY }, { "floor", true, true, false, GIB, HVMEM_BALANCE_READY },
        { "idle", true, true, true, GIB, HVMEM_BALANCE_PAUSED }, { "idle", true, true, false, HVMEM_UNKNOWN, HVMEM_BALANCE_SILENT },
        { "idle", true, false, false, GIB, HVMEM_BALANCE_SILENT }, { "idle", false, true, false, GIB, HVMEM_BALANCE_DISCONNECTED },
        { "disconnected", false, true, false, GIB, HVMEM_BALANCE_DISCONNECTED }, { "refused", true, true, false, GIB, HVMEM_BALANCE_REFUSED },
        { "frozen", true, true, false, GIB, HVMEM_BALANCE_FROZEN }, { "late", true, true, false, GIB, HVMEM_BALANCE_FROZEN },
        { "waiting", true, true, false, GIB, HVMEM_BALANCE_READY }, { "handshake", false, true, false, GIB, HVMEM_BALANCE_DISCONNECTED },
        { "not-onlined", true, true, false, GIB, HVMEM_BALANCE_NOT_ONLINED },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
        hvmemBalanced *guest = addGuest(balancer, "a", cases[i].usable);

        g_free(guest->dom->state);
        guest->dom->state = g_strdup(cases[i].state);
        guest->dom->connected = cases[i].connected;
        guest->dom->told = cases[i].told;
        guest->dom->paused = cases[i].paused;
        decide(balancer, 100);
        g_assert_cmpint(guest->in.state, ==, cases[i].alone);
        g_assert_true((guest->out.bound == HVMEM_BALANCE_LEFT_ALONE) == (cases[i].alone != HVMEM_BALANCE_READY));
    }
}


/* A hold and a refusal end. */
static void
testForAWhile(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", GIB);

    guest->settings.hold = g_get_real_time() / G_USEC_PER_SEC + 1000;
    decide(balancer, 100);
    g_assert_cmpint(guest->in.state, ==, HVMEM_BALANCE_HELD);
    guest->settings.hold = 1;
    guest->refused = 101;
    decide(balancer, 102);
    g_assert_cmpint(guest->in.state, ==, HVMEM_BALANCE_REFUSED);
    guest->migrating = true;
    decide(balancer, 103);
    g_assert_cmpint(guest->in.state, ==, HVMEM_BALANCE_MIGRATING);
    decide(balancer, 162);
    g_assert_cmpint(guest->in.state, ==, HVMEM_BALANCE_READY);
}


/* How fast a guest follows, and that it does not, is seen over time. */
static void
testFollows(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", GIB);

    guest->dom->requested = GIB;
    decide(balancer, 100);
    g_assert_cmpuint(guest->in.rate, ==, HVMEM_BALANCE_UNKNOWN);
    guest->dom->current -= 256 * MIB;
    decide(balancer, 102);
    g_assert_cmpuint(guest->in.rate, ==, 128 * 1024);
    decide(balancer, 103);
    g_assert_cmpuint(guest->in.rate, <, 128 * 1024);
    g_assert_cmpuint(guest->in.rate, >, 64 * 1024);
    decide(balancer, 107);
    g_assert_cmpuint(guest->in.rate, ==, 1);
    decide(balancer, 112);
    g_assert_cmpuint(guest->in.rate, ==, 0);
    guest->dom->current = GIB + MIB;
    decide(balancer, 113);
    g_assert_cmpuint(guest->in.rate, ==, HVMEM_BALANCE_UNKNOWN);
}


static void
testRises(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", GIB);

    decide(balancer, 100);
    g_assert_cmpuint(guest->in.rise, ==, 0);
    guest->dom->usable -= 512 * MIB;
    decide(balancer, 102);
    g_assert_cmpuint(guest->in.rise, ==, 256 * 1024);
    guest->dom->usable += 512 * MIB;
    decide(balancer, 104);
    g_assert_cmpuint(guest->in.rise, ==, 0);
}


/* Somebody else's request is noticed, once; one's own is not, nor is that of a guest that was started again. */
static void
testForeign(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", GIB / 8);

    decide(balancer, 100);
    g_assert_false(guest->foreign);
    hvmemBalancedAsked(guest);
    guest->dom->requested = hvmemFromKiB(guest->out.target);
    decide(balancer, 101);
    g_assert_false(guest->foreign);
    guest->dom->requested = 4 * GIB;
    decide(balancer, 102);
    g_assert_true(guest->foreign);
    decide(balancer, 103);
    g_assert_false(guest->foreign);

    addGuest(balancer, "a", GIB)->dom->active = false;
    addGuest(balancer, "a", GIB);
    decide(balancer, 104);
    g_assert_false(guest->foreign);
}


/* Settings that have changed since the decision: nothing is requested by the old ones. */
static void
testRefresh(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", GIB / 8);

    decide(balancer, 100);
    g_assert_true(hvmemBalancedMoves(guest));
    guest->foreign = true;
    hvmemBalancedRefresh(guest, XML(AUTO("")));
    g_assert_true(hvmemBalancedMoves(guest));
    hvmemBalancedRefresh(guest, XML(AUTO("hold='99999999999'")));
    g_assert_false(hvmemBalancedMoves(guest));
    g_assert_false(guest->foreign);
    decide(balancer, 101);
    g_assert_cmpint(guest->in.state, ==, HVMEM_BALANCE_HELD);

    hvmemBalancedRefresh(guest, XML(""));
    decide(balancer, 102);
    g_assert_cmpuint(balancer->active->len, ==, 0);
}


#define REQUESTED(mib) \
    "<domain type='kvm'><name>g</name><metadata>" AUTO("") "</metadata><memory unit='GiB'>4</memory>" \
    "<devices><memballoon model='hyperv'><requested unit='MiB'>" mib "</requested></memballoon></devices></domain>"


/* Nor is anything if somebody has requested another size since the look; the next one names that. */
static void
testRefreshRequested(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", GIB / 8);

    decide(balancer, 100);
    g_assert_true(hvmemBalancedMoves(guest));
    hvmemBalancedRefresh(guest, REQUESTED("2049"));
    g_assert_true(hvmemBalancedMoves(guest));
    hvmemBalancedRefresh(guest, REQUESTED("3072"));
    g_assert_false(hvmemBalancedMoves(guest));
    g_assert_true(guest->settings.on);
    guest->dom->requested = 3 * GIB;
    decide(balancer, 101);
    g_assert_true(guest->foreign);
}


/* Also if they have become what they were when the definition was last read. */
static void
testRefreshBack(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest;

    g_assert_true(hvmemBalancerRead(balancer, "g", "u", true, XML(AUTO("weight='7'")), NULL));
    guest = hvmemBalancerGet(balancer, "u");
    hvmemBalancedRefresh(guest, XML(AUTO("weight='8'")));
    g_assert_cmpuint(guest->settings.weight, ==, 8);
    g_assert_true(hvmemBalancerRead(balancer, "g", "u", true, XML(AUTO("weight='7'")), NULL));
    g_assert_cmpuint(guest->settings.weight, ==, 7);
}


/* Guests that are not automatic count as what they hold or may take; those that are shut off are provided for. */
static void
testOthers(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    g_autoptr(GHashTable) kept = g_hash_table_new(g_str_hash, g_str_equal);

    balancer->budget = 64 * GIB;
    addGuest(balancer, "a", GIB);
    addGuest(balancer, "b", GIB)->settings.on = false;
    hvmemBalancerGet(balancer, "b")->dom->requested = 3 * GIB;
    addGuest(balancer, "c", GIB)->dom->hyperv = false;
    addGuest(balancer, "d", GIB)->dom->active = false;
    decide(balancer, 100);
    g_assert_cmpuint(balancer->active->len, ==, 1);
    g_assert_cmpuint(balancer->host.used, ==, 5 * GIB / 1024);
    g_assert_cmpuint(balancer->host.starts, ==, 4 * GIB / 1024);
    g_assert_cmpuint(balancer->host.reserve, ==, 0);

    balancer->reserve = GIB;
    decide(balancer, 101);
    g_assert_cmpuint(balancer->host.reserve, ==, GIB / 1024);
    g_assert_cmpuint(balancer->host.starts, ==, 0);

    g_hash_table_add(kept, (char *)"b");
    hvmemBalancerKeep(balancer, kept);
    g_assert_null(hvmemBalancerGet(balancer, "a"));
    g_assert_nonnull(hvmemBalancerGet(balancer, "b"));
    decide(balancer, 102);
    g_assert_cmpuint(balancer->active->len, ==, 0);
}


#define SAVED(current, requested) \
    "<domain type='kvm'><name>g</name><memory unit='GiB'>8</memory><currentMemory unit='GiB'>" current "</currentMemory>" \
    "<devices><memballoon model='hyperv'><requested unit='GiB'>" requested "</requested></memballoon></devices></domain>"


/* A saved state takes what it had, or was to get; without one, a domain starts with its boot memory. */
static void
testSaved(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", GIB);

    balancer->budget = 64 * GIB;
    guest->dom->active = false;
    decide(balancer, 100);
    g_assert_cmpuint(balancer->host.starts, ==, 4 * GIB / 1024);
    hvmemBalancedSaved(guest, SAVED("5", "3"));
    decide(balancer, 101);
    g_assert_cmpuint(balancer->host.starts, ==, 5 * GIB / 1024);
    hvmemBalancedSaved(guest, SAVED("1", "2"));
    decide(balancer, 102);
    g_assert_cmpuint(balancer->host.starts, ==, 2 * GIB / 1024);
    hvmemBalancedSaved(guest, "no XML");
    decide(balancer, 103);
    g_assert_cmpuint(balancer->host.starts, ==, 4 * GIB / 1024);
    hvmemBalancedSaved(guest, SAVED("5", "5"));
    hvmemBalancedSaved(guest, NULL);
    decide(balancer, 104);
    g_assert_cmpuint(balancer->host.starts, ==, 4 * GIB / 1024);
    guest->dom->requested = 6 * GIB;
    decide(balancer, 105);
    g_assert_cmpuint(balancer->host.starts, ==, 6 * GIB / 1024);
}


/* Guests with 2 of 4 GiB boot memory take the rest back when they are rebooted, automatic or not; nothing is kept for that if a reserve was given. */
static void
testReboots(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *a = addGuest(balancer, "a", GIB);
    JsonNode *json;

    balancer->budget = 6 * GIB;
    decide(balancer, 100);
    g_assert_cmpuint(a->in.boot, ==, 4 * GIB / 1024);
    g_assert_cmpuint(balancer->host.reserve, ==, 0);
    g_assert_cmpuint(balancer->summary.reboot, ==, 4 * GIB / 1024 - a->out.goal);
    json = hvmemBalanceJSON(balancer, true);
    g_assert_cmpint(json_object_get_int_member(json_node_get_object(json), "reserve"), ==, 4 * GIB - hvmemFromKiB(a->out.goal));
    json_node_unref(json);

    addGuest(balancer, "b", GIB)->settings.on = false;
    decide(balancer, 101);
    g_assert_cmpuint(balancer->host.starts, ==, 2 * GIB / 1024);
    balancer->reserve = 0;
    decide(balancer, 102);
    g_assert_cmpuint(balancer->host.starts, ==, 0);
    g_assert_cmpuint(balancer->summary.reboot, ==, 0);
}


static guint64
budgetAt(hvmemBalancer *balancer,
         double now)
{
    static const hvmemPressure host = { .total = 64 * GIB, .available = 32 * GIB, .swappedOut = HVMEM_UNKNOWN };

    g_assert_true(hvmemBalancerDecide(balancer, &host, now, NULL));
    return hvmemFromKiB(balancer->host.budget);
}


/* What the host has is what it has available, and what guests hold: resident, but not what QEMU holds for itself. 2 GiB are the host's own. */
static void
testResident(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", GIB);

    guest->dom->rss = HVMEM_UNKNOWN;
    g_assert_cmpuint(budgetAt(balancer, 100), ==, 30 * GIB);
    guest->dom->rss = 3 * GIB;
    g_assert_cmpuint(budgetAt(balancer, 200), ==, 32 * GIB);
    guest->dom->rss = GIB;
    g_assert_cmpuint(budgetAt(balancer, 300), ==, 31 * GIB);
    guest->dom->rss = HVMEM_UNKNOWN;
    g_assert_cmpuint(budgetAt(balancer, 400), ==, 31 * GIB);

    /* started again */
    addGuest(balancer, "a", GIB)->dom->active = false;
    addGuest(balancer, "a", GIB)->dom->rss = HVMEM_UNKNOWN;
    g_assert_cmpuint(budgetAt(balancer, 600), ==, 30 * GIB);
}


static void
testJSON(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    JsonNode *all;
    JsonNode *moving;
    JsonObject *object;

    balancer->budget = 16 * GIB;
    addGuest(balancer, "a", GIB / 8);
    addGuest(balancer, "b", GIB);
    decide(balancer, 100);
    all = hvmemBalanceJSON(balancer, true);
    moving = hvmemBalanceJSON(balancer, false);
    object = json_node_get_object(moving);

    g_assert_cmpuint(json_array_get_length(json_object_get_array_member(json_node_get_object(all), "guests")), ==, 2);
    g_assert_cmpuint(json_array_get_length(json_object_get_array_member(object, "guests")), ==, 1);
    g_assert_cmpint(json_object_get_int_member(object, "budget"), ==, 16 * GIB);
    g_assert_cmpstr(json_object_get_string_member(object, "pressure"), ==, "none");
    object = json_array_get_object_element(json_object_get_array_member(object, "guests"), 0);
    g_assert_cmpstr(json_object_get_string_member(object, "move"), ==, "grow");
    g_assert_cmpstr(json_object_get_string_member(object, "bound"), ==, "demand");
    json_node_unref(all);
    json_node_unref(moving);
}


static void
testNoHost(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemPressure nothing = { .total = HVMEM_UNKNOWN, .available = HVMEM_UNKNOWN, .swappedOut = HVMEM_UNKNOWN };
    hvmemPressure tight = { .total = 64 * GIB, .available = 0, .swappedOut = HVMEM_UNKNOWN };
    g_autoptr(GError) error = NULL;

    g_assert_false(hvmemBalancerDecide(balancer, &nothing, 1, &error));
    g_assert_nonnull(strstr(error->message, "--budget"));
    balancer->budget = GIB;
    g_assert_true(hvmemBalancerDecide(balancer, &nothing, 2, NULL));

    /* known before, it is what it was: also if that is hardly anything */
    balancer->budget = 0;
    decide(balancer, 3);
    g_assert_true(hvmemBalancerDecide(balancer, &nothing, 4, NULL));
    g_assert_cmpuint(balancer->host.budget, ==, 62 * GIB / 1024);
    balancer->budget = 63 * GIB;
    g_assert_true(hvmemBalancerDecide(balancer, &nothing, 5, NULL));
    g_assert_cmpuint(balancer->host.budget, ==, 62 * GIB / 1024);
    balancer->budget = 0;
    g_assert_true(hvmemBalancerDecide(balancer, &tight, 6, NULL));
    g_assert_true(hvmemBalancerDecide(balancer, &nothing, 7, NULL));
    g_assert_cmpuint(balancer->host.budget, ==, 0);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/balancer/pressure", testPressure);
    g_test_add_func("/hvmem/balancer/steady-level", testSteadyLevel);
    g_test_add_func("/hvmem/balancer/budget", testBudget);
    g_test_add_func("/hvmem/balancer/steady-budget", testSteadyBudget);
    g_test_add_func("/hvmem/balancer/impossible-reserve", testImpossibleReserve);
    g_test_add_func("/hvmem/balancer/reserve-later", testReserveLater);
    g_test_add_func("/hvmem/balancer/conf", testConf);
    g_test_add_func("/hvmem/balancer/lock", testLock);
    g_test_add_func("/hvmem/balancer/notify", testNotify);
    g_test_add_func("/hvmem/balancer/decide", testDecide);
    g_test_add_func("/hvmem/balancer/read-again", testReadAgain);
    g_test_add_func("/hvmem/balancer/take", testTake);
    g_test_add_func("/hvmem/balancer/reach", testReach);
    g_test_add_func("/hvmem/balancer/alone", testAlone);
    g_test_add_func("/hvmem/balancer/for-a-while", testForAWhile);
    g_test_add_func("/hvmem/balancer/follows", testFollows);
    g_test_add_func("/hvmem/balancer/rises", testRises);
    g_test_add_func("/hvmem/balancer/foreign", testForeign);
    g_test_add_func("/hvmem/balancer/refresh", testRefresh);
    g_test_add_func("/hvmem/balancer/refresh-requested", testRefreshRequested);
    g_test_add_func("/hvmem/balancer/refresh-back", testRefreshBack);
    g_test_add_func("/hvmem/balancer/others", testOthers);
    g_test_add_func("/hvmem/balancer/saved", testSaved);
    g_test_add_func("/hvmem/balancer/reboots", testReboots);
    g_test_add_func("/hvmem/balancer/resident", testResident);
    g_test_add_func("/hvmem/balancer/json", testJSON);
    g_test_add_func("/hvmem/balancer/no-host", testNoHost);
    return g_test_run();
}
