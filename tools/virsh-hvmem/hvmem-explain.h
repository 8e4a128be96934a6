/*
 * hvmem-explain.h: the state of a domain's memory in plain words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-domain.h"

typedef struct _hvmemExplanation hvmemExplanation;
struct _hvmemExplanation {
    const char *label;          /* two words at most */
    bool moving;                /* memory goes from host to guest or back, with nobody's help */
    bool problem;               /* does somebody have to do something? */
    bool hopeless;              /* does nothing move until then, however long one waits? */
    char *meaning;              /* what is going on */
    char *remedy;               /* what to do; NULL: nothing */
    char *next;                 /* what will happen; NULL: nothing */
};

void
hvmemExplanationFree(hvmemExplanation *why);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(hvmemExplanation, hvmemExplanationFree);

hvmemExplanation *
hvmemExplain(const hvmemDomain *dom);

/* The label for tables, also for a domain without a hyperv balloon: two words at most ("at rest", "virtio balloon", "restart needed"). @problem:
 * does somebody have to do something? */
char *
hvmemExplainState(const hvmemDomain *dom,
                  bool *problem);
