/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-list-test.c: tables, and many domains in one
 */

#include "hvmem-list.h"
#include "hvmem-output.h"

#include <string.h>

#define MIB HVMEM_MIB
#define GIB HVMEM_GIB


/*
 * Tables
 */

static hvmemTable *
exampleTable(void)
{
    hvmemTable *table = hvmemTableNew("Name", ">Size", "Owner", "State", NULL);

    hvmemTableDrop(table, "Owner", "Size", NULL);
    hvmemTableAdd(table, "gäste-in-berlin-7", "3.0 GiB", "libvirt", "at rest", NULL);
    hvmemTableAdd(table, "b", "0.7 GiB", "user", "\033[1;31mat floor\033[0m", NULL);
    return table;
}


static void
assertTable(int width,
            const char *expected)
{
    g_autoptr(hvmemTable) table = exampleTable();
    g_autofree char *text = hvmemTableFormat(table, true, width);

    g_assert_cmpstr(text, ==, expected);
}


/* First the name is clipped, then columns go in their order, then there is a card for each row. */
static void
testWidths(void)
{
    hvmemTerm.utf8 = true;
    assertTable(60, " Name                   Size   Owner     State\n"
                    "--------------------------------------------------\n"
                    " gäste-in-berlin-7   3.0 GiB   libvirt   at rest\n"
                    " b                   0.7 GiB   user      \033[1;31mat floor\033[0m\n");
    assertTable(48, " Name                  Size   Owner     State\n"
                    "------------------------------------------------\n"
                    " gäste-in-berlin…   3.0 GiB   libvirt   at rest\n"
                    " b                  0.7 GiB   user      \033[1;31mat floor\033[0m\n");
    assertTable(40, " Name                   Size   State\n"
                    "----------------------------------------\n"
                    " gäste-in-berlin-7   3.0 GiB   at rest\n"
                    " b                   0.7 GiB   \033[1;31mat floor\033[0m\n");
    assertTable(30, " Name                State\n"
                    "------------------------------\n"
                    " gäste-in-berlin-7   at rest\n"
                    " b                   \033[1;31mat floor\033[0m\n");
}


static void
testClipping(void)
{
    g_autoptr(hvmemTable) table = exampleTable();
    int width;

    for (width = 20; width < 70; width++) {
        g_autofree char *text = hvmemTableFormat(table, true, width);
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        size_t i;

        for (i = 0; lines[i]; i++)
            g_assert_cmpint(hvmemColumns(lines[i]), <=, width);
        /* what is wanted most is there at any width */
        g_assert_nonnull(strstr(text, "at rest"));
        g_assert_true((strstr(text, "libvirt") != NULL) <= (strstr(text, "3.0 GiB") != NULL));
    }
}


static void
testCards(void)
{
    assertTable(20, " gäste-in-berlin-7\n"
                    "   Size   3.0 GiB\n"
                    "   Owner  libvirt\n"
                    "   State  at rest\n"
                    " b\n"
                    "   Size   0.7 GiB\n"
                    "   Owner  user\n"
                    "   State  \033[1;31mat floor\033[0m\n");
}


/* Without heading it is for programs. */
static void
testBare(void)
{
    g_autoptr(hvmemTable) table = exampleTable();
    g_autofree char *text = hvmemTableFormat(table, false, 10);

    hvmemTableSums(table);
    hvmemTableAdd(table, "sum", "3.7 GiB", "", "", NULL);
    g_assert_null(strstr(text, "Name"));
    g_assert_true(g_str_has_prefix(text, " gäste-in-berlin-7   3.0 GiB   libvirt   at rest\n"));
    g_free(text);
    text = hvmemTableFormat(table, false, 10);
    g_assert_null(strstr(text, "sum"));
}


/*
 * Domains
 */

static hvmemDomain *
newDomain(const char *name,
          const char *model,
          bool active,
          guint64 requested,
          guint64 current,
          const char *state)
{
    g_autofree char *xml = g_strdup_printf("<domain type='kvm'><maxMemory unit='GiB'>8</maxMemory><memory unit='GiB'>1</memory><devices>"
                                           "<memballoon model='%s'/></devices></domain>", model);
    hvmemDomain *dom = hvmemDomainNew(name, active, xml, NULL);

    dom->requested = requested;
    dom->current = current;
    dom->rss = current + 100 * MIB;
    dom->told = dom->connected = true;
    dom->state = g_strdup(state);
    return dom;
}


static GPtrArray *
exampleDomains(void)
{
    GPtrArray *doms = g_ptr_array_new_with_free_func((GDestroyNotify)hvmemDomainFree);

    g_ptr_array_add(doms, newDomain("web1", "hyperv", true, 2 * GIB, 2 * GIB, "idle"));
    g_ptr_array_add(doms, newDomain("web2", "hyperv", true, 256 * MIB, 512 * MIB, "floor"));
    g_ptr_array_add(doms, newDomain("off", "hyperv", false, 4 * GIB, 4 * GIB, ""));
    g_ptr_array_add(doms, newDomain("old", "virtio", true, GIB, GIB, ""));
    return doms;
}


static void
assertSelected(const hvmemListOptions *options,
               const char *names)
{
    g_autoptr(GPtrArray) doms = exampleDomains();
    g_autoptr(GPtrArray) selected = hvmemListSelect(doms, options);
    g_autoptr(GString) got = g_string_new(NULL);
    size_t i;

    for (i = 0; i < selected->len; i++)
        g_string_append_printf(got, "%s%s", i ? " " : "", ((hvmemDomain *)selected->pdata[i])->name);
    g_assert_cmpstr(got->str, ==, names);
}


static void
testSelect(void)
{
    assertSelected(&(hvmemListOptions) { 0 }, "off web1 web2");
    assertSelected(&(hvmemListOptions) { .all = true }, "off old web1 web2");
    assertSelected(&(hvmemListOptions) { .running = true }, "web1 web2");
    assertSelected(&(hvmemListOptions) { .problems = true }, "web2");
    assertSelected(&(hvmemListOptions) { .filter = "eb" }, "web1 web2");
    /* what is shut off has no current size */
    assertSelected(&(hvmemListOptions) { .sort = (char *)"current" }, "web1 web2 off");
    assertSelected(&(hvmemListOptions) { .sort = (char *)"requested" }, "off web1 web2");
    assertSelected(&(hvmemListOptions) { .sort = (char *)"state" }, "web2 web1 off");
}


static void
testColumns(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(hvmemListCheck(&(hvmemListOptions) { .columns = (char *)"name,host", .sort = (char *)"host" }, NULL));
    g_assert_false(hvmemListCheck(&(hvmemListOptions) { .columns = (char *)"name,rss" }, &error));
    g_assert_nonnull(strstr(error->message, "'rss'"));
    g_assert_nonnull(strstr(error->message, "name,requested,current"));
    g_assert_false(hvmemListCheck(&(hvmemListOptions) { .sort = (char *)"-" }, NULL));
    g_assert_false(hvmemListCheck(&(hvmemListOptions) { .columns = (char *)"" }, NULL));
}


/* Sizes that no guest has, and a name that would turn the line around. */
static void
testStrange(void)
{
    g_autoptr(GPtrArray) doms = g_ptr_array_new_with_free_func((GDestroyNotify)hvmemDomainFree);
    hvmemListOptions options = { .columns = (char *)"name,current", .bytes = true };
    g_autoptr(hvmemTable) table = NULL;
    g_autofree char *text = NULL;

    g_ptr_array_add(doms, newDomain("a\xe2\x80\xae" "b\rc", "hyperv", true, GIB, G_GUINT64_CONSTANT(1) << 63, "idle"));
    g_ptr_array_add(doms, newDomain("b", "hyperv", true, GIB, G_GUINT64_CONSTANT(1) << 63, "idle"));
    table = hvmemListTable(doms, &options);
    text = hvmemTableFormat(table, true, 80);
    g_assert_nonnull(strstr(text, "\n a?b?c  "));
    g_assert_nonnull(strstr(text, " 2 of 2 running   18446744073709551614\n"));
}


/* One unit and one decimal a column; live figures only of what runs, and only that is in the sums. */
static void
testTable(void)
{
    g_autoptr(GPtrArray) doms = exampleDomains();
    hvmemListOptions options = { .columns = (char *)"name,requested,current,usable,state" };
    g_autoptr(GPtrArray) selected = hvmemListSelect(doms, &options);
    g_autoptr(hvmemTable) table = hvmemListTable(selected, &options);
    g_autofree char *text = hvmemTableFormat(table, true, 80);

    g_assert_cmpstr(text, ==,
                    " Name             Requested   Current   Usable   State\n"
                    "-----------------------------------------------------------\n"
                    " off                4.0 GiB         -        -   shut off\n"
                    " web1               2.0 GiB   2.0 GiB        -   at rest\n"
                    " web2               0.2 GiB   0.5 GiB        -   at floor\n"
                    "-----------------------------------------------------------\n"
                    " 2 of 3 running     2.2 GiB   2.5 GiB        -   1 problem\n");
}


/* From where to where the balancer chooses; the sums say what it could come to. */
static void
testAutomatic(void)
{
    g_autoptr(GPtrArray) doms = exampleDomains();
    hvmemListOptions options = { .columns = (char *)"name,auto", .sort = (char *)"auto" };
    hvmemDomain *web1 = doms->pdata[0];
    hvmemDomain *web2 = doms->pdata[1];
    hvmemDomain *off = doms->pdata[2];
    g_autoptr(GPtrArray) selected = NULL;
    g_autoptr(hvmemTable) table = NULL;
    g_autofree char *text = NULL;

    web1->automatic.on = web2->automatic.on = off->automatic.on = true;
    web1->automatic.maximum = 4 * GIB;
    web2->automatic.minimum = 256 * MIB;
    off->automatic.maximum = 2 * GIB;
    ((hvmemDomain *)doms->pdata[3])->automatic.on = true;
    selected = hvmemListSelect(doms, &options);
    table = hvmemListTable(selected, &options);
    text = hvmemTableFormat(table, true, 80);
    g_assert_cmpstr(text, ==,
                    " Name                     Auto\n"
                    "-------------------------------\n"
                    " web2              0.2-8.0 GiB\n"
                    " web1              0.5-4.0 GiB\n"
                    " off               0.5-2.0 GiB\n"
                    "-------------------------------\n"
                    " 2 of 3 running   0.8-12.0 GiB\n");
    g_free(text);
    options.bytes = true;
    hvmemTableFree(g_steal_pointer(&table));
    table = hvmemListTable(selected, &options);
    text = hvmemTableFormat(table, false, 80);
    g_assert_nonnull(strstr(text, " 536870912-4294967296\n"));
}


/* A screen has the column only if there is something in it; programs always find it. */
static void
testNoAutomatic(void)
{
    g_autoptr(GPtrArray) doms = exampleDomains();
    const hvmemListOptions options = { 0 };
    g_autoptr(GPtrArray) selected = hvmemListSelect(doms, &options);
    int round;

    for (round = 0; round < 3; round++) {
        g_autoptr(hvmemTable) table = NULL;
        g_autofree char *text = NULL;

        hvmemTerm.terminal = round > 0;
        ((hvmemDomain *)doms->pdata[0])->automatic.on = round == 2;
        table = hvmemListTable(selected, &options);
        text = hvmemTableFormat(table, true, 200);
        g_assert_true(!strstr(text, "  Auto  ") == (round == 1));
    }
    hvmemTerm.terminal = false;
}


static void
testBytes(void)
{
    g_autoptr(GPtrArray) doms = exampleDomains();
    hvmemListOptions options = { .columns = (char *)"name,current", .bytes = true };
    g_autoptr(GPtrArray) selected = hvmemListSelect(doms, &options);
    g_autoptr(hvmemTable) table = hvmemListTable(selected, &options);
    g_autofree char *text = hvmemTableFormat(table, false, 80);

    g_assert_nonnull(strstr(text, " web2              536870912\n"));
}


/* All running guests count, also those with another balloon, which grow no further than they are. */
static void
testHost(void)
{
    g_autoptr(GPtrArray) doms = exampleDomains();
    const hvmemListHost host = { .memory = 10 * GIB, .free = 2 * GIB };
    g_autofree char *line = hvmemListHostLine(doms, &host);

    g_assert_cmpstr(line, ==, "Host: 10.0 GiB, 2.0 GiB free. Running guests hold 3.8 GiB and may grow to 17.0 GiB: overcommit 1.7.");
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    hvmemTerm.utf8 = true;

    g_test_add_func("/hvmem/table/widths", testWidths);
    g_test_add_func("/hvmem/table/clipping", testClipping);
    g_test_add_func("/hvmem/table/cards", testCards);
    g_test_add_func("/hvmem/table/bare", testBare);
    g_test_add_func("/hvmem/list/select", testSelect);
    g_test_add_func("/hvmem/list/columns", testColumns);
    g_test_add_func("/hvmem/list/table", testTable);
    g_test_add_func("/hvmem/list/strange", testStrange);
    g_test_add_func("/hvmem/list/automatic", testAutomatic);
    g_test_add_func("/hvmem/list/no-automatic", testNoAutomatic);
    g_test_add_func("/hvmem/list/bytes", testBytes);
    g_test_add_func("/hvmem/list/host", testHost);

    return g_test_run();
}
