/*
 * Simulated hosts: one line of JSON for each rule, trace and number of guests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <stdio.h>
#include <string.h>

#include "sim.h"

/* A guest's part of the host. */
#define EACH (3 * SIM_GIB)

/* Of the hosts whose guests are counted. */
#define FIT_TOTAL (96 * SIM_GIB)
#define FIT_MOST 96

static gint only;
static gint seed = 1;
static gboolean smoke;
static gboolean describe;

static const GOptionEntry options[] = {
    { "guests", 0, 0, G_OPTION_ARG_INT, &only, "Only hosts with so many guests", "N" },
    { "seed", 0, 0, G_OPTION_ARG_INT, &seed, "Other guests", "N" },
    { "smoke", 0, 0, G_OPTION_ARG_NONE, &smoke, "Only see that it works", NULL },
    { "describe", 0, 0, G_OPTION_ARG_NONE, &describe, "Only print the rules and the traces", NULL },
    G_OPTION_ENTRY_NULL,
};


static void
run(const SimTrace *trace,
    const SimRule *rule,
    guint n)
{
    SimResult r = sim_run(trace, rule, n, EACH * n, seed);

    printf("{\"trace\": \"%s\", \"rule\": \"%s\", \"guests\": %u, \"unmet-guest-seconds\": %.1f, \"unmet-gib-seconds\": %.2f, \"over-seconds\": %.1f, "
           "\"over-mib\": %.1f, \"moved-gib\": %.1f, \"waits\": %u, \"median\": %.1f, \"worst\": %.1f, \"cpu\": %.3g, \"period\": %g}\n",
           trace->name, rule->name, n, r.unmet_guest_seconds, r.unmet, r.over_seconds, r.over_most, r.moved, r.waits, r.median, r.worst, r.cpu,
           rule->period);
    fflush(stdout);
}


/* The largest even number of guests, from 4 on, with which and below which guests lack nothing for 99.9 % of the time; 0: already 4 do. */
static void
fit(const SimTrace *trace,
    const SimRule *rule)
{
    guint n;

    for (n = 4; n <= FIT_MOST; n += 2) {
        SimResult r = sim_run(trace, rule, n, FIT_TOTAL, seed);

        if (r.unmet_guest_seconds > 0.001 * n * trace->seconds || r.over_seconds > 0)
            break;
    }
    printf("{\"trace\": \"%s\", \"rule\": \"%s\", \"fit\": %u, \"total-gib\": %g}\n", trace->name, rule->name, n > 4 ? n - 2 : 0, FIT_TOTAL / SIM_GIB);
    fflush(stdout);
}


static void
print_description(void)
{
    guint i;

    for (i = 0; i < sim_n_rules; i++)
        printf("{\"rule\": \"%s\", \"parameters\": \"%s\"}\n", sim_rules[i]->name, sim_rules[i]->parameters);
    for (i = 0; i < sim_n_traces; i++)
        printf("{\"trace\": \"%s\", \"what\": \"%s\", \"seconds\": %g}\n", sim_traces[i].name, sim_traces[i].what, sim_traces[i].seconds);
}


static void
run_all(guint n)
{
    guint t, r;

    for (t = 0; t < sim_n_traces; t++) {
        for (r = 0; r < sim_n_rules; r++)
            run(sim_traces + t, sim_rules[r], n);
    }
}


int
main(int argc,
     char **argv)
{
    static const guint sizes[] = { 8, 64, 512 };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    guint i, r;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return 1;
    }

    if (describe) {
        print_description();
        return 0;
    }
    if (smoke || only > 0) {
        run_all(smoke ? 4 : only);
        return 0;
    }
    for (i = 0; i < G_N_ELEMENTS(sizes); i++)
        run_all(sizes[i]);
    for (i = 0; i < sim_n_traces; i++) {
        for (r = 0; r < sim_n_rules; r++)
            fit(sim_traces + i, sim_rules[r]);
    }
    return 0;
}
