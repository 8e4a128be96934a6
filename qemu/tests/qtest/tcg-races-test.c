/*
 * What the threads of TCG's processors must not lose of each other's
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "hyperv-guest.h"

#define STOP            0x10000

static QTestState *start(int cpus, const char *more)
{
    QTestState *qts = guest_start("q35,hpet=on", "tcg,thread=multi", cpus, "",
                                  more);

    qtest_writel(qts, STOP, 0);
    return qts;
}

/* What it was started with is done, once STOP is set. */
static void stop(QTestState *qts, int cpu)
{
    qtest_writel(qts, STOP, 1);
    wait_for(qts, MAILBOX(cpu), 0, true);
}

/* ---- The memory map ---- */

#define COUNTER         0xfed000f0      /* the HPET's, which stands still */
#define CONFIG_ADDRESS  0xcf8
#define CONFIG_DATA     0xcfc
#define DEVICE          (0x80000000 | 0x10 << 11)
#define BAR             0xe0000000      /* so the HPET's section comes later */
#define CHANGES         6000            /* and more, until it was written */
#define LEAST           1000            /* times meanwhile */
#define TURNS           20000           /* about as long as a change takes */

static void write_config(QTestState *qts, uint32_t where, uint32_t val)
{
    qtest_outl(qts, CONFIG_ADDRESS, DEVICE | where);
    qtest_outl(qts, CONFIG_DATA, val);
}

/*
 * A processor goes on with what it knows of the memory map until it gets to
 * flushing its TLB. What it writes to a device meanwhile has to arrive there.
 */
static void test_memory_map(void)
{
    Regs r = { .ebx = COUNTER, .ecx = TURNS, .edx = STOP };
    QTestState *qts = start(1, "-device edu,addr=10");
    uint32_t before;
    int i;

    write_config(qts, PCI_BASE_ADDRESS_0, BAR);
    execute_start(qts, 0, OP_TICK, &r);
    wait_for(qts, COUNTER, 0, false);
    before = qtest_readl(qts, COUNTER);
    for (i = 0; i < CHANGES ||
                qtest_readl(qts, COUNTER) - before < LEAST; i++) {
        write_config(qts, PCI_COMMAND, i % 2 ? 0 : PCI_COMMAND_MEMORY);
    }
    stop(qts, 0);
    g_assert_cmpuint(qtest_readl(qts, MAILBOX(0) + 4), ==,
                     qtest_readl(qts, COUNTER));
    qtest_quit(qts);
}

/* ---- hflags2 ---- */

#define NMIS            5000            /* at a time */
#define TIMES           40

/*
 * IRET allows the next NMI, by a bit of hflags2. The second processor must not
 * set it again, by clearing another bit there: IGNNE# is the first one's.
 */
static void test_ignne(void)
{
    Regs load = { .edx = STOP };
    QTestState *qts = start(2, "");
    int i;

    start_ap(qts, 1);
    execute_start(qts, 1, OP_LOAD_X87, &load);
    for (i = 0; i < TIMES; i++) {
        Regs nmis = { .ecx = NMIS };

        g_assert_cmphex(execute(qts, 0, OP_NMIS, &nmis), ==, NO_FAULT);
        g_assert_cmpuint(nmis.ecx, ==, 0);
    }
    stop(qts, 1);
    qtest_quit(qts);
}

static void add_tests(void)
{
    if (qtest_has_device("edu")) {
        qtest_add_func("/tcg-races/memory-map", test_memory_map);
    }
    qtest_add_func("/tcg-races/ignne", test_ignne);
}

int main(int argc, char **argv)
{
    return guest_main(argc, argv, "tcg", NULL, add_tests);
}
