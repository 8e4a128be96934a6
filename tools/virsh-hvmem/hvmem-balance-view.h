/*
 * hvmem-balance-view.h: the balancer as others see it: who it is, and what it thinks of a guest
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-balance-lock.h"
#include "hvmem-balancer.h"

typedef struct _hvmemBalanceView hvmemBalanceView;
struct _hvmemBalanceView {
    bool local;                 /* else nothing is known */
    char *uri;
    GPtrArray *owners;          /* hvmemBalanceOwner: all balancers of this host */
    const hvmemBalanceOwner *owner; /* the one of this connection; NULL: none, or not known */
};

hvmemBalanceView *
hvmemBalanceViewNew(virConnectPtr conn);

void
hvmemBalanceViewFree(hvmemBalanceView *view);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(hvmemBalanceView, hvmemBalanceViewFree);

/* The decision that its balancer comes to by what libvirt tells now, without what only that process remembers. NULL: there is none, or it is not
 * known. */
hvmemBalancer *
hvmemBalanceViewDecide(const hvmemBalanceView *view,
                       virConnectPtr conn);

/* A paragraph about @dom, whose memory is automatic: its bounds, what is decided for it and why, what would change that. @guest: NULL if nothing is
 * known of a decision. */
char *
hvmemBalanceViewText(const hvmemBalanceView *view,
                     const hvmemDomain *dom,
                     const hvmemBalanced *guest);

/* What becomes of a size that somebody requests for @dom while it runs, and how to keep it: sentences. NULL: it stays. */
char *
hvmemBalanceViewRemark(const hvmemBalanceView *view,
                       const hvmemDomain *dom);
