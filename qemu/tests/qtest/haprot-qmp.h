/*
 * Queries of sticks and hv-balloon and commands to them, for the qtests of both
 *
 * Sizes and addresses are in bytes. Returned QDicts and QLists belong to the
 * caller. If a command fails, so does the test.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_QTEST_HAPROT_QMP_H
#define TESTS_QTEST_HAPROT_QMP_H

#include "libqtest.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"

/* Execute @command without arguments. Returns its result. */
QDict *query_dict(QTestState *qts, const char *command);
QList *query_list(QTestState *qts, const char *command);

/* A member of query-hv-balloon, and one of its counters. */
uint64_t balloon_number(QTestState *qts, const char *member);
uint64_t balloon_counter(QTestState *qts, const char *name);
void assert_balloon(QTestState *qts, const char *member, uint64_t value);
/* Wait until a member is @value; a timeout fails the test. */
void wait_number(QTestState *qts, const char *member, uint64_t value);
/* Wait until a counter is at least @val; a timeout fails the test. */
void wait_counter(QTestState *qts, const char *name, uint64_t val);
/* Bytes of the host's huge pages of 2 MiB that nobody has or was promised. */
uint64_t free_huge_bytes(void);
bool balloon_state_is(QTestState *qts, const char *state);
/* Wait for this state of query-hv-balloon; a timeout fails the test. */
void wait_state(QTestState *qts, const char *state);
void set_target(QTestState *qts, uint64_t bytes);

/* Entry @id of query-haprot; NULL if there is none. */
QDict *find_stick(QTestState *qts, const char *id);
/* The address of an existing stick. */
uint64_t stick_addr(QTestState *qts, const char *id);

void add_backend(QTestState *qts, const char *id, uint64_t size);
void add_stick(QTestState *qts, const char *id, const char *memdev,
               const char *insert);
/* Add backend mem-@id and stick @id with it. */
void add_memory(QTestState *qts, const char *id, uint64_t size,
                const char *insert);
/* device_add with @args fails, with @what in the error. */
void add_fails(QTestState *qts, const char *args, const char *what);
/* It has @what in it. Frees it. */
void assert_error(QDict *error, const char *what);

#endif
