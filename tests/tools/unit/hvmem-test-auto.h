/*
 * hvmem-test-auto.h: a domain whose memory is automatic, for unit tests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-test-domain.h"

#define MIB HVMEM_MIB
#define GIB HVMEM_GIB

#define XML(auto) \
    "<domain type='kvm'><name>g</name><metadata>" \
    "<h:before xmlns:h='urn:virsh-hvmem:1'/>" auto "</metadata>" \
    "<maxMemory unit='GiB'>8</maxMemory><memory unit='GiB'>4</memory><currentMemory unit='GiB'>2</currentMemory>" \
    "<devices><memballoon model='hyperv'><minimum unit='MiB'>512</minimum></memballoon></devices></domain>"

#define AUTO(attributes) "<x:auto xmlns:x='urn:virsh-hvmem:auto:1' " attributes "/>"
