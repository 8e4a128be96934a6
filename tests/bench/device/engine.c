/*
 * Benchmark: the engine alone, with a guest that answers at once
 *
 * The guest releases from the top down, as Linux does, and accepts all that is returned. Nothing is discarded: only the engine's own work is
 * measured, from a message received to the next one sent.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "bench.h"
#include "engine.h"

#define GIB_PAGES UINT64_C(262144)
#define OS_LINUX (UINT64_C(0x8100) << 48 | 0x060100)

typedef struct Guest {
    DmEngine *engine;
    uint64_t next;              /* the guest has the pages below */
    uint64_t unit, stride;      /* it releases unit pages of each stride */
    uint8_t pending[DM_MAX_SEND];
    size_t pending_len;
    uint64_t discarded, now;
} Guest;

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return GUINT32_FROM_LE(v);
}

static void put64(uint8_t *p, uint64_t v)
{
    v = GUINT64_TO_LE(v);
    memcpy(p, &v, sizeof(v));
}

static bool op_send(void *opaque, const void *msg, size_t len)
{
    Guest *guest = opaque;

    g_assert_cmpuint(guest->pending_len, ==, 0);
    memcpy(guest->pending, msg, len);
    guest->pending_len = len;
    return true;
}

static void op_discard(void *opaque, uint64_t first, uint64_t count)
{
    Guest *guest = opaque;

    (void)first;
    guest->discarded += count;
}

static void op_stick_state(void *opaque, unsigned stick, DmStickState state)
{
    (void)opaque;
    (void)stick;
    (void)state;
}

static void op_actual_changed(void *opaque, uint64_t actual)
{
    (void)opaque;
    (void)actual;
}

static void op_status(void *opaque, const DmStatus *status)
{
    (void)opaque;
    (void)status;
}

static void op_warn(void *opaque, DmWarning warning)
{
    (void)opaque;
    g_error("the engine complains about an honest guest: %s", dm_warning_name(warning));
}

static const DmEngineOps ops = {
    .send = op_send,
    .discard = op_discard,
    .stick_state = op_stick_state,
    .actual_changed = op_actual_changed,
    .status = op_status,
    .warn = op_warn,
};

static void say(Guest *guest, uint8_t *msg, unsigned type, size_t len)
{
    put64(msg, type | (uint64_t)len << 16);
    dm_engine_receive(guest->engine, msg, len, guest->now);
    while (dm_engine_run(guest->engine, guest->now)) {
        /* it discards */
    }
}

static void release(Guest *guest, uint64_t left)
{
    uint8_t msg[DM_MAX_SEND];
    unsigned n;

    do {
        for (n = 0; n < 510 && left; n++) {
            uint64_t count = MIN(left, guest->unit);

            guest->next -= guest->stride;
            put64(msg + 16 + 8 * n, guest->next | count << 40);
            left -= count;
        }
        put64(msg + 8, (uint64_t)(n << 1 | (left > 0)) << 32);
        say(guest, msg, DM_MSG_BALLOON_RESPONSE, 16 + 8 * n);
    } while (left);
}

static void answer(Guest *guest)
{
    uint8_t request[DM_MAX_SEND], msg[64] = { 0 };

    memcpy(request, guest->pending, guest->pending_len);
    guest->pending_len = 0;
    switch (request[0]) {
    case DM_MSG_BALLOON_REQUEST:
        release(guest, get32(request + 8));
        break;
    case DM_MSG_UNBALLOON_REQUEST:
        say(guest, msg, DM_MSG_UNBALLOON_RESPONSE, 8);
        break;
    case DM_MSG_VERSION_RESPONSE:
        put64(msg + 8, 3 | 7 << 2);
        put64(msg + 24, UINT64_MAX);
        say(guest, msg, DM_MSG_CAPABILITIES, 32);
        break;
    default:
        break;
    }
}

static double move(Guest *guest, uint64_t target)
{
    DmEngineInfo info;
    double start = bench_cpu(), seconds;

    dm_engine_set_target(guest->engine, target, NULL);
    while (dm_engine_run(guest->engine, guest->now) || guest->pending_len) {
        if (guest->pending_len) {
            answer(guest);
        }
    }
    seconds = bench_cpu() - start;
    dm_engine_query(guest->engine, &info);
    g_assert_cmpuint(info.actual, ==, target);
    return seconds;
}

static void connect(Guest *guest)
{
    uint8_t msg[16] = { 0 };

    dm_engine_channel_open(guest->engine, OS_LINUX, false, guest->now);
    put64(msg + 8, DM_VERSION_2_0);
    say(guest, msg, DM_MSG_VERSION_REQUEST, 16);
    while (guest->pending_len) {
        answer(guest);
    }
}

/* @gib are released and returned. */
static void there_and_back(const char *what, uint64_t gib, uint64_t unit, uint64_t stride)
{
    uint64_t pages = gib * GIB_PAGES;
    DmRange boot = { 0, pages * stride / unit + GIB_PAGES };
    size_t heap = bench_heap();
    Guest guest = { .next = boot.count, .unit = unit, .stride = stride, .now = 1000 };
    g_autofree char *name = g_strdup_printf("engine, %" G_GUINT64_FORMAT " GiB in ranges of %s: ", gib, what);
    double out, back;

    guest.engine = dm_engine_new(&boot, 1, boot.count, DM_PROFILE_AUTO, &ops, &guest);
    connect(&guest);
    out = move(&guest, boot.count - pages);
    g_assert_cmpuint(guest.discarded, ==, pages);
    heap = bench_heap() - heap;
    back = move(&guest, boot.count);
    bench_pair(name, "out", gib / out, 1024, "the goal, 1 TiB in 1 s", "GiB/s", true);
    bench_pair(name, "back", gib / back, 1024, "the goal, 1 TiB in 1 s", "GiB/s", true);
    bench_pair(name, "held", heap, (double)boot.count / 8, "one bit per page", "bytes", false);
    dm_engine_free(guest.engine);
}

void bench_engine(bool smoke)
{
    there_and_back("2 MiB", smoke ? 4 : 1024, 512, 512);
    there_and_back("4 KiB, every other page", smoke ? 1 : 16, 1, 2);
}
