/*
 * hvmem-test-domain.h: a domain out of XML, for unit tests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-domain.h"

/* Named g. XML that cannot be read fails the test. */
static inline hvmemDomain *
domain(const char *xml,
       bool active)
{
    g_autoptr(GError) error = NULL;
    hvmemDomain *dom = hvmemDomainNew("g", active, xml, &error);

    g_assert_no_error(error);
    return dom;
}
