/*
 * hvmem-balance-conf.h: the configuration of 'balance', and what systemd wants to know
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-util.h"

/* Seconds between two decisions. */
#define HVMEM_BALANCE_INTERVAL_MOST 60.0

typedef struct _hvmemBalanceConf hvmemBalanceConf;
struct _hvmemBalanceConf {
    guint64 budget;             /* bytes; 0: what the host has */
    guint64 reserve;            /* bytes; HVMEM_UNKNOWN: for the domains that may start or be rebooted */
    double interval;            /* seconds */
};

void
hvmemBalanceConfInit(hvmemBalanceConf *conf);

/* Each sets one value, from text; the error, of HVMEM_EXIT_USAGE, names it. A budget or reserve "auto" is the default. */
bool
hvmemBalanceConfSet(hvmemBalanceConf *conf,
                    const char *name,
                    const char *value,
                    GError **error);

/* Reads a file with a group [balance]. What it does not name stays; a name that is not known is an error. @conf changes only if all is well. */
bool
hvmemBalanceConfRead(hvmemBalanceConf *conf,
                     const char *path,
                     GError **error);

/* Tells systemd, if that has started this program: "READY=1", "WATCHDOG=1". */
void
hvmemBalanceNotify(const char *state);
