/*
 * hvmem-output.h: tables, bars and JSON
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <json-glib/json-glib.h>
#include <stdio.h>

#include "hvmem-domain.h"

/* What the terminal can show. Found out once, by main. */
typedef struct _hvmemTerminal hvmemTerminal;
struct _hvmemTerminal {
    bool utf8;
    bool colour;                /* standard output is a terminal that has it */
    int width;
};

extern hvmemTerminal hvmemTerm;

void
hvmemTerminalInit(void);

/* Columns and rows of the terminal @fd is on; 80 and 24 if it is on none. */
void
hvmemTerminalSize(int fd,
                  int *columns,
                  int *rows);

/* @text in an SGR colour ("1;31"), if the terminal has colours. */
char *
hvmemColour(const char *sgr,
            const char *text);

typedef struct _hvmemTable hvmemTable;

/* Columns are given up to a NULL. A title that begins with '>' is of numbers,
 * which stand to the right. */
hvmemTable *
hvmemTableNew(const char *title,
              ...) G_GNUC_NULL_TERMINATED;

void
hvmemTableAdd(hvmemTable *table,
              const char *cell,
              ...) G_GNUC_NULL_TERMINATED;

void
hvmemTableFree(hvmemTable *table);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(hvmemTable, hvmemTableFree);

/* As virsh prints tables; without @header only the rows. On a narrow terminal,
 * of @width columns, in which it does not fit: a paragraph for each row. */
char *
hvmemTableFormat(const hvmemTable *table,
                 bool header,
                 int width);

/* A bar of @width columns over 0 … @top: what the guest has, what is plugged,
 * what there may be. */
char *
hvmemBar(guint64 have,
         guint64 plugged,
         guint64 top,
         int width,
         bool utf8);

/* The column, from 0, at which @value stands in such a bar. */
int
hvmemBarColumn(guint64 value,
               guint64 top,
               int width);

/* Prints @node, which it takes, and a line end. */
void
hvmemPrintJSON(JsonNode *node);

/* Members of the object that @builder is in; unknown sizes are left out. */
void
hvmemJSONSize(JsonBuilder *builder,
              const char *name,
              guint64 bytes);

void
hvmemJSONString(JsonBuilder *builder,
                const char *name,
                const char *value);

/* The whole of @dom as an object, with the names that domstats uses. */
void
hvmemJSONDomain(JsonBuilder *builder,
                const hvmemDomain *dom);
