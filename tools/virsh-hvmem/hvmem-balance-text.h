/*
 * hvmem-balance-text.h: the balancer's decisions in words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <json-glib/json-glib.h>

#include "hvmem-balancer.h"

/* Short names, for JSON. */
const char *
hvmemBalanceMoveName(hvmemBalanceMove move);

const char *
hvmemBalanceBoundName(hvmemBalanceBound bound);

const char *
hvmemBalanceStateName(hvmemBalanceState state);

/* Why the guest gets this target. */
char *
hvmemBalanceReason(const hvmemBalanced *guest);

/* Why not all of the reserve that was given is kept. NULL: it is. */
char *
hvmemBalanceReserveText(const hvmemBalancer *balancer);

/* A table of all guests, and below it a line about the host. */
char *
hvmemBalanceTable(const hvmemBalancer *balancer,
                  bool header,
                  int width);

/* What is decided for a guest, as an object. */
void
hvmemBalanceJSONGuest(JsonBuilder *builder,
                      const hvmemBalanced *guest);

/* The decision as a JSON object: all guests with @all, else those that get another target. */
JsonNode *
hvmemBalanceJSON(const hvmemBalancer *balancer,
                 bool all);
