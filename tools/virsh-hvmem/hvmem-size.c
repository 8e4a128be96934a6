/*
 * hvmem-size.c: sizes as people type them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-size.h"

#include <math.h>
#include <string.h>

/* More is no size that hvmemParseSize() reads. */
#define MOST ((guint64)G_MAXINT64 - HVMEM_MIB)


/* "50%", "12.5 %" */
static bool
parsePercent(const char *text,
             hvmemSize *size)
{
    char *end;

    if (!g_ascii_isdigit(*text) || g_ascii_strncasecmp(text, "0x", 2) == 0)
        return false;

    size->kind = HVMEM_SIZE_PERCENT;
    size->percent = g_ascii_strtod(text, &end);
    while (*end == ' ')
        end++;
    return strcmp(end, "%") == 0;
}


bool
hvmemSizeParse(const char *text,
               hvmemSize *size,
               GError **error)
{
    g_autofree char *word = g_strstrip(g_strdup(text));
    g_autofree char *what = NULL;

    *size = (hvmemSize) { .text = text, .kind = HVMEM_SIZE_BYTES };
    if (strcmp(word, "max") == 0 || strcmp(word, "boot") == 0) {
        size->kind = *word == 'm' ? HVMEM_SIZE_MAX : HVMEM_SIZE_BOOT;
        return true;
    }
    if (parsePercent(word, size)) {
        if (size->percent > 0 && isfinite(size->percent))
            return true;
        return hvmemFailUsage(error, "SIZE '%s': memory cannot be 0", text);
    }

    size->kind = *word == '+' ? HVMEM_SIZE_MORE : *word == '-' ? HVMEM_SIZE_LESS : HVMEM_SIZE_BYTES;
    if (size->kind == HVMEM_SIZE_BYTES)
        return hvmemParseSize(word, "SIZE", &size->bytes, error);

    what = g_strdup_printf("SIZE '%s':", word);
    return hvmemParseSize(word + 1, what, &size->bytes, error);
}


static bool
failLarge(const hvmemSize *size,
          GError **error)
{
    return hvmemFailUsage(error, "SIZE '%s' is too large", size->text);
}


static bool
roundToMiB(const hvmemSize *size,
           double exact,
           guint64 *bytes,
           GError **error)
{
    if (!(exact < MOST))
        return failLarge(size, error);

    *bytes = MAX(1, round(exact / HVMEM_MIB)) * HVMEM_MIB;
    return true;
}


static bool
failNoCeiling(const hvmemSize *size,
              const hvmemDomain *dom,
              GError **error)
{
    g_autofree char *enable = hvmemDomainCommand(dom->name, dom->transient, "enable", "--max SIZE");

    hvmemFailRefused(error, "SIZE '%s': '%s' has no ceiling (<maxMemory>) to count from", size->text, dom->name);
    hvmemErrorDomain(error, dom->name);
    return hvmemErrorHint(error, "Give a size such as 4GiB, or the domain a ceiling: '%s'.", enable);
}


bool
hvmemSizeResolve(const hvmemSize *size,
                 const hvmemDomain *dom,
                 guint64 *bytes,
                 GError **error)
{
    guint64 base = dom->requested != HVMEM_UNKNOWN ? dom->requested : dom->current;
    g_autofree char *from = hvmemFormatSize(base);

    switch (size->kind) {
    case HVMEM_SIZE_BYTES:
        *bytes = size->bytes;
        return true;
    case HVMEM_SIZE_MORE:
        if (hvmemSum(base, size->bytes) > MOST)
            return failLarge(size, error);
        *bytes = base + size->bytes;
        return true;
    case HVMEM_SIZE_LESS:
        if (size->bytes >= base) {
            hvmemFailRefused(error, "SIZE '%s' leaves nothing: %s is requested for '%s'", size->text, from, dom->name);
            return hvmemErrorDomain(error, dom->name);
        }
        *bytes = base - size->bytes;
        return true;
    case HVMEM_SIZE_PERCENT:
        if (dom->maxMemory == HVMEM_UNKNOWN)
            return failNoCeiling(size, dom, error);
        return roundToMiB(size, dom->maxMemory * (size->percent / 100), bytes, error);
    case HVMEM_SIZE_MAX:
        if (dom->maxMemory == HVMEM_UNKNOWN)
            return failNoCeiling(size, dom, error);
        *bytes = dom->maxMemory;
        return true;
    case HVMEM_SIZE_BOOT:
        break;
    }
    *bytes = dom->boot;
    return true;
}


/* What was likely meant by a number without a unit; NULL: nobody knows. */
static char *
guess(const hvmemSize *size,
      const hvmemDomain *dom)
{
    g_autofree char *number = g_strstrip(g_strdup(size->text));
    guint64 top = dom->maxMemory != HVMEM_UNKNOWN ? dom->maxMemory : dom->total;
    guint64 n;

    if (size->kind != HVMEM_SIZE_BYTES || strspn(number, "0123456789") != strlen(number))
        return NULL;

    n = g_ascii_strtoull(number, NULL, 10);
    if (n <= top / HVMEM_GIB)
        return g_strconcat(number, "GiB", NULL);
    return n >= HVMEM_SIZE_LEAST / HVMEM_MIB && n <= top / HVMEM_MIB ? g_strconcat(number, "MiB", NULL) : NULL;
}


/* "4 (4 KiB: a number without a unit is KiB, as in virsh)", "-900MiB (124 MiB)", "64 MiB" */
static char *
reading(const hvmemSize *size,
        guint64 bytes)
{
    g_autofree char *number = g_strstrip(g_strdup(size->text));
    g_autofree char *read = hvmemFormatSize(bytes);

    if (size->kind == HVMEM_SIZE_BYTES && strspn(number, "0123456789") == strlen(number))
        return g_strdup_printf("'%s' was read as %s, since a number without a unit is KiB, as in virsh", number, read);
    return size->kind == HVMEM_SIZE_BYTES ? g_strdup_printf("%s were requested", read) : g_strdup_printf("'%s' comes to %s", number, read);
}


/* What the guest cannot do without: what it has, less what it says is available in it. 0: not known. */
static guint64
inUse(const hvmemDomain *dom)
{
    return dom->active && dom->usable != HVMEM_UNKNOWN && dom->usable < dom->current ? dom->current - dom->usable : 0;
}


char *
hvmemSizeDanger(const hvmemSize *size,
                const hvmemDomain *dom,
                guint64 bytes,
                GError **error)
{
    guint64 used = bytes < dom->current ? inUse(dom) : 0;
    g_autofree char *read = reading(size, bytes);
    g_autofree char *likely = guess(size, dom);
    g_autofree char *use = hvmemFormatSize(used);
    g_autofree char *have = hvmemFormatSize(dom->current);
    char *danger;

    if (bytes < HVMEM_SIZE_LEAST)
        danger = g_strdup_printf("%s: too little for any guest%s%s", read, likely ? "; likely meant: " : "", likely ? likely : "");
    else if (bytes < used)
        danger = g_strdup_printf("%s, but '%s' uses %s of the %s that it has: its programs would be swapped out or ended%s%s", read, dom->name, use, have,
                                 likely ? "; likely meant: " : "", likely ? likely : "");
    else
        return NULL;

    hvmemFailRefused(error, "%s", danger);
    hvmemErrorDomain(error, dom->name);
    hvmemErrorSizes(error, bytes, MAX(used, HVMEM_SIZE_LEAST));
    hvmemErrorHint(error, "--force requests it all the same; a guest gives up no more than it can spare.");
    return danger;
}
