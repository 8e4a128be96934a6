/*
 * A guest's Dynamic Memory driver, for a test to drive
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Over the guest of hyperv-guest.h: a channel to the hv-balloon device whose
 * rings the test reads and writes, and the messages of the protocol.  It does
 * what it is told, right or wrong, and nothing by itself.
 */

#ifndef TESTS_DM_GUEST_H
#define TESTS_DM_GUEST_H

#include "hw/hyperv/dynmem-proto.h"
#include "hyperv-guest.h"

#define DM_PAGE 4096

/* What a guest says that it can do. */
#define DM_CAP_BALLOON      1
#define DM_CAP_HOT_ADD      2
#define DM_CAP_ALIGN(n)     ((n) << 2)          /* 2^n MiB */
#define DM_CAPS             (DM_CAP_BALLOON | DM_CAP_HOT_ADD | DM_CAP_ALIGN(7))

typedef struct DmGuest {
    QTestState *qts;
    uint32_t relid;
    uint8_t msg[DM_PAGE];       /* the last that came */
} DmGuest;

/* A run of pages, by number. */
typedef struct DmPages {
    uint64_t first;
    uint64_t count;
} DmPages;

/* Finds the device on the VMBus, which gets a new connection. */
void dm_connect(DmGuest *guest, QTestState *qts);
/* The driver loads, and says that it can do @caps. */
void dm_open(DmGuest *guest, uint32_t caps);
/* The driver unloads. */
void dm_close(DmGuest *guest);

void dm_send(DmGuest *guest, const void *msg, size_t len);
/* Is there a message? */
bool dm_pending(DmGuest *guest);
/* Waits for a message, which has to be of @type, and leaves it in msg. */
void dm_receive(DmGuest *guest, enum dm_message_type type);

/* Takes a request to release pages; says how many. */
uint32_t dm_balloon_request(DmGuest *guest);
void dm_balloon_response(DmGuest *guest, const DmPages *ranges, unsigned n,
                         bool more);
/* Releases all of @pages when asked, in as many messages as it takes. */
void dm_release(DmGuest *guest, DmPages pages);

/* Takes a request to use memory, which is at ... */
DmPages dm_hot_add_request(DmGuest *guest);
void dm_hot_add_response(DmGuest *guest, uint32_t pages, uint32_t result);

/* Takes a message with pages that come back; up to @max ranges of it. */
unsigned dm_unballoon_request(DmGuest *guest, DmPages *ranges, unsigned max);
void dm_unballoon_response(DmGuest *guest);

void dm_status_report(DmGuest *guest, uint64_t available, uint64_t committed);

#endif
