/*
 * qemu_hvballoon_monitor.c: QMP queries about the hyperv memory balloon
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

/* Longer states and errors are cut to this many bytes. */
#define QEMU_HVBALLOON_TEXT_MAX 1024
#define QEMU_HVBALLOON_TEXT_CUT "..."

/* More sticks than any machine has room or memory slots for. Each makes several
 * statistics, and one reply to a client can take a quarter of a million of all
 * domains. */
#define QEMU_MONITOR_HVBALLOON_STICKS_MAX 4096

VIR_ENUM_DECL(qemuHvBalloonStickState);
VIR_ENUM_IMPL(qemuHvBalloonStickState,
              QEMU_HVBALLOON_STICK_UNUSED + 1,
              "idle",
              "inuse",
              "unused",
);


/**
 * qemuMonitorHvBalloonStickStateName:
 *
 * Returns QEMU's name for @state.
 */
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

    /* more is a negative number that became unsigned somewhere in QEMU */
    if (virJSONValueObjectGetNumberUlong(obj, key, &bytes) < 0 ||
        bytes > LLONG_MAX) {
        virReportError(VIR_ERR_INTERNAL_ERROR,
                       _("%1$s reply lacks a valid '%2$s'"), command, key);
        return -1;
    }

    *kib = bytes / 1024;
    return 0;
}


/* Absent if there is no limit, and in replies of an older QEMU. */
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


/* Where sticks can be. Absent if there is no room for any, and in replies of an
 * older QEMU. */
static int
qemuMonitorHvBalloonGetSpace(virJSONValue *obj,
                             const char *command,
                             qemuHvBalloonRange *space)
{
    const char *key = "device-memory";
    virJSONValue *range = virJSONValueObjectGetObject(obj, key);
    unsigned long long base;
    unsigned long long size;

    if (!range)
        return 0;

    if (virJSONValueObjectGetNumberUlong(range, "base", &base) < 0 ||
        virJSONValueObjectGetNumberUlong(range, "size", &size) < 0 ||
        base > LLONG_MAX || size > LLONG_MAX - base) {
        virReportError(VIR_ERR_INTERNAL_ERROR,
                       _("%1$s reply lacks a valid '%2$s'"), command, key);
        return -1;
    }

    space->start = base;
    space->size = size;
    return 0;
}


/* Cuts @text between two characters. */
static void
qemuMonitorHvBalloonCutText(GString *text)
{
    size_t most = QEMU_HVBALLOON_TEXT_MAX - strlen(QEMU_HVBALLOON_TEXT_CUT);

    if (text->len <= QEMU_HVBALLOON_TEXT_MAX)
        return;

    g_string_truncate(text, g_utf8_find_prev_char(text->str, text->str + most + 1) - text->str);
    g_string_append(text, QEMU_HVBALLOON_TEXT_CUT);
}


/* Makes any text of QEMU's one line of printable UTF-8. */
static char *
qemuMonitorHvBalloonCleanText(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *clean = g_string_new(NULL);
    const char *c;

    for (c = valid; *c; c = g_utf8_next_char(c)) {
        gunichar character = g_utf8_get_char(c);

        g_string_append_unichar(clean, g_unichar_isprint(character) ? character : ' ');
    }

    qemuMonitorHvBalloonCutText(clean);
    return g_string_free(clean, FALSE);
}


/* Names of QEMU's devices are made of these. One of a QEMU that is not in its right
 * mind is shown to clients, too: it counts as none. */
static bool
qemuMonitorHvBalloonIsName(const char *id)
{
    return id && strlen(id) <= QEMU_HVBALLOON_TEXT_MAX &&
        g_ascii_isalpha(*id) &&
        id[strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")] == '\0';
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
                       _("query-haprot: invalid stick '%1$s': size %2$llu KiB, added %3$llu KiB, released %4$llu KiB"),
                       NULLSTR(stick->id), stick->size, stick->added, stick->released);
        return -1;
    }

    return 0;
}


static gint
qemuMonitorHvBalloonCompareSticks(gconstpointer a,
                                  gconstpointer b)
{
    const qemuMonitorHvBalloonStick *const *first = a;
    const qemuMonitorHvBalloonStick *const *second = b;

    return (*first)->address < (*second)->address ? -1 :
        (*first)->address > (*second)->address;
}


/* Checks that @sticks, in order of address, do not overlap. */
static int
qemuMonitorHvBalloonCheckPlaces(const GPtrArray *sticks)
{
    unsigned long long end = 0;
    size_t i;

    for (i = 0; i < sticks->len; i++) {
        const qemuMonitorHvBalloonStick *stick = g_ptr_array_index(sticks, i);

        if (stick->address < end || stick->address > LLONG_MAX - stick->size * 1024) {
            virReportError(VIR_ERR_INTERNAL_ERROR,
                           _("query-haprot: stick '%1$s' of %2$llu KiB has invalid address 0x%3$llx: the previous one ends at 0x%4$llx"),
                           NULLSTR(stick->id), stick->size, stick->address, end);
            return -1;
        }

        end = stick->address + stick->size * 1024;
    }

    return 0;
}


/* A later QEMU may have other states; such a stick must not be removed. */
static qemuHvBalloonStickState
qemuMonitorHvBalloonStickStateFromName(const char *name)
{
    int state = name ? qemuHvBalloonStickStateTypeFromString(name) : -1;

    if (state >= 0)
        return state;

    VIR_WARN("unknown stick state '%s', treated as 'inuse'", NULLSTR(name));
    return QEMU_HVBALLOON_STICK_INUSE;
}


static qemuMonitorHvBalloonStick *
qemuMonitorHvBalloonParseStick(virJSONValue *obj)
{
    const char *cmd = "query-haprot";
    g_autoptr(qemuMonitorHvBalloonStick) stick = g_new0(qemuMonitorHvBalloonStick, 1);
    const char *memdev = virJSONValueObjectGetString(obj, "memdev");
    const char *id = virJSONValueObjectGetString(obj, "id");

    if (!memdev || virJSONValueObjectGetNumberUlong(obj, "addr", &stick->address) < 0) {
        virReportError(VIR_ERR_INTERNAL_ERROR, _("%1$s reply lacks a valid '%2$s'"),
                       cmd, memdev ? "addr" : "memdev");
        return NULL;
    }

    if (qemuMonitorHvBalloonGetKiB(obj, cmd, "size", &stick->size) < 0 ||
        qemuMonitorHvBalloonGetKiB(obj, cmd, "added", &stick->added) < 0 ||
        qemuMonitorHvBalloonGetKiB(obj, cmd, "released", &stick->released) < 0)
        return NULL;

    if (qemuMonitorHvBalloonIsName(id))
        stick->id = g_strdup(id);
    stick->memdev = qemuMonitorHvBalloonBackendName(memdev);
    stick->onDemand = STREQ_NULLABLE(virJSONValueObjectGetString(obj, "insert"), "on-demand");
    stick->state = qemuMonitorHvBalloonStickStateFromName(virJSONValueObjectGetString(obj, "state"));

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

    if (virJSONValueArraySize(array) > QEMU_MONITOR_HVBALLOON_STICKS_MAX) {
        virReportError(VIR_ERR_OPERATION_FAILED,
                       _("QEMU claims to have %1$zu sticks, and %2$d are possible"),
                       virJSONValueArraySize(array), QEMU_MONITOR_HVBALLOON_STICKS_MAX);
        return -1;
    }

    list = g_ptr_array_new_with_free_func((GDestroyNotify)qemuMonitorHvBalloonStickFree);

    for (i = 0; i < virJSONValueArraySize(array); i++) {
        qemuMonitorHvBalloonStick *stick;

        if (!(stick = qemuMonitorHvBalloonParseStick(virJSONValueArrayGet(array, i))))
            return -1;

        g_ptr_array_add(list, stick);
    }

    g_ptr_array_sort(list, qemuMonitorHvBalloonCompareSticks);
    if (qemuMonitorHvBalloonCheckPlaces(list) < 0)
        return -1;

    *sticks = g_steal_pointer(&list);
    return 0;
}


/**
 * qemuMonitorGetHvBalloonSticks:
 * @sticks: array of qemuMonitorHvBalloonStick, in order of address
 */
int
qemuMonitorGetHvBalloonSticks(qemuMonitor *mon,
                              GPtrArray **sticks)
{
    g_autoptr(virJSONValue) reply = NULL;

    if (!(reply = qemuMonitorJSONQuery(mon, "query-haprot", VIR_JSON_TYPE_ARRAY)))
        return -1;

    return qemuMonitorHvBalloonParseSticks(reply, sticks);
}


/* The guest's own figures: shown, and used for nothing here. */
static void
qemuMonitorHvBalloonGetReport(virJSONValue *obj,
                              qemuMonitorHvBalloonInfo *info)
{
    virJSONValue *report = virJSONValueObjectGetObject(obj, "report");

    if (!report ||
        virJSONValueObjectGetNumberUlong(report, "committed", &info->committed) < 0 ||
        virJSONValueObjectGetNumberUlong(report, "available", &info->available) < 0)
        return;

    info->committed /= 1024;
    info->available /= 1024;
    info->reported = true;
}


/* These are only shown, so they are not checked. */
static void
qemuMonitorHvBalloonGetShown(virJSONValue *obj,
                             qemuMonitorHvBalloonInfo *info)
{
    const char *state = virJSONValueObjectGetString(obj, "state");
    const char *lastError = virJSONValueObjectGetString(obj, "last-error");
    const struct {
        const char *key;
        unsigned long long *kib;
    } sizes[] = {
        { "capacity", &info->capacity },
        { "released", &info->released },
        { "ghosts", &info->ghosts },
    };
    size_t i;

    ignore_value(virJSONValueObjectGetBoolean(obj, "connected", &info->connected));

    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        if (virJSONValueObjectGetNumberUlong(obj, sizes[i].key, sizes[i].kib) == 0)
            *sizes[i].kib /= 1024;
    }

    qemuMonitorHvBalloonGetReport(obj, info);

    info->state = qemuMonitorHvBalloonCleanText(NULLSTR_EMPTY(state));
    if (lastError)
        info->lastError = qemuMonitorHvBalloonCleanText(lastError);
}


int
qemuMonitorGetHvBalloonInfo(qemuMonitor *mon,
                            qemuMonitorHvBalloonInfo **info)
{
    const char *cmd = "query-hv-balloon";
    g_autoptr(virJSONValue) reply = NULL;
    g_autoptr(qemuMonitorHvBalloonInfo) data = g_new0(qemuMonitorHvBalloonInfo, 1);
    virJSONValue *sticks;

    if (!(reply = qemuMonitorJSONQuery(mon, cmd, VIR_JSON_TYPE_OBJECT)))
        return -1;

    if (qemuMonitorHvBalloonGetKiB(reply, cmd, "alignment", &data->alignment) < 0 ||
        qemuMonitorHvBalloonGetKiB(reply, cmd, "target", &data->target) < 0 ||
        qemuMonitorHvBalloonGetKiB(reply, cmd, "actual", &data->actual) < 0 ||
        qemuMonitorHvBalloonGetFreeSlots(reply, cmd, &data->freeSlots) < 0 ||
        qemuMonitorHvBalloonGetSpace(reply, cmd, &data->space) < 0)
        return -1;

    if ((sticks = virJSONValueObjectGetArray(reply, "sticks")) &&
        qemuMonitorHvBalloonParseSticks(sticks, &data->sticks) < 0)
        return -1;

    qemuMonitorHvBalloonGetShown(reply, data);

    *info = g_steal_pointer(&data);
    return 0;
}


/**
 * qemuMonitorHvBalloonFreeSpace:
 * @sticks: array of qemuMonitorHvBalloonStick, in order of address
 * @granule: in KiB; QEMU_HVBALLOON_STICK_GRANULE is used if that is more
 *
 * Returns the size in KiB, a multiple of @granule, of the largest stick for which
 * there is room beside @sticks; QEMU_HVBALLOON_UNLIMITED if QEMU does not report
 * where sticks can be, and will refuse one that does not fit.
 */
unsigned long long
qemuMonitorHvBalloonFreeSpace(const qemuMonitorHvBalloonInfo *info,
                              const GPtrArray *sticks,
                              unsigned long long granule)
{
    g_autofree qemuHvBalloonRange *taken = g_new0(qemuHvBalloonRange, sticks->len + 1);
    size_t i;

    if (info->space.size == 0)
        return QEMU_HVBALLOON_UNLIMITED;

    for (i = 0; i < sticks->len; i++) {
        const qemuMonitorHvBalloonStick *stick = g_ptr_array_index(sticks, i);

        taken[i].start = stick->address;
        taken[i].size = stick->size * 1024;
    }

    return qemuHvBalloonLargestFree(&info->space, taken, sticks->len,
                                    MAX(granule, QEMU_HVBALLOON_STICK_GRANULE) * 1024) / 1024;
}


/**
 * qemuMonitorHvBalloonParseDevice:
 * @data: a stick in the reply to query-memory-devices
 * @info: to be filled in
 *
 * Returns the name of the stick. Returns NULL without an error if it has none or
 * is invalid: query-haprot is the authority on sticks.
 */
const char *
qemuMonitorHvBalloonParseDevice(virJSONValue *data,
                                qemuMonitorMemoryDeviceInfo *info)
{
    /* One that was not plugged by libvirt may have no id. */
    const char *id = virJSONValueObjectGetString(data, "id");

    if (!id)
        return NULL;

    if (virJSONValueObjectGetNumberUlong(data, "size", &info->size) < 0 ||
        virJSONValueObjectGetNumberUlong(data, "memaddr", &info->address) < 0 ||
        info->size > LLONG_MAX || info->address > LLONG_MAX - info->size) {
        VIR_WARN("query-memory-devices: size or address of stick '%s' is missing or invalid",
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


/**
 * qemuMonitorGetMemoryBackends:
 * @backends: table from the name to the type of each memory backend object
 */
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
