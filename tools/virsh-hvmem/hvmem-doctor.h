/*
 * hvmem-doctor.h: what a domain needs, judged
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-check.h"
#include "hvmem-host.h"

/* Arrays of hvmemCheck, in the order in which one would look. */
GPtrArray *
hvmemDoctorHost(const hvmemHost *host);

/* @dom as hvmemInspectBoth() has it. @definition: what libvirt says of its stored definition. */
GPtrArray *
hvmemDoctorDomain(const hvmemDomain *dom,
                  const hvmemHost *host,
                  const hvmemAnswer *definition);

/* The part of it that is about the next start: would it work on @host? */
void
hvmemDoctorStart(GPtrArray *checks,
                 const hvmemDomain *dom,
                 const hvmemHost *host,
                 const hvmemAnswer *definition);
