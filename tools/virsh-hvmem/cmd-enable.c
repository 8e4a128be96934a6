/*
 * cmd-enable.c: a defined domain gets a hyperv balloon, and back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-cmd.h"
#include "hvmem-diff.h"
#include "hvmem-edit.h"
#include "hvmem-output.h"

#include <stdlib.h>
#include <string.h>

static char *maxText;
static char *minimumText;
static gboolean dryRun;

static const GOptionEntry enableOptions[] = {
    { "max", 0, 0, G_OPTION_ARG_STRING, &maxText, "How far the guest may grow (<maxMemory>); else what it has, else the host's memory", "SIZE" },
    { "minimum", 0, 0, G_OPTION_ARG_STRING, &minimumText, "Never let anybody ask for less (<minimum>)", "SIZE" },
    { "dry-run", 'n', 0, G_OPTION_ARG_NONE, &dryRun, "Only show what would change", NULL },
    G_OPTION_ENTRY_NULL,
};

static const GOptionEntry disableOptions[] = {
    { "dry-run", 'n', 0, G_OPTION_ARG_NONE, &dryRun, "Only show what would change", NULL },
    G_OPTION_ENTRY_NULL,
};


/* Says so before libvirt says it in its own words. */
static bool
checkWritable(const hvmemApp *app,
              GError **error)
{
    if (app->readonly && !dryRun)
        return hvmemFail(error, "--readonly cannot change a definition: leave it out, or add --dry-run to see the difference");
    return true;
}


/* A ceiling for those who do not care: all that the host has, in whole GiB. */
static guint64
hostMemory(virConnectPtr conn)
{
    virNodeInfo info;

    if (virNodeGetInfo(conn, &info) < 0)
        return 0;
    return hvmemFromKiB(info.memory) / HVMEM_GIB * HVMEM_GIB;
}


static char *
inactiveXML(virDomainPtr dom,
            GError **error)
{
    const char *name = virDomainGetName(dom);
    g_autofree char *copy = NULL;
    char *xml;

    if (virDomainIsPersistent(dom) != 1) {
        hvmemFail(error, "domain '%s' has no definition that could be changed: it is transient", name);
        return NULL;
    }

    xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
    /* a read-only connection shows all but secrets, enough for --dry-run */
    if (!xml && dryRun)
        xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE);
    if (!xml) {
        hvmemFailVir(error, "failed to get the definition of domain '%s'", name);
        return NULL;
    }

    copy = g_strdup(xml);
    free(xml);
    return g_steal_pointer(&copy);
}


static void
printDiff(const hvmemApp *app,
          const char *before,
          const char *after)
{
    g_autofree char *diff = hvmemDiff(before, after);
    g_auto(GStrv) lines = g_strsplit(diff, "\n", -1);
    size_t i;

    if (app->quiet || app->json)
        return;

    for (i = 0; lines[i] && *lines[i]; i++) {
        g_autofree char *line = hvmemColour(lines[i][0] == '+' ? "32" : lines[i][0] == '-' ? "31" :
                                            lines[i][0] == '@' ? "36" : "", lines[i]);

        printf("%s\n", line);
    }
}


static void
printJSON(const char *name,
          const char *before,
          const char *after)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autofree char *diff = hvmemDiff(before, after);

    json_builder_begin_object(builder);
    hvmemJSONString(builder, "name", name);
    json_builder_set_member_name(builder, "changed");
    json_builder_add_boolean_value(builder, *diff && !dryRun);
    hvmemJSONString(builder, "diff", diff);
    json_builder_end_object(builder);
    hvmemPrintJSON(json_builder_get_root(builder));
}


/* Shows the difference from the definition @definition, then makes it. */
static bool
apply(const hvmemApp *app,
      virConnectPtr conn,
      virDomainPtr dom,
      const char *definition,
      const char *after,
      GError **error)
{
    const char *name = virDomainGetName(dom);
    g_autofree char *before = hvmemEditNormalise(definition);
    g_autoptr(virDomain) defined = NULL;
    bool same = strcmp(before, after) == 0;

    printDiff(app, before, after);
    fflush(stdout);

    if (!same && !dryRun && !(defined = virDomainDefineXML(conn, after)))
        return hvmemFailVir(error, "failed to change the definition of domain '%s'", name);

    if (app->json)
        printJSON(name, before, after);
    else if (!app->quiet && same)
        printf("%s is like that already\n", name);
    else if (!app->quiet && dryRun)
        printf("\nNothing has been changed (--dry-run)\n");
    else if (!app->quiet)
        printf("\n%s is changed%s\n", name, virDomainIsActive(dom) == 1 ?
               "; it takes effect when it has been shut down and started again" : "");
    return true;
}


static bool
runEnable(const hvmemApp *app,
          char **args,
          GError **error)
{
    g_autoptr(virConnect) conn = NULL;
    g_autoptr(virDomain) dom = NULL;
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    guint64 max = HVMEM_UNKNOWN;
    guint64 minimum = HVMEM_UNKNOWN;

    if ((maxText && !hvmemParseSize(maxText, "--max", &max, error)) ||
        (minimumText && !hvmemParseSize(minimumText, "--minimum", &minimum, error)))
        return false;

    if (!checkWritable(app, error) ||
        !(dom = hvmemAppDomain(app, args[0], &conn, error)) ||
        !(before = inactiveXML(dom, error)) ||
        !(after = hvmemEditEnable(before, max, hostMemory(conn), minimum, error)))
        return false;

    return apply(app, conn, dom, before, after, error);
}


static bool
runDisable(const hvmemApp *app,
           char **args,
           GError **error)
{
    g_autoptr(virConnect) conn = NULL;
    g_autoptr(virDomain) dom = NULL;
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;

    if (!checkWritable(app, error) ||
        !(dom = hvmemAppDomain(app, args[0], &conn, error)) ||
        !(before = inactiveXML(dom, error)) ||
        !(after = hvmemEditDisable(before, error)))
        return false;

    return apply(app, conn, dom, before, after, error);
}


const hvmemCommand hvmemCmdEnable = {
    .name = "enable",
    .arguments = "DOMAIN [--max SIZE] [--minimum SIZE] [--dry-run]",
    .summary = "Give a defined domain a hyperv balloon, showing the difference first",
    .description = "The definition changes; a running guest goes on as it is until it has been shut down and started again.\n"
                   "For a domain that has such a balloon, --max and --minimum are changed.",
    .options = enableOptions,
    .minArgs = 1,
    .maxArgs = 1,
    .run = runEnable,
};


const hvmemCommand hvmemCmdDisable = {
    .name = "disable",
    .arguments = "DOMAIN [--dry-run]",
    .summary = "Take the hyperv balloon away again: the definition becomes what it was",
    .description = "Memory beyond boot memory goes with it. What 'enable' changed is known from the definition's <metadata>.",
    .options = disableOptions,
    .minArgs = 1,
    .maxArgs = 1,
    .run = runDisable,
};
