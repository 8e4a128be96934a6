/*
 * hvmem-table.h: tables that fit the terminal
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/* A first column is not clipped to less. */
#define HVMEM_TABLE_NAME 16

typedef struct _hvmemTable hvmemTable;

/* Titles of columns, ended by NULL. '>' before a title aligns the column to the
 * right, for numbers. */
hvmemTable *
hvmemTableNew(const char *title,
              ...) G_GNUC_NULL_TERMINATED;

hvmemTable *
hvmemTableNewv(char **titles);

/* A row; cells may have colours. */
void
hvmemTableAdd(hvmemTable *table,
              const char *cell,
              ...) G_GNUC_NULL_TERMINATED;

void
hvmemTableAddv(hvmemTable *table,
               char **cells);

/* The rows after this are sums, below a line of their own. */
void
hvmemTableSums(hvmemTable *table);

/* The columns that are left out first where the table is too wide, by their titles. All others stay. */
void
hvmemTableDrop(hvmemTable *table,
               const char *title,
               ...) G_GNUC_NULL_TERMINATED;

void
hvmemTableFree(hvmemTable *table);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(hvmemTable, hvmemTableFree);

/* Formats a table as virsh does; without @header only the rows, in full. If it does not fit into @width columns, the first column is clipped, other
 * columns are left out, and if nothing helps there is a paragraph for each row. */
char *
hvmemTableFormat(const hvmemTable *table,
                 bool header,
                 int width);

/* The width below which there are paragraphs. */
int
hvmemTableLeast(const hvmemTable *table);

/* The width that a table has on standard output: no limit unless that is a terminal. */
int
hvmemTableWidth(void);
