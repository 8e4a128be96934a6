/*
 * qemu_hvballoon_def.c: questions about a definition with a hyperv memory balloon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon_def.h"


/**
 * qemuHvBalloonAliasIsUsed:
 * @def: domain definition or NULL
 * @alias: name of a device
 *
 * Does any device of @def have this name? QEMU has one namespace for all.
 */
bool
qemuHvBalloonAliasIsUsed(const virDomainDef *def,
                         const char *alias)
{
    virDomainDeviceDef dev;

    return def &&
        virDomainDefFindDevice((virDomainDef *)def, alias, &dev, false) == 0;
}


/**
 * qemuHvBalloonFreeAlias:
 * @def: domain definition
 * @other: another definition of the same domain (live, persistent) or NULL
 * @taken: set of more names that are not free, or NULL
 * @prefix: QEMU_HVBALLOON_DRIVER_ALIAS or QEMU_HVBALLOON_USER_ALIAS
 *
 * Returns the alias made of @prefix and the lowest number that is not taken and
 * that no device of either definition uses. Never fails.
 */
char *
qemuHvBalloonFreeAlias(const virDomainDef *def,
                       const virDomainDef *other,
                       GHashTable *taken,
                       const char *prefix)
{
    size_t i;

    for (i = 0; ; i++) {
        g_autofree char *alias = g_strdup_printf("%s%zu", prefix, i);

        if (!qemuHvBalloonAliasIsUsed(def, alias) &&
            !qemuHvBalloonAliasIsUsed(other, alias) &&
            !(taken && g_hash_table_contains(taken, alias)))
            return g_steal_pointer(&alias);
    }
}


/**
 * qemuHvBalloonStickIsDriverOwned:
 * @mem: memory device
 *
 * Returns true if @mem is a stick that the driver made, and therefore can remove
 * on its own.
 */
bool
qemuHvBalloonStickIsDriverOwned(const virDomainMemoryDef *mem)
{
    return mem->model == VIR_DOMAIN_MEMORY_MODEL_HAPROT &&
        qemuHvBalloonIsDriverAlias(mem->info.alias);
}


/**
 * qemuHvBalloonFindStick:
 *
 * Returns the memory device of @def named @alias, or NULL.
 */
virDomainMemoryDef *
qemuHvBalloonFindStick(const virDomainDef *def,
                       const char *alias)
{
    size_t i;

    for (i = 0; alias && i < def->nmems; i++) {
        if (STREQ_NULLABLE(def->mems[i]->info.alias, alias))
            return def->mems[i];
    }

    return NULL;
}


/**
 * qemuHvBalloonIsFixed:
 * @def: domain definition
 * @qemuCaps: capabilities of the QEMU binary
 *
 * Returns true if @def has a hyperv balloon and QEMU supports only a fixed
 * backend for it.
 */
bool
qemuHvBalloonIsFixed(const virDomainDef *def,
                     virQEMUCaps *qemuCaps)
{
    return virDomainDefHasHypervMemballoon(def) &&
        !virQEMUCapsGet(qemuCaps, QEMU_CAPS_DEVICE_MEM_HAPROT);
}
