/*
 * qemuhvballoonstopmock.c: kills the daemon before or after a QMP command, or
 *                          drops an event
 *
 * For LD_PRELOAD of a daemon that runs from the build folder; never installed.
 *
 * The file named by HVB_STOP contains a number and the name of a domain: at the
 * domain's stop point of that number, counted from when the file was written,
 * the process is killed by SIGKILL. Each QMP command has two stop points, before
 * it is sent and when its reply has arrived. The file is then removed. While it
 * exists, HVB_STOP.log gets a line for each stop point.
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


/* The number in the file, 0 if there is none or it is another domain's. */
static int
readNumber(const char *path, const char *domain)
{
    char text[128] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *name;

    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    close(fd);

    name = strchr(text, ' ');
    return name && STREQ(name + 1, domain) ? atoi(text) : 0;
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


/* Logs the command's name: {"execute":"object-add",...} -> object-add */
static void
logPoint(const char *path, int number, const char *when, const char *command)
{
    char *log = NULL;
    char *line = NULL;
    const char *name = strstr(command, "\"execute\":\"");
    int length;

    name = name ? name + strlen("\"execute\":\"") : "?\"";
    length = strcspn(name, "\"");

    if (asprintf(&log, "%s.log", path) < 0 ||
        asprintf(&line, "%d %s %.*s\n", number, when, length, name) < 0)
        abort();

    writeFile(log, O_APPEND, line);
    free(log);
    free(line);
}


static void
stopPoint(const qemuMonitor *mon, const char *when, const char *command)
{
    const char *path = getenv("HVB_STOP");
    char text[128];
    int number;

    /* a QEMU that is probed for its capabilities has no domain */
    if (!path || !mon->vm->def)
        return;

    pthread_mutex_lock(&lock);

    if ((number = readNumber(path, mon->vm->def->name)) > 0) {
        logPoint(path, number, when, command);
        if (number == 1) {
            unlink(path);
            kill(getpid(), SIGKILL);
        }
        snprintf(text, sizeof(text), "%d %s", number - 1, mon->vm->def->name);
        writeFile(path, O_TRUNC, text);
    }

    pthread_mutex_unlock(&lock);
}


int
qemuMonitorSend(qemuMonitor *mon,
                qemuMonitorMessage *msg)
{
    static int (*real)(qemuMonitor *mon, qemuMonitorMessage *msg);
    char *command = strndup(msg->txBuffer, msg->txLength);
    int ret;

    if (!real)
        real = dlsym(RTLD_NEXT, "qemuMonitorSend");

    stopPoint(mon, "before", command);
    ret = real(mon, msg);
    stopPoint(mon, "after", command);

    free(command);
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
