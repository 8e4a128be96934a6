/*
 * hvmem-element.h: elements of a definition, where libvirt has them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-xml.h"

/* In what order libvirt prints what these elements hold. Each new element goes to its place, so that what is shown is what is stored. */
extern const char *const hvmemFeatureOrder[];
extern const char *const hvmemHypervOrder[];
extern const char *const hvmemKvmOrder[];
extern const char *const hvmemBalloonOrder[];
/* Of elements that stay where they come to. */
extern const char *const hvmemAnyOrder[];

xmlNodePtr
hvmemElementNew(xmlDocPtr doc,
                const char *name,
                const char *attribute,
                const char *value);

/* @node becomes a child of @parent: before the first one that comes later in @order, else the last. */
void
hvmemElementAdd(xmlNodePtr parent,
                xmlNodePtr node,
                const char *const *order);

/* The child @name of @parent, made where it is not there; then @made says so. */
xmlNodePtr
hvmemElementChild(xmlNodePtr parent,
                  const char *name,
                  const char *const *order,
                  bool *made);

/* In KiB, as libvirt prints sizes. */
void
hvmemElementSetSize(xmlNodePtr node,
                    guint64 bytes);

void
hvmemElementRemove(xmlNodePtr node);

/* An element that its last child has left. */
void
hvmemElementRemoveIfEmpty(xmlNodePtr node);
