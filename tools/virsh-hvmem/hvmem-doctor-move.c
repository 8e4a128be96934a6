/*
 * hvmem-doctor-move.c: could a domain be migrated while it runs?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-doctor.h"
#include "hvmem-explain.h"


/* Nothing of this keeps a guest from running here, so it is no failure. */
static void G_GNUC_PRINTF(3, 4)
refuse(GPtrArray *checks,
       const char *remedy,
       const char *why,
       ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, why);
    text = g_strdup_vprintf(why, args);
    va_end(args);
    hvmemChecksAdd(checks, HVMEM_WARN, "migration", remedy, "not possible: %s", text);
}


/* A stick that only one of QEMU and the definition has. */
static void
checkStray(GPtrArray *checks,
           const hvmemDomain *dom)
{
    if (dom->strayInQEMU)
        refuse(checks, "Remove it from QEMU in the way that it came, or shut the guest down and start it.",
               "QEMU has a stick, %s, that the domain's XML does not describe", dom->stray);
    else
        refuse(checks, "Detach it ('virsh detach-device-alias'), or shut the guest down and start it.",
               "the domain's XML has a stick, %s, that QEMU does not have", dom->stray);
}


static void
checkSnapshots(GPtrArray *checks,
               const hvmemDomain *dom,
               unsigned int snapshots)
{
    g_autofree char *name = hvmemShellWord(dom->name);
    g_autofree char *remedy = g_strdup_printf("virsh snapshot-list %s, then virsh snapshot-delete, or snapshot-delete --metadata to define them again there.",
                                              name);

    refuse(checks, remedy, "it has %u snapshot%s, and libvirt migrates no domain with any", snapshots, snapshots == 1 ? "" : "s");
}


/* What is known before anybody tries. The other host is not asked. */
static unsigned int
checkObstacles(GPtrArray *checks,
               const hvmemDomain *dom,
               const hvmemHost *host)
{
    guint before = checks->len;
    size_t i;

    if (host->balloon.fixed)
        refuse(checks, "Set <emulator> to this project's QEMU, which has the device mem-haprot, then shut down and start.",
               "this QEMU's hv-balloon has no sticks, and would lose track of what the guest has released; saving it is refused too");
    if (dom->active && dom->told && dom->stray)
        checkStray(checks, dom);
    if (host->snapshots)
        checkSnapshots(checks, dom, host->snapshots);
    for (i = 0; i < dom->obstacles->len; i++) {
        const hvmemObstacle *obstacle = dom->obstacles->pdata[i];

        refuse(checks, obstacle->remedy, "%s", obstacle->what);
    }
    return checks->len - before;
}


void
hvmemDoctorMove(GPtrArray *checks,
                const hvmemDomain *dom,
                const hvmemHost *host)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);

    if (dom->active && dom->move == HVMEM_MOVE_BROKEN)
        hvmemChecksAdd(checks, HVMEM_FAIL, "migration", why->remedy, "broken: postcopy was interrupted");
    else if (dom->active && dom->move != HVMEM_MOVE_NONE)
        hvmemChecksAdd(checks, HVMEM_PASS, "migration", NULL, "under way");
    else if (checkObstacles(checks, dom, host) == 0)
        hvmemChecksAdd(checks, HVMEM_PASS, "migration", NULL, "nothing here is in the way; the other host needs this project's QEMU and libvirt%s",
                       dom->freePageReporting ? ", and free page reporting (with KVM, Linux 6.3)" : "");
}
