/*
 * qemu_hvballoon_conf.c: the hyperv memory balloon and its sticks in the
 *                        domain definition and on QEMU's command line
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon_conf.h"

#include "virerror.h"
#include "virlog.h"

#define VIR_FROM_THIS VIR_FROM_QEMU

VIR_LOG_INIT("qemu.qemu_hvballoon_conf");


static bool
qemuHvBalloonAliasIsUsed(const virDomainDef *def,
                         const char *alias)
{
    size_t i;

    for (i = 0; def && i < def->nmems; i++) {
        if (STREQ_NULLABLE(def->mems[i]->info.alias, alias))
            return true;
    }

    return false;
}


/**
 * qemuHvBalloonFreeAlias:
 * @def: domain definition
 * @other: another definition of the same domain (live, persistent) or NULL
 * @prefix: QEMU_HVBALLOON_DRIVER_ALIAS or QEMU_HVBALLOON_USER_ALIAS
 *
 * Returns the alias made of @prefix and the lowest number that no memory
 * device of either definition uses. Never fails.
 */
char *
qemuHvBalloonFreeAlias(const virDomainDef *def,
                       const virDomainDef *other,
                       const char *prefix)
{
    size_t i;

    for (i = 0; ; i++) {
        g_autofree char *alias = g_strdup_printf("%s%zu", prefix, i);

        if (!qemuHvBalloonAliasIsUsed(def, alias) &&
            !qemuHvBalloonAliasIsUsed(other, alias))
            return g_steal_pointer(&alias);
    }
}


/**
 * qemuHvBalloonStickIsDriverOwned:
 * @mem: memory device
 *
 * Returns true if @mem is a stick the driver made, which therefore may be
 * removed without being asked.
 */
bool
qemuHvBalloonStickIsDriverOwned(const virDomainMemoryDef *mem)
{
    const char *number;

    if (mem->model != VIR_DOMAIN_MEMORY_MODEL_HAPROT ||
        !mem->info.alias ||
        !(number = STRSKIP(mem->info.alias, QEMU_HVBALLOON_DRIVER_ALIAS)))
        return false;

    return *number && strspn(number, "0123456789") == strlen(number);
}


/**
 * qemuHvBalloonBuildStickProps:
 * @mem: stick with its alias and insert mode set
 *
 * Returns the properties of its '-device', used for device_add as well.
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
