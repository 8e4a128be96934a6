/*
 * qemu_hvballoon_space.c: the address space that a guest with a hyperv balloon
 *                         needs, and whether its processor has it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon_space.h"
#include "qemu_domain.h"
#include "qemu_hvballoon_def.h"
#include "qemu_hvballoon_plan.h"

#include "cpu/cpu.h"
#include "viralloc.h"
#include "virerror.h"
#include "virstring.h"

#define VIR_FROM_THIS VIR_FROM_QEMU

#define GIB (1ULL << 30)

/* The most address space beyond <maxMemory>, in KiB. */
#define QEMU_HVBALLOON_SPACE_SLACK (32ULL << 20)

/* What the fixed backend of a QEMU without sticks is aligned to, in KiB. */
#define QEMU_HVBALLOON_FIXED_ALIGNMENT (32ULL << 20)

/* The default of QEMU's processors. */
#define QEMU_HVBALLOON_DEFAULT_BITS 40

/* Boot memory leaves a gap below 4 GiB for devices. By machine type and size QEMU
 * puts at least and at most this much below the gap, or all of it if it is
 * less. */
#define QEMU_HVBALLOON_LOW_LEAST (2 * GIB)
#define QEMU_HVBALLOON_LOW_MOST (4 * GIB)

/* Every host's processor can address this much. */
#define QEMU_HVBALLOON_EVERY_HOST (1ULL << 36)

/* No processor of QEMU's has more. */
#define QEMU_HVBALLOON_MOST_BITS 52

/* With an AMD processor, memory that would reach into the HyperTransport range
 * below 1 TiB is moved above it, except for machine types up to 7.0. */
#define QEMU_HVBALLOON_HT_START 0xfd00000000ULL
#define QEMU_HVBALLOON_HT_END (1ULL << 40)
#define QEMU_HVBALLOON_HT_IGNORED_UP_TO 7000

/* Machine types up to 2.4 do not count memory devices. */
#define QEMU_HVBALLOON_DEVICES_IGNORED_UP_TO 2004


static unsigned long long
qemuHvBalloonBoot(const virDomainDef *def)
{
    return virDomainDefGetMemoryInitial(def) * 1024;
}


/* Sticks that are removed leave holes between others. So there is more address
 * space than sticks can add up to, which costs nothing, and a stick that
 * <maxMemory> allows finds room. A fixed backend needs room for its alignment. */
static unsigned long long
qemuHvBalloonMaxmemOf(const virDomainDef *def,
                      bool fixed,
                      unsigned long long maxMemory)
{
    unsigned long long sticks = maxMemory - MIN(maxMemory, virDomainDefGetMemoryInitial(def));

    if (fixed)
        return maxMemory + QEMU_HVBALLOON_FIXED_ALIGNMENT;

    return maxMemory + MIN(sticks, QEMU_HVBALLOON_SPACE_SLACK);
}


/**
 * qemuHvBalloonMaxmemFor:
 *
 * Returns QEMU's maxmem= for @def, in KiB.
 */
unsigned long long
qemuHvBalloonMaxmemFor(const virDomainDef *def,
                       virQEMUCaps *qemuCaps)
{
    if (!virDomainDefHasHypervMemballoon(def))
        return def->mem.max_memory;

    return qemuHvBalloonMaxmemOf(def, qemuHvBalloonIsFixed(def, qemuCaps), def->mem.max_memory);
}


/**
 * qemuHvBalloonSlots:
 *
 * Returns QEMU's slots= for @def. Sticks take no slot, and nothing else can be
 * plugged beside them. For each slot QEMU would reserve 1 GiB of address space.
 */
unsigned int
qemuHvBalloonSlots(const virDomainDef *def)
{
    return virDomainDefHasHypervMemballoon(def) ? 0 : def->mem.memory_slots;
}


/**
 * qemuHvBalloonValidateStickAddress:
 *
 * Checks that the address of @mem is possible. Whether it is free for a stick is
 * for QEMU to check.
 */
int
qemuHvBalloonValidateStickAddress(const virDomainMemoryDef *mem)
{
    unsigned long long address = mem->target.haprot.address;

    if (address == 0 ||
        (address <= LLONG_MAX && mem->size <= (LLONG_MAX - address) / 1024))
        return 0;

    virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                   _("the 'haprot' memory device '%1$s' of %2$llu KiB at base address 0x%3$llx ends above the highest possible address: choose a lower one, or remove <address> to let QEMU choose"),
                   NULLSTR(mem->info.alias), mem->size, address);
    return -1;
}


/* The room for PCI devices above all memory, in bytes. */
static unsigned long long
qemuHvBalloonPCIHole(const virDomainDef *def)
{
    size_t i;

    for (i = 0; i < def->ncontrollers; i++) {
        const virDomainControllerDef *cont = def->controllers[i];

        if (cont->type == VIR_DOMAIN_CONTROLLER_TYPE_PCI &&
            cont->idx == 0 && cont->opts.pciopts.pcihole64)
            return cont->opts.pciopts.pcihole64size * 1024;
    }

    return qemuDomainIsQ35(def) ? 32 * GIB : 2 * GIB;
}


/* The end of all memory and the PCI hole, in bytes, if memory above the gap begins
 * at @base. @maxmem: in KiB. @low: bytes of boot memory below the gap. */
static unsigned long long
qemuHvBalloonEndFrom(const virDomainDef *def,
                     unsigned long long maxmem,
                     unsigned long long low,
                     unsigned long long base)
{
    unsigned long long boot = qemuHvBalloonBoot(def);
    unsigned long long bootEnd = base + boot - MIN(boot, low);
    unsigned long long sticks = maxmem * 1024 - MIN(maxmem * 1024, boot);

    if (sticks > 0)
        bootEnd = VIR_ROUND_UP(bootEnd, GIB);

    return VIR_ROUND_UP(bootEnd + sticks, GIB) + qemuHvBalloonPCIHole(def);
}


static unsigned long long
qemuHvBalloonEnd(const virDomainDef *def,
                 unsigned long long maxmem,
                 unsigned long long low,
                 bool amd)
{
    unsigned long long end = qemuHvBalloonEndFrom(def, maxmem, low, 4 * GIB);

    if (amd && end > QEMU_HVBALLOON_HT_START)
        return qemuHvBalloonEndFrom(def, maxmem, low, QEMU_HVBALLOON_HT_END);

    return end;
}


/* The lowest possible end, wherever QEMU leaves the gap. */
static unsigned long long
qemuHvBalloonLowestEnd(const virDomainDef *def,
                       virQEMUCaps *qemuCaps,
                       bool amd)
{
    return qemuHvBalloonEnd(def, qemuHvBalloonMaxmemFor(def, qemuCaps),
                            QEMU_HVBALLOON_LOW_MOST, amd);
}


/* The version in a machine type, such as 2012 for 2.12; 0 if it is not one of
 * QEMU's own. */
static unsigned int
qemuHvBalloonMachineVersion(const virDomainDef *def)
{
    const char *version = strrchr(def->os.machine, '-');
    unsigned int major;
    unsigned int minor;
    char *end;

    /* the latest */
    if (!version)
        return G_MAXUINT;

    if (virStrToLong_ui(version + 1, &end, 10, &major) < 0 || *end != '.' ||
        virStrToLong_ui(end + 1, &end, 10, &minor) < 0)
        return 0;

    return major * 1000 + minor;
}


/* Does <qemu:commandline> change what is calculated here? */
static bool
qemuHvBalloonIsOverridden(const virDomainDef *def)
{
    const qemuDomainXmlNsDef *nsdef = def->namespaceData;
    char **arg;

    for (arg = nsdef ? nsdef->args : NULL; arg && *arg; arg++) {
        if (STREQ(*arg, "-cpu") ||
            strstr(*arg, "phys-bits") ||
            strstr(*arg, "pci-hole64-size"))
            return true;
    }

    return false;
}


/* Nothing is checked for a distribution's own machine types: some give every
 * processor the bits of the host. */
static bool
qemuHvBalloonIsLeftToQEMU(const virDomainDef *def)
{
    return qemuHvBalloonMachineVersion(def) <= QEMU_HVBALLOON_DEVICES_IGNORED_UP_TO ||
        qemuHvBalloonIsOverridden(def);
}


/* Is the guest's processor one of AMD's, as far as is known? With KVM the vendor
 * is that of the host, unless one is set; without, it is that of the model. */
static bool
qemuHvBalloonCPUIsAMD(const virDomainDef *def,
                      const virCPUDef *hostcpu)
{
    const virCPUDef *cpu = def->cpu;

    if (cpu && cpu->vendor_id)
        return STREQ(cpu->vendor_id, "AuthenticAMD");

    if (def->virtType == VIR_DOMAIN_VIRT_KVM)
        return hostcpu && STREQ_NULLABLE(hostcpu->vendor, "AMD");

    /* QEMU's 'max' and 'qemu64' are AMD's */
    if (!cpu || cpu->mode != VIR_CPU_MODE_CUSTOM || !cpu->model ||
        STREQ(cpu->model, "qemu64"))
        return true;

    return STREQ_NULLABLE(virCPUGetVendorForModel(def->os.arch, cpu->model), "AMD");
}


static unsigned int
qemuHvBalloonHostBits(const virCPUDef *hostcpu)
{
    return hostcpu && hostcpu->addr && hostcpu->addr->bits > 0 ? hostcpu->addr->bits : 0;
}


/* The number of physical address bits of the guest's processor; 0: not known. */
static unsigned int
qemuHvBalloonCPUBits(const virDomainDef *def,
                     const virCPUDef *hostcpu)
{
    const virCPUDef *cpu = def->cpu;
    const virCPUMaxPhysAddrDef *addr = cpu ? cpu->addr : NULL;
    unsigned int host = qemuHvBalloonHostBits(hostcpu);
    bool hosts = def->virtType == VIR_DOMAIN_VIRT_KVM && cpu &&
        (cpu->mode == VIR_CPU_MODE_HOST_PASSTHROUGH ||
         cpu->mode == VIR_CPU_MODE_MAXIMUM);

    /* QEMU ignores phys-bits= then */
    if (hosts && addr && addr->mode == VIR_CPU_MAX_PHYS_ADDR_MODE_EMULATE && addr->bits > 0)
        return host;

    if (addr && addr->mode == VIR_CPU_MAX_PHYS_ADDR_MODE_EMULATE)
        return addr->bits > 0 ? addr->bits : QEMU_HVBALLOON_DEFAULT_BITS;

    /* the host does not matter without KVM */
    if (def->virtType != VIR_DOMAIN_VIRT_KVM)
        return QEMU_HVBALLOON_DEFAULT_BITS;

    if (addr)
        return addr->limit > 0 && (host == 0 || addr->limit < host) ? addr->limit : host;

    /* 'host-model' becomes a named model when the domain starts */
    return hosts ? host : QEMU_HVBALLOON_DEFAULT_BITS;
}


/* Processors without long mode have other limits, which are left to QEMU. */
static bool
qemuHvBalloonCPUIs32Bit(const virDomainDef *def)
{
    const char *const models[] = {
        "486", "athlon", "coreduo", "kvm32", "n270", "pentium", "pentium2",
        "pentium3", "qemu32", NULL,
    };

    return def->cpu && def->cpu->mode == VIR_CPU_MODE_CUSTOM && def->cpu->model &&
        g_strv_contains(models, def->cpu->model);
}


/* The largest <maxMemory>, in KiB, for which all memory ends at or below @limit
 * wherever QEMU leaves the gap; 0 if there is none. */
static unsigned long long
qemuHvBalloonLargestMaxMemory(const virDomainDef *def,
                              bool fixed,
                              bool amd,
                              unsigned long long limit)
{
    unsigned long long fits = 0;
    unsigned long long tooMuch = def->mem.max_memory / QEMU_HVBALLOON_STICK_GRANULE + 1;
    unsigned long long least = virDomainDefGetMemoryInitial(def);

    while (fits + 1 < tooMuch) {
        unsigned long long mid = fits + (tooMuch - fits) / 2;
        unsigned long long maxmem = qemuHvBalloonMaxmemOf(def, fixed, mid * QEMU_HVBALLOON_STICK_GRANULE);

        if (qemuHvBalloonEnd(def, maxmem, QEMU_HVBALLOON_LOW_LEAST, amd) <= limit)
            fits = mid;
        else
            tooMuch = mid;
    }

    fits *= QEMU_HVBALLOON_STICK_GRANULE;
    return fits >= least ? fits : 0;
}


static unsigned int
qemuHvBalloonBitsFor(unsigned long long end)
{
    unsigned int bits = 32;

    while (bits < 63 && 1ULL << bits < end)
        bits++;

    return bits;
}


/* @most: the most bits that the CPU could be configured to have. */
static void
qemuHvBalloonReportAddressSpace(const virDomainDef *def,
                                unsigned int bits,
                                unsigned int needed,
                                unsigned int most,
                                unsigned long long largest)
{
    g_auto(virBuffer) fix = VIR_BUFFER_INITIALIZER;
    g_autofree char *text = NULL;

    if (largest > 0)
        virBufferAsprintf(&fix, _("lower <maxMemory> to %1$llu KiB or less"), largest);
    else
        virBufferAdd(&fix, _("lower <memory> and <maxMemory>"), -1);

    if (needed <= most && def->virtType == VIR_DOMAIN_VIRT_KVM)
        virBufferAdd(&fix, _(", or give the CPU as many as the host, if that is enough: <maxphysaddr mode='passthrough'/> in <cpu>"), -1);
    else if (needed <= most)
        virBufferAsprintf(&fix, _(", or give the CPU more, if the host has them: <maxphysaddr mode='emulate' bits='%1$u'/> in <cpu>"),
                          needed);

    text = virBufferContentAndReset(&fix);
    virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                   _("<maxMemory> of %1$llu KiB, with the room for PCI devices above it, needs %2$u bits of physical address, the CPU of this domain has %3$u: %4$s"),
                   (unsigned long long)def->mem.max_memory, needed, bits, text);
}


/**
 * qemuHvBalloonCheckAddressSpace:
 * @hostcpu: the host's processor, or NULL to refuse only what no host can run
 *
 * Can the processor of @def address all that <maxMemory> allows? Reports an error
 * that names the largest possible value if not.
 */
int
qemuHvBalloonCheckAddressSpace(const virDomainDef *def,
                               virQEMUCaps *qemuCaps,
                               const virCPUDef *hostcpu)
{
    unsigned int bits = qemuHvBalloonCPUBits(def, hostcpu);
    unsigned int host = qemuHvBalloonHostBits(hostcpu);
    bool amd = qemuHvBalloonCPUIsAMD(def, hostcpu) &&
        qemuHvBalloonMachineVersion(def) > QEMU_HVBALLOON_HT_IGNORED_UP_TO;
    bool fixed = qemuHvBalloonIsFixed(def, qemuCaps);
    unsigned long long end;

    if (!virDomainDefHasHypervMemballoon(def) || bits == 0 || bits > 62 ||
        qemuHvBalloonCPUIs32Bit(def) || qemuHvBalloonIsLeftToQEMU(def))
        return 0;

    end = qemuHvBalloonLowestEnd(def, qemuCaps, amd);
    if (end <= 1ULL << bits)
        return 0;

    qemuHvBalloonReportAddressSpace(def, bits, qemuHvBalloonBitsFor(end),
                                    host > 0 ? host : QEMU_HVBALLOON_MOST_BITS,
                                    qemuHvBalloonLargestMaxMemory(def, fixed, amd, 1ULL << bits));
    return -1;
}


/**
 * qemuHvBalloonStartValidate:
 *
 * As qemuHvBalloonCheckAddressSpace(), for this host.
 */
int
qemuHvBalloonStartValidate(virQEMUDriver *driver,
                           const virDomainDef *def,
                           virQEMUCaps *qemuCaps)
{
    g_autoptr(virCPUDef) hostcpu = NULL;

    if (!virDomainDefHasHypervMemballoon(def) ||
        def->virtType != VIR_DOMAIN_VIRT_KVM ||
        qemuHvBalloonLowestEnd(def, qemuCaps, true) <= QEMU_HVBALLOON_EVERY_HOST)
        return 0;

    hostcpu = virQEMUDriverGetHostCPU(driver);
    return qemuHvBalloonCheckAddressSpace(def, qemuCaps, hostcpu);
}


/* "N KiB ('A')" for each memory device. */
static char *
qemuHvBalloonNameSticks(const virDomainDef *def)
{
    g_auto(virBuffer) buf = VIR_BUFFER_INITIALIZER;
    size_t i;

    for (i = 0; i < def->nmems; i++) {
        virBufferAsprintf(&buf, "%llu KiB", def->mems[i]->size);
        if (def->mems[i]->info.alias)
            virBufferAsprintf(&buf, " ('%s')", def->mems[i]->info.alias);
        virBufferAddLit(&buf, ", ");
    }

    virBufferTrim(&buf, ", ");
    return virBufferContentAndReset(&buf);
}


/* Clients redefine a domain with only <memory> changed. If the sticks leave no
 * boot memory then, drops those of the driver's. Returns the sum of those that
 * are left. */
static unsigned long long
qemuHvBalloonDropSticks(virDomainDef *def,
                        unsigned long long total)
{
    unsigned long long sticks = 0;
    size_t i;

    for (i = 0; i < def->nmems; i++)
        sticks += def->mems[i]->size;

    for (i = def->nmems; i > 0 && sticks >= total; i--) {
        virDomainMemoryDef *mem = def->mems[i - 1];

        if (!qemuHvBalloonStickIsDriverOwned(mem))
            continue;

        sticks -= mem->size;
        VIR_DELETE_ELEMENT(def->mems, i - 1, def->nmems);
        virDomainMemoryDefFree(mem);
    }

    return sticks;
}


/**
 * qemuHvBalloonFitSizes:
 *
 * Checks that <maxMemory>, <memory> and the sticks of a new definition are
 * consistent. Drops sticks of the driver's where that helps; reports an error
 * otherwise.
 */
int
qemuHvBalloonFitSizes(virDomainDef *def)
{
    unsigned long long total = virDomainDefGetMemoryTotal(def);
    g_autofree char *names = NULL;

    /* with NUMA cells libvirt calculates <memory> */
    if (total == 0 || virDomainNumaGetNodeCount(def->numa) > 0)
        return 0;

    if (qemuHvBalloonDropSticks(def, total) >= total) {
        names = qemuHvBalloonNameSticks(def);
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                       _("<memory> of %1$llu KiB leaves no boot memory beside memory devices of %2$s: raise <memory>, which includes them, or remove some"),
                       total, names);
        return -1;
    }

    if (def->mem.max_memory > 0 && total > def->mem.max_memory) {
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                       _("<memory> of %1$llu KiB is above <maxMemory> of %2$llu KiB: raise <maxMemory> or lower <memory>"),
                       total, (unsigned long long)def->mem.max_memory);
        return -1;
    }

    return 0;
}
