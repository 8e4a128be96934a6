/*
 * hvmem-preload.h: for libraries that are preloaded into virsh-hvmem, and stand before libvirt
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <dlfcn.h>
#include <stdlib.h>


/* Libvirt's own function of that name. */
static void *
real(const char *symbol)
{
    void *function = dlsym(RTLD_NEXT, symbol);

    if (!function)
        abort();
    return function;
}
