/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-chart-test.c: recordings and the charts made of them
 */

#include "hvmem-chart.h"
#include "hvmem-picture.h"
#include "hvmem-scale.h"

#include <glib/gstdio.h>
#include <string.h>

#define MIB HVMEM_MIB
#define GIB HVMEM_GIB

/* fontconfig keeps what it has loaded. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
    return "leak:libfontconfig";
}


static void
addSample(hvmemRecord *record,
          double time,
          guint64 requested,
          guint64 current,
          guint64 usable,
          guint64 rss)
{
    hvmemSample sample = { time, requested, current, usable, rss, 4 * GIB, HVMEM_UNKNOWN, "idle" };

    g_array_append_val(record->samples, sample);
}


static char *
write(const GPtrArray *records)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    size_t i;
    size_t k;

    hvmemRecordWriteHeader(file);
    for (i = 0; i < records->len; i++) {
        const hvmemRecord *record = records->pdata[i];

        for (k = 0; k < record->samples->len; k++)
            hvmemRecordWriteSample(file, record->name, &g_array_index(record->samples, hvmemSample, k));
        for (k = 0; k < record->events->len; k++)
            hvmemRecordWriteEvent(file, record->name, record->events->pdata[k]);
    }
    fclose(file);
    return text;
}


static GPtrArray *
example(void)
{
    GPtrArray *records = g_ptr_array_new_with_free_func((GDestroyNotify)hvmemRecordFree);
    hvmemRecord *record = hvmemRecordNew("a, \"b\"");

    addSample(record, 100, 2 * GIB, GIB, HVMEM_UNKNOWN, 300 * MIB);
    addSample(record, 101.5, 2 * GIB, 2 * GIB, 1500 * MIB, 400 * MIB);
    hvmemRecordAddEvent(record, 101, "plugged, \"now\"\nand then");
    g_ptr_array_add(records, record);
    record = hvmemRecordNew("second");
    addSample(record, 99, HVMEM_UNKNOWN, GIB, HVMEM_UNKNOWN, HVMEM_UNKNOWN);
    g_array_index(record->samples, hvmemSample, 0).demand = 700 * MIB;
    g_ptr_array_add(records, record);
    return records;
}


/* What is written is read as what it was. */
static void
testRoundTrip(void)
{
    g_autoptr(GPtrArray) records = example();
    g_autofree char *text = write(records);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) again = hvmemRecordParse(text, &error);
    g_autofree char *twice = NULL;
    const hvmemRecord *first;

    g_assert_no_error(error);
    twice = write(again);
    g_assert_cmpstr(text, ==, twice);
    first = again->pdata[0];
    g_assert_cmpstr(first->name, ==, "a, \"b\"");
    g_assert_cmpuint(first->samples->len, ==, 2);
    g_assert_cmpuint(g_array_index(first->samples, hvmemSample, 0).usable, ==, HVMEM_UNKNOWN);
    g_assert_cmpuint(g_array_index(first->samples, hvmemSample, 0).demand, ==, HVMEM_UNKNOWN);
    g_assert_cmpuint(g_array_index(((hvmemRecord *)again->pdata[1])->samples, hvmemSample, 0).demand, ==, 700 * MIB);
    g_assert_cmpstr(((hvmemEvent *)first->events->pdata[0])->text, ==, "plugged, \"now\"\nand then");
}


/* Version 0.1 did not record demand. Nothing is appended to such a file, whose lines have another form. */
static void
testOldRecording(void)
{
    static const char text[] = "time,domain,requested,current,usable,rss,capacity,state,event\n1,g,2,3,4,5,6,idle,\n2,g,,,,,,,rebooted\n";
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "hvmem-XXXXXX", NULL);
    g_autoptr(GPtrArray) records = hvmemRecordParse(text, NULL);
    g_autoptr(GError) error = NULL;
    const hvmemSample *sample = &g_array_index(((hvmemRecord *)records->pdata[0])->samples, hvmemSample, 0);
    int fd = g_mkstemp(path);

    g_assert_cmpuint(sample->rss, ==, 5);
    g_assert_cmpuint(sample->demand, ==, HVMEM_UNKNOWN);
    g_assert_cmpuint(((hvmemRecord *)records->pdata[0])->events->len, ==, 1);

    g_close(fd, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_null(hvmemRecordOpen(path, HVMEM_RECORD_APPEND, &error));
    g_assert_nonnull(strstr(error->message, "without the column demand"));
    g_unlink(path);
}


static void
testNoRecording(void)
{
    static const char *const texts[] = {
        "", "hello\n", "time,domain,requested,current,usable,rss,capacity,state,event\n",
        "time,domain,requested,current,usable,rss,capacity,state,event\n1,g,2\n",
        "time,domain,requested,current,usable,rss,capacity,state,event\nx,g,1,1,1,1,1,idle,\n",
        "time,domain,requested,current,usable,rss,capacity,state,event\nnan,g,1,1,1,1,1,idle,\n",
        "time,domain,requested,current,usable,rss,capacity,state,event\n1,g,-1,1,1,1,1,idle,\n",
        "time,domain,requested,current,usable,rss,capacity,state,event\n-1,g,1,1,1,1,1,idle,\n",
        "time,domain,requested,current,usable,rss,capacity,state,event\n1e300,g,1,1,1,1,1,idle,\n",
        "time,domain,requested,current,usable,rss,capacity,state,event\n253402300800,g,1,1,1,1,1,idle,\n",
        "time,domain,requested,current,usable,rss,capacity,state,event\n-1e308,g,,,,,,,what\n",
        "time,domain,requested,current,usable,rss,capacity,state,event\n1,\"g,1,1,1,1,1,idle,\n",
        "time,domain,requested,current,usable,rss,capacity,state,event\n1,g,1,1,1,1,1,idle,,1\n",
        "time,domain,requested,current,usable,rss,capacity,state,event,demand\n1,g,1,1,1,1,1,idle,\n",
        "time,domain,requested,current,usable,rss,capacity,state,event,demand\n1,g,1,1,1,1,1,idle,,x\n",
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(hvmemRecordParse(texts[i], &error));
        g_assert_nonnull(error);
    }
}


/* Steps are 1, 2 or 5 times a power of ten, and there are neither too many nor too few. */
static void
testScale(void)
{
    static const struct {
        guint64 largest;
        int steps;
        int got;
        const char *label;      /* of the last */
    } cases[] = {
        { 3 * GIB + 192 * MIB, 5, 4, "4 GiB" }, { GIB, 5, 5, "1.0 GiB" }, { 700 * MIB, 5, 4, "800 MiB" }, { 8 * GIB, 3, 2, "10 GiB" },
        { 8 * GIB, 8, 8, "8 GiB" }, { 1500 * GIB, 4, 3, "1.5 TiB" }, { 1, 4, 2, "1.0 MiB" }, { 20 * GIB, 1, 1, "20 GiB" },
    };
    guint64 value;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        hvmemScale scale = hvmemScaleSizes(cases[i].largest, cases[i].steps);
        g_autofree char *label = hvmemScaleLabel(&scale, scale.steps, true);

        g_test_message("%s", label);
        g_assert_cmpstr(label, ==, cases[i].label);
        g_assert_cmpint(scale.steps, ==, cases[i].got);
    }
    for (value = MIB; value < G_MAXUINT64 / 4; value *= 3) {
        hvmemScale scale = hvmemScaleSizes(value, 5);

        g_assert_cmpuint(scale.top, >=, value);
        g_assert_cmpint(scale.steps, <=, 5);
        g_assert_cmpint(scale.steps, >=, 2);
    }
}


static void
testTimes(void)
{
    g_assert_cmpfloat(hvmemScaleTimes(30, 5), ==, 10);
    g_assert_cmpfloat(hvmemScaleTimes(3600, 9), ==, 600);
    g_assert_cmpfloat(hvmemScaleTimes(86400 * 20, 9), ==, 86400 * 3);
}


/* A guest that was asked to go from 1 GiB to 2 and did, in the middle; its ceiling is 3. */
static hvmemRecord *
grown(void)
{
    hvmemRecord *record = hvmemRecordNew("g");

    addSample(record, 100, GIB, GIB, HVMEM_UNKNOWN, 300 * MIB);
    addSample(record, 102, 2 * GIB, GIB, HVMEM_UNKNOWN, 300 * MIB);
    addSample(record, 104, 2 * GIB, 2 * GIB, HVMEM_UNKNOWN, 300 * MIB);
    return record;
}


static void
testChart(void)
{
    hvmemChart chart = { .width = HVMEM_CHART_MARGIN + 14, .height = 9, .span = 13, .now = 113, .ceiling = 3 * GIB };
    g_autoptr(hvmemRecord) record = grown();
    g_autofree char *text = hvmemChartFormat(record, &chart);

    g_assert_cmpstr(text, ==,
                    "    3 GiB +--------------\n"
                    "          |              \n"
                    "    2 GiB +  ============\n"
                    "          |    ##########\n"
                    "          |    ##########\n"
                    "    1 GiB +==  ##########\n"
                    "          |##############\n"
                    "          |##############\n"
                    "          |xxxxxxxxxxxxxx\n"
                    "        0 + -0:10     now\n");
}


/* Demand is drawn where it is known, and is in the legend only then. */
static void
testDemand(void)
{
    hvmemChart chart = { .width = HVMEM_CHART_MARGIN + 14, .height = 9, .span = 13, .now = 113, .ceiling = HVMEM_UNKNOWN };
    g_autoptr(hvmemRecord) record = grown();
    g_autofree char *without = hvmemChartFormat(record, &chart);
    g_autofree char *with = NULL;
    g_autofree char *short_ = hvmemChartLegend(false, true, false);
    g_autofree char *long_ = hvmemChartLegend(true, true, false);

    g_assert_null(strchr(without, 'd'));
    g_array_index(record->samples, hvmemSample, 2).demand = 1700 * MIB;
    with = hvmemChartFormat(record, &chart);
    g_assert_nonnull(strstr(with, "dddddddddd\n"));
    g_assert_null(strstr(short_, "demand"));
    g_assert_true(g_str_has_suffix(long_, "◆ demand"));
    g_assert_cmpint(hvmemColumns(long_), <, 80);
}


/* What is in front of the area has the area's colour behind it. */
static void
testChartColours(void)
{
    hvmemChart chart = { .width = HVMEM_CHART_MARGIN + 14, .height = 9, .span = 13, .now = 113, .ceiling = HVMEM_UNKNOWN, .utf8 = true, .colour = true };
    g_autoptr(hvmemRecord) record = grown();
    g_autofree char *text = hvmemChartFormat(record, &chart);
    const char *host = strstr(text, "×");
    g_autofree char *before = g_strndup(text, host - text);

    g_assert_true(g_str_has_suffix(before, ";44m"));
    g_assert_null(strstr(strstr(text, "━"), "─"));
}


/* A ceiling far above all else is not drawn: it would leave no room. */
static void
testFarCeiling(void)
{
    hvmemChart chart = { .width = HVMEM_CHART_MARGIN + 14, .height = 9, .span = 13, .now = 113, .ceiling = 100 * GIB };
    g_autoptr(hvmemRecord) record = grown();
    g_autofree char *text = hvmemChartFormat(record, &chart);

    g_assert_null(strchr(text, '-') < strrchr(text, '+') ? strchr(text, '-') : NULL);
    g_assert_nonnull(strstr(text, "2 GiB"));
}


/* However small the terminal, nothing is written past its end. */
static void
testChartSizes(void)
{
    g_autoptr(hvmemRecord) record = hvmemRecordNew("g");
    int width;
    int height;

    addSample(record, 100, 2 * GIB, GIB, GIB, HVMEM_UNKNOWN);
    for (width = HVMEM_CHART_MARGIN + 10; width < 200; width += 7) {
        for (height = 1; height < 60; height += 5) {
            hvmemChart chart = { .width = width, .height = height, .span = 60, .now = 120, .utf8 = true };
            g_autofree char *text = hvmemChartFormat(record, &chart);
            g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
            int i;

            g_assert_cmpuint(g_strv_length(lines), ==, height + 2);
            for (i = 0; lines[i]; i++)
                g_assert_cmpint(hvmemColumns(lines[i]), <=, width);
        }
    }
}


/* What a guest says of itself is not limited by what it has. */
static void
testFarFigure(void)
{
    static const guint64 figures[] = { G_GUINT64_CONSTANT(1) << 62, HVMEM_UNKNOWN - 1, 3 * GIB };
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "hvmem-XXXXXX", NULL);
    int fd = g_mkstemp(path);
    size_t i;
    int width;

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    for (i = 0; i < G_N_ELEMENTS(figures); i++) {
        g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)hvmemRecordFree);
        hvmemRecord *record = hvmemRecordNew("g");
        g_autofree char *svg = NULL;

        g_ptr_array_add(records, record);
        addSample(record, 100, GIB, GIB, figures[i], GIB);
        addSample(record, 110, GIB, GIB, figures[i], GIB);
        for (width = HVMEM_CHART_MARGIN + 13; width < HVMEM_CHART_MARGIN + 16; width++) {
            hvmemChart chart = { .width = width, .height = 9, .span = 5, .now = 110, .ceiling = HVMEM_UNKNOWN };
            g_autofree char *text = hvmemChartFormat(record, &chart);
            g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

            g_assert_cmpint(strspn(lines[0] + HVMEM_CHART_MARGIN, "o"), ==, width - HVMEM_CHART_MARGIN);
        }
        /* in the picture, it is below the title */
        g_assert_true(hvmemPictureWrite(records, path, "title", NULL));
        g_assert_true(g_file_get_contents(path, &svg, NULL, NULL));
        g_assert_null(strstr(svg, ",-"));
    }
    g_unlink(path);
}


static void
testEmptyChart(void)
{
    hvmemChart chart = { .width = 40, .height = 4, .span = 10, .now = 10 };
    g_autoptr(hvmemRecord) record = hvmemRecordNew("g");
    g_autofree char *text = hvmemChartFormat(record, &chart);

    g_assert_null(strchr(text, '#'));
}


static void
testPicture(void)
{
    g_autoptr(GPtrArray) records = example();
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "hvmem-XXXXXX", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) nowhere = NULL;
    int fd = g_mkstemp(path);

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    g_assert_true(hvmemPictureWrite(records, path, "title", &error));
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "<svg"));
    g_assert_true(g_str_has_suffix(text, "</svg>\n"));
    g_unlink(path);

    g_assert_false(hvmemPictureWrite(records, "/nowhere/at/all.svg", "title", &nowhere));
    g_assert_nonnull(strstr(nowhere->message, "/nowhere/at/all.svg"));
}


/* A picture of eleven days is no larger than it has to be, and still shows what lasted a second. */
static void
testLongPicture(void)
{
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)hvmemRecordFree);
    hvmemRecord *record = hvmemRecordNew("g");
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "hvmem-XXXXXX", NULL);
    g_autofree char *calm = NULL;
    g_autofree char *peak = NULL;
    int fd = g_mkstemp(path);
    size_t i;

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    g_ptr_array_add(records, record);
    for (i = 0; i < 100000; i++)
        addSample(record, i, 2 * GIB, GIB + i % 3 * 4096, GIB / 2, GIB);
    g_assert_true(hvmemPictureWrite(records, path, "title", NULL));
    g_assert_true(g_file_get_contents(path, &calm, NULL, NULL));
    g_assert_cmpuint(strlen(calm), <, 1000000);

    g_array_index(record->samples, hvmemSample, 50001).current = 2 * GIB;
    g_assert_true(hvmemPictureWrite(records, path, "title", NULL));
    g_assert_true(g_file_get_contents(path, &peak, NULL, NULL));
    g_assert_cmpstr(calm, !=, peak);
    g_unlink(path);
}


/* Of records whose times are not in order, and at the last second that there is, all is within the picture. */
static void
testTimesOfPictures(void)
{
    static const double times[][3] = { { 100, 50, 75 }, { 0, 200, 100 }, { 253402300799.0, 253402300799.0, 253402300799.0 } };
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "hvmem-XXXXXX", NULL);
    int fd = g_mkstemp(path);
    size_t i;
    size_t k;

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    for (i = 0; i < G_N_ELEMENTS(times); i++) {
        g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)hvmemRecordFree);
        hvmemRecord *record = hvmemRecordNew("g\xe9\x01");
        g_autofree char *svg = NULL;
        const char *points;

        g_ptr_array_add(records, record);
        for (k = 0; k < 3; k++)
            addSample(record, times[i][k], GIB, GIB + k * 100 * MIB, HVMEM_UNKNOWN, HVMEM_UNKNOWN);
        g_assert_true(hvmemPictureWrite(records, path, "title", NULL));
        g_assert_true(g_file_get_contents(path, &svg, NULL, NULL));
        g_assert_true(g_utf8_validate(svg, -1, NULL));
        g_assert_nonnull(strstr(svg, ">g?" "?<"));
        for (points = strstr(svg, "points=\""); points; points = strstr(points + 1, "points=\"")) {
            g_autofree char *list = g_strndup(points + 8, strcspn(points + 8, "\""));
            g_auto(GStrv) pairs = g_strsplit(list, " ", -1);

            for (k = 0; pairs[k]; k++) {
                g_assert_cmpfloat(g_ascii_strtod(pairs[k], NULL), >=, 0);
                g_assert_cmpfloat(g_ascii_strtod(pairs[k], NULL), <=, 900);
            }
        }
    }
    g_unlink(path);
}


/* PNG has a largest height. */
static void
testHighPicture(void)
{
    static const struct {
        guint guests;
        const char *suffix;
        bool possible;
    } cases[] = { { 60, ".png", true }, { 150, ".png", false }, { 150, ".svg", true } };
    g_autofree char *folder = g_dir_make_tmp("hvmem-XXXXXX", NULL);
    size_t i;
    guint k;

    g_assert_nonnull(folder);
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)hvmemRecordFree);
        g_autofree char *name = g_strconcat("p", cases[i].suffix, NULL);
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autoptr(GError) error = NULL;

        for (k = 0; k < cases[i].guests; k++) {
            g_ptr_array_add(records, hvmemRecordNew("g"));
            addSample(records->pdata[k], 1, GIB, GIB, GIB, GIB);
        }
        g_assert_true(hvmemPictureWrite(records, path, "title", &error) == cases[i].possible);
        g_assert_true(cases[i].possible || strstr(hvmemErrorGetHint(error), "-o FILE.svg"));
        g_unlink(path);
    }
    g_rmdir(folder);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/record/round-trip", testRoundTrip);
    g_test_add_func("/hvmem/record/none", testNoRecording);
    g_test_add_func("/hvmem/record/old", testOldRecording);
    g_test_add_func("/hvmem/chart/scale", testScale);
    g_test_add_func("/hvmem/chart/times", testTimes);
    g_test_add_func("/hvmem/chart/lines", testChart);
    g_test_add_func("/hvmem/chart/colours", testChartColours);
    g_test_add_func("/hvmem/chart/demand", testDemand);
    g_test_add_func("/hvmem/chart/far-ceiling", testFarCeiling);
    g_test_add_func("/hvmem/chart/sizes", testChartSizes);
    g_test_add_func("/hvmem/chart/far-figure", testFarFigure);
    g_test_add_func("/hvmem/chart/empty", testEmptyChart);
    g_test_add_func("/hvmem/picture", testPicture);
    g_test_add_func("/hvmem/picture/long", testLongPicture);
    g_test_add_func("/hvmem/picture/times", testTimesOfPictures);
    g_test_add_func("/hvmem/picture/high", testHighPicture);

    return g_test_run();
}
