/*
 * The machine of the qtests of mem-haprot, which have no guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_QTEST_HAPROT_MACHINE_H
#define TESTS_QTEST_HAPROT_MACHINE_H

#include "qemu/units.h"
#include "libqtest.h"
#include "test-accel.h"

/*
 * The VMBus needs a SynIC, which TCG and KVM have; the machine is never
 * started.
 */
#define MACHINE "-machine q35 -nodefaults -S " \
                "-cpu max,hv-vpindex,hv-synic -m 512M,maxmem=2560M "
#define HV_BALLOON "-device vmbus-bridge -device hv-balloon,id=hvb "

#define BOOT (512 * MiB)

static inline QTestState *start(const char *options)
{
    return qtest_initf("%s -accel %s", options, test_accel());
}

/* Runs what @add_tests adds, or says why none can run here. */
static inline int haprot_main(int argc, char **argv, void (*add_tests)(void))
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_accel(test_accel())) {
        g_test_skip("the accelerator is missing");
        return g_test_run();
    }
    if (!qtest_has_device("hv-balloon")) {
        g_test_skip("no hv-balloon");
        return g_test_run();
    }
    add_tests();
    return g_test_run();
}

#endif
