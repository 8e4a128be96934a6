/*
 * What a fuzz target provides
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's name for it. Aborts on a fault, returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
