/*
 * mem-haprot, where no device offers memory by a hot-add protocol
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

/* The type does not exist, so a machine never gets to call the others. */

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
