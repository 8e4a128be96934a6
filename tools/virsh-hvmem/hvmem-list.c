/*
 * hvmem-list.c: many domains as one table, with their host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-list.h"
#include "hvmem-auto.h"
#include "hvmem-explain.h"
#include "hvmem-output.h"

#include <string.h>


/*
 * Columns
 */

static guint64
requestedOf(const hvmemDomain *dom)
{
    return dom->hyperv ? dom->requested : HVMEM_UNKNOWN;
}


static guint64
sticksOf(const hvmemDomain *dom)
{
    return dom->hyperv ? dom->sticks->len : HVMEM_UNKNOWN;
}


static guint64
leastOf(const hvmemDomain *dom)
{
    return hvmemAutoIsOn(dom) ? hvmemAutoMinimum(&dom->automatic, dom) : HVMEM_UNKNOWN;
}


static guint64
mostOf(const hvmemDomain *dom)
{
    return hvmemAutoIsOn(dom) ? hvmemAutoMaximum(&dom->automatic, dom) : HVMEM_UNKNOWN;
}


typedef guint64 (*Size)(const hvmemDomain *dom);

typedef struct _Column Column;
struct _Column {
    const char *key;
    const char *title;
    Size size;                  /* NULL: text */
    bool number;                /* not a size */
    Size from;                  /* of a range, whose end is @size; else NULL */
};

static const Column columns[] = {
    { "name", "Name", NULL, false, NULL },
    { "requested", ">Requested", requestedOf, false, NULL },
    { "current", ">Current", hvmemDomainCurrent, false, NULL },
    { "usable", ">Usable", hvmemDomainUsable, false, NULL },
    { "host", ">Host", hvmemDomainResident, false, NULL },
    { "boot", ">Boot", hvmemDomainBoot, false, NULL },
    { "sticks", ">Sticks", sticksOf, true, NULL },
    { "ceiling", ">Ceiling", hvmemDomainCeiling, false, NULL },
    { "auto", ">Auto", mostOf, false, leastOf },
    { "state", "State", NULL, false, NULL },
};


char *
hvmemListColumns(void)
{
    GString *out = g_string_new(NULL);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(columns); i++)
        g_string_append_printf(out, "%s%s", i ? "," : "", columns[i].key);
    return g_string_free(out, FALSE);
}


static const Column *
findColumn(const char *key)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(columns); i++) {
        if (strcmp(columns[i].key, key) == 0)
            return columns + i;
    }
    return NULL;
}


static bool
checkKey(const char *option,
         const char *key,
         GError **error)
{
    g_autofree char *all = hvmemListColumns();

    return findColumn(key) || hvmemFailUsage(error, "%s '%s': there is no such column; the columns are %s", option, key, all);
}


bool
hvmemListCheck(const hvmemListOptions *options,
               GError **error)
{
    g_auto(GStrv) keys = g_strsplit(options->columns ? options->columns : "", ",", -1);
    size_t i;

    for (i = 0; keys[i]; i++) {
        if (!checkKey("--columns", keys[i], error))
            return false;
    }
    if (options->columns && !keys[0])
        return hvmemFailUsage(error, "--columns: name at least one");
    return !options->sort || checkKey("--sort", options->sort, error);
}


static bool
anyAutomatic(const GPtrArray *doms)
{
    size_t i;

    for (i = 0; i < doms->len; i++) {
        if (hvmemAutoIsOn(doms->pdata[i]))
            return true;
    }
    return false;
}


/* A screen has no column that says nothing; programs find all columns in their places. */
static bool
isSaying(const Column *column,
         const GPtrArray *doms)
{
    return !column->from || !hvmemTerm.terminal || anyAutomatic(doms);
}


/* Those that are shown, in their order. */
static GPtrArray *
shownColumns(const GPtrArray *doms,
             const hvmemListOptions *options)
{
    g_auto(GStrv) keys = options->columns ? g_strsplit(options->columns, ",", -1) : NULL;
    GPtrArray *shown = g_ptr_array_new();
    size_t i;

    for (i = 0; keys ? keys[i] != NULL : i < G_N_ELEMENTS(columns); i++) {
        if (keys || isSaying(columns + i, doms))
            g_ptr_array_add(shown, (gpointer)(keys ? findColumn(keys[i]) : columns + i));
    }
    return shown;
}


/*
 * Which domains, and in which order
 */

static bool
isWanted(const hvmemDomain *dom,
         const hvmemListOptions *options)
{
    bool problem;
    g_autofree char *state = hvmemExplainState(dom, &problem);

    return (options->all || hvmemDomainIsMeant(dom)) &&
        (!options->running || dom->active) &&
        (!options->problems || problem) &&
        (!options->filter || strstr(dom->name, options->filter));
}


/* Sizes with the largest first, unknown ones last; states by the alphabet, problems first. */
static int
compare(const hvmemDomain *a,
        const hvmemDomain *b,
        const Column *column)
{
    bool problemA;
    bool problemB;
    g_autofree char *stateA = hvmemExplainState(a, &problemA);
    g_autofree char *stateB = hvmemExplainState(b, &problemB);

    if (column->size) {
        guint64 x = column->size(a) + 1;    /* HVMEM_UNKNOWN becomes 0 */
        guint64 y = column->size(b) + 1;

        if (x != y)
            return x > y ? -1 : 1;
    } else if (strcmp(column->key, "state") == 0) {
        if (problemA != problemB)
            return problemA ? -1 : 1;
        if (strcmp(stateA, stateB) != 0)
            return strcmp(stateA, stateB);
    }
    return strcmp(a->name, b->name);
}


static int
compareBy(gconstpointer a,
          gconstpointer b,
          gpointer column)
{
    return compare(*(const hvmemDomain *const *)a, *(const hvmemDomain *const *)b, column);
}


GPtrArray *
hvmemListSelect(const GPtrArray *doms,
                const hvmemListOptions *options)
{
    GPtrArray *selected = g_ptr_array_new();
    size_t i;

    for (i = 0; i < doms->len; i++) {
        if (isWanted(doms->pdata[i], options))
            g_ptr_array_add(selected, doms->pdata[i]);
    }
    g_ptr_array_sort_with_data(selected, compareBy, (gpointer)findColumn(options->sort ? options->sort : "name"));
    return selected;
}


/*
 * Cells
 */

/* Of what runs; unknown if no size is known of that. */
static guint64
sumOf(Size sizeOf,
      const GPtrArray *doms)
{
    guint64 sum = 0;
    guint running = 0;
    guint known = 0;
    size_t i;

    for (i = 0; i < doms->len; i++) {
        const hvmemDomain *dom = doms->pdata[i];
        guint64 size = dom->active ? sizeOf(dom) : HVMEM_UNKNOWN;

        running += dom->active;
        known += size != HVMEM_UNKNOWN;
        sum = size == HVMEM_UNKNOWN ? sum : hvmemSum(sum, size);
    }
    return running && !known ? HVMEM_UNKNOWN : sum;
}


/* All sizes of a column have the unit of the largest. */
static guint64
unitOf(const Column *column,
       const GPtrArray *doms,
       bool bytes)
{
    guint64 largest = 0;
    size_t i;

    if (bytes || column->number)
        return 1;

    for (i = 0; i < doms->len; i++) {
        guint64 size = column->size(doms->pdata[i]);

        if (size != HVMEM_UNKNOWN)
            largest = MAX(largest, size);
    }
    return hvmemUnitFor(largest);
}


/* "1.0-8.0 GiB": the unit is said once. */
static char *
formatRange(guint64 from,
            guint64 to,
            guint64 unit)
{
    g_autofree char *least = hvmemFormatIn(from, unit);
    g_autofree char *most = hvmemFormatIn(to, unit);

    if (from == HVMEM_UNKNOWN || to == HVMEM_UNKNOWN)
        return g_strdup("-");
    least[strcspn(least, " ")] = '\0';
    return g_strdup_printf("%s-%s", least, most);
}


static char *
cellOf(const Column *column,
       const hvmemDomain *dom,
       guint64 unit)
{
    bool problem;
    g_autofree char *state = NULL;

    if (column->from)
        return formatRange(column->from(dom), column->size(dom), unit);
    if (column->size)
        return hvmemFormatIn(column->size(dom), unit);
    if (strcmp(column->key, "name") == 0)
        return g_strdup(dom->name);

    state = hvmemExplainState(dom, &problem);
    return problem ? hvmemColour("1;31", state) : g_steal_pointer(&state);
}


static unsigned int
countRunning(const GPtrArray *doms,
             unsigned int *problems)
{
    unsigned int running = 0;
    size_t i;

    *problems = 0;
    for (i = 0; i < doms->len; i++) {
        const hvmemDomain *dom = doms->pdata[i];
        bool problem;

        g_free(hvmemExplainState(dom, &problem));
        running += dom->active;
        *problems += problem;
    }
    return running;
}


static char *
sumCell(const Column *column,
        const GPtrArray *doms,
        guint64 unit)
{
    unsigned int problems;
    unsigned int running = countRunning(doms, &problems);

    if (column->from)
        return formatRange(sumOf(column->from, doms), sumOf(column->size, doms), unit);
    if (column->size)
        return hvmemFormatIn(sumOf(column->size, doms), unit);
    if (strcmp(column->key, "name") == 0)
        return g_strdup_printf("%u of %u running", running, doms->len);
    return problems ? g_strdup_printf("%u problem%s", problems, problems == 1 ? "" : "s") : g_strdup("");
}


typedef char *(*Cell)(const Column *column, gconstpointer what, guint64 unit);

static void
addRow(hvmemTable *table,
       const GPtrArray *shown,
       const guint64 *units,
       Cell cell,
       gconstpointer what)
{
    g_auto(GStrv) cells = g_new0(char *, shown->len + 1);
    size_t i;

    for (i = 0; i < shown->len; i++)
        cells[i] = cell(shown->pdata[i], what, units[i]);
    hvmemTableAddv(table, cells);
}


hvmemTable *
hvmemListTable(const GPtrArray *selected,
               const hvmemListOptions *options)
{
    g_autoptr(GPtrArray) shown = shownColumns(selected, options);
    g_autofree const char **titles = g_new0(const char *, shown->len + 1);
    g_autofree guint64 *units = g_new0(guint64, shown->len);
    hvmemTable *table;
    size_t i;

    for (i = 0; i < shown->len; i++) {
        const Column *column = shown->pdata[i];

        titles[i] = column->title;
        units[i] = column->size ? unitOf(column, selected, options->bytes) : 1;
    }

    table = hvmemTableNewv((char **)titles);
    if (!options->columns)
        hvmemTableDrop(table, "Boot", "Usable", "Sticks", "Host", "Ceiling", "Auto", "Requested", "Current", NULL);
    for (i = 0; i < selected->len; i++)
        addRow(table, shown, units, (Cell)cellOf, selected->pdata[i]);
    hvmemTableSums(table);
    addRow(table, shown, units, (Cell)sumCell, selected);
    return table;
}


char *
hvmemListHostLine(const GPtrArray *doms,
                  const hvmemListHost *host)
{
    guint64 unit = hvmemUnitFor(host->memory);
    guint64 may = sumOf(hvmemDomainCeiling, doms);
    g_autofree char *memory = hvmemFormatIn(host->memory, unit);
    g_autofree char *free = hvmemFormatIn(host->free, unit);
    g_autofree char *holds = hvmemFormatIn(sumOf(hvmemDomainResident, doms), unit);
    g_autofree char *grow = hvmemFormatIn(may, unit);

    return g_strdup_printf("Host: %s, %s free. Running guests hold %s and may grow to %s: overcommit %.1f.", memory, free, holds, grow,
                           host->memory ? (double)may / host->memory : 0);
}
