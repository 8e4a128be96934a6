/*
 * hvmem-error.h: what went wrong, what kind of failure that is, and what to do about it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/* The exit status, which is also the code of an HVMEM_ERROR. */
typedef enum {
    HVMEM_EXIT_DONE = 0,
    HVMEM_EXIT_FAILED = 1,
    HVMEM_EXIT_USAGE = 2,
    HVMEM_EXIT_CONNECTION = 3,
    HVMEM_EXIT_REFUSED = 4,     /* nothing was changed, of several domains none */
    HVMEM_EXIT_NOT_REACHED = 5, /* the guest does not have the requested size, though one has waited for it */
    HVMEM_EXIT_SIGNAL = 128,    /* and the number of the signal: 130 for Ctrl-C */
} hvmemExit;

#define HVMEM_ERROR hvmem_error_quark()

GQuark
hvmem_error_quark(void);

/* Each of these sets @error to a message and returns false. The first is for HVMEM_EXIT_FAILED. */
bool
hvmemFail(GError **error,
          const char *format,
          ...) G_GNUC_PRINTF(2, 3);

bool
hvmemFailAs(GError **error,
            int status,
            const char *format,
            ...) G_GNUC_PRINTF(3, 4);

bool
hvmemFailUsage(GError **error,
               const char *format,
               ...) G_GNUC_PRINTF(2, 3);

bool
hvmemFailRefused(GError **error,
                 const char *format,
                 ...) G_GNUC_PRINTF(2, 3);

/* All has been said already: only the exit status is left. */
bool
hvmemFailSilently(GError **error,
                  int status);

/* These add to an error, if there is one; each returns false. What to do about it, in a sentence: */
bool
hvmemErrorHint(GError **error,
               const char *format,
               ...) G_GNUC_PRINTF(2, 3);

/* What libvirt or the system said: */
bool
hvmemErrorCause(GError **error,
                const char *cause);

/* Which domain it is about: */
bool
hvmemErrorDomain(GError **error,
                 const char *name);

/* What was requested, and the limit that stands in the way, in bytes; 0: none. */
bool
hvmemErrorSizes(GError **error,
                guint64 requested,
                guint64 limit);

/* It is in the output for programs already. */
bool
hvmemErrorPrinted(GError **error);

bool
hvmemErrorIsPrinted(const GError *error);

/* Of any error; NULL or 0 if there is none. */
const char *
hvmemErrorGetHint(const GError *error);

const char *
hvmemErrorGetCause(const GError *error);

const char *
hvmemErrorGetDomain(const GError *error);

guint64
hvmemErrorGetRequested(const GError *error);

guint64
hvmemErrorGetLimit(const GError *error);

/* The exit status for it. */
int
hvmemErrorStatus(const GError *error);

/* A word for an exit status: "failed", "usage", "connection", "refused", "not_reached", "interrupted". */
const char *
hvmemExitName(int status);

/* The lines to print: "error: MESSAGE", and cause and hint if there are. */
char *
hvmemErrorFormat(const GError *error);
