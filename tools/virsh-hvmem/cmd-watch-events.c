/*
 * cmd-watch-events.c: libvirt's events in words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cmd-watch.h"
#include "hvmem-events.h"

#include <libvirt/virterror.h>


static const char *
stopReason(int detail)
{
    switch (detail) {
    case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
        return "stopped: the guest was shut down";
    case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
        return "stopped: it was destroyed";
    case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
        return "stopped: the guest crashed";
    case VIR_DOMAIN_EVENT_STOPPED_MIGRATED:
        return "has been migrated to another host";
    case VIR_DOMAIN_EVENT_STOPPED_FAILED:
        return "stopped: QEMU ended by itself or was killed";
    default:
        return "stopped";
    }
}


static int
onLifecycle(virConnectPtr conn G_GNUC_UNUSED,
            virDomainPtr dom,
            int event,
            int detail,
            void *opaque)
{
    static const char *const names[] = {
        [VIR_DOMAIN_EVENT_DEFINED] = "definition changed",
        [VIR_DOMAIN_EVENT_UNDEFINED] = "definition removed",
        [VIR_DOMAIN_EVENT_STARTED] = "started",
        [VIR_DOMAIN_EVENT_SUSPENDED] = "paused",
        [VIR_DOMAIN_EVENT_RESUMED] = "resumed",
        [VIR_DOMAIN_EVENT_SHUTDOWN] = "shut down",
        [VIR_DOMAIN_EVENT_PMSUSPENDED] = "asleep",
        [VIR_DOMAIN_EVENT_CRASHED] = "crashed",
    };

    /* the next sample says so */
    if ((event == VIR_DOMAIN_EVENT_DEFINED && detail == VIR_DOMAIN_EVENT_DEFINED_RENAMED) ||
        (event == VIR_DOMAIN_EVENT_UNDEFINED && detail == VIR_DOMAIN_EVENT_UNDEFINED_RENAMED))
        return 0;

    if (event == VIR_DOMAIN_EVENT_STOPPED && detail == VIR_DOMAIN_EVENT_STOPPED_MIGRATED)
        watchNoteMigrated(opaque, dom);
    if (event == VIR_DOMAIN_EVENT_STOPPED)
        watchAddEvent(opaque, dom, stopReason(detail));
    else if (event >= 0 && event < (int)G_N_ELEMENTS(names))
        watchAddEvent(opaque, dom, names[event]);
    return 0;
}


static void
onReboot(virConnectPtr conn G_GNUC_UNUSED,
         virDomainPtr dom,
         void *opaque)
{
    watchAddEvent(opaque, dom, "rebooted");
}


static void
onBalloon(virConnectPtr conn G_GNUC_UNUSED,
          virDomainPtr dom,
          unsigned long long actual,
          void *opaque)
{
    g_autofree char *size = hvmemFormatSize(hvmemFromKiB(actual));
    g_autofree char *text = g_strdup_printf("current %s", size);

    watchAddEvent(opaque, dom, text);
}


static void
onDeviceAdded(virConnectPtr conn G_GNUC_UNUSED,
              virDomainPtr dom,
              const char *alias,
              void *opaque)
{
    /* libvirt names the backend of a memory device in this event */
    g_autofree char *text = g_strdup_printf("%s plugged", g_str_has_prefix(alias, "memua-") ? alias + 3 : alias);

    watchAddEvent(opaque, dom, text);
}


static void
onDeviceRemoved(virConnectPtr conn G_GNUC_UNUSED,
                virDomainPtr dom,
                const char *alias,
                void *opaque)
{
    g_autofree char *text = g_strdup_printf("%s removed", alias);

    watchAddEvent(opaque, dom, text);
}


/* Is a guest on that connection, or may one be? */
static bool
isNeeded(const Watch *watch,
         virConnectPtr conn)
{
    size_t i;

    if (watch->all)
        return true;
    for (i = 0; i < watch->domains->len; i++) {
        if (((hvmemWatched *)watch->domains->pdata[i])->place->conn == conn)
            return true;
    }
    return false;
}


static void
onClose(virConnectPtr conn,
        void *opaque)
{
    Watch *watch = opaque;

    watch->closed = watch->closed || isNeeded(watch, conn);
}


/* Without some event of the driver, samples are enough. */
static void
listen(Watch *watch,
       virConnectPtr conn)
{
    const struct {
        int id;
        virConnectDomainEventGenericCallback callback;
    } events[] = {
        { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(onLifecycle) },
        { VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(onReboot) },
        { VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(onBalloon) },
        { VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(onDeviceAdded) },
        { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(onDeviceRemoved) },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(events); i++)
        virConnectDomainEventRegisterAny(conn, NULL, events[i].id, events[i].callback, watch, NULL);

    virResetLastError();
}


void
watchListen(Watch *watch)
{
    size_t i;

    hvmemEventsOnClose(onClose, watch);
    for (i = 0; i < watch->hosts->len; i++) {
        hvmemPlace *place = watch->hosts->pdata[i];

        if (place->conn && !place->listened)
            listen(watch, place->conn);
        place->listened = place->conn;
    }
}


void
watchUnlisten(void)
{
    hvmemEventsOnClose(NULL, NULL);
}
