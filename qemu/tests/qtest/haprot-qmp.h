/*
 * What QMP tells of sticks and of hv-balloon, for the qtests of both.
 *
 * Sizes and addresses are bytes. A QDict or QList that is returned belongs to
 * the caller. A command that fails fails the test.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_QTEST_HAPROT_QMP_H
#define TESTS_QTEST_HAPROT_QMP_H

#include "libqtest.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"

/* What @command, which takes no arguments, returns. */
QDict *query_dict(QTestState *qts, const char *command);
QList *query_list(QTestState *qts, const char *command);

/* A member of query-hv-balloon, and one of its counters. */
uint64_t balloon_number(QTestState *qts, const char *member);
uint64_t balloon_counter(QTestState *qts, const char *name);
bool balloon_state_is(QTestState *qts, const char *state);
/* Returns when query-hv-balloon has this state; fails the test in time. */
void wait_state(QTestState *qts, const char *state);
void set_target(QTestState *qts, uint64_t bytes);

/* Entry @id of query-haprot; NULL if there is none. */
QDict *find_stick(QTestState *qts, const char *id);
/* Where a stick that is there is mapped. */
uint64_t stick_addr(QTestState *qts, const char *id);

#endif
