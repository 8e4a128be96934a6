/*
 * hvmem-missing.c: networks, interfaces and files that a definition needs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-conn.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>


bool
hvmemConnIsLocal(virConnectPtr conn)
{
    char *text = virConnectGetURI(conn);
    g_autoptr(GUri) uri = text ? g_uri_parse(text, G_URI_FLAGS_NONE, NULL) : NULL;
    const char *host = uri ? g_uri_get_host(uri) : NULL;

    free(text);
    return uri && (!host || !*host);
}


static void
lookForNetwork(virConnectPtr conn,
               const char *name,
               GPtrArray *missing)
{
    virNetworkPtr network = virNetworkLookupByName(conn, name);
    g_autofree char *word = hvmemShellWord(name);

    if (!network)
        g_ptr_array_add(missing, g_strdup_printf("network '%s': %s", name, virGetLastErrorMessage()));
    else if (virNetworkIsActive(network) == 0)
        g_ptr_array_add(missing, g_strdup_printf("network '%s' is not active: 'virsh net-start %s'", name, word));

    if (network)
        virNetworkFree(network);
    virResetLastError();
}


/* A file that we have no permission to see may exist. */
static bool
isThere(const char *path)
{
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}


static void
lookForFile(const char *path,
            GPtrArray *missing)
{
    if (!isThere(path))
        g_ptr_array_add(missing, g_strdup_printf("file '%s' is not available", path));
}


static void
lookForLink(const char *name,
            GPtrArray *missing)
{
    g_autofree char *path = g_build_filename("/sys/class/net", name, NULL);

    if (!isThere(path))
        g_ptr_array_add(missing, g_strdup_printf("the host has no network interface '%s'", name));
}


GPtrArray *
hvmemConnMissing(virConnectPtr conn,
                 const hvmemNeeds *needs)
{
    GPtrArray *missing = g_ptr_array_new_with_free_func(g_free);
    bool local = hvmemConnIsLocal(conn);
    size_t i;

    for (i = 0; i < needs->networks->len; i++)
        lookForNetwork(conn, needs->networks->pdata[i], missing);
    for (i = 0; local && i < needs->files->len; i++)
        lookForFile(needs->files->pdata[i], missing);
    for (i = 0; local && i < needs->links->len; i++)
        lookForLink(needs->links->pdata[i], missing);
    return missing;
}
