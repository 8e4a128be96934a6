/*
 * qemu_hvballoon_conf.c: the hyperv memory balloon and its sticks in the
 *                        domain definition and on QEMU's command line
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon_conf.h"
#include "qemu_hvballoon_plan.h"

#include "virerror.h"

#define VIR_FROM_THIS VIR_FROM_QEMU

/* The first QEMU with an hv-balloon; its backend is fixed. */
#define QEMU_HVBALLOON_FIXED_VERSION 8002000


/**
 * qemuHvBalloonStickNew:
 * @def: domain definition
 * @size: in KiB
 *
 * Returns a stick as the driver makes them, not yet part of @def.
 */
virDomainMemoryDef *
qemuHvBalloonStickNew(const virDomainDef *def,
                      const char *alias,
                      unsigned long long size)
{
    virDomainMemoryDef *mem = virDomainMemoryDefNew(VIR_DOMAIN_MEMORY_MODEL_HAPROT);

    mem->size = size;
    mem->target.haprot.insert = VIR_DOMAIN_MEMORY_INSERT_MODE_ON_DEMAND;
    mem->info.alias = g_strdup(alias);
    qemuHvBalloonStickPostParse(mem, def, 0);

    return mem;
}


/**
 * qemuHvBalloonConfigStickAdded:
 * @def: persistent definition
 * @mem: stick that is about to be part of @def
 *
 * Updates <currentMemory>, as plugging the stick would.
 */
void
qemuHvBalloonConfigStickAdded(virDomainDef *def,
                              const virDomainMemoryDef *mem)
{
    if (mem->target.haprot.insert != VIR_DOMAIN_MEMORY_INSERT_MODE_ON_DEMAND)
        def->mem.cur_balloon += mem->size;
}


/**
 * qemuHvBalloonConfigStickRemoved:
 * @def: persistent definition
 * @mem: stick that is no longer part of @def
 *
 * Reverses qemuHvBalloonConfigStickAdded(); <currentMemory> stays between
 * <minimum> and the total that is left.
 */
void
qemuHvBalloonConfigStickRemoved(virDomainDef *def,
                                const virDomainMemoryDef *mem)
{
    if (mem->target.haprot.insert != VIR_DOMAIN_MEMORY_INSERT_MODE_ON_DEMAND &&
        def->mem.cur_balloon > mem->size)
        def->mem.cur_balloon -= mem->size;

    /* a valid definition stays valid */
    if (virDomainDefHasHypervMemballoon(def))
        def->mem.cur_balloon = MAX(def->mem.cur_balloon, def->memballoon->minimum);

    def->mem.cur_balloon = MIN(def->mem.cur_balloon,
                               virDomainDefGetMemoryTotal(def));
}


/**
 * qemuHvBalloonCheckConfigUpdate:
 * @old: memory device of a persistent definition
 * @mem: what shall be in its place
 *
 * Is that possible? Boot memory is what <memory> has beside its sticks, so one of
 * another size would change it. As in a running domain, sticks come and go
 * instead. Reports an error if it is not possible.
 */
int
qemuHvBalloonCheckConfigUpdate(const virDomainMemoryDef *old,
                               const virDomainMemoryDef *mem)
{
    if (old->model != VIR_DOMAIN_MEMORY_MODEL_HAPROT &&
        mem->model != VIR_DOMAIN_MEMORY_MODEL_HAPROT)
        return 0;

    virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                   _("cannot modify memory of model '%1$s': detach the device and attach another one, or use setmem"),
                   virDomainMemoryModelTypeToString(VIR_DOMAIN_MEMORY_MODEL_HAPROT));
    return -1;
}


/* Required by the guest's VMBus driver. */
static const virDomainHyperv qemuHvBalloonEnlightenments[] = {
    VIR_DOMAIN_HYPERV_VPINDEX,
    VIR_DOMAIN_HYPERV_SYNIC,
};


/**
 * qemuHvBalloonCheckMemoryModel:
 * @mem: memory device that is or will be part of @def
 * @def: domain definition
 *
 * Refuses models other than sticks beside a hyperv balloon, which does not
 * account for their sizes, slots and addresses.
 */
int
qemuHvBalloonCheckMemoryModel(const virDomainMemoryDef *mem,
                              const virDomainDef *def)
{
    if (!virDomainDefHasHypervMemballoon(def) ||
        mem->model == VIR_DOMAIN_MEMORY_MODEL_HAPROT)
        return 0;

    virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                   _("memory device model '%1$s' of %2$llu KiB cannot be used beside memory balloon model 'hyperv': 'virsh setmem' adds memory up to <maxMemory>; use memory devices of model 'haprot', or another balloon"),
                   virDomainMemoryModelTypeToString(mem->model), mem->size);
    return -1;
}


static int
qemuHvBalloonCheckMemoryDevices(const virDomainDef *def)
{
    size_t i;

    for (i = 0; i < def->nmems; i++) {
        if (qemuHvBalloonCheckMemoryModel(def->mems[i], def) < 0)
            return -1;
    }

    return 0;
}


/* If Linux finds KVM's interface too, it prefers that and does not search for
 * VMBus. */
static void
qemuHvBalloonHideKVM(virDomainDef *def)
{
    if (def->virtType != VIR_DOMAIN_VIRT_KVM)
        return;

    if (!def->kvm_features)
        def->kvm_features = g_new0(virDomainFeatureKVM, 1);

    if (def->kvm_features->features[VIR_DOMAIN_KVM_HIDDEN] == VIR_TRISTATE_SWITCH_ABSENT) {
        def->features[VIR_DOMAIN_FEATURE_KVM] = VIR_TRISTATE_SWITCH_ON;
        def->kvm_features->features[VIR_DOMAIN_KVM_HIDDEN] = VIR_TRISTATE_SWITCH_ON;
    }
}


/**
 * qemuHvBalloonPostParse:
 * @def: domain definition
 * @parseFlags: bitwise or of virDomainDefParseFlags
 *
 * Sets what a hyperv balloon needs from the rest of the domain, where the user
 * left it unset: without vpindex and synic there is no VMBus, a Linux guest that
 * sees KVM too does not search for it, and a guest that hibernates would resume
 * with the wrong memory. Explicit settings are left to qemuHvBalloonValidate().
 *
 * Returns 0 on success. Memory devices of another model and sizes that contradict
 * each other are refused here in a new definition, since later checks would only
 * complain about slots or addresses.
 */
int
qemuHvBalloonPostParse(virDomainDef *def,
                       unsigned int parseFlags)
{
    size_t i;

    if (!virDomainDefHasHypervMemballoon(def) || !ARCH_IS_X86(def->os.arch))
        return 0;

    if (parseFlags & VIR_DOMAIN_DEF_PARSE_ABI_UPDATE) {
        if (qemuHvBalloonCheckMemoryDevices(def) < 0 ||
            qemuHvBalloonFitSizes(def) < 0)
            return -1;

        qemuHvBalloonHideKVM(def);
    }

    if (def->pm.s4 == VIR_TRISTATE_BOOL_ABSENT)
        def->pm.s4 = VIR_TRISTATE_BOOL_NO;

    /* This enables all that the host supports. */
    if (def->features[VIR_DOMAIN_FEATURE_HYPERV] == VIR_DOMAIN_HYPERV_MODE_PASSTHROUGH)
        return 0;

    def->features[VIR_DOMAIN_FEATURE_HYPERV] = VIR_DOMAIN_HYPERV_MODE_CUSTOM;

    for (i = 0; i < G_N_ELEMENTS(qemuHvBalloonEnlightenments); i++) {
        virDomainHyperv feature = qemuHvBalloonEnlightenments[i];

        if (def->hyperv_features[feature] == VIR_TRISTATE_SWITCH_ABSENT)
            def->hyperv_features[feature] = VIR_TRISTATE_SWITCH_ON;
    }

    return 0;
}


/**
 * qemuHvBalloonStickPostParse:
 * @mem: stick, maybe part of @def
 * @def: domain definition
 * @parseFlags: bitwise or of virDomainDefParseFlags
 *
 * Sets the guest NUMA node of a stick, if there are any nodes, and gives a new
 * stick without alias a permanent one. A driver's stick in a new definition
 * loses its address: boot memory may be there at the next start.
 */
void
qemuHvBalloonStickPostParse(virDomainMemoryDef *mem,
                            const virDomainDef *def,
                            unsigned int parseFlags)
{
    size_t ncells = virDomainNumaGetNodeCount(def->numa);

    if (mem->targetNode == -1 && ncells > 0)
        mem->targetNode = ncells - 1;

    /* Not if this describes an existing stick, to be detached. */
    if (!mem->info.alias &&
        parseFlags & VIR_DOMAIN_DEF_PARSE_ABI_UPDATE)
        mem->info.alias = qemuHvBalloonFreeAlias(def, NULL, NULL,
                                                 QEMU_HVBALLOON_USER_ALIAS);

    if (parseFlags & VIR_DOMAIN_DEF_PARSE_ABI_UPDATE &&
        parseFlags & VIR_DOMAIN_DEF_PARSE_INACTIVE &&
        qemuHvBalloonStickIsDriverOwned(mem))
        mem->target.haprot.address = 0;
}


/**
 * qemuHvBalloonMemoryPostParse:
 * @mem: memory device that is or will be part of @def
 * @def: domain definition
 * @parseFlags: bitwise or of virDomainDefParseFlags
 *
 * Refuses a new device of a model that cannot be used beside the balloon, before
 * libvirt complains about missing NUMA cells, a slot or an address.
 */
int
qemuHvBalloonMemoryPostParse(virDomainMemoryDef *mem,
                             const virDomainDef *def,
                             unsigned int parseFlags)
{
    if (mem->model == VIR_DOMAIN_MEMORY_MODEL_HAPROT) {
        qemuHvBalloonStickPostParse(mem, def, parseFlags);
        return 0;
    }

    if (parseFlags & VIR_DOMAIN_DEF_PARSE_ABI_UPDATE)
        return qemuHvBalloonCheckMemoryModel(mem, def);

    return 0;
}


static int
qemuHvBalloonValidateMachine(const virDomainDef *def)
{
    if (def->os.arch != VIR_ARCH_X86_64) {
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                       _("memory balloon model 'hyperv' needs architecture 'x86_64', not '%1$s': change arch= of <type>, or use another balloon"),
                       virArchToString(def->os.arch));
        return -1;
    }

    if (!qemuDomainIsQ35(def) && !qemuDomainIsI440FX(def)) {
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                       _("memory balloon model 'hyperv' needs machine type 'q35' or 'pc', not '%1$s': change machine= of <type>, or use another balloon"),
                       def->os.machine);
        return -1;
    }

    /* The guest finds VMBus in the DSDT. */
    if (def->features[VIR_DOMAIN_FEATURE_ACPI] != VIR_TRISTATE_SWITCH_ON) {
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED, "%s",
                       _("memory balloon model 'hyperv' needs ACPI: add <acpi/> to <features>"));
        return -1;
    }

    if (def->pm.s4 == VIR_TRISTATE_BOOL_YES) {
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED, "%s",
                       _("memory balloon model 'hyperv' does not support hibernation of the guest: set <suspend-to-disk enabled='no'/> in <pm> or remove it"));
        return -1;
    }

    return 0;
}


static int
qemuHvBalloonValidateEnlightenments(const virDomainDef *def)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(qemuHvBalloonEnlightenments); i++) {
        virDomainHyperv feature = qemuHvBalloonEnlightenments[i];
        const char *name = virDomainHypervTypeToString(feature);

        if (def->hyperv_features[feature] == VIR_TRISTATE_SWITCH_OFF) {
            virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                           _("memory balloon model 'hyperv' needs the hyperv feature '%1$s': set <%1$s state='on'/> or remove it"),
                           name);
            return -1;
        }
    }

    return 0;
}


/* Without the first a guest does not search for VMBus, without the second it gets
 * no interrupts from it. */
static const char *const qemuHvBalloonCPUFeatures[] = { "hypervisor", "apic" };


static int
qemuHvBalloonValidateCPU(const virDomainDef *def)
{
    size_t i;
    size_t j;

    for (i = 0; def->cpu && i < def->cpu->nfeatures; i++) {
        const virCPUFeatureDef *feature = &def->cpu->features[i];

        if (feature->policy != VIR_CPU_FEATURE_DISABLE &&
            feature->policy != VIR_CPU_FEATURE_FORBID)
            continue;

        for (j = 0; j < G_N_ELEMENTS(qemuHvBalloonCPUFeatures); j++) {
            if (STRNEQ(feature->name, qemuHvBalloonCPUFeatures[j]))
                continue;

            virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                           _("memory balloon model 'hyperv' needs the CPU feature '%1$s', without which guests do not find it: remove <feature policy='%2$s' name='%1$s'/> from <cpu>, or use another balloon"),
                           feature->name,
                           feature->policy == VIR_CPU_FEATURE_DISABLE ? "disable" : "forbid");
            return -1;
        }
    }

    return 0;
}


static int
qemuHvBalloonValidateMemory(const virDomainDef *def)
{
    const virDomainMemballoonDef *balloon = def->memballoon;
    unsigned long long total = virDomainDefGetMemoryTotal(def);

    if (!virDomainDefHasMemoryHotplug(def)) {
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                       _("memory balloon model 'hyperv' needs <maxMemory>, the limit to which the guest can grow: add <maxMemory unit='KiB'>%1$llu</maxMemory>, which is the size of <memory>, or more"),
                       total);
        return -1;
    }

    if (balloon->minimum > total) {
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                       _("<minimum> of the memory balloon is %1$llu KiB, more than the %2$llu KiB of <memory>: lower <minimum> or raise <memory>"),
                       balloon->minimum, total);
        return -1;
    }

    if (balloon->minimum > def->mem.cur_balloon) {
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                       _("<currentMemory> is %1$llu KiB, less than the <minimum> of the memory balloon of %2$llu KiB: lower <minimum> or raise <currentMemory>"),
                       def->mem.cur_balloon, balloon->minimum);
        return -1;
    }

    return 0;
}


/* On a QEMU without sticks, one fixed backend of the balloon has all memory
 * beyond boot memory. */
static int
qemuHvBalloonValidateFixed(const virDomainDef *def,
                           virQEMUCaps *qemuCaps)
{
    size_t i;

    if (virQEMUCapsGetVersion(qemuCaps) < QEMU_HVBALLOON_FIXED_VERSION) {
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                       _("memory balloon model 'hyperv' needs QEMU 8.2 or later, or one with the 'mem-haprot' device; '%1$s' is neither: install one and name it in <emulator>"),
                       def->emulator);
        return -1;
    }

    if (def->memballoon->free_page_reporting == VIR_TRISTATE_SWITCH_ON) {
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                       _("freePageReporting='on' of memory balloon model 'hyperv' needs a QEMU with the 'mem-haprot' device, which '%1$s' does not have: remove it"),
                       def->emulator);
        return -1;
    }

    for (i = 0; i < def->nmems; i++) {
        if (!qemuHvBalloonStickIsDriverOwned(def->mems[i])) {
            virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                           _("a 'haprot' memory device of %1$llu KiB needs a QEMU with the 'mem-haprot' device, which '%2$s' does not have: remove it, the guest can grow to <maxMemory> without it"),
                           def->mems[i]->size, def->emulator);
            return -1;
        }
    }

    return 0;
}


/**
 * qemuHvBalloonPrepareFixed:
 * @def: definition of a domain that is about to start
 * @qemuCaps: capabilities of the QEMU binary
 *
 * With a fixed backend, replaces the driver's sticks in @def by what QEMU will
 * have: one stick of all that <maxMemory> allows.
 */
int
qemuHvBalloonPrepareFixed(virDomainDef *def,
                          virQEMUCaps *qemuCaps)
{
    unsigned long long boot = virDomainDefGetMemoryInitial(def);
    g_autoptr(virDomainMemoryDef) mem = NULL;

    if (!qemuHvBalloonIsFixed(def, qemuCaps))
        return 0;

    while (def->nmems > 0)
        virDomainMemoryDefFree(virDomainMemoryRemove(def, def->nmems - 1));

    if (def->mem.max_memory < boot + QEMU_HVBALLOON_STICK_GRANULE)
        return 0;

    mem = virDomainMemoryDefNew(VIR_DOMAIN_MEMORY_MODEL_HAPROT);
    mem->size = def->mem.max_memory - boot;
    mem->size -= mem->size % QEMU_HVBALLOON_STICK_GRANULE;
    mem->target.haprot.insert = VIR_DOMAIN_MEMORY_INSERT_MODE_ON_DEMAND;
    mem->info.alias = g_strdup(QEMU_HVBALLOON_DRIVER_ALIAS "0");
    qemuHvBalloonStickPostParse(mem, def, 0);

    if (virDomainMemoryInsert(def, mem) < 0)
        return -1;
    mem = NULL;
    return 0;
}


/**
 * qemuHvBalloonValidate:
 * @def: domain definition
 * @qemuCaps: capabilities of the QEMU binary
 *
 * Checks the domain around a hyperv balloon.
 *
 * Returns 0 if there is none or it can be used, -1 with an error otherwise.
 */
int
qemuHvBalloonValidate(const virDomainDef *def,
                      virQEMUCaps *qemuCaps)
{
    if (!virDomainDefHasHypervMemballoon(def))
        return 0;

    if (qemuHvBalloonValidateMachine(def) < 0 ||
        qemuHvBalloonValidateEnlightenments(def) < 0 ||
        qemuHvBalloonValidateCPU(def) < 0 ||
        qemuHvBalloonValidateMemory(def) < 0 ||
        qemuHvBalloonCheckMemoryDevices(def) < 0)
        return -1;

    if (!virQEMUCapsGet(qemuCaps, QEMU_CAPS_DEVICE_MEM_HAPROT) &&
        qemuHvBalloonValidateFixed(def, qemuCaps) < 0)
        return -1;

    return qemuHvBalloonCheckAddressSpace(def, qemuCaps, NULL);
}


/**
 * qemuHvBalloonValidateDevice:
 * @balloon: memory balloon of model 'hyperv'
 *
 * Refuses settings that only virtio balloons have.
 */
int
qemuHvBalloonValidateDevice(const virDomainMemballoonDef *balloon)
{
    const char *unsupported = NULL;

    if (balloon->autodeflate != VIR_TRISTATE_SWITCH_ABSENT)
        unsupported = "autodeflate=";
    else if (balloon->virtio)
        unsupported = "<driver>";
    else if (balloon->info.type != VIR_DOMAIN_DEVICE_ADDRESS_TYPE_NONE)
        unsupported = "<address>";
    else if (balloon->info.acpiIndex > 0)
        unsupported = "<acpi>";

    if (unsupported) {
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                       _("memory balloon model 'hyperv' does not support '%1$s': remove it"),
                       unsupported);
        return -1;
    }

    return 0;
}


/**
 * qemuHvBalloonValidateStick:
 * @mem: stick
 * @def: domain definition that it is or will be part of
 */
int
qemuHvBalloonValidateStick(const virDomainMemoryDef *mem,
                           const virDomainDef *def)
{
    size_t ncells = virDomainNumaGetNodeCount(def->numa);

    if (mem->targetNode >= 0 && (size_t) mem->targetNode != ncells - 1) {
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                       _("memory device model 'haprot' always belongs to the last guest NUMA node: set <node>%1$zu</node> or remove <node>%2$d</node>"),
                       ncells - 1, mem->targetNode);
        return -1;
    }

    if (mem->source.haprot.pagesize > 0 &&
        mem->size % mem->source.haprot.pagesize != 0) {
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                       _("size %1$llu KiB of a 'haprot' memory device must be a multiple of its <pagesize> of %2$llu KiB; the nearest above is %3$llu KiB"),
                       mem->size, mem->source.haprot.pagesize,
                       VIR_ROUND_UP(mem->size, mem->source.haprot.pagesize));
        return -1;
    }

    return qemuHvBalloonValidateStickAddress(mem);
}


/**
 * qemuHvBalloonFillDomainCaps:
 * @qemuCaps: capabilities of the QEMU binary
 * @domCaps: domain capabilities to complete
 *
 * Reports the supported models of balloon and memory device, if the hyperv
 * balloon is one of them, for which the machine type matters too. Otherwise they
 * stay unreported, as in libvirt without it.
 */
void
qemuHvBalloonFillDomainCaps(virQEMUCaps *qemuCaps,
                            virDomainCaps *domCaps)
{
    virDomainCapsDeviceMemballoon *memballoon = &domCaps->memballoon;
    virDomainCapsDeviceMemory *memory = &domCaps->memory;

    if (domCaps->arch != VIR_ARCH_X86_64 ||
        !(qemuDomainMachineIsQ35(domCaps->machine, domCaps->arch) ||
          qemuDomainMachineIsI440FX(domCaps->machine, domCaps->arch)) ||
        !virQEMUCapsGet(qemuCaps, QEMU_CAPS_DEVICE_MEM_HAPROT))
        return;

    memballoon->supported = VIR_TRISTATE_BOOL_YES;
    memballoon->model.report = true;
    VIR_DOMAIN_CAPS_ENUM_SET(memballoon->model,
                             VIR_DOMAIN_MEMBALLOON_MODEL_NONE,
                             VIR_DOMAIN_MEMBALLOON_MODEL_VIRTIO,
                             VIR_DOMAIN_MEMBALLOON_MODEL_VIRTIO_TRANSITIONAL,
                             VIR_DOMAIN_MEMBALLOON_MODEL_VIRTIO_NON_TRANSITIONAL,
                             VIR_DOMAIN_MEMBALLOON_MODEL_HYPERV);

    memory->supported = VIR_TRISTATE_BOOL_YES;
    memory->model.report = true;
    VIR_DOMAIN_CAPS_ENUM_SET(memory->model, VIR_DOMAIN_MEMORY_MODEL_HAPROT);

    if (virQEMUCapsGet(qemuCaps, QEMU_CAPS_DEVICE_PC_DIMM))
        VIR_DOMAIN_CAPS_ENUM_SET(memory->model, VIR_DOMAIN_MEMORY_MODEL_DIMM);
    if (virQEMUCapsGet(qemuCaps, QEMU_CAPS_DEVICE_NVDIMM))
        VIR_DOMAIN_CAPS_ENUM_SET(memory->model, VIR_DOMAIN_MEMORY_MODEL_NVDIMM);
    if (virQEMUCapsGet(qemuCaps, QEMU_CAPS_DEVICE_VIRTIO_PMEM_PCI))
        VIR_DOMAIN_CAPS_ENUM_SET(memory->model, VIR_DOMAIN_MEMORY_MODEL_VIRTIO_PMEM);
    if (virQEMUCapsGet(qemuCaps, QEMU_CAPS_DEVICE_VIRTIO_MEM_PCI))
        VIR_DOMAIN_CAPS_ENUM_SET(memory->model, VIR_DOMAIN_MEMORY_MODEL_VIRTIO_MEM);
    if (virQEMUCapsGet(qemuCaps, QEMU_CAPS_SGX_EPC))
        VIR_DOMAIN_CAPS_ENUM_SET(memory->model, VIR_DOMAIN_MEMORY_MODEL_SGX_EPC);
}


/**
 * qemuHvBalloonBuildCpuFlags:
 *
 * Adds the flag for free page reporting: CPUID announces it, not the device.
 */
void
qemuHvBalloonBuildCpuFlags(virBuffer *buf,
                           const virDomainDef *def)
{
    if (virDomainDefHasHypervMemballoon(def) &&
        def->memballoon->free_page_reporting == VIR_TRISTATE_SWITCH_ON)
        virBufferAddLit(buf, ",hv-free-page-reporting=on");
}


virJSONValue *
qemuHvBalloonBuildBusProps(void)
{
    g_autoptr(virJSONValue) props = NULL;

    if (virJSONValueObjectAdd(&props, "s:driver", "vmbus-bridge", NULL) < 0)
        return NULL;

    return g_steal_pointer(&props);
}


virJSONValue *
qemuHvBalloonBuildProps(const virDomainDef *def,
                        virQEMUCaps *qemuCaps)
{
    g_autoptr(virJSONValue) props = NULL;
    g_autofree char *memdev = NULL;

    if (qemuHvBalloonIsFixed(def, qemuCaps) && def->nmems > 0)
        memdev = g_strdup_printf("mem%s", def->mems[0]->info.alias);

    if (virJSONValueObjectAdd(&props,
                              "s:driver", "hv-balloon",
                              "s:id", def->memballoon->info.alias,
                              "S:memdev", memdev,
                              NULL) < 0)
        return NULL;

    return g_steal_pointer(&props);
}


/**
 * qemuHvBalloonBuildStickProps:
 * @mem: stick with its alias and insert mode set
 *
 * Returns the properties for '-device' and device_add.
 */
virJSONValue *
qemuHvBalloonBuildStickProps(const virDomainMemoryDef *mem)
{
    g_autoptr(virJSONValue) props = NULL;
    g_autofree char *memdev = g_strdup_printf("mem%s", mem->info.alias);
    const char *insert = NULL;

    if (mem->target.haprot.insert != VIR_DOMAIN_MEMORY_INSERT_MODE_DEFAULT)
        insert = virDomainMemoryInsertModeTypeToString(mem->target.haprot.insert);

    if (virJSONValueObjectAdd(&props,
                              "s:driver", "mem-haprot",
                              "s:memdev", memdev,
                              "P:addr", mem->target.haprot.address,
                              "S:insert", insert,
                              "s:id", mem->info.alias,
                              NULL) < 0)
        return NULL;

    return g_steal_pointer(&props);
}
