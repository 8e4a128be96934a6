/*
 * hvmem-help.c: what --help prints
 *
 * GOption's own text is as wide as its longest line, and lists options before commands.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-help.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 80
#define OPTION 26               /* columns of an option's name */
#define COMMAND 11

/* So many letters may be wrong. */
#define FAR 2


/* @name in a column of its own, then @text. */
static void
printEntry(const char *name,
           int column,
           const char *text)
{
    g_autofree char *wrapped = hvmemWrap(text, WIDTH, column);
    int n = hvmemColumns(name);

    /* a long name has a line of its own */
    if (n + 2 > column)
        printf("%s\n%s", name, wrapped);
    else
        printf("%s%*s%s", name, column - n, "", wrapped + column);
}


static void
printParagraph(const char *text)
{
    g_autofree char *line = g_strdelimit(g_strdup(text), "\n", ' ');
    g_autofree char *wrapped = hvmemWrap(line, WIDTH, 0);

    printf("\n%s", wrapped);
}


static void
printOptions(const char *title,
             const GOptionEntry *entry)
{
    if (!entry || !entry->long_name)
        return;

    printf("\n%s:\n", title);
    for (; entry->long_name; entry++) {
        g_autofree char *letter = entry->short_name ? g_strdup_printf("-%c,", entry->short_name) : g_strdup("   ");
        g_autofree char *name = g_strdup_printf("  %s --%s%s%s", letter, entry->long_name, entry->arg_description ? "=" : "",
                                                entry->arg_description ? entry->arg_description : "");

        printEntry(name, OPTION, entry->description);
    }
}


void
hvmemHelpPrint(const hvmemCommand *const *commands,
               size_t n,
               const GOptionEntry *global)
{
    size_t i;

    printf("Usage: virsh-hvmem COMMAND [ARGUMENT…]\n\nShow and change the memory of domains with a hyperv balloon.\n\nCommands:\n");
    for (i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("  %s", commands[i]->name);

        printEntry(name, COMMAND, commands[i]->summary);
    }
    printOptions("Options, before or after the command", global);
    printParagraph("A SIZE is a number of KiB, or has a suffix: 512MiB, 4GiB. 'virsh-hvmem help COMMAND' describes a command.");
    printf("\nExample:\n  virsh-hvmem set g1 4GiB --wait\n");
}


void
hvmemHelpPrintCommand(const hvmemCommand *command,
                      const GOptionEntry *global)
{
    g_autofree char *start = g_strdup_printf("Usage: virsh-hvmem %s ", command->name);
    g_autofree char *usage = hvmemWrap(command->arguments ? command->arguments : "", WIDTH, strlen(start));

    printf("%s%s\n%s.\n", start, usage + strlen(start), command->summary);
    if (command->description)
        printParagraph(command->description);
    printOptions("Options", command->options);
    printOptions("Options of all commands", global);
    if (command->example)
        printf("\nExample:\n  %s\n", command->example);
}


/* Letters to insert, to remove or to replace (Levenshtein). */
static size_t
distance(const char *a,
         const char *b)
{
    size_t n = strlen(b);
    g_autofree size_t *row = g_new(size_t, n + 1);
    size_t i;
    size_t k;

    for (k = 0; k <= n; k++)
        row[k] = k;
    for (i = 0; a[i]; i++) {
        size_t corner = row[0];

        row[0] = i + 1;
        for (k = 0; k < n; k++) {
            size_t replaced = corner + (a[i] != b[k]);

            corner = row[k + 1];
            row[k + 1] = MIN(MIN(row[k], row[k + 1]) + 1, replaced);
        }
    }
    return row[n];
}


const char *
hvmemHelpNearest(const hvmemCommand *const *commands,
                 size_t n,
                 const char *word)
{
    const char *nearest = NULL;
    size_t best = FAR + 1;
    size_t i;

    for (i = 0; i < n; i++) {
        const char *name = commands[i]->name;
        size_t away = g_str_has_prefix(name, word) ? 0 : distance(word, name);

        /* nothing is near that has hardly a letter in common */
        if (away < best && away < strlen(name) - 1) {
            best = away;
            nearest = name;
        }
    }
    return nearest;
}
