/*
 * hvmem-check.c: a check of 'doctor'
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-check.h"


static void
checkFree(hvmemCheck *check)
{
    g_free(check->finding);
    g_free(check->remedy);
    g_free(check);
}


GPtrArray *
hvmemChecksNew(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)checkFree);
}


void
hvmemChecksAdd(GPtrArray *checks,
               hvmemVerdict verdict,
               const char *subject,
               const char *remedy,
               const char *finding,
               ...)
{
    hvmemCheck *check = g_new0(hvmemCheck, 1);
    va_list args;

    va_start(args, finding);
    check->finding = g_strdup_vprintf(finding, args);
    va_end(args);
    check->verdict = verdict;
    check->subject = subject;
    check->remedy = g_strdup(remedy);
    g_ptr_array_add(checks, check);
}
