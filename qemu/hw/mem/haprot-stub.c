/*
 * mem-haprot stubs for builds without a memory hot-add protocol
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-hv-balloon.h"
#include "hw/mem/haprot.h"

HaprotInfoList *qmp_query_haprot(Error **errp)
{
    return NULL;
}

/* The type does not exist, so these are never called. */

void haprot_pre_plug(MemHaprot *stick, MachineState *ms, Error **errp)
{
    error_setg(errp, TYPE_MEM_HAPROT " is not supported in this build");
}

void haprot_plug(MemHaprot *stick, MachineState *ms, Error **errp)
{
}

void haprot_unplug_request(MemHaprot *stick, HotplugHandler *hotplug,
                           Error **errp)
{
    error_setg(errp, TYPE_MEM_HAPROT " is not supported in this build");
}

void haprot_unplug(MemHaprot *stick, MachineState *ms)
{
}
