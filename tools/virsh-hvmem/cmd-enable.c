/*
 * cmd-enable.c: adds a hyperv balloon to a definition, or removes it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-cmd.h"
#include "hvmem-diff.h"
#include "hvmem-edit.h"
#include "hvmem-json.h"
#include "hvmem-host.h"
#include "hvmem-output.h"
#include "hvmem-survey.h"
#include "hvmem-targets.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *maxText;
static char *minimumText;
static char *pluggedText;
static gboolean dryRun;
static gboolean yes;
static gboolean reporting;
static gboolean notReporting;

static const GOptionEntry enableOptions[] = {
    { "max", 0, 0, G_OPTION_ARG_STRING, &maxText, "Upper limit (<maxMemory>); default: the existing one, or the host's memory", "SIZE" },
    { "minimum", 0, 0, G_OPTION_ARG_STRING, &minimumText, "Lower limit: setmem refuses less (<minimum>)", "SIZE" },
    { "plugged", 0, 0, G_OPTION_ARG_STRING, &pluggedText, "Plug a stick up to there at the start, not given to the guest", "SIZE" },
    { "free-page-reporting", 0, 0, G_OPTION_ARG_NONE, &reporting, "Have the guest report free pages, also if it has the balloon already", NULL },
    { "no-free-page-reporting", 0, 0, G_OPTION_ARG_NONE, &notReporting, "Leave that off; default: on where this host can do it", NULL },
    { "dry-run", 'n', 0, G_OPTION_ARG_NONE, &dryRun, "Only show what would change", NULL },
    { "yes", 'y', 0, G_OPTION_ARG_NONE, &yes, "Do not ask, also if nobody has named the upper limit", NULL },
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


/* Each of @sentences as a paragraph. */
static void
printSentences(const hvmemApp *app,
               const GPtrArray *sentences)
{
    size_t i;

    if (app->quiet || app->json)
        return;

    for (i = 0; i < sentences->len; i++) {
        g_autofree char *text = hvmemWrap(sentences->pdata[i], CLAMP(hvmemTerm.width, 40, 100), 0);

        printf("%s\n", text);
    }
    fflush(stdout);
}


/* Somebody at a terminal is asked whether the ceiling is right that nobody has named. */
static bool
confirm(const hvmemApp *app,
        const char *name,
        const hvmemEdit *edit,
        GError **error)
{
    char answer[16] = "";

    if (!edit->guessed || dryRun || yes || app->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return true;

    hvmemSay(stdout, "Change the definition of %s like that? [y/N] ", name);
    fflush(stdout);
    if (fgets(answer, sizeof(answer), stdin) && (g_ascii_strcasecmp(g_strchomp(answer), "y") == 0 || g_ascii_strcasecmp(answer, "yes") == 0))
        return true;

    hvmemFailRefused(error, "nothing has been changed");
    return hvmemErrorHint(error, "--max SIZE names the ceiling; --yes goes on without a question.");
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

        hvmemSay(stdout, "%s\n", line);
    }
    fflush(stdout);
}


/* What came of one domain. */
typedef struct _Result Result;
struct _Result {
    const char *name;
    char *before;               /* NULL: it did not get so far */
    char *after;
    bool defined;               /* libvirt has taken it, also if it could not be read again */
    hvmemEdit *edit;
    char *pending;
    GError *error;
};


static void
resultFree(Result *result)
{
    g_free(result->before);
    g_free(result->after);
    g_free(result->pending);
    hvmemEditFree(result->edit);
    g_clear_error(&result->error);
    g_free(result);
}


static bool
isChanged(const Result *result)
{
    return result->defined && (!result->after || strcmp(result->before, result->after) != 0);
}


static void
addJSON(JsonBuilder *builder,
        const Result *result)
{
    g_autofree char *diff = result->after ? shownDiff(result->before, result->after) : NULL;

    json_builder_begin_object(builder);
    hvmemJSONString(builder, "name", result->name);
    hvmemJSONBool(builder, "changed", isChanged(result));
    hvmemJSONString(builder, "diff", diff);
    if (result->edit) {
        hvmemJSONStrings(builder, "words", result->edit->words);
        hvmemJSONStrings(builder, "remarks", result->edit->remarks);
    }
    hvmemJSONString(builder, "pending", result->pending);
    if (result->error)
        hvmemJSONError(builder, result->error);
    json_builder_end_object(builder);
}


/* The document, and on standard error what has failed. */
static bool
reportAll(const hvmemApp *app,
          const char *command,
          const GPtrArray *results,
          GError **error)
{
    JsonBuilder *builder = hvmemJSONBegin(command);
    const GError *first = NULL;
    bool changed = false;
    size_t i;

    json_builder_set_member_name(builder, "domains");
    json_builder_begin_array(builder);
    for (i = 0; i < results->len; i++) {
        const Result *result = results->pdata[i];

        addJSON(builder, result);
        changed |= isChanged(result);
        first = first ? first : result->error;
        if (result->error)
            hvmemPrintError(result->error);
    }
    json_builder_end_array(builder);
    if (app->json)
        hvmemJSONPrint(builder);
    else
        g_object_unref(builder);
    return !first || hvmemFailSilently(error, hvmemTargetsStatus(first, changed));
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
    hvmemSay(stdout, same ? "%s: nothing to change\n%s" : "\n%s: definition updated, effective at the next start\n%s", name, text ? text : "");
}


/* Is the definition still what was read? Libvirt was asked since, and perhaps the user, and whoever has changed it meanwhile would lose that. */
static bool
checkUnchanged(virDomainPtr dom,
               const char *command,
               const char *definition,
               GError **error)
{
    g_autofree char *now = checkPersistent(dom, command, error) ? inactiveXML(dom, error) : NULL;

    if (!now || strcmp(now, definition) == 0)
        return now != NULL;
    return hvmemFailRefused(error, "somebody else has changed the definition of domain '%s' meanwhile; nothing has been changed: try again",
                            virDomainGetName(dom));
}


/* Defines what was edited, and reads what libvirt has stored. */
static bool
define(virConnectPtr conn,
       virDomainPtr dom,
       Result *result,
       GError **error)
{
    g_autoptr(virDomain) defined = virDomainDefineXML(conn, result->edit->xml);
    g_autofree char *stored = NULL;

    if (!defined)
        return hvmemFailVir(error, "failed to change the definition of domain '%s'", result->name);

    result->defined = true;
    if (!(stored = inactiveXML(dom, NULL)))
        return hvmemFailVir(error, "the definition of domain '%s' has been changed, but could not be read again", result->name);

    result->after = hvmemEditNormalise(stored);
    return true;
}


/* Changes the definition, and shows the difference to what libvirt has stored. */
static bool
apply(const hvmemApp *app,
      virConnectPtr conn,
      virDomainPtr dom,
      const char *command,
      Edit change,
      Result *result,
      GError **error)
{
    const char *name = result->name;
    g_autofree char *definition = checkPersistent(dom, command, error) ? inactiveXML(dom, error) : NULL;
    g_autoptr(GError) refusal = NULL;
    bool same;

    if (!definition)
        return false;

    result->before = hvmemEditNormalise(definition);
    if (!(result->edit = choose(conn, definition, change, &refusal, error)))
        return false;

    same = strcmp(result->before, result->edit->xml) == 0;
    if (!same)
        printSentences(app, result->edit->words);
    printSentences(app, result->edit->remarks);
    if (refusal) {
        printDiff(app, result->before, result->edit->xml);
        return hvmemFailRefused(error, isUseless(refusal) ?
                                "domain '%s' would not work with this definition; nothing has been changed\nerror: %s" :
                                "libvirt would not accept this definition of domain '%s'; nothing has been changed\nerror: %s", name, refusal->message);
    }
    if (!same && !confirm(app, name, result->edit, error))
        return false;

    if (same || dryRun)
        result->after = g_strdup(result->edit->xml);
    else if (!checkUnchanged(dom, command, definition, error) || !define(conn, dom, result, error))
        return false;

    if (!dryRun || same)
        result->pending = pending(dom);
    printDiff(app, result->before, result->after);
    if (!app->json)
        printResult(app, name, same, result->pending);
    fflush(stdout);
    return true;
}


static hvmemEditSizes sizes = {
    .max = HVMEM_UNKNOWN, .fallback = HVMEM_UNKNOWN, .minimum = HVMEM_UNKNOWN, .plugged = HVMEM_UNKNOWN
};
static char *kernel;


/* Can a guest with this definition report free pages on this host? What can be told beforehand: libvirt is asked, too. */
static void
chooseReporting(const char *xml)
{
    g_autoptr(hvmemDomain) dom = hvmemDomainNew("", false, xml, NULL);
    bool kvm = dom && g_strcmp0(dom->virtType, "kvm") == 0;

    sizes.notReporting = NULL;
    if (reporting || notReporting) {
        sizes.reporting = reporting ? HVMEM_REPORTING_ON : HVMEM_REPORTING_OFF;
        sizes.notReporting = "--no-free-page-reporting says so";
    } else if (!kvm || hvmemHostReportsPages(kernel)) {
        sizes.reporting = HVMEM_REPORTING_AUTO;
    } else {
        sizes.reporting = HVMEM_REPORTING_KEEP;
        sizes.notReporting = kernel ? "with KVM it needs Linux 6.3 or later, and this host has an older one" :
            "with KVM it needs Linux 6.3 or later, and which one the host has is not known from here; --free-page-reporting turns it on";
    }
}


static hvmemEdit *
enable(const char *xml,
       bool doubts,
       GError **error)
{
    chooseReporting(xml);
    return hvmemEditEnable(xml, &sizes, doubts, error);
}


static void
doubtSizes(const hvmemApp *app)
{
    if (maxText)
        hvmemAppDoubtSize(app, maxText, sizes.max);
    if (minimumText)
        hvmemAppDoubtSize(app, minimumText, sizes.minimum);
    if (pluggedText)
        hvmemAppDoubtSize(app, pluggedText, sizes.plugged);
}


/* One domain after the other; what fails with one does not keep the others from it. */
static bool
applyAll(const hvmemApp *app,
         virConnectPtr conn,
         char **args,
         const char *command,
         Edit change,
         GError **error)
{
    g_autoptr(GPtrArray) targets = hvmemTargetsFind(conn, args, g_strv_length(args), error);
    g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func((GDestroyNotify)resultFree);
    size_t i;

    if (!targets)
        return false;

    for (i = 0; i < targets->len; i++) {
        virDomainPtr dom = ((hvmemTarget *)targets->pdata[i])->dom;
        Result *result = g_new0(Result, 1);

        g_ptr_array_add(results, result);
        result->name = virDomainGetName(dom);
        if (!apply(app, conn, dom, command, change, result, &result->error))
            hvmemErrorDomain(&result->error, result->name);
    }
    return reportAll(app, command, results, error);
}


static bool
runEnable(const hvmemApp *app,
          char **args,
          GError **error)
{
    g_autoptr(virConnect) conn = NULL;

    if (reporting && notReporting)
        return hvmemFailUsage(error, "--free-page-reporting cannot be combined with --no-free-page-reporting");
    if ((maxText && !hvmemParseSize(maxText, "--max", &sizes.max, error)) ||
        (minimumText && !hvmemParseSize(minimumText, "--minimum", &sizes.minimum, error)) ||
        (pluggedText && !hvmemParseSize(pluggedText, "--plugged", &sizes.plugged, error)))
        return false;

    doubtSizes(app);
    if (!checkWritable(app, error) || !(conn = hvmemConnect(app->uri, app->readonly, error)))
        return false;

    sizes.fallback = hostMemory(conn);
    kernel = hvmemSurveyKernel(conn);
    return applyAll(app, conn, args, "enable", enable, error);
}


static bool
runDisable(const hvmemApp *app,
           char **args,
           GError **error)
{
    g_autoptr(virConnect) conn = NULL;

    if (!checkWritable(app, error) || !(conn = hvmemConnect(app->uri, app->readonly, error)))
        return false;

    return applyAll(app, conn, args, "disable", hvmemEditDisable, error);
}


const hvmemCommand hvmemCmdEnable = {
    .name = "enable",
    .arguments = "DOMAIN… [--max SIZE] [--minimum SIZE] [--plugged SIZE] [--[no-]free-page-reporting] [--dry-run] [--yes]",
    .summary = "Give a defined domain a hyperv balloon, and show the difference",
    .description = "Only the definition changes; a running guest is not affected until it is shut down and started again.\n"
                   "For a domain that already has such a balloon, --max, --minimum and --plugged are changed.",
    .example = "virsh-hvmem enable g1 --max 32GiB",
    .options = enableOptions,
    .minArgs = 1,
    .maxArgs = -1,
    .run = runEnable,
};


const hvmemCommand hvmemCmdDisable = {
    .name = "disable",
    .arguments = "DOMAIN… [--dry-run]",
    .summary = "Remove the hyperv balloon and restore the previous definition",
    .description = "Memory beyond boot memory is removed too. What 'enable' changed is stored in the definition's <metadata>.",
    .example = "virsh-hvmem disable g1 --dry-run",
    .options = disableOptions,
    .minArgs = 1,
    .maxArgs = -1,
    .run = runDisable,
};
