/*
 * qemu_hvballoon_requested.c: what was asked of a hyperv memory balloon
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
 * What the guest of @vm shall have, in KiB; 0: nothing was asked for yet.
 */
unsigned long long
qemuHvBalloonGetRequested(const virDomainObj *vm)
{
    return vm->def->memballoon->requested;
}


/**
 * qemuHvBalloonSetRequested:
 * @vm: a domain that runs and has a hyperv balloon
 * @requested: in KiB
 * @reason: why, in English, for the log
 *
 * The only writer of <requested>. To be called by the occasion that changes
 * it, once all that was to be done for it is done: so what fails changes
 * nothing, and a daemon that dies in the middle leaves what was asked for
 * before.
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
 * The same for the total (KiB) that a live setmaxmem asked for: the only
 * writer of it beside the parser of the status XML.
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
