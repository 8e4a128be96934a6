/*
 * hvmem-targets.c: one command for several domains
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-targets.h"
#include "hvmem-json.h"
#include "hvmem-output.h"

#include <stdio.h>
#include <string.h>


static void
targetFree(hvmemTarget *target)
{
    if (target->dom)
        virDomainFree(target->dom);
    hvmemDomainFree(target->before);
    hvmemDomainFree(target->after);
    g_free(target->remark);
    g_clear_error(&target->error);
    g_free(target);
}


static bool
isKnown(const GPtrArray *targets,
        virDomainPtr dom)
{
    size_t i;

    for (i = 0; i < targets->len; i++) {
        const hvmemTarget *target = targets->pdata[i];

        if (strcmp(virDomainGetName(target->dom), virDomainGetName(dom)) == 0)
            return true;
    }
    return false;
}


GPtrArray *
hvmemTargetsFind(virConnectPtr conn,
                 char **names,
                 guint n,
                 GError **error)
{
    g_autoptr(GPtrArray) targets = g_ptr_array_new_with_free_func((GDestroyNotify)targetFree);
    guint i;

    for (i = 0; i < n; i++) {
        g_autoptr(virDomain) dom = hvmemLookup(conn, names[i], error);
        hvmemTarget *target;

        if (!dom)
            return NULL;
        if (isKnown(targets, dom))
            continue;

        target = g_new0(hvmemTarget, 1);
        target->dom = g_steal_pointer(&dom);
        g_ptr_array_add(targets, target);
    }
    return g_steal_pointer(&targets);
}


static void
printJSON(const char *command,
          const GPtrArray *targets)
{
    JsonBuilder *builder = hvmemJSONBegin(command);
    size_t i;

    json_builder_set_member_name(builder, "domains");
    json_builder_begin_array(builder);
    for (i = 0; i < targets->len; i++) {
        const hvmemTarget *target = targets->pdata[i];
        const hvmemDomain *dom = target->after ? target->after : target->before;

        json_builder_begin_object(builder);
        if (dom)
            hvmemJSONDomainMembers(builder, dom);
        else
            hvmemJSONString(builder, "name", virDomainGetName(target->dom));
        hvmemJSONString(builder, "remark", target->remark);
        if (target->error)
            hvmemJSONError(builder, target->error);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    hvmemJSONPrint(builder);
}


int
hvmemTargetsStatus(const GError *first,
                   bool changed)
{
    int status = hvmemErrorStatus(first);

    return status == HVMEM_EXIT_REFUSED && changed ? HVMEM_EXIT_FAILED : status;
}


bool
hvmemTargetsReport(const hvmemApp *app,
                   const char *command,
                   const GPtrArray *targets,
                   GError **error)
{
    const GError *first = NULL;
    bool changed = false;
    size_t i;

    if (app->json)
        printJSON(command, targets);

    for (i = 0; i < targets->len; i++) {
        const hvmemTarget *target = targets->pdata[i];

        changed |= target->done;
        if (!target->error)
            continue;
        hvmemPrintError(target->error);
        first = first ? first : target->error;
    }
    return !first || hvmemFailSilently(error, hvmemTargetsStatus(first, changed));
}
