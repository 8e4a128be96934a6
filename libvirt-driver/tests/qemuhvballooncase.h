/*
 * qemuhvballooncase.h: one request, or one reconcile, against a scripted
 *                      monitor, and again with each of its commands failing
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemuhvballoontestutils.h"

typedef enum {
    SET_LIVE,
    SET_CONFIG,
    SET_BOTH,
    SETMAX_LIVE,
    SETMAX_CONFIG,
    RECONCILE,
    START,
    PLUG,
    UNPLUG,
    MIGRATE,
} testAction;

/* All sizes in KiB. */
typedef struct {
    const char *name;

    /* before */
    unsigned long long requested;
    unsigned long long sticks[MAX_STICKS];  /* ua-haprotN, on demand */
    unsigned long long keepTotal;
    unsigned int unmoved;
    bool fixed;                     /* QEMU has no sticks */
    bool old;                       /* QEMU has sticks, but does not migrate */

    testAction action;
    unsigned long long size;
    const testExchange *script;

    /* after */
    const char *error;              /* part of the message, NULL: succeeds */
    unsigned long long total;       /* live, 0: as before */
    unsigned long long requestedAfter;      /* 0: as before */
    unsigned long long current;     /* <currentMemory>, 0: not checked */
    bool pending;                   /* after: a reconcile is scheduled */
    unsigned long long configTotal; /* stored, 0: not checked */
    unsigned long long configCurrent;
} testCase;

/* Runs each of @cases; and those that succeed, with a script that contains what
 * QEMU has, again for each of their commands with that command failing. */
int
testCasesRun(const testCase *cases,
             size_t ncases);
