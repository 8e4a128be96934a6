/*
 * hvmem-cmd.c: what several subcommands do first
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-cmd.h"
#include "hvmem-output.h"

#include <stdio.h>

char **hvmemAlso;


void
hvmemAppDoubtSize(const hvmemApp *app,
                  const char *text,
                  guint64 bytes)
{
    g_autofree char *doubt = hvmemSizeDoubt(text, bytes);

    if (doubt && !app->quiet)
        hvmemTell(stderr, "warning: %s\n", doubt);
}


virDomainPtr
hvmemAppDomain(const hvmemApp *app,
               const char *name,
               virConnectPtr *conn,
               GError **error)
{
    if (!(*conn = hvmemConnect(app->uri, app->readonly, error)))
        return NULL;

    return hvmemLookup(*conn, name, error);
}
