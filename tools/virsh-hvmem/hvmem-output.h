/*
 * hvmem-output.h: the terminal, and bars
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
    bool terminal;              /* standard output is one */
    bool cursor;                /* its cursor can be moved: TERM is set, and not to dumb */
    bool colour;                /* standard output is a terminal that has it */
    int width;
};

extern hvmemTerminal hvmemTerm;

void
hvmemTerminalInit(void);

/* As fprintf() for people: what is printed is as hvmemPrintable() has it. */
void
hvmemSay(FILE *file,
         const char *format,
         ...) G_GNUC_PRINTF(2, 3);

/* The same for sentences: on a terminal words are not torn at its edge, and no line is longer than HVMEM_TEXT_WIDTH; programs get whole lines. */
#define HVMEM_TEXT_WIDTH 100

void
hvmemTell(FILE *file,
          const char *format,
          ...) G_GNUC_PRINTF(2, 3);

/* Columns and rows of the terminal at @fd; 80 and 24 if there is none. */
void
hvmemTerminalSize(int fd,
                  int *columns,
                  int *rows);

/* @text in an SGR colour ("1;31"), if the terminal has colours. */
char *
hvmemColour(const char *sgr,
            const char *text);

/* Prints an error with its cause and hint to standard error, as hvmemTell() does. */
void
hvmemPrintError(const GError *error);

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
