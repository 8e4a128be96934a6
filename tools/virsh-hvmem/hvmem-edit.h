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

/* The inactive @xml with a hyperv balloon, or with another ceiling or minimum
 * if it has one. @max: HVMEM_UNKNOWN leaves a ceiling that there is, or else
 * takes @fallback. @minimum: HVMEM_UNKNOWN leaves it. NULL with @error. */
char *
hvmemEditEnable(const char *xml,
                guint64 max,
                guint64 fallback,
                guint64 minimum,
                GError **error);

/* The inactive @xml with the balloon that it had before, or a virtio one. */
char *
hvmemEditDisable(const char *xml,
                 GError **error);

/* @xml as the two above would print it, for comparing. */
char *
hvmemEditNormalise(const char *xml);
