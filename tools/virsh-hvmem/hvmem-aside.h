/*
 * hvmem-aside.h: questions to libvirt, which may never answer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <stdbool.h>

/* Runs @work with @opaque in a thread of its own and returns true when it is done. While it is not, @isOver is called here with the same @opaque and the
 * seconds that it has taken so far, ten times a second. If that is true, this is false: libvirt cannot be made to give up, so @work goes on, and all that
 * it uses has to stay as it is until the program ends, by hvmemAsideLeave() or, for what main() has to print, hvmemAsideIsLeft(). */
bool
hvmemAside(void (*work)(void *opaque),
           bool (*isOver)(void *opaque,
                          double seconds),
           void *opaque);

/* Does some work still go on? Then nothing must be freed any more, nor waited for. */
bool
hvmemAsideIsLeft(void);

/* Ends the program with @status, after what has been printed. */
void
hvmemAsideLeave(int status) __attribute__((noreturn));
