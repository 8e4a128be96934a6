/*
 * What fuzz targets share: libFuzzer's entry, and choices made of bytes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifndef FUZZ_H
#define FUZZ_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

typedef struct FuzzInput {
    const uint8_t *data;
    size_t left;
} FuzzInput;

/* A number below @bound from as few bytes as hold it; 0 once they ran out.
 * Fits SimPick. */
static inline uint32_t fuzz_pick(void *opaque, uint32_t bound)
{
    FuzzInput *input = opaque;
    uint32_t value = 0, most = bound - 1;

    while (most && input->left) {
        value = value << 8 | *input->data++;
        input->left--;
        most >>= 8;
    }
    return value % bound;
}

#endif
