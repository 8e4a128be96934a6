/*
 * hvmem-edit.h: a definition gets a hyperv balloon, and back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-util.h"

/* What was there before is kept in the definition's <metadata>, in an element
 * of this namespace, so that disabling leaves things as they were. */
#define HVMEM_METADATA_URI "urn:virsh-hvmem:1"
#define HVMEM_METADATA_PREFIX "hvmem"

typedef struct _hvmemEdit hvmemEdit;
struct _hvmemEdit {
    char *xml;                  /* as libvirt prints it, as far as that can be told */
    GPtrArray *remarks;         /* strings: what somebody should know before it is defined */
    char *doubtful;             /* what is in it that libvirt may refuse although the rest is well; NULL: nothing */
};

void
hvmemEditFree(hvmemEdit *edit);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(hvmemEdit, hvmemEditFree);

void
hvmemEditRemark(hvmemEdit *edit,
                const char *format,
                ...) G_GNUC_PRINTF(2, 3);

typedef struct _hvmemEditSizes hvmemEditSizes;
struct _hvmemEditSizes {
    guint64 max;                /* HVMEM_UNKNOWN: a ceiling that there is, or else fallback */
    guint64 fallback;
    guint64 minimum;            /* HVMEM_UNKNOWN: as it is */
};

/* The inactive @xml with a hyperv balloon, or with another ceiling or minimum
 * if it has one. Without @doubts, what is doubtful is left out. NULL with @error. */
hvmemEdit *
hvmemEditEnable(const char *xml,
                const hvmemEditSizes *sizes,
                bool doubts,
                GError **error);

/* The inactive @xml with the balloon that it had before, or a virtio one. */
hvmemEdit *
hvmemEditDisable(const char *xml,
                 bool doubts,
                 GError **error);

/* @xml as the two above would print it, for comparing. */
char *
hvmemEditNormalise(const char *xml);
