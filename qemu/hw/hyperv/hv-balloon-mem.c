/*
 * Hyper-V Dynamic Memory (hv-balloon): boot memory, sticks, memory device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hv-balloon-internal.h"
#include "hw/boards.h"
#include "hw/i386/x86.h"
#include "hw/mem/memory-device.h"
#include "migration/misc.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/units.h"
#include "system/runstate.h"

/* Boot memory */

/* Legacy video memory and ROMs: not the guest's to release. */
#define LEGACY_HOLE_START (640 * KiB)
#define LEGACY_HOLE_END (1 * MiB)

static unsigned add_window(DmRange *windows, unsigned n, uint64_t start,
                           uint64_t end)
{
    if (start < end) {
        windows[n++] = (DmRange) {
            start >> DM_PAGE_SHIFT, (end - start) >> DM_PAGE_SHIFT
        };
    }
    return n;
}

unsigned hv_balloon_boot_windows(DmRange windows[HV_BALLOON_WINDOWS])
{
    X86MachineState *x86ms = X86_MACHINE(qdev_get_machine());
    uint64_t below = x86ms->below_4g_mem_size;
    uint64_t above = x86ms->above_4g_mem_start;
    unsigned n = 0;

    n = add_window(windows, n, 0, MIN(below, LEGACY_HOLE_START));
    n = add_window(windows, n, LEGACY_HOLE_END, below);
    if (x86ms->above_4g_mem_size) {
        n = add_window(windows, n, above, above + x86ms->above_4g_mem_size);
    }
    return n;
}

static DmProfile engine_profile(HvBalloonProfile profile)
{
    switch (profile) {
    case HV_BALLOON_PROFILE_WINDOWS:
        return DM_PROFILE_WINDOWS;
    case HV_BALLOON_PROFILE_LINUX:
        return DM_PROFILE_LINUX;
    default:
        return DM_PROFILE_AUTO;
    }
}

static bool engine_make(HvBalloon *balloon, const DmEngineOps *ops,
                        Error **errp)
{
    MachineState *ms = MACHINE(qdev_get_machine());
    DmRange windows[HV_BALLOON_WINDOWS];
    unsigned n;

    if (!object_dynamic_cast(OBJECT(ms), TYPE_X86_MACHINE)) {
        error_setg(errp, TYPE_HV_BALLOON " does not know the memory map of"
                   " machine type %s", MACHINE_GET_CLASS(ms)->name);
        return false;
    }
    n = hv_balloon_boot_windows(windows);
    balloon->engine = dm_engine_new(windows, n, ms->ram_size >> DM_PAGE_SHIFT,
                                    engine_profile(balloon->profile), ops,
                                    balloon);
    return true;
}

/* Sticks */

static DmRange page_range(uint64_t addr, uint64_t size)
{
    return (DmRange) { addr >> DM_PAGE_SHIFT, size >> DM_PAGE_SHIFT };
}

static bool sticks_plug(HaprotProtocol *proto, MemHaprot *stick, Error **errp)
{
    HvBalloon *balloon = container_of(proto, HvBalloon, haprot);
    DmRange range = page_range(stick->addr, haprot_size(stick));
    bool on_demand = stick->insert == HAPROT_INSERT_ON_DEMAND;
    g_autoptr(GError) gerr = NULL;

    if (!dm_engine_plug(balloon->engine, balloon->next_stick, range, on_demand,
                        &gerr)) {
        hv_balloon_set_error(errp, gerr->code, range);
        return false;
    }
    stick->handle = balloon->next_stick++;
    g_hash_table_insert(balloon->sticks, GUINT_TO_POINTER(stick->handle),
                        stick);
    hv_balloon_kick(balloon);
    return true;
}

/*
 * After a kernel has started another one (kexec), and until that one opens the
 * channel, the accounting is still that of the old kernel. The new one may use
 * what the old one had released, if it is in its memory map.
 */
static bool stick_left_to_new_kernel(const HvBalloon *balloon,
                                     const MemHaprot *stick)
{
    DmStickInfo si;

    return hv_balloon_kernel_is_new(balloon) &&
           dm_engine_query_stick(balloon->engine, stick->handle, &si) &&
           si.added;
}

static bool sticks_may_unplug(HaprotProtocol *proto, MemHaprot *stick,
                              Error **errp)
{
    HvBalloon *balloon = container_of(proto, HvBalloon, haprot);
    DmRange range = page_range(stick->addr, haprot_size(stick));
    g_autoptr(GError) gerr = NULL;

    /*
     * The stream has named this stick, and ends where it is missing. In postcopy
     * that is so while the guest runs already.
     */
    if (balloon->arriving || migration_in_incoming_postcopy()) {
        error_setg(errp, "the memory of the guest is still arriving: wait until"
                   " the migration has completed");
        return false;
    }
    if (stick_left_to_new_kernel(balloon, stick)) {
        hv_balloon_set_error(errp, DM_ERROR_NEW_KERNEL, range);
        return false;
    }
    if (!dm_engine_may_unplug(balloon->engine, stick->handle, &gerr)) {
        hv_balloon_set_error(errp, gerr->code, range);
        return false;
    }
    return true;
}

static void sticks_unplug(HaprotProtocol *proto, MemHaprot *stick)
{
    HvBalloon *balloon = container_of(proto, HvBalloon, haprot);

    dm_engine_unplug(balloon->engine, stick->handle);
    hv_balloon_leave_out_gone(balloon,
                              page_range(stick->addr, haprot_size(stick)));
    g_hash_table_remove(balloon->sticks, GUINT_TO_POINTER(stick->handle));
    hv_balloon_kick(balloon);
}

static HaprotState stick_state(DmStickState state)
{
    static const HaprotState states[] = {
        [DM_STICK_IDLE] = HAPROT_STATE_IDLE,
        [DM_STICK_INUSE] = HAPROT_STATE_INUSE,
        [DM_STICK_UNUSED] = HAPROT_STATE_UNUSED,
    };

    QEMU_BUILD_BUG_ON(ARRAY_SIZE(states) != DM_STICK__MAX);
    return states[state];
}

static void sticks_query(HaprotProtocol *proto, MemHaprot *stick,
                         HaprotInfo *info)
{
    HvBalloon *balloon = container_of(proto, HvBalloon, haprot);
    DmStickInfo si;

    if (dm_engine_query_stick(balloon->engine, stick->handle, &si)) {
        info->state = stick_state(si.state);
        info->added = si.added << DM_PAGE_SHIFT;
        info->released = si.released << DM_PAGE_SHIFT;
    }
}

static void sticks_init(HvBalloon *balloon)
{
    balloon->sticks = g_hash_table_new(NULL, NULL);
    balloon->next_stick = HV_BALLOON_BUILTIN_STICK + 1;
    balloon->haprot = (HaprotProtocol) {
        .name = TYPE_HV_BALLOON,
        .plug = sticks_plug,
        .may_unplug = sticks_may_unplug,
        .unplug = sticks_unplug,
        .query = sticks_query,
    };
}

/* Which granules of sticks are populated */

/* A part of the stick; @used: whole granules, of which the guest has pages. */
typedef void PartFunc(HvBalloon *balloon, MemHaprot *stick, DmRange part,
                      bool used, void *opaque);

static void for_each_part(HvBalloon *balloon, MemHaprot *stick, PartFunc *func,
                          void *opaque)
{
    DmRange left = page_range(stick->addr, haprot_size(stick)), used, gap;
    uint64_t end = left.first + left.count;
    uint64_t unit = haprot_granule(stick) >> DM_PAGE_SHIFT;

    while (left.count) {
        if (!dm_engine_next_in_use(balloon->engine, left, unit, &used)) {
            used = (DmRange) { end, 0 };
        }
        gap = (DmRange) { left.first, used.first - left.first };
        if (gap.count) {
            func(balloon, stick, gap, false, opaque);
        }
        if (used.count) {
            func(balloon, stick, used, true, opaque);
        }
        left.first = used.first + used.count;
        left.count = end - left.first;
    }
}

static void for_each_part_of_all(HvBalloon *balloon, PartFunc *func,
                                 void *opaque)
{
    GHashTableIter iter;
    gpointer stick;

    g_hash_table_iter_init(&iter, balloon->sticks);
    while (g_hash_table_iter_next(&iter, NULL, &stick)) {
        if (MEM_HAPROT(stick)->granules) {
            for_each_part(balloon, stick, func, opaque);
        }
    }
}

static void count_unpopulated(HvBalloon *balloon, MemHaprot *stick,
                              DmRange part, bool used, void *opaque)
{
    *(uint64_t *)opaque += used ? 0 : hv_balloon_bytes(part.count);
}

uint64_t hv_balloon_unpopulated(HvBalloon *balloon)
{
    uint64_t sum = 0;

    for_each_part_of_all(balloon, count_unpopulated, &sum);
    return sum;
}

/*
 * If a snapshot is loaded into a VM that was running, the guest may have had
 * more. If a listener cannot map what the guest has, that was reported, and its
 * device cannot reach this memory.
 */
static void populate_part(HvBalloon *balloon, MemHaprot *stick, DmRange part,
                          bool used, void *opaque)
{
    bool *ok = opaque;

    if (used) {
        *ok = hv_balloon_populate_anyway(part) && *ok;
    } else if (!runstate_check(RUN_STATE_INMIGRATE)) {
        hv_balloon_discard(balloon, part, true);
    }
}

bool hv_balloon_populate_as_loaded(HvBalloon *balloon)
{
    bool ok = true;

    for_each_part_of_all(balloon, populate_part, &ok);
    return ok;
}

/* What the guest was given of the stick, whether or not it has released it. */
static bool populate_added(HvBalloon *balloon, MemHaprot *stick)
{
    DmRange left = page_range(stick->addr, haprot_size(stick)), run;
    uint64_t end = left.first + left.count;
    uint64_t unit = haprot_granule(stick) >> DM_PAGE_SHIFT;
    bool ok = true;

    while (left.count &&
           dm_engine_next_added(balloon->engine, left, unit, &run)) {
        ok = hv_balloon_populate_anyway(run) && ok;
        left.first = run.first + run.count;
        left.count = end - left.first;
    }
    return ok;
}

/*
 * As another kernel may use what the last one had released, none of it counts
 * as unpopulated.
 */
bool hv_balloon_populate_for_new_kernel(HvBalloon *balloon)
{
    GHashTableIter iter;
    gpointer stick;
    bool ok = true;

    g_hash_table_iter_init(&iter, balloon->sticks);
    while (g_hash_table_iter_next(&iter, NULL, &stick)) {
        if (MEM_HAPROT(stick)->granules) {
            ok = populate_added(balloon, stick) && ok;
        }
    }
    return ok;
}

static bool discard_never_given(HvBalloon *balloon, uint64_t addr,
                                HostMemoryBackend *backend)
{
    uint64_t size =
        memory_region_size(host_memory_backend_get_memory(backend));

    /* What is reserved for it by prealloc= stays so. */
    return backend->prealloc ||
           dm_engine_discard_never_given(balloon->engine,
                                         page_range(addr, size));
}

/*
 * It was populated if the guest had it when its migration began, and was reset
 * then, or if a snapshot is loaded from before it had it.
 */
bool hv_balloon_discard_never_given(HvBalloon *balloon)
{
    GHashTableIter iter;
    gpointer stick;
    bool done = true;

    if (balloon->memdev) {
        done = discard_never_given(balloon, balloon->addr, balloon->memdev);
    }
    g_hash_table_iter_init(&iter, balloon->sticks);
    while (done && g_hash_table_iter_next(&iter, NULL, &stick)) {
        done = discard_never_given(balloon, MEM_HAPROT(stick)->addr,
                                   MEM_HAPROT(stick)->memdev);
    }
    return done;
}

/* memdev=: a stick that is part of the device and never unplugged */

static bool builtin_check(const HvBalloon *balloon, Error **errp)
{
    const char *name =
        object_get_canonical_path_component(OBJECT(balloon->memdev));

    if (host_memory_backend_is_mapped(balloon->memdev)) {
        error_setg(errp, "memory backend '%s' is already in use", name);
        return false;
    }
    return haprot_check_region(name,
        host_memory_backend_get_memory(balloon->memdev), errp);
}

/* The machine has chosen the address, and maps the memory after this. */
static bool builtin_realize(HvBalloon *balloon, Error **errp)
{
    g_autoptr(GError) gerr = NULL;
    MemoryRegion *mr;
    DmRange range;

    if (!balloon->memdev) {
        if (balloon->addr) {
            error_setg(errp, "addr= is the address of memdev=, which is not"
                       " set");
            return false;
        }
        return true;
    }
    if (!builtin_check(balloon, errp)) {
        return false;
    }
    mr = host_memory_backend_get_memory(balloon->memdev);
    range = page_range(balloon->addr, memory_region_size(mr));
    if (!dm_engine_plug(balloon->engine, HV_BALLOON_BUILTIN_STICK, range, true,
                        &gerr)) {
        hv_balloon_set_error(errp, gerr->code, range);
        return false;
    }
    /*
     * The memory stays mapped until the device is finalized, and QOM releases
     * the link before that.
     */
    object_ref(OBJECT(balloon->memdev));
    host_memory_backend_set_mapped(balloon->memdev, true);
    vmstate_register_ram(mr, DEVICE(balloon));
    return true;
}

static void builtin_unrealize(HvBalloon *balloon)
{
    if (balloon->memdev) {
        vmstate_unregister_ram(host_memory_backend_get_memory(balloon->memdev),
                               DEVICE(balloon));
        host_memory_backend_set_mapped(balloon->memdev, false);
        object_unref(OBJECT(balloon->memdev));
    }
}

/* MemoryDevice: the memory of memdev=, or none */

static uint64_t md_get_addr(const MemoryDeviceState *md)
{
    return HV_BALLOON(md)->addr;
}

static void md_set_addr(MemoryDeviceState *md, uint64_t addr, Error **errp)
{
    HV_BALLOON(md)->addr = addr;
}

static MemoryRegion *md_get_memory_region(MemoryDeviceState *md, Error **errp)
{
    HvBalloon *balloon = HV_BALLOON(md);

    return balloon->memdev ? host_memory_backend_get_memory(balloon->memdev)
                           : NULL;
}

static uint64_t md_get_min_alignment(const MemoryDeviceState *md)
{
    return MAX(HAPROT_ALIGNMENT,
               host_memory_backend_pagesize(HV_BALLOON(md)->memdev));
}

static void md_fill_device_info(const MemoryDeviceState *md,
                                MemoryDeviceInfo *info)
{
    HvBalloon *balloon = HV_BALLOON(md);
    HvBalloonDeviceInfo *hi = g_new0(HvBalloonDeviceInfo, 1);

    hi->id = g_strdup(DEVICE(balloon)->id);
    if (balloon->memdev) {
        hi->has_memaddr = true;
        hi->memaddr = balloon->addr;
        hi->max_size = memory_region_size(
            host_memory_backend_get_memory(balloon->memdev));
        hi->memdev = object_get_canonical_path(OBJECT(balloon->memdev));
    }
    info->type = MEMORY_DEVICE_INFO_KIND_HV_BALLOON;
    info->u.hv_balloon.data = hi;
}

/* Both are fixed after the first realize, as the memory stays mapped. */
static bool md_may_set(const Object *obj, const char *name, Error **errp)
{
    const HvBalloon *balloon = HV_BALLOON(obj);

    if (balloon->engine) {
        error_setg(errp, "'%s' of " TYPE_HV_BALLOON " cannot be changed after"
                   " the device was realized", name);
    }
    return !balloon->engine;
}

static void md_check_memdev(const Object *obj, const char *name, Object *value,
                            Error **errp)
{
    md_may_set(obj, name, errp);
}

static void md_addr_get(Object *obj, Visitor *v, const char *name,
                        void *opaque, Error **errp)
{
    visit_type_uint64(v, name, &HV_BALLOON(obj)->addr, errp);
}

static void md_addr_set(Object *obj, Visitor *v, const char *name,
                        void *opaque, Error **errp)
{
    if (md_may_set(obj, name, errp)) {
        visit_type_uint64(v, name, &HV_BALLOON(obj)->addr, errp);
    }
}

static void md_add_properties(ObjectClass *oc)
{
    object_class_property_add_link(oc, "memdev", TYPE_MEMORY_BACKEND,
                                   offsetof(HvBalloon, memdev),
                                   md_check_memdev, OBJ_PROP_LINK_STRONG);
    object_class_property_set_description(oc, "memdev",
        "memory that is always plugged, given to the guest on demand");
    object_class_property_add(oc, "addr", "uint64", md_addr_get, md_addr_set,
                              NULL, NULL);
    object_class_property_set_description(oc, "addr",
        "guest physical address of memdev; 0: the first that fits");
}

void hv_balloon_mem_class_init(ObjectClass *oc)
{
    MemoryDeviceClass *mdc = MEMORY_DEVICE_CLASS(oc);

    md_add_properties(oc);

    mdc->get_addr = md_get_addr;
    mdc->set_addr = md_set_addr;
    mdc->get_plugged_size = memory_device_get_region_size;
    mdc->get_memory_region = md_get_memory_region;
    mdc->get_min_alignment = md_get_min_alignment;
    mdc->fill_device_info = md_fill_device_info;
}

/* All of it */

static void mem_free(HvBalloon *balloon)
{
    g_clear_pointer(&balloon->sticks, g_hash_table_destroy);
    g_clear_pointer(&balloon->engine, dm_engine_free);
}

bool hv_balloon_mem_realize(HvBalloon *balloon, const DmEngineOps *ops,
                            Error **errp)
{
    if (!engine_make(balloon, ops, errp)) {
        return false;
    }
    sticks_init(balloon);
    if (!builtin_realize(balloon, errp)) {
        goto free;
    }
    if (!haprot_register_protocol(&balloon->haprot, errp)) {
        goto unplug;
    }
    return true;

unplug:
    builtin_unrealize(balloon);
free:
    mem_free(balloon);
    return false;
}

void hv_balloon_mem_unrealize(HvBalloon *balloon)
{
    haprot_unregister_protocol(&balloon->haprot);
    builtin_unrealize(balloon);
    mem_free(balloon);
}
