/*
 * hvmem-cmd.h: subcommands
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-conn.h"

/* The global options. */
typedef struct _hvmemApp hvmemApp;
struct _hvmemApp {
    char *uri;
    gboolean readonly;
    gboolean quiet;
    bool json;
};

typedef struct _hvmemCommand hvmemCommand;
struct _hvmemCommand {
    const char *name;
    const char *arguments;      /* as --help shows them */
    const char *summary;        /* one line */
    const char *description;    /* more lines, or NULL */
    const char *example;        /* a command line */
    const GOptionEntry *options;
    int minArgs;
    int maxArgs;                /* -1: any number */
    /* @args: what is not an option, NULL-terminated. False with @error set,
     * or without it, if all has been said, for exit status 1. */
    bool (*run)(const hvmemApp *app, char **args, GError **error);
};

extern const hvmemCommand hvmemCmdAuto;
extern const hvmemCommand hvmemCmdBalance;
extern const hvmemCommand hvmemCmdDisable;
extern const hvmemCommand hvmemCmdDoctor;
extern const hvmemCommand hvmemCmdEnable;
extern const hvmemCommand hvmemCmdList;
extern const hvmemCommand hvmemCmdMetrics;
extern const hvmemCommand hvmemCmdPlan;
extern const hvmemCommand hvmemCmdPlot;
extern const hvmemCommand hvmemCmdSet;
extern const hvmemCommand hvmemCmdStatus;
extern const hvmemCommand hvmemCmdWait;
extern const hvmemCommand hvmemCmdWatch;

/* Warns if a SIZE on the command line, @text, looks like a mistake; the command goes on. */
void
hvmemAppDoubtSize(const hvmemApp *app,
                  const char *text,
                  guint64 bytes);

/* --also, for commands that follow a guest to another host. */
extern char **hvmemAlso;

#define HVMEM_OPTION_ALSO \
    { "also", 0, 0, G_OPTION_ARG_STRING_ARRAY, &hvmemAlso, "Another host, where the guest may be or go to by migration; can be repeated", "URI" }

/* Connects and looks the domain up. */
virDomainPtr
hvmemAppDomain(const hvmemApp *app,
               const char *name,
               virConnectPtr *conn,
               GError **error);
