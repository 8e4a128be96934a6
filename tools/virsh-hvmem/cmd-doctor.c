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

static const char *const verdicts[] = {
    [HVMEM_PASS] = "pass",
    [HVMEM_WARN] = "warn",
    [HVMEM_FAIL] = "fail",
};


static void
printChecks(const hvmemApp *app,
            const GPtrArray *checks)
{
    static const char *const colours[] = { [HVMEM_PASS] = "32", [HVMEM_WARN] = "33", [HVMEM_FAIL] = "1;31" };
    int width = CLAMP(hvmemTerm.width, 40, 100);
    size_t i;

    for (i = 0; i < checks->len; i++) {
        const hvmemCheck *check = checks->pdata[i];
        g_autofree char *verdict = hvmemColour(colours[check->verdict], verdicts[check->verdict]);
        g_autofree char *human = hvmemHumanise(check->finding);
        g_autofree char *finding = hvmemWrap(human, width, 24);
        g_autofree char *remedy = check->remedy ? hvmemWrap(check->remedy, width, 26) : NULL;

        if (app->quiet && check->verdict == HVMEM_PASS)
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


static unsigned int
countFailed(const GPtrArray *checks)
{
    unsigned int n = 0;
    size_t i;

    for (i = 0; i < checks->len; i++) {
        const hvmemCheck *check = checks->pdata[i];

        n += check->verdict == HVMEM_FAIL;
    }
    return n;
}


static void
report(const hvmemApp *app,
       const char *name,
       const GPtrArray *host,
       const GPtrArray *dom)
{
    JsonBuilder *builder;

    if (!app->json) {
        printf("Host:\n");
        printChecks(app, host);
        if (dom) {
            printf("%s:\n", name);
            printChecks(app, dom);
        }
        return;
    }

    builder = hvmemJSONBegin("doctor");
    hvmemJSONString(builder, "name", name);
    json_builder_set_member_name(builder, "checks");
    json_builder_begin_array(builder);
    jsonChecks(builder, "host", host);
    if (dom)
        jsonChecks(builder, name, dom);
    json_builder_end_array(builder);
    hvmemJSONPrint(builder);
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
        const hvmemHost *host,
        GError **error)
{
    hvmemEditSizes sizes = { .max = HVMEM_UNKNOWN, .fallback = host->memory / HVMEM_GIB * HVMEM_GIB, .minimum = HVMEM_UNKNOWN };
    char *xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE);
    g_autoptr(hvmemEdit) edit = NULL;

    if (!xml)
        hvmemFailVir(error, "failed to get the definition of domain '%s'", virDomainGetName(dom));
    else
        edit = hvmemEditEnable(xml, &sizes, false, error);
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
    g_autofree char *xml = enabled(dom, host, &refusal);
    g_autoptr(hvmemDomain) would = xml ? hvmemDomainNew(info->name, false, xml, &refusal) : NULL;
    g_auto(hvmemAnswer) definition = { 0 };

    if (would)
        hvmemSurveyAsk(conn, xml, &definition);
    return hvmemDoctorBefore(info, would, refusal, host, &definition);
}


static bool
run(const hvmemApp *app,
    char **args,
    GError **error)
{
    g_autoptr(virConnect) conn = NULL;
    g_autoptr(virDomain) dom = NULL;
    g_autoptr(hvmemDomain) info = NULL;
    g_autoptr(GPtrArray) hostChecks = NULL;
    g_autoptr(GPtrArray) domChecks = NULL;
    g_auto(hvmemHost) host = { 0 };

    if (!(conn = hvmemConnect(app->uri, app->readonly, error)))
        return false;

    if (args[0] &&
        (!(dom = hvmemLookup(conn, args[0], error)) || !(info = hvmemInspectBoth(dom, false, error))))
        return false;

    if (!hvmemSurveyHost(conn, info ? hvmemDomainStored(info) : NULL, &host, error))
        return false;

    hostChecks = hvmemDoctorHost(&host);
    if (info) {
        hvmemSurveyDomain(dom, &host);
        domChecks = hvmemDomainIsMeant(info) ? examine(conn, dom, info, &host) : examineBefore(conn, dom, info, &host);
    }

    report(app, info ? info->name : NULL, hostChecks, domChecks);
    return countFailed(hostChecks) + (domChecks ? countFailed(domChecks) : 0) == 0 || hvmemFailSilently(error, HVMEM_EXIT_FAILED);
}


const hvmemCommand hvmemCmdDoctor = {
    .name = "doctor",
    .arguments = "[DOMAIN]",
    .summary = "Check the host, and a domain if given: each line says pass, warn or fail, and the remedy",
    .description = "The exit status is 1 if something fails.",
    .maxArgs = 1,
    .run = run,
};
