/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-text-test.c: sizes and text
 */

#include "hvmem-json.h"
#include "hvmem-util.h"

#include <string.h>

#define MIB HVMEM_MIB
#define GIB HVMEM_GIB


static void
testParseSize(void)
{
    static const struct {
        const char *text;
        guint64 bytes;          /* 0: refused */
    } cases[] = {
        { "1", 1024 }, { "1024", MIB }, { "512MiB", 512 * MIB }, { "512M", 512 * MIB }, { "512m", 512 * MIB },
        { "1000MB", 1000000000 / 1024 * 1024 + 1024 }, { "4GiB", 4 * GIB }, { "4 GiB", 4 * GIB }, { "4g", 4 * GIB },
        { "1b", 1024 }, { "1025bytes", 2048 }, { "2T", 2048 * GIB }, { "1KB", 1024 }, { "1k", 1024 },
        { "", 0 }, { "0", 0 }, { "-1", 0 }, { "+1", 0 }, { "1.5G", 3 * GIB / 2 }, { "0.5 GiB", GIB / 2 }, { "0.1GiB", 104858 * 1024 }, { "1.5", 0 }, { "1.G", 0 }, { ".5G", 0 }, { "0.0G", 0 }, { "1,5G", 0 }, { "GiB", 0 }, { "4Gi", 0 }, { "4GiBs", 0 },
        { "9999999999999999999999", 0 }, { "9E", 0 }, { "0x10", 0 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        guint64 bytes = 0;
        bool ok = hvmemParseSize(cases[i].text, "SIZE", &bytes, &error);

        g_test_message("'%s'", cases[i].text);
        g_assert_true(ok == (cases[i].bytes != 0));
        g_assert_true(ok == !error);
        g_assert_cmpuint(bytes, ==, cases[i].bytes);
    }
}


static void
testFormatSize(void)
{
    static const struct {
        guint64 bytes;
        const char *text;
    } cases[] = {
        { 0, "0" }, { 1024, "1 KiB" }, { 700 * MIB, "700 MiB" }, { 3 * GIB, "3 GiB" }, { 3 * GIB - 1024, "3.0 GiB" },
        { 2400 * MIB, "2.3 GiB" }, { 1023 * MIB + 512 * 1024, "1023.5 MiB" }, { GIB - 1024, "1.0 GiB" }, { HVMEM_UNKNOWN, "-" }, { 64 * 1024 * GIB, "64 TiB" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = hvmemFormatSize(cases[i].bytes);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}


/* What is printed for another command is a size that it takes. */
static void
testSizeArgument(void)
{
    int i;

    for (i = 0; i < 1000; i++) {
        guint64 bytes = (1 + (guint64)g_test_rand_int_range(0, G_MAXINT32)) * (i % 2 ? HVMEM_KIB : MIB);
        g_autofree char *text = hvmemSizeArgument(bytes);
        guint64 again = 0;

        g_assert_null(strchr(text, ' '));
        g_assert_true(hvmemParseSize(text, "SIZE", &again, NULL));
        g_assert_cmpuint(again, ==, bytes);
    }
}


/* 5 is 5 KiB, as virsh has it, and hardly anybody means that. */
static void
testSizeDoubt(void)
{
    static const struct {
        const char *text;
        const char *doubt;      /* NULL: none */
    } cases[] = {
        { "5", "5 KiB: sizes without a unit are KiB, as in virsh; others have one, as 512MiB or 4GiB" },
        { " 4096 ", "4 MiB: sizes without a unit are KiB, as in virsh; others have one, as 512MiB or 4GiB" },
        { "65535", "64.0 MiB: sizes without a unit are KiB, as in virsh; others have one, as 512MiB or 4GiB" },
        { "65536", NULL }, { "1048576", NULL }, { "5KiB", NULL }, { "5 k", NULL }, { "5MiB", NULL }, { "5b", NULL },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *doubt = NULL;
        guint64 bytes = 0;

        g_assert_true(hvmemParseSize(cases[i].text, "SIZE", &bytes, NULL));
        doubt = hvmemSizeDoubt(cases[i].text, bytes);
        g_assert_cmpstr(doubt, ==, cases[i].doubt);
    }
}


static void
testShellWord(void)
{
    static const struct {
        const char *text;
        const char *word;
    } cases[] = {
        { "g1", "g1" }, { "web-1.example_x", "web-1.example_x" }, { "my guest", "'my guest'" }, { "a'b", "'a'\\''b'" }, { "", "''" },
        { "$x", "'$x'" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *word = hvmemShellWord(cases[i].text);

        g_assert_cmpstr(word, ==, cases[i].word);
    }
}


static void
testHumanise(void)
{
    g_autofree char *text = hvmemHumanise("2097152 KiB are missing, it kept 488 MiB of x12 KiBs");

    g_assert_cmpstr(text, ==, "2 GiB are missing, it kept 488 MiB of x12 KiBs");
}


static void
testHideSecrets(void)
{
    g_autofree char *text = hvmemHideSecrets(" <graphics type='vnc' passwd='it&apos;s' passwdValidTo='2030'/>\n <a passwd=\"x\" b='passwd'/>\n");

    g_assert_cmpstr(text, ==, " <graphics type='vnc' passwd='(not shown)' passwdValidTo='2030'/>\n <a passwd='(not shown)' b='passwd'/>\n");
}


static void
testWrap(void)
{
    g_autofree char *text = hvmemWrap("one two three", 9, 2);
    g_autofree char *wide = hvmemWrap("überlänge", 4, 2);

    g_assert_cmpstr(text, ==, "  one two\n  three\n");
    g_assert_cmpstr(wide, ==, "  überlänge\n");
}


static void
testClip(void)
{
    static const struct {
        const char *text;
        int width;
        const char *clipped;
    } cases[] = {
        { "abc", 3, "abc" }, { "abcd", 3, "abc" }, { "", 3, "" }, { "äöü", 2, "äö" }, { "漢字", 3, "漢" }, { "abc", 0, "" },
        { "\033[1;31mabcd\033[0m", 2, "\033[1;31mab\033[0m" }, { "ab\033[1mcd\033[0m", 2, "ab\033[1m\033[0m" },
        /* cut off in a character, and no character at all */
        { "a\xe9", 4, "a?" }, { "\xe9", 1, "?" }, { "\xe6\xbc", 4, "??" }, { "a\xff" "b", 4, "a?b" }, { "a\xe9", 1, "a" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *clipped = hvmemClip(cases[i].text, cases[i].width);

        g_assert_cmpstr(clipped, ==, cases[i].clipped);
    }
}


/* What a terminal would obey is not sent to it, and what is shown instead has its width. */
static void
testPrintable(void)
{
    static const struct {
        const char *text;
        const char *printable;
    } cases[] = {
        { "g1 äö 漢", "g1 äö 漢" }, { "a\rb", "a?b" }, { "a\tb\x7f", "a?b?" }, { "a\xc2\x9b" "31mb", "a?31mb" }, { "a\033]0;t\007", "a?]0;t?" },
        { "a\xe2\x80\xae" "b", "a?b" }, { "\xe2\x81\xa6x", "?x" }, { "a\xe9", "a?" }, { "one\ntwo", "one\ntwo" }, { "\033[1mx\033[0m", "\033[1mx\033[0m" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *printable = hvmemPrintable(cases[i].text);
        g_autofree char *whole = hvmemEllipsis(cases[i].text, 80, true);
        g_autofree char *line = g_strconcat(cases[i].printable, "\n", NULL);
        g_autofree char *wrapped = hvmemWrap(cases[i].text, 80, 0);

        g_assert_cmpstr(printable, ==, cases[i].printable);
        g_assert_cmpstr(whole, ==, cases[i].printable);
        g_assert_cmpstr(wrapped, ==, line);
        g_assert_cmpint(hvmemColumns(cases[i].text), ==, hvmemColumns(printable));
    }
}


/* The same for programs, and nothing that a terminal would obey. */
static void
testJSONText(void)
{
    static const char name[] = "a\xe2\x80\xae" "b\xc2\x9b" "c\xf3\xa0\x80\x81 \xe6\xbc\xa2\n";
    g_autoptr(JsonNode) node = json_node_init_string(json_node_alloc(), name);
    g_autofree char *text = hvmemJSONText(node, false);
    g_autoptr(JsonNode) back = json_from_string(text, NULL);

    g_assert_cmpstr(text, ==, "\"a\\u202eb\\u009bc\\udb40\\udc01 \xe6\xbc\xa2\\n\"");
    g_assert_cmpstr(json_node_get_string(back), ==, name);
}


/* A text that is not UTF-8 does not spoil the document: its last byte may begin a character that never ends. */
static void
testJSONNoUTF8(void)
{
    static const char *const names[] = { "a\xf0", "\xc3", "\xff" "b", "\xe2\x80" };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(JsonNode) node = json_node_init_string(json_node_alloc(), names[i]);
        g_autofree char *valid = g_utf8_make_valid(names[i], -1);
        g_autofree char *text = hvmemJSONText(node, false);
        g_autoptr(JsonNode) back = json_from_string(text, NULL);

        g_assert_nonnull(back);
        g_assert_cmpstr(json_node_get_string(back), ==, valid);
    }
}


static void
testSum(void)
{
    g_assert_cmpuint(hvmemSum(GIB, MIB), ==, 1025 * MIB);
    g_assert_cmpuint(hvmemSum(HVMEM_UNKNOWN - 1, 0), ==, HVMEM_UNKNOWN - 1);
    g_assert_cmpuint(hvmemSum(HVMEM_UNKNOWN - 2, 1), ==, HVMEM_UNKNOWN - 1);
    g_assert_cmpuint(hvmemSum(HVMEM_UNKNOWN - 1, 1), ==, HVMEM_UNKNOWN - 1);
    g_assert_cmpuint(hvmemSum(1, HVMEM_UNKNOWN - 1), ==, HVMEM_UNKNOWN - 1);
    g_assert_cmpuint(hvmemSum(HVMEM_UNKNOWN - 1, HVMEM_UNKNOWN - 1), ==, HVMEM_UNKNOWN - 1);
}


static void
testEllipsis(void)
{
    static const struct {
        const char *text;
        int width;
        bool utf8;
        const char *clipped;
    } cases[] = {
        { "abc", 3, true, "abc" }, { "abcd", 3, true, "ab…" }, { "abcdef", 5, false, "ab..." }, { "abcd", 2, false, "ab" },
        { "漢字漢", 5, true, "漢字…" }, { "\033[1mabcd\033[0m", 4, true, "\033[1mabcd\033[0m" },
        { "\033[1mabcd\033[0m", 3, true, "\033[1mab\033[0m…" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *clipped = hvmemEllipsis(cases[i].text, cases[i].width, cases[i].utf8);

        g_assert_cmpstr(clipped, ==, cases[i].clipped);
        g_assert_cmpint(hvmemColumns(clipped), <=, cases[i].width);
    }
}


/* All sizes of a column can be compared at a glance. */
static void
testColumnUnit(void)
{
    g_autofree char *small = hvmemFormatIn(700 * MIB, hvmemUnitFor(12 * GIB));
    g_autofree char *large = hvmemFormatIn(12 * GIB, hvmemUnitFor(12 * GIB));
    g_autofree char *exact = hvmemFormatIn(700 * MIB, 1);
    g_autofree char *none = hvmemFormatIn(HVMEM_UNKNOWN, 1);
    g_autofree char *huge = hvmemFormatIn(20480 * GIB, hvmemUnitFor(20480 * GIB));

    g_assert_cmpstr(small, ==, "0.7 GiB");
    g_assert_cmpstr(large, ==, "12.0 GiB");
    g_assert_cmpstr(exact, ==, "734003200");
    g_assert_cmpstr(none, ==, "-");
    g_assert_cmpstr(huge, ==, "20.0 TiB");
    g_assert_cmpuint(hvmemUnitFor(1023 * MIB), ==, MIB);
}


static void
testDuration(void)
{
    g_autofree char *a = hvmemFormatDuration(7.4);
    g_autofree char *b = hvmemFormatDuration(3661);

    g_assert_cmpstr(a, ==, "0:07");
    g_assert_cmpstr(b, ==, "1:01:01");
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/size/parse", testParseSize);
    g_test_add_func("/hvmem/size/format", testFormatSize);
    g_test_add_func("/hvmem/size/argument", testSizeArgument);
    g_test_add_func("/hvmem/size/doubt", testSizeDoubt);
    g_test_add_func("/hvmem/text/shell-word", testShellWord);
    g_test_add_func("/hvmem/text/humanise", testHumanise);
    g_test_add_func("/hvmem/text/secrets", testHideSecrets);
    g_test_add_func("/hvmem/text/wrap", testWrap);
    g_test_add_func("/hvmem/text/clip", testClip);
    g_test_add_func("/hvmem/text/printable", testPrintable);
    g_test_add_func("/hvmem/text/json", testJSONText);
    g_test_add_func("/hvmem/text/json-no-utf8", testJSONNoUTF8);
    g_test_add_func("/hvmem/text/ellipsis", testEllipsis);
    g_test_add_func("/hvmem/size/sum", testSum);
    g_test_add_func("/hvmem/text/duration", testDuration);
    g_test_add_func("/hvmem/size/column", testColumnUnit);

    return g_test_run();
}
