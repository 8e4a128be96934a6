/*
 * hvmem-needs.h: what a definition needs from its host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-xml.h"

/* Memory in pages of one size, in bytes. */
typedef struct _hvmemPages hvmemPages;
struct _hvmemPages {
    guint64 size;               /* 1: the host's usual huge page */
    guint64 bytes;
};

typedef struct _hvmemNeeds hvmemNeeds;
struct _hvmemNeeds {
    bool hypervisorHidden;      /* CPUID does not show a hypervisor */
    bool pvspinlock;            /* one of KVM's own features, not available if KVM is hidden */
    bool checkedInFull;         /* check='full' for a <cpu> that does not name the hypervisor bit */
    char *exactCPU;             /* a <cpu> with check='full' and a named model, else NULL */
    bool invariantTSC;          /* required in <cpu>: libvirt stops a guest that does not get it */
    guint64 tscFrequency;       /* in Hz; 0: any */
    char *hypervVendor;         /* another vendor id for Hyper-V, or NULL */
    char **enlightenments;      /* those that are on, named as in <hyperv> */
    bool q35;                   /* else pc */
    guint addressBits;          /* physical address bits of the guest's CPU; 0: as many as the host's */
    guint addressLimit;         /* but at most these; 0: no limit */
    guint64 pciHole;            /* above the memory, in bytes; 0: none */
    guint64 hardLimit;          /* <memtune>: limit for QEMU; HVMEM_UNKNOWN: none */
    GArray *hugepages;          /* hvmemPages: boot memory in huge pages */
    guint64 stickPage;          /* page size of sticks; 0: usual pages, 1: the host's usual huge page */
    GPtrArray *pins;            /* lists of host CPUs that threads are pinned to */
    GPtrArray *files;           /* paths of images, folders, kernels and firmware */
    GPtrArray *networks;        /* names of libvirt's networks */
    GPtrArray *links;           /* names of the host's network interfaces */
};

/* @root: a <domain> from libvirt, with defaults filled in. */
void
hvmemNeedsRead(hvmemNeeds *needs,
               xmlNodePtr root);

void
hvmemNeedsClear(hvmemNeeds *needs);

/* Is any of its memory in huge pages? */
bool
hvmemNeedsHuge(const hvmemNeeds *needs);

/* Is @n in @list, which has the form of cpuset= and nodeset=: "0-3,^2,8"? */
bool
hvmemListHas(const char *list,
             guint n);

/* The end of the address space that the guest's processor has to reach: boot memory, the room for sticks by <maxMemory> @max, and the
 * PCI hole above. @amd: it is, or may be, one of AMD's. */
guint64
hvmemNeedsTop(const hvmemNeeds *needs,
              guint64 boot,
              guint64 max,
              bool amd);

/* The highest <maxMemory> in whole GiB that fits into @bits address bits; 0: not even @boot fits. */
guint64
hvmemNeedsCeiling(const hvmemNeeds *needs,
                  guint64 boot,
                  guint bits,
                  bool amd);
