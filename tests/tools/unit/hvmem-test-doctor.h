/*
 * hvmem-test-doctor.h: a domain that nothing is wrong with, a host that lacks nothing, and what the doctor says of them, for unit tests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-doctor.h"
#include "hvmem-test-domain.h"

#include <string.h>

#define MIB HVMEM_MIB
#define GIB HVMEM_GIB

/* Nothing is wrong with it but what is put in. */
#define DOMAIN(type, max, features, inside, devices) \
    "<domain type='" type "'><name>g</name><maxMemory unit='GiB'>" max "</maxMemory><memory unit='GiB'>3</memory>" \
    "<currentMemory unit='GiB'>1</currentMemory><vcpu>2</vcpu><os><type arch='x86_64' machine='pc-q35-10.0'>hvm</type></os>" \
    "<features><acpi/><hyperv><vpindex state='on'/><synic state='on'/>" features "</hyperv><kvm><hidden state='on'/></kvm></features>" \
    "<pm><suspend-to-disk enabled='no'/></pm>" inside "<devices><memballoon model='hyperv'/>" devices \
    "<memory model='haprot'><target insert='on-demand'><size unit='GiB'>2</size></target><alias name='ua-haprot0'/></memory>" \
    "</devices></domain>"
#define GOOD DOMAIN("kvm", "8", "", "", "")
#define VIRTIO "<domain type='qemu'><memory>1048576</memory><devices><memballoon model='virtio'/></devices></domain>"

#define CAPS(bits, kvm) \
    "<capabilities><host><cpu><maxphysaddr mode='emulate' bits='" bits "'/><pages unit='KiB' size='4'/><pages unit='KiB' size='2048'/></cpu></host>" \
    "<guest><arch name='i686'><domain type='kvm'/></arch></guest><guest><arch name='x86_64'><domain type='qemu'/>" kvm "</arch></guest></capabilities>"
#define KVM "<domain type='kvm'/>"
#define DOMCAPS(values) \
    "<domainCapabilities><features><hyperv supported='yes'><enum name='features'>" values "</enum></hyperv></features></domainCapabilities>"
#define VALUE(name) "<value>" name "</value>"

static const hvmemAnswer taken = { .asked = true };


/* A host that lacks nothing. */
static inline void
fillHost(hvmemHost *host)
{
    *host = (hvmemHost) { .libvirtVersion = 11003000, .qemuVersion = 10000013, .memory = 16 * GIB, .ceilings = 8 * GIB, .balloon = taken };
    hvmemHostReadCaps(host, CAPS("46", KVM));
    hvmemHostReadDomainCaps(host, DOMCAPS(VALUE("relaxed") VALUE("vpindex") VALUE("synic") VALUE("runtime")));
}


static inline const hvmemCheck *
find(const GPtrArray *checks,
     const char *subject)
{
    const hvmemCheck *found = NULL;
    size_t i;

    for (i = 0; i < checks->len; i++) {
        const hvmemCheck *check = checks->pdata[i];

        g_assert_true(check->verdict == HVMEM_SKIP || (check->verdict == HVMEM_PASS) == !check->remedy);
        if (!found && strcmp(check->subject, subject) == 0)
            found = check;
    }
    if (!found)
        g_error("no check '%s'", subject);
    return found;
}


static inline bool
has(const GPtrArray *checks,
    const char *subject)
{
    size_t i;

    for (i = 0; i < checks->len; i++) {
        if (strcmp(((hvmemCheck *)checks->pdata[i])->subject, subject) == 0)
            return true;
    }
    return false;
}


static inline GPtrArray *
examine(const char *xml,
        bool active,
        const hvmemHost *host)
{
    g_autoptr(hvmemDomain) dom = domain(xml, active);

    return hvmemDoctorDomain(dom, host, &taken);
}
