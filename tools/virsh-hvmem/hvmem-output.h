/*
 * hvmem-output.h: tables and bars
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <stdio.h>

#include "hvmem-domain.h"

/* Capabilities of the terminal, determined once by main. */
typedef struct _hvmemTerminal hvmemTerminal;
struct _hvmemTerminal {
    bool utf8;
    bool colour;                /* standard output is a terminal that has it */
    int width;
};

extern hvmemTerminal hvmemTerm;

void
hvmemTerminalInit(void);

/* Columns and rows of the terminal at @fd; 80 and 24 if there is none. */
void
hvmemTerminalSize(int fd,
                  int *columns,
                  int *rows);

/* @text in an SGR colour ("1;31"), if the terminal has colours. */
char *
hvmemColour(const char *sgr,
            const char *text);

typedef struct _hvmemTable hvmemTable;

/* Titles of columns, ended by NULL. '>' before a title aligns the column to the
 * right, for numbers. */
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

/* Prints a table as virsh does; without @header only the rows. If it does not fit
 * into a terminal of @width columns: a paragraph for each row. */
char *
hvmemTableFormat(const hvmemTable *table,
                 bool header,
                 int width);

/* A bar of @width columns for 0 … @top: what the guest has, what is plugged, the
 * ceiling. */
char *
hvmemBar(guint64 have,
         guint64 plugged,
         guint64 top,
         int width,
         bool utf8);

/* The column, from 0, of @value in such a bar. */
int
hvmemBarColumn(guint64 value,
               guint64 top,
               int width);
