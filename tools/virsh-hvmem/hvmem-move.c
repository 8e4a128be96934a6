/*
 * hvmem-move.c: domains that migrate, or could not
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-move.h"

#include <libvirt/virterror.h>
#include <string.h>


/*
 * What is in the way
 */

static void
obstacleFree(hvmemObstacle *obstacle)
{
    g_free(obstacle->what);
    g_free(obstacle);
}


static void
add(GPtrArray *obstacles,
    const char *what,
    const char *remedy)
{
    hvmemObstacle *obstacle = g_new0(hvmemObstacle, 1);

    obstacle->what = g_strdup(what);
    obstacle->remedy = remedy;
    g_ptr_array_add(obstacles, obstacle);
}


/* What libvirt or QEMU refuses to migrate, in the order in which it is worth knowing. A device with <teaming type='transient'> is unplugged first. */
static const struct {
    const char *xpath;
    const char *what;
    const char *remedy;
} known[] = {
    { "features/hyperv[@mode = 'passthrough']",
      "<hyperv mode='passthrough'> gives the guest whatever this host has, which another may not have",
      "Set mode='custom' in <hyperv>, with <vpindex state='on'/> and <synic state='on'/>, then shut down and start." },
    { "devices/hostdev[@type != 'usb' and not(teaming[@type = 'transient'])] | devices/hostdev[@mode = 'capabilities'] | "
      "devices/interface[@type = 'hostdev' and not(teaming[@type = 'transient'])]",
      "it has passed-through devices (<hostdev>), and only few of them can be migrated",
      "Detach them first ('virsh detach-device'), or give a network card <teaming type='transient'>." },
    { "devices/interface[@type = 'vdpa']", "it has a network card of type='vdpa'", "Use another type of <interface>." },
    { "devices/shmem[not(@role = 'master')]", "it has shared memory (<shmem>) that is not role='master'", "Set role='master' in <shmem>, or take it out." },
    { "devices/filesystem[not(driver/@type = 'virtiofs')]",
      "it has a folder of this host (<filesystem>): it cannot be migrated while the guest has it mounted",
      "Unmount it in the guest, or take it out of the definition." },
    { "devices/filesystem[driver/@type = 'virtiofs']",
      "it has a folder of this host by virtiofs, which only a recent virtiofsd can migrate", "Try it, or take <filesystem> out of the definition." },
    { "devices/disk/transient", "it has a transient disk", "Take <transient/> out of <disk>, then shut down and start." },
    { "launchSecurity", "its memory is encrypted (<launchSecurity>)", "Such a guest can only be shut down here and started elsewhere." },
    { "cpu/feature[@name = 'invtsc' and (@policy = 'require' or @policy = 'force' or not(@policy))][not(../../clock/timer[@name = 'tsc' and "
      "@frequency > 0])]",
      "<cpu> requires 'invtsc' without a fixed frequency",
      "Set <timer name='tsc' frequency='…'/> in <clock>, or take 'invtsc' out of <cpu>, then shut down and start." },
};


GPtrArray *
hvmemMoveObstacles(xmlNodePtr root)
{
    GPtrArray *obstacles = g_ptr_array_new_with_free_func((GDestroyNotify)obstacleFree);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(known); i++) {
        if (hvmemXMLTest(root, known[i].xpath))
            add(obstacles, known[i].what, known[i].remedy);
    }
    return obstacles;
}


/*
 * One that is on its way
 */

void
hvmemMoveAddJob(hvmemDomain *info,
                const virTypedParameter *params,
                int nparams)
{
    const virTypedParameter *operation = hvmemFindParam(params, nparams, VIR_DOMAIN_JOB_OPERATION);
    const virTypedParameter *total = hvmemFindParam(params, nparams, VIR_DOMAIN_JOB_MEMORY_TOTAL);
    const virTypedParameter *left = hvmemFindParam(params, nparams, VIR_DOMAIN_JOB_MEMORY_REMAINING);

    if (!operation || operation->type != VIR_TYPED_PARAM_INT || operation->value.i != VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT)
        return;

    info->move = HVMEM_MOVE_OUT;
    if (total && left && total->value.ul > 0)
        info->moved = 100 - 100.0 * MIN(left->value.ul, total->value.ul) / total->value.ul;
}


void
hvmemMoveInspect(hvmemDomain *info,
                 virDomainPtr dom)
{
    virDomainControlInfo control = { .state = VIR_DOMAIN_CONTROL_OK };
    virTypedParameterPtr params = NULL;
    int nparams = 0;
    int type;

    /* a client works on it: one would have to wait */
    if (virDomainGetControlInfo(dom, &control, 0) == 0 && control.state == VIR_DOMAIN_CONTROL_OCCUPIED)
        return;

    if (virDomainGetJobStats(dom, &type, &params, &nparams, 0) < 0) {
        /* Where the guest arrives, libvirt does not tell how far it is: that is the source's. It refuses nothing else in this way. */
        if (virGetLastErrorCode() == VIR_ERR_OPERATION_UNSUPPORTED)
            info->move = HVMEM_MOVE_IN;
    } else if (type != VIR_DOMAIN_JOB_NONE) {
        hvmemMoveAddJob(info, params, nparams);
    }
    virTypedParamsFree(params, nparams);
    virResetLastError();
}


bool
hvmemMoveFail(const char *name,
              const char *command,
              bool known,
              GError **error)
{
    g_autofree char *word = hvmemShellWord(name);

    hvmemFail(error, known ? "'%s' has been migrated to another host, and this one has no definition of it any more" :
              "'%s' is not on this host any more: it was migrated to another one, or shut off without a definition", name);
    hvmemErrorDomain(error, name);
    return hvmemErrorHint(error, "If it was migrated, go on there: 'virsh-hvmem -c URI %s %s'. With --also URI, '%s' follows it from host to host.",
                          command, word, command);
}
