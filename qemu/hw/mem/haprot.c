/*
 * Memory sticks for memory hot-add protocols (mem-haprot)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-hv-balloon.h"
#include "qapi/visitor.h"
#include "hw/boards.h"
#include "hw/mem/haprot.h"
#include "hw/mem/memory-device.h"
#include "hw/virtio/vhost.h"
#include "migration/vmstate.h"
#include "system/kvm.h"
#include "trace.h"

static HaprotProtocol *protocol;

/* The registry */

bool haprot_register_protocol(HaprotProtocol *proto, Error **errp)
{
    if (protocol) {
        error_setg(errp, "memory hot-add is already handled by %s",
                   protocol->name);
        return false;
    }
    protocol = proto;
    return true;
}

void haprot_unregister_protocol(HaprotProtocol *proto)
{
    if (protocol == proto) {
        protocol = NULL;
    }
}

/* Hotplug */

bool haprot_check_region(const char *name, MemoryRegion *mr, Error **errp)
{
    if (memory_region_is_rom(mr)) {
        error_setg(errp, "memory backend '%s' is read-only; a writable one is"
                   " needed", name);
        return false;
    }
    if (!QEMU_IS_ALIGNED(memory_region_size(mr), HAPROT_ALIGNMENT)) {
        error_setg(errp, "memory backend '%s' has size 0x%" PRIx64
                   "; a multiple of 2 MiB is needed",
                   name, memory_region_size(mr));
        return false;
    }
    return true;
}

static bool haprot_check_backend(const MemHaprot *stick, Error **errp)
{
    const char *name;

    if (!stick->memdev) {
        error_setg(errp, TYPE_MEM_HAPROT " needs memdev=, the id of a memory"
                   " backend");
        return false;
    }
    name = object_get_canonical_path_component(OBJECT(stick->memdev));
    if (host_memory_backend_is_mapped(stick->memdev)) {
        error_setg(errp, "memory backend '%s' is already in use", name);
        return false;
    }
    return haprot_check_region(name, haprot_memory_region(stick), errp);
}

/*
 * Each stick takes one memory slot of KVM and of vhost.  Some of the free ones
 * may be reserved by memory devices that map their memory later.
 */
static unsigned slots_left(unsigned free)
{
    unsigned reserved = memory_devices_get_reserved_memslots();

    return free > reserved ? free - reserved : 0;
}

unsigned haprot_free_slots(void)
{
    unsigned free = vhost_get_free_memslots();

    if (kvm_enabled()) {
        free = MIN(free, kvm_get_free_memslots());
    }
    return free == UINT_MAX ? UINT_MAX : slots_left(free);
}

static bool haprot_check_slots(const MemHaprot *stick, Error **errp)
{
    const char *taken = NULL;
    unsigned max = 0;

    if (kvm_enabled() && !slots_left(kvm_get_free_memslots())) {
        taken = "KVM";
        max = kvm_get_max_memslots();
    } else if (!slots_left(vhost_get_free_memslots())) {
        taken = "vhost";
        max = vhost_get_max_memslots();
    }
    if (taken) {
        error_setg(errp, TYPE_MEM_HAPROT " '%s' needs a memory slot of %s, and"
                   " all %u are taken: unplug unused sticks, or use fewer,"
                   " larger ones", haprot_name(stick), taken, max);
    }
    return !taken;
}

HaprotSpace *haprot_space(void)
{
    DeviceMemoryState *dms = MACHINE(qdev_get_machine())->device_memory;
    HaprotSpace *space;

    if (!dms) {
        return NULL;
    }
    space = g_new0(HaprotSpace, 1);
    space->base = dms->base;
    space->size = memory_region_size(&dms->mr);
    return space;
}

/*
 * The user cannot know where boot memory ends, so the error says which
 * addresses there are.
 */
static bool haprot_check_addr(const MemHaprot *stick, Error **errp)
{
    g_autoptr(HaprotSpace) space = haprot_space();
    uint64_t size = haprot_size(stick);

    if (!stick->addr || !space ||
        !QEMU_IS_ALIGNED(stick->addr, HAPROT_ALIGNMENT)) {
        /* memory_device_pre_plug() reports these */
        return true;
    }
    if (stick->addr < space->base || size > space->size ||
        stick->addr - space->base > space->size - size) {
        error_setg(errp, TYPE_MEM_HAPROT " '%s' of 0x%" PRIx64 " bytes at"
                   " address 0x%" PRIx64 " is not within the usable range for"
                   " memory devices, 0x%" PRIx64 " to 0x%" PRIx64 ": choose an"
                   " address there, or none and the first that fits is taken",
                   haprot_name(stick), size, stick->addr, space->base,
                   space->base + space->size - 1);
        return false;
    }
    return true;
}

void haprot_pre_plug(MemHaprot *stick, MachineState *ms, Error **errp)
{
    ERRP_GUARD();

    if (!protocol) {
        error_setg(errp, "no device here offers memory to the guest: add an"
                   " hv-balloon before " TYPE_MEM_HAPROT " '%s'",
                   haprot_name(stick));
        return;
    }
    if (!haprot_check_backend(stick, errp) ||
        !haprot_check_slots(stick, errp) ||
        !haprot_check_addr(stick, errp)) {
        return;
    }
    memory_device_pre_plug(MEMORY_DEVICE(stick), ms, errp);
    stick->placed = !*errp;
}

static uint64_t haprot_md_get_min_alignment(const MemoryDeviceState *md)
{
    MemHaprot *stick = MEM_HAPROT(md);

    return MAX(HAPROT_ALIGNMENT, host_memory_backend_pagesize(stick->memdev));
}

/*
 * The backend is in use while it is mapped, not while the device is realized:
 * "realized" can be set to false at any time, and the guest goes on using the
 * memory.
 */
static void haprot_map(MemHaprot *stick, MachineState *ms)
{
    host_memory_backend_set_mapped(stick->memdev, true);
    haprot_coordinate(stick, haprot_md_get_min_alignment(MEMORY_DEVICE(stick)));
    memory_device_plug(MEMORY_DEVICE(stick), ms);
    vmstate_register_ram(haprot_memory_region(stick), DEVICE(stick));
    stick->plugged = true;
}

static void haprot_unmap(MemHaprot *stick, MachineState *ms)
{
    stick->plugged = false;
    vmstate_unregister_ram(haprot_memory_region(stick), DEVICE(stick));
    memory_device_unplug(MEMORY_DEVICE(stick), ms);
    haprot_uncoordinate(stick);
    host_memory_backend_set_mapped(stick->memdev, false);
}

/* Map the memory before the handler can offer it to the guest. */
void haprot_plug(MemHaprot *stick, MachineState *ms, Error **errp)
{
    haprot_map(stick, ms);
    if (!protocol->plug(protocol, stick, errp)) {
        haprot_unmap(stick, ms);
        return;
    }
    trace_haprot_plug(haprot_name(stick), stick->addr, haprot_size(stick),
                      HaprotInsert_str(stick->insert));
}

/*
 * Synchronous, refused or not: the guest is not asked, as the handler knows
 * what the guest has.
 */
void haprot_unplug_request(MemHaprot *stick, HotplugHandler *hotplug,
                           Error **errp)
{
    ERRP_GUARD();

    if (!protocol->may_unplug(protocol, stick, errp)) {
        trace_haprot_unplug_refused(haprot_name(stick));
        error_prepend(errp, TYPE_MEM_HAPROT " '%s' cannot be unplugged: ",
                      haprot_name(stick));
        return;
    }
    hotplug_handler_unplug(hotplug, DEVICE(stick), errp);
    if (!*errp) {
        object_unparent(OBJECT(stick));
    }
}

void haprot_unplug(MemHaprot *stick, MachineState *ms)
{
    trace_haprot_unplug(haprot_name(stick), stick->addr, haprot_size(stick));
    protocol->unplug(protocol, stick);
    haprot_unmap(stick, ms);
    qdev_unrealize(DEVICE(stick));
}

/* MemoryDevice */

static uint64_t haprot_md_get_addr(const MemoryDeviceState *md)
{
    return MEM_HAPROT(md)->addr;
}

static void haprot_md_set_addr(MemoryDeviceState *md, uint64_t addr,
                               Error **errp)
{
    MEM_HAPROT(md)->addr = addr;
}

static MemoryRegion *haprot_md_get_memory_region(MemoryDeviceState *md,
                                                 Error **errp)
{
    MemHaprot *stick = MEM_HAPROT(md);

    if (!stick->memdev) {
        error_setg(errp, "'memdev' property must be set");
        return NULL;
    }
    return haprot_memory_region(stick);
}

static void haprot_md_fill_device_info(const MemoryDeviceState *md,
                                       MemoryDeviceInfo *info)
{
    MemHaprot *stick = MEM_HAPROT(md);
    MemHaprotDeviceInfo *hi = g_new0(MemHaprotDeviceInfo, 1);

    hi->id = g_strdup(DEVICE(stick)->id);
    hi->memaddr = stick->addr;
    hi->size = haprot_size(stick);
    hi->memdev = object_get_canonical_path(OBJECT(stick->memdev));

    info->type = MEMORY_DEVICE_INFO_KIND_MEM_HAPROT;
    info->u.mem_haprot.data = hi;
}

/* query-haprot */

static HaprotInfo *haprot_info(MemHaprot *stick)
{
    HaprotInfo *info = g_new0(HaprotInfo, 1);

    info->id = g_strdup(DEVICE(stick)->id);
    info->qom_path = haprot_qom_path(stick);
    info->memdev = object_get_canonical_path(OBJECT(stick->memdev));
    info->addr = stick->addr;
    info->size = haprot_size(stick);
    info->insert = stick->insert;
    protocol->query(protocol, stick, info);
    return info;
}

static int haprot_collect(Object *obj, void *opaque)
{
    GSList **sticks = opaque;

    if (object_dynamic_cast(obj, TYPE_MEM_HAPROT) && MEM_HAPROT(obj)->plugged) {
        *sticks = g_slist_prepend(*sticks, obj);
    }
    return 0;
}

/* Highest address first, as the list is built from its tail. */
static gint haprot_compare(gconstpointer a, gconstpointer b)
{
    const MemHaprot *x = a;
    const MemHaprot *y = b;

    return x->addr < y->addr ? 1 : -1;
}

HaprotInfoList *qmp_query_haprot(Error **errp)
{
    HaprotInfoList *list = NULL;
    GSList *sticks = NULL;
    GSList *item;

    object_child_foreach_recursive(qdev_get_machine(), haprot_collect,
                                   &sticks);
    sticks = g_slist_sort(sticks, haprot_compare);
    for (item = sticks; item; item = item->next) {
        QAPI_LIST_PREPEND(list, haprot_info(item->data));
    }
    g_slist_free(sticks);
    return list;
}

/* The device */

static void haprot_realize(DeviceState *dev, Error **errp)
{
    MemHaprot *stick = MEM_HAPROT(dev);

    if (!stick->placed) {
        error_setg(errp, "this machine type has no place for " TYPE_MEM_HAPROT
                   "; use q35 or pc");
    }
}

/*
 * Not qdev properties, which can be set while a device is not realized: a stick
 * is mapped until it is unplugged, realized or not.
 */
static bool haprot_may_set(Object *obj, const char *name, Error **errp)
{
    MemHaprot *stick = MEM_HAPROT(obj);

    if (stick->plugged) {
        error_setg(errp, "'%s' of " TYPE_MEM_HAPROT " '%s' is fixed once it"
                   " is plugged", name, haprot_name(stick));
    }
    return !stick->plugged;
}

static void haprot_check_memdev(const Object *obj, const char *name,
                                Object *value, Error **errp)
{
    haprot_may_set((Object *)obj, name, errp);
}

static void haprot_get_addr(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    visit_type_uint64(v, name, &MEM_HAPROT(obj)->addr, errp);
}

static void haprot_set_addr(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    if (haprot_may_set(obj, name, errp)) {
        visit_type_uint64(v, name, &MEM_HAPROT(obj)->addr, errp);
    }
}

static int haprot_get_insert(Object *obj, Error **errp)
{
    return MEM_HAPROT(obj)->insert;
}

static void haprot_set_insert(Object *obj, int value, Error **errp)
{
    if (haprot_may_set(obj, "insert", errp)) {
        MEM_HAPROT(obj)->insert = value;
    }
}

static void haprot_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    MemoryDeviceClass *mdc = MEMORY_DEVICE_CLASS(oc);

    dc->desc = "memory for a hot-add protocol (hv-balloon)";
    dc->realize = haprot_realize;
    object_class_property_add_link(oc, "memdev", TYPE_MEMORY_BACKEND,
                                   offsetof(MemHaprot, memdev),
                                   haprot_check_memdev, OBJ_PROP_LINK_STRONG);
    object_class_property_set_description(oc, "memdev",
        "the memory backend that is mapped");
    object_class_property_add(oc, "addr", "uint64", haprot_get_addr,
                              haprot_set_addr, NULL, NULL);
    object_class_property_set_description(oc, "addr",
        "guest physical address; 0: the first that fits");
    object_class_property_add_enum(oc, "insert", "HaprotInsert",
                                   &HaprotInsert_lookup,
                                   haprot_get_insert, haprot_set_insert);
    object_class_property_set_description(oc, "insert",
        "now: the target grows by the stick's size; on-demand: the guest gets"
        " only what the target asks for");
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);

    mdc->get_addr = haprot_md_get_addr;
    mdc->set_addr = haprot_md_set_addr;
    mdc->get_plugged_size = memory_device_get_region_size;
    mdc->get_memory_region = haprot_md_get_memory_region;
    mdc->get_min_alignment = haprot_md_get_min_alignment;
    mdc->fill_device_info = haprot_md_fill_device_info;
    haprot_discard_class_init(oc);
}

static const TypeInfo haprot_type_info = {
    .name = TYPE_MEM_HAPROT,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(MemHaprot),
    .class_init = haprot_class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_MEMORY_DEVICE },
        { TYPE_RAM_DISCARD_MANAGER },
        { }
    },
};

static void haprot_register_types(void)
{
    type_register_static(&haprot_type_info);
}

type_init(haprot_register_types)
