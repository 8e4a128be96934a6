/*
 * hvmem-domain.h: what libvirt says about the memory of a domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <libvirt/libvirt.h>

#include "hvmem-auto.h"
#include "hvmem-needs.h"
#include "hvmem-util.h"
#include "qemu_hvballoon_plan.h"

/* All sizes are bytes, HVMEM_UNKNOWN if not told. */

typedef struct _hvmemStick hvmemStick;
struct _hvmemStick {
    char *alias;                /* may be NULL */
    guint64 addr;               /* guest address */
    guint64 size;
    char *state;                /* idle, inuse, unused; NULL: not told */
    guint64 added;              /* given to the guest */
    guint64 released;           /* of that, given back */
    bool byDriver;              /* libvirt's own, else somebody's */
};

/* Is it being migrated: away from this host, or to it? */
typedef enum {
    HVMEM_MOVE_NONE,
    HVMEM_MOVE_OUT,
    HVMEM_MOVE_IN,
    HVMEM_MOVE_BROKEN,          /* postcopy has failed: both sides have a part of it, and it stands still */
} hvmemMove;

/* Why a domain cannot be migrated while it runs, and what to do about it. */
typedef struct _hvmemObstacle hvmemObstacle;
struct _hvmemObstacle {
    char *what;
    const char *remedy;
};

struct _hvmemDomain {
    /* from the domain itself */
    char *name;
    char uuid[VIR_UUID_STRING_BUFLEN];
    bool active;

    /* from its XML */
    unsigned int id;            /* another with each start; 0: not known, or it does not run */
    char *model;                /* of the balloon; "none" if there is none */
    bool hyperv;                /* is that model hyperv? */
    bool freePageReporting;
    char *arch;
    char *machine;
    char *virtType;             /* kvm, qemu, … */
    char *emulator;             /* may be NULL */
    guint64 maxMemory;          /* HVMEM_UNKNOWN: no ceiling */
    guint64 minimum;            /* 0: none */
    bool locked;
    bool hibernation;           /* the guest is offered ACPI S4 */
    bool hypervPassthrough;
    bool vpindex;
    bool synic;
    bool kvmVisible;            /* the guest finds KVM's interface beside Hyper-V's */
    bool acpi;
    unsigned int hostdevs;      /* passed through, with VFIO */
    unsigned int otherMemory;   /* memory devices that are no sticks */
    GPtrArray *obstacles;       /* hvmemObstacle */
    hvmemNeeds needs;
    hvmemAuto automatic;        /* what is set for the balancer */

    /* what comes with the next start, where hvmemInspectBoth() looked */
    bool transient;             /* nothing does: it has no definition, and is gone when it is shut off */
    hvmemDomain *stored;        /* the definition of a running domain; NULL: not known */
    char *savedModel;           /* the balloon of a saved state that comes back instead of the definition; NULL: none is there */

    /* from both, statistics first */
    guint64 total;              /* boot memory and sticks */
    guint64 current;            /* what the guest has */
    guint64 requested;          /* what it shall have */
    guint64 boot;
    GPtrArray *sticks;          /* hvmemStick */

    /* from statistics only */
    guint64 capacity;
    guint64 released;
    guint64 ghosts;
    guint64 alignment;          /* of what the guest can be given; 0: not known */
    qemuHvBalloonPlanInput plan; /* what libvirt plans setmem with, in KiB and without its sticks */
    bool planned;               /* is that told? */
    guint64 freeSlots;          /* sticks that can still be plugged; a number,
                                   HVMEM_UNKNOWN: no limit is told */
    guint64 usable;             /* what the guest could give to its programs */
    guint64 available;          /* the same in the guest's last report, of its own word */
    guint64 committed;          /* promised to the guest's programs, in that report */
    guint64 rss;                /* host memory of the QEMU process */
    bool told;                  /* are connected and state known? */
    bool connected;
    char *state;                /* as query-hv-balloon has it */
    char *lastError;            /* may be NULL */
    bool paused;                /* runs no instruction: nothing can be asked of it */
    bool asleep;                /* nor does it: it has crashed and was preserved, or sleeps by its own will */
    bool pausedByUser;          /* and goes on only when somebody says so */
    char *stray;                /* alias of a stick that only one of QEMU and the XML has; NULL: none, or not told */
    bool strayInQEMU;           /* QEMU has it */
    bool movedAway;             /* shut off since it has been migrated to another host */

    hvmemMove move;             /* where hvmemMoveInspect() looked */
    double moved;               /* percent of its memory that has been sent; below 0: not known */
    char *host;                 /* found on this other host; NULL: on the one that was asked */
};

void
hvmemDomainFree(hvmemDomain *dom);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(hvmemDomain, hvmemDomainFree);

/* @xml as virDomainGetXMLDesc gives it; @name counts if it has none. */
hvmemDomain *
hvmemDomainNew(const char *name,
               bool active,
               const char *xml,
               GError **error);

/* Adds a domain's statistics (STATE and BALLOON). */
void
hvmemDomainAddStats(hvmemDomain *dom,
                    const virTypedParameter *params,
                    int nparams);

/* The definition and what runs, or comes back, differ: what that means and what
 * to do, in sentences. NULL: they do not, or that is not known. */
char *
hvmemDomainPending(const hvmemDomain *dom);

/* What to type to have the definition of a domain changed by @command of this tool, followed by @options, which may be NULL. A
 * @transient one has to be given a definition first. */
char *
hvmemDomainCommand(const char *name,
                   bool transient,
                   const char *command,
                   const char *options);

/* The same for 'enable' with @option, which takes a size: @bytes. */
char *
hvmemDomainEnable(const hvmemDomain *dom,
                  const char *option,
                  guint64 bytes);

/* A transient domain cannot be changed by @command: what can be done. Always false. */
bool
hvmemDomainFailTransient(const char *name,
                         const char *command,
                         GError **error);

/* What @dom starts with next: it itself, or the definition beside it. */
const hvmemDomain *
hvmemDomainStored(const hvmemDomain *dom);

/* Has, or will have, a hyperv balloon. */
bool
hvmemDomainIsMeant(const hvmemDomain *dom);

/* What a chart, a list or a document shows of @dom when there is no domain to look at any more. */
hvmemDomain *
hvmemDomainRemember(const hvmemDomain *dom);

/* If another job has kept libvirt from telling all about the running @dom: takes the rest from @last, which may be NULL. */
void
hvmemDomainKeep(hvmemDomain *dom,
                const hvmemDomain *last);

/* Where is the guest on its way: has it what was requested? */
bool
hvmemDomainIsThere(const hvmemDomain *dom);

/* What is shown of it, in bytes: nothing that only a running guest has where it does not run. */
guint64
hvmemDomainCurrent(const hvmemDomain *dom);

guint64
hvmemDomainUsable(const hvmemDomain *dom);

guint64
hvmemDomainResident(const hvmemDomain *dom);

guint64
hvmemDomainBoot(const hvmemDomain *dom);

/* How far it may grow. */
guint64
hvmemDomainCeiling(const hvmemDomain *dom);
