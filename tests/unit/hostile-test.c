/*
 * What a hostile or broken guest must not achieve
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Everything that a guest can do wrong has a number, and each number has at
 * least one test /hostile/NN-name. Those of the engine are here and, for the
 * saved state, in state-test.c. What only VMBus or a hypercall can get wrong is
 * tested with a small hostile guest under TCG, in qemu/tests/qtest
 * (dm-guest-test.c; 21 and 22 in hyperv-vmbus-test.c), under the same names.
 *
 *  1 a page returned twice                  01-page-twice
 *  2 a page outside RAM, ROM, MMIO          02-outside-ram, 02-half-in-rom
 *  3 more than requested                   03-more-than-asked
 *  4 endless more_pages                     04-endless-more, 04-endless-repeats
 *  5 no progress                            05-no-progress
 *  6 range count or size does not fit       06-sizes, 06-truncated-TYPE
 *  7 a range of no pages                    07-empty-range
 *  8 start + count overflows                08-overflow
 *  9 pages of a stick never added           09-never-added
 * 10 pages of a ghost                       10-ghost
 * 11 hot-add: more than offered, a part     11-takes-too-much, 11-takes-a-part
 * 12 a reply to no request                  12-unasked, 12-other-kind,
 *                                           12-before-sent
 * 13 other capabilities after a reconnect   13-other-capabilities
 * 14 alignment 2^15 MiB                     14-alignment-15
 * 15 no reply                               15-late-balloon, 15-late-hot-add,
 *                                           15-late-unballoon
 * 16 a flood that holds the main loop, or   16-budget, -scattered, -backlog,
 *    fills memory                           -throttled, -time, -memory
 * 17 a flood of status reports              17-status, 17-status-early; the
 *                                           event's rate: qtest
 * 18 a ring in memory that is gone          18-ring-gone; the ring: qtest
 * 19 a full ring, a bogus read index        19-full-ring, -close, -long; the
 *                                           index: qtest
 * 20 reconnects to forge "unused"           20-reconnect-storm, 20-kexec
 * 21 a GPADL body too many                  qtest
 * 22 a GPADL of a bad size; too many        qtest
 * 23 an odd trans_id                        23-trans-id
 * 24 a corrupt migration stream             24-corrupt-state (state-test.c)
 */

#include <string.h>

#include "scenes.h"

static void test_h01_page_twice(void)
{
    Sim *sim = asked(4 * SIM_MIB);
    DmRange ranges[] = { { 0x1000, 512 }, { 0x1000, 512 } };

    sim_claim(sim, ranges, 2, false);
    g_assert_cmpuint(sim_info(sim).released, ==, 512);
    g_assert_cmpuint(sim_info(sim).counters.duplicate_pages, ==, 512);
    sim_free(sim);
}

static void test_h02_outside_ram(void)
{
    /* ROM, the PCI hole, beyond everything, half outside. */
    static const DmRange bad[] = {
        { 0xa0, 0x60 }, { 3 * SIM_GIB, 100 }, { SIM_4G - 1, 1 },
        { DM_MAX_PFN, 1 }, { DM_MAX_PFN - 10, 100 },
    };
    Sim *sim = asked(4 * SIM_MIB);

    sim_claim(sim, bad, G_N_ELEMENTS(bad), true);
    g_assert_cmpuint(sim_info(sim).released, ==, 0);
    g_assert_cmpuint(sim_info(sim).counters.dropped_ranges, ==,
                     G_N_ELEMENTS(bad));
    /* One warning for all of them. */
    g_assert_cmpuint(sim->n_warn, ==, 1);
    sim_free(sim);
}

static void test_h02_half_in_rom(void)
{
    static const DmRange half = { 0x90, 0x80 };
    Sim *sim = asked(4 * SIM_MIB);

    sim_claim(sim, &half, 1, false);
    g_assert_cmpuint(sim_info(sim).released, ==, 0x20);
    sim_free(sim);
}

static void test_h03_more_than_asked(void)
{
    static const DmRange much = { 0x1000, 2000 };
    Sim *sim = asked(4 * SIM_MIB);

    sim_claim(sim, &much, 1, false);
    g_assert_cmpuint(sim_info(sim).released, ==, 1024);
    g_assert_cmpuint(sim_info(sim).counters.surplus_pages, ==, 2000 - 1024);
    sim_free(sim);
}

static void test_h04_endless_more(void)
{
    Sim *sim = asked(4 * SIM_MIB);
    unsigned i;

    for (i = 0; i < 100; i++) {
        sim_claim(sim, NULL, 0, true);
    }
    g_assert_cmpuint(sim_info(sim).counters.unexpected, >, 50);
    assert_state(sim, DM_STATE_FLOOR);
    assert_problem(sim, DM_PROBLEM_FLOOR);
    /* One failure doubles the pause once. */
    g_assert_cmpuint(dm_engine_deadline(sim->engine), ==, sim->now + 5000);
    sim_free(sim);
}

/* One page at a time, and more to follow: it ends when all are claimed. */
static void test_h04_endless_repeats(void)
{
    Sim *sim = asked(4 * SIM_MIB);
    DmRange page = { 0x1000, 1 };
    unsigned i;

    for (i = 0; i < 5000; i++) {
        sim_claim(sim, &page, 1, true);
        sim_drop_inbox(sim);
    }
    g_assert_cmpuint(sim_info(sim).released, ==, 1);
    assert_state(sim, DM_STATE_FLOOR);
    sim_free(sim);
}

static void test_h05_no_progress(void)
{
    Sim *sim = asked(4 * SIM_MIB);
    unsigned before;

    sim_claim(sim, NULL, 0, false);
    assert_state(sim, DM_STATE_FLOOR);
    before = sim->sent[DM_MSG_BALLOON_REQUEST];
    sim_pump(sim);
    sim_advance(sim, 4000);
    g_assert_cmpuint(sim->sent[DM_MSG_BALLOON_REQUEST], ==, before);
    sim_free(sim);
}

static void test_h06_sizes(void)
{
    uint8_t msg[64] = { DM_MSG_BALLOON_RESPONSE, 0, 32, 0 };
    Sim *sim = asked(4 * SIM_MIB);
    size_t len;

    msg[12] = 200 << 1 & 0xff;      /* more ranges than bytes */
    msg[13] = 200 >> 7;
    sim_say(sim, msg, 32);
    for (len = 0; len < 32; len++) {
        sim_say(sim, msg, len);
    }
    g_assert_cmpuint(sim_info(sim).counters.malformed, ==, 33);
    g_assert_cmpuint(sim_info(sim).released, ==, 0);
    assert_state(sim, DM_STATE_BALLOONING);
    sim_free(sim);
}

typedef struct Whole {
    const char *name;
    DmMessageType type;
    size_t size;
    /* The engine is to be where it would take the message. */
    Sim *(*scene)(void);
} Whole;

static Sim *scene_opened(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_open(sim, false);
    return sim;
}

static Sim *scene_versioned(void)
{
    Sim *sim = scene_opened();

    sim->mute = true;
    sim_version_request(sim, DM_VERSION_2_0, true);
    return sim;
}

static Sim *scene_asked(void)
{
    return asked(4 * SIM_MIB);
}

static Sim *scene_returning(void)
{
    Sim *sim = one_stick();

    sim_target(sim, 900 * SIM_MIB);
    sim->mute = true;
    sim_target(sim, SIM_GIB);
    assert_state(sim, DM_STATE_RETURNING);
    return sim;
}

static const Whole whole_messages[] = {
    { "version-request", DM_MSG_VERSION_REQUEST, 16, scene_opened },
    { "capabilities", DM_MSG_CAPABILITIES, 32, scene_versioned },
    { "status", DM_MSG_STATUS, 48, one_stick },
    { "balloon-response", DM_MSG_BALLOON_RESPONSE, 16 + 3 * 8, scene_asked },
    { "unballoon-response", DM_MSG_UNBALLOON_RESPONSE, 8, scene_returning },
    { "hot-add-response", DM_MSG_HOT_ADD_RESPONSE, 16, adding },
};

/* Valid in every field, so that only the length is wrong. */
static void fill(const Whole *whole, uint8_t *msg)
{
    memset(msg, 0, whole->size);
    msg[0] = whole->type;
    msg[2] = whole->size;
    switch (whole->type) {
    case DM_MSG_VERSION_REQUEST:
        msg[10] = 2;                    /* 2.0 */
        break;
    case DM_MSG_CAPABILITIES:
        msg[8] = 3 | 7 << 2;
        break;
    case DM_MSG_BALLOON_RESPONSE:
        msg[12] = 3 << 1;
        msg[17] = 0x10, msg[21] = 1;    /* page 0x1000 and one more each */
        msg[25] = 0x20, msg[29] = 1;
        msg[33] = 0x30, msg[37] = 1;
        break;
    case DM_MSG_HOT_ADD_RESPONSE:
        msg[9] = 0x80, msg[12] = 1;     /* 32768 pages */
        break;
    default:
        break;
    }
}

/* An exact copy on the heap: a read beyond its end is seen. */
static void say_copy(Sim *sim, const uint8_t *msg, size_t len)
{
    g_autofree uint8_t *copy = g_malloc(len ? len : 1);

    memcpy(copy, msg, len);
    sim_say(sim, copy, len);
}

/* Nothing changed but the number of messages, and of malformed ones. */
static void assert_ignored(const Sim *sim, DmEngineInfo before)
{
    DmEngineInfo after = sim_info(sim);

    before.counters.messages_received++;
    before.counters.malformed++;
    g_assert_cmpmem(&after.counters, sizeof(after.counters),
                    &before.counters, sizeof(before.counters));
    g_assert_cmpint(after.state, ==, before.state);
    g_assert_cmphex(after.version, ==, before.version);
    g_assert_cmpuint(after.alignment, ==, before.alignment);
    g_assert_cmpuint(after.actual, ==, before.actual);
    g_assert_cmpuint(after.released, ==, before.released);
    g_assert_cmpuint(after.ungranted, ==, before.ungranted);
    g_assert_cmpuint(after.in_doubt, ==, before.in_doubt);
}

static void test_h06_truncated(gconstpointer data)
{
    const Whole *whole = data;
    Sim *sim = whole->scene();
    DmEngineInfo before;
    uint8_t msg[64];
    size_t len;

    fill(whole, msg);
    for (len = 0; len < whole->size; len++) {
        before = sim_info(sim);
        say_copy(sim, msg, len);        /* the ring lost its end */
        assert_ignored(sim, before);
        if (len >= 4) {
            before = sim_info(sim);
            msg[2] = len;               /* so said, and so sent */
            say_copy(sim, msg, len);
            assert_ignored(sim, before);
            before = sim_info(sim);     /* so said, and more sent */
            say_copy(sim, msg, whole->size);
            assert_ignored(sim, before);
            msg[2] = whole->size;
        }
    }
    g_assert_cmpuint(sim->n_status, ==, 0);
    before = sim_info(sim);
    say_copy(sim, msg, whole->size);
    g_assert_cmpuint(sim_info(sim).counters.malformed, ==,
                     before.counters.malformed);
    g_assert_cmpuint(sim_info(sim).counters.unexpected, ==, 0);
    sim_free(sim);
}

static void test_h07_empty_range(void)
{
    static const DmRange ranges[] = { { 0, 0 }, { DM_MAX_PFN, 0 },
                                      { 0x1000, 1 } };
    Sim *sim = asked(4 * SIM_MIB);

    sim_claim(sim, ranges, 3, true);
    g_assert_cmpuint(sim_info(sim).released, ==, 1);
    g_assert_cmpuint(sim_info(sim).counters.dropped_ranges, ==, 0);
    sim_free(sim);
}

static void test_h08_overflow(void)
{
    static const DmRange range = { DM_MAX_PFN, DM_MAX_RANGE_PAGES };
    Sim *sim = asked(4 * SIM_MIB);

    sim_claim(sim, &range, 1, false);
    g_assert_cmpuint(sim_info(sim).released, ==, 0);
    sim_free(sim);
}

static void test_h09_never_added(void)
{
    static const DmRange range = { SIM_4G, 512 };
    Sim *sim = asked(4 * SIM_MIB);

    sim_claim(sim, &range, 1, false);
    g_assert_cmpuint(sim_info(sim).released, ==, 0);
    g_assert_cmpint(sim_stick(sim, 1).state, ==, DM_STICK_IDLE);
    sim_free(sim);
}

static void test_h10_ghost(void)
{
    static const DmRange range = { SIM_4G, 512 };
    Sim *sim = one_stick();

    sim_target(sim, 2 * SIM_GIB);
    sim_target(sim, SIM_GIB);
    g_assert_true(sim_unplug(sim, 1));
    sim->mute = true;
    sim_target(sim, 900 * SIM_MIB);
    sim_claim(sim, &range, 1, false);
    g_assert_cmpuint(sim_info(sim).released, ==, 0);
    g_assert_cmpuint(sim_info(sim).ghosts, ==, SIM_GIB);
    g_assert_cmpuint(sim_info(sim).counters.dropped_ranges, ==, 1);
    sim_free(sim);
}

static void test_h11_takes_too_much(void)
{
    Sim *sim = adding();

    sim_hot_add_response(sim, UINT32_MAX, 1);
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 128 * SIM_MIB);
    sim_free(sim);
}

/* The rest of what it took is not offered again before a reset. */
static void test_h11_takes_a_part(void)
{
    Sim *sim = one_stick();

    sim->take_at_most = 100 * SIM_MIB + 3;
    sim_target(sim, 2 * SIM_GIB);
    sim->take_at_most = 0;
    sim_target(sim, 3 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, <, 3 * SIM_GIB);
    assert_problem(sim, DM_PROBLEM_ALIGNMENT);
    g_assert_cmpuint(sim_info(sim).counters.refused, >, 0);
    sim_check_honest(sim);
    sim_reset(sim);
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

static void test_h12_unasked(void)
{
    static const DmRange range = { 0x1000, 512 };
    Sim *sim = one_stick();

    sim_claim(sim, &range, 1, false);
    sim_unballoon_response(sim);
    sim_hot_add_response(sim, 32768, 1);
    g_assert_cmpuint(sim_info(sim).counters.unexpected, ==, 3);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 0);
    sim_free(sim);
}

static void test_h12_other_kind(void)
{
    Sim *sim = adding();

    sim_unballoon_response(sim);
    sim_claim(sim, NULL, 0, false);
    g_assert_cmpuint(sim_info(sim).counters.unexpected, ==, 2);
    assert_state(sim, DM_STATE_ADDING);
    sim_hot_add_response(sim, 32768, 1);
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 32768);
    sim_free(sim);
}

/* A request that was not sent yet has no reply. */
static void test_h12_before_sent(void)
{
    Sim *sim = one_stick();

    sim->ring_full = true;
    sim_target(sim, 2 * SIM_GIB);
    sim_hot_add_response(sim, 32768, 1);
    g_assert_cmpuint(sim_info(sim).counters.unexpected, ==, 1);
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 0);
    sim->ring_full = false;
    dm_engine_writable(sim->engine, sim->now);
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    done_honest(sim);
}

static void test_h13_other_capabilities(void)
{
    Sim *sim = grown();

    sim_close(sim);
    sim->alignment = 5;
    sim_connect(sim);
    assert_state(sim, DM_STATE_FROZEN);
    assert_problem(sim, DM_PROBLEM_CAPABILITIES);
    sim_target(sim, SIM_GIB);
    assert_state(sim, DM_STATE_FROZEN);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    sim_reset(sim);
    sim_connect(sim);
    assert_state(sim, DM_STATE_IDLE);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    done_honest(sim);
}

static void test_h14_alignment_15(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim->alignment = 15;
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).alignment, ==, 32 * SIM_GIB);
    sim_plug(sim, 0, SIM_4G, SIM_GIB, false);
    /* Boot memory lies in the same block of 32 GiB. */
    assert_state(sim, DM_STATE_REFUSED);
    assert_problem(sim, DM_PROBLEM_ALIGNMENT);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    sim_free(sim);
}

static void check_late(Sim *sim, uint64_t at_least)
{
    DmState state = sim_info(sim).state;

    sim_advance(sim, at_least - 1);
    g_assert_cmpint(sim_info(sim).state, ==, state);
    sim_advance(sim, 60 * 1000);
    assert_state(sim, DM_STATE_LATE);
    g_assert_cmpint(sim_info(sim).problem.request, !=, DM_REQUEST_NONE);
    g_assert_cmpuint(sim_info(sim).counters.late, ==, 1);
    /* The request is still outstanding: there is no other. */
    g_assert_cmpuint(g_queue_get_length(&sim->inbox), ==, 1);
}

static void test_h15_late_balloon(void)
{
    Sim *sim = asked(100 * SIM_MIB);

    check_late(sim, 10 * 1000);
    sim_target(sim, 500 * SIM_MIB);
    assert_state(sim, DM_STATE_LATE);
    assert_problem(sim, DM_PROBLEM_NEVER_REPLIED);
    sim->mute = false;
    sim_pump(sim);
    assert_actual(sim, 500 * SIM_MIB);
    done_honest(sim);
}

static void test_h15_late_hot_add(void)
{
    Sim *sim = one_stick();

    sim_target(sim, SIM_GIB + 128 * SIM_MIB);
    sim->mute = true;
    sim_target(sim, SIM_GIB + 640 * SIM_MIB);
    check_late(sim, 10 * 1000 + 4 * 5 * 1000);
    sim->mute = false;
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB + 640 * SIM_MIB);
    done_honest(sim);
}

static void test_h15_late_unballoon(void)
{
    Sim *sim = one_stick();

    sim_target(sim, 500 * SIM_MIB);
    sim->mute = true;
    sim_target(sim, SIM_GIB);
    assert_state(sim, DM_STATE_RETURNING);
    /* Not the guest's before it replies. */
    assert_actual(sim, 500 * SIM_MIB);
    check_late(sim, 10 * 1000);
    sim->mute = false;
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    done_honest(sim);
}

/* What one call discards is bounded. */
static void test_h16_budget(void)
{
    Sim *sim = asked(800 * SIM_MIB);
    DmRange ranges[510];
    unsigned i, n, calls = 0;

    for (n = 0; n < 2; n++) {
        for (i = 0; i < 510; i++) {
            ranges[i] = (DmRange) { 0x1000 + 2 * (510 * n + i), 1 };
        }
        sim_claim(sim, ranges, 510, n == 0);
    }
    sim->discarded = 0;
    while (dm_engine_run(sim->engine, sim->now)) {
        g_assert_cmpuint(sim->discarded, <=, 256 * ++calls);
    }
    g_assert_cmpuint(calls, >=, 3);
    g_assert_cmpuint(sim->discarded, ==, 1020);
    sim_free(sim);
}

static uint64_t most_bytes(const Sim *sim)
{
    return sim_info(sim).capacity / 8 / 16 * 17 + (1 << 20);
}

/* What one run does is bounded, however much there is. */
static void test_h16_scattered(void)
{
    Sim *sim = asked(1000 * SIM_MIB);
    unsigned i, j, most = 0;
    DmRange ranges[510];

    /* One page here, one there, all over the gigabyte. */
    for (i = 0; i < 100; i++) {
        for (j = 0; j < 510; j++) {
            ranges[j] = (DmRange) { 0x200 + 5 * (510 * i + j), 1 };
        }
        sim_claim(sim, ranges, 510, true);
    }
    g_assert_cmpuint(sim_info(sim).released, ==, 51000);
    g_assert_true(dm_engine_throttled(sim->engine));
    do {
        sim->n_discards = 0;
        i = dm_engine_run(sim->engine, sim->now);
        most = MAX(most, sim->n_discards);
    } while (i);
    g_assert_cmpuint(most, ==, 256);
    g_assert_cmpuint(sim->discarded, ==, 51000);
    g_assert_false(dm_engine_throttled(sim->engine));
    sim_free(sim);
}

/* An owner that only receives: what waits to be discarded is bounded, and not
 * lost. */
static void test_h16_backlog(void)
{
    Sim *sim = sim_new_of(8 * SIM_GIB, 10 * SIM_GIB, DM_PROFILE_AUTO,
                          SIM_LINUX);
    unsigned i, j, pages = 0;
    DmRange ranges[510];
    size_t most = 0;

    sim_connect(sim);
    sim->mute = true;
    sim_target(sim, SIM_GIB);
    for (i = 0; i < 1000; i++) {
        for (j = 0; j < 510; j++) {
            ranges[j] = (DmRange) { SIM_4G + 2 * (510 * i + j), 1 };
        }
        sim_claim(sim, ranges, 510, true);
        pages += 510;
        most = MAX(most, sim_info(sim).bytes);
    }
    g_assert_cmpuint(sim_info(sim).released, ==, pages);
    g_assert_cmpuint(most, <=, 2 * pages / 8 + (96 << 10));
    g_assert_true(dm_engine_throttled(sim->engine));
    sim_pump(sim);
    g_assert_cmpuint(sim->discarded, ==, pages);
    sim_free(sim);
}

/* Any bytes count. */
static void test_h16_throttled(void)
{
    g_autofree uint8_t *msg = g_malloc0(65536);
    Sim *sim = one_stick();
    unsigned i;

    for (i = 0; !dm_engine_throttled(sim->engine); i++) {
        g_assert_cmpuint(i, <, 2);
        dm_engine_receive(sim->engine, msg, 65536, sim->now);
    }
    g_assert_cmpuint(i, ==, 2);
    sim_pump(sim);
    g_assert_false(dm_engine_throttled(sim->engine));
    done_honest(sim);
}

static void test_h16_time(void)
{
    Sim *sim = one_stick();
    DmWork before = sim_info(sim).work, after;

    sim_status(sim, 1);
    after = sim_info(sim).work;
    g_assert_cmpuint(after.calls, ==, before.calls + 1);
    g_assert_cmpuint(after.ns, ==, before.ns + 1000);
    g_assert_cmpuint(before.longest_ns, >=, 1000);
    g_assert_cmpuint(after.longest_ns, ==, before.longest_ns);
    done_honest(sim);
}

static void ignore_discard(void *opaque, uint64_t first, uint64_t count)
{
    (void)opaque, (void)first, (void)count;
}

/* How much the engine requests, or 0. */
static uint64_t take_balloon_request(Sim *sim)
{
    GBytes *bytes = g_queue_peek_head(&sim->inbox);
    const uint8_t *msg = bytes ? g_bytes_get_data(bytes, NULL) : NULL;
    uint64_t asked = msg ? msg[8] | msg[9] << 8 | msg[10] << 16 : 0;

    g_assert_true(!msg || msg[0] == DM_MSG_BALLOON_REQUEST);
    sim_drop_inbox(sim);
    return asked;
}

/* Releases as many pages as are @asked for, every second one from @page on. */
static uint64_t release_every_second(Sim *sim, uint64_t page, uint64_t asked)
{
    DmRange ranges[510];
    unsigned i, n;

    for (; asked; asked -= n) {
        n = MIN(asked, 510);
        for (i = 0; i < n; i++, page += 2) {
            ranges[i] = (DmRange) { page, 1 };
        }
        sim_claim(sim, ranges, n, asked > n);
    }
    sim_pump(sim);
    return page;
}

static void reconnect(Sim *sim)
{
    sim_close(sim);
    sim_open(sim, false);
    sim_version_request(sim, DM_VERSION_2_0, true);
    sim_capabilities(sim);
    sim_pump(sim);
}

/*
 * Every second page of 64 GiB, and then a driver that disconnects whenever some
 * are returned to it: the accounting takes about a bit a page.
 */
static void test_h16_memory(void)
{
    Sim *sim = sim_new_of(64 * SIM_GIB, 66 * SIM_GIB, DM_PROFILE_AUTO,
                          SIM_LINUX);
    uint64_t page = SIM_4G, asked;
    unsigned i;

    sim->believe = ignore_discard;
    sim_connect(sim);
    sim->mute = true;
    sim_target(sim, 1);
    while (page < 60 * SIM_GIB) {
        asked = take_balloon_request(sim);
        g_assert_cmpuint(asked, >, 0);
        page = release_every_second(sim, page, asked);
    }
    take_balloon_request(sim);
    sim_claim(sim, NULL, 0, false);
    g_assert_cmpuint(sim_info(sim).released, >=, 27 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).bytes, <=, most_bytes(sim));
    sim_target(sim, 64 * SIM_GIB);
    assert_state(sim, DM_STATE_RETURNING);
    for (i = 0; i < 1200; i++) {
        reconnect(sim);
    }
    g_assert_cmpuint(sim_info(sim).in_doubt, >=, 20000);
    g_assert_cmpuint(sim_info(sim).bytes, <=, most_bytes(sim));
    assert_state(sim, DM_STATE_REFUSED);
    /* It can still release, and a reset clears everything. */
    sim_target(sim, 1);
    assert_state(sim, DM_STATE_BALLOONING);
    sim_reset(sim);
    g_assert_cmpuint(sim_info(sim).bytes, <, 64 * 1024);
    sim_free(sim);
}

/* One that seems to run dry, and disconnects when it gets some back. */
static void test_h16_relief(void)
{
    Sim *sim = sim_new(8 * SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);
    uint64_t page = SIM_4G;
    unsigned i;

    sim->believe = ignore_discard;
    sim_connect(sim);
    g_assert_true(sim_plug(sim, 1, 10 * SIM_GIB, 2 * SIM_GIB, true));
    sim_target(sim, 10 * SIM_GIB);
    sim->mute = true;
    sim_target(sim, 1);
    while (page < 8 * SIM_GIB) {
        page = release_every_second(sim, page, take_balloon_request(sim));
    }
    for (i = 0; i < 1000; i++) {
        sim_drop_inbox(sim);
        sim_status(sim, 8 * SIM_GIB);
        sim_claim(sim, NULL, 0, false);
        sim_pump(sim);
        reconnect(sim);
    }
    g_assert_cmpuint(sim_info(sim).in_doubt, >, 100000);
    g_assert_cmpuint(sim_info(sim).in_doubt, <, 400000);
    sim_free(sim);
}

/* Every report is passed on: the owner limits the rate of its events. */
static void test_h17_status(void)
{
    Sim *sim = one_stick();
    unsigned i;

    for (i = 0; i < 1000; i++) {
        sim_status(sim, i);
    }
    g_assert_cmpuint(sim->n_status, ==, 1000);
    g_assert_cmpuint(sim->last_status.available, ==, 999);
    g_assert_cmpuint(g_queue_get_length(&sim->inbox), ==, 0);
    done_honest(sim);
}

static void test_h17_status_early(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_open(sim, false);
    sim_status(sim, 1);
    g_assert_cmpuint(sim->n_status, ==, 0);
    g_assert_cmpuint(sim_info(sim).counters.unexpected, ==, 1);
    sim_free(sim);
}

/* Nothing can be sent any more: that shows, and ends with the channel. */
static void test_h18_ring_gone(void)
{
    Sim *sim = one_stick();

    sim->ring_full = true;
    sim_target(sim, 3 * SIM_GIB);
    sim_advance(sim, 24 * 3600 * 1000);
    assert_state(sim, DM_STATE_LATE);
    g_assert_cmpuint(sim_info(sim).counters.late, ==, 1);
    sim_close(sim);
    g_assert_cmpuint(sim_info(sim).in_doubt, ==, 0);
    sim_reset(sim);
    sim->ring_full = false;
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

static void test_h19_full_ring(void)
{
    Sim *sim = one_stick();

    sim->ring_full = true;
    sim_target(sim, 3 * SIM_GIB);
    sim_advance(sim, 5 * 1000);
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, 0);
    sim->ring_full = false;
    dm_engine_writable(sim->engine, sim->now);
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

/* A request that waits is late, and no longer late once it was sent. */
static void test_h19_full_ring_long(void)
{
    Sim *sim = one_stick();

    sim->ring_full = true;
    sim_target(sim, 3 * SIM_GIB);
    sim_advance(sim, 100 * 1000);
    assert_state(sim, DM_STATE_LATE);
    assert_problem(sim, DM_PROBLEM_NOT_SENT);
    sim->ring_full = false;
    sim->mute = true;
    dm_engine_writable(sim->engine, sim->now);
    assert_state(sim, DM_STATE_ADDING);
    sim_advance(sim, 100 * 1000);
    assert_state(sim, DM_STATE_LATE);
    g_assert_cmpuint(sim_info(sim).counters.late, ==, 2);
    sim_free(sim);
}

/* A request that was never sent leaves nothing in doubt. */
static void test_h19_full_ring_close(void)
{
    Sim *sim = one_stick();

    sim->ring_full = true;
    sim_target(sim, 3 * SIM_GIB);
    sim_close(sim);
    g_assert_cmpuint(sim_info(sim).in_doubt, ==, 0);
    sim->ring_full = false;
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

/* Reconnects alone never make a stick unused. */
static void test_h20_reconnect_storm(void)
{
    Sim *sim = grown();
    unsigned i;

    for (i = 0; i < 50; i++) {
        sim_close(sim);
        sim_connect(sim);
    }
    g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_INUSE);
    g_assert_cmpuint(sim->n_unused, ==, 0);
    g_assert_cmpuint(sim_info(sim).counters.reconnects, ==, 50);
    g_assert_false(sim_unplug(sim, 1));
    done_honest(sim);
}

/* Nor does a guest that is a new kernel each time. */
static void test_h20_kexec(void)
{
    Sim *sim = grown();
    unsigned i;

    for (i = 0; i < 50; i++) {
        sim_kexec(sim, SIM_LINUX + i % 2);
        assert_state(sim, DM_STATE_NEW_KERNEL);
        g_assert_false(sim_unplug(sim, 1));
    }
    g_assert_cmpuint(sim->n_unused, ==, 0);
    g_assert_cmpuint(sim->discarded, ==, 0);
    sim_free(sim);
}

static void test_h23_trans_id(void)
{
    Sim *sim = one_stick();

    sim->counter = UINT32_MAX - 1;
    sim_target(sim, 3 * SIM_GIB);
    sim->counter = 12345;
    sim_target(sim, 700 * SIM_MIB);
    assert_actual(sim, 700 * SIM_MIB);
    done_honest(sim);
}

static void test_unknown_type(void)
{
    uint8_t msg[16] = { 99, 0, 16, 0 };
    Sim *sim = one_stick();

    sim_say(sim, msg, sizeof(msg));
    g_assert_cmpuint(sim_info(sim).counters.unexpected, ==, 1);
    done_honest(sim);
}

static void test_closed_channel(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_version_request(sim, DM_VERSION_2_0, true);
    g_assert_cmpuint(sim_info(sim).counters.unexpected, ==, 1);
    assert_state(sim, DM_STATE_DISCONNECTED);
    sim_free(sim);
}

#define ADD(name, func) g_test_add_func("/hostile/" name, func)

static void add_hostile(void)
{
    ADD("01-page-twice", test_h01_page_twice);
    ADD("02-outside-ram", test_h02_outside_ram);
    ADD("02-half-in-rom", test_h02_half_in_rom);
    ADD("03-more-than-asked", test_h03_more_than_asked);
    ADD("04-endless-more", test_h04_endless_more);
    ADD("04-endless-repeats", test_h04_endless_repeats);
    ADD("05-no-progress", test_h05_no_progress);
    ADD("06-sizes", test_h06_sizes);
    ADD("07-empty-range", test_h07_empty_range);
    ADD("08-overflow", test_h08_overflow);
    ADD("09-never-added", test_h09_never_added);
    ADD("10-ghost", test_h10_ghost);
    ADD("11-takes-too-much", test_h11_takes_too_much);
    ADD("11-takes-a-part", test_h11_takes_a_part);
    ADD("12-unasked", test_h12_unasked);
    ADD("12-other-kind", test_h12_other_kind);
    ADD("12-before-sent", test_h12_before_sent);
    ADD("13-other-capabilities", test_h13_other_capabilities);
    ADD("14-alignment-15", test_h14_alignment_15);
    ADD("15-late-balloon", test_h15_late_balloon);
    ADD("15-late-hot-add", test_h15_late_hot_add);
    ADD("15-late-unballoon", test_h15_late_unballoon);
    ADD("16-budget", test_h16_budget);
    ADD("16-scattered", test_h16_scattered);
    ADD("16-backlog", test_h16_backlog);
    ADD("16-throttled", test_h16_throttled);
    ADD("16-time", test_h16_time);
    ADD("16-memory", test_h16_memory);
    ADD("16-relief", test_h16_relief);
    ADD("17-status", test_h17_status);
    ADD("17-status-early", test_h17_status_early);
    ADD("18-ring-gone", test_h18_ring_gone);
    ADD("19-full-ring", test_h19_full_ring);
    ADD("19-full-ring-close", test_h19_full_ring_close);
    ADD("19-full-ring-long", test_h19_full_ring_long);
    ADD("20-reconnect-storm", test_h20_reconnect_storm);
    ADD("20-kexec", test_h20_kexec);
    ADD("23-trans-id", test_h23_trans_id);
    ADD("12-unknown-type", test_unknown_type);
    ADD("12-closed-channel", test_closed_channel);
}

static void add_truncated(void)
{
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(whole_messages); i++) {
        g_autofree char *path = g_strdup_printf("/hostile/06-truncated-%s",
                                                whole_messages[i].name);

        g_test_add_data_func(path, &whole_messages[i], test_h06_truncated);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_hostile();
    add_truncated();
    return g_test_run();
}
