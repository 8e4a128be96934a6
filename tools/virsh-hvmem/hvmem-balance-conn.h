/*
 * hvmem-balance-conn.h: what libvirt knows of all domains, for the balancer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-balancer.h"

/* Definitions and settings. */
bool
hvmemBalancerReadDomains(hvmemBalancer *balancer,
                         virConnectPtr conn,
                         GError **error);

/* Sizes and states. @known becomes false if there is a domain that is not known yet, or has been started again, or one is not active any more. */
bool
hvmemBalancerReadStats(hvmemBalancer *balancer,
                       virConnectPtr conn,
                       bool *known,
                       GError **error);
