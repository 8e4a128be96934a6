/*
 * hv-balloon, its sticks and its channel across a migration: the states of the
 * guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest is moved in every state of its driver, with messages unread in
 * either ring.
 */

#include "qemu/osdep.h"
#include "dm-move.h"
#include "test-accel.h"

/* ---- Idle, and with messages under way ---- */

static void test_idle(void)
{
    Fixture *f = halved();
    Numbers before = read_numbers(f->qts);

    move(f, " " STICK);
    assert_numbers(f->qts, &before);
    wait_state(f->qts, "idle");
    check(f);
    finish(f);
}

static void test_again_and_again(void)
{
    Fixture *f = halved();

    for (int i = 0; i < 4; i++) {
        move(f, " " STICK);
        check(f);
        set_target(f->qts, i % 2 ? HALF : ALL);
        release_half(f, 64);
        serve_until(f, i % 2 ? HALF : ALL);
        fill(f, 10 + i);
    }
    finish(f);
}

/* The machine asked the guest for something, which is unread in its ring. */
typedef struct Unread {
    const char *name;
    bool grown;                 /* else half of the stick is released */
    uint64_t target;
    const char *state;
} Unread;

static const Unread unread[] = {
    { "ballooning", true, HALF, "ballooning" },
    { "returning", false, ALL, "returning" },
};

static void test_unread(const void *opaque)
{
    const Unread *u = opaque;
    Fixture *f = u->grown ? grown() : halved();

    release_half(f, 64);
    set_target(f->qts, u->target);
    wait_request(f);
    move(f, " " STICK);
    g_assert_true(dm_pending(&f->guest));
    g_assert_true(balloon_state_is(f->qts, u->state));
    serve_until(f, u->target);
    check(f);
    finish(f);
}

static void test_unread_hot_add(void)
{
    Fixture *f = g_new0(Fixture, 1);

    fixture_start(f, " " STICK);
    set_target(f->qts, ALL);
    wait_request(f);
    move(f, " " STICK);
    g_assert_true(balloon_state_is(f->qts, "adding"));
    serve_until(f, ALL);
    fill(f, 1);
    finish(f);
}

/*
 * The guest's answer is in the ring, and its signal was lost with the source:
 * the guest will not send another, as the ring was empty when it wrote.
 */
static void test_unread_answer(void)
{
    Fixture *f = grown();
    DmPages pages = { ADDED_BASE, ADDED_PAGES / 2 };

    set_target(f->qts, HALF);
    g_assert_cmpuint(dm_balloon_request(&f->guest), ==, pages.count);
    stop_vm(f->qts);
    dm_leave_balloon_response(&f->guest, pages);
    move(f, " " STICK);
    g_assert_cmpuint(balloon_number(f->qts, "actual"), ==, ALL);
    continue_vm(f->qts);
    for (uint64_t i = 0; i < pages.count; i++) {
        f->has[i] = false;
    }
    wait_state(f->qts, "idle");
    g_assert_cmpuint(balloon_number(f->qts, "actual"), ==, HALF);
    check(f);
    finish(f);
}

/*
 * The ring to the guest is full: the host says there how much it wants to
 * write, and the guest will signal once it has read. The host knows the guest's
 * index of the first move, when the guest pretends to have read nothing.
 */
static void test_ring_full(void)
{
    Fixture *f = grown();
    uint64_t in = DM_RING_IN(&f->guest);
    uint32_t write = qtest_readl(f->qts, in + DM_WRITE_INDEX);

    qtest_writel(f->qts, in + DM_READ_INDEX, (write + 8) % DM_RING_DATA);
    move(f, " " STICK);
    set_target(f->qts, HALF);
    wait_for(f->qts, in + DM_PENDING_SEND_SIZE, 0, false);
    move(f, " " STICK);
    wait_for(f->qts, in + DM_PENDING_SEND_SIZE, 0, false);
    g_assert_cmpuint(qtest_readl(f->qts, in + DM_WRITE_INDEX), ==, write);
    release_half(f, 64);
    qtest_writel(f->qts, in + DM_READ_INDEX, write);
    dm_signal(&f->guest);
    serve_until(f, HALF);
    check(f);
    finish(f);
}

/* Nothing is asked of a guest that is stopped, and all of it afterwards. */
static void test_stopped(void)
{
    Fixture *f = grown();

    release_half(f, 64);
    stop_vm(f->qts);
    set_target(f->qts, HALF);
    assert_quiet(f);
    move(f, " " STICK);
    assert_quiet(f);
    continue_vm(f->qts);
    serve_until(f, HALF);
    check(f);
    finish(f);
}

/* ---- The states that query-hv-balloon knows ---- */

/* Half of the stick is released, and now the guest has no more to release. */
static Fixture *at_the_floor(void)
{
    Fixture *f = halved();

    set_target(f->qts, BOOT_SIZE);
    dm_balloon_request(&f->guest);
    dm_balloon_response(&f->guest, NULL, 0, false);
    return f;
}

static Fixture *refusing(void)
{
    Fixture *f = g_new0(Fixture, 1);

    fixture_start(f, " " STICK);
    set_target(f->qts, ALL);
    dm_hot_add_request(&f->guest);
    dm_hot_add_response(&f->guest, 0, 0);
    return f;
}

static Fixture *with_other_capabilities(void)
{
    Fixture *f = halved();

    dm_close(&f->guest);
    dm_open(&f->guest, DM_CAP_BALLOON | DM_CAP_HOT_ADD | DM_CAP_ALIGN(5));
    return f;
}

static Fixture *unloaded(void)
{
    Fixture *f = halved();

    dm_close(&f->guest);
    return f;
}

static Fixture *windows(void)
{
    Fixture *f = g_new0(Fixture, 1);

    fixture_start(f, ",guest-profile=windows " STICK);
    set_target(f->qts, ALL);
    return f;
}

/* As Linux does it if nobody onlines what it has added: the reply comes late. */
static Fixture *not_onlining(void)
{
    Fixture *f = g_new0(Fixture, 1);
    DmPages pages;

    fixture_start(f, " " STICK);
    set_target(f->qts, ALL);
    pages = dm_hot_add_request(&f->guest);
    g_usleep(5 * G_USEC_PER_SEC * DIV_ROUND_UP(pages.count * DM_PAGE,
                                               128 * MiB));
    dm_hot_add_response(&f->guest, pages.count, 1);
    return f;
}

/* It asked for memory to be released and got no reply. */
static Fixture *late(void)
{
    Fixture *f = g_new0(Fixture, 1);

    fixture_start(f, " " STICK);
    set_target(f->qts, ALL);
    return f;
}

typedef struct Scene {
    const char *state;
    Fixture *(*make)(void);
    uint64_t then;              /* a target that the guest can meet; 0: none */
    const char *more;           /* options, if not those of a stick */
    bool slow;
} Scene;

static const Scene scenes[] = {
    { "floor", at_the_floor, HALF - 16 * MiB },
    { "refused", refusing, BOOT_SIZE + 112 * MiB },
    { "frozen", with_other_capabilities },
    { "disconnected", unloaded },
    { "waiting", windows, .more = ",guest-profile=windows " STICK },
    { "not-onlined", not_onlining, .slow = true },
    { "late", late, ALL, .slow = true },
};

static void wait_scene(Fixture *f, const char *state)
{
    /* the longest deadline of a request for 128 MiB is 15 s */
    for (int i = 0; i < 20 && !balloon_state_is(f->qts, state); i++) {
        g_usleep(G_USEC_PER_SEC);
    }
    wait_state(f->qts, state);
}

static void test_state(const void *opaque)
{
    const Scene *scene = opaque;
    Fixture *f = scene->make();
    Numbers before;

    wait_scene(f, scene->state);
    before = read_numbers(f->qts);
    move(f, scene->more ?: " " STICK);
    g_assert_true(balloon_state_is(f->qts, scene->state));
    assert_numbers(f->qts, &before);
    check(f);
    if (!scene->then) {
        assert_quiet(f);
        scene_end(f);
        return;
    }
    release_all(f, 64);
    set_target(f->qts, scene->then);
    serve_until(f, scene->then);
    check(f);
    scene_end(f);
}

/* ---- Before there is a driver ---- */

static void test_no_driver(void)
{
    Fixture *f = bare();

    set_target(f->qts, ALL);
    move(f, " " STICK);
    g_assert_cmpuint(balloon_number(f->qts, "target"), ==, ALL);
    dm_connect(&f->guest, f->qts);
    dm_open(&f->guest, CAPS);
    serve_until(f, ALL);
    fill(f, 3);
    guest_fill(f->qts, KEPT_BASE, KEPT_PAGES, KEPT_SEED);
    finish(f);
}

/* Connected to the bus; the channel is open; the version is agreed on. */
static void test_handshake(const void *opaque)
{
    unsigned step = GPOINTER_TO_UINT(opaque);
    Fixture *f = bare();

    guest_fill(f->qts, KEPT_BASE, KEPT_PAGES, KEPT_SEED);
    dm_connect(&f->guest, f->qts);
    if (step == 0) {
        move(f, " " STICK);
        dm_open(&f->guest, CAPS);
    } else {
        g_assert_cmpuint(dm_open_channel(&f->guest), ==, 0);
        move(f, " " STICK);
        g_assert_true(balloon_state_is(f->qts, "handshake"));
        dm_handshake(&f->guest, CAPS);
    }
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    fill(f, 3);
    finish(f);
}

/* ---- Afterwards ---- */

static void test_reset(void)
{
    Fixture *f = halved();

    move(f, " " STICK);
    system_reset(f->qts);
    memset(f->has, 0, sizeof(f->has));
    memset(f->known, 0, sizeof(f->known));
    dm_connect(&f->guest, f->qts);
    dm_open(&f->guest, CAPS);
    guest_fill(f->qts, KEPT_BASE, KEPT_PAGES, KEPT_SEED);
    serve_until(f, HALF);
    fill(f, 4);
    finish(f);
}

/* The kernel is the one that connected at the source, or it is not. */
static void test_reconnect(void)
{
    Fixture *f = halved();

    move(f, " " STICK);
    dm_close(&f->guest);
    dm_open(&f->guest, CAPS);
    serve_until(f, HALF);
    check(f);
    move(f, " " STICK);
    dm_connect(&f->guest, f->qts);
    dm_open(&f->guest, CAPS);
    wait_state(f->qts, "new-kernel");
    move(f, " " STICK);
    g_assert_true(balloon_state_is(f->qts, "new-kernel"));
    check(f);
    scene_end(f);
}

/*
 * Another kernel uses what the last one had released: it is in its memory map.
 * None of it may be left out.
 */
static void test_kexec(void)
{
    Fixture *f = halved();

    dm_close(&f->guest);
    guest_fill(f->qts, ADDED_BASE, ADDED_PAGES, 5);
    move(f, " " STICK);
    g_assert_cmpuint(guest_check(f->qts, ADDED_BASE, ADDED_PAGES, 5), ==, 0);
    scene_end(f);
}

/*
 * A guest that spoils its ring keeps itself from being resized, and not from
 * being moved or restored.
 */
static void test_spoilt_ring(void)
{
    Fixture *f = halved();

    qtest_writel(f->qts, DM_RING_IN(&f->guest) + DM_WRITE_INDEX, UINT32_MAX);
    move(f, " " STICK);
    g_assert_true(balloon_state_is(f->qts, "disconnected"));
    check(f);
    dm_close(&f->guest);
    dm_open(&f->guest, CAPS);
    serve_until(f, HALF);
    check(f);
    finish(f);
}

/* ---- What earlier releases have sent ---- */

/* Each is what a release sent in the scene below. They stay, and a new one is
 * added when a section gets fields: DM_RECORD=FILE.xz has the test record it. */
static const char *const streams[] = { "1" };

#define EARLIER_MACHINE " " STICK "-machine pc-q35-10.0 "

static void record(Fixture *f, const char *file)
{
    g_autofree char *command = g_strdup_printf("xz -9 <%s/state >%s",
                                               move_dir(), file);

    move_to_file(f, "state");
    g_assert_cmpint(system(command), ==, 0);
    scene_end(f);
}

/*
 * A request gives the guest the half of the stick that it has released. What the
 * guest knows is the same in each run, so it does not come with the stream.
 */
static void test_earlier(const void *name)
{
    g_autofree char *uri =
        g_strdup_printf("exec:xz -dc tests/data/hv-balloon/stream-%s.xz",
                        (const char *)name);
    Fixture *f = grown_with(EARLIER_MACHINE);
    QTestState *to;

    halve(f, 64);
    set_target(f->qts, ALL);
    wait_request(f);
    if (g_getenv("DM_RECORD")) {
        record(f, g_getenv("DM_RECORD"));
        return;
    }
    to = destination_deferred(EARLIER_MACHINE);
    qmp_incoming(to, uri);
    wait_vm(to, "running");
    arrive(f, to);
    g_assert_true(balloon_state_is(f->qts, "returning"));
    check(f);
    serve_until(f, ALL);
    finish(f);
}

static void add_earlier(void)
{
    /* another accelerator has other sections */
    for (int i = 0; !test_accel_is_kvm() && i < ARRAY_SIZE(streams); i++) {
        g_autofree char *path = g_strdup_printf("/dm-migrate/earlier/%s",
                                                streams[i]);

        qtest_add_data_func(path, streams[i], test_earlier);
    }
}

static void add_scenes(void)
{
    for (int i = 0; i < ARRAY_SIZE(scenes); i++) {
        g_autofree char *path = g_strdup_printf("/dm-migrate/state/%s",
                                                scenes[i].state);

        if (!scenes[i].slow || g_test_slow()) {
            qtest_add_data_func(path, &scenes[i], test_state);
        }
    }
}

static void add_tests(void)
{
    qtest_add_func("/dm-migrate/idle", test_idle);
    qtest_add_func("/dm-migrate/again-and-again", test_again_and_again);
    for (int i = 0; i < ARRAY_SIZE(unread); i++) {
        g_autofree char *path = g_strdup_printf("/dm-migrate/unread/%s",
                                                unread[i].name);

        qtest_add_data_func(path, &unread[i], test_unread);
    }
    qtest_add_func("/dm-migrate/unread/hot-add", test_unread_hot_add);
    qtest_add_func("/dm-migrate/unread/answer", test_unread_answer);
    qtest_add_func("/dm-migrate/ring-full", test_ring_full);
    qtest_add_func("/dm-migrate/stopped", test_stopped);
    add_scenes();
    add_earlier();
    qtest_add_func("/dm-migrate/no-driver", test_no_driver);
    qtest_add_data_func("/dm-migrate/handshake/bus", GUINT_TO_POINTER(0),
                        test_handshake);
    qtest_add_data_func("/dm-migrate/handshake/channel", GUINT_TO_POINTER(1),
                        test_handshake);
    qtest_add_func("/dm-migrate/reset", test_reset);
    qtest_add_func("/dm-migrate/reconnect", test_reconnect);
    qtest_add_func("/dm-migrate/kexec", test_kexec);
    qtest_add_func("/dm-migrate/spoilt-ring", test_spoilt_ring);
}

int main(int argc, char **argv)
{
    return move_main(argc, argv, add_tests);
}
