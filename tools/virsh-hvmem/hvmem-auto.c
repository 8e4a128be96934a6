/*
 * hvmem-auto.c: what an administrator has set for a domain whose memory is automatic
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-auto.h"
#include "hvmem-domain.h"
#include "balance.h"

#include <string.h>

/* Seconds. */
#define REMEMBERED 3600

#define ELEMENT "metadata/*[local-name() = 'auto' and namespace-uri() = '" HVMEM_AUTO_URI "']"


static guint64
readNumber(hvmemAuto *settings,
           xmlNodePtr root,
           const char *name,
           guint64 least,
           guint64 most,
           guint64 fallback)
{
    g_autofree char *xpath = g_strdup_printf("string(" ELEMENT "/@%s)", name);
    g_autofree char *text = hvmemXMLString(root, xpath);
    guint64 number;

    if (text && g_ascii_string_to_unsigned(text, 10, least, most, &number, NULL))
        return number;
    if (text && *text)
        settings->unread = name;
    return fallback;
}


static guint64
readSize(hvmemAuto *settings,
         xmlNodePtr root,
         const char *name)
{
    return hvmemFromKiB(readNumber(settings, root, name, 0, G_MAXUINT64 / HVMEM_KIB, 0));
}


void
hvmemAutoReadNode(hvmemAuto *settings,
                  xmlNodePtr root)
{
    *settings = (hvmemAuto) { .buffer = HVMEM_AUTO_BUFFER, .weight = HVMEM_AUTO_WEIGHT };
    if (!root || !hvmemXMLTest(root, ELEMENT))
        return;

    settings->on = true;
    settings->minimum = readSize(settings, root, "minimum");
    settings->maximum = readSize(settings, root, "maximum");
    settings->buffer = readNumber(settings, root, "buffer", HVMEM_AUTO_BUFFER_LEAST, HVMEM_AUTO_BUFFER_MOST, HVMEM_AUTO_BUFFER);
    settings->weight = readNumber(settings, root, "weight", 1, HVMEM_AUTO_WEIGHT_MOST, HVMEM_AUTO_WEIGHT);
    settings->hold = readNumber(settings, root, "hold", 0, G_MAXINT64, 0);
}


void
hvmemAutoRead(hvmemAuto *settings,
              const char *xml)
{
    g_autoptr(xmlDoc) doc = hvmemXMLParse(xml, NULL);

    hvmemAutoReadNode(settings, doc ? xmlDocGetRootElement(doc) : NULL);
}


bool
hvmemAutoIsSame(const hvmemAuto *a,
                const hvmemAuto *b)
{
    if (!a->on || !b->on)
        return a->on == b->on;
    return a->minimum == b->minimum && a->maximum == b->maximum && a->buffer == b->buffer && a->weight == b->weight && a->hold == b->hold;
}


static void
appendNumber(GString *out,
             const char *name,
             guint64 number)
{
    if (number > 0)
        g_string_append_printf(out, " %s='%" G_GUINT64_FORMAT "'", name, number);
}


char *
hvmemAutoFormat(const hvmemAuto *settings)
{
    GString *out = g_string_new("<auto");

    appendNumber(out, "minimum", settings->minimum / HVMEM_KIB);
    appendNumber(out, "maximum", settings->maximum / HVMEM_KIB);
    appendNumber(out, "buffer", settings->buffer);
    appendNumber(out, "weight", settings->weight);
    appendNumber(out, "hold", settings->hold);
    g_string_append(out, "/>");
    return g_string_free(out, FALSE);
}


/* What fits below the ceiling: libvirt cuts a request for the rest, which is too little for a stick, to what there is. Asked for it, it would be asked
 * again and again. */
static guint64
reachable(const hvmemDomain *dom)
{
    if (dom->boot == HVMEM_UNKNOWN || dom->boot >= dom->maxMemory)
        return dom->maxMemory;
    return dom->maxMemory - (dom->maxMemory - dom->boot) % hvmemFromKiB(QEMU_HVBALLOON_STICK_GRANULE);
}


guint64
hvmemAutoMaximum(const hvmemAuto *settings,
                 const hvmemDomain *dom)
{
    guint64 most = dom->maxMemory == HVMEM_UNKNOWN ? dom->total : reachable(dom);

    return settings->maximum ? MIN(settings->maximum, most) : most;
}


guint64
hvmemAutoMinimum(const hvmemAuto *settings,
                 const hvmemDomain *dom)
{
    guint64 usual = dom->minimum ? dom->minimum : dom->boot == HVMEM_UNKNOWN ? 0 : dom->boot / 2;
    guint64 minimum = settings->minimum ? MAX(settings->minimum, dom->minimum) : usual;

    /* VFIO keeps all of boot memory */
    if (dom->hostdevs > 0 && dom->boot != HVMEM_UNKNOWN)
        minimum = MAX(minimum, dom->boot);
    return MIN(minimum, hvmemAutoMaximum(settings, dom));
}


bool
hvmemAutoIsHeld(const hvmemAuto *settings)
{
    return settings->hold > g_get_real_time() / G_USEC_PER_SEC;
}


bool
hvmemAutoIsOn(const hvmemDomain *dom)
{
    return dom->hyperv && dom->automatic.on;
}


/* What is back in the pool of huge pages is available for nothing else, and what is locked cannot be discarded. */
const char *
hvmemAutoFixed(const hvmemDomain *dom)
{
    if (hvmemNeedsHuge(&dom->needs))
        return "its memory is in huge pages, and others could not have what it gives back";
    return dom->locked ? "its memory is locked, and others could not have what it gives back" : NULL;
}


/* The newer of both reports: balloon.usable follows <stats period>. */
guint64
hvmemAutoDemand(const hvmemDomain *dom)
{
    guint64 usable = dom->available == HVMEM_UNKNOWN ? dom->usable : dom->available;
    guint64 committed = dom->committed == HVMEM_UNKNOWN ? HVMEM_BALANCE_UNKNOWN : dom->committed / HVMEM_KIB;

    if (!dom->active || dom->current == HVMEM_UNKNOWN || usable == HVMEM_UNKNOWN)
        return HVMEM_UNKNOWN;
    return hvmemFromKiB(hvmemBalanceDemand(dom->current / HVMEM_KIB, usable / HVMEM_KIB, committed));
}


static bool
failSize(const char *option,
         guint64 value,
         const char *problem,
         guint64 bound,
         GError **error)
{
    g_autofree char *text = hvmemFormatSize(value);
    g_autofree char *limit = hvmemFormatSize(bound);

    return hvmemFail(error, "%s %s is %s, %s", option, text, problem, limit);
}


bool
hvmemAutoCheckNumber(const char *option,
                     gint64 value,
                     guint least,
                     guint most,
                     GError **error)
{
    if (value >= least && value <= most)
        return true;
    return hvmemFail(error, "%s %" G_GINT64_FORMAT ": from %u to %u", option, value, least, most);
}


bool
hvmemAutoCheck(const hvmemAuto *settings,
               const hvmemDomain *dom,
               GError **error)
{
    hvmemAuto usual = { .maximum = settings->maximum };
    guint64 most = hvmemAutoMaximum(&usual, dom);

    if (dom->maxMemory != HVMEM_UNKNOWN && settings->maximum > dom->maxMemory)
        return failSize("--maximum", settings->maximum, "above <maxMemory>", dom->maxMemory, error);
    if (settings->maximum && dom->minimum > settings->maximum)
        return failSize("--maximum", settings->maximum, "below the balloon's <minimum>", dom->minimum, error);
    if (settings->minimum && settings->minimum < dom->minimum)
        return failSize("--minimum", settings->minimum, "below the balloon's <minimum>", dom->minimum, error);
    if (settings->minimum > most)
        return failSize("--minimum", settings->minimum, "above the maximum", most, error);
    return hvmemAutoCheckNumber("--buffer", settings->buffer, HVMEM_AUTO_BUFFER_LEAST, HVMEM_AUTO_BUFFER_MOST, error) &&
        hvmemAutoCheckNumber("--weight", settings->weight, 1, HVMEM_AUTO_WEIGHT_MOST, error);
}


bool
hvmemAutoParseDuration(const char *text,
                       gint64 *seconds,
                       GError **error)
{
    static const struct {
        const char *name;
        gint64 seconds;
    } units[] = { { "", 1 }, { "s", 1 }, { "min", 60 }, { "h", 3600 }, { "d", 86400 } };
    size_t digits = strspn(text, "0123456789");
    g_autofree char *number = g_strndup(text, digits);
    guint64 value;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(units); i++) {
        if (strcmp(text + digits, units[i].name) == 0 && g_ascii_string_to_unsigned(number, 10, 1, 1000000, &value, NULL)) {
            *seconds = value * units[i].seconds;
            return true;
        }
    }
    return hvmemFail(error, "'%s' is not a duration: use a whole number with s, min, h or d, as 30min", text);
}


bool
hvmemAutoIsLately(gint64 when,
                  gint64 now)
{
    return when <= now && now - when <= REMEMBERED;
}
