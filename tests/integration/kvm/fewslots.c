/*
 * A KVM with few memory slots, for a QEMU that this library is preloaded into
 *
 * KVM has 32764 of them, too many to use up. Here it says that it has as many as the environment variable HVB_SLOTS names, refuses the others as
 * KVM itself does, and writes how many are in use into the file HVB_SLOTS_IN_USE. So what QEMU believes is compared with what KVM was told.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SLOTS 1024

/* Of 6.7; the old one is its beginning. */
#define SET_REGION2 _IOW(KVMIO, 0x49, char[160])

static unsigned slots(void)
{
    const char *text = getenv("HVB_SLOTS");

    return text ? atoi(text) : SLOTS;
}

static void note(const struct kvm_userspace_memory_region *region)
{
    static bool used[SLOTS];
    const char *path = getenv("HVB_SLOTS_IN_USE");
    unsigned count = 0, i;
    char text[16];
    int fd;

    used[region->slot] = region->memory_size > 0;
    for (i = 0; i < SLOTS; i++) {
        count += used[i];
    }
    fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
    if (fd >= 0) {
        int length = snprintf(text, sizeof(text), "%u\n", count);

        if (write(fd, text, length) != length) {
            perror(path);
        }
        close(fd);
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, ...);
    va_list ap;
    void *arg;
    int ret;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (!real) {
        real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    }
    if (request == KVM_CHECK_EXTENSION && (long)arg == KVM_CAP_NR_MEMSLOTS) {
        return slots();
    }
    if (request != KVM_SET_USER_MEMORY_REGION && request != SET_REGION2) {
        return real(fd, request, arg);
    }
    /* The upper half of the number is the address space, which SMM has one of. */
    if (((struct kvm_userspace_memory_region *)arg)->slot >> 16) {
        return real(fd, request, arg);
    }
    if (((struct kvm_userspace_memory_region *)arg)->slot >= slots()) {
        errno = EINVAL;
        return -1;
    }
    ret = real(fd, request, arg);
    if (!ret) {
        note(arg);
    }
    return ret;
}
