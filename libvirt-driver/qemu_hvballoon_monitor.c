/*
 * qemu_hvballoon_monitor.c: what QEMU says about the hyperv memory balloon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon_monitor.h"
#include "qemu_monitor_json.h"

#include "virenum.h"
#include "virerror.h"
#include "virhash.h"
#include "virlog.h"

#define VIR_FROM_THIS VIR_FROM_QEMU

VIR_LOG_INIT("qemu.qemu_hvballoon_monitor");

/* Bytes of the longest state or error that is passed on. */
#define QEMU_HVBALLOON_TEXT_MAX 1024

/* More sticks than any QEMU has memory slots for. */
#define QEMU_HVBALLOON_STICKS_MAX 32768

/* Names of devices that libvirt can write and read. */
#define QEMU_HVBALLOON_ID_MAX 255
#define QEMU_HVBALLOON_ID_CHARS \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/#"

VIR_ENUM_DECL(qemuHvBalloonStickState);
VIR_ENUM_IMPL(qemuHvBalloonStickState,
              QEMU_HVBALLOON_STICK_UNUSED + 1,
              "idle",
              "inuse",
              "unused",
);


const char *
qemuMonitorHvBalloonStickStateName(qemuHvBalloonStickState state)
{
    return qemuHvBalloonStickStateTypeToString(state);
}


void
qemuMonitorHvBalloonStickFree(qemuMonitorHvBalloonStick *stick)
{
    if (!stick)
        return;

    g_free(stick->id);
    g_free(stick->memdev);
    g_free(stick);
}


void
qemuMonitorHvBalloonInfoFree(qemuMonitorHvBalloonInfo *info)
{
    if (!info)
        return;

    g_clear_pointer(&info->sticks, g_ptr_array_unref);
    g_free(info->state);
    g_free(info->lastError);
    g_free(info);
}


static int
qemuMonitorHvBalloonGetKiB(virJSONValue *obj,
                           const char *command,
                           const char *key,
                           unsigned long long *kib)
{
    unsigned long long bytes;

    /* QEMU's own sizes are signed somewhere: more is a negative number */
    if (virJSONValueObjectGetNumberUlong(obj, key, &bytes) < 0 ||
        bytes > LLONG_MAX) {
        virReportError(VIR_ERR_INTERNAL_ERROR,
                       _("%1$s reply lacks a valid '%2$s'"), command, key);
        return -1;
    }

    *kib = bytes / 1024;
    return 0;
}


/* Absent where nobody counts, and of a QEMU that does not tell. */
static int
qemuMonitorHvBalloonGetFreeSlots(virJSONValue *obj,
                                 const char *command,
                                 unsigned long long *slots)
{
    *slots = QEMU_HVBALLOON_UNLIMITED;

    if (!virJSONValueObjectHasKey(obj, "free-slots"))
        return 0;

    if (virJSONValueObjectGetNumberUlong(obj, "free-slots", slots) < 0 ||
        *slots > UINT_MAX) {
        virReportError(VIR_ERR_INTERNAL_ERROR,
                       _("%1$s reply lacks a valid '%2$s'"), command, "free-slots");
        return -1;
    }

    return 0;
}


static const char *
qemuMonitorHvBalloonGetString(virJSONValue *obj,
                              const char *command,
                              const char *key)
{
    const char *value = virJSONValueObjectGetString(obj, key);

    if (!value)
        virReportError(VIR_ERR_INTERNAL_ERROR,
                       _("%1$s reply lacks '%2$s'"), command, key);
    return value;
}


/* What clients are told is a line of readable text, whatever QEMU says. */
static char *
qemuMonitorHvBalloonCopyText(const char *command,
                             const char *key,
                             const char *text)
{
    const char *c;

    for (c = text; *c; c++) {
        if (!g_ascii_isprint(*c) || c - text >= QEMU_HVBALLOON_TEXT_MAX) {
            virReportError(VIR_ERR_INTERNAL_ERROR,
                           _("%1$s: '%2$s' is longer than %3$d bytes or not a line of text"),
                           command, key, QEMU_HVBALLOON_TEXT_MAX);
            return NULL;
        }
    }

    return g_strdup(text);
}


/* "/objects/mem0" or "mem0" -> "mem0" */
static char *
qemuMonitorHvBalloonBackendName(const char *memdev)
{
    const char *slash = strrchr(memdev, '/');

    return g_strdup(slash ? slash + 1 : memdev);
}


static int
qemuMonitorHvBalloonCheckStick(const qemuMonitorHvBalloonStick *stick)
{
    if (stick->size == 0 ||
        stick->added > stick->size ||
        stick->released > stick->added) {
        virReportError(VIR_ERR_INTERNAL_ERROR,
                       _("query-haprot: stick '%1$s' of %2$llu KiB cannot have %3$llu KiB added and %4$llu KiB released"),
                       NULLSTR(stick->id), stick->size, stick->added, stick->released);
        return -1;
    }

    return 0;
}


/* What is adopted goes into XML that has to be read again. */
static bool
qemuMonitorHvBalloonIsNewId(const GPtrArray *sticks,
                            const char *id)
{
    size_t i;

    if (strlen(id) > QEMU_HVBALLOON_ID_MAX ||
        strspn(id, QEMU_HVBALLOON_ID_CHARS) != strlen(id))
        return false;

    for (i = 0; i < sticks->len; i++) {
        const qemuMonitorHvBalloonStick *other = g_ptr_array_index(sticks, i);

        if (STREQ_NULLABLE(other->id, id))
            return false;
    }

    return true;
}


/* A stick among those before it, which QEMU lists by address. */
static int
qemuMonitorHvBalloonCheckAmong(const GPtrArray *sticks,
                               const qemuMonitorHvBalloonStick *stick)
{
    const qemuMonitorHvBalloonStick *last = NULL;

    if (sticks->len >= QEMU_HVBALLOON_STICKS_MAX) {
        virReportError(VIR_ERR_INTERNAL_ERROR,
                       _("query-haprot lists more than %1$d sticks"),
                       QEMU_HVBALLOON_STICKS_MAX);
        return -1;
    }

    if (sticks->len > 0)
        last = g_ptr_array_index(sticks, sticks->len - 1);

    if (stick->address > LLONG_MAX - stick->size * 1024 ||
        (last && stick->address < last->address + last->size * 1024)) {
        virReportError(VIR_ERR_INTERNAL_ERROR,
                       _("query-haprot: address 0x%1$llx of a stick is not above the one before or not in the guest"),
                       stick->address);
        return -1;
    }

    if (stick->id && !qemuMonitorHvBalloonIsNewId(sticks, stick->id)) {
        virReportError(VIR_ERR_INTERNAL_ERROR, "%s",
                       _("query-haprot: the name of a stick is used twice or is none"));
        return -1;
    }

    return 0;
}


static qemuMonitorHvBalloonStick *
qemuMonitorHvBalloonParseStick(virJSONValue *obj)
{
    const char *cmd = "query-haprot";
    g_autoptr(qemuMonitorHvBalloonStick) stick = g_new0(qemuMonitorHvBalloonStick, 1);
    const char *memdev;
    const char *insert;
    const char *state;
    int value;

    if (!(memdev = qemuMonitorHvBalloonGetString(obj, cmd, "memdev")) ||
        !(insert = qemuMonitorHvBalloonGetString(obj, cmd, "insert")) ||
        !(state = qemuMonitorHvBalloonGetString(obj, cmd, "state")))
        return NULL;

    if (qemuMonitorHvBalloonGetKiB(obj, cmd, "size", &stick->size) < 0 ||
        qemuMonitorHvBalloonGetKiB(obj, cmd, "added", &stick->added) < 0 ||
        qemuMonitorHvBalloonGetKiB(obj, cmd, "released", &stick->released) < 0)
        return NULL;

    if (virJSONValueObjectGetNumberUlong(obj, "addr", &stick->address) < 0) {
        virReportError(VIR_ERR_INTERNAL_ERROR, _("%1$s reply lacks a valid '%2$s'"),
                       cmd, "addr");
        return NULL;
    }

    if ((value = qemuHvBalloonStickStateTypeFromString(state)) < 0) {
        /* A state of a later QEMU: nothing is removed that may be in use. */
        VIR_WARN("unknown state '%s' of a stick, taken for 'inuse'", state);
        value = QEMU_HVBALLOON_STICK_INUSE;
    }

    stick->id = g_strdup(virJSONValueObjectGetString(obj, "id"));
    stick->memdev = qemuMonitorHvBalloonBackendName(memdev);
    stick->onDemand = STREQ(insert, "on-demand");
    stick->state = value;

    if (qemuMonitorHvBalloonCheckStick(stick) < 0)
        return NULL;

    return g_steal_pointer(&stick);
}


static int
qemuMonitorHvBalloonParseSticks(virJSONValue *array,
                                GPtrArray **sticks)
{
    g_autoptr(GPtrArray) list = NULL;
    size_t i;

    list = g_ptr_array_new_with_free_func((GDestroyNotify)qemuMonitorHvBalloonStickFree);

    for (i = 0; i < virJSONValueArraySize(array); i++) {
        qemuMonitorHvBalloonStick *stick;

        if (!(stick = qemuMonitorHvBalloonParseStick(virJSONValueArrayGet(array, i))))
            return -1;

        if (qemuMonitorHvBalloonCheckAmong(list, stick) < 0) {
            qemuMonitorHvBalloonStickFree(stick);
            return -1;
        }

        g_ptr_array_add(list, stick);
    }

    *sticks = g_steal_pointer(&list);
    return 0;
}


int
qemuMonitorGetHvBalloonSticks(qemuMonitor *mon,
                              GPtrArray **sticks)
{
    g_autoptr(virJSONValue) reply = NULL;

    if (!(reply = qemuMonitorJSONQuery(mon, "query-haprot", VIR_JSON_TYPE_ARRAY)))
        return -1;

    return qemuMonitorHvBalloonParseSticks(reply, sticks);
}


int
qemuMonitorGetHvBalloonInfo(qemuMonitor *mon,
                            qemuMonitorHvBalloonInfo **info)
{
    const char *cmd = "query-hv-balloon";
    g_autoptr(virJSONValue) reply = NULL;
    g_autoptr(qemuMonitorHvBalloonInfo) data = g_new0(qemuMonitorHvBalloonInfo, 1);
    virJSONValue *sticks;
    const char *lastError;
    const char *state;

    if (!(reply = qemuMonitorJSONQuery(mon, cmd, VIR_JSON_TYPE_OBJECT)))
        return -1;

    if (virJSONValueObjectGetBoolean(reply, "connected", &data->connected) < 0) {
        virReportError(VIR_ERR_INTERNAL_ERROR, _("%1$s reply lacks a valid '%2$s'"),
                       cmd, "connected");
        return -1;
    }

    if (!(state = qemuMonitorHvBalloonGetString(reply, cmd, "state")) ||
        qemuMonitorHvBalloonGetKiB(reply, cmd, "alignment", &data->alignment) < 0 ||
        qemuMonitorHvBalloonGetKiB(reply, cmd, "target", &data->target) < 0 ||
        qemuMonitorHvBalloonGetKiB(reply, cmd, "actual", &data->actual) < 0 ||
        qemuMonitorHvBalloonGetKiB(reply, cmd, "capacity", &data->capacity) < 0 ||
        qemuMonitorHvBalloonGetKiB(reply, cmd, "released", &data->released) < 0 ||
        qemuMonitorHvBalloonGetKiB(reply, cmd, "ghosts", &data->ghosts) < 0 ||
        qemuMonitorHvBalloonGetFreeSlots(reply, cmd, &data->freeSlots) < 0)
        return -1;

    if ((sticks = virJSONValueObjectGetArray(reply, "sticks")) &&
        qemuMonitorHvBalloonParseSticks(sticks, &data->sticks) < 0)
        return -1;

    if (!(data->state = qemuMonitorHvBalloonCopyText(cmd, "state", state)))
        return -1;

    if ((lastError = virJSONValueObjectGetString(reply, "last-error")) &&
        !(data->lastError = qemuMonitorHvBalloonCopyText(cmd, "last-error", lastError)))
        return -1;

    *info = g_steal_pointer(&data);
    return 0;
}


const char *
qemuMonitorHvBalloonParseDevice(virJSONValue *data,
                                qemuMonitorMemoryDeviceInfo *info)
{
    /* One that was plugged behind our back may have no id. */
    const char *id = virJSONValueObjectGetString(data, "id");

    if (!id)
        return NULL;

    if (virJSONValueObjectGetNumberUlong(data, "size", &info->size) < 0 ||
        virJSONValueObjectGetNumberUlong(data, "memaddr", &info->address) < 0 ||
        info->size > LLONG_MAX || info->address > LLONG_MAX - info->size) {
        VIR_WARN("query-memory-devices: size or address of stick '%s' is missing or cannot be",
                 id);
        return NULL;
    }

    return id;
}


/* "child<memory-backend-ram>" -> "memory-backend-ram", NULL for other types */
static char *
qemuMonitorHvBalloonBackendType(const char *child)
{
    const char *type;

    if (!child ||
        !(type = STRSKIP(child, "child<")) ||
        !STRPREFIX(type, "memory-backend-") ||
        !g_str_has_suffix(type, ">"))
        return NULL;

    return g_strndup(type, strlen(type) - 1);
}


int
qemuMonitorGetMemoryBackends(qemuMonitor *mon,
                             GHashTable **backends)
{
    g_autoptr(GHashTable) table = virHashNew(g_free);
    qemuMonitorJSONListPath **paths = NULL;
    ssize_t n;
    ssize_t i;

    if ((n = qemuMonitorJSONGetObjectListPaths(mon, "/objects", &paths)) < 0)
        return -1;

    for (i = 0; i < n; i++) {
        char *type = qemuMonitorHvBalloonBackendType(paths[i]->type);

        if (type)
            g_hash_table_insert(table, g_strdup(paths[i]->name), type);
        qemuMonitorJSONListPathFree(paths[i]);
    }
    g_free(paths);

    *backends = g_steal_pointer(&table);
    return 0;
}
