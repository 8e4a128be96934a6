/*
 * hvmem-util.h: sizes and text
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

#define HVMEM_KIB G_GUINT64_CONSTANT(1024)
#define HVMEM_MIB (1024 * HVMEM_KIB)
#define HVMEM_GIB (1024 * HVMEM_MIB)

/* A size that nobody has told. Sizes are bytes everywhere in this tool. */
#define HVMEM_UNKNOWN G_MAXUINT64

/* A settled guest is this near to what was asked for. */
#define HVMEM_NEAR (2 * HVMEM_MIB)

#define HVMEM_ERROR (g_quark_from_static_string("hvmem"))

/* @error gets a plain message; false, so that it can be returned. */
bool
hvmemFail(GError **error,
          const char *format,
          ...) G_GNUC_PRINTF(2, 3);

/* @text as virsh takes a size: a whole number, in KiB or with a suffix;
 * rounded up to KiB, never 0. @what names it in errors. */
bool
hvmemParseSize(const char *text,
               const char *what,
               guint64 *bytes,
               GError **error);

/* @text without a suffix, and so small a size @bytes that KiB may not be what was meant: a sentence that says so. NULL: there is no doubt. */
char *
hvmemSizeDoubt(const char *text,
               guint64 bytes);

/* "3 GiB", "2.29 GiB", "700 MiB"; "-" if not known. */
char *
hvmemFormatSize(guint64 bytes);

/* What a shell can hand to hvmemParseSize: "3GiB", "2404352KiB". */
char *
hvmemSizeArgument(guint64 bytes);

/* @text as one word of a shell's command line, for hints to copy: quoted only
 * where it has to be. */
char *
hvmemShellWord(const char *text);

/* Every "N KiB" and "N MiB" of @text in the form of hvmemFormatSize. */
char *
hvmemHumanise(const char *text);

/* XML @text without the passwords that stand in it (passwd=). */
char *
hvmemHideSecrets(const char *text);

/* KiB as libvirt has them in bytes, as far as bytes go. */
guint64
hvmemFromKiB(guint64 kib);

guint64
hvmemDistance(guint64 a,
              guint64 b);

/* @text in lines of at most @width columns, each after @indent blanks. Breaks
 * at blanks only. */
char *
hvmemWrap(const char *text,
          int width,
          int indent);

/* Columns that @text takes on a terminal. */
int
hvmemColumns(const char *text);

/* As much of the beginning of @text as @width columns take; colours (ESC [ … m) take none and stay. */
char *
hvmemClip(const char *text,
          int width);

/* "0:07", "12:34", "1:02:03" */
char *
hvmemFormatDuration(double seconds);
