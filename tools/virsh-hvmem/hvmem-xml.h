/*
 * hvmem-xml.h: helpers for libxml2
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "hvmem-util.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc);

/* XPath expressions are relative to @node; an invalid one is a bug. */

xmlDocPtr
hvmemXMLParse(const char *text,
              GError **error);

/* The root element with its content, as text. */
char *
hvmemXMLDump(xmlDocPtr doc);

/* The same for any element. */
char *
hvmemXMLDumpNode(xmlNodePtr node);

/* Is the domain of root element @root for Windows, by its libosinfo metadata? */
bool
hvmemXMLIsWindows(xmlNodePtr root);

/* NULL if the string is empty. */
char *
hvmemXMLString(xmlNodePtr node,
               const char *xpath);

/* A whole number; 0 if it is not one. */
guint64
hvmemXMLNumber(xmlNodePtr node,
               const char *xpath);

bool
hvmemXMLTest(xmlNodePtr node,
             const char *xpath);

unsigned int
hvmemXMLCount(xmlNodePtr node,
              const char *xpath);

/* Array of xmlNodePtr, which belong to the document. */
GPtrArray *
hvmemXMLNodes(xmlNodePtr node,
              const char *xpath);

xmlNodePtr
hvmemXMLNode(xmlNodePtr node,
             const char *xpath);

/* The size of an element with unit= in bytes, or @fallback. */
guint64
hvmemXMLSize(xmlNodePtr node,
             const char *xpath,
             guint64 fallback);

/* "4", "GiB" -> bytes; without @unit, KiB. */
guint64
hvmemXMLScale(const char *number,
              const char *unit);
