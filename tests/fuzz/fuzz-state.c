/*
 * Fuzz target: engine state from an untrusted stream
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The machine is that of make-seeds.c: 16 MiB of boot memory, and a stick of
 * 32 MiB at 32 MiB. What is accepted must be written out as it was read, and
 * serve as an engine.
 */

#include <string.h>

#include "engine-int.h"
#include "state.h"
#include "target.h"

#define MIB UINT64_C(256)
#define NOW 1000000

static bool take(void *opaque, const void *msg, size_t len)
{
    (void)opaque;
    (void)msg;
    g_assert_cmpuint(len, <=, DM_MAX_SEND);
    return true;
}

static void look_discard(void *opaque, uint64_t first, uint64_t count)
{
    DmEngine **engine = opaque;

    g_assert_true(dm_engine_is_released(*engine, first, count));
}

static void look_stick(void *opaque, unsigned stick, DmStickState state)
{
    (void)opaque;
    g_assert_cmpuint(stick, ==, 0);
    g_assert_nonnull(dm_stick_state_name(state));
}

static void look_actual(void *opaque, uint64_t actual)
{
    DmEngine **engine = opaque;

    g_assert_cmpuint(actual, <=, dm_regions_capacity(&(*engine)->regions));
}

static void look_text(void *opaque, const char *text)
{
    (void)opaque;
    g_assert_true(g_utf8_validate(text, -1, NULL));
}

static const DmEngineOps ops = {
    .send = take,
    .discard = look_discard,
    .stick_state = look_stick,
    .actual_changed = look_actual,
    .warn = look_text,
    .trace = look_text,
};

static DmEngine *machine(DmEngine **opaque)
{
    static const DmRange boot[] = {
        { 0, 0xa0 }, { 0x100, 16 * MIB - 0x100 },
    };
    static const DmRange stick = { 32 * MIB, 32 * MIB };

    *opaque = dm_engine_new(boot, G_N_ELEMENTS(boot), 16 * MIB,
                            DM_PROFILE_AUTO, &ops, opaque);
    g_assert_true(dm_engine_plug(*opaque, 0, stick, true, NULL));
    return *opaque;
}

static void settle(DmEngine *engine, uint64_t now)
{
    unsigned i;

    for (i = 0; dm_engine_run(engine, now); i++) {
        g_assert_cmpuint(i, <, 1000);
    }
    g_assert_null(dm_regions_fault(&engine->regions));
}

/* Not byte for byte, for a set can be written in more than one way. */
static void check_again(const DmEngine *engine)
{
    GByteArray *state = dm_state_export(engine, NOW), *again;
    DmEngine *other;

    g_assert_true(dm_state_import(machine(&other), state->data, state->len,
                                  NOW, NULL));
    again = dm_state_export(other, NOW);
    g_assert_cmpmem(state->data, state->len, again->data, again->len);
    g_byte_array_unref(state);
    g_byte_array_unref(again);
    dm_engine_free(other);
}

static void serve(DmEngine *engine)
{
    DmEngineInfo info;

    settle(engine, NOW);
    settle(engine, NOW + 100 * 1000);
    dm_engine_channel_close(engine, NOW + 100 * 1000);
    settle(engine, NOW + 100 * 1000);
    dm_engine_system_reset(engine, NOW + 100 * 1000);
    settle(engine, NOW + 100 * 1000);
    dm_engine_query(engine, &info);
    g_assert_cmpuint(info.actual, ==, info.boot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    g_autoptr(GError) error = NULL;
    DmEngine *engine;

    if (dm_state_import(machine(&engine), data, len, NOW, &error)) {
        check_again(engine);
        serve(engine);
    } else {
        g_assert_nonnull(error);
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    }
    dm_engine_free(engine);
    return 0;
}
