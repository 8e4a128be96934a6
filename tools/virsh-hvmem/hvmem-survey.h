/*
 * hvmem-survey.h: asks libvirt what 'doctor' wants to know of a host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-conn.h"
#include "hvmem-host.h"

/* @dom: what is started next there, or NULL. */
bool
hvmemSurveyHost(virConnectPtr conn,
                const hvmemDomain *dom,
                hvmemHost *host,
                GError **error);

/* The release of the host's kernel; NULL if we are not on it. */
char *
hvmemSurveyKernel(virConnectPtr conn);

/* Adds what is not in a definition of @dom. @starting: it may be, so find out whether it is busy, which takes a second. */
void
hvmemSurveyDomain(virDomainPtr dom,
                  bool starting,
                  hvmemHost *host);

/* libvirt's verdict on the definition @xml. */
void
hvmemSurveyAsk(virConnectPtr conn,
               const char *xml,
               hvmemAnswer *answer);

/* The same on the definition that @dom is started with next. */
void
hvmemSurveyDefinition(virConnectPtr conn,
                      virDomainPtr dom,
                      hvmemAnswer *answer);
