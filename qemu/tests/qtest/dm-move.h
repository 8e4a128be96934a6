/*
 * The guest of dm-fixture.h, moved from one machine to another
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * It knows nothing of it: what it wrote must be there, and its driver goes on
 * where it was. The scenes have one stick, "a", of all the memory that can be
 * added.
 */

#ifndef TESTS_DM_MOVE_H
#define TESTS_DM_MOVE_H

#include "dm-fixture.h"

#define HALF            (BOOT_SIZE + ADDED_SIZE / 2)
#define ALL             (BOOT_SIZE + ADDED_SIZE)
/* half of the stick and all boot memory that the guest may release is gone */
#define THIN            (HALF - SPARE_PAGES * DM_PAGE)

/* Runs what @add_tests adds, or says why none can run here. */
int move_main(int argc, char **argv, void (*add_tests)(void));
/* A directory of this run, and a socket in it, to migrate by. */
const char *move_dir(void);
const char *move_uri(void);
/* Ends the machine and the scene. */
void scene_end(Fixture *f);
/* The same, as this host cannot do what the test is about. */
void scene_skip(Fixture *f, const char *why);

/* ---- The machine ---- */

bool vm_is(QTestState *qts, const char *wanted);
void wait_vm(QTestState *qts, const char *wanted);
void stop_vm(QTestState *qts);
void continue_vm(QTestState *qts);
/* Nothing may happen within a tenth of a second: the guest is asked nothing. */
void assert_quiet(Fixture *f);

/* ---- Migration ---- */

void qmp_migrate(QTestState *qts, const char *to);
void qmp_cancel(QTestState *qts);
void wait_migration(QTestState *qts, const char *wanted);
bool migration_is(QTestState *qts, const char *wanted);
/* False if QEMU refuses, as this host cannot do it. */
bool allow(QTestState *qts, const char *capability);
/* @parameters: members of migrate-set-parameters. */
void set_parameters(QTestState *qts, const char *parameters);
/* False if QEMU refuses them. */
bool try_parameters(QTestState *qts, const char *parameters);
void set_bandwidth(QTestState *qts, uint64_t bytes);
/* What query-migrate has of the memory; 0 before there is any. */
uint64_t ram_number(QTestState *qts, const char *member);
/* Wait until the dirty pages have been collected @n times. */
void wait_syncs(QTestState *qts, uint64_t n);
/* Bytes that the balloon says it left out. */
uint64_t not_sent(QTestState *qts);

/* A machine that waits for a migration; @more as for fixture_options(). It is
 * told later from where, or listens at move_uri(). */
QTestState *destination_deferred(const char *more);
QTestState *destination(const char *more);
void qmp_incoming(QTestState *qts, const char *from);
/* The guest is on another machine, which has the same sticks. */
void arrive(Fixture *f, QTestState *qts);
/* Both: the migration ends, and the guest is there. */
void finish_move(Fixture *f, QTestState *to);
void move(Fixture *f, const char *more);
/* Its state is left in file @name of move_dir(); the machine has stopped. */
void move_to_file(Fixture *f, const char *name);

/* ---- What the device says of itself ---- */

#define MOVE_NUMBERS    9

typedef struct Numbers {
    uint64_t n[MOVE_NUMBERS];
} Numbers;

Numbers read_numbers(QTestState *qts);
void assert_numbers(QTestState *qts, const Numbers *expected);
void assert_last_error(QTestState *qts, const char *text);
/* Wait until the guest is asked for something, which is left in its ring. */
void wait_request(Fixture *f);

/* ---- What the host has populated ---- */

/* A backend whose populated pages can be counted, by this in its file's name. */
#define MEMFD_BACKEND   "-object memory-backend-memfd,id=mem-a,size=128M," \
                        "share=on "
#define MEMFD_FILE      "/memfd:memory-backend-memfd"

/* Bytes of the files of @qts whose names contain @name. */
uint64_t bytes_of_files(QTestState *qts, const char *name);
/* Wait until they are no more than @most. */
void wait_bytes_of_files(QTestState *qts, const char *name, uint64_t most);
/* The migration's socket is full: nothing more is sent. */
void wait_stalled(QTestState *qts);

/* ---- Scenes ---- */

/* The guest has no driver yet. */
Fixture *bare(void);
/* All of the stick is the guest's; @more as for fixture_options(). */
Fixture *grown_with(const char *more);
Fixture *grown(void);
/* Half of it is released, in pieces of @piece pages. */
void halve(Fixture *f, uint32_t piece);
Fixture *halved(void);
/* Whatever happened, the guest can be moved in size, and has its memory. */
void finish(Fixture *f);

#endif
