/*
 * hvmem-picture.h: draws records as a picture
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-record.h"

/* Writes a picture of @records, an array of hvmemRecord, one below the other: PNG if the name @path ends so, else SVG. */
bool
hvmemPictureWrite(const GPtrArray *records,
                  const char *path,
                  const char *title,
                  GError **error);
