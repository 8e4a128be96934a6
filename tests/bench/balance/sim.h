/*
 * A host whose guests follow what is requested of them, for rules that request it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/* Sizes are MiB. */
#define SIM_GIB 1024.0

/* Memory of a guest that starts. */
#define SIM_BOOT (2 * SIM_GIB)

/* A step of the simulation, in seconds. */
#define SIM_STEP 0.5

/* How fast a guest gives memory back and gets it, MiB a second: 1.25 GiB in 3.08 s and in 0.824 s, docs/benchmarks.md, under an emulated KVM. */
#define SIM_OUT (1280 / 3.08)
#define SIM_BACK (1280 / 0.824)

/* A guest tells what it uses so often, in seconds, as Linux and Windows do. */
#define SIM_REPORT 1.0

typedef struct SimGuest SimGuest;
struct SimGuest {
    /* for the rules; what the guest tells is that of the last report */
    double minimum;
    double maximum;
    bool running;
    double actual;
    double requested;           /* set by sim_request() */
    double used;                /* by programs, at most what it has */
    double usable;              /* what programs could get: the rest */
    double unused;              /* usable without cache */
    double swapped;             /* what programs use beyond that */

    /* of the simulation */
    double demand;
    double cache;
    double since;               /* has been short of memory since then; negative: it is not */
};

typedef struct Sim Sim;

/* A way to decide who gets what. */
typedef struct SimRule SimRule;
struct SimRule {
    const char *name;
    const char *parameters;     /* as a reader of the results wants to know them */
    double period;              /* seconds from one decision to the next */
    double delay;               /* from a report of the guests to a decision: whoever asks for reports comes in between two of them */
    void *(*start)(Sim *sim);   /* its state; may be NULL */
    void (*decide)(Sim *sim, void *state);
    void (*step)(Sim *sim, void *state);                /* may be NULL: after each step */
    bool (*admit)(Sim *sim, void *state, double size);  /* may be NULL: may a guest of this size start now? */
};

typedef struct SimTrace SimTrace;
struct SimTrace {
    const char *name;
    const char *what;
    double seconds;
    /* The demand and the cache of guest @index at @now; false: it does not run yet. Called once for each step. */
    bool (*demand)(gpointer memory, guint index, double now, double *demand, double *cache);
};

/* So much a trace may remember of a guest; zeroed, but for the first number, which is random. */
#define SIM_MEMORY 96

struct Sim {
    double total;               /* memory of the host */
    SimGuest *guests;
    guint n;
    double now;
    double moved;
    const SimRule *rule;
};

typedef struct SimResult SimResult;
struct SimResult {
    double unmet_guest_seconds; /* guests that lacked memory, times how long */
    double unmet;               /* GiB times seconds */
    double over_seconds;        /* guests held more than the host has */
    double over_most;           /* MiB */
    double moved;               /* GiB */
    double median;              /* seconds from lacking memory to having it */
    double worst;
    guint waits;
    double cpu;                 /* seconds for each decision */
    guint decisions;
};

/* What guests hold together. */
double sim_held(const Sim *sim);

/* Requests @size of a guest, as setmem does: within its bounds. */
void sim_request(SimGuest *guest, double size);

/* Every guest of @n has 3 GiB of the host, 1 GiB at least, 8 GiB at most, and 2 GiB when it starts. */
SimResult sim_run(const SimTrace *trace, const SimRule *rule, guint n, double total, guint seed);

/* A random number from 0 to 1. */
double sim_random(guint32 *state);

/* What a real machine used, each SIM_RECORDED_STEP seconds: recorded.c says which. */
#define SIM_RECORDED_STEP 5.0
extern const guint sim_recorded[][2];
extern const guint sim_n_recorded;

extern const SimTrace sim_traces[];
extern const guint sim_n_traces;

/* The first one is ours. */
extern const SimRule *const sim_rules[];
extern const guint sim_n_rules;

extern const SimRule rule_ours;
extern const SimRule rule_static;
extern const SimRule rule_proxmox;
extern const SimRule rule_proxmox_95;
extern const SimRule rule_mom;
extern const SimRule rule_qmemman;
