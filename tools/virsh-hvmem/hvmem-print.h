/*
 * hvmem-print.h: a definition as libvirt prints it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-xml.h"

/* The output of 'virsh dumpxml --inactive' is reproduced byte for byte, so a difference of two such texts is exactly that of what libvirt
 * stores. */
char *
hvmemPrint(xmlDocPtr doc);

/* The same for one element outside of <metadata>. */
char *
hvmemPrintElement(xmlNodePtr node);
