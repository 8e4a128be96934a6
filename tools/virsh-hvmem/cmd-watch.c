/*
 * cmd-watch.c: shows domains live
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-chart.h"
#include "hvmem-cmd.h"
#include "hvmem-explain.h"
#include "hvmem-json.h"
#include "hvmem-output.h"
#include "hvmem-watched.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define SHOWN_EVENTS 4
#define KEPT_SECONDS 3600
#define NEXT_LINE "\r\n\033[K"

static char *recordPath;
static double interval = 1;
static double duration = INFINITY;
static gboolean append;
static gboolean force;

static const GOptionEntry options[] = {
    { "record", 0, 0, G_OPTION_ARG_FILENAME, &recordPath, "Also write everything to a file, for 'virsh-hvmem plot'", "FILE.csv" },
    { "append", 0, 0, G_OPTION_ARG_NONE, &append, "With --record: continue a recording that is there already", NULL },
    { "force", 'f', 0, G_OPTION_ARG_NONE, &force, "With --record: replace a file that is there already", NULL },
    { "interval", 'i', 0, G_OPTION_ARG_DOUBLE, &interval, "Seconds between samples (default: 1)", "S" },
    { "duration", 'd', 0, G_OPTION_ARG_DOUBLE, &duration, "End after this many seconds", "S" },
    HVMEM_OPTION_ALSO,
    G_OPTION_ENTRY_NULL,
};

typedef struct _Watch Watch;
struct _Watch {
    GPtrArray *hosts;           /* hvmemPlace */
    GPtrArray *domains;         /* hvmemWatched */
    FILE *file;                 /* of --record, or NULL */
    int unwritten;              /* errno of the first failure to write it */
    double start;
    bool screen;                /* on a terminal */
    bool json;
    bool done;
    GError *error;
};

/* Written by the signal handler, read by the event loop. */
static int wakeup[2] = { -1, -1 };
static volatile sig_atomic_t stopped;


static double
now(void)
{
    return g_get_real_time() / (double)G_USEC_PER_SEC;
}


/*
 * The screen
 */

static struct termios before;
static bool rawTerminal;


static void
enterScreen(void)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &before) == 0) {
        raw = before;
        raw.c_lflag &= ~(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        rawTerminal = true;
    }
    printf("\033[?1049h\033[?25l");
    fflush(stdout);
}


static void
leaveScreen(void)
{
    printf("\033[?25h\033[?1049l");
    fflush(stdout);
    if (rawTerminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
}


static char *
headline(const hvmemDomain *dom)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);
    g_autofree char *want = hvmemFormatSize(dom->requested);
    g_autofree char *have = hvmemFormatSize(dom->current);
    g_autofree char *ceiling = hvmemFormatSize(dom->maxMemory);
    g_autofree char *name = hvmemColour("1", dom->name);
    g_autofree char *label = hvmemColour(why->problem ? "1;31" : "1;32", why->label);

    if (!dom->active)
        return g_strdup_printf("%s: %s", name, label);
    return g_strdup_printf("%s: %s, has %s, asked for %s, ceiling %s, %u stick%s", name, label, have, want, ceiling,
                           dom->sticks->len, dom->sticks->len == 1 ? "" : "s");
}


static int
compareLines(gconstpointer a,
             gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}


/* The newest events of all domains, oldest first, one per line. */
static void
appendEvents(const Watch *watch,
             size_t n,
             GString *out)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    size_t i;
    size_t k;

    for (i = 0; i < watch->domains->len; i++) {
        const hvmemRecord *record = ((hvmemWatched *)watch->domains->pdata[i])->record;

        for (k = record->events->len > n ? record->events->len - n : 0; k < record->events->len; k++) {
            const hvmemEvent *event = record->events->pdata[k];
            g_autoptr(GDateTime) at = g_date_time_new_from_unix_local(event->time);
            g_autofree char *time = g_date_time_format(at, "%H:%M:%S");

            g_ptr_array_add(lines, g_strdup_printf("%s  %s: %s", time, record->name, event->text));
        }
    }

    g_ptr_array_sort(lines, compareLines);
    for (i = lines->len > n ? lines->len - n : 0; i < lines->len; i++)
        g_string_append_printf(out, "%s\n", (char *)lines->pdata[i]);
}


static char *
formatScreen(const Watch *watch)
{
    GString *out = g_string_new(NULL);
    g_autofree char *legend = hvmemChartLegend(hvmemTerm.utf8, hvmemTerm.colour);
    hvmemChart chart = { .now = now(), .utf8 = hvmemTerm.utf8, .colour = hvmemTerm.colour };
    int rows;
    size_t i;

    hvmemTerminalSize(STDOUT_FILENO, &chart.width, &rows);
    chart.span = CLAMP(chart.now - watch->start, 30, KEPT_SECONDS);
    /* two lines per domain beside its plot, the legend, a blank line and the events */
    chart.height = MAX((rows - SHOWN_EVENTS - 2) / (int)watch->domains->len - 2, 3);

    for (i = 0; i < watch->domains->len; i++) {
        const hvmemWatched *watched = watch->domains->pdata[i];
        g_autofree char *line = headline(watched->last);
        g_autofree char *plot = hvmemChartFormat(watched->record, &chart);

        g_string_append_printf(out, "%s\n%s", line, plot);
    }
    g_string_append_printf(out, "%s   q ends\n", legend);
    appendEvents(watch, SHOWN_EVENTS, out);
    return g_string_free(out, FALSE);
}


/* All in one write, and each line is erased just before it is written, so that
 * nothing flickers. Erasing after it would delete the last column of a full line,
 * where the cursor stays. */
static void
showScreen(const Watch *watch)
{
    g_autofree char *text = formatScreen(watch);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *joined = NULL;
    int columns;
    int rows;
    size_t n;
    size_t i;

    /* a line that wraps would scroll the screen */
    hvmemTerminalSize(STDOUT_FILENO, &columns, &rows);
    for (i = 0; lines[i]; i++) {
        g_autofree char *line = lines[i];

        lines[i] = hvmemClip(line, columns);
    }
    joined = g_strjoinv(NEXT_LINE, lines);
    n = strlen(joined);

    if (g_str_has_suffix(joined, NEXT_LINE))
        joined[n - strlen(NEXT_LINE)] = '\0';
    printf("\033[H\033[K%s\033[J", joined);
    fflush(stdout);
}


/*
 * Lines, if there is no terminal
 */

static void
printLine(const hvmemDomain *dom)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);
    g_autoptr(GDateTime) at = g_date_time_new_now_local();
    g_autofree char *time = g_date_time_format(at, "%H:%M:%S");
    g_autofree char *want = hvmemFormatSize(dom->requested);
    g_autofree char *have = hvmemFormatSize(dom->current);
    g_autofree char *usable = hvmemFormatSize(dom->usable);
    g_autofree char *rss = hvmemFormatSize(dom->rss);

    printf("%s  %s: asked for %s, has %s, usable %s, host %s, %s\n", time, dom->name, want, have, usable, rss, why->label);
    fflush(stdout);
}


/* A line of its own, without line breaks, for a sample or an event. */
static JsonBuilder *
beginJSONLine(const char *type,
              double time)
{
    JsonBuilder *builder = hvmemJSONBegin("watch");

    hvmemJSONString(builder, "type", type);
    json_builder_set_member_name(builder, "time");
    json_builder_add_double_value(builder, time);
    return builder;
}


static void
printJSONSample(const hvmemDomain *dom)
{
    JsonBuilder *builder = beginJSONLine("sample", now());

    json_builder_set_member_name(builder, "domain");
    hvmemJSONDomain(builder, dom);
    hvmemJSONPrintLine(builder);
}


static void
printJSONEvent(const char *name,
               const hvmemEvent *event)
{
    JsonBuilder *builder = beginJSONLine("event", event->time);

    hvmemJSONString(builder, "name", name);
    hvmemJSONString(builder, "event", event->text);
    hvmemJSONPrintLine(builder);
}


/* A line is printed only if something has changed. */
static bool
isNews(const hvmemDomain *old,
       const hvmemDomain *new)
{
    return !old || old->active != new->active || old->current != new->current || old->requested != new->requested ||
        g_strcmp0(old->state, new->state) != 0;
}


static void
report(const Watch *watch,
       const hvmemDomain *old,
       const hvmemDomain *new)
{
    if (watch->screen || !isNews(old, new))
        return;

    if (watch->json)
        printJSONSample(new);
    else
        printLine(new);
}


/*
 * Events
 */

/* A guest often resets its machine several times in one reboot. */
static bool
isEcho(const hvmemRecord *record,
       const char *text)
{
    size_t i;

    for (i = record->events->len; i > 0; i--) {
        const hvmemEvent *event = record->events->pdata[i - 1];

        if (now() - event->time > 1)
            return false;
        if (strcmp(event->text, text) == 0)
            return true;
    }
    return false;
}


/* Records @text, and prints it where there is no screen. */
static void
noteEvent(Watch *watch,
          hvmemWatched *watched,
          const char *text)
{
    const hvmemRecord *record = watched->record;
    const hvmemEvent *event;

    hvmemRecordAddEvent(watched->record, now(), text);
    event = record->events->pdata[record->events->len - 1];
    if (watch->file) {
        hvmemRecordWriteEvent(watch->file, record->name, event);
        hvmemRecordFlush(watch->file, &watch->unwritten);
    }
    if (watch->screen)
        return;

    if (watch->json)
        printJSONEvent(record->name, event);
    else
        printf("          %s: %s\n", record->name, text);
    fflush(stdout);
}


/*
 * Samples
 */

static bool
sample(Watch *watch,
       hvmemWatched *watched,
       GError **error)
{
    g_autofree char *news = NULL;
    hvmemDomain *dom = hvmemWatchedLook(watched, watch->hosts, &news, error);
    const GArray *samples = watched->record->samples;

    if (news)
        noteEvent(watch, watched, news);
    if (!dom)
        return false;

    /* another job has the domain: keep the last values */
    if (dom->active && !dom->told && watched->last && watched->last->told) {
        dom->told = true;
        dom->connected = watched->last->connected;
        dom->state = g_strdup(watched->last->state);
        dom->lastError = g_strdup(watched->last->lastError);
        dom->usable = watched->last->usable;
        dom->rss = watched->last->rss;
    }

    hvmemRecordAdd(watched->record, now(), dom);
    if (watch->file) {
        hvmemRecordWriteSample(watch->file, dom->name, &g_array_index(samples, hvmemSample, samples->len - 1));
        hvmemRecordFlush(watch->file, &watch->unwritten);
    }
    report(watch, watched->last, dom);
    hvmemDomainFree(watched->last);
    watched->last = dom;
    return true;
}


static void
sampleAll(Watch *watch)
{
    size_t i;

    for (i = 0; i < watch->domains->len && !watch->error; i++) {
        if (!sample(watch, watch->domains->pdata[i], &watch->error))
            watch->done = true;
    }
    if (!watch->error && !hvmemWatchedCheckLeft(watch->domains, watch->hosts, &watch->error))
        watch->done = true;
    if (watch->screen && !watch->error)
        showScreen(watch);
}


static void
onTimer(int timer G_GNUC_UNUSED,
        void *opaque)
{
    Watch *watch = opaque;

    sampleAll(watch);
    if (stopped || ferror(stdout) || watch->unwritten || now() - watch->start >= duration)
        watch->done = true;
}


/*
 * libvirt's events
 */

static void
addEvent(Watch *watch,
         virDomainPtr dom,
         const char *text)
{
    size_t i;

    for (i = 0; i < watch->domains->len; i++) {
        hvmemWatched *watched = watch->domains->pdata[i];

        if (hvmemWatchedIs(watched, dom) && !isEcho(watched->record, text))
            noteEvent(watch, watched, text);
    }
    if (watch->screen)
        showScreen(watch);
}


static const char *
stopReason(int detail)
{
    switch (detail) {
    case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
        return "stopped: the guest was shut down";
    case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
        return "stopped: it was destroyed";
    case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
        return "stopped: the guest crashed";
    case VIR_DOMAIN_EVENT_STOPPED_MIGRATED:
        return "has been migrated to another host";
    case VIR_DOMAIN_EVENT_STOPPED_FAILED:
        return "stopped: QEMU ended by itself or was killed";
    default:
        return "stopped";
    }
}


static void
noteMigrated(Watch *watch,
             virDomainPtr dom)
{
    size_t i;

    for (i = 0; i < watch->domains->len; i++) {
        hvmemWatched *watched = watch->domains->pdata[i];

        watched->migrated |= hvmemWatchedIs(watched, dom);
    }
}


static int
onLifecycle(virConnectPtr conn G_GNUC_UNUSED,
            virDomainPtr dom,
            int event,
            int detail,
            void *opaque)
{
    static const char *const names[] = {
        [VIR_DOMAIN_EVENT_DEFINED] = "its definition was changed",
        [VIR_DOMAIN_EVENT_UNDEFINED] = "its definition was removed",
        [VIR_DOMAIN_EVENT_STARTED] = "started",
        [VIR_DOMAIN_EVENT_SUSPENDED] = "paused",
        [VIR_DOMAIN_EVENT_RESUMED] = "resumed",
        [VIR_DOMAIN_EVENT_SHUTDOWN] = "shut down",
        [VIR_DOMAIN_EVENT_PMSUSPENDED] = "asleep",
        [VIR_DOMAIN_EVENT_CRASHED] = "crashed",
    };

    if (event == VIR_DOMAIN_EVENT_STOPPED && detail == VIR_DOMAIN_EVENT_STOPPED_MIGRATED)
        noteMigrated(opaque, dom);
    if (event == VIR_DOMAIN_EVENT_STOPPED)
        addEvent(opaque, dom, stopReason(detail));
    else if (event >= 0 && event < (int)G_N_ELEMENTS(names))
        addEvent(opaque, dom, names[event]);
    return 0;
}


static void
onReboot(virConnectPtr conn G_GNUC_UNUSED,
         virDomainPtr dom,
         void *opaque)
{
    addEvent(opaque, dom, "rebooted");
}


static void
onBalloon(virConnectPtr conn G_GNUC_UNUSED,
          virDomainPtr dom,
          unsigned long long actual,
          void *opaque)
{
    g_autofree char *size = hvmemFormatSize(hvmemFromKiB(actual));
    g_autofree char *text = g_strdup_printf("the guest has %s", size);

    addEvent(opaque, dom, text);
}


static void
onDeviceAdded(virConnectPtr conn G_GNUC_UNUSED,
              virDomainPtr dom,
              const char *alias,
              void *opaque)
{
    /* libvirt names the backend of a memory device in this event */
    g_autofree char *text = g_strdup_printf("%s was plugged", g_str_has_prefix(alias, "memua-") ? alias + 3 : alias);

    addEvent(opaque, dom, text);
}


static void
onDeviceRemoved(virConnectPtr conn G_GNUC_UNUSED,
                virDomainPtr dom,
                const char *alias,
                void *opaque)
{
    g_autofree char *text = g_strdup_printf("%s was removed", alias);

    addEvent(opaque, dom, text);
}


static void
onClose(virConnectPtr conn,
        int reason G_GNUC_UNUSED,
        void *opaque)
{
    Watch *watch = opaque;
    bool needed = false;
    size_t i;

    for (i = 0; i < watch->domains->len; i++)
        needed |= ((hvmemWatched *)watch->domains->pdata[i])->place->conn == conn;
    if (!needed)
        return;

    if (!watch->error)
        hvmemFailAs(&watch->error, HVMEM_EXIT_CONNECTION, "the connection to libvirt was closed; guests keep running");
    watch->done = true;
}


/* Without some event of the driver, samples are enough. */
static void
listen(Watch *watch,
       virConnectPtr conn)
{
    const struct {
        int id;
        virConnectDomainEventGenericCallback callback;
    } events[] = {
        { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(onLifecycle) },
        { VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(onReboot) },
        { VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(onBalloon) },
        { VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(onDeviceAdded) },
        { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(onDeviceRemoved) },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(events); i++)
        virConnectDomainEventRegisterAny(conn, NULL, events[i].id, events[i].callback, watch, NULL);

    virConnectRegisterCloseCallback(conn, onClose, watch, NULL);
    virConnectSetKeepAlive(conn, 5, 3);
    virResetLastError();
}


/*
 * Signals and keys
 */

static void
onSignal(int sig)
{
    if (sig != SIGWINCH)
        stopped = 1;
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
    watch->done = watch->done || stopped;
    if (watch->screen && !watch->done)
        showScreen(watch);
}


static void
onKey(int handle,
      int fd,
      int events G_GNUC_UNUSED,
      void *opaque)
{
    Watch *watch = opaque;
    char key;

    if (read(fd, &key, 1) != 1)
        virEventRemoveHandle(handle);
    else if (key == 'q' || key == 'Q')
        watch->done = true;
}


static bool
catchSignals(Watch *watch,
             GError **error)
{
    struct sigaction action = { .sa_handler = onSignal };
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH };
    size_t i;

    if (!g_unix_open_pipe(wakeup, FD_CLOEXEC, error))
        return false;

    for (i = 0; i < 2; i++)
        fcntl(wakeup[i], F_SETFL, O_NONBLOCK);
    for (i = 0; i < G_N_ELEMENTS(signals); i++)
        sigaction(signals[i], &action, NULL);

    virEventAddHandle(wakeup[0], VIR_EVENT_HANDLE_READABLE, onWakeup, watch, NULL);
    if (watch->screen)
        virEventAddHandle(STDIN_FILENO, VIR_EVENT_HANDLE_READABLE, onKey, watch, NULL);
    return true;
}


/*
 * The command
 */

static bool
openDomains(Watch *watch,
            char **names,
            GError **error)
{
    for (; *names; names++) {
        hvmemWatched *watched = hvmemWatchedNew(watch->hosts, *names, error);

        if (!watched)
            return false;
        g_ptr_array_add(watch->domains, watched);
    }
    return true;
}


static bool
openRecord(Watch *watch,
           GError **error)
{
    if (!recordPath)
        return true;

    watch->file = hvmemRecordOpen(recordPath, force ? HVMEM_RECORD_REPLACE : append ? HVMEM_RECORD_APPEND : HVMEM_RECORD_NEW, error);
    return watch->file;
}


static bool
loop(Watch *watch,
     GError **error)
{
    int timer;
    size_t i;

    if (!catchSignals(watch, error))
        return false;

    for (i = 0; i < watch->hosts->len; i++)
        listen(watch, ((hvmemPlace *)watch->hosts->pdata[i])->conn);
    if (watch->screen)
        enterScreen();
    sampleAll(watch);

    timer = virEventAddTimeout(interval * 1000, onTimer, watch, NULL);
    while (!watch->done) {
        if (virEventRunDefaultImpl() < 0)
            hvmemFailVir(&watch->error, "failed to wait for events");
        if (watch->error)
            break;
    }
    virEventRemoveTimeout(timer);

    if (watch->screen)
        leaveScreen();
    if (watch->unwritten)
        return hvmemFail(error, "cannot write '%s': %s", recordPath, g_strerror(watch->unwritten));
    if (watch->error) {
        g_propagate_error(error, g_steal_pointer(&watch->error));
        return false;
    }
    return true;
}


static bool
run(const hvmemApp *app,
    char **args,
    GError **error)
{
    Watch watch = { .start = now(), .json = app->json };
    size_t i;
    bool ok;

    if ((append || force) && !recordPath)
        return hvmemFailUsage(error, "--append and --force need --record");
    if (append && force)
        return hvmemFailUsage(error, "--append cannot be combined with --force");
    if (!(interval >= 0.1 && interval <= 3600))
        return hvmemFailUsage(error, "--interval %g: give 0.1 to 3600 seconds", interval);
    if (!(duration > 0))
        return hvmemFailUsage(error, "--duration %g: give a number of seconds above 0", duration);

    watch.screen = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && !app->json && !app->quiet;
    if (virEventRegisterDefaultImpl() < 0)
        return hvmemFailVir(error, "failed to set up events");
    if (!(watch.hosts = hvmemHostsOpen(app->uri, hvmemAlso, app->readonly, error)))
        return false;

    watch.domains = g_ptr_array_new_with_free_func((GDestroyNotify)hvmemWatchedFree);
    ok = openDomains(&watch, args, error) && openRecord(&watch, error) && loop(&watch, error);

    if (watch.file)
        fclose(watch.file);
    g_ptr_array_unref(watch.domains);
    for (i = 0; i < watch.hosts->len; i++)
        virConnectUnregisterCloseCallback(((hvmemPlace *)watch.hosts->pdata[i])->conn, onClose);
    g_ptr_array_unref(watch.hosts);
    return ok;
}


const hvmemCommand hvmemCmdWatch = {
    .name = "watch",
    .arguments = "DOMAIN… [--record FILE.csv [--append|--force]] [--interval S] [--duration S] [--also URI]",
    .summary = "Show a live chart of memory, or plain lines if there is no terminal",
    .description = "q or Ctrl-C ends it. Nothing is changed.",
    .options = options,
    .minArgs = 1,
    .maxArgs = -1,
    .run = run,
};
