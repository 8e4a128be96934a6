/*
 * What a guest has released goes back to the host, unless something relies on
 * it: every kind of memory, huge pages, SMRAM
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hv-balloon-scene.h"

/* The guest connects, and takes all of a stick of one chunk. */
static DmPages connect_and_take(DmGuest *guest, QTestState *qts)
{
    DmPages pages;

    dm_connect(guest, qts);
    dm_open(guest, DM_CAPS);
    pages = take_memory(guest);
    wait_number(qts, "actual", BOOT + CHUNK);
    return pages;
}

/* ---- Boot memory ---- */

static void do_discard(const char *more, bool inhibited)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, more);
    DmPages pages = { SAFE / DM_PAGE, 32 * MiB / DM_PAGE };
    uint64_t addr = SAFE + 5 * MiB + DM_PAGE;

    qtest_writel(qts, addr, 0x12345678);
    set_target(qts, BOOT - 32 * MiB);
    dm_release(&guest, pages);
    wait_number(qts, "actual", BOOT - 32 * MiB);
    g_assert_cmphex(balloon_number(qts, "released"), ==, 32 * MiB);
    /* it is discarded after the size has changed */
    wait_counter(qts, inhibited ? "discard-inhibited" : "discarded", 32 * MiB);
    g_assert_cmphex(qtest_readl(qts, addr), ==, inhibited ? 0x12345678 : 0);
    g_assert_cmphex(balloon_counter(qts, "discarded"), ==,
                    inhibited ? 0 : 32 * MiB);
    g_assert_cmphex(balloon_counter(qts, "discard-inhibited"), ==,
                    inhibited ? 32 * MiB : 0);
    g_assert_cmphex(balloon_counter(qts, "discard-failed"), ==, 0);
    qtest_quit(qts);
}

static void test_discard(void)
{
    do_discard("", false);
}

static void test_discard_shared(void)
{
    do_discard("-machine memory-backend=m "
               "-object memory-backend-memfd,id=m,size=256M,share=on ", false);
}

static void test_discard_locked(void)
{
    do_discard("-overcommit mem-lock=on ", true);
}

/* ---- Files ---- */

/* A guest with a stick of file @path, or of what a descriptor is open for. */
static QTestState *guest_of_file(const char *path, const char *more)
{
    g_autofree char *options = g_strdup_printf(
        MEMORY "-object memory-backend-file,id=m,size=128M,mem-path=%s,%s ",
        path, more);

    return guest_with_vmbus(options);
}

/*
 * Other guests may have begun with the same file: only the guest's own copies
 * of its pages go.
 */
static void do_private_file(const char *more)
{
    g_autofree char *file = NULL, *now = NULL;
    g_autofree char *text = g_malloc(CHUNK);
    DmGuest guest;
    QTestState *qts;
    DmPages pages;
    gsize len;
    int fd;

    fd = g_file_open_tmp("hv-balloon-XXXXXX", &file, NULL);
    memset(text, 'x', CHUNK);
    g_assert_cmpint(qemu_write_full(fd, text, CHUNK), ==, CHUNK);
    close(fd);
    qts = guest_of_file(file, more);
    pages = connect_and_take(&guest, qts);
    qtest_writel(qts, pages.first * DM_PAGE, 0x12345678);
    set_target(qts, BOOT);
    dm_release(&guest, pages);
    wait_number(qts, "released", CHUNK);
    wait_counter(qts, "discarded", CHUNK);
    g_assert_cmphex(balloon_counter(qts, "discarded"), ==, CHUNK);
    g_assert_cmphex(balloon_counter(qts, "discard-failed"), ==, 0);
    g_assert_cmphex(qtest_readl(qts, pages.first * DM_PAGE), ==, 0x78787878);
    qtest_quit(qts);
    g_assert_true(g_file_get_contents(file, &now, &len, NULL));
    g_assert_cmpmem(now, len, text, CHUNK);
    unlink(file);
}

static void test_discard_private_file(void)
{
    do_private_file("share=off -device mem-haprot,id=a,memdev=m");
}

static void test_discard_read_only_file(void)
{
    do_private_file("share=off,readonly=on,rom=off"
                    " -device mem-haprot,id=a,memdev=m");
}

/*
 * What the guest reports as free it may have cleared, and then relies on that:
 * what is in the file must not come back.
 */
static void test_report_private_file(void)
{
    g_autofree char *file = NULL, *options = NULL;
    g_autofree char *text = g_malloc(CHUNK);
    uint64_t addr;
    QTestState *qts;
    int fd;

    fd = g_file_open_tmp("hv-balloon-XXXXXX", &file, NULL);
    memset(text, 'x', CHUNK);
    g_assert_cmpint(qemu_write_full(fd, text, CHUNK), ==, CHUNK);
    close(fd);
    options = g_strdup_printf(MEMORY "-object memory-backend-file,id=m,"
                              "size=128M,share=off,mem-path=%s"
                              " -device mem-haprot,id=a,memdev=m ", file);
    qts = guest_on_vmbus(ALL_FLAGS ",hv-free-page-reporting", options);
    addr = stick_addr(qts, "a");
    qtest_writel(qts, addr, 0);
    g_assert_cmphex(hint_free_pages(qts, &addr, 1, 0), ==, REPS(1));
    g_assert_cmphex(balloon_counter(qts, "reported"), ==, DM_PAGE);
    g_assert_cmphex(balloon_counter(qts, "discard-inhibited"), ==, DM_PAGE);
    g_assert_cmphex(qtest_readl(qts, addr), ==, 0);
    qtest_quit(qts);
    unlink(file);
}

/*
 * After a failure there is a pause, so that the log is not flooded. From a file
 * that is sealed nothing can be removed.
 */
static void test_discard_failed(void)
{
    g_autofree char *log = NULL, *file = NULL, *more = NULL, *text = NULL;
    g_auto(GStrv) lines = NULL;
    unsigned i, complaints = 0;
    DmGuest guest;
    QTestState *qts;
    DmPages pages;
    int fd, sealed = memfd_create("sealed", MFD_ALLOW_SEALING);

    g_assert_cmpint(ftruncate(sealed, CHUNK), ==, 0);
    file = g_strdup_printf("/proc/%d/fd/%d", getpid(), sealed);
    fd = g_file_open_tmp("hv-balloon-log-XXXXXX", &log, NULL);
    close(fd);
    more = g_strdup_printf("share=on -device mem-haprot,id=a,memdev=m 2>%s",
                           log);

    qts = guest_of_file(file, more);
    g_assert_cmpint(fcntl(sealed, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), ==, 0);
    pages = connect_and_take(&guest, qts);
    set_target(qts, BOOT);
    for (i = 0; i < 8; i++) {
        DmPages part = { pages.first + i * pages.count / 8, pages.count / 8 };

        dm_balloon_request(&guest);
        dm_balloon_response(&guest, &part, 1, false);
        wait_number(qts, "released", (i + 1) * CHUNK / 8);
        if (i < 7) {
            /* a guest that released less gets no further request at once */
            set_target(qts, BOOT - i * 2 * MiB);
        }
    }
    wait_counter(qts, "discard-failed", CHUNK);
    g_assert_cmphex(balloon_counter(qts, "discard-failed"), ==, CHUNK);
    g_assert_cmphex(balloon_counter(qts, "discarded"), ==, 0);
    qtest_quit(qts);

    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (i = 0; lines[i]; i++) {
        complaints += !!strstr(lines[i], "ram_block_discard_range");
    }
    g_assert_cmpuint(complaints, >=, 1);
    g_assert_cmpuint(complaints, <=, 2);
    close(sealed);
    unlink(log);
}

/* ---- SMRAM and huge pages ---- */

/* Turn closed SMRAM in the last MiB of low memory (TSEG of q35) on or off. */
static void set_tseg(QTestState *qts, bool on)
{
    qtest_outl(qts, 0xcf8, 0x8000009c);
    qtest_outb(qts, 0xcfd, 0x0a);               /* SMRAM: enabled, closed */
    qtest_outb(qts, 0xcfe, on ? 1 : 0);         /* ESMRAMC: TSEG of 1 MiB */
}

/* What closed SMRAM hides must not be discarded. */
static void do_smram(const char *more, uint64_t discarded)
{
    DmGuest guest;
    QTestState *qts = start_guest(&guest, more);
    uint64_t memory = BOOT - 2 * MiB, smram = BOOT - 1 * MiB;
    DmPages pages = { memory / DM_PAGE, 2 * MiB / DM_PAGE };

    qtest_writel(qts, memory, 0x12345678);
    qtest_writel(qts, smram, 0x9abcdef0);
    set_tseg(qts, true);
    g_assert_cmphex(qtest_readl(qts, smram), !=, 0x9abcdef0);
    set_target(qts, BOOT - 2 * MiB);
    dm_release(&guest, pages);
    wait_number(qts, "actual", BOOT - 2 * MiB);
    wait_counter(qts, "discarded", discarded);
    g_assert_cmphex(balloon_counter(qts, "discarded"), ==, discarded);
    set_tseg(qts, false);
    g_assert_cmphex(qtest_readl(qts, smram), ==, 0x9abcdef0);
    g_assert_cmphex(qtest_readl(qts, memory), ==,
                    discarded ? 0 : 0x12345678);
    qtest_quit(qts);
}

static void test_discard_smram(void)
{
    do_smram("", 1 * MiB);
}

#define HUGE_MEMORY "-machine memory-backend=m -object memory-backend-memfd," \
                    "id=m,size=256M,hugetlb=on,hugetlbsize=2M "

static void test_discard_smram_huge(void)
{
    if (free_huge_bytes() >= BOOT) {
        do_smram(HUGE_MEMORY, 0);
    } else {
        g_test_skip("not enough free huge pages of 2 MiB on this host");
    }
}

/* A huge page is discarded when the last of its pages is released. */
static void test_discard_huge(void)
{
    DmGuest guest;
    DmPages part = { SAFE / DM_PAGE, 300 };
    QTestState *qts;

    if (free_huge_bytes() < BOOT) {
        g_test_skip("not enough free huge pages of 2 MiB on this host");
        return;
    }
    qts = start_guest(&guest, HUGE_MEMORY);
    qtest_writel(qts, SAFE, 0x12345678);
    set_target(qts, BOOT - 2 * MiB);
    g_assert_cmpuint(dm_balloon_request(&guest), ==, 512);
    dm_balloon_response(&guest, &part, 1, true);
    wait_number(qts, "released", 300 * DM_PAGE);
    g_assert_cmphex(balloon_counter(qts, "discarded"), ==, 0);
    g_assert_cmphex(qtest_readl(qts, SAFE), ==, 0x12345678);
    part = (DmPages) { part.first + 300, 212 };
    dm_balloon_response(&guest, &part, 1, false);
    wait_number(qts, "actual", BOOT - 2 * MiB);
    wait_counter(qts, "discarded", 2 * MiB);
    g_assert_cmphex(balloon_counter(qts, "discarded"), ==, 2 * MiB);
    g_assert_cmphex(qtest_readl(qts, SAFE), ==, 0);
    qtest_quit(qts);
}

/*
 * Others have taken the pages that the guest released. It gets them back when
 * there are some, and does not die of touching what there is not.
 */
static void test_no_huge_page_is_free(void)
{
    DmGuest guest;
    DmPages part = { SAFE / DM_PAGE, 16 * MiB / DM_PAGE };
    DmPages back;
    uint64_t size;
    QTestState *qts;
    void *taken;

    if (free_huge_bytes() < BOOT) {
        g_test_skip("not enough free huge pages of 2 MiB on this host");
        return;
    }
    qts = start_guest(&guest, HUGE_MEMORY);
    qtest_memset(qts, SAFE, 1, part.count * DM_PAGE);
    set_target(qts, BOOT - 16 * MiB);
    dm_release(&guest, part);
    wait_number(qts, "actual", BOOT - 16 * MiB);
    size = free_huge_bytes();
    taken = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
                 MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
    g_assert_true(taken != MAP_FAILED);
    set_target(qts, BOOT);
    wait_state(qts, "refused");
    g_assert_cmphex(balloon_number(qts, "actual"), ==, BOOT - 16 * MiB);
    munmap(taken, size);
    g_assert_cmpuint(dm_unballoon_request(&guest, &back, 1), ==, 1);
    dm_unballoon_response(&guest);
    wait_number(qts, "actual", BOOT);
    qtest_memset(qts, SAFE, 2, part.count * DM_PAGE);
    qtest_quit(qts);
}

/*
 * Another kernel may use what counts as released of a stick: if it reports the
 * rest of a huge page, that is not discarded.
 */
static void test_reports_of_new_kernel(void)
{
    DmGuest guest;
    DmPages pages, part;
    uint64_t addr, last;
    QTestState *qts;

    if (free_huge_bytes() < CHUNK) {
        g_test_skip("not enough free huge pages of 2 MiB on this host");
        return;
    }
    qts = guest_on_vmbus(ALL_FLAGS ",hv-free-page-reporting", MEMORY "-object "
                         "memory-backend-memfd,id=m,size=128M,hugetlb=on,"
                         "hugetlbsize=2M -device mem-haprot,id=a,memdev=m ");
    pages = connect_and_take(&guest, qts);
    set_target(qts, BOOT + CHUNK - 2 * MiB);
    g_assert_cmpuint(dm_balloon_request(&guest), ==, 512);
    part = (DmPages) { pages.first, 511 };
    dm_balloon_response(&guest, &part, 1, false);
    wait_number(qts, "released", part.count * DM_PAGE);

    kexec(&guest);
    addr = pages.first * DM_PAGE;
    last = addr + 511 * DM_PAGE;
    qtest_writel(qts, addr, 0x12345678);
    g_assert_cmphex(hint_free_pages(qts, &last, 1, 0), ==, REPS(1));
    g_assert_cmphex(balloon_counter(qts, "reported"), ==, DM_PAGE);
    g_assert_cmphex(balloon_counter(qts, "discarded"), ==, 0);
    g_assert_cmphex(qtest_readl(qts, addr), ==, 0x12345678);
    qtest_quit(qts);
}

static void add_tests(void)
{
    qtest_add_func("/hv-balloon/discard/anonymous", test_discard);
    qtest_add_func("/hv-balloon/discard/shared", test_discard_shared);
    qtest_add_func("/hv-balloon/discard/locked", test_discard_locked);
    qtest_add_func("/hv-balloon/discard/private-file",
                   test_discard_private_file);
    qtest_add_func("/hv-balloon/discard/read-only-file",
                   test_discard_read_only_file);
    qtest_add_func("/hv-balloon/discard/report-private-file",
                   test_report_private_file);
    qtest_add_func("/hv-balloon/discard/failed", test_discard_failed);
    qtest_add_func("/hv-balloon/discard/no-huge-page",
                   test_no_huge_page_is_free);
    qtest_add_func("/hv-balloon/discard/reports-of-new-kernel",
                   test_reports_of_new_kernel);
    qtest_add_func("/hv-balloon/discard/smram", test_discard_smram);
    qtest_add_func("/hv-balloon/discard/smram-huge", test_discard_smram_huge);
    qtest_add_func("/hv-balloon/discard/huge", test_discard_huge);
}

int main(int argc, char **argv)
{
    return guest_main(argc, argv, test_accel(), "hv-balloon", add_tests);
}
