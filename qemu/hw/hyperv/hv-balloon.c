/*
 * Hyper-V Dynamic Memory (hv-balloon)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/hyperv/hv-balloon.h"
#include "hw/hyperv/vmbus.h"
#include "hw/mem/haprot.h"
#include "hw/mem/memory-device.h"
#include "hw/qdev-properties.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-hv-balloon.h"

struct HvBalloon {
    VMBusDevice parent_obj;
    HaprotProtocol haprot;
};

#define HV_BALLOON_GUID "525074DC-8985-46e2-8057-A307DC18A502"

static bool hv_balloon_pre_plug(HaprotProtocol *proto, MemHaprot *stick,
                                Error **errp)
{
    return true;
}

static void hv_balloon_plug(HaprotProtocol *proto, MemHaprot *stick)
{
}

static void hv_balloon_query(HaprotProtocol *proto, MemHaprot *stick,
                             HaprotInfo *info)
{
}

static void hv_balloon_realize(VMBusDevice *vdev, Error **errp)
{
    HvBalloon *balloon = HV_BALLOON(vdev);

    balloon->haprot = (HaprotProtocol) {
        .name = TYPE_HV_BALLOON,
        .pre_plug = hv_balloon_pre_plug,
        .plug = hv_balloon_plug,
        .may_unplug = hv_balloon_pre_plug,
        .unplug = hv_balloon_plug,
        .query = hv_balloon_query,
    };
    haprot_register_protocol(&balloon->haprot, errp);
}

static void hv_balloon_unrealize(VMBusDevice *vdev)
{
    haprot_unregister_protocol(&HV_BALLOON(vdev)->haprot);
}

static void hv_balloon_notify(VMBusChannel *chan)
{
}

HvBalloonStatus *qmp_query_hv_balloon(Error **errp)
{
    error_set(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE, "no hv-balloon");
    return NULL;
}

HvBalloonInfo *qmp_query_hv_balloon_status_report(Error **errp)
{
    error_setg(errp, "no hv-balloon");
    return NULL;
}

static uint64_t hv_balloon_md_get_addr(const MemoryDeviceState *md)
{
    return 0;
}

static void hv_balloon_md_set_addr(MemoryDeviceState *md, uint64_t addr, Error **errp)
{
}

static MemoryRegion *hv_balloon_md_mr(MemoryDeviceState *md, Error **errp)
{
    return NULL;
}

static void hv_balloon_md_info(const MemoryDeviceState *md,
                                       MemoryDeviceInfo *info)
{
    HvBalloonDeviceInfo *hi = g_new0(HvBalloonDeviceInfo, 1);

    hi->id = g_strdup(DEVICE(md)->id);
    info->type = MEMORY_DEVICE_INFO_KIND_HV_BALLOON;
    info->u.hv_balloon.data = hi;
}

static void hv_balloon_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    VMBusDeviceClass *vdc = VMBUS_DEVICE_CLASS(oc);
    MemoryDeviceClass *mdc = MEMORY_DEVICE_CLASS(oc);

    dc->desc = "Hyper-V Dynamic Memory";
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    qemu_uuid_parse(HV_BALLOON_GUID, &vdc->classid);
    qemu_uuid_parse(HV_BALLOON_GUID, &vdc->instanceid);
    vdc->vmdev_realize = hv_balloon_realize;
    vdc->vmdev_unrealize = hv_balloon_unrealize;
    vdc->chan_notify_cb = hv_balloon_notify;
    mdc->get_addr = hv_balloon_md_get_addr;
    mdc->set_addr = hv_balloon_md_set_addr;
    mdc->get_memory_region = hv_balloon_md_mr;
    mdc->get_plugged_size = memory_device_get_region_size;
    mdc->fill_device_info = hv_balloon_md_info;
}

static const TypeInfo hv_balloon_type_info = {
    .name = TYPE_HV_BALLOON,
    .parent = TYPE_VMBUS_DEVICE,
    .instance_size = sizeof(HvBalloon),
    .class_init = hv_balloon_class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_MEMORY_DEVICE },
        { }
    },
};

static void hv_balloon_register_types(void)
{
    type_register_static(&hv_balloon_type_info);
}

type_init(hv_balloon_register_types)
