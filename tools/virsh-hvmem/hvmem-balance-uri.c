/*
 * hvmem-balance-uri.c: which daemon does the URI of a connection lead to?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-balance-uri.h"

#include <string.h>


/* Of @query, as libvirt reads it: whatever the case of the name; the last one counts. NULL: there is none. */
static char *
paramOf(const char *query,
        const char *name)
{
    g_auto(GStrv) params = g_strsplit_set(query ? query : "", "&;", -1);
    size_t length = strlen(name);
    const char *value = NULL;
    size_t i;

    for (i = 0; params[i]; i++) {
        if (g_ascii_strncasecmp(params[i], name, length) == 0 && params[i][length] == '=')
            value = params[i] + length + 1;
    }
    return value ? g_uri_unescape_string(value, NULL) : NULL;
}


static void
appendParam(GString *out,
            const char *query,
            const char *name)
{
    g_autofree char *value = paramOf(query, name);

    if (!value || !*value)
        return;
    g_string_append_printf(out, "%c%s=", strchr(out->str, '?') ? '&' : '?', name);
    g_string_append_uri_escaped(out, value, "/", false);
}


/* Those that say which daemon it is, or what of it; not how it is reached and who asks. */
static void
appendParams(GString *out,
             const char *query,
             bool byCommand)
{
    if (byCommand)
        appendParam(out, query, "command");
    appendParam(out, query, "name");
    appendParam(out, query, "root");
    appendParam(out, query, "socket");
}


static void
appendHost(GString *out,
           GUri *uri)
{
    const char *host = g_uri_get_host(uri);

    if (g_uri_get_userinfo(uri))
        g_string_append_printf(out, "%s@", g_uri_get_userinfo(uri));
    if (strchr(host, ':'))
        g_string_append_printf(out, "[%s]", host);
    else
        g_string_append(out, host);
    if (g_uri_get_port(uri) > 0)
        g_string_append_printf(out, ":%d", g_uri_get_port(uri));
}


/* By a command of the user's it may be any. */
static bool
isByCommand(GUri *uri)
{
    return g_str_has_suffix(g_uri_get_scheme(uri), "+ext");
}


/* Without a host all other ways lead to this one. */
static void
appendScheme(GString *out,
             GUri *uri)
{
    const char *scheme = g_uri_get_scheme(uri);
    const char *host = g_uri_get_host(uri);
    const char *way = strchr(scheme, '+');
    bool remote = host && *host;

    if (way && !remote && !isByCommand(uri))
        g_string_append_len(out, scheme, way - scheme);
    else
        g_string_append(out, scheme);
    g_string_append(out, "://");
    if (remote)
        appendHost(out, uri);
}


static void
appendPath(GString *out,
           const char *path)
{
    size_t length = strlen(path);

    while (length > 1 && path[length - 1] == '/')
        length--;
    g_string_append_len(out, path, length);
}


static GUri *
parseURI(const char *uri)
{
    return g_uri_parse(uri, G_URI_FLAGS_ENCODED, NULL);
}


char *
hvmemBalanceURI(const char *uri)
{
    g_autoptr(GUri) parsed = parseURI(uri);
    GString *out;

    if (!parsed)
        return g_strdup(uri);

    out = g_string_new(NULL);
    appendScheme(out, parsed);
    appendPath(out, g_uri_get_path(parsed));
    appendParams(out, g_uri_get_query(parsed), isByCommand(parsed));
    return g_string_free(out, FALSE);
}


bool
hvmemBalanceURIIsSession(const char *uri)
{
    g_autoptr(GUri) parsed = parseURI(uri);

    return parsed && strcmp(g_uri_get_path(parsed), "/session") == 0;
}
