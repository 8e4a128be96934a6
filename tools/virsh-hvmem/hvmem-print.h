/*
 * hvmem-print.h: a definition as libvirt prints it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-xml.h"

/* What 'virsh dumpxml --inactive' prints comes back byte for byte. So a difference of two of these texts is one of what libvirt stores,
 * with nothing left out and nothing added. */
char *
hvmemPrint(xmlDocPtr doc);

/* The same of one element, which is none of <metadata>'s. */
char *
hvmemPrintElement(xmlNodePtr node);
