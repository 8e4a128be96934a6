/*
 * hvmem-doctor.h: what a domain needs, judged
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-domain.h"

typedef enum {
    HVMEM_PASS,
    HVMEM_WARN,
    HVMEM_FAIL,
} hvmemVerdict;

typedef struct _hvmemCheck hvmemCheck;
struct _hvmemCheck {
    hvmemVerdict verdict;
    const char *subject;        /* a word or two */
    char *finding;
    char *remedy;               /* NULL if it passes */
};

void
hvmemCheckFree(hvmemCheck *check);

/* What is known of the host and its software. */
typedef struct _hvmemHost hvmemHost;
struct _hvmemHost {
    unsigned long libvirtVersion; /* as libvirt counts; 0: not known */
    unsigned long qemuVersion;
    guint64 memory;
    guint64 ceilings;           /* of all domains that run, with this one's */
    bool kvm;                   /* is it offered? */
    bool tried;                 /* could the following be found out? */
    char *refusal;              /* what libvirt says of a domain with a hyperv balloon; NULL: it takes it */
};

/* Arrays of hvmemCheck, in the order in which one would look. */
GPtrArray *
hvmemDoctorHost(const hvmemHost *host);

GPtrArray *
hvmemDoctorDomain(const hvmemDomain *dom);
