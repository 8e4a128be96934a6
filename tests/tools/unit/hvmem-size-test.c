/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-size-test.c: sizes as people type them, and recordings that must not be lost
 */

#include "hvmem-args.h"
#include "hvmem-record.h"
#include "hvmem-size.h"
#include "hvmem-test-domain.h"

#include <glib/gstdio.h>
#include <string.h>

#define MIB HVMEM_MIB
#define GIB HVMEM_GIB
#define XML(ceiling) "<domain type='kvm'>" ceiling "<memory unit='GiB'>3</memory><currentMemory unit='GiB'>2</currentMemory><devices>" \
    "<memballoon model='hyperv'><requested unit='GiB'>2</requested></memballoon><memory model='haprot'><target><size unit='GiB'>2</size></target>" \
    "<alias name='ua-haprot0'/></memory></devices></domain>"
#define CEILING "<maxMemory unit='GiB'>8</maxMemory>"


/* 1 GiB of boot memory, 2 GiB requested, a ceiling of 8 GiB or none. */
static void
testResolve(void)
{
    static const struct {
        const char *text;
        bool ceiling;
        guint64 bytes;          /* 0: refused */
        int status;
    } cases[] = {
        { "4GiB", true, 4 * GIB, 0 }, { "1.5GiB", true, 1536 * MIB, 0 }, { " +1GiB", true, 3 * GIB, 0 }, { "+512m", false, 2560 * MIB, 0 },
        { "-512MiB", true, 1536 * MIB, 0 }, { "-2GiB", true, 0, HVMEM_EXIT_REFUSED }, { "-3GiB", true, 0, HVMEM_EXIT_REFUSED },
        { "50%", true, 4 * GIB, 0 }, { "12.5 %", true, GIB, 0 }, { "150%", true, 12 * GIB, 0 }, { "50%", false, 0, HVMEM_EXIT_REFUSED },
        { "max", true, 8 * GIB, 0 }, { "max", false, 0, HVMEM_EXIT_REFUSED }, { "boot", true, GIB, 0 }, { "boot", false, GIB, 0 },
        { "0%", true, 0, HVMEM_EXIT_USAGE }, { "%", true, 0, HVMEM_EXIT_USAGE }, { "-50%", true, 0, HVMEM_EXIT_USAGE },
        { "+-1GiB", true, 0, HVMEM_EXIT_USAGE }, { "+", true, 0, HVMEM_EXIT_USAGE }, { "MAX", true, 0, HVMEM_EXIT_USAGE }, { "0x10%", true, 0, HVMEM_EXIT_USAGE },
        { "1e15%", true, 0, HVMEM_EXIT_USAGE }, { "107374182400%", true, 0, HVMEM_EXIT_USAGE }, { "+8388607.9999TiB", true, 0, HVMEM_EXIT_USAGE },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = domain(cases[i].ceiling ? XML(CEILING) : XML(""), true);
        g_autoptr(GError) error = NULL;
        hvmemSize size;
        guint64 bytes = 0;

        g_test_message("'%s'", cases[i].text);
        if (hvmemSizeParse(cases[i].text, &size, &error))
            hvmemSizeResolve(&size, dom, &bytes, &error);
        g_assert_cmpuint(bytes, ==, cases[i].bytes);
        g_assert_true(cases[i].status ? g_error_matches(error, HVMEM_ERROR, cases[i].status) : !error);
    }
}


/* Which requests are not done without --force, and what is said to have been meant. */
static void
testDanger(void)
{
    static const struct {
        const char *text;
        guint64 usable;         /* of 2 GiB */
        const char *in;         /* NULL: no danger */
    } cases[] = {
        { "4", HVMEM_UNKNOWN, "'4' was read as 4 KiB, since a number without a unit is KiB, as in virsh: too little for any guest; likely meant: 4GiB" },
        { "512", HVMEM_UNKNOWN, "likely meant: 512MiB" },
        { "63MiB", HVMEM_UNKNOWN, "63 MiB were requested: too little" },
        { "64MiB", HVMEM_UNKNOWN, NULL },
        { "65536", HVMEM_UNKNOWN, NULL },
        { "1GiB", GIB, NULL },
        { "1GiB", GIB - 4 * MIB, "uses 1.0 GiB of the 2 GiB that it has" },
        { "700MiB", 512 * MIB, "uses 1.5 GiB" },
        { "-1.5GiB", 512 * MIB, "'-1.5GiB' comes to 512 MiB, but 'g' uses 1.5 GiB" },
        { "1048576", 512 * MIB, "'1048576' was read as 1 GiB" },
        { "2GiB", 0, NULL },
        { "4GiB", 0, NULL },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = domain(XML(CEILING), true);
        g_autoptr(GError) error = NULL;
        g_autofree char *danger = NULL;
        hvmemSize size;
        guint64 bytes;

        dom->usable = cases[i].usable;
        g_assert_true(hvmemSizeParse(cases[i].text, &size, NULL) && hvmemSizeResolve(&size, dom, &bytes, NULL));
        danger = hvmemSizeDanger(&size, dom, bytes, &error);
        g_test_message("'%s': %s", cases[i].text, danger);
        g_assert_true(!danger == !cases[i].in);
        g_assert_true(!danger == !error);
        if (!danger)
            continue;

        g_assert_nonnull(strstr(danger, cases[i].in));
        g_assert_error(error, HVMEM_ERROR, HVMEM_EXIT_REFUSED);
        g_assert_nonnull(strstr(hvmemErrorGetHint(error), "--force"));
        g_assert_cmpuint(hvmemErrorGetRequested(error), ==, bytes);
        g_assert_cmpuint(hvmemErrorGetLimit(error), >, bytes);
    }
}


/* What looks like an option but is a number is none, unless it is one's value. */
static void
testArgs(void)
{
    static int number;
    const GOptionEntry entries[] = {
        { "timeout", 't', 0, G_OPTION_ARG_INT, &number, "", NULL }, { "wait", 'w', 0, G_OPTION_ARG_NONE, &number, "", NULL }, G_OPTION_ENTRY_NULL
    };
    const GOptionEntry *const options[] = { entries, NULL };
    char words[][16] = { "x", "-5", "--timeout", "-1", "--wait", "-2", "-t", "-3", "-x", "-wt", "-4", "--", "-6" };
    static const bool hidden[] = { false, true, false, false, false, true, false, false, false, false, false, false, true };
    char *argv[G_N_ELEMENTS(words) + 1] = { NULL };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(words); i++)
        argv[i] = words[i];

    hvmemArgsHide(argv, options);
    for (i = 0; i < G_N_ELEMENTS(words); i++)
        g_assert_true((argv[i][0] == '\001') == hidden[i]);
    hvmemArgsShow(argv);
    g_assert_cmpstr(argv[1], ==, "-5");
}


/*
 * Recordings
 */

#define HEADER "time,domain,requested,current,usable,rss,capacity,state,event,demand\n"
#define LINE "1,g,1073741824,1073741824,,400000000,1073741824,idle,,\n"


static char *
recorded(const char *path,
         const char *before,
         hvmemRecordMode mode,
         GError **error)
{
    FILE *file;
    char *text = NULL;
    hvmemSample sample = { .time = 2, .requested = 5, .current = 6, .usable = 7, .rss = 8, .capacity = 9, .demand = 10, .state = "idle" };

    if (before)
        g_assert_true(g_file_set_contents(path, before, -1, NULL));
    else
        g_unlink(path);

    if ((file = hvmemRecordOpen(path, mode, error))) {
        hvmemRecordWriteSample(file, "g", &sample);
        fclose(file);
    }
    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}


/* Nothing that somebody has recorded is lost without being asked for. */
static void
testRecordOpen(void)
{
#define NEW "2.000,g,5,6,7,8,9,idle,,10\n"
    static const struct {
        const char *before;     /* NULL: no file */
        hvmemRecordMode mode;
        const char *after;      /* NULL: refused, nothing changes */
    } cases[] = {
        { NULL, HVMEM_RECORD_NEW, HEADER NEW }, { "", HVMEM_RECORD_NEW, HEADER NEW }, { HEADER LINE, HVMEM_RECORD_NEW, NULL },
        { NULL, HVMEM_RECORD_APPEND, HEADER NEW }, { "", HVMEM_RECORD_APPEND, HEADER NEW }, { HEADER LINE, HVMEM_RECORD_APPEND, HEADER LINE NEW },
        { HEADER LINE "2,g,10737", HVMEM_RECORD_APPEND, HEADER LINE NEW }, { "mail", HVMEM_RECORD_APPEND, NULL },
        { HEADER LINE, HVMEM_RECORD_REPLACE, HEADER NEW }, { "mail", HVMEM_RECORD_REPLACE, HEADER NEW },
    };
    g_autofree char *folder = g_dir_make_tmp("hvmem-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "r.csv", NULL);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *after = recorded(path, cases[i].before, cases[i].mode, &error);

        g_test_message("%zu", i);
        g_assert_cmpstr(after, ==, cases[i].after ? cases[i].after : cases[i].before);
        g_assert_true(cases[i].after ? !error : g_error_matches(error, HVMEM_ERROR, HVMEM_EXIT_REFUSED));
    }
    g_unlink(path);
    g_rmdir(folder);
}


/* Wherever it is cut off, the rest of a recording can be drawn. */
static void
testRecordCut(void)
{
    const char *text = HEADER LINE LINE "3,g,,,,,,,\"a, \"\"b\"\"\",\n" LINE;
    size_t length;

    for (length = strlen(HEADER LINE); length <= strlen(text); length++) {
        g_autofree char *cut = g_strndup(text, length);
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) records = hvmemRecordParse(cut, &error);

        g_assert_no_error(error);
        g_assert_true(hvmemRecordIsCut(cut) == (cut[length - 1] != '\n'));
        g_assert_cmpuint(((hvmemRecord *)records->pdata[0])->samples->len, >=, 1);
    }
    g_assert_null(hvmemRecordParse(HEADER "2,g,10\n" LINE, NULL));
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/size/resolve", testResolve);
    g_test_add_func("/hvmem/size/danger", testDanger);
    g_test_add_func("/hvmem/size/args", testArgs);
    g_test_add_func("/hvmem/record/open", testRecordOpen);
    g_test_add_func("/hvmem/record/cut", testRecordCut);

    return g_test_run();
}
