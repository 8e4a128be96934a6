/*
 * A guest that a test drives: single instructions, Hyper-V, VMBus
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hyperv-guest.h"
#include "hyperv-tcg-guest.h"
#include "test-accel.h"

#include <cpuid.h>

#define ROM_SIZE        0x10000
#define ROM_RESET       0xfff0

static char *rom_path;

/* ---- The guest ---- */

/*
 * The guest's VMCALL is what TCG's hypercall page has. KVM on AMD's processors
 * takes VMMCALL, and would replace the other one, but not in ROM.
 */
static void use_vmmcall(uint8_t *rom, size_t size)
{
    static const uint8_t vmcall[] = { 0x0f, 0x01, 0xc1 };
    uint8_t *end = rom + size, *at = rom;

    while ((at = memmem(at, end - at, vmcall, sizeof(vmcall)))) {
        at[2] = 0xd9;
    }
}

static bool kvm_on_amd(void)
{
    unsigned max, ebx, ecx, edx;

    return test_accel_is_kvm() &&
           __get_cpuid(0, &max, &ebx, &ecx, &edx) &&
           ebx != signature_INTEL_ebx;
}

void rom_create(void)
{
    static const uint8_t jump[] = { 0xea, 0x00, 0x00, 0x00, 0xf0 };
    g_autofree uint8_t *rom = g_malloc0(ROM_SIZE);
    g_autoptr(GError) err = NULL;
    int fd = g_file_open_tmp("hyperv-tcg-XXXXXX", &rom_path, &err);

    g_assert_no_error(err);
    memcpy(rom, hyperv_tcg_guest, sizeof(hyperv_tcg_guest));
    if (kvm_on_amd()) {
        use_vmmcall(rom, sizeof(hyperv_tcg_guest));
    }
    memcpy(rom + ROM_RESET, jump, sizeof(jump));
    g_assert_cmpint(write(fd, rom, ROM_SIZE), ==, ROM_SIZE);
    close(fd);
}

void rom_delete(void)
{
    unlink(rom_path);
    g_free(rom_path);
}

const char *rom_file(void)
{
    return rom_path;
}

int guest_main(int argc, char **argv, const char *accel, const char *device,
               void (*add_tests)(void))
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    if (!qtest_has_accel(accel) || (device && !qtest_has_device(device))) {
        g_autofree char *why =
            g_strdup_printf("%s%s%s needed", accel, device ? " and " : "",
                            device ?: "");

        g_test_skip(why);
        return 0;
    }
    rom_create();
    add_tests();
    ret = g_test_run();
    rom_delete();
    return ret;
}

void qemu_fails(const char *options, const char *text)
{
    g_autofree char *command =
        g_strdup_printf("%s -display none %s", getenv("QTEST_QEMU_BINARY"),
                        options);
    g_autofree char *err = NULL;
    int status;

    g_assert_true(g_spawn_command_line_sync(command, NULL, &err, &status,
                                            NULL));
    g_assert_cmpint(status, !=, 0);
    if (!strstr(err, text)) {
        g_error("no '%s' in: %s", text, err);
    }
}

void wait_for(QTestState *qts, uint64_t addr, uint32_t val, bool equal)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    while ((qtest_readl(qts, addr) == val) != equal) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(100);
    }
}

QTestState *guest_init(const char *options)
{
    return qtest_initf("-nodefaults -m 64 -bios %s %s", rom_path, options);
}

void guest_fails(const char *options, const char *text)
{
    g_autofree char *all =
        g_strdup_printf("-nodefaults -S -machine q35 -bios %s -accel tcg %s",
                        rom_path, options);

    qemu_fails(all, text);
}

QTestState *guest_start(const char *machine, const char *accel, int cpus,
                        const char *flags, const char *more)
{
    g_autofree char *options =
        g_strdup_printf("-machine %s -accel %s -smp %d -cpu max%s%s %s",
                        machine, accel, cpus, *flags ? "," : "", flags, more);
    QTestState *qts = guest_init(options);

    wait_for(qts, MAILBOX(0) + MB_FAULT, READY, true);
    return qts;
}

QTestState *guest_simple(const char *flags, const char *more)
{
    return guest_start("q35", test_accel(), 1, flags, more);
}

void execute_start(QTestState *qts, int cpu, uint32_t op, const Regs *regs)
{
    uint64_t mb = MAILBOX(cpu);
    uint32_t words[6];

    memcpy(words, regs, sizeof(words));
    qtest_memwrite(qts, mb + 4, words, sizeof(words));
    qtest_writel(qts, mb, op);
}

uint32_t execute(QTestState *qts, int cpu, uint32_t op, Regs *regs)
{
    uint64_t mb = MAILBOX(cpu);
    uint32_t words[6];

    execute_start(qts, cpu, op, regs);
    wait_for(qts, mb, 0, true);
    qtest_memread(qts, mb + 4, words, sizeof(words));
    memcpy(regs, words, sizeof(words));
    return qtest_readl(qts, mb + MB_FAULT);
}

uint32_t try_rdmsr(QTestState *qts, int cpu, uint32_t msr, uint64_t *val)
{
    Regs r = { .ecx = msr };
    uint32_t fault = execute(qts, cpu, OP_RDMSR, &r);

    *val = (uint64_t)r.edx << 32 | r.eax;
    return fault;
}

uint64_t rdmsr(QTestState *qts, int cpu, uint32_t msr)
{
    uint64_t val;

    g_assert_cmphex(try_rdmsr(qts, cpu, msr, &val), ==, NO_FAULT);
    return val;
}

uint32_t try_wrmsr(QTestState *qts, int cpu, uint32_t msr, uint64_t val)
{
    Regs r = { .ecx = msr, .eax = val, .edx = val >> 32 };

    return execute(qts, cpu, OP_WRMSR, &r);
}

void wrmsr(QTestState *qts, int cpu, uint32_t msr, uint64_t val)
{
    g_assert_cmphex(try_wrmsr(qts, cpu, msr, val), ==, NO_FAULT);
}

Regs cpuid(QTestState *qts, uint32_t leaf)
{
    Regs r = { .eax = leaf };

    g_assert_cmphex(execute(qts, 0, OP_CPUID, &r), ==, NO_FAULT);
    return r;
}

void store(QTestState *qts, int cpu, uint32_t addr, uint32_t val)
{
    Regs r = { .ebx = addr, .eax = val };

    g_assert_cmphex(execute(qts, cpu, OP_STORE, &r), ==, NO_FAULT);
}

static Regs memory_regs(uint64_t pfn, uint32_t count, uint32_t seed)
{
    return (Regs) {
        .ebx = pfn << 12, .edx = pfn >> 20, .ecx = count, .esi = seed
    };
}

void guest_fill(QTestState *qts, uint64_t pfn, uint32_t count, uint32_t seed)
{
    Regs r = memory_regs(pfn, count, seed);

    g_assert_cmphex(execute(qts, 0, OP_FILL, &r), ==, NO_FAULT);
}

uint32_t guest_check(QTestState *qts, uint64_t pfn, uint32_t count,
                     uint32_t seed)
{
    Regs r = memory_regs(pfn, count, seed);

    g_assert_cmphex(execute(qts, 0, OP_CHECK, &r), ==, NO_FAULT);
    return r.eax;
}

static uint32_t try_hypercall_out(QTestState *qts, uint64_t input, uint64_t in,
                                  uint64_t out, uint64_t *result)
{
    Regs r = {
        .edx = input >> 32, .eax = input,
        .ebx = in >> 32, .ecx = in,
        .edi = out >> 32, .esi = out,
    };
    uint32_t fault = execute(qts, 0, OP_VMCALL, &r);

    *result = (uint64_t)r.edx << 32 | r.eax;
    return fault;
}

uint32_t try_hypercall(QTestState *qts, uint64_t input, uint64_t param,
                       uint64_t *result)
{
    return try_hypercall_out(qts, input, param, 0, result);
}

uint64_t hypercall_out(QTestState *qts, uint64_t input, uint64_t in,
                       uint64_t out)
{
    uint64_t result;

    g_assert_cmphex(try_hypercall_out(qts, input, in, out, &result), ==,
                    NO_FAULT);
    return result;
}

uint64_t hypercall(QTestState *qts, uint64_t input, uint64_t param)
{
    return hypercall_out(qts, input, param, 0);
}

uint64_t hint_free_pages(QTestState *qts, const uint64_t *ranges, unsigned n,
                         uint64_t flags)
{
    unsigned i;

    qtest_writeq(qts, INPUT, 2);
    for (i = 0; i < n; i++) {
        qtest_writeq(qts, INPUT + 8 + i * 8, ranges[i]);
    }
    return hypercall(qts, EXT_HINT | REPS(n) | flags, INPUT);
}

/* Start processor @cpu, which begins where the first one did. */
void start_ap(QTestState *qts, int cpu)
{
    qtest_writel(qts, MAILBOX(cpu) + MB_FAULT, 0);
    store(qts, 0, 0xfee00310, cpu << 24);
    store(qts, 0, 0xfee00300, 0x46f0);          /* SIPI at 0xf0000 */
    wait_for(qts, MAILBOX(cpu) + MB_FAULT, READY, true);
}

void init_ap(QTestState *qts, int cpu)
{
    store(qts, 0, 0xfee00310, cpu << 24);
    store(qts, 0, 0xfee00300, 0x4500);          /* INIT */
}

/* KVM wants an INIT before a SIPI. */
void boot_ap(QTestState *qts, int cpu)
{
    init_ap(qts, cpu);
    start_ap(qts, cpu);
}

/* ---- A guest's Hyper-V driver ---- */

void enable_hypercalls(QTestState *qts)
{
    wrmsr(qts, 0, MSR_GUEST_OS_ID, 0x8100000000000001);
    wrmsr(qts, 0, MSR_HYPERCALL, HCALL_PAGE | 1);
}

void enable_synic(QTestState *qts, int cpu)
{
    wrmsr(qts, cpu, MSR_SIMP, SIMP(cpu) | 1);
    wrmsr(qts, cpu, MSR_SIEFP, SIEFP(cpu) | 1);
    wrmsr(qts, cpu, MSR_SINT0 + SINT, IRQ_VECTOR);
    wrmsr(qts, cpu, MSR_SCONTROL, 1);
}

uint64_t slot_addr(int cpu)
{
    return SIMP(cpu) + SINT * 256;
}

void put_message(QTestState *qts, uint64_t addr, const void *payload,
                 uint32_t len)
{
    uint32_t head[4] = { VMBUS_MESSAGE_CONNECTION_ID, 0, 1, len };

    qtest_memwrite(qts, addr, head, sizeof(head));
    if (len <= 240) {
        qtest_memwrite(qts, addr + sizeof(head), payload, len);
    }
}

uint64_t post(QTestState *qts, const void *payload, uint32_t len)
{
    put_message(qts, INPUT, payload, len);
    return hypercall(qts, POST_MESSAGE, INPUT);
}

void post_for_ever(QTestState *qts, int cpu, uint32_t addr, uint32_t stop)
{
    Regs r = { .eax = POST_MESSAGE, .ecx = addr, .esi = stop };

    qtest_writel(qts, stop, 0);
    execute_start(qts, cpu, OP_CALLS, &r);
}

void post_ok(QTestState *qts, const void *payload, uint32_t len)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;
    uint64_t status;

    /* The host has room for 16 messages. */
    while ((status = post(qts, payload, len)) == STATUS_INSUFFICIENT_BUFFERS) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_cmphex(status, ==, STATUS_SUCCESS);
}

/* Wait for the host's message, which has to be of @type, and copy it. */
void peek(QTestState *qts, int cpu, uint32_t type, void *buf, size_t len)
{
    uint64_t slot = slot_addr(cpu);

    wait_for(qts, slot, 0, false);
    g_assert_cmpuint(qtest_readl(qts, slot), ==, 1);
    g_assert_cmpuint(qtest_readl(qts, slot + 16), ==, type);
    if (len) {
        qtest_memread(qts, slot + 16, buf, len);
    }
}

void consume(QTestState *qts, int cpu)
{
    uint64_t slot = slot_addr(cpu);

    qtest_writel(qts, slot, 0);
    if (qtest_readb(qts, slot + 5) & MSG_PENDING) {
        wrmsr(qts, cpu, MSR_EOM, 0);
    }
}

void receive(QTestState *qts, int cpu, uint32_t type,
             void *buf, size_t len)
{
    peek(qts, cpu, type, buf, len);
    consume(qts, cpu);
}

void post_contact(QTestState *qts, uint32_t version, uint32_t vp)
{
    vmbus_message_initiate_contact msg = {
        .header.message_type = VMBUS_MSG_INITIATE_CONTACT,
        .version_requested = version,
        .target_vcpu = vp,
    };

    post_ok(qts, &msg, sizeof(msg));
}

void connect_vmbus(QTestState *qts, int vp)
{
    vmbus_message_version_response answer;

    post_contact(qts, VMBUS_VERSION_WIN10, vp);
    receive(qts, vp, VMBUS_MSG_VERSION_RESPONSE, &answer, sizeof(answer));
    g_assert_cmpuint(answer.version_supported, ==, 1);
}

/* Post a message that is its header alone. */
void post_simple(QTestState *qts, uint32_t type)
{
    vmbus_message_header msg = { .message_type = type };

    post_ok(qts, &msg, sizeof(msg));
}

/* The channel of the first device offered. */
uint32_t first_offer(QTestState *qts)
{
    vmbus_message_offer_channel offer;

    post_simple(qts, VMBUS_MSG_REQUESTOFFERS);
    receive(qts, 0, VMBUS_MSG_OFFERCHANNEL, &offer, sizeof(offer));
    receive(qts, 0, VMBUS_MSG_ALLOFFERS_DELIVERED, NULL, 0);
    return offer.child_relid;
}

/* A GPADL of @pages as the header claims, of which @given are from @pfn on. */
void post_gpadl(QTestState *qts, uint32_t id, uint32_t pages,
                uint32_t given, uint64_t pfn)
{
    struct QEMU_PACKED {
        vmbus_message_gpadl_header head;
        uint32_t byte_count, byte_offset;
        uint64_t pfns[24];
    } msg = {
        .head.header.message_type = VMBUS_MSG_GPADL_HEADER,
        .head.child_relid = 1,
        .head.gpadl_id = id,
        .head.range_buflen = 8 + pages * 8,
        .head.rangecount = 1,
        .byte_count = pages << 12,
    };
    uint32_t i;

    g_assert_cmpuint(given, <=, ARRAY_SIZE(msg.pfns));
    for (i = 0; i < given; i++) {
        msg.pfns[i] = pfn + i;
    }
    post_ok(qts, &msg, sizeof(msg.head) + 8 + given * 8);
}

void post_gpadl_body(QTestState *qts, uint32_t id, uint64_t pfn)
{
    struct {
        vmbus_message_gpadl_body head;
        uint64_t pfn;
    } msg = {
        .head.header.message_type = VMBUS_MSG_GPADL_BODY,
        .head.gpadl_id = id,
        .pfn = pfn,
    };

    post_ok(qts, &msg, sizeof(msg));
}

void create_gpadl(QTestState *qts, uint32_t id, uint32_t pages,
                  uint64_t pfn)
{
    post_gpadl(qts, id, pages, pages, pfn);
    receive(qts, 0, VMBUS_MSG_GPADL_CREATED, NULL, 0);
}

uint32_t open_channel(QTestState *qts, uint32_t relid, uint32_t gpadl,
                      uint32_t offset, uint32_t vp)
{
    vmbus_message_open_channel msg = {
        .header.message_type = VMBUS_MSG_OPENCHANNEL,
        .child_relid = relid,
        .ring_buffer_gpadl_id = gpadl,
        .target_vp = vp,
        .ring_buffer_offset = offset,
    };
    vmbus_message_open_result result;

    post_ok(qts, &msg, sizeof(msg));
    receive(qts, 0, VMBUS_MSG_OPENCHANNEL_RESULT, &result, sizeof(result));
    return result.status;
}

void close_channel(QTestState *qts, uint32_t relid)
{
    vmbus_message_close_channel msg = {
        .header.message_type = VMBUS_MSG_CLOSECHANNEL,
        .child_relid = relid,
    };

    post_ok(qts, &msg, sizeof(msg));
}

QTestState *guest_on_vmbus(const char *flags, const char *more)
{
    g_autofree char *devices =
        g_strdup_printf("-device vmbus-bridge %s", more);
    QTestState *qts = guest_simple(flags, devices);

    enable_hypercalls(qts);
    enable_synic(qts, 0);
    return qts;
}

QTestState *guest_with_vmbus(const char *more)
{
    return guest_on_vmbus(ALL_FLAGS, more);
}

void system_reset(QTestState *qts)
{
    qtest_writel(qts, MAILBOX(0) + MB_FAULT, 0);
    qtest_system_reset(qts);
    wait_for(qts, MAILBOX(0) + MB_FAULT, READY, true);
}
