/*
 * hvmem-json.h: output for programs; schemas/virsh-hvmem.schema.json describes it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <json-glib/json-glib.h>

#include "hvmem-domain.h"

/* Of all documents. It grows when a member gets another name or meaning; new members may come without. */
#define HVMEM_JSON_SCHEMA 2

/* Begins the document of @command. */
JsonBuilder *
hvmemJSONBegin(const char *command);

/* @root as text. What a terminal would obey instead of show is written as \uXXXX, which is the same to programs; what is not UTF-8 as
 * U+FFFD. */
char *
hvmemJSONText(JsonNode *root,
              bool pretty);

/* Ends the document, prints it and frees @builder; as one line for one of many. */
void
hvmemJSONPrint(JsonBuilder *builder);

void
hvmemJSONPrintLine(JsonBuilder *builder);

/* Add members to the object that @builder is in; unknown sizes and NULL are left out. Sizes are bytes. */
void
hvmemJSONSize(JsonBuilder *builder,
              const char *name,
              guint64 bytes);

void
hvmemJSONString(JsonBuilder *builder,
                const char *name,
                const char *value);

void
hvmemJSONBool(JsonBuilder *builder,
              const char *name,
              bool value);

void
hvmemJSONStrings(JsonBuilder *builder,
                 const char *name,
                 const GPtrArray *values);

void
hvmemJSONError(JsonBuilder *builder,
               const GError *error);

/* The bounds and settings of automatic memory: members of the object that @builder is in. */
void
hvmemJSONAutoMembers(JsonBuilder *builder,
                     const hvmemAuto *settings,
                     const hvmemDomain *dom);

/* The members of @dom: all of them, for which an object has been begun. */
void
hvmemJSONDomainMembers(JsonBuilder *builder,
                       const hvmemDomain *dom);

/* @dom as an object. */
void
hvmemJSONDomain(JsonBuilder *builder,
                const hvmemDomain *dom);
