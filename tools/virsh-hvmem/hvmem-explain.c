/*
 * hvmem-explain.c: the state of a domain's memory in plain words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-explain.h"

#include <string.h>


void
hvmemExplanationFree(hvmemExplanation *why)
{
    if (!why)
        return;

    g_free(why->meaning);
    g_free(why->remedy);
    g_free(why->next);
    g_free(why);
}


/* What happens as soon as nothing stands in the way any more. */
static char *
onTheWay(const hvmemDomain *dom,
         const char *when)
{
    g_autofree char *have = hvmemFormatSize(dom->current);
    g_autofree char *want = hvmemFormatSize(dom->requested);

    if (dom->requested == HVMEM_UNKNOWN || hvmemDistance(dom->requested, dom->current) <= HVMEM_NEAR)
        return NULL;

    return g_strdup_printf("%s the guest %s from %s to %s.", when,
                           dom->requested > dom->current ? "grows" : "shrinks", have, want);
}


static char *
hibernationRemedy(void)
{
    return g_strdup("This machine offers hibernation (ACPI S4) to the guest, and Linux then neither gives up nor accepts memory. "
                    "Add <pm><suspend-to-disk enabled='no'/></pm> to the domain ('virsh-hvmem enable' does so), "
                    "shut the guest down and start it again.");
}


static void
explainDisconnected(const hvmemDomain *dom,
                    hvmemExplanation *why)
{
    why->label = "no driver";
    why->problem = true;
    why->meaning = g_strdup("The guest's Dynamic Memory driver is not connected (yet). While the guest starts that is normal; "
                            "afterwards it means that the driver was not loaded or was stopped, or that the guest hangs.");
    if (!dom->hypervPassthrough && !(dom->vpindex && dom->synic))
        why->remedy = g_strdup("The domain's XML lacks <vpindex state='on'/> or <synic state='on'/> in <hyperv>, without which the "
                               "guest cannot find the balloon: 'virsh-hvmem enable' adds them for the next start.");
    else if (dom->needs.hypervisorHidden)
        why->remedy = g_strdup("The guest's CPU hides the hypervisor, so the guest never looks for the balloon: take "
                               "<feature policy='disable' name='hypervisor'/> out of the domain's <cpu>, shut it down and start it.");
    else if (dom->needs.hypervVendor)
        why->remedy = g_strdup_printf("Wait until the guest has started. A Linux guest never looks for the balloon if Hyper-V has another name "
                                      "('%s'): take <vendor_id> out of the domain's <hyperv>, shut it down and start it.", dom->needs.hypervVendor);
    else if (dom->kvmVisible)
        why->remedy = g_strdup("Wait until the guest has started. A Linux guest that finds KVM's interface never looks for the balloon: add "
                               "<kvm><hidden state='on'/></kvm> to the domain's <features>, shut it down and start it.");
    else
        why->remedy = g_strdup("Wait until the guest has started. Then, in a Linux guest: 'modprobe hv_balloon', or a reboot if it is loaded, and see "
                               "'dmesg | grep -i hv_'. Windows has the driver built in and starts it within a minute.");
    why->next = onTheWay(dom, "When the driver connects,");
}


static void
explainNotOnlined(const hvmemDomain *dom,
                  hvmemExplanation *why)
{
    why->label = "not onlined";
    why->problem = true;
    why->meaning = g_strdup("The guest accepted more memory but does not use it: its kernel has not brought it online.");
    why->remedy = g_strdup("In the Linux guest, as root: 'echo online | tee /sys/devices/system/memory/auto_online_blocks "
                           "/sys/devices/system/memory/memory*/state'. The memory counts from the guest's next report on. The first report comes 45 seconds "
                           "after its driver was loaded: what was onlined before that counts after 'virsh-hvmem set' to a lower size and back. For good: "
                           "memhp_default_state=online on the kernel command line (not online_movable: such memory can never be given back, and a "
                           "guest that has it may run out of memory).");
    why->next = onTheWay(dom, "With the guest's next report after that, or after a reboot,");
}


static void
explainLate(const hvmemDomain *dom,
            hvmemExplanation *why)
{
    why->label = "no answer";
    why->problem = true;
    why->meaning = g_strdup("The guest's driver got a request and has not replied in time. A late reply still counts; "
                            "nothing else is requested before it comes.");
    why->remedy = dom->hibernation ? hibernationRemedy() :
        g_strdup("Check whether the guest hangs or is very busy ('virsh console', its screen). If it never replies, "
                 "reboot it: that starts afresh.");
    why->next = onTheWay(dom, "When it replies,");
}


static void
explainFloor(const hvmemDomain *dom,
             hvmemExplanation *why)
{
    g_autofree char *have = hvmemFormatSize(dom->current);
    g_autofree char *usable = hvmemFormatSize(dom->usable);

    why->label = "at floor";
    why->problem = true;
    why->meaning = g_strdup_printf("The guest gives back no more memory: it kept %s%s%s%s. The host takes nothing by force, "
                                   "and the guest goes on unharmed.", have,
                                   dom->usable == HVMEM_UNKNOWN ? "" : " (its programs could still get ",
                                   dom->usable == HVMEM_UNKNOWN ? "" : usable,
                                   dom->usable == HVMEM_UNKNOWN ? "" : ")");
    why->remedy = g_strdup("Free memory inside the guest (end programs, drop caches), or use "
                           "'virsh-hvmem set' with what it has now, or more.");
    why->next = onTheWay(dom, "The request is resent from time to time; once the guest can spare more,");
}


static void
explainRefused(const hvmemDomain *dom,
               hvmemExplanation *why)
{
    why->label = "guest refuses";
    why->problem = true;
    why->meaning = g_strdup("The guest's driver refuses the memory, or cannot do what the requested size needs.");
    why->remedy = dom->hibernation ? hibernationRemedy() :
        g_strdup("Check the guest's log ('dmesg | grep -i hv_balloon' in Linux, the system event log in Windows). A kernel without "
                 "memory hotplug can shrink but not grow past its boot memory. A reboot of the guest starts afresh.");
    why->next = onTheWay(dom, "If the guest changes its mind,");
}


static void
explainReboot(const hvmemDomain *dom,
              hvmemExplanation *why)
{
    bool kexec = g_strcmp0(dom->state, "new-kernel") == 0;

    why->label = "reboot needed";
    why->problem = true;
    why->meaning = g_strdup(kexec ?
                            "Another kernel was started in the guest without a reset (kexec, kdump). It does not know what the previous "
                            "one gave back, so the size cannot change." :
                            "The guest's driver reconnected with other capabilities than before, so the size cannot change.");
    why->remedy = g_strdup("Reboot the guest ('virsh reboot', or 'virsh reset' if it does not respond). Until then its memory stays as it is.");
    why->next = onTheWay(dom, "After the reboot");
}


static void
explainIdle(const hvmemDomain *dom,
            hvmemExplanation *why)
{
    g_autofree char *have = hvmemFormatSize(dom->current);
    g_autofree char *want = hvmemFormatSize(dom->requested);
    bool ceiling = dom->requested != HVMEM_UNKNOWN && dom->maxMemory != HVMEM_UNKNOWN && dom->requested >= dom->maxMemory;

    if (hvmemDomainIsThere(dom)) {
        why->label = "at rest";
        why->meaning = g_strdup(ceiling ?
                                "The guest has what was requested, and that is the ceiling (<maxMemory>): it cannot grow further." :
                                "The guest has what was requested.");
        return;
    }

    why->label = "not reached";
    why->problem = true;
    why->meaning = g_strdup_printf("The guest stays at %s although %s was requested.", have, want);
    why->remedy = g_strdup("Repeat the request ('virsh-hvmem set'); 'virsh-hvmem doctor' looks for the cause.");
}


/* The device's step may go the other way for a moment, as when it takes again what was too much of a whole block. */
static bool
grows(const hvmemDomain *dom)
{
    if (dom->requested == HVMEM_UNKNOWN || hvmemDistance(dom->requested, dom->current) <= HVMEM_NEAR)
        return strcmp(dom->state, "ballooning") != 0;
    return dom->requested > dom->current;
}


static void
explainMoving(const hvmemDomain *dom,
              hvmemExplanation *why)
{
    why->moving = true;
    why->label = grows(dom) ? "growing" : "shrinking";
    why->meaning = g_strdup(strcmp(dom->state, "adding") == 0 ? "The guest is being given new memory." :
                            strcmp(dom->state, "returning") == 0 ? "The guest gets memory back that it had released." :
                            "The guest is looking for memory that it can give back.");
    why->next = onTheWay(dom, "In a moment");
    if (!why->next)
        why->next = g_strdup("In a moment it is at rest.");
}


static void
explainWaiting(const hvmemDomain *dom,
               hvmemExplanation *why)
{
    why->label = "guest starting";
    why->meaning = g_strdup(strcmp(dom->state, "handshake") == 0 ?
                            "The guest's driver is connecting." :
                            "The guest's driver is connected, but it is too early for a request: Windows needs 50 seconds after its start, "
                            "and after a failed request the guest is left alone for a while.");
    why->next = onTheWay(dom, "Soon");
}


static void
explainInactive(const hvmemDomain *dom,
                hvmemExplanation *why)
{
    g_autofree char *size = hvmemFormatSize(dom->current);
    char *pending = hvmemDomainPending(dom);

    why->label = "shut off";
    why->meaning = g_strdup("The guest is not running.");
    if (pending) {
        why->label = "old state";
        why->problem = true;
        why->remedy = pending;
        why->next = g_strdup("When it is started, the saved state comes back.");
        return;
    }
    why->next = g_strdup_printf("When it is started, it gets %s.", size);
}


/* Whatever the device waits for, it waits for a guest that stands still. */
static void
explainPaused(const hvmemDomain *dom,
              hvmemExplanation *why)
{
    g_autofree char *name = hvmemShellWord(dom->name);

    why->label = "paused";
    why->problem = !hvmemDomainIsThere(dom);
    why->hopeless = why->problem && dom->pausedByUser;
    why->meaning = g_strdup("The guest is paused. Its memory stays as it is until it is resumed.");
    why->remedy = g_strdup_printf("virsh resume %s. If it was not you who paused it, 'virsh domstate --reason' says why: "
                                  "perhaps the host's disk is full.", name);
    why->next = onTheWay(dom, "When it is resumed,");
}


/* How far it is, in words for a sentence; "" if that is not known. */
static char *
moved(const hvmemDomain *dom)
{
    return dom->moved < 0 ? g_strdup("") : g_strdup_printf(" (%.0f %% of its memory has been sent)", dom->moved);
}


static void
explainMigrating(const hvmemDomain *dom,
                 hvmemExplanation *why)
{
    g_autofree char *name = hvmemShellWord(dom->name);
    g_autofree char *far = moved(dom);

    why->label = "migrating";
    why->meaning = dom->move == HVMEM_MOVE_IN ?
        g_strdup("The guest is being migrated to this host. Its memory can be changed when it has arrived.") :
        g_strdup_printf("The guest is being migrated to another host%s. Its memory cannot be changed until that has ended; what was requested goes with it.",
                        far);
    why->remedy = dom->move == HVMEM_MOVE_IN ? NULL :
        g_strdup_printf("'virsh domjobinfo %s' shows how far it is. Then ask on the host where the guest is.", name);
    why->next = onTheWay(dom, "When it has arrived,");
}


static void
explainBroken(const hvmemDomain *dom,
              hvmemExplanation *why)
{
    why->label = "migration broken";
    why->problem = why->hopeless = true;
    why->meaning = g_strdup("The connection between the hosts broke while a part of the guest's memory was here and a part there (postcopy). It "
                            "stands still, and nothing of it is lost.");
    why->remedy = g_strdup("Repeat the 'virsh migrate' command on the source with --postcopy-resume added. Do not destroy the guest on either side.");
    why->next = onTheWay(dom, "When it has arrived,");
}


static void
explainMovedAway(const hvmemDomain *dom,
                 hvmemExplanation *why)
{
    g_autofree char *name = hvmemShellWord(dom->name);

    why->label = "migrated away";
    why->meaning = g_strdup("The guest was migrated to another host, and runs there. What is here is its definition.");
    why->remedy = g_strdup_printf("Look at it there: 'virsh-hvmem -c URI status %s'; or here with --also URI, which looks on both. Do not start it here "
                                  "as long as it runs there.", name);
}


static void
explainUntold(const hvmemDomain *dom,
              hvmemExplanation *why)
{
    bool there = hvmemDomainIsThere(dom);

    why->label = there ? "as requested" : "under way";
    why->meaning = g_strdup(there ? "The guest has what was requested." : "The guest does not have what was requested (yet).");
    why->remedy = g_strdup("libvirt gave no details: it is busy with this guest, or older than this tool.");
    why->next = onTheWay(dom, "Unless something prevents it,");
}


typedef void (*Explain)(const hvmemDomain *dom, hvmemExplanation *why);

static const struct {
    const char *state;
    Explain explain;
} states[] = {
    { "disconnected", explainDisconnected },
    { "handshake", explainWaiting },
    { "waiting", explainWaiting },
    { "idle", explainIdle },
    { "ballooning", explainMoving },
    { "returning", explainMoving },
    { "adding", explainMoving },
    { "refused", explainRefused },
    { "floor", explainFloor },
    { "not-onlined", explainNotOnlined },
    { "late", explainLate },
    { "new-kernel", explainReboot },
    { "frozen", explainReboot },
};


static Explain
findExplain(const hvmemDomain *dom)
{
    size_t i;

    if (!dom->active)
        return dom->movedAway ? explainMovedAway : explainInactive;
    if (dom->move != HVMEM_MOVE_NONE)
        return dom->move == HVMEM_MOVE_BROKEN ? explainBroken : explainMigrating;
    if (dom->paused)
        return explainPaused;

    for (i = 0; dom->told && i < G_N_ELEMENTS(states); i++) {
        if (strcmp(states[i].state, dom->state) == 0)
            return states[i].explain;
    }
    return explainUntold;
}


hvmemExplanation *
hvmemExplain(const hvmemDomain *dom)
{
    hvmemExplanation *why = g_new0(hvmemExplanation, 1);

    findExplain(dom)(dom, why);
    return why;
}


char *
hvmemExplainState(const hvmemDomain *dom,
                  bool *problem)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);

    *problem = dom->hyperv ? why->problem : hvmemDomainIsMeant(dom);
    if (dom->hyperv)
        return g_strdup(why->label);
    if (*problem)
        return g_strdup("restart needed");
    return g_strdup_printf("%s balloon", strcmp(dom->model, "none") == 0 ? "no" : dom->model);
}
