/*
 * cmd-watch.c: shows domains live
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cmd-watch.h"
#include "hvmem-aside.h"
#include "hvmem-cmd.h"
#include "hvmem-events.h"
#include "hvmem-output.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A timer cannot take more: beyond that, the end comes with a sample. */
#define MAX_SECONDS (G_MAXINT / 1000)

/* The user sees that libvirt does not answer after so many seconds, and --duration waits no longer for a last sample; and at the end, that is not waited for longer. */
#define SILENT_SEC 3
#define CLOSE_SEC 1

static gboolean all;
static char *recordPath;
static double interval = 1;
static double duration = INFINITY;
static gboolean append;
static gboolean force;

static const GOptionEntry options[] = {
    { "all", 'a', 0, G_OPTION_ARG_NONE, &all, "A table of all domains, as without DOMAIN; also those without a hyperv balloon", NULL },
    { "record", 0, 0, G_OPTION_ARG_FILENAME, &recordPath, "Also write everything to a file, for 'virsh-hvmem plot'", "FILE.csv" },
    { "append", 0, 0, G_OPTION_ARG_NONE, &append, "With --record: continue a recording that exists", NULL },
    { "force", 'f', 0, G_OPTION_ARG_NONE, &force, "With --record: replace a file that exists", NULL },
    { "interval", 'i', 0, G_OPTION_ARG_DOUBLE, &interval, "Sampling interval in seconds (default: 1)", "S" },
    { "duration", 'd', 0, G_OPTION_ARG_DOUBLE, &duration, "End after this many seconds", "S" },
    HVMEM_OPTION_ALSO,
    G_OPTION_ENTRY_NULL,
};

/* Written by the signal handler, read by the event loop. */
static int wakeup[2] = { -1, -1 };
static volatile sig_atomic_t stopped;
static volatile sig_atomic_t suspended;
static volatile sig_atomic_t resumed;


/*
 * The end
 */

/* What was seen, what was recorded and how to draw it. */
static void
conclude(const Watch *watch)
{
    g_autofree char *took = hvmemFormatDuration(watchNow() - watch->start);
    g_autofree char *file = recordPath ? hvmemShellWord(recordPath) : NULL;
    g_autofree char *stem = recordPath ? g_strndup(recordPath, strlen(recordPath) - (g_str_has_suffix(recordPath, ".csv") ? 4 : 0)) : NULL;
    g_autofree char *svg = stem ? g_strconcat(stem, ".svg", NULL) : NULL;
    g_autofree char *picture = svg ? hvmemShellWord(svg) : NULL;
    g_autofree char *seen = NULL;
    FILE *out = watch->screen ? stdout : stderr;

    if (watch->screen)
        seen = g_strdup_printf("Watched %u domain%s for %s. ", watch->domains->len, watch->domains->len == 1 ? "" : "s", took);
    if (watch->file) {
        hvmemTell(out, "%s%u samples and %u events are in %s. To draw them:\n", seen ? seen : "", watch->samples, watch->events, file);
        hvmemSay(out, "  virsh-hvmem plot %s -o %s\n", file, picture);
    } else if (watch->screen) {
        hvmemTell(out, "%sNothing was recorded; '--record FILE.csv' does so.\n", seen);
    }
}


/* Gives the terminal back and says what there is to say. */
static void
leave(const Watch *watch)
{
    if (watch->screen)
        watchLeaveScreen();
    if (!watch->quiet)
        conclude(watch);
}


/*
 * Samples, which take as long as libvirt likes
 */

/* Events are listened to from before the first sample on; and other hosts may have been connected to. */
static void
work(void *opaque)
{
    watchListen(opaque);
    watchSample(opaque);
    watchListen(opaque);
}


/* While libvirt does not answer: has the user, or --duration, ended it? A sample that is only slow is still the last one. The event loop
 * goes on: without it libvirt would not notice that nobody answers. */
static bool
isEnough(void *opaque,
         double seconds)
{
    Watch *watch = opaque;

    hvmemEventsTurn();
    if (watch->screen && seconds >= SILENT_SEC)
        watchShowSilence(seconds);
    return watch->done || watchKeysQuit(watch) || (seconds >= SILENT_SEC && watchNow() - watch->start >= duration);
}


/* Events and keys that come meanwhile are kept: they need what is just being sampled. */
static void
sample(Watch *watch)
{
    watch->due = false;
    watch->sampling = true;
    if (!hvmemAside(work, isEnough, watch)) {
        leave(watch);
        hvmemAsideLeave(HVMEM_EXIT_DONE);
    }
    watch->sampling = false;

    watchAddLater(watch);
    if (watch->keys->len > 0)
        watchKeys(watch, watch->keys->str, watch->keys->len);
    g_string_truncate(watch->keys, 0);
}


static void
onTimer(int timer G_GNUC_UNUSED,
        void *opaque)
{
    ((Watch *)opaque)->due = true;
}


/* --duration ends between two samples too, with a last one. */
static void
onEnd(int timer,
      void *opaque)
{
    Watch *watch = opaque;

    virEventUpdateTimeout(timer, -1);
    watch->due = true;
    watch->last = true;
}


/*
 * Signals and keys
 */

/* The second signal ends the program whatever it is doing. */
static void
stop(int sig)
{
    if (stopped) {
        watchAbandonScreen();
        signal(sig, SIG_DFL);
        raise(sig);
    }
    stopped = 1;
}


static void
onSignal(int sig)
{
    if (sig == SIGTSTP)
        suspended = 1;
    else if (sig == SIGCONT)
        resumed = 1;
    else if (sig != SIGWINCH)
        stop(sig);
    if (write(wakeup[1], "", 1) < 0)
        return;                 /* full, so there is something to wake up for */
}


static void
onWakeup(int handle G_GNUC_UNUSED,
         int fd,
         int events G_GNUC_UNUSED,
         void *opaque)
{
    Watch *watch = opaque;
    char buffer[64];

    while (read(fd, buffer, sizeof(buffer)) > 0)
        ;
    if (suspended && watch->screen)
        watchSuspend();
    else if (resumed && watch->screen)
        watchResume();
    suspended = resumed = 0;
    watch->done = watch->done || stopped;
    watch->changed = true;
}


static void
onKey(int handle,
      int fd,
      int events G_GNUC_UNUSED,
      void *opaque)
{
    Watch *watch = opaque;
    char keys[64];
    ssize_t n = read(fd, keys, sizeof(keys));

    if (n < 1)
        virEventRemoveHandle(handle);
    else if (watch->sampling)
        g_string_append_len(watch->keys, keys, n);
    else
        watchKeys(watch, keys, n);
}


/* Nobody reads what we print: the end of a pipe has been closed, even if there is nothing to print. */
static void
onReaderGone(int handle,
             int fd G_GNUC_UNUSED,
             int events G_GNUC_UNUSED,
             void *opaque)
{
    virEventRemoveHandle(handle);
    ((Watch *)opaque)->done = true;
}


static bool
catchSignals(Watch *watch,
             GError **error)
{
    struct sigaction action = { .sa_handler = onSignal };
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT };
    /* without a screen there is nothing to restore */
    size_t n = watch->screen ? G_N_ELEMENTS(signals) : 4;
    size_t i;

    if (!g_unix_open_pipe(wakeup, FD_CLOEXEC, error))
        return false;

    for (i = 0; i < 2; i++)
        fcntl(wakeup[i], F_SETFL, O_NONBLOCK);
    for (i = 0; i < n; i++)
        sigaction(signals[i], &action, NULL);

    virEventAddHandle(wakeup[0], VIR_EVENT_HANDLE_READABLE, onWakeup, watch, NULL);
    if (watch->screen)
        virEventAddHandle(STDIN_FILENO, VIR_EVENT_HANDLE_READABLE, onKey, watch, NULL);
    else
        virEventAddHandle(STDOUT_FILENO, VIR_EVENT_HANDLE_ERROR | VIR_EVENT_HANDLE_HANGUP, onReaderGone, watch, NULL);
    return true;
}


/*
 * The command
 */

static bool
openRecord(Watch *watch,
           GError **error)
{
    if (!recordPath)
        return true;

    watch->file = hvmemRecordOpen(recordPath, force ? HVMEM_RECORD_REPLACE : append ? HVMEM_RECORD_APPEND : HVMEM_RECORD_NEW, error);
    return watch->file;
}


static void
takeSample(Watch *watch)
{
    sample(watch);
    if (watch->last || ferror(stdout) || watch->unwritten || watchNow() - watch->start >= duration)
        watch->done = true;
}


static void
iterate(Watch *watch)
{
    if (virEventRunDefaultImpl() < 0)
        hvmemFailVir(&watch->error, "failed to wait for events");
    if (watch->due && !watch->done && !watch->closed)
        takeSample(watch);
    if (watch->screen && watch->changed && !watch->done && !watch->error)
        watchShow(watch);
}


static bool
loop(Watch *watch,
     GError **error)
{
    int timer;
    int end;

    if (!catchSignals(watch, error))
        return false;

    if (watch->screen)
        watchEnterScreen();
    sample(watch);
    if (watch->screen && !watch->error)
        watchShow(watch);

    timer = virEventAddTimeout(interval * 1000, onTimer, watch, NULL);
    end = virEventAddTimeout(duration < MAX_SECONDS ? duration * 1000 : -1, onEnd, watch, NULL);
    while (!watch->done && !watch->error && !watch->closed)
        iterate(watch);
    virEventRemoveTimeout(timer);
    virEventRemoveTimeout(end);

    if (watch->screen)
        watchLeaveScreen();
    if (watch->unwritten)
        return hvmemFail(error, "cannot write '%s': %s", recordPath, g_strerror(watch->unwritten));
    /* says more than the answer that has failed */
    if (watch->closed)
        return hvmemFailClosed(error);
    if (watch->error) {
        g_propagate_error(error, g_steal_pointer(&watch->error));
        return false;
    }
    if (!watch->quiet)
        conclude(watch);
    return true;
}


/* libvirt is told, too. */
static void
disconnect(void *opaque)
{
    Watch *watch = opaque;

    watchUnlisten();
    if (watch->domains)
        g_ptr_array_unref(watch->domains);
    if (watch->later)
        g_ptr_array_unref(watch->later);
    g_ptr_array_unref(watch->hosts);
}


static bool
isLate(void *opaque G_GNUC_UNUSED,
       double seconds)
{
    return seconds > CLOSE_SEC;
}


static void
watchClear(Watch *watch)
{
    if (watch->file)
        fclose(watch->file);
    g_string_free(watch->filter, TRUE);
    g_string_free(watch->keys, TRUE);
    g_free(watch->list.sort);
    g_free(watch->chosen);
    g_free(watch->opened);
    g_clear_error(&watch->error);
}


static bool
run(const hvmemApp *app,
    char **args,
    GError **error)
{
    /* not on the stack: an answer of libvirt's may come when nobody waits for it any more */
    static Watch theWatch;
    Watch *watch = &theWatch;
    bool ok;

    if ((append || force) && !recordPath)
        return hvmemFailUsage(error, "--append and --force need --record");
    if (append && force)
        return hvmemFailUsage(error, "--append cannot be combined with --force");
    if (!(interval >= 0.1 && interval <= 3600))
        return hvmemFailUsage(error, "--interval %g: give 0.1 to 3600 seconds", interval);
    if (!(duration > 0))
        return hvmemFailUsage(error, "--duration %g: give a number of seconds above 0", duration);
    if (all && *args)
        return hvmemFailUsage(error, "--all cannot be combined with DOMAIN");
    if (hvmemAlso && !*args)
        return hvmemFailUsage(error, "--also needs DOMAIN: the table is of one host");

    *watch = (Watch) { .start = watchNow(), .json = app->json, .quiet = app->quiet, .list.all = all };
    watch->screen = hvmemTerm.terminal && hvmemTerm.cursor && isatty(STDIN_FILENO) && !app->json && !app->quiet;
    if (!hvmemEventsOwnLoop(error) || !(watch->hosts = hvmemHostsOpen(app->uri, hvmemAlso, app->readonly, error)))
        return false;

    watch->filter = g_string_new(NULL);
    watch->keys = g_string_new(NULL);
    ok = watchOpen(watch, args, error) && openRecord(watch, error);
    watch->table = watch->all;
    ok = ok && loop(watch, error);

    hvmemAside(disconnect, isLate, watch);
    watchClear(watch);
    return ok;
}


const hvmemCommand hvmemCmdWatch = {
    .name = "watch",
    .arguments = "[DOMAIN… | --all] [--record FILE.csv [--append|--force]] [--interval S] [--duration S] [--also URI]",
    .summary = "Show a live table of all domains, or a chart of the named ones",
    .description = "? shows the keys; q or Ctrl-C quits. Nothing is changed. Without a terminal each change is a line.",
    .example = "virsh-hvmem watch g1 --record g1.csv",
    .options = options,
    .maxArgs = -1,
    .run = run,
};
