/*
 * hvmem-needs.h: what a definition takes of the host that runs it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-xml.h"

/* So many bytes of memory in pages of one size. */
typedef struct _hvmemPages hvmemPages;
struct _hvmemPages {
    guint64 size;               /* 1: the host's usual huge page */
    guint64 bytes;
};

typedef struct _hvmemNeeds hvmemNeeds;
struct _hvmemNeeds {
    bool hypervisorHidden;      /* CPUID does not tell the guest that there is a hypervisor */
    bool pvspinlock;            /* one of KVM's own features, which is gone where KVM is hidden */
    bool checkedInFull;         /* the CPU has to be exactly as it says, and does not name the hypervisor's bit */
    char *exactCPU;             /* the <cpu> of a model of its own that is checked in full; NULL: it is not */
    bool invariantTSC;          /* asked for in <cpu>: libvirt stops a guest that does not get it */
    guint64 tscFrequency;       /* in Hz; 0: any */
    char *hypervVendor;         /* by which name Hyper-V shows itself, if not by its own; else NULL */
    char **enlightenments;      /* those that are on, as <hyperv> names them */
    bool q35;                   /* else pc */
    guint addressBits;          /* physical addresses of the guest's CPU have so many; 0: as many as the host's */
    guint addressLimit;         /* but at most these; 0: no limit */
    guint64 pciHole;            /* above the memory, in bytes; 0 if it has none */
    guint64 hardLimit;          /* <memtune>: what QEMU may have of the host; HVMEM_UNKNOWN: anything */
    GArray *hugepages;          /* hvmemPages: the part of boot memory that is in them */
    guint64 stickPage;          /* what sticks are made of: 0: usual pages, 1: the host's usual huge page, else its size */
    GPtrArray *pins;            /* lists of host CPUs that some of its threads are bound to */
    GPtrArray *files;           /* paths of images, folders, kernels and firmware */
    GPtrArray *networks;        /* names of libvirt's */
    GPtrArray *links;           /* names of the host's network interfaces */
};

/* @root: a <domain> with its post-parse defaults, as libvirt tells it. */
void
hvmemNeedsRead(hvmemNeeds *needs,
               xmlNodePtr root);

void
hvmemNeedsClear(hvmemNeeds *needs);

/* Is @n in @list, which is as libvirt writes cpuset= and nodeset=: "0-3,^2,8"? */
bool
hvmemListHas(const char *list,
             guint n);

/* The top of the address space that the guest's processor has to reach: boot memory, the room for sticks that <maxMemory> @max asks
 * for, and the PCI hole above. @amd: it is, or may be, one of AMD's. */
guint64
hvmemNeedsTop(const hvmemNeeds *needs,
              guint64 boot,
              guint64 max,
              bool amd);

/* The highest <maxMemory> in whole GiB whose addresses have @bits bits; 0: not even @boot fits. */
guint64
hvmemNeedsCeiling(const hvmemNeeds *needs,
                  guint64 boot,
                  guint bits,
                  bool amd);
