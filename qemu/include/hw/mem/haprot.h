/*
 * Memory sticks for memory hot-add protocols (mem-haprot)
 *
 * A mem-haprot device maps a memory backend into the device memory of the
 * machine and tells nobody but a protocol handler: there is no ACPI and no
 * slot.  The handler (the hv-balloon device) offers the memory to the guest
 * in its own time and says whether the guest still holds any of it.
 *
 * Why the handler registers itself, though there is but one kind of it: the
 * machine plugs sticks, and hv-balloon asks them what they are, so both call
 * hw/mem.  Were hw/mem to call hv-balloon by name, the two would call each
 * other, and a machine with sticks would need the VMBus to be built.  So what
 * a stick has to ask (may it be plugged, may it go, how much of it does the
 * guest have) goes through the four functions of HaprotProtocol.
 *
 * Why one handler: each page must be offered to the guest by one protocol only.
 * With two, each stick would have to name its own, for no guest that exists.
 *
 * Everything here is called with the big QEMU lock held.  Addresses and
 * sizes are in bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_MEM_HAPROT_H
#define HW_MEM_HAPROT_H

#include "qemu/units.h"
#include "exec/memory.h"
#include "hw/qdev-core.h"
#include "qapi/qapi-types-hv-balloon.h"
#include "qom/object.h"
#include "system/hostmem.h"

#define TYPE_MEM_HAPROT "mem-haprot"
OBJECT_DECLARE_SIMPLE_TYPE(MemHaprot, MEM_HAPROT)

/* What a stick's address and size are multiples of. */
#define HAPROT_ALIGNMENT (2 * MiB)

struct MemHaprot {
    DeviceState parent_obj;

    HostMemoryBackend *memdev;
    uint64_t addr;              /* 0 until plugged, unless set by the user */
    HaprotInsert insert;
    bool placed;                /* a machine has agreed to map it */
    bool plugged;               /* it is mapped, and the handler knows it */
    unsigned handle;            /* the protocol handler's name for it */

    /* who wants to know which of it the guest may use; see haprot_populate() */
    struct Granules *granules;          /* NULL: nobody is told */
    QLIST_HEAD(, RamDiscardListener) listeners;
};

MemoryRegion *haprot_memory_region(const MemHaprot *stick);
uint64_t haprot_size(const MemHaprot *stick);

/*
 * The QOM path of @stick.  Free with g_free().
 */
char *haprot_qom_path(const MemHaprot *stick);

/* What errors call it: its id, if it has one. */
const char *haprot_name(const MemHaprot *stick);

/*
 * How many more sticks KVM and vhost have a memory slot for, as far as
 * device_add checks that; UINT_MAX if nobody counts.
 */
unsigned haprot_free_slots(void);

/*
 * The addresses that sticks can have.  Free with qapi_free_HaprotSpace(); NULL
 * if there are none.
 */
HaprotSpace *haprot_space(void);

/*
 * For the handler, of a stick with granules: before the guest is given memory
 * of it, and after it has released some.  Those who map the guest's memory are
 * told, in whole granules of haprot_granule() bytes, and may refuse the former:
 * then it must not be given.  With @anyway the guest has it already, and what
 * is refused counts as populated: else a dump or a migration left it out.
 * Offsets are within the stick.
 */
uint64_t haprot_granule(const MemHaprot *stick);
bool haprot_populate(MemHaprot *stick, uint64_t offset, uint64_t size,
                     bool anyway);
void haprot_discard(MemHaprot *stick, uint64_t offset, uint64_t size);

/* haprot-discard.c, for haprot.c: before it is mapped, after it is unmapped. */
void haprot_coordinate(MemHaprot *stick, uint64_t granule);
void haprot_uncoordinate(MemHaprot *stick);
void haprot_discard_class_init(ObjectClass *oc);

typedef struct HaprotProtocol HaprotProtocol;

/*
 * What a protocol handler does for sticks.  No member may be NULL.
 */
struct HaprotProtocol {
    const char *name;

    /*
     * @stick is mapped.  The handler may offer it to the guest from now on,
     * or refuse it by setting @errp.
     */
    bool (*plug)(HaprotProtocol *proto, MemHaprot *stick, Error **errp);

    /*
     * May @stick be removed?  False with @errp set while the guest holds any
     * page of it.
     */
    bool (*may_unplug)(HaprotProtocol *proto, MemHaprot *stick, Error **errp);

    /* @stick is about to be unmapped, after may_unplug() was true. */
    void (*unplug)(HaprotProtocol *proto, MemHaprot *stick);

    /* Fill in the state, added and released members of @info. */
    void (*query)(HaprotProtocol *proto, MemHaprot *stick, HaprotInfo *info);
};

/*
 * Can memory backend @name with region @mr be offered to a guest?  It has to
 * be writable and consist of whole units of HAPROT_ALIGNMENT.
 */
bool haprot_check_region(const char *name, MemoryRegion *mr, Error **errp);

/*
 * Join the registry.  There is room for one handler; a second is an error.
 */
bool haprot_register_protocol(HaprotProtocol *proto, Error **errp);
void haprot_unregister_protocol(HaprotProtocol *proto);

/*
 * For machines, which call these from their hotplug handler.
 */
void haprot_pre_plug(MemHaprot *stick, MachineState *ms, Error **errp);
void haprot_plug(MemHaprot *stick, MachineState *ms, Error **errp);
void haprot_unplug_request(MemHaprot *stick, HotplugHandler *hotplug,
                           Error **errp);
void haprot_unplug(MemHaprot *stick, MachineState *ms);

#endif
