/*
 * Dynamic Memory engine: what is requested of the guest, and what it has
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C + GLib: no QEMU header, no clock, no thread. The owner passes the
 * time (ms of a monotonic clock) where it is needed, serialises the calls, and
 * is called back through DmEngineOps, only from within a call. A callback may
 * query the engine and must not change it.
 *
 * Sizes and addresses are in 4 KiB pages throughout. Messages given to
 * dm_engine_receive() are untrusted; everything else is the owner's, and may
 * be asserted on. The rules of the engine are at the top of engine.c.
 */

#ifndef DM_ENGINE_H
#define DM_ENGINE_H

#include "owner.h"

/*
 * @boot: the ranges of boot memory that the guest may release from, ascending.
 * @boot_pages: the size of boot memory, with the holes for ROM.
 */
DmEngine *dm_engine_new(const DmRange *boot, unsigned n_boot,
                        uint64_t boot_pages, DmProfile profile,
                        const DmEngineOps *ops, void *opaque);
void dm_engine_free(DmEngine *engine);

/* The guest's driver opened the channel. @guest_os_id: of its MSR. @new_kernel:
 * another kernel was started since the channel was last open, without a reset
 * of the machine. */
void dm_engine_channel_open(DmEngine *engine, uint64_t guest_os_id,
                            bool new_kernel, uint64_t now);
void dm_engine_channel_close(DmEngine *engine);

/* A message of the guest. */
void dm_engine_receive(DmEngine *engine, const void *msg, size_t len,
                       uint64_t now);
/*
 * True: call dm_engine_run() before the next message. That bounds the work
 * between two runs, and what is left for the next one.
 */
bool dm_engine_throttled(const DmEngine *engine);
/* There may be room to send again. */
void dm_engine_writable(DmEngine *engine, uint64_t now);

/*
 * Does what is due: discards, prepares and sends the next request, notices a
 * deadline. Call it after any other call that changes the engine (from a bottom
 * half, say) and when dm_engine_deadline() has come. With a clock, it takes
 * 20 ms and as long as one call to populate() or discard() takes; true: call it
 * again soon, there is more to do.
 */
bool dm_engine_run(DmEngine *engine, uint64_t now);
/* When to call dm_engine_run() if nothing else happens; UINT64_MAX: never. */
uint64_t dm_engine_deadline(const DmEngine *engine);

/* Only a target of 0 is refused. One that cannot be met is remembered, and
 * state and problem say why the guest is not there. */
bool dm_engine_set_target(DmEngine *engine, uint64_t pages, GError **error);

/* Adds a stick at @range; the owner chooses its number. Unless @on_demand, the
 * target grows by its size. */
bool dm_engine_plug(DmEngine *engine, unsigned stick, DmRange range,
                    bool on_demand, GError **error);
/* Can this stick be unplugged? The error says why not. */
bool dm_engine_may_unplug(const DmEngine *engine, unsigned stick,
                          GError **error);
/* Only if dm_engine_may_unplug() is true. */
void dm_engine_unplug(DmEngine *engine, unsigned stick);

/* The machine was reset: the guest has all boot memory and nothing else. */
void dm_engine_system_reset(DmEngine *engine);

/*
 * Migration and snapshots (migrate.c); the state itself: state.h.
 *
 * The first run from page @from on that the guest does not have, as it has
 * released it or it is of a stick and was never given, and that it is not about
 * to get: it need not be sent.
 */
bool dm_engine_next_absent(const DmEngine *engine, uint64_t from,
                           DmRange *run);
/*
 * Of sticks: the first run of whole units of @unit pages in @within, which
 * begins and ends with one, in each of which the guest has or may have a page,
 * or is about to be given one. Costs little time a unit, however scattered the
 * pages are.
 */
bool dm_engine_next_in_use(const DmEngine *engine, DmRange within,
                           uint64_t unit, DmRange *run);
/*
 * Ditto where it was given a page, whether or not it has released it since:
 * what another kernel may use that was started without a reset.
 */
bool dm_engine_next_added(const DmEngine *engine, DmRange within,
                          uint64_t unit, DmRange *run);
/* May another kernel use what counts as released? */
bool dm_engine_released_in_doubt(const DmEngine *engine);
/*
 * All that the guest has released is to be discarded once more, because the
 * host may have populated it. False: not all yet, as a request gives some of
 * it, or is being prepared, the guest is disconnected, or time is over; call it
 * again before the next dm_engine_run().
 */
bool dm_engine_discard_released(DmEngine *engine);
/* May the owner discard what the guest lacks? Not while a request gives some of
 * it, or is being prepared, or while it is in doubt what was released. */
bool dm_engine_may_discard_again(const DmEngine *engine);
/* Ditto of what it was never given of a stick. Right after that, or false. */
bool dm_engine_discard_never_given(DmEngine *engine, DmRange within);
/* The guest may reply slowly for another reason: it is being migrated. */
void dm_engine_excuse(DmEngine *engine);
/* As long as growing is held, no request gives memory. */
void dm_engine_hold_growth(DmEngine *engine, bool hold);
/* The owner is told the size, and of each stick that is not idle. */
void dm_engine_announce(DmEngine *engine);

void dm_engine_query(const DmEngine *engine, DmEngineInfo *info);
/* Does the guest have none of these pages, and is it not about to be given any?
 * False as well if some of them are still to be discarded. */
bool dm_engine_is_released(const DmEngine *engine, uint64_t first,
                           uint64_t count);
bool dm_engine_query_stick(const DmEngine *engine, unsigned stick,
                           DmStickInfo *info);

#endif
