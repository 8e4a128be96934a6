/*
 * hvmem-size.h: sizes as people type them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

/* No system lives with less. */
#define HVMEM_SIZE_LEAST (64 * HVMEM_MIB)

#include "hvmem-domain.h"

typedef enum {
    HVMEM_SIZE_BYTES,
    HVMEM_SIZE_MORE,            /* than what is requested now */
    HVMEM_SIZE_LESS,
    HVMEM_SIZE_PERCENT,         /* of the ceiling */
    HVMEM_SIZE_MAX,             /* the ceiling */
    HVMEM_SIZE_BOOT,            /* boot memory */
} hvmemSizeKind;

typedef struct _hvmemSize hvmemSize;
struct _hvmemSize {
    const char *text;           /* as it was typed; not copied */
    hvmemSizeKind kind;
    guint64 bytes;              /* of the first three */
    double percent;
};

/* Takes what hvmemParseSize() takes, and +1GiB, -512MiB, 50%, max, boot. */
bool
hvmemSizeParse(const char *text,
               hvmemSize *size,
               GError **error);

/* How much that is for @dom, whose own definition may be the one that is meant. */
bool
hvmemSizeResolve(const hvmemSize *size,
                 const hvmemDomain *dom,
                 guint64 *bytes,
                 GError **error);

/* Why one should not request @bytes for @dom without being asked again: it was hardly meant so, or the guest uses more. NULL: nothing is known
 * against it. With @error, the same as an error to refuse with. */
char *
hvmemSizeDanger(const hvmemSize *size,
                const hvmemDomain *dom,
                guint64 bytes,
                GError **error);
