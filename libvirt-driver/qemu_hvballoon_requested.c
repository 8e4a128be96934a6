/*
 * qemu_hvballoon_requested.c: the requested memory of a domain with a hyperv
 *                             memory balloon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon_requested.h"

#include "virlog.h"

#define VIR_FROM_THIS VIR_FROM_QEMU

VIR_LOG_INIT("qemu.qemu_hvballoon_requested");


/**
 * qemuHvBalloonGetRequested:
 *
 * Returns how much memory the guest of @vm should have, in KiB; 0: nothing was
 * requested yet.
 */
unsigned long long
qemuHvBalloonGetRequested(const virDomainObj *vm)
{
    return vm->def->memballoon->requested;
}


/**
 * qemuHvBalloonSetRequested:
 * @vm: running domain with a hyperv balloon
 * @requested: in KiB
 * @reason: why, in English, for the log
 *
 * The only writer of <requested>, beside the parser of the status XML. A
 * request writes it when all its steps are done: so a failure changes nothing,
 * and a daemon that dies in the middle leaves the previous value.
 */
void
qemuHvBalloonSetRequested(virDomainObj *vm,
                          unsigned long long requested,
                          const char *reason)
{
    virDomainMemballoonDef *balloon = vm->def->memballoon;

    if (balloon->requested == requested)
        return;

    VIR_INFO("domain '%s': requested memory %llu KiB, was %llu KiB: %s",
             vm->def->name, requested, balloon->requested, reason);
    balloon->requested = requested;
}


/**
 * qemuHvBalloonSetKeepTotal:
 *
 * Likewise for the total, in KiB, that a live setmaxmem requested. The parser
 * of the status XML writes it too, and the end of the domain clears it.
 */
void
qemuHvBalloonSetKeepTotal(virDomainObj *vm,
                          unsigned long long total,
                          const char *reason)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    if (priv->hvBalloonKeepTotal == total)
        return;

    VIR_INFO("domain '%s': total memory to keep %llu KiB, was %llu KiB: %s",
             vm->def->name, total, priv->hvBalloonKeepTotal, reason);
    priv->hvBalloonKeepTotal = total;
}
