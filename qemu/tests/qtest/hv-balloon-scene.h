/*
 * A machine with hv-balloon and sticks, and a guest whose driver the test is
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Over dm-guest.h: what hv-balloon's qtests begin with. Sizes are in bytes.
 */

#ifndef TESTS_HV_BALLOON_SCENE_H
#define TESTS_HV_BALLOON_SCENE_H

#include "qemu/units.h"
#include "dm-guest.h"
#include "haprot-qmp.h"

#define BOOT (256 * MiB)
#define CHUNK (128 * MiB)
#define CHUNK_PAGES (CHUNK / DM_PAGE)
/* Rings and code are below this; no test releases memory there. */
#define SAFE (128 * MiB)

#define MEMORY "-m 256M,maxmem=4G -device hv-balloon,id=hvb "

void assert_stick(QTestState *qts, const char *id, const char *state,
                  uint64_t added, uint64_t released);
/* A stick is unused once all that the guest had of it is discarded. */
void wait_unused(QTestState *qts, const char *id, uint64_t added,
                 uint64_t released);
/* device_del fails, with @what in the error. */
void del_fails(QTestState *qts, const char *id, const char *what);

/* Start a machine with hv-balloon and @more, and connect a driver. */
QTestState *start_guest(DmGuest *guest, const char *more);
/* The guest accepts the next hot-add. Returns its range. */
DmPages take_memory(DmGuest *guest);
/* Add stick a of two chunks, and give the first one to the guest. */
DmPages start_with_stick(DmGuest *guest);
/* The same, and the guest releases it again. */
DmPages start_with_unused_stick(DmGuest *guest);
/* Another kernel is started, and connects. */
void kexec(DmGuest *guest);

#endif
