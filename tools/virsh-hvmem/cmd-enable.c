/*
 * cmd-enable.c: adds a hyperv balloon to a definition, or removes it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-cmd.h"
#include "hvmem-diff.h"
#include "hvmem-edit.h"
#include "hvmem-json.h"
#include "hvmem-output.h"

#include <stdlib.h>
#include <string.h>

static char *maxText;
static char *minimumText;
static gboolean dryRun;

static const GOptionEntry enableOptions[] = {
    { "max", 0, 0, G_OPTION_ARG_STRING, &maxText, "Upper limit (<maxMemory>); default: the existing one, or the host's memory", "SIZE" },
    { "minimum", 0, 0, G_OPTION_ARG_STRING, &minimumText, "Lower limit: setmem refuses less (<minimum>)", "SIZE" },
    { "dry-run", 'n', 0, G_OPTION_ARG_NONE, &dryRun, "Only show what would change", NULL },
    G_OPTION_ENTRY_NULL,
};

static const GOptionEntry disableOptions[] = {
    { "dry-run", 'n', 0, G_OPTION_ARG_NONE, &dryRun, "Only show what would change", NULL },
    G_OPTION_ENTRY_NULL,
};


/* A plainer error than libvirt's. */
static bool
checkWritable(const hvmemApp *app,
              GError **error)
{
    if (app->readonly && !dryRun)
        return hvmemFailRefused(error, "--readonly cannot change a definition: leave it out, or add --dry-run to see the difference");
    return true;
}


/* The default ceiling: the host's memory, in whole GiB. */
static guint64
hostMemory(virConnectPtr conn)
{
    guint64 bytes = 0;

    return hvmemConnMemory(conn, &bytes, NULL) ? bytes / HVMEM_GIB * HVMEM_GIB : 0;
}


static bool
checkPersistent(virDomainPtr dom,
                const char *command,
                GError **error)
{
    const char *name = virDomainGetName(dom);

    return virDomainIsPersistent(dom) != 0 || hvmemDomainFailTransient(name, command, error);
}


static char *
inactiveXML(virDomainPtr dom,
            GError **error)
{
    const char *name = virDomainGetName(dom);
    g_autofree char *copy = NULL;
    char *xml;

    xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
    /* a read-only connection gets no secrets, which is enough for --dry-run */
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


/* Defines @xml; returns what libvirt has stored. */
static char *
define(virConnectPtr conn,
       virDomainPtr dom,
       const char *xml,
       GError **error)
{
    g_autoptr(virDomain) defined = virDomainDefineXML(conn, xml);
    g_autofree char *stored = NULL;

    if (!defined) {
        hvmemFailVir(error, "failed to change the definition of domain '%s'", virDomainGetName(dom));
        return NULL;
    }
    stored = inactiveXML(dom, error);
    return stored ? hvmemEditNormalise(stored) : NULL;
}


static void
printRemarks(const hvmemApp *app,
             const hvmemEdit *edit)
{
    size_t i;

    if (app->quiet || app->json)
        return;

    for (i = 0; i < edit->remarks->len; i++) {
        g_autofree char *text = hvmemWrap(edit->remarks->pdata[i], CLAMP(hvmemTerm.width, 40, 100), 0);

        printf("%s\n", text);
    }
    fflush(stdout);
}


/* Definitions are read with their secrets, since they are written again. */
static char *
shownDiff(const char *before,
          const char *after)
{
    g_autofree char *diff = hvmemDiff(before, after);

    return hvmemHideSecrets(diff);
}


static void
printDiff(const hvmemApp *app,
          const char *before,
          const char *after)
{
    g_autofree char *diff = shownDiff(before, after);
    g_auto(GStrv) lines = g_strsplit(diff, "\n", -1);
    size_t i;

    if (app->quiet || app->json)
        return;

    for (i = 0; lines[i] && *lines[i]; i++) {
        g_autofree char *line = hvmemColour(lines[i][0] == '+' ? "32" : lines[i][0] == '-' ? "31" :
                                            lines[i][0] == '@' ? "36" : "", lines[i]);

        printf("%s\n", line);
    }
    fflush(stdout);
}


static void
printJSON(const char *command,
          const char *name,
          const char *before,
          const char *after,
          const hvmemEdit *edit,
          const char *pending)
{
    JsonBuilder *builder = hvmemJSONBegin(command);
    g_autofree char *diff = shownDiff(before, after);

    json_builder_set_member_name(builder, "domains");
    json_builder_begin_array(builder);
    json_builder_begin_object(builder);
    hvmemJSONString(builder, "name", name);
    hvmemJSONBool(builder, "changed", *diff && !dryRun);
    hvmemJSONString(builder, "diff", diff);
    hvmemJSONStrings(builder, "remarks", edit->remarks);
    hvmemJSONString(builder, "pending", pending);
    json_builder_end_object(builder);
    json_builder_end_array(builder);
    hvmemJSONPrint(builder);
}


typedef hvmemEdit *(*Edit)(const char *xml, bool doubts, GError **error);


/* Refused not by libvirt, but by us. */
static bool
isUseless(const GError *why)
{
    return g_error_matches(why, HVMEM_TRY_ERROR, HVMEM_TRY_USELESS);
}


/* An error that the present definition causes as well is not about the change. */
static bool
isOld(virConnectPtr conn,
      const char *before,
      const GError *why)
{
    g_autoptr(GError) old = NULL;

    return !hvmemConnTry(conn, before, &old) && strcmp(old->message, why->message) == 0;
}


/* As much of @edit as libvirt accepts: all of it, or all but what is doubtful.
 * @refusal: why it accepts neither. */
static hvmemEdit *
choose(virConnectPtr conn,
       const char *before,
       Edit edit,
       GError **refusal,
       GError **error)
{
    g_autofree char *normal = hvmemEditNormalise(before);
    g_autoptr(hvmemEdit) all = edit(before, true, error);
    g_autoptr(hvmemEdit) rest = NULL;
    g_autoptr(GError) why = NULL;

    if (!all || strcmp(all->xml, normal) == 0 || hvmemConnTry(conn, all->xml, &why))
        return g_steal_pointer(&all);

    if (g_error_matches(why, HVMEM_TRY_ERROR, HVMEM_TRY_UNASKED)) {
        if (dryRun)
            hvmemEditRemark(all, "libvirt could not be asked whether it accepts this: %s", why->message);
        return g_steal_pointer(&all);
    }

    if (all->doubtful && (rest = edit(before, false, NULL)) && hvmemConnTry(conn, rest->xml, NULL)) {
        hvmemEditRemark(rest, "Left out: %s. %s: %s", all->doubtful, isUseless(why) ? "It would not work" : "libvirt refuses it",
                        why->message);
        return g_steal_pointer(&rest);
    }

    if (isOld(conn, before, why))
        hvmemEditRemark(all, isUseless(why) ? "The present definition does not work either, and this does not change that: %s" :
                        "libvirt cannot make a command line of the present definition either, so this could not be tried: %s", why->message);
    else
        *refusal = g_error_copy(why);
    return g_steal_pointer(&all);
}


/* What has to be done before the definition takes effect; NULL: nothing. */
static char *
pending(virDomainPtr dom)
{
    g_autoptr(hvmemDomain) info = hvmemInspectBoth(dom, true, NULL);

    return info ? hvmemDomainPending(info) : NULL;
}


static void
printResult(const hvmemApp *app,
            const char *name,
            bool same,
            const char *next)
{
    g_autofree char *text = NULL;

    if (app->quiet)
        return;

    if (dryRun && !same) {
        printf("\nNothing has been changed (--dry-run)\n");
        return;
    }
    text = next ? hvmemWrap(next, CLAMP(hvmemTerm.width, 40, 100), 0) : NULL;
    printf(same ? "%s's definition is already like that\n%s" : "\n%s's definition has been changed\n%s", name, text ? text : "");
}


/* Changes the definition, and shows the difference to what libvirt has stored. */
static bool
apply(const hvmemApp *app,
      virConnectPtr conn,
      virDomainPtr dom,
      const char *command,
      Edit change,
      GError **error)
{
    const char *name = virDomainGetName(dom);
    g_autofree char *definition = checkPersistent(dom, command, error) ? inactiveXML(dom, error) : NULL;
    g_autofree char *before = definition ? hvmemEditNormalise(definition) : NULL;
    g_autoptr(GError) refusal = NULL;
    g_autoptr(hvmemEdit) edit = definition ? choose(conn, definition, change, &refusal, error) : NULL;
    g_autofree char *after = NULL;
    g_autofree char *next = NULL;
    bool same;

    if (!edit)
        return false;

    same = strcmp(before, edit->xml) == 0;
    printRemarks(app, edit);
    if (refusal) {
        printDiff(app, before, edit->xml);
        return hvmemFailRefused(error, isUseless(refusal) ?
                         "domain '%s' would not work with this definition; nothing has been changed\nerror: %s" :
                         "libvirt would not accept this definition of domain '%s'; nothing has been changed\nerror: %s", name, refusal->message);
    }

    if (same || dryRun)
        after = g_strdup(edit->xml);
    else if (!(after = define(conn, dom, edit->xml, error)))
        return false;

    if (!dryRun || same)
        next = pending(dom);
    printDiff(app, before, after);
    if (app->json)
        printJSON(command, name, before, after, edit, next);
    else
        printResult(app, name, same, next);
    return true;
}


static hvmemEditSizes sizes = { HVMEM_UNKNOWN, HVMEM_UNKNOWN, HVMEM_UNKNOWN };


static hvmemEdit *
enable(const char *xml,
       bool doubts,
       GError **error)
{
    return hvmemEditEnable(xml, &sizes, doubts, error);
}


static void
doubtSizes(const hvmemApp *app)
{
    if (maxText)
        hvmemAppDoubtSize(app, maxText, sizes.max);
    if (minimumText)
        hvmemAppDoubtSize(app, minimumText, sizes.minimum);
}


static bool
runEnable(const hvmemApp *app,
          char **args,
          GError **error)
{
    g_autoptr(virConnect) conn = NULL;
    g_autoptr(virDomain) dom = NULL;

    if ((maxText && !hvmemParseSize(maxText, "--max", &sizes.max, error)) ||
        (minimumText && !hvmemParseSize(minimumText, "--minimum", &sizes.minimum, error)))
        return false;

    doubtSizes(app);
    if (!checkWritable(app, error) ||
        !(dom = hvmemAppDomain(app, args[0], &conn, error)))
        return false;

    sizes.fallback = hostMemory(conn);
    return apply(app, conn, dom, "enable", enable, error);
}


static bool
runDisable(const hvmemApp *app,
           char **args,
           GError **error)
{
    g_autoptr(virConnect) conn = NULL;
    g_autoptr(virDomain) dom = NULL;

    if (!checkWritable(app, error) ||
        !(dom = hvmemAppDomain(app, args[0], &conn, error)))
        return false;

    return apply(app, conn, dom, "disable", hvmemEditDisable, error);
}


const hvmemCommand hvmemCmdEnable = {
    .name = "enable",
    .arguments = "DOMAIN [--max SIZE] [--minimum SIZE] [--dry-run]",
    .summary = "Give a defined domain a hyperv balloon, and show the difference",
    .description = "Only the definition changes; a running guest is not affected until it is shut down and started again.\n"
                   "For a domain that already has such a balloon, --max and --minimum are changed.",
    .options = enableOptions,
    .minArgs = 1,
    .maxArgs = 1,
    .run = runEnable,
};


const hvmemCommand hvmemCmdDisable = {
    .name = "disable",
    .arguments = "DOMAIN [--dry-run]",
    .summary = "Remove the hyperv balloon and restore the previous definition",
    .description = "Memory beyond boot memory is removed too. What 'enable' changed is stored in the definition's <metadata>.",
    .options = disableOptions,
    .minArgs = 1,
    .maxArgs = 1,
    .run = runDisable,
};
