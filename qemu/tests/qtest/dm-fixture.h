/*
 * A machine with hv-balloon and a guest whose releases the test chooses
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The driver of dm-guest.h, and what it has: which pages of added memory, and
 * which pattern is in them. All is checked as it happens: no page is given
 * twice, and none is taken for one that was given. Sticks are where the machine
 * puts them, in 128 MiB behind 64 MiB of boot memory.
 */

#ifndef TESTS_DM_FIXTURE_H
#define TESTS_DM_FIXTURE_H

#include "qemu/units.h"
#include "dm-guest.h"
#include "haprot-qmp.h"

#define DM_FLAGS        "hv-vpindex,hv-synic,hv-relaxed"
#define BLOCK_PAGES     4096            /* 16 MiB, the guest's alignment */
#define CAPS            (DM_CAP_BALLOON | DM_CAP_HOT_ADD | DM_CAP_ALIGN(4))

#define BOOT_SIZE       (64 * MiB)
#define BOOT_PAGES      (BOOT_SIZE >> 12)
#define STICK_BACKEND   "-object memory-backend-ram,id=mem-a,size=128M "
#define STICK_DEVICE    "-device mem-haprot,id=a,memdev=mem-a," \
                        "addr=0x100000000,insert=on-demand "
#define STICK           STICK_BACKEND STICK_DEVICE
#define ADDED_BASE      (4 * GiB >> 12) /* where the machine puts sticks */
#define ADDED_SIZE      (128 * MiB)
#define ADDED_PAGES     (ADDED_SIZE >> 12)
/* Boot memory that the tests do not use for anything else. */
#define KEPT_BASE       (16 * MiB >> 12)
#define KEPT_PAGES      (32 * MiB >> 12)
#define KEPT_SEED       0x5eed
/* Boot memory that it may release, behind that. */
#define SPARE_BASE      (KEPT_BASE + KEPT_PAGES)
#define SPARE_PAGES     (16 * MiB >> 12)

typedef struct Fixture {
    DmGuest guest;
    QTestState *qts;
    bool has[ADDED_PAGES];      /* the guest has this page of added memory */
    bool known[ADDED_PAGES];    /* it was added since the system's reset */
    uint32_t seed[ADDED_PAGES]; /* of the pattern written to it; 0: none,
                                   since the guest was given the page */
    bool lacks[BOOT_PAGES];     /* it has released this page of boot memory */
    DmPages release[512];       /* what to release on request, in this order */
    unsigned n_release;
    unsigned hot_adds;
} Fixture;

/* What the machine is made of; @more: further options, which may begin with
 * properties of hv-balloon. Free with g_free(). */
char *fixture_options(const char *more);
/* Starts it, and the driver connects. */
void fixture_start(Fixture *f, const char *more);

/* Answer a message, if there is one. */
bool serve(Fixture *f);
/* The guest takes back what a request gave it, and says so. */
void take_returned(Fixture *f, const DmPages *ranges, unsigned n);
/* Answer requests until the guest has @actual bytes and nothing is left. */
void serve_until(Fixture *f, uint64_t actual);
uint64_t pages_owned(const Fixture *f);
/* Write to all added memory that the guest has. */
void fill(Fixture *f, uint32_t seed);
/* All pages that the guest has contain what it wrote there. */
void check(Fixture *f);

void plug(Fixture *f, const char *id, uint64_t size, bool on_demand);
void unplug(Fixture *f, const char *id);
void assert_in_use(Fixture *f, const char *id);

/* Name all added memory that the guest has for release, in pieces of @piece
 * pages, backwards. It has all or nothing of each. */
void release_all(Fixture *f, uint32_t piece);
/* Name every second piece, forwards. */
void release_half(Fixture *f, uint32_t piece);

#endif
