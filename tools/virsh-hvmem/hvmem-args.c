/*
 * hvmem-args.c: negative numbers among the arguments, which GOption takes for options
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-args.h"

#include <string.h>

/* Nobody types it, and no option begins with it. */
#define HIDDEN '\001'


static bool
isNamed(const char *word,
        const GOptionEntry *entry)
{
    if (g_str_has_prefix(word, "--"))
        return strcmp(word + 2, entry->long_name) == 0;
    return word[0] == '-' && word[1] && word[1] != '-' && word[strlen(word) - 1] == entry->short_name;
}


/* Is what comes after @word its value? */
static bool
takesValue(const char *word,
           const GOptionEntry *const *options)
{
    const GOptionEntry *entry;

    for (; *options; options++) {
        for (entry = *options; entry->long_name; entry++) {
            if (entry->arg != G_OPTION_ARG_NONE && isNamed(word, entry))
                return true;
        }
    }
    return false;
}


void
hvmemArgsHide(char **argv,
              const GOptionEntry *const *options)
{
    size_t i;

    for (i = 1; argv[i]; i++) {
        if (argv[i][0] == '-' && g_ascii_isdigit(argv[i][1]) && !takesValue(argv[i - 1], options))
            argv[i][0] = HIDDEN;
    }
}


void
hvmemArgsShow(char **argv)
{
    for (; *argv; argv++) {
        if (**argv == HIDDEN)
            **argv = '-';
    }
}
