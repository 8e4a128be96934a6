/*
 * Which parts of a stick someone else may map: in whole granules
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C + GLib. Whoever maps the guest's memory for a device (VFIO) has to
 * know which of it the guest may use, and is told in granules much larger than
 * a page. A granule is populated from before the guest is given the first page
 * of it until after it has released the last. Offsets and sizes are in bytes
 * within the stick.
 */

#ifndef QEMU_GRANULES_H
#define QEMU_GRANULES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Granules Granules;

/* One run of granules; not 0 is an error and ends what is going on. */
typedef int GranulesFunc(uint64_t offset, uint64_t size, void *opaque);

/* @size is a multiple of @granule. Nothing is populated. */
Granules *granules_new(uint64_t size, uint64_t granule);
void granules_free(Granules *granules);
uint64_t granules_size(const Granules *granules);

/*
 * Populates each granule that [@offset, @offset + @size) touches, calling
 * @populate for every run that was not. If that fails, @discard is called for
 * the runs before, and nothing has changed: the error is returned.
 */
int granules_populate(Granules *granules, uint64_t offset, uint64_t size,
                      GranulesFunc *populate, GranulesFunc *discard,
                      void *opaque);

/* Ditto; what fails is populated all the same. */
void granules_populate_anyway(Granules *granules, uint64_t offset,
                              uint64_t size, GranulesFunc *populate,
                              void *opaque);

/* Discards the granules that lie in the range as a whole; may not fail. */
void granules_discard(Granules *granules, uint64_t offset, uint64_t size,
                      GranulesFunc *discard, void *opaque);

/* Is every byte of the range in a populated granule? */
bool granules_populated(const Granules *granules, uint64_t offset,
                        uint64_t size);

/* Calls @func for the runs, cut to the range, that are @populated or not. */
int granules_replay(const Granules *granules, bool populated,
                    uint64_t offset, uint64_t size, GranulesFunc *func,
                    void *opaque);

#endif
