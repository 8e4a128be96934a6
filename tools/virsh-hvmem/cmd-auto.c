/*
 * cmd-auto.c: makes the memory of a domain automatic
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-auto.h"
#include "hvmem-cmd.h"
#include "hvmem-json.h"
#include "hvmem-output.h"
#include "hvmem-table.h"

#include <stdlib.h>

/* Of options that are a number. */
#define UNSET G_MININT

static char *minimumText;
static char *maximumText;
static char *holdText;
static int buffer = UNSET;
static int weight = UNSET;
static gboolean off;
static gboolean on;

static const GOptionEntry options[] = {
    { "on", 0, 0, G_OPTION_ARG_NONE, &on, "Automatic, with the values that are set or the defaults", NULL },
    { "minimum", 0, 0, G_OPTION_ARG_STRING, &minimumText, "Never less (default: <minimum> of the balloon, or half of boot memory)", "SIZE" },
    { "maximum", 0, 0, G_OPTION_ARG_STRING, &maximumText, "Never more (default: <maxMemory>)", "SIZE" },
    { "buffer", 0, 0, G_OPTION_ARG_INT, &buffer, "So much more than the guest uses (default: 20)", "PERCENT" },
    { "weight", 0, 0, G_OPTION_ARG_INT, &weight, "Its share when there is not enough for all (default: 100)", "N" },
    { "hold", 0, 0, G_OPTION_ARG_STRING, &holdText, "Leave the guest alone for so long, as 30min; 'no': no longer", "DURATION" },
    { "off", 0, 0, G_OPTION_ARG_NONE, &off, "No longer automatic", NULL },
    G_OPTION_ENTRY_NULL,
};


static bool
isChange(void)
{
    return on || off || minimumText || maximumText || holdText || buffer != UNSET || weight != UNSET;
}


/*
 * Reading and writing
 */

static bool
readSettings(virDomainPtr dom,
             hvmemAuto *settings,
             GError **error)
{
    char *xml = virDomainGetXMLDesc(dom, 0);

    if (!xml)
        return hvmemFailVir(error, "failed to query domain '%s'", virDomainGetName(dom));

    hvmemAutoRead(settings, xml);
    free(xml);
    return true;
}


/* The running domain and its definition, whichever there are. */
static unsigned int
affected(const hvmemDomain *info)
{
    return (info->active ? VIR_DOMAIN_AFFECT_LIVE : 0) | (info->transient ? 0 : VIR_DOMAIN_AFFECT_CONFIG);
}


/* Libvirt changes the running domain first, and leaves it so if the definition cannot be written: does it have the settings that it had not @before? */
static bool
isHalfDone(virDomainPtr dom,
           const hvmemAuto *before,
           const hvmemAuto *settings)
{
    hvmemAuto now;

    return readSettings(dom, &now, NULL) && hvmemAutoIsSame(&now, settings) && !hvmemAutoIsSame(&now, before);
}


static bool
writeSettings(virDomainPtr dom,
              const hvmemDomain *info,
              const hvmemAuto *before,
              const hvmemAuto *settings,
              GError **error)
{
    g_autofree char *element = settings->on ? hvmemAutoFormat(settings) : NULL;

    if (virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, element, element ? HVMEM_AUTO_PREFIX : NULL, HVMEM_AUTO_URI, affected(info)) == 0)
        return true;

    hvmemFailVir(error, "failed to change the metadata of domain '%s'", info->name);
    if (info->active && isHalfDone(dom, before, settings))
        hvmemErrorHint(error, "The new settings count for now, and are lost when libvirt is restarted: they could not be written.");
    return false;
}


/*
 * Options
 */

static bool
parseSize(const hvmemApp *app,
          const char *text,
          const char *option,
          guint64 *size,
          GError **error)
{
    if (!text)
        return true;
    if (!hvmemParseSize(text, option, size, error))
        return false;

    hvmemAppDoubtSize(app, text, *size);
    return true;
}


static bool
parseHold(hvmemAuto *settings,
          GError **error)
{
    gint64 seconds;

    if (!holdText)
        return true;
    if (g_str_equal(holdText, "no")) {
        settings->hold = 0;
        return true;
    }
    if (!hvmemAutoParseDuration(holdText, &seconds, error))
        return false;

    settings->hold = g_get_real_time() / G_USEC_PER_SEC + seconds;
    return true;
}


static bool
takeNumber(const char *option,
           int value,
           guint least,
           guint most,
           guint *number,
           GError **error)
{
    if (value == UNSET)
        return true;
    if (!hvmemAutoCheckNumber(option, value, least, most, error))
        return false;

    *number = value;
    return true;
}


static bool
applyOptions(const hvmemApp *app,
             hvmemAuto *settings,
             GError **error)
{
    if (off && (on || minimumText || maximumText || holdText || buffer != UNSET || weight != UNSET))
        return hvmemFail(error, "--off goes with no other option");

    settings->on = !off;
    settings->unread = NULL;
    return takeNumber("--buffer", buffer, HVMEM_AUTO_BUFFER_LEAST, HVMEM_AUTO_BUFFER_MOST, &settings->buffer, error) &&
        takeNumber("--weight", weight, 1, HVMEM_AUTO_WEIGHT_MOST, &settings->weight, error) &&
        parseSize(app, minimumText, "--minimum", &settings->minimum, error) &&
        parseSize(app, maximumText, "--maximum", &settings->maximum, error) && parseHold(settings, error);
}


/*
 * Showing
 */

static void
printJSON(const hvmemDomain *info,
          const hvmemAuto *settings)
{
    JsonBuilder *builder = hvmemJSONBegin("auto");

    hvmemJSONString(builder, "name", info->name);
    hvmemJSONBool(builder, "automatic", settings->on);
    if (settings->on)
        hvmemJSONAutoMembers(builder, settings, info);
    hvmemJSONPrint(builder);
}


static void
printHold(const hvmemAuto *settings)
{
    g_autoptr(GDateTime) until = NULL;
    g_autofree char *text = NULL;

    if (!hvmemAutoIsHeld(settings) || !(until = g_date_time_new_from_unix_local(settings->hold)))
        return;

    text = g_date_time_format(until, "%F %T");
    printf("It is left alone until %s.\n", text);
}


/* What is set and does not count. */
static void
printFixed(const hvmemDomain *info)
{
    const char *fixed = hvmemAutoFixed(info);
    g_autofree char *boot = hvmemFormatSize(info->boot);

    if (fixed)
        printf("But 'balance' leaves it alone: %s.\n", fixed);
    else if (info->hostdevs > 0)
        printf("It never has less than its boot memory, %s: that is kept for passed-through devices, and others could not have it.\n", boot);
}


static void
printSettings(const hvmemDomain *info,
              const hvmemAuto *settings)
{
    g_autofree char *minimum = hvmemFormatSize(hvmemAutoMinimum(settings, info));
    g_autofree char *maximum = hvmemFormatSize(hvmemAutoMaximum(settings, info));
    g_autofree char *word = hvmemShellWord(info->name);

    if (!settings->on) {
        hvmemTell(stdout, "The memory of %s is not automatic: 'virsh-hvmem auto %s --on' changes that.\n", info->name, word);
        return;
    }
    hvmemTell(stdout, "The memory of %s is automatic: from %s to %s, %u %% more than it uses, weight %u.\n", info->name, minimum, maximum,
              settings->buffer, settings->weight);
    if (settings->unread)
        hvmemTell(stdout, "But '%s' in its <metadata> is no number that is possible: the default counts.\n", settings->unread);
    printFixed(info);
    printHold(settings);
}


static bool
change(const hvmemApp *app,
       virDomainPtr dom,
       const hvmemDomain *info,
       hvmemAuto *settings,
       GError **error)
{
    hvmemAuto before = *settings;

    if (app->readonly)
        return hvmemFail(error, "--readonly cannot change the settings of a domain");

    return applyOptions(app, settings, error) && (!settings->on || hvmemAutoCheck(settings, info, error)) &&
        writeSettings(dom, info, &before, settings, error);
}


static bool
run(const hvmemApp *app,
    char **args,
    GError **error)
{
    g_autoptr(virConnect) conn = NULL;
    g_autoptr(virDomain) dom = hvmemAppDomain(app, args[0], &conn, error);
    g_autoptr(hvmemDomain) info = dom ? hvmemInspectHyperv(dom, true, error) : NULL;
    hvmemAuto settings;

    if (!info || !readSettings(dom, &settings, error) || (isChange() && !change(app, dom, info, &settings, error)))
        return false;

    if (app->json)
        printJSON(info, &settings);
    else if (!app->quiet || !isChange())
        printSettings(info, &settings);
    return true;
}


const hvmemCommand hvmemCmdAuto = {
    .name = "auto",
    .arguments = "DOMAIN",
    .summary = "Let 'balance' choose the memory of a domain, within bounds",
    .description = "Without options, shows what is set. It is stored in the domain's <metadata>, of the running guest and of the definition,\n"
        "and takes effect while 'virsh-hvmem balance' runs.",
    .example = "virsh-hvmem auto g1 --minimum 1GiB --weight 200",
    .options = options,
    .minArgs = 1,
    .maxArgs = 1,
    .run = run,
};
