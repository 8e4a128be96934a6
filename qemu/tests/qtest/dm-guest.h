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
#define DM_PENDING_SEND_SIZE 12
/* What a packet has besides its message. */
#define DM_PACKET_EXTRA 24

/* The connection that signals the host. */
#define DM_SIGNAL_CONNECTION(relid) (16 + (relid))

/* Capabilities of a guest */
#define DM_CAP_BALLOON      1
#define DM_CAP_HOT_ADD      2
#define DM_CAP_ALIGN(n)     ((n) << 2)          /* 2^n MiB */
#define DM_CAPS             (DM_CAP_BALLOON | DM_CAP_HOT_ADD | DM_CAP_ALIGN(7))

typedef struct DmGuest {
    QTestState *qts;
    uint32_t relid;
    uint64_t ring;              /* where both rings are */
    uint32_t gpadl;
    uint8_t msg[DM_PAGE];       /* the last one received */
} DmGuest;

/* A run of pages, by number. */
typedef struct DmPages {
    uint64_t first;
    uint64_t count;
} DmPages;

/* Connect to the VMBus anew, and find the device there. */
void dm_connect(DmGuest *guest, QTestState *qts);
/* The driver loads, with capabilities @caps. */
void dm_open(DmGuest *guest, uint32_t caps);
/* The next time, the rings are at @ring, described by GPADL @gpadl. */
void dm_place_rings(DmGuest *guest, uint32_t gpadl, uint64_t ring);
/* Open the channel with empty rings, and no more. Returns the host's status. */
uint32_t dm_open_channel(DmGuest *guest);
/* Negotiate version and capabilities, on an open channel. */
void dm_handshake(DmGuest *guest, uint32_t caps);
/* The driver unloads. */
void dm_close(DmGuest *guest);

/* Wait for room in the ring, write the message there and signal the host. */
void dm_send(DmGuest *guest, const void *msg, size_t len);
/*
 * Write a packet at @at of the ring's data, without signalling the host.
 * Returns where it ends.
 */
uint32_t dm_put_packet(DmGuest *guest, uint32_t at, const void *msg,
                       size_t len);
void dm_signal(DmGuest *guest);
bool dm_pending(DmGuest *guest);
/* Wait for a message and copy it to guest->msg. Returns its type. */
enum dm_message_type dm_receive_any(DmGuest *guest);
/* The same, for a message that has to be of @type. */
void dm_receive(DmGuest *guest, enum dm_message_type type);

/* Wait for a request to release pages. Returns how many. */
uint32_t dm_balloon_request(DmGuest *guest);
void dm_balloon_response(DmGuest *guest, const DmPages *ranges, unsigned n,
                         bool more);
/* The response is in the ring, and the host has not been signalled. */
void dm_leave_balloon_response(DmGuest *guest, DmPages range);
/* Release all of @pages, answering as many requests as it takes. */
void dm_release(DmGuest *guest, DmPages pages);

/* Wait for a hot-add request. Returns its range. */
DmPages dm_hot_add_request(DmGuest *guest);
void dm_hot_add_response(DmGuest *guest, uint32_t pages, uint32_t result);

/* The contents of the message that dm_receive_any() returned. */
DmPages dm_hot_add_range(const DmGuest *guest);
uint32_t dm_balloon_pages(const DmGuest *guest);
unsigned dm_unballoon_ranges(const DmGuest *guest, DmPages *ranges,
                             unsigned max);

/* Wait for an unballoon request. Returns up to @max of its ranges. */
unsigned dm_unballoon_request(DmGuest *guest, DmPages *ranges, unsigned max);
void dm_unballoon_response(DmGuest *guest);

void dm_status_report(DmGuest *guest, uint64_t available, uint64_t committed);

#endif
