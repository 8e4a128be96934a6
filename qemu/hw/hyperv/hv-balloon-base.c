/*
 * Hyper-V Dynamic Memory (hv-balloon): clock, kick, kernel identity, sticks
 *
 * Used by all other files of the device; calls none of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "hv-balloon-internal.h"
#include "qemu/main-loop.h"
#include "system/hw_accel.h"
#include "system/runstate.h"

/* Guest time: no deadline passes while the machine is paused. */
uint64_t hv_balloon_now(void)
{
    return qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL);
}

/* A VM that is suspended is not stopped. */
bool hv_balloon_may_run(void)
{
    return runstate_is_live(runstate_get());
}

/* During a pause the engine runs at its end. */
void hv_balloon_kick(HvBalloon *balloon)
{
    if (!timer_pending(balloon->pause)) {
        qemu_bh_schedule(balloon->bh);
    }
}

/*
 * A different guest OS id or hypercall page means a different kernel. If the
 * same kernel was started again (kexec), it negotiates the whole VMBus again,
 * which a driver that is only reloaded does not. When in doubt the kernel is
 * new: a page that it owns must not be taken for released, or it would be
 * handed out twice.
 */
bool hv_balloon_kernel_is_new(const HvBalloon *balloon)
{
    const HvBalloonKernel *kernel = &balloon->kernel;
    CPUX86State *env = cpu_env(first_cpu);

    cpu_synchronize_state(first_cpu);
    return kernel->known &&
           (kernel->bus_was_reset ||
            kernel->guest_os_id != env->msr_hv_guest_os_id ||
            kernel->hypercall_page != env->msr_hv_hypercall);
}

void hv_balloon_kernel_remember(HvBalloon *balloon)
{
    CPUX86State *env = cpu_env(first_cpu);

    cpu_synchronize_state(first_cpu);
    balloon->kernel = (HvBalloonKernel) {
        .known = true,
        .guest_os_id = env->msr_hv_guest_os_id,
        .hypercall_page = env->msr_hv_hypercall,
    };
}

/* Any kernel that connects is new. */
void hv_balloon_kernel_doubt(HvBalloon *balloon)
{
    balloon->kernel = (HvBalloonKernel) { .known = true, .bus_was_reset = true };
}

void hv_balloon_kernel_forget(HvBalloon *balloon)
{
    balloon->kernel = (HvBalloonKernel) { };
}

MemHaprot *hv_balloon_stick(HvBalloon *balloon, unsigned number)
{
    return g_hash_table_lookup(balloon->sticks, GUINT_TO_POINTER(number));
}
