/*
 * Memory sticks (mem-haprot): a stick's region, size and name
 *
 * Used by haprot.c and haprot-discard.c; calls neither.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/mem/haprot.h"

MemoryRegion *haprot_memory_region(const MemHaprot *stick)
{
    return host_memory_backend_get_memory(stick->memdev);
}

uint64_t haprot_size(const MemHaprot *stick)
{
    return memory_region_size(haprot_memory_region(stick));
}

char *haprot_qom_path(const MemHaprot *stick)
{
    return object_get_canonical_path(OBJECT(stick));
}

const char *haprot_name(const MemHaprot *stick)
{
    const char *id = DEVICE(stick)->id;

    return id ? id : "(unnamed)";
}
