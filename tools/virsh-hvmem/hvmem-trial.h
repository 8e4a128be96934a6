/*
 * hvmem-trial.h: a definition to be tried, not to be defined
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-util.h"

/* @xml without what makes a trial touch the host. libvirt turns every <interface> of a trial into a tap device, which it creates on the
 * host; and one of type='hostdev' it frees while it still uses it. In the place of each comes a random number generator, which has the
 * same address and name, so that who takes a PCI slot twice still hears so. USB devices of the host that are named by vendor and product
 * are left out. */
char *
hvmemTrialXML(const char *xml,
              GError **error);

/* Would QEMU take the command line @argv that libvirt made of a definition and, if it has a hyperv balloon, the guest find that? */
bool
hvmemTrialArgv(const char *argv,
               GError **error);
