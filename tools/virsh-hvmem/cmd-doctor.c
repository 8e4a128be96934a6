/*
 * cmd-doctor.c: checks the host and a domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-cmd.h"
#include "hvmem-doctor.h"
#include "hvmem-edit.h"
#include "hvmem-json.h"
#include "hvmem-output.h"
#include "hvmem-survey.h"

#include <stdlib.h>

static gboolean all;

static const GOptionEntry options[] = {
    { "all", 'a', 0, G_OPTION_ARG_NONE, &all, "Check every domain with a hyperv balloon", NULL },
    G_OPTION_ENTRY_NULL,
};

static const char *const verdicts[] = {
    [HVMEM_PASS] = "pass",
    [HVMEM_WARN] = "warn",
    [HVMEM_FAIL] = "fail",
    [HVMEM_SKIP] = "skip",
};


static void
printChecks(const char *title,
            const GPtrArray *checks,
            bool quiet)
{
    static const char *const colours[] = { [HVMEM_PASS] = "", [HVMEM_WARN] = "1;33", [HVMEM_FAIL] = "1;31", [HVMEM_SKIP] = "" };
    int width = CLAMP(hvmemTerm.width, 40, 100);
    size_t i;

    hvmemSay(stdout, "%s:\n", title);
    for (i = 0; i < checks->len; i++) {
        const hvmemCheck *check = checks->pdata[i];
        g_autofree char *verdict = hvmemColour(colours[check->verdict], verdicts[check->verdict]);
        g_autofree char *human = hvmemHumanise(check->finding);
        g_autofree char *finding = hvmemWrap(human, width, 24);
        g_autofree char *remedy = check->remedy ? hvmemWrap(check->remedy, width, 26) : NULL;

        if (quiet && (check->verdict == HVMEM_PASS || check->verdict == HVMEM_SKIP))
            continue;

        printf("  %s  %-15s %s", verdict, check->subject, finding + 23 + (finding[23] == ' '));
        if (remedy)
            printf("%24s> %s", "", remedy + 26);
    }
}


static void
jsonChecks(JsonBuilder *builder,
           const char *about,
           const GPtrArray *checks)
{
    size_t i;

    for (i = 0; i < checks->len; i++) {
        const hvmemCheck *check = checks->pdata[i];

        json_builder_begin_object(builder);
        hvmemJSONString(builder, "about", about);
        hvmemJSONString(builder, "check", check->subject);
        hvmemJSONString(builder, "result", verdicts[check->verdict]);
        hvmemJSONString(builder, "finding", check->finding);
        hvmemJSONString(builder, "remedy", check->remedy);
        json_builder_end_object(builder);
    }
}


/* What has been checked so far. */
typedef struct _Report Report;
struct _Report {
    JsonBuilder *builder;       /* NULL: for people */
    bool quiet;
    char *name;                 /* the domain, if it is one */
    unsigned int counts[G_N_ELEMENTS(verdicts)];
};


/* Prints the checks, or adds them to the document, and counts them. */
static void
addChecks(Report *report,
          const char *title,
          const char *about,
          const GPtrArray *checks)
{
    size_t i;

    if (report->builder)
        jsonChecks(report->builder, about, checks);
    else
        printChecks(title, checks, report->quiet);

    for (i = 0; i < checks->len; i++)
        report->counts[((hvmemCheck *)checks->pdata[i])->verdict]++;
}


/* "15 passed, 1 warning, 1 failed"; skipped ones only if there are any. */
static void
printCounts(const Report *report)
{
    const unsigned int *counts = report->counts;
    g_autofree char *skipped = counts[HVMEM_SKIP] ? g_strdup_printf(", %u skipped", counts[HVMEM_SKIP]) : g_strdup("");
    g_autofree char *failed = g_strdup_printf("%u failed", counts[HVMEM_FAIL]);
    g_autofree char *coloured = counts[HVMEM_FAIL] ? hvmemColour("1;31", failed) : g_strdup(failed);

    printf("\n%u passed, %u warning%s, %s%s\n", counts[HVMEM_PASS], counts[HVMEM_WARN], counts[HVMEM_WARN] == 1 ? "" : "s", coloured, skipped);
}


static GPtrArray *
examine(virConnectPtr conn,
        virDomainPtr dom,
        const hvmemDomain *info,
        const hvmemHost *host)
{
    g_auto(hvmemAnswer) definition = { 0 };

    hvmemSurveyDefinition(conn, dom, &definition);
    return hvmemDoctorDomain(info, host, &definition);
}


/* The definition after 'enable' of a domain that has another balloon; NULL with @error if 'enable' would refuse it. */
static char *
enabled(virDomainPtr dom,
        const hvmemDomain *info,
        const hvmemHost *host,
        GError **error)
{
    bool reports = !host->balloon.fixed && (g_strcmp0(info->virtType, "kvm") != 0 || hvmemHostReportsPages(host->kernel));
    hvmemEditSizes sizes = {
        .max = HVMEM_UNKNOWN, .fallback = host->memory / HVMEM_GIB * HVMEM_GIB, .minimum = HVMEM_UNKNOWN, .plugged = HVMEM_UNKNOWN,
        .reporting = reports ? HVMEM_REPORTING_AUTO : HVMEM_REPORTING_KEEP
    };
    char *xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE);
    g_autoptr(hvmemEdit) edit = NULL;

    if (!xml)
        hvmemFailVir(error, "failed to get the definition of domain '%s'", virDomainGetName(dom));
    else
        edit = hvmemEditEnable(xml, &sizes, reports, error);
    free(xml);
    return edit ? g_strdup(edit->xml) : NULL;
}


/* The preflight of 'enable'. */
static GPtrArray *
examineBefore(virConnectPtr conn,
              virDomainPtr dom,
              const hvmemDomain *info,
              const hvmemHost *host)
{
    g_autoptr(GError) refusal = NULL;
    g_autofree char *xml = enabled(dom, hvmemDomainStored(info), host, &refusal);
    g_autoptr(hvmemDomain) would = xml ? hvmemDomainNew(info->name, false, xml, &refusal) : NULL;
    g_auto(hvmemAnswer) definition = { 0 };

    if (would)
        hvmemSurveyAsk(conn, xml, &definition);
    return hvmemDoctorBefore(info, would, refusal, host, &definition);
}


/* The checks of @dom, and of the @host as this domain needs it. */
static GPtrArray *
checkDomain(virConnectPtr conn,
            virDomainPtr dom,
            const hvmemDomain *info,
            hvmemHost *host,
            GError **error)
{
    if (!hvmemSurveyHost(conn, hvmemDomainStored(info), host, error))
        return NULL;

    hvmemSurveyDomain(dom, info->told && !info->connected, host);
    return hvmemDomainIsMeant(info) ? examine(conn, dom, info, host) : examineBefore(conn, dom, info, host);
}


static bool
checkHost(virConnectPtr conn,
          Report *report,
          GError **error)
{
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(GPtrArray) checks = NULL;

    if (!hvmemSurveyHost(conn, NULL, &host, error))
        return false;

    checks = hvmemDoctorHost(&host);
    addChecks(report, "Host", "host", checks);
    return true;
}


/* The host, as the domain needs it, and the domain. */
static bool
checkOne(virConnectPtr conn,
         const char *name,
         Report *report,
         GError **error)
{
    g_autoptr(virDomain) dom = hvmemLookup(conn, name, error);
    g_autoptr(hvmemDomain) info = dom ? hvmemInspectBoth(dom, false, error) : NULL;
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(GPtrArray) hostChecks = NULL;
    g_autoptr(GPtrArray) checks = NULL;

    if (!info || !(checks = checkDomain(conn, dom, info, &host, error)))
        return false;

    hostChecks = hvmemDoctorHost(&host);
    addChecks(report, "Host", "host", hostChecks);
    addChecks(report, info->name, info->name, checks);
    report->name = g_strdup(info->name);
    return true;
}


/* The host, and every domain that has or will have a hyperv balloon. */
static bool
checkAll(virConnectPtr conn,
         Report *report,
         GError **error)
{
    g_autoptr(GPtrArray) doms = hvmemInspectAll(conn, error);
    size_t i;

    if (!doms || !checkHost(conn, report, error))
        return false;

    for (i = 0; i < doms->len; i++) {
        const hvmemDomain *info = doms->pdata[i];
        g_autoptr(virDomain) dom = hvmemDomainIsMeant(info) ? hvmemLookup(conn, info->uuid, NULL) : NULL;
        g_auto(hvmemHost) host = { 0 };
        g_autoptr(GPtrArray) checks = NULL;

        if (!dom)
            continue;
        if (!(checks = checkDomain(conn, dom, info, &host, error)))
            return false;
        addChecks(report, info->name, info->name, checks);
    }
    return true;
}


static bool
check(const hvmemApp *app,
      const char *name,
      Report *report,
      GError **error)
{
    g_autoptr(virConnect) conn = hvmemConnect(app->uri, app->readonly, error);

    bool ok;

    if (!conn)
        return false;
    if (all)
        ok = checkAll(conn, report, error);
    else
        ok = name ? checkOne(conn, name, report, error) : checkHost(conn, report, error);

    /* what could not be asked is no finding */
    return ok && (virConnectIsAlive(conn) != 0 || hvmemFailClosed(error));
}


static bool
conclude(Report *report,
         GError **error)
{
    if (report->builder) {
        json_builder_end_array(report->builder);
        hvmemJSONString(report->builder, "name", report->name);
        hvmemJSONPrint(g_steal_pointer(&report->builder));
    } else {
        printCounts(report);
    }
    return report->counts[HVMEM_FAIL] == 0 || hvmemFailSilently(error, HVMEM_EXIT_FAILED);
}


static bool
run(const hvmemApp *app,
    char **args,
    GError **error)
{
    Report report = { .quiet = app->quiet };
    bool ok;

    if (all && args[0])
        return hvmemFailUsage(error, "--all cannot be combined with DOMAIN");

    if (app->json) {
        report.builder = hvmemJSONBegin("doctor");
        json_builder_set_member_name(report.builder, "checks");
        json_builder_begin_array(report.builder);
    }
    ok = check(app, args[0], &report, error) && conclude(&report, error);
    g_clear_object(&report.builder);
    g_free(report.name);
    return ok;
}


const hvmemCommand hvmemCmdDoctor = {
    .name = "doctor",
    .arguments = "[DOMAIN | --all]",
    .summary = "Check host and domain for problems",
    .description = "Each line says pass, warn, fail or skip, and the remedy. The exit status is 1 if something fails.",
    .example = "virsh-hvmem doctor g1",
    .options = options,
    .maxArgs = 1,
    .run = run,
};
