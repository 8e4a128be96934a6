/*
 * hvmem-doctor.h: checks of the host and of a domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-check.h"
#include "hvmem-host.h"

/* Arrays of hvmemCheck, in the order in which to read them. */
GPtrArray *
hvmemDoctorHost(const hvmemHost *host);

/* @dom: from hvmemInspectBoth(). @definition: libvirt's verdict on its stored definition. */
GPtrArray *
hvmemDoctorDomain(const hvmemDomain *dom,
                  const hvmemHost *host,
                  const hvmemAnswer *definition);

/* For @dom, which has no hyperv balloon: what would be found of @would, its definition after 'enable'. NULL with @refusal: 'enable' refuses it. */
GPtrArray *
hvmemDoctorBefore(const hvmemDomain *dom,
                  const hvmemDomain *would,
                  const GError *refusal,
                  const hvmemHost *host,
                  const hvmemAnswer *definition);

/* The part of it that is about migration: could it be migrated while it runs, and why not? */
void
hvmemDoctorMove(GPtrArray *checks,
                const hvmemDomain *dom,
                const hvmemHost *host);

/* Who balances the guests of a host of which some are automatic, and can he? */
void
hvmemDoctorBalancer(GPtrArray *checks,
                    const hvmemHost *host);

/* The part that is about automatic memory; nothing, if that of @dom is not. */
void
hvmemDoctorAuto(GPtrArray *checks,
                const hvmemDomain *dom,
                const hvmemHost *host);

/* The part of it that is about the next start: would it work on @host? */
void
hvmemDoctorStart(GPtrArray *checks,
                 const hvmemDomain *dom,
                 const hvmemHost *host,
                 const hvmemAnswer *definition);
