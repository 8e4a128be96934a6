/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starts another kernel without a reset, in the test guest, which has no kexec-tools:
 *
 *   hvb-kexec load KERNEL INITRD     with the command line that this kernel has
 *   hvb-kexec go                     does not return
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "hvb-kexec: %s: %s\n", what, strerror(errno));
    return 1;
}

/* The kernel wants the terminating zero, and counts it. */
static int read_cmdline(char *text, size_t size)
{
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);

    if (fd >= 0) {
        close(fd);
    }
    if (got < 0) {
        return -1;
    }
    text[got] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return 0;
}

static int load(const char *kernel, const char *initrd)
{
    char cmdline[2048];
    int kernel_fd = open(kernel, O_RDONLY | O_CLOEXEC);
    int initrd_fd = open(initrd, O_RDONLY | O_CLOEXEC);

    if (kernel_fd < 0) {
        return fail(kernel);
    }
    if (initrd_fd < 0) {
        return fail(initrd);
    }
    if (read_cmdline(cmdline, sizeof(cmdline)) < 0) {
        return fail("/proc/cmdline");
    }
    if (syscall(SYS_kexec_file_load, kernel_fd, initrd_fd,
                strlen(cmdline) + 1, cmdline, 0UL) < 0) {
        return fail("kexec_file_load");
    }
    return 0;
}

static int go(void)
{
    syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
            LINUX_REBOOT_CMD_KEXEC, NULL);
    return fail("reboot");
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "load")) {
        return load(argv[2], argv[3]);
    }
    if (argc == 2 && !strcmp(argv[1], "go")) {
        return go();
    }
    fprintf(stderr, "hvb-kexec: it is load KERNEL INITRD, or go\n");
    return 2;
}
