/*
 * The names of what the engine reports
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "facts.h"
#include "wire.h"

/* Every value of an enum has a name, and no other has the same. */
#define CHECK_NAMES(Type, name, max) \
    static void check_##name(void) \
    { \
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, \
                                                      g_str_equal); \
        int i; \
        \
        for (i = 0; i < (max); i++) { \
            const char *text = name((Type)i); \
            \
            g_assert_nonnull(text); \
            g_assert_true(g_hash_table_add(seen, (char *)text)); \
        } \
    }

CHECK_NAMES(DmGuest, dm_guest_name, DM_GUEST__MAX)
CHECK_NAMES(DmStickState, dm_stick_state_name, DM_STICK__MAX)
CHECK_NAMES(DmState, dm_state_name, DM_STATE__MAX)
CHECK_NAMES(DmRequest, dm_request_name, DM_REQUEST__MAX)
CHECK_NAMES(DmProblemCode, dm_problem_name, DM_PROBLEM__MAX)
CHECK_NAMES(DmWarning, dm_warning_name, DM_WARNING__MAX)
CHECK_NAMES(DmMessageType, dm_message_name, DM_MSG__MAX)

/* A guest may send any type. */
static void test_unknown_message(void)
{
    g_assert_cmpstr(dm_message_name(DM_MSG__MAX), ==, "unknown");
    g_assert_cmpstr(dm_message_name(UINT16_MAX), ==, "unknown");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/facts/names/guest", check_dm_guest_name);
    g_test_add_func("/facts/names/stick", check_dm_stick_state_name);
    g_test_add_func("/facts/names/state", check_dm_state_name);
    g_test_add_func("/facts/names/request", check_dm_request_name);
    g_test_add_func("/facts/names/problem", check_dm_problem_name);
    g_test_add_func("/facts/names/warning", check_dm_warning_name);
    g_test_add_func("/facts/names/message", check_dm_message_name);
    g_test_add_func("/facts/names/message/unknown", test_unknown_message);
    return g_test_run();
}
