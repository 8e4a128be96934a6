/*
 * hvmem-check.h: a check of 'doctor'
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

typedef enum {
    HVMEM_PASS,
    HVMEM_WARN,
    HVMEM_FAIL,
    HVMEM_SKIP,                 /* could not be checked here, or now */
} hvmemVerdict;

typedef struct _hvmemCheck hvmemCheck;
struct _hvmemCheck {
    hvmemVerdict verdict;
    const char *subject;        /* a word or two */
    char *finding;
    char *remedy;               /* NULL if it passes, and where it is skipped perhaps */
};

/* An empty array of hvmemCheck. */
GPtrArray *
hvmemChecksNew(void);

/* Adds to @checks. @remedy: NULL if it passes. */
void
hvmemChecksAdd(GPtrArray *checks,
               hvmemVerdict verdict,
               const char *subject,
               const char *remedy,
               const char *finding,
               ...) G_GNUC_PRINTF(5, 6);
