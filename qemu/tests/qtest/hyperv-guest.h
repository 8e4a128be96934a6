/*
 * A guest that a test drives: single instructions, Hyper-V, VMBus
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest is hyperv-tcg-guest.S, which executes single instructions on each
 * processor on request.  So what a guest does with Hyper-V, right or wrong, is
 * written in C.
 */

#ifndef TESTS_HYPERV_GUEST_H
#define TESTS_HYPERV_GUEST_H

#include "hw/hyperv/vmbus-proto.h"
#include "libqtest.h"
#include "test-accel.h"

/* A KVM that is emulated itself may pause for more than a minute. */
#define WAIT_US         ((test_accel_is_kvm() ? 240 : 60) * G_USEC_PER_SEC)

/* The guest's memory, see hyperv-tcg-guest.S. */
#define MAILBOX(cpu)    (0x6000 + (cpu) * 0x100)
#define MB_FAULT        28
#define MB_IRQS         32
#define IRQ_VECTOR      0x40
#define NO_FAULT        0
#define UD              6
#define GP              13
#define READY           1

/* Where the tests put things. */
#define HCALL_PAGE      0x10000
#define TSC_PAGE        0x11000
#define INPUT           0x12000
#define SIMP(cpu)       (0x20000 + (cpu) * 0x2000)
#define SIEFP(cpu)      (0x21000 + (cpu) * 0x2000)
#define RING            0x40000
#define MMIO_PFN        0xfed00         /* the HPET */

#define SINT            2
#define SINT_MASKED     (1u << 16)
#define MSG_PENDING     1

enum {
    MSR_GUEST_OS_ID = 0x40000000, MSR_HYPERCALL, MSR_VP_INDEX, MSR_RESET,
    MSR_VP_RUNTIME = 0x40000010,
    MSR_TIME_REF_COUNT = 0x40000020, MSR_REFERENCE_TSC,
    MSR_VP_ASSIST_PAGE = 0x40000073,
    MSR_SCONTROL = 0x40000080, MSR_SVERSION, MSR_SIEFP, MSR_SIMP, MSR_EOM,
    MSR_SINT0 = 0x40000090,
    MSR_STIMER0_CONFIG = 0x400000b0,
    MSR_CRASH_P0 = 0x40000100, MSR_CRASH_CTL = 0x40000105,
};

enum {
    STATUS_SUCCESS = 0,
    STATUS_INVALID_CODE = 2,
    STATUS_INVALID_INPUT = 3,
    STATUS_INVALID_ALIGNMENT = 4,
    STATUS_INVALID_PARAMETER = 5,
    STATUS_ACCESS_DENIED = 6,
    STATUS_INSUFFICIENT_MEMORY = 11,
    STATUS_INVALID_PORT_ID = 17,
    STATUS_INVALID_CONNECTION_ID = 18,
    STATUS_INSUFFICIENT_BUFFERS = 19,
};

#define POST_MESSAGE    0x5c
#define SIGNAL_EVENT    0x5d
#define FAST            (1u << 16)
#define EXT_QUERY       0x8001
#define EXT_HINT        0x8003
#define REPS(n)         ((uint64_t)(n) << 32)

enum {
    OP_RDMSR = 1, OP_WRMSR, OP_CPUID, OP_VMCALL, OP_STORE, OP_FILL, OP_CHECK,
    OP_PUMP, OP_COUNT, OP_TICK, OP_LOAD_X87, OP_NMIS,
    OP_CALLS,
};

typedef struct Regs {
    uint32_t eax, ebx, ecx, edx, esi, edi;
} Regs;

/* The enlightenments that TCG implements. */
#define ALL_FLAGS "hv-vpindex,hv-synic,hv-time,hv-relaxed,hv-reset,hv-crash"

/* The guest's firmware, to be made before any guest is started. */
void rom_create(void);
void rom_delete(void);
const char *rom_file(void);
/* Runs what @add_tests adds, with that firmware, or says why none can run
 * without @accel and @device, or NULL. */
int guest_main(int argc, char **argv, const char *accel, const char *device,
               void (*add_tests)(void));

/* Wait for a 32-bit word of the guest's memory to be, or not be, @val. */
void wait_for(QTestState *qts, uint64_t addr, uint32_t val, bool equal);
QTestState *guest_init(const char *options);
/* QEMU exits with @text in its error; the second has the firmware. */
void qemu_fails(const char *options, const char *text);
void guest_fails(const char *options, const char *text);
QTestState *guest_start(const char *machine, const char *accel, int cpus,
                        const char *flags, const char *more);
QTestState *guest_simple(const char *flags, const char *more);
/* Do not wait for it; MAILBOX(cpu) is 0 when it is done. */
void execute_start(QTestState *qts, int cpu, uint32_t op, const Regs *regs);
uint32_t execute(QTestState *qts, int cpu, uint32_t op, Regs *regs);
uint32_t try_rdmsr(QTestState *qts, int cpu, uint32_t msr, uint64_t *val);
uint64_t rdmsr(QTestState *qts, int cpu, uint32_t msr);
uint32_t try_wrmsr(QTestState *qts, int cpu, uint32_t msr, uint64_t val);
void wrmsr(QTestState *qts, int cpu, uint32_t msr, uint64_t val);
Regs cpuid(QTestState *qts, uint32_t leaf);
void store(QTestState *qts, int cpu, uint32_t addr, uint32_t val);
/*
 * Have the guest write a pattern, made from page number and @seed, to @count
 * pages from @pfn on; count the pages that contain anything else. At most
 * 512 MiB.
 */
void guest_fill(QTestState *qts, uint64_t pfn, uint32_t count, uint32_t seed);
uint32_t guest_check(QTestState *qts, uint64_t pfn, uint32_t count,
                     uint32_t seed);
uint32_t try_hypercall(QTestState *qts, uint64_t input, uint64_t param,
                       uint64_t *result);
uint64_t hypercall(QTestState *qts, uint64_t input, uint64_t param);
/* With an address for the results too. */
uint64_t hypercall_out(QTestState *qts, uint64_t input, uint64_t in,
                       uint64_t out);
/* Tells that these @n pages or huge pages are free; @flags of the hypercall. */
uint64_t hint_free_pages(QTestState *qts, const uint64_t *ranges, unsigned n,
                         uint64_t flags);
/* Start processor @cpu, which begins where the first one did. */
void start_ap(QTestState *qts, int cpu);
void init_ap(QTestState *qts, int cpu);
void boot_ap(QTestState *qts, int cpu);
void enable_hypercalls(QTestState *qts);
void enable_synic(QTestState *qts, int cpu);
uint64_t slot_addr(int cpu);
/* Place a message at @addr of the guest's memory. */
void put_message(QTestState *qts, uint64_t addr, const void *payload,
                 uint32_t len);
uint64_t post(QTestState *qts, const void *payload, uint32_t len);
/* Post what is at @addr again and again until there is something at @stop. */
void post_for_ever(QTestState *qts, int cpu, uint32_t addr, uint32_t stop);
void post_ok(QTestState *qts, const void *payload, uint32_t len);
/* Wait for the host's message, which has to be of @type, and copy it. */
void peek(QTestState *qts, int cpu, uint32_t type, void *buf, size_t len);
void consume(QTestState *qts, int cpu);
void receive(QTestState *qts, int cpu, uint32_t type,
             void *buf, size_t len);
void post_contact(QTestState *qts, uint32_t version, uint32_t vp);
void connect_vmbus(QTestState *qts, int vp);
/* Post a message that consists of its header. */
void post_simple(QTestState *qts, uint32_t type);
/* The channel of the first device offered. */
uint32_t first_offer(QTestState *qts);
/* Post a GPADL that claims @pages pages and lists @given, from @pfn on. */
void post_gpadl(QTestState *qts, uint32_t id, uint32_t pages,
                uint32_t given, uint64_t pfn);
void post_gpadl_body(QTestState *qts, uint32_t id, uint64_t pfn);
void create_gpadl(QTestState *qts, uint32_t id, uint32_t pages,
                  uint64_t pfn);
uint32_t open_channel(QTestState *qts, uint32_t relid, uint32_t gpadl,
                      uint32_t offset, uint32_t vp);
void close_channel(QTestState *qts, uint32_t relid);
QTestState *guest_on_vmbus(const char *flags, const char *more);
/* With ALL_FLAGS. */
QTestState *guest_with_vmbus(const char *more);
void system_reset(QTestState *qts);

#endif
