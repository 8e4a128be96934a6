/*
 * hvmem-element.h: elements of a definition, in libvirt's order
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-xml.h"

/* The order in which libvirt prints the children of these elements. New elements are inserted in it, so that what is shown is what is stored. */
extern const char *const hvmemFeatureOrder[];
extern const char *const hvmemHypervOrder[];
extern const char *const hvmemKvmOrder[];
extern const char *const hvmemBalloonOrder[];
/* Of <devices>, what comes after all others. */
extern const char *const hvmemDeviceOrder[];
/* For elements whose order does not matter. */
extern const char *const hvmemAnyOrder[];

xmlNodePtr
hvmemElementNew(xmlDocPtr doc,
                const char *name,
                const char *attribute,
                const char *value);

/* Makes @node a child of @parent, before the first one that comes later in @order, or the last one. */
void
hvmemElementAdd(xmlNodePtr parent,
                xmlNodePtr node,
                const char *const *order);

/* Returns the child @name of @parent. If there is none it is created, and @made is true. */
xmlNodePtr
hvmemElementChild(xmlNodePtr parent,
                  const char *name,
                  const char *const *order,
                  bool *made);

/* Sets the size in KiB, as libvirt prints it. */
void
hvmemElementSetSize(xmlNodePtr node,
                    guint64 bytes);

void
hvmemElementRemove(xmlNodePtr node);

/* Removes an element without children. */
void
hvmemElementRemoveIfEmpty(xmlNodePtr node);
