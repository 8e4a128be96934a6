/*
 * A stream of devices' states, with what concerns the VMBus spoilt
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VMBUS_STREAM_H
#define TESTS_VMBUS_STREAM_H

#include <glib.h>
#include <stdbool.h>

/*
 * One to a few changes in the sections of the VMBus and of hv-balloon: a field
 * of another value, bytes that are too many or missing, more GPADLs, a section
 * that is missing, comes twice or earlier, or the end of the stream.
 */
GByteArray *vmbus_stream_mutate(GBytes *stream, GRand *rnd);

/* Are these sections the same in both? Frees @b. */
bool vmbus_stream_same(GBytes *a, GBytes *b);

#endif
