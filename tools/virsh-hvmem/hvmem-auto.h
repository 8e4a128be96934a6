/*
 * hvmem-auto.h: what an administrator has set for a domain whose memory is automatic
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-xml.h"

typedef struct _hvmemDomain hvmemDomain;

/* It is stored in <metadata>, as an element of this namespace: schemas/hvmem-auto.rng. libvirt keeps one element of a namespace. */
#define HVMEM_AUTO_URI "urn:virsh-hvmem:auto:1"
#define HVMEM_AUTO_PREFIX "hvmem-auto"

#define HVMEM_AUTO_BUFFER 20
#define HVMEM_AUTO_BUFFER_LEAST 5
#define HVMEM_AUTO_BUFFER_MOST 200
#define HVMEM_AUTO_WEIGHT 100
#define HVMEM_AUTO_WEIGHT_MOST 10000

typedef struct _hvmemAuto hvmemAuto;
struct _hvmemAuto {
    bool on;                    /* is there such an element? */
    guint64 minimum;            /* bytes; 0: the default */
    guint64 maximum;            /* bytes; 0: the default */
    guint buffer;               /* percent */
    guint weight;
    gint64 hold;                /* left alone until then, seconds since 1970; 0: it is not */
    const char *unread;         /* one of these, whose text is no such number, so that the default counts; NULL: none */
};

/* From the domain's XML. What is missing, or cannot be read, has its default. */
void
hvmemAutoRead(hvmemAuto *settings,
              const char *xml);

/* The same from its root element; NULL: there is none. */
void
hvmemAutoReadNode(hvmemAuto *settings,
                  xmlNodePtr root);

/* Of a domain whose memory is not automatic, nothing else counts. */
bool
hvmemAutoIsSame(const hvmemAuto *a,
                const hvmemAuto *b);

/* The element, as virDomainSetMetadata() takes it. */
char *
hvmemAutoFormat(const hvmemAuto *settings);

/* The minimum and maximum that count for @dom: the defaults filled in, and within what the domain has now. A minimum that is below what is assigned
 * devices' for good would take memory from the guest that nobody gets. */
guint64
hvmemAutoMinimum(const hvmemAuto *settings,
                 const hvmemDomain *dom);

guint64
hvmemAutoMaximum(const hvmemAuto *settings,
                 const hvmemDomain *dom);

/* The balancer leaves it alone now. */
bool
hvmemAutoIsHeld(const hvmemAuto *settings);

/* Is it one that the balancer chooses the memory of, while it runs? */
bool
hvmemAutoIsOn(const hvmemDomain *dom);

/* Why the balancer leaves @dom alone whatever is set, after a colon: others could not have what it gives back. NULL: it does not. */
const char *
hvmemAutoFixed(const hvmemDomain *dom);

/* What the guest uses, as far as one report of it tells, in bytes. HVMEM_UNKNOWN: it has not told, or does not run. */
guint64
hvmemAutoDemand(const hvmemDomain *dom);

/* Is @value of @option from @least to @most? The error names all of them. */
bool
hvmemAutoCheckNumber(const char *option,
                     gint64 value,
                     guint least,
                     guint most,
                     GError **error);

/* Can @dom have them? The error names the value and the bound. */
bool
hvmemAutoCheck(const hvmemAuto *settings,
               const hvmemDomain *dom,
               GError **error);

/* "90s", "30min", "2h", "1d"; without a unit: seconds. */
bool
hvmemAutoParseDuration(const char *text,
                       gint64 *seconds,
                       GError **error);

/* Is somebody else's request of @when still worth a word at @now, in seconds since 1970? Not after an hour, nor if the clock was set back. */
bool
hvmemAutoIsLately(gint64 when,
                  gint64 now);
