/*
 * The accelerator of the qtests that are not about one: TCG, which works
 * anywhere, unless the environment names another, like HVB_QTEST_ACCEL=kvm
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_QTEST_TEST_ACCEL_H
#define TESTS_QTEST_TEST_ACCEL_H

static inline const char *test_accel(void)
{
    return g_getenv("HVB_QTEST_ACCEL") ?: "tcg";
}

static inline bool test_accel_is_kvm(void)
{
    return g_str_equal(test_accel(), "kvm");
}

#endif
