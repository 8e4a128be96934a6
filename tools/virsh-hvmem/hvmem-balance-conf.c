/*
 * hvmem-balance-conf.c: the configuration of 'balance', its lock, and what systemd wants to know
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-balance-conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define GROUP "balance"
#define INTERVAL_LEAST 0.2
#define INTERVAL_MOST 60.0


void
hvmemBalanceConfInit(hvmemBalanceConf *conf)
{
    *conf = (hvmemBalanceConf) { .reserve = HVMEM_UNKNOWN, .interval = 1 };
}


static bool
setInterval(hvmemBalanceConf *conf,
            const char *value,
            GError **error)
{
    char *end;
    double interval = g_ascii_strtod(value, &end);

    if (end == value || *end || !(interval >= INTERVAL_LEAST && interval <= INTERVAL_MOST))
        return hvmemFail(error, "interval '%s': a number of seconds from %g to %g", value, INTERVAL_LEAST, INTERVAL_MOST);

    conf->interval = interval;
    return true;
}


static bool
setSize(guint64 *size,
        guint64 usual,
        const char *name,
        const char *value,
        GError **error)
{
    if (strcmp(value, "auto") == 0) {
        *size = usual;
        return true;
    }
    return hvmemParseSize(value, name, size, error);
}


bool
hvmemBalanceConfSet(hvmemBalanceConf *conf,
                    const char *name,
                    const char *value,
                    GError **error)
{
    if (strcmp(name, "budget") == 0)
        return setSize(&conf->budget, 0, name, value, error);
    if (strcmp(name, "reserve") == 0 && strcmp(value, "0") == 0) {
        conf->reserve = 0;
        return true;
    }
    if (strcmp(name, "reserve") == 0)
        return setSize(&conf->reserve, HVMEM_UNKNOWN, name, value, error);
    if (strcmp(name, "interval") == 0)
        return setInterval(conf, value, error);
    return hvmemFail(error, "'%s' is not known: use budget, reserve or interval", name);
}


static bool
readKeys(hvmemBalanceConf *conf,
         GKeyFile *file,
         GError **error)
{
    g_auto(GStrv) keys = g_key_file_get_keys(file, GROUP, NULL, error);
    size_t i;

    for (i = 0; keys && keys[i]; i++) {
        g_autofree char *value = g_key_file_get_string(file, GROUP, keys[i], error);

        if (!value || !hvmemBalanceConfSet(conf, keys[i], g_strstrip(value), error))
            return false;
    }
    return keys != NULL;
}


bool
hvmemBalanceConfRead(hvmemBalanceConf *conf,
                     const char *path,
                     GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    hvmemBalanceConf read = *conf;

    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, error) || !readKeys(&read, file, error)) {
        g_prefix_error(error, "%s: ", path);
        return false;
    }
    *conf = read;
    return true;
}


/*
 * The lock
 */

char *
hvmemBalanceLockPath(const char *uri)
{
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, uri, -1);
    g_autofree char *name = g_strdup_printf("virsh-hvmem-balance-%.16s.lock", sum);

    return g_build_filename(geteuid() == 0 ? "/run" : g_get_user_runtime_dir(), name, NULL);
}


static bool
failLocked(int fd,
           const char *path,
           const char *uri,
           GError **error)
{
    char owner[32] = "";
    ssize_t n = read(fd, owner, sizeof(owner) - 1);

    owner[MAX(n, 0)] = '\0';
    return hvmemFail(error, "another process balances %s already: %s (%s)", uri, *owner ? g_strstrip(owner) : "not known which", path);
}


/* The file stays: one that is removed could be locked twice. */
bool
hvmemBalanceLock(const char *uri,
                 GError **error)
{
    g_autofree char *path = hvmemBalanceLockPath(uri);
    g_autofree char *pid = g_strdup_printf("process %ld\n", (long)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    bool locked;

    if (fd < 0)
        return hvmemFail(error, "cannot open %s: %s", path, g_strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        failLocked(fd, path, uri, error);
        close(fd);
        return false;
    }

    locked = ftruncate(fd, 0) == 0 && write(fd, pid, strlen(pid)) == (ssize_t)strlen(pid);
    if (!locked) {
        hvmemFail(error, "cannot write %s: %s", path, g_strerror(errno));
        close(fd);
    }
    return locked;
}


/*
 * systemd
 */

void
hvmemBalanceNotify(const char *state)
{
    const char *path = g_getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t length = path ? strlen(path) : 0;
    int fd;

    if (length < 2 || length >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
        return;

    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    /* nobody can be told if it does not arrive, and nothing waits for it */
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + length) < 0)
        g_debug("cannot notify systemd: %s", g_strerror(errno));
    close(fd);
}
