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
    RECONNECT,
    START,
    PLUG,
    UNPLUG,
    MIGRATE,
} testAction;

/* All sizes in KiB. */
typedef struct {
    const char *name;
    testAction action;
    unsigned long long size;
    unsigned long long requested;   /* before */
    unsigned long long sticks[MAX_STICKS];   /* before, ua-haprotN, on demand */
    unsigned long long keepTotal;   /* before */
    bool stock;                     /* QEMU has no sticks */
    unsigned int unmoved;           /* before */
    const testExchange *script;
    const char *error;              /* part of the message, NULL: succeeds */
    unsigned long long total;       /* after, live */
    unsigned long long wanted;      /* <requested> after */
    unsigned long long current;     /* <currentMemory> after, 0: not looked at */
    bool watched;                   /* after: it is going to be looked at again */
    unsigned long long configTotal; /* 0: not looked at */
    unsigned long long configCurrent;
} testCase;

/* Each of @cases as it stands; and each that succeeds and says what QEMU has once
 * more for each of its commands, which fails then. */
int
testCasesRun(const testCase *cases,
             size_t ncases);
