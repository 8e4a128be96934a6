/*
 * hvmem-edit.h: adds a hyperv balloon to a definition, or removes it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-util.h"

/* What enable changed is stored in the definition's <metadata>, in an element of
 * this namespace, so that disable can restore it. */
#define HVMEM_METADATA_URI "urn:virsh-hvmem:1"
#define HVMEM_METADATA_PREFIX "hvmem"

typedef struct _hvmemEdit hvmemEdit;
struct _hvmemEdit {
    char *xml;                  /* as libvirt would print it, as far as known */
    GPtrArray *words;           /* what it does, in plain words: sentences */
    bool guessed;               /* nobody has named the ceiling */
    GPtrArray *remarks;         /* strings for the user to read before it is defined */
    char *doubtful;             /* a part that libvirt may refuse, though the rest is fine; NULL: none */
};

void
hvmemEditFree(hvmemEdit *edit);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(hvmemEdit, hvmemEditFree);

void
hvmemEditRemark(hvmemEdit *edit,
                const char *format,
                ...) G_GNUC_PRINTF(2, 3);

typedef enum {
    HVMEM_REPORTING_KEEP,       /* as the old balloon has it; nothing is changed of a hyperv balloon */
    HVMEM_REPORTING_AUTO,       /* on, unless the domain has a hyperv balloon already: the host can do it */
    HVMEM_REPORTING_ON,
    HVMEM_REPORTING_OFF,
} hvmemReporting;

typedef struct _hvmemEditSizes hvmemEditSizes;
struct _hvmemEditSizes {
    guint64 max;                /* HVMEM_UNKNOWN: the existing ceiling, or else fallback */
    guint64 fallback;
    guint64 minimum;            /* HVMEM_UNKNOWN: unchanged */
    guint64 plugged;            /* when it starts: boot memory and sticks; HVMEM_UNKNOWN: unchanged */
    hvmemReporting reporting;   /* of free pages */
    const char *notReporting;   /* why it is left off, in a sentence; NULL: nothing to say */
};

/* Adds a hyperv balloon to the inactive @xml, or changes ceiling, minimum and what
 * is plugged if it has one. Without @doubts, leaves out what is doubtful. NULL with @error. */
hvmemEdit *
hvmemEditEnable(const char *xml,
                const hvmemEditSizes *sizes,
                bool doubts,
                GError **error);

/* Restores the previous balloon of the inactive @xml, or adds a virtio one. */
hvmemEdit *
hvmemEditDisable(const char *xml,
                 bool doubts,
                 GError **error);

/* @xml as these two functions would print it, for a comparison. */
char *
hvmemEditNormalise(const char *xml);
