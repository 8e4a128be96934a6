/*
 * qemuhvballoonstopmock.c: kills the daemon before or after a QMP command, or in
 *                          a phase of a migration, or drops an event
 *
 * For LD_PRELOAD of a daemon that runs from the build folder; never installed.
 *
 * The file named by HVB_STOP contains a number and the name of a domain: at the
 * domain's stop point of that number, counted from when the file was written,
 * the process is killed by SIGKILL. Each QMP command has two stop points, before
 * it is sent and when its reply has arrived; each phase of a migration has one, when
 * the status file has it. A third word, as "before:cont" or "phase:finish3", has
 * these alone counted. The file is then removed. While it exists, HVB_STOP.log gets
 * a line for each stop point.
 *
 * BALLOON_CHANGE of the domain named by HVB_DROP_EVENTS is dropped, as a QEMU without
 * sticks does not send it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "internal.h"
#include "domain_conf.h"
#include "qemu/qemu_monitor.h"
#define LIBVIRT_QEMU_MONITOR_PRIV_H_ALLOW
#include "qemu/qemu_monitor_priv.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;


/* QEMU, a child of the daemon, must not load this library. */
static void __attribute__((constructor))
forgetPreload(void)
{
    unsetenv("LD_PRELOAD");
}


/* What the file says. */
typedef struct {
    int number;             /* 0: there is none, or it is another domain's */
    char only[64];          /* these stop points alone; empty: all */
} stopRequest;


static stopRequest
readRequest(const char *path, const char *domain)
{
    stopRequest request = { 0 };
    char text[256] = "";
    char name[128] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return request;
    if (read(fd, text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    close(fd);

    if (sscanf(text, "%d %127s %63s", &request.number, name, request.only) < 2 ||
        STRNEQ(name, domain))
        request.number = 0;
    return request;
}


static void
writeFile(const char *path, int flags, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);

    if (fd < 0)
        return;
    if (write(fd, text, strlen(text)) < 0)
        abort();
    close(fd);
}


/* {"execute":"object-add",...} -> object-add */
static char *
commandName(const char *command)
{
    const char *name = strstr(command, "\"execute\":\"");

    name = name ? name + strlen("\"execute\":\"") : "?\"";
    return strndup(name, strcspn(name, "\""));
}


static void
logPoint(const char *path, int number, const char *when, const char *what)
{
    char *log = NULL;
    char *line = NULL;

    if (asprintf(&log, "%s.log", path) < 0 ||
        asprintf(&line, "%d %s %s\n", number, when, what) < 0)
        abort();

    writeFile(log, O_APPEND, line);
    free(log);
    free(line);
}


/* Is it one of those that are counted? */
static bool
isCounted(const stopRequest *request, const char *when, const char *what)
{
    const char *only = STRSKIP(request->only, when);

    return request->only[0] == '\0' ||
        (only && only[0] == ':' && STREQ(only + 1, what));
}


static void
stopPointLocked(const char *path, const char *domain, const char *when, const char *what)
{
    stopRequest request = readRequest(path, domain);
    char text[256];

    if (request.number <= 0)
        return;

    logPoint(path, request.number, when, what);
    if (!isCounted(&request, when, what))
        return;

    if (request.number == 1) {
        unlink(path);
        kill(getpid(), SIGKILL);
    }
    snprintf(text, sizeof(text), "%d %s %s", request.number - 1, domain, request.only);
    writeFile(path, O_TRUNC, text);
}


static void
stopPoint(const virDomainDef *def, const char *when, const char *what)
{
    const char *path = getenv("HVB_STOP");

    /* a QEMU that is probed for its capabilities has no domain */
    if (!path || !def)
        return;

    pthread_mutex_lock(&lock);
    stopPointLocked(path, def->name, when, what);
    pthread_mutex_unlock(&lock);
}


int
qemuMonitorSend(qemuMonitor *mon,
                qemuMonitorMessage *msg)
{
    static int (*real)(qemuMonitor *mon, qemuMonitorMessage *msg);
    char *command = strndup(msg->txBuffer, msg->txLength);
    char *name = commandName(command);
    int ret;

    if (!real)
        real = dlsym(RTLD_NEXT, "qemuMonitorSend");

    stopPoint(mon->vm->def, "before", name);
    ret = real(mon, msg);
    stopPoint(mon->vm->def, "after", name);

    free(name);
    free(command);
    return ret;
}


/* A phase is written down as it begins; nothing else is known to begin one. */
int
virDomainObjSave(virDomainObj *vm,
                 virDomainXMLOption *xmlopt,
                 const char *statusDir)
{
    static int (*real)(virDomainObj *vm, virDomainXMLOption *xmlopt, const char *statusDir);
    static const char *(*name)(virDomainAsyncJob job, int phase);
    int ret;

    if (!real)
        real = dlsym(RTLD_NEXT, "virDomainObjSave");
    if (!name)
        name = dlsym(RTLD_DEFAULT, "qemuDomainAsyncJobPhaseToString");

    ret = real(vm, xmlopt, statusDir);
    if (name && (vm->job->asyncJob == VIR_ASYNC_JOB_MIGRATION_OUT ||
                 vm->job->asyncJob == VIR_ASYNC_JOB_MIGRATION_IN))
        stopPoint(vm->def, "phase", name(vm->job->asyncJob, vm->job->phase));
    return ret;
}


void
qemuMonitorEmitBalloonChange(qemuMonitor *mon,
                             unsigned long long actual)
{
    static void (*real)(qemuMonitor *mon, unsigned long long actual);
    const char *domain = getenv("HVB_DROP_EVENTS");

    if (!real)
        real = dlsym(RTLD_NEXT, "qemuMonitorEmitBalloonChange");

    if (!domain || STRNEQ(mon->vm->def->name, domain))
        real(mon, actual);
}
