/*
 * hvmem-needs.c: what a definition needs from its host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-needs.h"

#include <stdlib.h>
#include <string.h>

/* QEMU's defaults. */
#define DEFAULT_ADDRESS_BITS 40
#define HOLE_Q35 (32 * HVMEM_GIB)
#define HOLE_PC (2 * HVMEM_GIB)

/* The driver reserves twice the address space that sticks can take, up to this much more. */
#define SPACE_SLACK (32 * HVMEM_GIB)

/* AMD processors reserve addresses below 1 TiB. QEMU moves memory that would reach into them above. */
#define AMD_HOLE (1012 * HVMEM_GIB)
#define AMD_ABOVE (1024 * HVMEM_GIB)


/*
 * Lists of numbers
 */

static bool
rangeHas(const char *range,
         guint n)
{
    char *end;
    gulong first = strtoul(range, &end, 10);
    gulong last = *end == '-' ? strtoul(end + 1, NULL, 10) : first;

    return first <= n && n <= last;
}


bool
hvmemListHas(const char *list,
             guint n)
{
    g_auto(GStrv) ranges = g_strsplit(list, ",", -1);
    bool has = false;
    size_t i;

    for (i = 0; ranges[i]; i++) {
        const char *range = g_strstrip(ranges[i]);

        if (*range == '^')
            has = has && !rangeHas(range + 1, n);
        else
            has = has || rangeHas(range, n);
    }
    return has;
}


/*
 * Reading a definition
 */

static void
readEnlightenments(hvmemNeeds *needs,
                   xmlNodePtr root)
{
    g_autoptr(GPtrArray) nodes = hvmemXMLNodes(root, "features/hyperv/*[@state = 'on']");
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    size_t i;

    for (i = 0; i < nodes->len; i++)
        g_ptr_array_add(names, g_strdup((const char *)((xmlNodePtr)nodes->pdata[i])->name));
    g_ptr_array_add(names, NULL);
    needs->enlightenments = (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);

    needs->hypervVendor = hvmemXMLString(root, "string(features/hyperv/vendor_id[@state = 'on']/@value)");
    if (g_strcmp0(needs->hypervVendor, "Microsoft Hv") == 0)
        g_clear_pointer(&needs->hypervVendor, g_free);
}


/* 32-bit models. */
static guint
bitsOfOldModel(const char *model)
{
    static const char *const models32[] = { "486", "pentium" };
    static const char *const models36[] = {
        "pentium2", "pentium3", "pentiumpro", "coreduo", "n270", "athlon", "qemu32", "kvm32", "cpu64-rhel5-32",
    };
    size_t i;

    for (i = 0; model && i < G_N_ELEMENTS(models32); i++) {
        if (strcmp(model, models32[i]) == 0)
            return 32;
    }
    for (i = 0; model && i < G_N_ELEMENTS(models36); i++) {
        if (strcmp(model, models36[i]) == 0)
            return 36;
    }
    return 0;
}


static bool
isWordSize(guint bits)
{
    return bits >= 32 && bits <= 64;
}


/* QEMU uses the host's number only with KVM, and not for 'host-model', which becomes a named model. For 'host-passthrough' and 'maximum' it ignores any
 * number, but not 'emulate' without one. A 32-bit processor has no PCI hole above the memory. */
static void
readAddresses(hvmemNeeds *needs,
              xmlNodePtr root)
{
    bool kvm = hvmemXMLTest(root, "@type = 'kvm'");
    bool hosts = kvm && hvmemXMLTest(root, "cpu[@mode = 'host-passthrough' or @mode = 'maximum'][not(maxphysaddr[@mode = 'emulate' and not(@bits)])]");
    bool passed = kvm && hvmemXMLTest(root, "cpu/maxphysaddr[@mode = 'passthrough']");
    g_autofree char *bits = hvmemXMLString(root, "string(cpu/maxphysaddr[@mode = 'emulate']/@bits)");
    g_autofree char *limit = hvmemXMLString(root, "string(cpu/maxphysaddr[@mode = 'passthrough']/@limit)");
    g_autofree char *model = hvmemXMLString(root, "normalize-space(cpu/model)");
    guint old = bitsOfOldModel(model);
    guint said = bits ? strtoul(bits, NULL, 10) : 0;
    guint most = limit ? strtoul(limit, NULL, 10) : 0;

    if (old)
        needs->addressBits = old;
    else if (hosts || passed)
        needs->addressBits = 0;
    else
        needs->addressBits = isWordSize(said) ? said : DEFAULT_ADDRESS_BITS;

    needs->addressLimit = isWordSize(most) ? most : 0;
    needs->q35 = hvmemXMLTest(root, "contains(os/type/@machine, 'q35')");
    if (!old)
        needs->pciHole = hvmemXMLSize(root, "devices/controller[@type = 'pci' and @index = '0']/pcihole64", needs->q35 ? HOLE_Q35 : HOLE_PC);
}


static guint64
pageSize(xmlNodePtr page)
{
    g_autofree char *size = hvmemXMLString(page, "string(@size)");
    g_autofree char *unit = hvmemXMLString(page, "string(@unit)");
    guint64 bytes = size ? hvmemXMLScale(size, unit) : 1;

    /* pages of the usual size: no huge pages */
    return bytes > 4 * HVMEM_KIB ? bytes : bytes == 1;
}


/* The page size of @cell: by a <page> that names it, else by the one that names none. @cell -1: there are no cells. */
static guint64
pageOfCell(xmlNodePtr root,
           int cell)
{
    g_autoptr(GPtrArray) pages = hvmemXMLNodes(root, "memoryBacking/hugepages/page");
    guint64 any = hvmemXMLTest(root, "memoryBacking/hugepages[not(page)]");
    size_t i;

    for (i = 0; i < pages->len; i++) {
        g_autofree char *nodeset = hvmemXMLString(pages->pdata[i], "string(@nodeset)");

        if (!nodeset)
            any = pageSize(pages->pdata[i]);
        else if (cell >= 0 && hvmemListHas(nodeset, cell))
            return pageSize(pages->pdata[i]);
    }
    return any;
}


static void
addPages(GArray *list,
         guint64 size,
         guint64 bytes)
{
    hvmemPages new = { .size = size, .bytes = bytes };
    size_t i;

    if (size == 0)
        return;

    for (i = 0; i < list->len; i++) {
        hvmemPages *pages = &g_array_index(list, hvmemPages, i);

        if (pages->size == size) {
            pages->bytes += bytes;
            return;
        }
    }
    g_array_append_val(list, new);
}


static guint64
cellSize(xmlNodePtr cell)
{
    g_autofree char *number = hvmemXMLString(cell, "string(@memory)");
    g_autofree char *unit = hvmemXMLString(cell, "string(@unit)");

    return number ? hvmemXMLScale(number, unit) : 0;
}


/* Sticks belong to the last cell. */
static void
readHugepages(hvmemNeeds *needs,
              xmlNodePtr root)
{
    g_autoptr(GPtrArray) cells = hvmemXMLNodes(root, "cpu/numa/cell");
    guint64 boot = hvmemXMLSize(root, "memory", 0);
    size_t i;

    needs->hugepages = g_array_new(FALSE, FALSE, sizeof(hvmemPages));
    needs->stickPage = pageOfCell(root, (int)cells->len - 1);

    for (i = 0; i < cells->len; i++)
        addPages(needs->hugepages, pageOfCell(root, i), cellSize(cells->pdata[i]));

    if (cells->len == 0) {
        g_autoptr(GPtrArray) devices = hvmemXMLNodes(root, "devices/memory");

        for (i = 0; i < devices->len; i++)
            boot -= MIN(boot, hvmemXMLSize(devices->pdata[i], "target/size", 0));
        addPages(needs->hugepages, needs->stickPage, boot);
    }
}


/* Files that libvirt or QEMU opens when the guest starts. */
#define FILES "devices/disk/source[not(@startupPolicy = 'optional')]/@file | devices/disk/source[not(@startupPolicy = 'optional')]/@dev | " \
              "devices/filesystem[@type = 'mount']/source/@dir | devices/rng/backend[@model = 'random'] | " \
              "os/kernel | os/initrd | os/loader | os/dtb"


/* The values of @what for each of @nodes that has one. */
static GPtrArray *
readStrings(xmlNodePtr root,
            const char *nodes,
            const char *what)
{
    g_autoptr(GPtrArray) found = hvmemXMLNodes(root, nodes);
    GPtrArray *strings = g_ptr_array_new_with_free_func(g_free);
    size_t i;

    for (i = 0; i < found->len; i++) {
        char *text = hvmemXMLString(found->pdata[i], what);

        if (text)
            g_ptr_array_add(strings, text);
    }
    return strings;
}


/* Not with forbidden features or match='strict': there libvirt's comparison is stricter than check='full'. */
static void
readExactCPU(hvmemNeeds *needs,
             xmlNodePtr root)
{
    xmlNodePtr cpu = hvmemXMLNode(root, "cpu[@check = 'full' and (@mode = 'custom' or not(@mode)) and model and not(@match = 'strict') and "
                                  "not(feature[@policy = 'forbid'])]");

    needs->exactCPU = cpu ? hvmemXMLDumpNode(cpu) : NULL;
}


void
hvmemNeedsRead(hvmemNeeds *needs,
               xmlNodePtr root)
{
    needs->hypervisorHidden = hvmemXMLTest(root, "cpu/feature[@name = 'hypervisor' and (@policy = 'disable' or @policy = 'forbid')]");
    needs->pvspinlock = hvmemXMLTest(root, "features/pvspinlock[@state = 'on']");
    needs->checkedInFull = hvmemXMLTest(root, "cpu[@check = 'full' and (@mode = 'custom' or not(@mode)) and model and not(feature[@name = 'hypervisor'])]");
    needs->invariantTSC = hvmemXMLTest(root, "cpu/feature[@name = 'invtsc' and (@policy = 'require' or @policy = 'force' or not(@policy))]");
    readExactCPU(needs, root);
    needs->tscFrequency = hvmemXMLNumber(root, "string(clock/timer[@name = 'tsc' and @frequency > 0]/@frequency)");
    needs->hardLimit = hvmemXMLSize(root, "memtune/hard_limit", HVMEM_UNKNOWN);
    readEnlightenments(needs, root);
    readAddresses(needs, root);
    readHugepages(needs, root);
    needs->pins = readStrings(root, "cputune/vcpupin | cputune/emulatorpin | cputune/iothreadpin | vcpu", "string(@cpuset)");
    needs->networks = readStrings(root, "devices/interface[@type = 'network']/source", "string(@network)");
    needs->links = readStrings(root, "devices/interface[@type = 'bridge']/source/@bridge | devices/interface[@type = 'direct']/source/@dev",
                               "string(.)");
    needs->files = readStrings(root, FILES, "normalize-space(.)");
}


bool
hvmemNeedsHuge(const hvmemNeeds *needs)
{
    return needs->stickPage != 0 || (needs->hugepages && needs->hugepages->len > 0);
}


void
hvmemNeedsClear(hvmemNeeds *needs)
{
    g_clear_pointer(&needs->exactCPU, g_free);
    g_clear_pointer(&needs->hypervVendor, g_free);
    g_clear_pointer(&needs->enlightenments, g_strfreev);
    g_clear_pointer(&needs->hugepages, g_array_unref);
    g_clear_pointer(&needs->pins, g_ptr_array_unref);
    g_clear_pointer(&needs->files, g_ptr_array_unref);
    g_clear_pointer(&needs->networks, g_ptr_array_unref);
    g_clear_pointer(&needs->links, g_ptr_array_unref);
}


/*
 * Addresses
 */

static guint64
roundUp(guint64 bytes)
{
    return (bytes + HVMEM_GIB - 1) / HVMEM_GIB * HVMEM_GIB;
}


/* Boot memory leaves a gap below 4 GiB for devices. */
static guint64
endOfBoot(bool q35,
          guint64 boot)
{
    guint64 low = q35 ? (boot >= 0xb0000000ULL ? 0x80000000ULL : boot) : (boot >= 0xe0000000ULL ? 0xc0000000ULL : boot);

    return roundUp(4 * HVMEM_GIB + boot - low);
}


guint64
hvmemNeedsTop(const hvmemNeeds *needs,
              guint64 boot,
              guint64 max,
              bool amd)
{
    guint64 sticks = max - MIN(max, boot);
    guint64 top;

    /* more than any processor has */
    if (max > G_MAXUINT64 / 4 || boot > G_MAXUINT64 / 4)
        return G_MAXUINT64;

    top = roundUp(endOfBoot(needs->q35, boot) + sticks + MIN(sticks, SPACE_SLACK)) + needs->pciHole;

    return amd && top > AMD_HOLE ? top + AMD_ABOVE - 4 * HVMEM_GIB : top;
}


guint64
hvmemNeedsCeiling(const hvmemNeeds *needs,
                  guint64 boot,
                  guint bits,
                  bool amd)
{
    guint64 least = boot / HVMEM_GIB;
    guint64 most = bits >= 60 ? G_MAXUINT64 / 4 / HVMEM_GIB : (1ULL << bits) / HVMEM_GIB;

    if (hvmemNeedsTop(needs, boot, boot, amd) > 1ULL << MIN(bits, 63))
        return 0;

    /* @least fits, @most does not */
    while (most - least > 1) {
        guint64 middle = least + (most - least) / 2;

        if (hvmemNeedsTop(needs, boot, middle * HVMEM_GIB, amd) <= 1ULL << MIN(bits, 63))
            least = middle;
        else
            most = middle;
    }
    return MAX(least * HVMEM_GIB, boot);
}
