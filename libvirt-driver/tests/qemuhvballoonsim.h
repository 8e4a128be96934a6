/*
 * qemuhvballoonsim.h: simulates the monitor of a QEMU with a hyperv balloon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemumonitortestutils.h"

/* How a command fails. */
typedef enum {
    TEST_SIM_ERROR,             /* not executed, the reply is an error */
    TEST_SIM_GONE_BEFORE,       /* not executed, the connection closes */
    TEST_SIM_GONE_AFTER,        /* executed, the connection closes, no reply */

    TEST_SIM_LAST
} testSimFailure;

typedef struct {
    char *id;
    char *memdev;               /* name of the backend */
    char *state;
    bool onDemand;
    bool stays;                 /* device_del succeeds, but the stick remains */
    unsigned long long addr;    /* bytes, as all sizes here */
    unsigned long long size;
    unsigned long long added;
    unsigned long long released;
} testSimStick;

typedef struct {
    char *type;                 /* as qom-list says it */
    unsigned long long size;    /* 0: not known */
} testSimBackend;

typedef struct {
    unsigned long long target;
    unsigned long long actual;
    unsigned long long lowest;  /* the lowest target so far */
    bool tookBack;              /* there was a device_del of a stick in use */
    unsigned long long space;   /* for sticks, 0: not reported, unlimited */
    GPtrArray *sticks;          /* testSimStick, by address */
    GHashTable *backends;       /* name -> testSimBackend */
    GPtrArray *log;             /* names of the commands */

    ssize_t failAt;             /* index in @log, -1: none */
    testSimFailure failure;
    void (*failed)(void *opaque);   /* called when that command fails */
    void *opaque;
    char *events;               /* lines to be sent before the next reply */
    GHashTable *replies;        /* command -> reply that replaces the usual one */
} testSim;

testSim *
testSimNew(void);

void
testSimFree(testSim *sim);

/* Sets the state of @sim from a reply to @command. */
int
testSimLoad(testSim *sim,
            const char *command,
            const char *reply);

testSimStick *
testSimFind(const testSim *sim,
            const char *id);

/* Uses the first address with enough room; returns NULL if there is none. */
testSimStick *
testSimAddStick(testSim *sim,
                const char *id,
                const char *memdev,
                bool onDemand,
                unsigned long long size);

void
testSimSetState(testSimStick *stick,
                const char *state);

void
testSimRemoveStick(testSim *sim,
                   const char *id);

void
testSimAddBackend(testSim *sim,
                  const char *name,
                  const char *type,
                  unsigned long long size);

/* How often was @command sent? */
size_t
testSimCount(const testSim *sim,
             const char *command);

/* @sim replies to all commands of @mon. */
void
testSimServe(testSim *sim,
             qemuMonitorTest *mon);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(testSim, testSimFree);
