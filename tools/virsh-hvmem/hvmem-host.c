/*
 * hvmem-host.c: properties of the host and its software
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-host.h"
#include "hvmem-xml.h"

#include <stdlib.h>
#include <string.h>

const char *const hvmemNeeded[] = { "vpindex", "synic", NULL };

/* Enlightenments that need nothing from the host: they only set values in CPUID. */
static const char *const always[] = { "spinlocks", "vendor_id", NULL };

/* The enlightenments of this project's QEMU without KVM. libvirt only reports those of KVM. */
static const char *const withoutKVM[] = { "relaxed", "vpindex", "synic", "reset", NULL };

/* The usual size if none is reported. */
#define USUAL_HUGEPAGE (2 * HVMEM_MIB)


void
hvmemAnswerClear(hvmemAnswer *answer)
{
    g_clear_pointer(&answer->refusal, g_free);
}


void
hvmemHostClear(hvmemHost *host)
{
    g_clear_pointer(&host->enlightenments, g_strfreev);
    g_clear_pointer(&host->freePages, g_array_unref);
    g_clear_pointer(&host->missing, g_ptr_array_unref);
    g_clear_pointer(&host->cpuLacks, g_free);
    g_clear_pointer(&host->kernel, g_free);
    g_clear_pointer(&host->uri, g_free);
    g_clear_pointer(&host->otherBalancers, g_free);
    hvmemAnswerClear(&host->balloon);
    free(host->cpuMap);
    host->cpuMap = NULL;
}


static void
readPages(hvmemHost *host,
          xmlNodePtr root)
{
    g_autoptr(GPtrArray) nodes = hvmemXMLNodes(root, "host/cpu/pages");
    size_t i;

    g_clear_pointer(&host->freePages, g_array_unref);
    if (nodes->len == 0)
        return;

    host->freePages = g_array_new(FALSE, FALSE, sizeof(hvmemPages));
    for (i = 0; i < nodes->len; i++) {
        g_autofree char *size = hvmemXMLString(nodes->pdata[i], "string(@size)");
        g_autofree char *unit = hvmemXMLString(nodes->pdata[i], "string(@unit)");
        hvmemPages pages = { .size = size ? hvmemXMLScale(size, unit) : 0 };

        if (pages.size > 4 * HVMEM_KIB)
            g_array_append_val(host->freePages, pages);
    }
}


void
hvmemHostReadCaps(hvmemHost *host,
                  const char *xml)
{
    g_autoptr(xmlDoc) doc = xml ? hvmemXMLParse(xml, NULL) : NULL;
    g_autofree char *bits = NULL;
    xmlNodePtr root;

    if (!doc)
        return;

    root = xmlDocGetRootElement(doc);
    bits = hvmemXMLString(root, "string(host/cpu/maxphysaddr/@bits)");
    host->addressBits = bits ? strtoul(bits, NULL, 10) : 0;
    host->tscFrequency = hvmemXMLNumber(root, "string(host/cpu/counter[@name = 'tsc' and @scaling = 'no']/@frequency)");
    host->intel = hvmemXMLTest(root, "host/cpu/vendor = 'Intel'");
    host->kvm = hvmemXMLTest(root, "guest/arch[@name = 'x86_64']/domain[@type = 'kvm']");
    readPages(host, root);
}


void
hvmemHostReadDomainCaps(hvmemHost *host,
                        const char *xml)
{
    g_autoptr(xmlDoc) doc = xml ? hvmemXMLParse(xml, NULL) : NULL;
    g_autoptr(GPtrArray) nodes = NULL;
    xmlNodePtr root;
    size_t i;

    if (!doc)
        return;

    root = xmlDocGetRootElement(doc);
    if (!hvmemXMLTest(root, "features/hyperv"))
        return;

    nodes = hvmemXMLNodes(root, "features/hyperv[@supported = 'yes']/enum[@name = 'features']/value");
    g_clear_pointer(&host->enlightenments, g_strfreev);
    host->enlightenments = g_new0(char *, nodes->len + 1);
    for (i = 0; i < nodes->len; i++) {
        char *name = hvmemXMLString(nodes->pdata[i], "normalize-space(.)");

        host->enlightenments[i] = name ? name : g_strdup("");
    }
}


void
hvmemHostReadGuests(hvmemHost *host,
                    const char *text)
{
    g_autoptr(GRegex) setting = g_regex_new("^\\s*(?:export\\s+)?ON_SHUTDOWN=[\"']?(\\w*)", G_REGEX_MULTILINE, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    /* the last one counts */
    for (g_regex_match(setting, text, 0, &match); g_match_info_matches(match); g_match_info_next(match, NULL)) {
        g_autofree char *value = g_match_info_fetch(match, 1);

        host->savesGuests = strcmp(value, "suspend") == 0;
    }
}


/* From Linux 6.3 on, KVM lets QEMU handle extended hypercalls. */
bool
hvmemHostReportsPages(const char *release)
{
    char *end;
    gulong major = release ? strtoul(release, &end, 10) : 0;
    gulong minor = major && *end == '.' ? strtoul(end + 1, NULL, 10) : 0;

    return major > 6 || (major == 6 && minor >= 3);
}


bool
hvmemHostHas(const hvmemHost *host,
             const char *name)
{
    return !host->enlightenments || g_strv_contains((const char *const *)host->enlightenments, name) || g_strv_contains(always, name);
}


char *
hvmemHostLacks(const hvmemHost *host,
               bool kvm,
               const char *const *names)
{
    g_autoptr(GString) missing = g_string_new(NULL);
    size_t i;

    for (i = 0; names[i]; i++) {
        if (kvm ? hvmemHostHas(host, names[i]) : g_strv_contains(withoutKVM, names[i]) || g_strv_contains(always, names[i]))
            continue;

        if (missing->len)
            g_string_append(missing, ", ");
        g_string_append(missing, names[i]);
    }
    return missing->len ? g_string_free(g_steal_pointer(&missing), FALSE) : NULL;
}


/* QEMU sets these by the topology of processors, so libvirt's comparison with a single processor lacks them. */
static const char *const byTopology[] = { "ht", "topoext", "cmp_legacy", NULL };


/* The names at the end of libvirt's message: "…: Host CPU does not provide required features: svm, npt". */
static char **
namesIn(const char *message)
{
    const char *last = strrchr(message, ':');

    return g_strsplit(last ? last + 1 : message, ",", -1);
}


/* Some messages end with a sentence instead. libvirt ignores missing VMX features that the definition does not name. */
static bool
isFeature(const char *name)
{
    return *name && !strpbrk(name, " '\"") && !g_strv_contains(byTopology, name) && !g_str_has_prefix(name, "vmx-");
}


static bool
hasName(char **names,
        const char *name)
{
    size_t i;

    for (i = 0; names[i]; i++) {
        if (strcmp(g_strstrip(names[i]), name) == 0)
            return true;
    }
    return false;
}


char *
hvmemHostCPULacks(const char *hypervisor,
                  const char *host)
{
    g_auto(GStrv) names = namesIn(hypervisor);
    g_auto(GStrv) hostNames = host ? namesIn(host) : NULL;
    g_autoptr(GString) lacks = g_string_new(NULL);
    size_t i;

    for (i = 0; names[i]; i++) {
        const char *name = g_strstrip(names[i]);

        if (!isFeature(name) || (hostNames && !hasName(hostNames, name)))
            continue;

        g_string_append_printf(lacks, "%s%s", lacks->len ? ", " : "", name);
    }
    return lacks->len ? g_string_free(g_steal_pointer(&lacks), FALSE) : NULL;
}


guint64
hvmemHostFreePages(const hvmemHost *host,
                   guint64 size)
{
    size_t i;

    for (i = 0; host->freePages && i < host->freePages->len; i++) {
        const hvmemPages *pages = &g_array_index(host->freePages, hvmemPages, i);

        if (pages->size == (size == 1 ? USUAL_HUGEPAGE : size))
            return pages->bytes;
    }

    return host->freePages ? 0 : HVMEM_UNKNOWN;
}
