/*
 * hvmem-host.h: what is known of the host and its software
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-domain.h"

/* The enlightenments without which there is no way from the guest to the balloon. */
extern const char *const hvmemNeeded[];

/* What to do on a host whose KVM lacks one of them. */
#define HVMEM_KVM_REMEDY "For KVM: a host kernel that has them, Linux 4.13 or later with CONFIG_KVM_HYPERV."

/* What libvirt says of a definition that it was asked about. */
typedef struct _hvmemAnswer hvmemAnswer;
struct _hvmemAnswer {
    bool asked;                 /* could it be? */
    char *refusal;              /* NULL: it takes the definition */
    bool forCPU;                /* it does not, because the processor cannot be had here */
};

void
hvmemAnswerClear(hvmemAnswer *answer);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(hvmemAnswer, hvmemAnswerClear);

typedef struct _hvmemHost hvmemHost;
struct _hvmemHost {
    unsigned long libvirtVersion; /* as libvirt counts; 0: not known */
    unsigned long qemuVersion;
    guint64 memory;
    guint64 ceilings;           /* of all domains that run, with this one's */
    bool oneMore;               /* this one does not run yet */
    guint cpus;                 /* 0: not known */
    unsigned char *cpuMap;      /* which of them are online */
    bool kvm;                   /* is it offered? */
    char **enlightenments;      /* those that guests can have of KVM, as <hyperv> names them; NULL: not known */
    bool intel;                 /* are its processors Intel's? Else they may be AMD's */
    guint addressBits;          /* of a physical address; 0: not known */
    guint64 tscFrequency;       /* of its processors, if guests can have no other; 0: they can, or it is not known */
    GArray *freePages;          /* hvmemPages: how much is free in huge pages of each size that there is; NULL: not known */
    GPtrArray *missing;         /* what the definition names and is not there, in sentences; NULL: not looked for */
    bool savesGuests;           /* when it shuts down (libvirt-guests) */
    char *cpuLacks;             /* features that the definition's CPU has and no guest here can have, with commas between them; NULL: none is known */
    hvmemAnswer balloon;        /* what libvirt says of a domain with a hyperv balloon */
};

void
hvmemHostClear(hvmemHost *host);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(hvmemHost, hvmemHostClear);

/* Adds what virConnectGetCapabilities says. All that it lists of huge pages counts as not free until somebody says otherwise. */
void
hvmemHostReadCaps(hvmemHost *host,
                  const char *xml);

/* Adds what virConnectGetDomainCapabilities says of guests with KVM. */
void
hvmemHostReadDomainCaps(hvmemHost *host,
                        const char *xml);

/* Adds what the configuration of libvirt-guests says, shell's variables. */
void
hvmemHostReadGuests(hvmemHost *host,
                    const char *text);

/* Can KVM here give guests the enlightenment @name? */
bool
hvmemHostHas(const hvmemHost *host,
             const char *name);

/* The @names of enlightenments that the host cannot give to a guest, with commas between them; NULL: it can give all. */
char *
hvmemHostLacks(const hvmemHost *host,
               bool kvm,
               const char *const *names);

/* The features that no guest can have, with commas between them, from libvirt's errors when it compared a CPU with the one that QEMU gives to
 * guests, and with the host's. @host counts where KVM is used, which may give what either has: NULL without KVM, "" if all are there. NULL: there is
 * none of which that is certain. */
char *
hvmemHostCPULacks(const char *hypervisor,
                  const char *host);

/* Bytes free in huge pages of @size (1: the usual one); HVMEM_UNKNOWN: not known. */
guint64
hvmemHostFreePages(const hvmemHost *host,
                   guint64 size);
