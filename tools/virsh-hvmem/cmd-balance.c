/*
 * cmd-balance.c: chooses the memory of all domains whose memory is automatic, again and again
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-aside.h"
#include "hvmem-balance-conn.h"
#include "hvmem-balance-lock.h"
#include "hvmem-balance-text.h"
#include "hvmem-cmd.h"
#include "hvmem-json.h"
#include "hvmem-output.h"
#include "hvmem-table.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Definitions and settings are read again so often, in seconds; sizes and states with each decision. */
#define REREAD 10.0

/* Seconds: a guest has been well for so long before its next failure is named, and somebody's requests are named as often. */
#define AGAIN 60.0

/* The longest wait for a libvirt that does not answer, in seconds, and how often systemd is told meanwhile. */
#define RETRY_MOST 60.0
#define RETRY_STEP 5.0

/* Seconds that libvirt has to answer what was asked before a signal came. */
#define END 1.0

/* Seconds: a decision that is older is not carried out any further. libvirt may let a request wait half a minute for another job. */
#define STALE 2.0

static char *budgetText;
static char *reserveText;
static char *intervalText;
static char *confPath;
static gboolean dryRun;
static gboolean once;

static const GOptionEntry options[] = {
    { "budget", 0, 0, G_OPTION_ARG_STRING, &budgetText, "What all guests may have together (default: what the host has available)", "SIZE" },
    { "reserve", 0, 0, G_OPTION_ARG_STRING, &reserveText, "Of that, kept free for guests that start or are rebooted (default: for one)", "SIZE" },
    { "interval", 'i', 0, G_OPTION_ARG_STRING, &intervalText, "Seconds between decisions (default: 1)", "S" },
    { "conf", 0, 0, G_OPTION_ARG_FILENAME, &confPath, "Read these three from a file first, and again on SIGHUP", "FILE" },
    { "dry-run", 'n', 0, G_OPTION_ARG_NONE, &dryRun, "Decide once, show what and why, and change nothing", NULL },
    { "once", 0, 0, G_OPTION_ARG_NONE, &once, "Decide once, and change", NULL },
    G_OPTION_ENTRY_NULL,
};

static volatile sig_atomic_t stopped;
static volatile sig_atomic_t reread;

typedef struct _Loop Loop;
struct _Loop {
    const hvmemApp *app;
    virConnectPtr conn;         /* NULL: libvirt did not answer lately */
    unsigned failures;          /* so often */
    bool refused;               /* was a request of the last decision? */
    bool lost;                  /* was the connection, among its requests? */
    double began;               /* when its first request was sent */
    hvmemBalancer *balancer;
    hvmemBalanceConf conf;
    double stopAt;              /* if a signal has come: how long libvirt is waited for, in seconds of this turn */
    double readAt;              /* when definitions were last read; negative: never */
    GHashTable *foreign;        /* by UUID: when a request of somebody else was last seen, seconds since 1970, in gint64 */
    bool over;                  /* were the minimums more than the budget at the last decision? */
    bool checked;               /* has the first decision shown that the reserve is possible? */
    double lacking;             /* when not all of it could be kept; 0: never */
};


static void
stop(int sig G_GNUC_UNUSED)
{
    stopped = 1;
}


static void
hangUp(int sig G_GNUC_UNUSED)
{
    reread = 1;
}


static double
now(void)
{
    return g_get_monotonic_time() / (double)G_USEC_PER_SEC;
}


static void
warn(const Loop *loop,
     const char *name,
     const char *text)
{
    if (!loop->app->quiet)
        hvmemSay(stderr, "%s: %s\n", name, text);
}


/*
 * What libvirt knows
 */

static bool
readAll(Loop *loop,
        GError **error)
{
    bool known = false;

    if (loop->readAt >= 0 && now() - loop->readAt < REREAD && !hvmemBalancerReadStats(loop->balancer, loop->conn, &known, error))
        return false;
    if (known)
        return true;
    if (!hvmemBalancerReadDomains(loop->balancer, loop->conn, error))
        return false;

    loop->readAt = now();
    return hvmemBalancerReadStats(loop->balancer, loop->conn, &known, error);
}


/*
 * What is done
 */

static bool
isMigrating(virDomainPtr dom)
{
    virTypedParameterPtr params = NULL;
    int operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
    int type, n = 0;

    if (virDomainGetJobStats(dom, &type, &params, &n, 0) < 0)
        return false;

    virTypedParamsGetInt(params, n, VIR_DOMAIN_JOB_OPERATION, &operation);
    virTypedParamsFree(params, n);
    return operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT || operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN;
}


/* A request has failed, with that @code: since there is nobody any more who could refuse it? The next look tells what has become of the guest, or of
 * libvirt. */
static bool
isGone(Loop *loop,
       virDomainPtr dom,
       int code)
{
    loop->lost = virConnectIsAlive(loop->conn) != 1;
    return loop->lost || code == VIR_ERR_NO_DOMAIN || (dom && virDomainIsActive(dom) == 0);
}


static void
noteRefusal(Loop *loop,
            hvmemBalanced *guest,
            const char *message)
{
    bool isNew = hvmemBalancedRefused(guest, message, now());

    loop->refused = true;
    if (once)
        hvmemSay(stderr, "%s: %s\n", guest->dom->name, message);
    else if (isNew)
        warn(loop, guest->dom->name, message);
}


static bool
request(Loop *loop,
        hvmemBalanced *guest)
{
    g_autoptr(virDomain) dom = virDomainLookupByUUIDString(loop->conn, guest->dom->uuid);
    g_autofree char *message = NULL;
    int code;

    if (dom && virDomainSetMemoryFlags(dom, guest->out.target, VIR_DOMAIN_AFFECT_LIVE) == 0) {
        guest->refused = -1;
        hvmemBalancedAsked(guest);
        return true;
    }
    /* before libvirt is called again, which forgets its error */
    code = virGetLastErrorCode();
    message = g_strdup(virGetLastErrorMessage());
    if (!isGone(loop, dom, code)) {
        noteRefusal(loop, guest, message);
        guest->migrating = dom && isMigrating(dom);
    }
    virResetLastError();
    return false;
}


/* With --once there is no other decision. */
static bool
isStale(const Loop *loop)
{
    return !once && now() - loop->began > STALE;
}


/* Of those that grow, or of those that give. */
static bool
requestSome(Loop *loop,
            bool grow)
{
    GPtrArray *active = loop->balancer->active;
    bool ok = true;
    size_t i;

    for (i = 0; i < active->len; i++) {
        hvmemBalanced *guest = active->pdata[i];

        if (!hvmemBalancedMoves(guest) || (guest->out.target > guest->in.requested) != grow)
            continue;
        if (loop->lost || isStale(loop))
            return false;
        ok = request(loop, guest) && ok;
    }
    return ok;
}


/* First those that give. If one of them cannot be asked, the next decision knows better what there is to give. */
static bool
requestAll(Loop *loop)
{
    loop->began = now();
    return requestSome(loop, false) && requestSome(loop, true);
}


static gboolean
isOld(gpointer uuid G_GNUC_UNUSED,
      gpointer when,
      gpointer seconds)
{
    return !hvmemAutoIsLately(*(gint64 *)when, *(gint64 *)seconds);
}


/* For other programs, which may ask long after it was said. */
static void
noteForeign(Loop *loop,
            const hvmemBalanced *guest)
{
    gint64 seconds = g_get_real_time() / G_USEC_PER_SEC;

    g_hash_table_foreach_remove(loop->foreign, isOld, &seconds);
    g_hash_table_insert(loop->foreign, g_strdup(guest->dom->uuid), g_memdup2(&seconds, sizeof(seconds)));
    hvmemBalancePublish(&loop->conf, loop->foreign);
}


/* An operator, or another program that moves the same guests. */
static void
nameForeign(Loop *loop)
{
    size_t i;

    for (i = 0; i < loop->balancer->active->len; i++) {
        hvmemBalanced *guest = loop->balancer->active->pdata[i];
        g_autofree char *size = hvmemFormatSize(hvmemFromKiB(guest->in.requested));
        g_autofree char *word = hvmemShellWord(guest->dom->name);
        g_autofree char *text = NULL;

        if (!guest->foreign || guest->in.state == HVMEM_BALANCE_HELD || (guest->foreignNamed > 0 && now() - guest->foreignNamed < AGAIN))
            continue;
        guest->foreignNamed = now();
        noteForeign(loop, guest);
        text = g_strdup_printf("somebody else has requested %s; its memory is automatic, so that may be changed again, at once if others need memory: "
                               "'virsh-hvmem auto %s --hold 30min' leaves it alone for a while", size, word);
        warn(loop, guest->dom->name, text);
    }
}


/* NULL: it is well. One that libvirt is busy with will soon be so again. */
static char *
failureOf(const hvmemBalanced *guest)
{
    if (guest->out.move == HVMEM_BALANCE_STUCK)
        return g_strdup("does not give back what was requested, and counts as what it has");
    return guest->out.bound == HVMEM_BALANCE_LEFT_ALONE && guest->in.state != HVMEM_BALANCE_BUSY ? hvmemBalanceReason(guest) : NULL;
}


/* A guest that is left alone, or does not follow, is named once. */
static void
nameFailing(Loop *loop)
{
    size_t i;

    for (i = 0; i < loop->balancer->active->len; i++) {
        hvmemBalanced *guest = loop->balancer->active->pdata[i];
        g_autofree char *reason = failureOf(guest);

        if (reason || hvmemBalancedGaveUp(guest))
            guest->failed = now();
        else if (now() - guest->failed >= AGAIN)
            hvmemBalancedWell(guest);
        if (!reason || g_strcmp0(reason, guest->named) == 0)
            continue;
        warn(loop, guest->dom->name, reason);
        g_free(guest->named);
        guest->named = g_steal_pointer(&reason);
    }
}


/* The same of minimums that do not fit. */
static void
nameOver(Loop *loop)
{
    g_autofree char *pool = hvmemFormatSize(hvmemFromKiB(loop->balancer->summary.pool));
    g_autofree char *text = g_strdup_printf("the minimums of the automatic guests are more than there is for them (%s): nobody gets more than its minimum",
                                            pool);

    if (loop->balancer->summary.over && !loop->over)
        warn(loop, "warning", text);
    loop->over = loop->balancer->summary.over;
}


/* A budget that follows from what the host has available may become less than the reserve. That is named once, until it has been well for a while. */
static void
nameReserve(Loop *loop)
{
    g_autofree char *text = hvmemBalanceReserveText(loop->balancer);

    if (text && (loop->lacking == 0 || now() - loop->lacking >= AGAIN))
        warn(loop, "warning", text);
    if (text)
        loop->lacking = now();
}


static void
showMoves(const Loop *loop)
{
    size_t i;

    for (i = 0; i < loop->balancer->active->len; i++) {
        const hvmemBalanced *guest = loop->balancer->active->pdata[i];
        g_autofree char *from = hvmemFormatSize(hvmemFromKiB(guest->in.requested));
        g_autofree char *to = hvmemFormatSize(hvmemFromKiB(guest->out.target));
        g_autofree char *reason = hvmemBalanceReason(guest);

        if (hvmemBalancedMoves(guest))
            hvmemSay(stdout, "%s: %s -> %s: %s\n", guest->dom->name, from, to, reason);
    }
}


/* All guests, for people; or those that change, on one line. */
static void
printDecision(const hvmemBalancer *balancer,
              bool all)
{
    JsonNode *node = hvmemBalanceJSON(balancer, all);
    g_autofree char *text = hvmemJSONText(node, all);

    printf("%s\n", text);
    json_node_unref(node);
}


static bool
anyMoves(const Loop *loop)
{
    size_t i;

    for (i = 0; i < loop->balancer->active->len; i++) {
        if (hvmemBalancedMoves(loop->balancer->active->pdata[i]))
            return true;
    }
    return false;
}


static void
show(const Loop *loop)
{
    bool single = dryRun || once;
    g_autofree char *table = NULL;

    if (loop->app->json && single)
        printDecision(loop->balancer, true);
    else if (loop->app->json && anyMoves(loop))
        printDecision(loop->balancer, false);
    else if (single)
        printf("%s", table = hvmemBalanceTable(loop->balancer, !loop->app->quiet, hvmemTableWidth()));
    else if (!loop->app->json && !loop->app->quiet)
        showMoves(loop);
    fflush(stdout);
}


/* Settings may have changed since definitions were last read: what is done to a guest, or against what somebody else has requested, goes by those of
 * now. */
static void
refresh(Loop *loop)
{
    size_t i;

    for (i = 0; i < loop->balancer->active->len; i++) {
        hvmemBalanced *guest = loop->balancer->active->pdata[i];
        g_autoptr(virDomain) dom = NULL;
        char *xml = NULL;

        if (!guest->foreign && !hvmemBalancedMoves(guest))
            continue;
        if ((dom = virDomainLookupByUUIDString(loop->conn, guest->dom->uuid)))
            xml = virDomainGetXMLDesc(dom, 0);
        hvmemBalancedRefresh(guest, xml);
        free(xml);
    }
    virResetLastError();
}


/* That a reserve leaves nothing is a mistake of whoever gave it; if that comes later, as much is kept as can be. */
static bool
checkReserve(Loop *loop,
             GError **error)
{
    loop->checked = loop->checked || hvmemBalancerCheckReserve(loop->balancer, loop->conf.budget, loop->conf.reserve, error);
    return loop->checked;
}


/* From what was read. */
static bool
decide(Loop *loop,
       GError **error)
{
    hvmemPressure pressure = { .total = HVMEM_UNKNOWN, .available = HVMEM_UNKNOWN, .swappedOut = HVMEM_UNKNOWN };

    /* after what guests hold: what one of them takes in between is missing then, not there twice */
    if (hvmemConnIsLocal(loop->conn))
        hvmemPressureRead(&pressure);
    loop->balancer->budget = loop->conf.budget;
    loop->balancer->reserve = loop->conf.reserve;
    loop->refused = loop->lost = false;
    if (!hvmemBalancerDecide(loop->balancer, &pressure, now(), error) || !checkReserve(loop, error))
        return false;

    if (!dryRun)
        refresh(loop);
    show(loop);
    if (!dryRun) {
        nameOver(loop);
        nameReserve(loop);
        nameForeign(loop);
        nameFailing(loop);
        requestAll(loop);
    }
    return true;
}


/*
 * Again and again
 */

/* As far as is known. One that counts already stays, whatever the host has by now. */
static bool
isPossible(const Loop *loop,
           const hvmemBalanceConf *conf,
           GError **error)
{
    return (conf->budget == loop->conf.budget && conf->reserve == loop->conf.reserve) ||
        hvmemBalancerCheckReserve(loop->balancer, conf->budget, conf->reserve, error);
}


/* The file, and what the command line says on top. */
static bool
configure(Loop *loop,
          GError **error)
{
    hvmemBalanceConf read;

    hvmemBalanceConfInit(&read);
    if ((confPath && !hvmemBalanceConfRead(&read, confPath, error)) ||
        (budgetText && !hvmemBalanceConfSet(&read, "budget", budgetText, error)) ||
        (reserveText && !hvmemBalanceConfSet(&read, "reserve", reserveText, error)) ||
        (intervalText && !hvmemBalanceConfSet(&read, "interval", intervalText, error)) ||
        !isPossible(loop, &read, error))
        return false;

    loop->conf = read;
    return true;
}


/* A mistake in the file leaves everything as it was. */
static void
configureAgain(Loop *loop)
{
    g_autoptr(GError) error = NULL;

    reread = 0;
    if (!configure(loop, &error))
        hvmemSay(stderr, "error: %s; the configuration stays as it was\n", error->message);
    hvmemBalancePublish(&loop->conf, loop->foreign);
}


static void
sleepUntil(double end)
{
    double left;

    while (!stopped && (left = end - now()) > 0)
        g_usleep(MIN(left, 0.1) * G_USEC_PER_SEC);
}


/* systemd is told that we are there. */
static void
waitAlive(double seconds)
{
    double end = now() + seconds;

    while (!stopped && now() < end) {
        hvmemBalanceNotify("WATCHDOG=1");
        sleepUntil(MIN(now() + RETRY_STEP, end));
    }
}


static void
nameRecovered(Loop *loop)
{
    if (loop->failures > 0)
        fprintf(stderr, "libvirt answers again\n");
    loop->failures = 0;
}


/* What is done again and again, beside which a signal ends the program. */
typedef struct _Turn Turn;
struct _Turn {
    Loop *loop;
    bool decided;
    GError *problem;            /* with libvirt: it is asked again */
    GError *error;              /* the end */
};


static void
turn(void *opaque)
{
    Turn *one = opaque;

    if (!one->loop->conn || !readAll(one->loop, &one->problem))
        return;
    nameRecovered(one->loop);
    one->decided = decide(one->loop, &one->error);
}


static void
connectAgain(void *opaque)
{
    Loop *loop = ((Turn *)opaque)->loop;

    loop->conn = hvmemConnect(loop->app->uri, false, NULL);
}


/* What has been begun is ended before the program, if libvirt answers. */
static bool
isOver(void *opaque,
       double seconds)
{
    Loop *loop = ((Turn *)opaque)->loop;

    if (!stopped)
        loop->stopAt = seconds + END;
    return stopped && seconds >= loop->stopAt;
}


static Turn *
aside(Loop *loop,
      void (*work)(void *opaque))
{
    Turn *one = g_new0(Turn, 1);

    one->loop = loop;
    loop->stopAt = END;
    if (!hvmemAside(work, isOver, one)) {
        hvmemBalanceNotify("STOPPING=1");
        hvmemAsideLeave(HVMEM_EXIT_DONE);
    }
    return one;
}


/* Waits, longer each time, and connects again. The first failure is named, also with --quiet: nothing is balanced meanwhile. */
static void
recover(Loop *loop,
        const GError *problem)
{
    if (loop->failures == 0) {
        hvmemPrintError(problem);
        fprintf(stderr, "Nothing is balanced until libvirt answers again.\n");
    }
    g_clear_pointer(&loop->conn, hvmemConnectUnref);
    waitAlive(MIN(1 << MIN(loop->failures, 10), RETRY_MOST));
    loop->failures++;
    if (!stopped)
        g_free(aside(loop, connectAgain));
    loop->readAt = -1;
    hvmemBalancerLost(loop->balancer);
}


static bool
repeat(Loop *loop,
       GError **error)
{
    double next = now();

    hvmemBalanceNotify("READY=1");
    while (!stopped) {
        g_autofree Turn *one = NULL;
        g_autoptr(GError) problem = NULL;

        if (reread)
            configureAgain(loop);
        one = aside(loop, turn);
        problem = one->problem;
        if (one->error) {
            g_propagate_error(error, one->error);
            return false;
        }
        if (!one->decided) {
            recover(loop, problem);
            continue;
        }
        hvmemBalanceNotify("WATCHDOG=1");
        hvmemBalanceDecided();
        next = MAX(next + loop->conf.interval, now());
        sleepUntil(next);
    }
    hvmemBalanceNotify("STOPPING=1");
    return true;
}


static bool
lock(const Loop *loop,
     GError **error)
{
    char *uri = virConnectGetURI(loop->conn);
    bool locked = uri ? hvmemBalanceLock(uri, error) : hvmemFailVir(error, "the connection has no URI");

    free(uri);
    if (locked)
        hvmemBalancePublish(&loop->conf, loop->foreign);
    return locked;
}


/* A refusal has been printed. Whoever decides but once takes idle memory with that. */
static bool
decideOnce(Loop *loop,
           GError **error)
{
    if (once)
        loop->balancer->idle = now() - HVMEM_BALANCER_IDLE;
    if (!readAll(loop, error) || !decide(loop, error))
        return false;
    if (loop->lost)
        return hvmemFailClosed(error);
    return !loop->refused || hvmemFailSilently(error, HVMEM_EXIT_REFUSED);
}


/* Without a file that could be read again, SIGHUP is the end of the terminal, and so of whoever runs there; unless it was started with nohup. */
static void
attendSignals(void)
{
    void (*usual)(int) = signal(SIGHUP, SIG_IGN);

    if (confPath)
        signal(SIGHUP, hangUp);
    else if (usual != SIG_IGN)
        signal(SIGHUP, stop);
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
}


static bool
balance(Loop *loop,
        GError **error)
{
    if (dryRun)
        return decideOnce(loop, error);
    if (!lock(loop, error))
        return false;
    if (once)
        return decideOnce(loop, error);

    attendSignals();
    return repeat(loop, error);
}


static bool
run(const hvmemApp *app,
    char **args G_GNUC_UNUSED,
    GError **error)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    g_autoptr(GHashTable) foreign = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    Loop loop = { .app = app, .balancer = balancer, .foreign = foreign, .readAt = -1 };
    bool ok;

    if (dryRun && once)
        return hvmemFail(error, "--dry-run already decides once: leave out --once");
    if (app->readonly && !dryRun)
        return hvmemFail(error, "--readonly cannot change guests: leave it out, or add --dry-run to see the decision");
    if (!configure(&loop, error) || !(loop.conn = hvmemConnect(app->uri, app->readonly, error)))
        return false;

    ok = balance(&loop, error);
    g_clear_pointer(&loop.conn, hvmemConnectUnref);
    return ok;
}


const hvmemCommand hvmemCmdBalance = {
    .name = "balance",
    .arguments = "[--dry-run | --once]",
    .summary = "Choose the memory of all domains that are automatic, until it is ended",
    .description = "Domains become automatic by 'virsh-hvmem auto'. When this program is gone, guests stay as they are.",
    .example = "virsh-hvmem balance --dry-run",
    .options = options,
    .run = run,
};
