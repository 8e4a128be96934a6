/*
 * hvmem-trial.h: definitions for trials
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-util.h"

/* @xml without what makes a trial change the host. libvirt creates a tap device on the host for every <interface> of a trial; and one of
 * type='hostdev' it uses after freeing it. Each is replaced by a random number generator with the same address and name, so that a PCI slot
 * that is used twice is still reported. USB devices of the host that are named by vendor and product are left out. */
char *
hvmemTrialXML(const char *xml,
              GError **error);

/* Would QEMU accept the command line @argv that libvirt made and, if there is a hyperv balloon, the guest find it? */
bool
hvmemTrialArgv(const char *argv,
               GError **error);

/* Has the balloon of the command line @argv one fixed backend, and its QEMU no sticks? */
bool
hvmemTrialIsFixed(const char *argv);
