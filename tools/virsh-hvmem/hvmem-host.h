/*
 * hvmem-host.h: properties of the host and its software
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-domain.h"

/* The enlightenments that the balloon needs. */
extern const char *const hvmemNeeded[];

/* What to do on a host whose KVM lacks one of them. */
#define HVMEM_KVM_REMEDY "For KVM: a host kernel that has them, Linux 4.13 or later with CONFIG_KVM_HYPERV."

/* libvirt's verdict on a definition. */
typedef struct _hvmemAnswer hvmemAnswer;
struct _hvmemAnswer {
    bool asked;                 /* false: this connection cannot ask */
    char *refusal;              /* NULL: accepted */
    bool forCPU;                /* refused because this host does not have the CPU */
    bool fixed;                 /* its QEMU has no sticks: the balloon has one fixed backend */
};

void
hvmemAnswerClear(hvmemAnswer *answer);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(hvmemAnswer, hvmemAnswerClear);

/* A domain may still be starting until it has used so much processor time, in seconds: libvirt does not tell when it was started. */
#define HVMEM_STARTING_SEC 60

typedef struct _hvmemHost hvmemHost;
struct _hvmemHost {
    unsigned long libvirtVersion; /* libvirt's number; 0: not known */
    unsigned long qemuVersion;
    guint64 memory;
    guint64 ceilings;           /* sum for all running domains and this one */
    bool oneMore;               /* this one is not running */
    guint cpus;                 /* 0: not known */
    unsigned char *cpuMap;      /* which of them are online */
    bool kvm;                   /* available */
    char **enlightenments;      /* those that KVM offers, named as in <hyperv>; NULL: not known */
    bool intel;                 /* its processors are Intel's; else they may be AMD's */
    guint addressBits;          /* physical; 0: not known */
    guint64 tscFrequency;       /* of its processors, if guests cannot have another; else, or if not known, 0 */
    GArray *freePages;          /* hvmemPages: free memory in huge pages of each size; NULL: not known */
    GPtrArray *missing;         /* what the definition needs and the host lacks, in sentences; NULL: not checked */
    bool savesGuests;           /* when it shuts down (libvirt-guests) */
    char *cpuLacks;             /* features of the definition's CPU that no guest here can have, separated by commas; NULL: none known */
    unsigned int snapshots;     /* of the domain */
    double ran;                 /* processor time of the running domain since its start, in seconds; 0: not known, or it was not started here */
    double busy;                /* how many processors it uses now, if it has not run for long */
    char *kernel;               /* its release; NULL: not known, as on another host */
    guint automatic;            /* domains whose memory is automatic */
    guint64 minimums;           /* of those that run, and of this one */
    bool local;                 /* is it this host? Else nothing is known of balancers */
    char *uri;                  /* of the connection; NULL: not asked */
    long balancer;              /* the process that balances it; 0: none */
    gint64 decided;             /* when it last did so, in seconds since 1970; 0: not known */
    guint64 budget;             /* that this one was given; 0: what the host has */
    guint64 reserve;            /* of this one; 0: none, or it finds that itself */
    char *otherBalancers;       /* in words; NULL: there are none */
    bool mom;                   /* MOM runs, which moves guests too */
    gint64 foreign;             /* when the balancer last noticed somebody else's request for the domain, in seconds since 1970; 0: it has not */
    hvmemAnswer balloon;        /* libvirt's verdict on a domain with a hyperv balloon */
};

void
hvmemHostClear(hvmemHost *host);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(hvmemHost, hvmemHostClear);

/* Adds what virConnectGetCapabilities() reports. Huge pages count as not free until their number is known. */
void
hvmemHostReadCaps(hvmemHost *host,
                  const char *xml);

/* Adds what virConnectGetDomainCapabilities() reports for KVM. */
void
hvmemHostReadDomainCaps(hvmemHost *host,
                        const char *xml);

/* Adds the configuration of libvirt-guests, shell variables. */
void
hvmemHostReadGuests(hvmemHost *host,
                    const char *text);

/* Can KVM of the kernel @release have guests report free pages? NULL: not known, so no. */
bool
hvmemHostReportsPages(const char *release);

/* Can KVM here give guests the enlightenment @name? */
bool
hvmemHostHas(const hvmemHost *host,
             const char *name);

/* The @names of enlightenments that the host does not offer, separated by commas; NULL: it offers all. */
char *
hvmemHostLacks(const hvmemHost *host,
               bool kvm,
               const char *const *names);

/* The features that no guest can have, separated by commas, from libvirt's errors when it compared a CPU with the one that QEMU gives to guests, and
 * with the @host's. KVM may offer what either has; @host is NULL without KVM, "" if nothing is missing. Returns NULL if none is certain. */
char *
hvmemHostCPULacks(const char *hypervisor,
                  const char *host);

/* Free bytes in huge pages of @size (1: the usual one); HVMEM_UNKNOWN: not known. */
guint64
hvmemHostFreePages(const hvmemHost *host,
                   guint64 size);
