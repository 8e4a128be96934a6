/*
 * A fuzzer of what a migration stream says of the VMBus and its devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest of dm-fixture.h is brought to some state and stopped, and its
 * devices' state is saved, without memory.  Then, in the same QEMU, the machine
 * is reset and that state is loaded again and again, each time with something
 * else in it changed: fields, counts, parts left out, sections that come twice
 * or in another order.  QEMU may refuse it or not, but it lives, it answers, it
 * leaves the memory of the guest alone if it refused, it can run and be reset,
 * and the state as it was saved can be loaded after that.
 *
 * Without a time in VMBUS_STATE_SECONDS there are a few tries, always the same.
 * VMBUS_STATE_SEED chooses others, VMBUS_STATE_DIR is where the last one is
 * left, and VMBUS_STATE_FILE names one to load instead.
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "dm-fixture.h"
#include "test-accel.h"
#include "vmbus-stream.h"

/* No memory comes before the devices, as it does with a migration. */
#define DEVICES_ONLY    " -global migration.send-configuration=off "

#define TRIES           60              /* of each scene, without a time */
#define HANG_S          600             /* on a machine that is busy with more */
/* How often the state is loaded as it was saved. */
#define GOOD_EVERY      50
/* What may be held for streams that were refused, of all tries together. ASan
 * keeps 256 MiB of what was freed. */
#define MAX_GROWTH_KB   (1024 * 1024)

static char *tmp;
static GRand *rnd;
static int64_t seconds;                 /* for all scenes; 0: TRIES each */
static char *try_path;

/* ---- The guest's memory, which is not in the stream ---- */

/* The rings' indices and first data, and the mailbox of the processor. */
static const DmPages in_ram[] = {
    { RING >> 12, 2 }, { (RING >> 12) + DM_RING_PAGES, 2 },
    { MAILBOX(0) >> 12, 1 },
};
/* Messages and event flags: over the RAM, once the processor is loaded. */
static const DmPages in_synic[] = { { SIMP(0) >> 12, 2 } };

typedef struct Memory {
    uint8_t *ram[ARRAY_SIZE(in_ram)];
    uint8_t *synic[ARRAY_SIZE(in_synic)];
} Memory;

static void pages_read(QTestState *qts, const DmPages *pages, int n,
                       uint8_t **to)
{
    for (int i = 0; i < n; i++) {
        to[i] = g_malloc(pages[i].count << 12);
        qtest_bufread(qts, pages[i].first << 12, to[i], pages[i].count << 12);
    }
}

static void pages_write(QTestState *qts, const DmPages *pages, int n,
                        uint8_t *const *from)
{
    for (int i = 0; i < n; i++) {
        qtest_bufwrite(qts, pages[i].first << 12, from[i],
                       pages[i].count << 12);
    }
}

static void pages_free(uint8_t **pages, int n)
{
    for (int i = 0; i < n; i++) {
        g_free(pages[i]);
    }
}

static void assert_ram(QTestState *qts, const Memory *m)
{
    uint8_t *now[ARRAY_SIZE(in_ram)];

    pages_read(qts, in_ram, ARRAY_SIZE(in_ram), now);
    for (int i = 0; i < ARRAY_SIZE(in_ram); i++) {
        g_assert_cmpmem(now[i], in_ram[i].count << 12, m->ram[i],
                        in_ram[i].count << 12);
    }
    pages_free(now, ARRAY_SIZE(in_ram));
}

/* ---- QMP ---- */

/* Nobody waits for an event but for that of a reset: do not keep the others. */
static bool drop_event(QTestState *qts, const char *name, QDict *event,
                       void *opaque)
{
    return !g_str_equal(name, "RESET");
}

static void stop(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{'execute': 'stop'}");
}

static void cont(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
}

static void save(QTestState *qts, const char *path)
{
    qtest_qmp_assert_success(qts, "{'execute': 'xen-save-devices-state', "
                             "'arguments': {'filename': %s, 'live': false}}",
                             path);
}

static bool load(QTestState *qts, const char *path)
{
    QDict *rsp = qtest_qmp(qts, "{'execute': 'xen-load-devices-state', "
                           "'arguments': {'filename': %s}}", path);
    bool ok = qdict_haskey(rsp, "return");

    qobject_unref(rsp);
    return ok;
}

static uint64_t resident_kb(QTestState *qts)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status",
                                            (int)qtest_pid(qts));
    g_autofree char *text = NULL;
    const char *line;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    line = strstr(text, "RssAnon:");
    g_assert_nonnull(line);
    return g_ascii_strtoull(line + strlen("RssAnon:"), NULL, 10);
}

/* ---- Scenes ---- */

static void scene_boot(Fixture *f)
{
}

static void scene_bus(Fixture *f)
{
    dm_connect(&f->guest, f->qts);
}

static void scene_gpadls(Fixture *f)
{
    scene_bus(f);
    create_gpadl(f->qts, 2, 3, 0x100);
    post_gpadl(f->qts, 3, 40, 20, 0x200);
}

/* A message is in its slot, and others wait on either side. */
static void scene_queue(Fixture *f)
{
    scene_bus(f);
    for (int i = 0; i < 12; i++) {
        post_gpadl(f->qts, 2 + i, 2, 2, 0x100 + 2 * i);
    }
}

static void scene_channel(Fixture *f)
{
    scene_bus(f);
    g_assert_cmpuint(dm_open_channel(&f->guest), ==, 0);
}

static void scene_driver(Fixture *f)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    scene_bus(f);
    dm_open(&f->guest, CAPS);
    set_target(f->qts, BOOT_SIZE + ADDED_SIZE);
    serve_until(f, BOOT_SIZE + ADDED_SIZE);
    release_half(f, 64);
    set_target(f->qts, BOOT_SIZE + ADDED_SIZE / 2);
    serve_until(f, BOOT_SIZE + ADDED_SIZE / 2);
    set_target(f->qts, BOOT_SIZE + ADDED_SIZE);
    while (!dm_pending(&f->guest)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

/* The guest has torn down the GPADL that its channel uses. */
static void scene_torn_down(Fixture *f)
{
    vmbus_message_gpadl_teardown msg = {
        .header.message_type = VMBUS_MSG_GPADL_TEARDOWN,
        .gpadl_id = 1,
    };

    scene_driver(f);
    msg.child_relid = f->guest.relid;
    post_ok(f->qts, &msg, sizeof(msg));
}

typedef struct Scene {
    const char *name;
    void (*play)(Fixture *f);
} Scene;

static const Scene scenes[] = {
    { "boot", scene_boot },
    { "bus", scene_bus },
    { "gpadls", scene_gpadls },
    { "queue", scene_queue },
    { "channel", scene_channel },
    { "driver", scene_driver },
    { "torn-down", scene_torn_down },
};

/* ---- Tries ---- */

typedef struct Run {
    Fixture f;
    Memory memory;
    GBytes *good;
    char *good_path;
    unsigned tries, refused;
} Run;

/* The state in @path comes to a machine that was reset. */
static bool load_after_reset(Run *run, const char *path)
{
    QTestState *qts = run->f.qts;
    bool ok;

    qtest_system_reset(qts);
    pages_write(qts, in_ram, ARRAY_SIZE(in_ram), run->memory.ram);
    ok = load(qts, path);
    pages_write(qts, in_synic, ARRAY_SIZE(in_synic), run->memory.synic);
    return ok;
}

/* The guest may be broken, but whatever the host does for it goes on. */
static void run_a_little(QTestState *qts)
{
    cont(qts);
    qobject_unref(query_dict(qts, "query-hv-balloon"));
    if (g_rand_int_range(rnd, 0, 4) == 0) {
        g_usleep(2000);
    }
    stop(qts);
}

static void load_try(Run *run)
{
    QTestState *qts = run->f.qts;

    alarm(HANG_S);
    run->tries++;
    if (!load_after_reset(run, try_path)) {
        run->refused++;
        assert_ram(qts, &run->memory);
    }
    run_a_little(qts);
    qobject_unref(query_dict(qts, "query-status"));
    alarm(0);
}

/* What is loaded now is what was saved. */
static void load_good(Run *run)
{
    g_autofree char *again = g_strdup_printf("%s/again", tmp);
    g_autofree char *data = NULL;
    gsize len;

    g_assert_true(load_after_reset(run, run->good_path));
    save(run->f.qts, again);
    g_assert_true(g_file_get_contents(again, &data, &len, NULL));
    g_assert_true(vmbus_stream_same(run->good,
                                    g_bytes_new_take(g_steal_pointer(&data),
                                                     len)));
}

static void write_try(Run *run)
{
    g_autoptr(GByteArray) bad = vmbus_stream_mutate(run->good, rnd);

    g_assert_true(g_file_set_contents(try_path, (char *)bad->data, bad->len,
                                      NULL));
}

static void run_begin(Run *run, const Scene *scene)
{
    Fixture *f = &run->f;
    g_autofree char *options = fixture_options(" " STICK DEVICES_ONLY);
    char *data;
    gsize len;

    f->qts = guest_simple(DM_FLAGS, options);
    f->guest.qts = f->qts;
    scene->play(f);
    stop(f->qts);
    qtest_qmp_set_event_callback(f->qts, drop_event, NULL);
    pages_read(f->qts, in_ram, ARRAY_SIZE(in_ram), run->memory.ram);
    pages_read(f->qts, in_synic, ARRAY_SIZE(in_synic), run->memory.synic);
    run->good_path = g_strdup_printf("%s/%s", tmp, scene->name);
    save(f->qts, run->good_path);
    g_assert_true(g_file_get_contents(run->good_path, &data, &len, NULL));
    run->good = g_bytes_new_take(data, len);
}

/* After all that the machine can boot, and its driver load. */
static void run_end(Run *run)
{
    Fixture *f = &run->f;

    load_good(run);
    cont(f->qts);
    system_reset(f->qts);
    memset(f->has, 0, sizeof(f->has));
    memset(f->known, 0, sizeof(f->known));
    dm_connect(&f->guest, f->qts);
    dm_open(&f->guest, CAPS);
    set_target(f->qts, BOOT_SIZE + ADDED_SIZE);
    serve_until(f, BOOT_SIZE + ADDED_SIZE);
    qtest_quit(f->qts);
    pages_free(run->memory.ram, ARRAY_SIZE(in_ram));
    pages_free(run->memory.synic, ARRAY_SIZE(in_synic));
    g_bytes_unref(run->good);
    g_free(run->good_path);
    g_free(run);
}

static bool is_over(const Run *run, int64_t end)
{
    return seconds ? g_get_monotonic_time() >= end : run->tries >= TRIES;
}

static void test_scene(gconstpointer data)
{
    const Scene *scene = data;
    int64_t end = g_get_monotonic_time() +
                  seconds * G_USEC_PER_SEC / (int)ARRAY_SIZE(scenes);
    Run *run = g_new0(Run, 1);
    uint64_t before;

    run_begin(run, scene);
    load_good(run);
    before = resident_kb(run->f.qts);
    while (!is_over(run, end)) {
        write_try(run);
        load_try(run);
        if (run->tries % GOOD_EVERY == 0) {
            load_good(run);
        }
    }
    g_assert_cmpuint(resident_kb(run->f.qts), <, before + MAX_GROWTH_KB);
    if (!seconds) {
        g_assert_cmpuint(run->refused, >, 0);
        g_assert_cmpuint(run->refused, <, run->tries);
    }
    g_test_message("%s: %u tries, %u refused, %" PRId64 " KiB more resident",
                   scene->name, run->tries, run->refused,
                   (int64_t)(resident_kb(run->f.qts) - before));
    run_end(run);
}

static void test_file(gconstpointer data)
{
    Run *run = g_new0(Run, 1);

    run_begin(run, data);
    load_try(run);
    run_end(run);
}

static void add_tests(void)
{
    const char *file = getenv("VMBUS_STATE_FILE");

    for (int i = 0; i < ARRAY_SIZE(scenes); i++) {
        g_autofree char *path = g_strdup_printf("/vmbus-state/%s",
                                                scenes[i].name);

        qtest_add_data_func(path, &scenes[i], file ? test_file : test_scene);
    }
    try_path = file ? g_strdup(file) : g_strdup_printf("%s/try", tmp);
}

static uint64_t number_in_env(const char *name)
{
    const char *text = getenv(name);

    return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}

int main(int argc, char **argv)
{
    const char *dir = getenv("VMBUS_STATE_DIR");
    g_autofree char *remove = NULL;
    int ret;

    seconds = number_in_env("VMBUS_STATE_SECONDS");
    rnd = g_rand_new_with_seed(number_in_env("VMBUS_STATE_SEED"));
    tmp = dir ? g_strdup(dir) : g_dir_make_tmp("vmbus-state-XXXXXX", NULL);
    ret = guest_main(argc, argv, test_accel(), "hv-balloon", add_tests);
    if (!dir) {
        remove = g_strdup_printf("rm -rf %s", tmp);
        g_assert_cmpint(system(remove), ==, 0);
    }
    return ret;
}
