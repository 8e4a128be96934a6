/*
 * hvmem-auto-test.c: the settings of automatic memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-auto.h"
#include "hvmem-test-auto.h"

#include <string.h>


static void
testRead(void)
{
    static const struct {
        const char *xml;
        hvmemAuto settings;
    } cases[] = {
        { XML(""), { .buffer = 20, .weight = 100 } },
        { XML(AUTO("")), { .on = true, .buffer = 20, .weight = 100 } },
        { XML("<auto/>"), { .buffer = 20, .weight = 100 } },
        { XML(AUTO("minimum='1048576' maximum='4194304' buffer='30' weight='7' hold='99'")),
          { .on = true, .minimum = GIB, .maximum = 4 * GIB, .buffer = 30, .weight = 7, .hold = 99 } },
        { XML(AUTO("minimum='x' maximum='-' buffer='4' weight='0' hold='soon'")), { .on = true, .buffer = 20, .weight = 100, .unread = "hold" } },
        { XML(AUTO("minimum='1048576.5' maximum='4e6' hold='-1'")), { .on = true, .buffer = 20, .weight = 100, .unread = "hold" } },
        { XML(AUTO("minimum='1048576 KiB' maximum='99999999999999999999'")), { .on = true, .buffer = 20, .weight = 100, .unread = "maximum" } },
        { XML(AUTO("buffer='201' weight='10001'")), { .on = true, .buffer = 20, .weight = 100, .unread = "weight" } },
        { "no XML", { .buffer = 20, .weight = 100 } },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        hvmemAuto got;

        g_test_message("%s", cases[i].xml);
        hvmemAutoRead(&got, cases[i].xml);
        g_assert_true(got.on == cases[i].settings.on);
        g_assert_cmpuint(got.minimum, ==, cases[i].settings.minimum);
        g_assert_cmpuint(got.maximum, ==, cases[i].settings.maximum);
        g_assert_cmpuint(got.buffer, ==, cases[i].settings.buffer);
        g_assert_cmpuint(got.weight, ==, cases[i].settings.weight);
        g_assert_cmpint(got.hold, ==, cases[i].settings.hold);
        g_assert_cmpstr(got.unread, ==, cases[i].settings.unread);
    }
}


/* What is written is read back, with the namespace that libvirt adds. */
static void
testFormat(void)
{
    hvmemAuto settings = { .on = true, .minimum = GIB, .buffer = 30, .weight = 7, .hold = 1795840000 };
    g_autofree char *text = hvmemAutoFormat(&settings);
    g_autofree char *xml = g_strdup_printf("<domain><metadata><x:auto xmlns:x='" HVMEM_AUTO_URI "'%s</metadata></domain>", text + strlen("<auto"));
    hvmemAuto got;

    g_assert_cmpstr(text, ==, "<auto minimum='1048576' buffer='30' weight='7' hold='1795840000'/>");
    hvmemAutoRead(&got, xml);
    g_assert_cmpmem(&got, sizeof(got), &settings, sizeof(settings));
}


static void
testBounds(void)
{
    g_autoptr(hvmemDomain) dom = domain(XML(""), true);
    hvmemAuto settings = { .on = true };

    g_assert_cmpuint(hvmemAutoMinimum(&settings, dom), ==, 512 * MIB);
    g_assert_cmpuint(hvmemAutoMaximum(&settings, dom), ==, 8 * GIB);
    dom->minimum = 0;
    g_assert_cmpuint(hvmemAutoMinimum(&settings, dom), ==, 2 * GIB);

    /* the domain has changed since */
    settings.minimum = GIB;
    settings.maximum = 16 * GIB;
    dom->minimum = 2 * GIB;
    g_assert_cmpuint(hvmemAutoMinimum(&settings, dom), ==, 2 * GIB);
    g_assert_cmpuint(hvmemAutoMaximum(&settings, dom), ==, 8 * GIB);
    settings.maximum = GIB;
    g_assert_cmpuint(hvmemAutoMinimum(&settings, dom), ==, GIB);

    /* less than a stick is not to be had */
    settings.maximum = 0;
    dom->maxMemory = 8 * GIB + MIB;
    g_assert_cmpuint(hvmemAutoMaximum(&settings, dom), ==, 8 * GIB);
    dom->boot += MIB;
    g_assert_cmpuint(hvmemAutoMaximum(&settings, dom), ==, 8 * GIB + MIB);
    dom->maxMemory = 8 * GIB;
    g_assert_cmpuint(hvmemAutoMaximum(&settings, dom), ==, 8 * GIB - MIB);
    settings.minimum = 8 * GIB;
    g_assert_cmpuint(hvmemAutoMinimum(&settings, dom), ==, 8 * GIB - MIB);
    settings.minimum = GIB;
    dom->boot -= MIB;

    /* boot memory is an assigned device's, too */
    settings.maximum = 0;
    dom->hostdevs = 1;
    g_assert_cmpuint(hvmemAutoMinimum(&settings, dom), ==, 4 * GIB);
    settings.maximum = 3 * GIB;
    g_assert_cmpuint(hvmemAutoMinimum(&settings, dom), ==, 3 * GIB);
}


static void
testFixed(void)
{
    g_autoptr(hvmemDomain) dom = domain(XML(AUTO("")), true);

    g_assert_null(hvmemAutoFixed(dom));
    dom->locked = true;
    g_assert_cmpstr(hvmemAutoFixed(dom), ==, "its memory is locked, and others could not have what it gives back");
    dom->needs.stickPage = 1;
    g_assert_cmpstr(hvmemAutoFixed(dom), ==, "its memory is in huge pages, and others could not have what it gives back");
}


/* As the balancer takes it: the guest's own report first; nothing of one that does not run. */
static void
testDemand(void)
{
    g_autoptr(hvmemDomain) dom = domain(XML(AUTO("")), true);

    g_assert_true(hvmemAutoIsOn(dom));
    g_assert_cmpuint(hvmemAutoDemand(dom), ==, HVMEM_UNKNOWN);
    dom->usable = 512 * MIB;
    g_assert_cmpuint(hvmemAutoDemand(dom), ==, 1536 * MIB);
    dom->available = GIB;
    g_assert_cmpuint(hvmemAutoDemand(dom), ==, GIB);
    dom->available = 0;
    g_assert_cmpuint(hvmemAutoDemand(dom), ==, 3 * GIB);
    dom->committed = 4 * GIB;
    g_assert_cmpuint(hvmemAutoDemand(dom), ==, 4 * GIB);
    dom->active = false;
    g_assert_cmpuint(hvmemAutoDemand(dom), ==, HVMEM_UNKNOWN);
}


static void
testHeld(void)
{
    hvmemAuto settings = { .hold = g_get_real_time() / G_USEC_PER_SEC + 1000 };

    g_assert_true(hvmemAutoIsHeld(&settings));
    settings.hold -= 2000;
    g_assert_false(hvmemAutoIsHeld(&settings));
}


static void
testCheck(void)
{
    static const struct {
        hvmemAuto settings;
        const char *error;      /* NULL: none */
    } cases[] = {
        { { .buffer = 20, .weight = 100 }, NULL },
        { { .buffer = 5, .weight = 1, .minimum = 512 * MIB, .maximum = 8 * GIB }, NULL },
        { { .buffer = 20, .weight = 100, .maximum = 9 * GIB }, "--maximum 9 GiB is above <maxMemory>, 8 GiB" },
        { { .buffer = 20, .weight = 100, .maximum = 256 * MIB }, "--maximum 256 MiB is below the balloon's <minimum>, 512 MiB" },
        { { .buffer = 20, .weight = 100, .minimum = 256 * MIB }, "--minimum 256 MiB is below the balloon's <minimum>, 512 MiB" },
        { { .buffer = 20, .weight = 100, .minimum = 3 * GIB, .maximum = 2 * GIB }, "--minimum 3 GiB is above the maximum, 2 GiB" },
        { { .buffer = 20, .weight = 100, .minimum = 9 * GIB }, "--minimum 9 GiB is above the maximum, 8 GiB" },
        { { .buffer = 4, .weight = 100 }, "--buffer 4: from 5 to 200" },
        { { .buffer = 201, .weight = 100 }, "--buffer 201: from 5 to 200" },
        { { .buffer = 20, .weight = 0 }, "--weight 0: from 1 to 10000" },
        { { .buffer = 20, .weight = 10001 }, "--weight 10001: from 1 to 10000" },
    };
    g_autoptr(hvmemDomain) dom = domain(XML(""), true);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        bool ok = hvmemAutoCheck(&cases[i].settings, dom, &error);

        g_assert_true(ok == !cases[i].error);
        g_assert_cmpstr(error ? error->message : NULL, ==, cases[i].error);
    }
}


static void
testDuration(void)
{
    static const struct {
        const char *text;
        gint64 seconds;         /* 0: refused */
    } cases[] = {
        { "30min", 1800 }, { "90s", 90 }, { "90", 90 }, { "2h", 7200 }, { "1d", 86400 },
        { "", 0 }, { "min", 0 }, { "0s", 0 }, { "-1", 0 }, { "1.5h", 0 }, { "2hours", 0 }, { "99999999999999999999s", 0 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        gint64 seconds = 0;

        g_test_message("'%s'", cases[i].text);
        g_assert_true(hvmemAutoParseDuration(cases[i].text, &seconds, &error) == (cases[i].seconds != 0));
        g_assert_cmpint(seconds, ==, cases[i].seconds);
        g_assert_true(!error == (cases[i].seconds != 0));
    }
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/auto/read", testRead);
    g_test_add_func("/hvmem/auto/format", testFormat);
    g_test_add_func("/hvmem/auto/bounds", testBounds);
    g_test_add_func("/hvmem/auto/fixed", testFixed);
    g_test_add_func("/hvmem/auto/demand", testDemand);
    g_test_add_func("/hvmem/auto/held", testHeld);
    g_test_add_func("/hvmem/auto/check", testCheck);
    g_test_add_func("/hvmem/auto/duration", testDuration);
    return g_test_run();
}
