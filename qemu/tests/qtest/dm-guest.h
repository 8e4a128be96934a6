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

/* Two rings of a page of indices and a few of data. */
#define DM_RING_PAGES   8
#define DM_RING_DATA    ((DM_RING_PAGES - 1) * DM_PAGE)
#define DM_RING_OUT(guest) ((guest)->ring)
#define DM_RING_IN(guest)  ((guest)->ring + DM_RING_PAGES * DM_PAGE)
#define DM_WRITE_INDEX  0
#define DM_READ_INDEX   4
/* What a packet has besides its message. */
#define DM_PACKET_EXTRA 24

/* The connection that tells the host to look into the ring. */
#define DM_SIGNAL_CONNECTION(relid) (16 + (relid))

/* What a guest says that it can do. */
#define DM_CAP_BALLOON      1
#define DM_CAP_HOT_ADD      2
#define DM_CAP_ALIGN(n)     ((n) << 2)          /* 2^n MiB */
#define DM_CAPS             (DM_CAP_BALLOON | DM_CAP_HOT_ADD | DM_CAP_ALIGN(7))

typedef struct DmGuest {
    QTestState *qts;
    uint32_t relid;
    uint64_t ring;              /* where both rings are */
    uint32_t gpadl;
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
/* The rings of the next opening are at @ring, of which @gpadl tells the host. */
void dm_place_rings(DmGuest *guest, uint32_t gpadl, uint64_t ring);
/* Only the channel, with empty rings. The host's status, 0 if it is open. */
uint32_t dm_open_channel(DmGuest *guest);
/* Only the words that the driver begins with. */
void dm_handshake(DmGuest *guest, uint32_t caps);
/* The driver unloads. */
void dm_close(DmGuest *guest);

/* Waits for room in the ring. */
void dm_send(DmGuest *guest, const void *msg, size_t len);
/* A packet at @at of the ring's data, of which nobody is told. Its end. */
uint32_t dm_put_packet(DmGuest *guest, uint32_t at, const void *msg,
                       size_t len);
void dm_signal(DmGuest *guest);
/* Is there a message? */
bool dm_pending(DmGuest *guest);
/* Waits for a message, leaves it in msg, and says of what type it is. */
enum dm_message_type dm_receive_any(DmGuest *guest);
/* The same for one that has to be of @type. */
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

/* The same, of what dm_receive_any() took. */
DmPages dm_hot_add_range(const DmGuest *guest);
uint32_t dm_balloon_pages(const DmGuest *guest);
unsigned dm_unballoon_ranges(const DmGuest *guest, DmPages *ranges,
                             unsigned max);

/* Takes a message with pages that come back; up to @max ranges of it. */
unsigned dm_unballoon_request(DmGuest *guest, DmPages *ranges, unsigned max);
void dm_unballoon_response(DmGuest *guest);

void dm_status_report(DmGuest *guest, uint64_t available, uint64_t committed);

#endif
