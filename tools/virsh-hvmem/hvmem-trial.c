/*
 * hvmem-trial.c: definitions for trials
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-trial.h"
#include "hvmem-xml.h"

#include <string.h>


static void
moveChild(xmlNodePtr from,
          xmlNodePtr to,
          const char *xpath)
{
    xmlNodePtr node = hvmemXMLNode(from, xpath);

    if (!node)
        return;

    xmlUnlinkNode(node);
    xmlAddChild(to, node);
}


/* An interface on USB, for instance, has no PCI slot, but its replacement would get one. */
static bool
hasOtherAddress(xmlNodePtr interface)
{
    return hvmemXMLTest(interface, "address[@type != 'pci']");
}


static void
replaceInterface(xmlNodePtr interface)
{
    xmlNodePtr rng;
    xmlNodePtr backend;

    if (hasOtherAddress(interface)) {
        xmlUnlinkNode(interface);
        xmlFreeNode(interface);
        return;
    }

    rng = xmlNewDocNode(interface->doc, NULL, (const xmlChar *)"rng", NULL);
    xmlNewProp(rng, (const xmlChar *)"model", (const xmlChar *)"virtio");
    backend = xmlNewChild(rng, NULL, (const xmlChar *)"backend", (const xmlChar *)"/dev/urandom");
    xmlNewProp(backend, (const xmlChar *)"model", (const xmlChar *)"random");
    moveChild(interface, rng, "alias");
    moveChild(interface, rng, "address");
    xmlFreeNode(xmlReplaceNode(interface, rng));
}


/* libvirt only searches for the device at the start, so a trial would report it as unknown. */
#define UNKNOWN_USB "devices/hostdev[@mode = 'subsystem' and @type = 'usb' and not(source/address)]"


char *
hvmemTrialXML(const char *xml,
              GError **error)
{
    g_autoptr(xmlDoc) doc = hvmemXMLParse(xml, error);
    g_autoptr(GPtrArray) interfaces = NULL;
    g_autoptr(GPtrArray) usb = NULL;
    size_t i;

    if (!doc)
        return NULL;

    interfaces = hvmemXMLNodes(xmlDocGetRootElement(doc), "devices/interface");
    for (i = 0; i < interfaces->len; i++)
        replaceInterface(interfaces->pdata[i]);

    usb = hvmemXMLNodes(xmlDocGetRootElement(doc), UNKNOWN_USB);
    for (i = 0; i < usb->len; i++) {
        xmlUnlinkNode(usb->pdata[i]);
        xmlFreeNode(usb->pdata[i]);
    }
    return hvmemXMLDump(doc);
}


/* The value of the last option @name of a command line, which is the one that counts; or NULL. */
static const char *
lastOption(char **args,
           const char *name)
{
    const char *value = NULL;
    size_t i;

    for (i = 0; args[i] && args[i + 1]; i++) {
        if (strcmp(args[i], name) == 0)
            value = args[i + 1];
    }
    return value;
}


/* How -cpu @value sets @property: 1 on, -1 off, 0 not at all. QEMU accepts '_' for '-' in names. */
static int
cpuSays(const char *value,
        const char *property)
{
    g_auto(GStrv) words = g_strsplit(value, ",", -1);
    g_autofree char *on = g_strconcat(property, "=on", NULL);
    g_autofree char *off = g_strconcat(property, "=off", NULL);
    int says = 0;
    size_t i;

    for (i = 0; words[i]; i++) {
        const char *word = g_strdelimit(words[i], "_", '-');

        if (strcmp(word, property) == 0 || strcmp(word, on) == 0 || (*word == '+' && strcmp(word + 1, property) == 0))
            says = 1;
        else if (strcmp(word, off) == 0 || (*word == '-' && strcmp(word + 1, property) == 0))
            says = -1;
    }
    return says;
}


static bool
hasBalloon(char **args)
{
    size_t i;

    for (i = 0; args[i]; i++) {
        if (strstr(args[i], "\"driver\":\"hv-balloon\""))
            return true;
    }
    return false;
}


/* A -cpu in <qemu:commandline> overrides all that libvirt sets. */
static bool
checkCPU(char **args,
         GError **error)
{
    const char *cpu = lastOption(args, "-cpu");

    if (!cpu || cpuSays(cpu, "hv-passthrough") > 0)
        return true;
    if (cpuSays(cpu, "hv-vpindex") <= 0 || cpuSays(cpu, "hv-synic") <= 0)
        return hvmemFail(error, "the CPU of the command line, '-cpu %s', lacks hv-vpindex and hv-synic, which the balloon needs: take -cpu out of "
                         "<qemu:commandline> and use <cpu> and <features> instead, or add ',hv-vpindex,hv-synic' to it", cpu);
    return cpuSays(cpu, "hypervisor") >= 0 ||
        hvmemFail(error, "the CPU of the command line, '-cpu %s', hides the hypervisor, without which no guest finds the balloon: take -cpu out of "
                  "<qemu:commandline>, or hypervisor= out of it", cpu);
}


/* Definitions that libvirt accepts and QEMU refuses: kernel parameters without a kernel, paravirtual spinlocks without KVM, and a NUMA cell without
 * memory. */
static bool
checkRest(char **args,
          GError **error)
{
    const char *cpu = lastOption(args, "-cpu");
    const char *accel = lastOption(args, "-accel");
    size_t i;

    if (!lastOption(args, "-kernel") && (lastOption(args, "-append") || lastOption(args, "-initrd")))
        return hvmemFail(error, "<cmdline> and <initrd> need a <kernel>: add it to <os>, or take them out");
    if (cpu && g_strcmp0(accel, "kvm") != 0 && cpuSays(cpu, "kvm-pv-unhalt") > 0)
        return hvmemFail(error, "<pvspinlock state='on'/> needs KVM: take it out of <features>");

    for (i = 0; args[i]; i++) {
        if (strstr(args[i], "\"memory-backend-") && (strstr(args[i], "\"size\":0,") || strstr(args[i], "\"size\":0}")))
            return hvmemFail(error, "a NUMA cell has no memory, which QEMU refuses: give it some (memory= of <cell>), or take the <cell> out of <numa>");
    }
    return true;
}


bool
hvmemTrialIsFixed(const char *argv)
{
    g_auto(GStrv) args = NULL;
    size_t i;

    if (!g_utf8_validate(argv, -1, NULL) || !g_shell_parse_argv(argv, NULL, &args, NULL))
        return false;

    for (i = 0; args[i]; i++) {
        if (strstr(args[i], "\"driver\":\"hv-balloon\"") && strstr(args[i], "\"memdev\":"))
            return true;
    }
    return false;
}


bool
hvmemTrialArgv(const char *argv,
               GError **error)
{
    g_auto(GStrv) args = NULL;

    /* The folder of a domain's files has its name, which a libvirt without an UTF-8 locale may cut in the middle of a character. QEMU refuses
     * such a path. */
    if (!g_utf8_validate(argv, -1, NULL))
        return hvmemFail(error, "libvirt cuts the domain's name in the middle of a character, and QEMU cannot read the path with it: "
                         "restart the libvirt daemon, which may be older than this command, or rename the domain ('virsh domrename')");

    /* not checked if it cannot be parsed */
    if (!g_shell_parse_argv(argv, NULL, &args, NULL))
        return true;
    return (!hasBalloon(args) || checkCPU(args, error)) && checkRest(args, error);
}
