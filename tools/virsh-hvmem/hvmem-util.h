/*
 * hvmem-util.h: sizes and text
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-error.h"

#include <libvirt/libvirt.h>

#define HVMEM_KIB G_GUINT64_CONSTANT(1024)
#define HVMEM_MIB (1024 * HVMEM_KIB)
#define HVMEM_GIB (1024 * HVMEM_MIB)

/* A size that is not known. Sizes are in bytes everywhere in this tool. */
#define HVMEM_UNKNOWN G_MAXUINT64

/* How far a settled guest may be from the requested size. */
#define HVMEM_NEAR (2 * HVMEM_MIB)

/* Parses a size as virsh does: a number, in KiB or with a suffix, and with that also
 * with decimals; rounded up to KiB, never 0. @what names it in errors. */
bool
hvmemParseSize(const char *text,
               const char *what,
               guint64 *bytes,
               GError **error);

/* A sentence of warning if @text has no suffix and @bytes is so small that KiB may not have been meant; else NULL. */
char *
hvmemSizeDoubt(const char *text,
               guint64 bytes);

/* In a sentence: "3 GiB", "2.3 GiB", "700 MiB"; "-" if not known. */
char *
hvmemFormatSize(guint64 bytes);

/* The unit of a column of which this is the largest size: MiB, GiB or TiB. */
guint64
hvmemUnitFor(guint64 largest);

/* In a column, with one decimal: "3.0 GiB", "0.7 GiB". @unit: of hvmemUnitFor(), or 1 for bytes without a unit. */
char *
hvmemFormatIn(guint64 bytes,
              guint64 unit);

/* A form that hvmemParseSize() reads, without blanks: "3GiB", "2404352KiB". */
char *
hvmemSizeArgument(guint64 bytes);

/* @text as one word of a shell command line, for hints to copy; quoted only if
 * necessary. */
char *
hvmemShellWord(const char *text);

/* @text with every "N KiB" and "N MiB" in the form of hvmemFormatSize(). */
char *
hvmemHumanise(const char *text);

/* Writes @text to the file @path, all at once: whoever reads it sees the old content or the new one. A symbolic link stays, and so does what is not a
 * file, as a pipe or a device: it gets the text. */
bool
hvmemWriteFile(const char *path,
               const char *text,
               size_t length,
               GError **error);

/* XML @text without passwords (passwd=). */
char *
hvmemHideSecrets(const char *text);

/* libvirt's KiB in bytes, limited to the largest number. */
guint64
hvmemFromKiB(guint64 kib);

/* Of two known sizes, limited to the largest number. */
guint64
hvmemSum(guint64 a,
         guint64 b);

guint64
hvmemDistance(guint64 a,
              guint64 b);

/* Would a terminal obey @c instead of showing it? A line end does not count. */
bool
hvmemIsObeyed(gunichar c);

/* @text for a terminal: names and messages may hold what would move the cursor or turn the order of characters around. Control and format characters
 * and what is not UTF-8 are replaced by '?'; colours (ESC [ … m) and line ends are kept. Not for programs: they get the text as it is. */
char *
hvmemPrintable(const char *text);

/* The one of that name; NULL: there is none. */
const virTypedParameter *
hvmemFindParam(const virTypedParameter *params,
               int nparams,
               const char *name);

/* How many line ends are in it. */
int
hvmemCountLines(const char *text);

/* @text for a terminal as hvmemPrintable() has it, in lines of at most @width columns, indented by @indent. Breaks at blanks
 * only. */
char *
hvmemWrap(const char *text,
          int width,
          int indent);

/* The width of @text as hvmemPrintable() has it, in columns; colours take none. */
int
hvmemColumns(const char *text);

/* The beginning of @text as hvmemPrintable() has it that fits into @width columns; colours take none and are kept. */
char *
hvmemClip(const char *text,
          int width);

/* The same, and what has been cut off is marked: "a long na…". */
char *
hvmemEllipsis(const char *text,
              int width,
              bool utf8);

/* "0:07", "12:34", "1:02:03" */
char *
hvmemFormatDuration(double seconds);
