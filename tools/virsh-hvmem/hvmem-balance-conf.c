/*
 * hvmem-balance-conf.c: the configuration of 'balance', and what systemd wants to know
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-balance-conf.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define GROUP "balance"
#define INTERVAL_LEAST 0.2


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

    if (end == value || *end || !(interval >= INTERVAL_LEAST && interval <= HVMEM_BALANCE_INTERVAL_MOST))
        return hvmemFailUsage(error, "interval '%s': a number of seconds from %g to %g", value, INTERVAL_LEAST, HVMEM_BALANCE_INTERVAL_MOST);

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
    return hvmemFailUsage(error, "'%s' is not known: use budget, reserve or interval", name);
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
    g_autoptr(GError) reason = NULL;
    hvmemBalanceConf read = *conf;

    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &reason) || !readKeys(&read, file, &reason))
        return hvmemFailUsage(error, "%s: %s", path, reason->message);

    *conf = read;
    return true;
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
