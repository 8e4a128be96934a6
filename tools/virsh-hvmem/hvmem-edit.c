/*
 * hvmem-edit.c: adds a hyperv balloon to a definition, or removes it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-edit-plug.h"
#include "hvmem-edit-words.h"
#include "hvmem-element.h"
#include "hvmem-print.h"
#include "hvmem-xml.h"

#include <string.h>

#define BEFORE "metadata/*[local-name() = 'before' and namespace-uri() = '" HVMEM_METADATA_URI "']"


static hvmemEdit *
editNew(void)
{
    hvmemEdit *edit = g_new0(hvmemEdit, 1);

    edit->remarks = g_ptr_array_new_with_free_func(g_free);
    edit->words = g_ptr_array_new_with_free_func(g_free);
    return edit;
}


void
hvmemEditFree(hvmemEdit *edit)
{
    if (!edit)
        return;

    g_free(edit->xml);
    g_free(edit->doubtful);
    g_ptr_array_unref(edit->remarks);
    g_ptr_array_unref(edit->words);
    g_free(edit);
}


void
hvmemEditRemark(hvmemEdit *edit,
                const char *format,
                ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(edit->remarks, g_strdup_vprintf(format, args));
    va_end(args);
}


char *
hvmemEditNormalise(const char *xml)
{
    g_autoptr(xmlDoc) doc = hvmemXMLParse(xml, NULL);

    return doc ? hvmemPrint(doc) : g_strdup(xml);
}


/*
 * Notes about changes, by which disabling reverses them
 */

typedef struct _Notes Notes;
struct _Notes {
    GString *words;             /* "NAME" was added, "NAME=VALUE" was changed from VALUE */
    xmlNodePtr balloon;         /* the previous element; NULL: none */
};


static void G_GNUC_PRINTF(2, 3)
note(Notes *notes,
     const char *format,
     ...)
{
    va_list args;

    if (notes->words->len)
        g_string_append_c(notes->words, ' ');
    va_start(args, format);
    g_string_append_vprintf(notes->words, format, args);
    va_end(args);
}


static bool
hasNote(const char *words,
        const char *word)
{
    g_auto(GStrv) list = g_strsplit(words, " ", -1);

    return g_strv_contains((const char *const *)list, word);
}


/* The part of @word before "=". */
static char *
subject(const char *word)
{
    return g_strndup(word, strcspn(word, "="));
}


static bool
hasNoteAbout(const char *words,
             const char *word)
{
    g_auto(GStrv) list = g_strsplit(words, " ", -1);
    g_autofree char *wanted = subject(word);
    size_t i;

    for (i = 0; list[i]; i++) {
        g_autofree char *one = subject(list[i]);

        if (strcmp(one, wanted) == 0)
            return true;
    }
    return false;
}


/* Notes of an earlier enable are kept: they describe the original definition. */
static void
mergeNotes(xmlNodePtr before,
           const Notes *notes)
{
    g_autofree char *first = hvmemXMLString(before, "string(@changed)");
    g_auto(GStrv) later = g_strsplit(notes->words->str, " ", -1);
    GString *all = g_string_new(first);
    size_t i;

    for (i = 0; later[i]; i++) {
        if (*later[i] && !hasNoteAbout(all->str, later[i]))
            g_string_append_printf(all, "%s%s", all->len ? " " : "", later[i]);
    }
    if (g_strcmp0(first, all->str) != 0)
        xmlSetProp(before, (const xmlChar *)"changed", (const xmlChar *)all->str);
    g_string_free(all, TRUE);
}


static void
keepNotes(xmlNodePtr root,
          Notes *notes)
{
    xmlNodePtr metadata = hvmemXMLNode(root, "metadata");
    xmlNodePtr before;
    xmlNsPtr ns;

    if (metadata && !metadata->children)
        note(notes, "metadata=empty");
    before = hvmemElementNew(root->doc, "before", "changed", notes->words->str);
    ns = xmlNewNs(before, (const xmlChar *)HVMEM_METADATA_URI, (const xmlChar *)HVMEM_METADATA_PREFIX);
    xmlSetNs(before, ns);
    if (!metadata) {
        metadata = hvmemElementNew(root->doc, "metadata", NULL, NULL);
        xmlAddPrevSibling(hvmemXMLNode(root, "maxMemory"), metadata);
    }
    xmlAddChild(metadata, before);
    if (notes->balloon)
        xmlAddChild(before, g_steal_pointer(&notes->balloon));
}


static void
setCeiling(xmlNodePtr root,
           const hvmemEditSizes *sizes,
           Notes *notes)
{
    xmlNodePtr node = hvmemXMLNode(root, "maxMemory");
    guint64 was = hvmemXMLSize(root, "maxMemory", 0);

    if (!node) {
        node = hvmemElementNew(root->doc, "maxMemory", NULL, NULL);
        xmlAddPrevSibling(hvmemXMLNode(root, "memory"), node);
        hvmemElementSetSize(node, sizes->max != HVMEM_UNKNOWN ? sizes->max : MAX(sizes->fallback, hvmemXMLSize(root, "memory", 0)));
        note(notes, "maxMemory");
    } else if (sizes->max != HVMEM_UNKNOWN && sizes->max != was) {
        note(notes, "maxMemory=%" G_GUINT64_FORMAT, was / HVMEM_KIB);
        hvmemElementSetSize(node, sizes->max);
    }
}


/* Turns an enlightenment on. */
static void
setEnlightenment(xmlNodePtr hyperv,
                 const char *name,
                 Notes *notes)
{
    bool made;
    xmlNodePtr node = hvmemElementChild(hyperv, name, hvmemHypervOrder, &made);

    if (!made && hvmemXMLTest(node, "@state = 'on'"))
        return;

    note(notes, made ? "%s" : "%s=off", name);
    xmlSetProp(node, (const xmlChar *)"state", (const xmlChar *)"on");
}


/* Turns Hyper-V's clock on, which synthetic timers need. False if there is no <clock> or the user has turned it off. */
static bool
setClock(xmlNodePtr root,
         Notes *notes)
{
    xmlNodePtr clock = hvmemXMLNode(root, "clock");
    xmlNodePtr timer;

    if (!clock || hvmemXMLTest(clock, "timer[@name = 'hypervclock']"))
        return clock && hvmemXMLTest(clock, "timer[@name = 'hypervclock' and not(@present = 'no')]");

    timer = hvmemElementNew(root->doc, "timer", "name", "hypervclock");
    xmlNewProp(timer, (const xmlChar *)"present", (const xmlChar *)"yes");
    hvmemElementAdd(clock, timer, hvmemAnyOrder);
    note(notes, "hypervclock");
    return true;
}


/* Enlightenments that Windows wants and the balloon does not need. Without KVM, QEMU has only some of them. */
static void
setForWindows(xmlNodePtr root,
              xmlNodePtr hyperv,
              hvmemEdit *edit,
              Notes *notes)
{
    static const char *const names[] = { "relaxed", "vapic", "runtime", "stimer" };
    bool kvm = hvmemXMLTest(root, "@type = 'kvm'");
    bool clock = setClock(root, notes);
    size_t i;

    if (!clock)
        hvmemEditRemark(edit, "<timer name='hypervclock'/> is off in <clock>, though Windows wants it on for this balloon. It is left off, "
                        "and stimer, which needs it, is not added.");

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        bool wanted = strcmp(names[i], "relaxed") == 0 || (kvm && (clock || strcmp(names[i], "stimer") != 0));
        xmlNodePtr node = hvmemXMLNode(hyperv, names[i]);

        if (!wanted)
            continue;
        if (node && hvmemXMLTest(node, "@state = 'off'"))
            hvmemEditRemark(edit, "<%s state='off'/> in <hyperv> is left as it is, but Windows wants it on for this balloon.", names[i]);
        else if (!node)
            setEnlightenment(hyperv, names[i], notes);
    }
}


static void
setEnlightenments(xmlNodePtr root,
                  hvmemEdit *edit,
                  Notes *notes)
{
    xmlNodePtr hyperv = hvmemXMLNode(root, "features/hyperv");

    /* this enables all that the host has */
    if (hyperv && hvmemXMLTest(hyperv, "@mode = 'passthrough'"))
        return;

    if (!hyperv) {
        hyperv = hvmemElementNew(root->doc, "hyperv", "mode", "custom");
        hvmemElementAdd(hvmemXMLNode(root, "features"), hyperv, hvmemFeatureOrder);
        note(notes, "hyperv");
    }
    setEnlightenment(hyperv, "vpindex", notes);
    setEnlightenment(hyperv, "synic", notes);
    if (hvmemXMLIsWindows(root))
        setForWindows(root, hyperv, edit, notes);
}


/* A Linux guest that finds KVM's interface does not search for another. An
 * explicit setting is kept. */
static void
setHidden(xmlNodePtr root,
          Notes *notes)
{
    xmlNodePtr kvm;
    bool made;

    if (!hvmemXMLTest(root, "@type = 'kvm' and not(features/kvm/hidden)"))
        return;

    kvm = hvmemElementChild(hvmemXMLNode(root, "features"), "kvm", hvmemFeatureOrder, &made);
    if (made)
        note(notes, "kvm");
    hvmemElementAdd(kvm, hvmemElementNew(root->doc, "hidden", "state", "on"), hvmemKvmOrder);
    note(notes, "hidden");
}


static void
setHibernation(xmlNodePtr root,
               Notes *notes)
{
    xmlNodePtr pm = hvmemXMLNode(root, "pm");
    xmlNodePtr node;
    bool made;

    if (!pm) {
        pm = hvmemElementNew(root->doc, "pm", NULL, NULL);
        xmlAddPrevSibling(hvmemXMLNode(root, "perf | devices"), pm);
        note(notes, "pm");
    }

    node = hvmemElementChild(pm, "suspend-to-disk", hvmemAnyOrder, &made);
    if (made)
        note(notes, "suspend-to-disk");
    else if (!hvmemXMLTest(node, "@enabled = 'no'"))
        note(notes, "suspend-to-disk=yes");
    xmlSetProp(node, (const xmlChar *)"enabled", (const xmlChar *)"no");
}


/*
 * The balloon itself
 */

/* "0000:05:00.0", as in libvirt's errors. */
static char *
pciAddress(xmlNodePtr device)
{
    static const char *const parts[] = { "domain", "bus", "slot", "function" };
    guint64 numbers[G_N_ELEMENTS(parts)];
    size_t i;

    if (!device || !hvmemXMLTest(device, "address[@type = 'pci']"))
        return NULL;

    for (i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *xpath = g_strdup_printf("string(address/@%s)", parts[i]);
        g_autofree char *text = hvmemXMLString(device, xpath);

        numbers[i] = text ? g_ascii_strtoull(text, NULL, 0) : 0;
    }
    return g_strdup_printf("%04x:%02x:%02x.%x", (unsigned int)numbers[0], (unsigned int)numbers[1], (unsigned int)numbers[2],
                           (unsigned int)numbers[3]);
}


/* Remarks what the new balloon does not support of @old. */
static void
remarkLost(hvmemEdit *edit,
           xmlNodePtr old)
{
    g_autoptr(GPtrArray) lost = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *address = pciAddress(old);
    g_autofree char *index = hvmemXMLString(old, "string(acpi/@index)");
    xmlNodePtr driver = hvmemXMLNode(old, "driver");
    g_autofree char *list = NULL;

    if (hvmemXMLTest(old, "@autodeflate = 'on'"))
        g_ptr_array_add(lost, g_strdup("autodeflate='on' (the guest keeps a floor of its own instead)"));
    if (driver) {
        g_autofree char *text = hvmemPrintElement(driver);

        g_ptr_array_add(lost, g_strdup_printf("%s (it is no virtio device)", text));
    }
    if (index)
        g_ptr_array_add(lost, g_strdup_printf("<acpi index='%s'/>", index));
    if (address)
        g_ptr_array_add(lost, g_strdup_printf("the PCI address %s (it takes none)", address));
    if (lost->len == 0)
        return;

    g_ptr_array_add(lost, NULL);
    list = g_strjoinv(", ", (char **)lost->pdata);
    hvmemEditRemark(edit, "The new balloon does not support what the old one has: %s. 'virsh-hvmem disable' restores it.", list);
}


static void
copyChild(xmlNodePtr from,
          xmlNodePtr to,
          const char *xpath)
{
    xmlNodePtr node = hvmemXMLNode(from, xpath);

    if (node)
        hvmemElementAdd(to, xmlCopyNode(node, 1), hvmemBalloonOrder);
}


/* Copies what all balloon models support. */
static void
copyCommon(xmlNodePtr from,
           xmlNodePtr to)
{
    copyChild(from, to, "stats");
    copyChild(from, to, "alias");
}


/* Turns free page reporting of @new on or off; @old: the balloon that it replaces, or NULL. */
static void
setReporting(xmlNodePtr new,
             xmlNodePtr old,
             hvmemReporting reporting,
             bool kvm,
             bool doubts,
             hvmemEdit *edit)
{
    g_autofree char *value = old ? hvmemXMLString(old, "string(@freePageReporting)") : NULL;
    bool was = g_strcmp0(value, "on") == 0;

    if (reporting == HVMEM_REPORTING_AUTO || reporting == HVMEM_REPORTING_ON) {
        edit->doubtful = g_strdup("freePageReporting='on'");
        g_free(value);
        value = g_strdup("on");
    } else if (reporting == HVMEM_REPORTING_OFF) {
        g_clear_pointer(&value, g_free);
    } else if (was) {
        edit->doubtful = g_strdup("freePageReporting='on' of the old balloon");
        if (doubts && kvm)
            hvmemEditRemark(edit, "freePageReporting='on' is kept. With KVM it needs Linux 6.3 or later on the host: on an older one, "
                            "remove it with 'virsh edit', or the guest does not start.");
    }

    if (value && (doubts || !edit->doubtful))
        xmlNewProp(new, (const xmlChar *)"freePageReporting", (const xmlChar *)value);
}


/* The same for a hyperv balloon that is there. */
static void
changeReporting(xmlNodePtr balloon,
                hvmemReporting reporting)
{
    if (reporting == HVMEM_REPORTING_ON)
        xmlSetProp(balloon, (const xmlChar *)"freePageReporting", (const xmlChar *)"on");
    else if (reporting == HVMEM_REPORTING_OFF)
        xmlUnsetProp(balloon, (const xmlChar *)"freePageReporting");
}


static void
setBalloon(xmlNodePtr root,
           hvmemReporting reporting,
           bool doubts,
           hvmemEdit *edit,
           Notes *notes)
{
    xmlNodePtr old = hvmemXMLNode(root, "devices/memballoon");
    xmlNodePtr new = hvmemElementNew(root->doc, "memballoon", "model", "hyperv");

    setReporting(new, old, reporting, hvmemXMLTest(root, "@type = 'kvm'"), doubts, edit);
    if (!old) {
        hvmemElementAdd(hvmemXMLNode(root, "devices"), new, hvmemAnyOrder);
        return;
    }

    copyCommon(old, new);
    remarkLost(edit, old);
    notes->balloon = xmlReplaceNode(old, new);
}


static void
setMinimum(xmlNodePtr root,
           guint64 minimum)
{
    xmlNodePtr balloon = hvmemXMLNode(root, "devices/memballoon");
    bool made;

    if (minimum != HVMEM_UNKNOWN)
        hvmemElementSetSize(hvmemElementChild(balloon, "minimum", hvmemBalloonOrder, &made), minimum);
}


/* "dimm of 1 GiB in slot 0, virtio-mem of 3 GiB (ua-virtiomem)" */
static char *
otherMemory(xmlNodePtr root)
{
    g_autoptr(GPtrArray) nodes = hvmemXMLNodes(root, "devices/memory[@model != 'haprot']");
    GString *list = g_string_new(NULL);
    size_t i;

    for (i = 0; i < nodes->len; i++) {
        g_autofree char *model = hvmemXMLString(nodes->pdata[i], "string(@model)");
        g_autofree char *size = hvmemFormatSize(hvmemXMLSize(nodes->pdata[i], "target/size", HVMEM_UNKNOWN));
        g_autofree char *alias = hvmemXMLString(nodes->pdata[i], "string(alias/@name)");
        g_autofree char *slot = hvmemXMLString(nodes->pdata[i], "string(address[@type = 'dimm']/@slot)");
        g_autofree char *pci = pciAddress(nodes->pdata[i]);

        g_string_append_printf(list, "%s%s of %s", i ? ", " : "", model, size);
        if (alias)
            g_string_append_printf(list, " named '%s'", alias);
        else if (slot)
            g_string_append_printf(list, " in slot %s", slot);
        else if (pci)
            g_string_append_printf(list, " at PCI address %s", pci);
    }
    return g_string_free(list, FALSE);
}


static bool
checkEnable(xmlNodePtr root,
            const hvmemDomain *dom,
            const hvmemEditSizes *sizes,
            GError **error)
{
    guint64 memory = hvmemXMLSize(root, "memory", 0);
    guint64 current = hvmemXMLSize(root, "currentMemory", memory);
    g_autofree char *total = hvmemFormatSize(memory);
    g_autofree char *now = hvmemFormatSize(current);
    g_autofree char *ceiling = hvmemFormatSize(sizes->max);
    g_autofree char *least = hvmemFormatSize(sizes->minimum);
    g_autofree char *others = otherMemory(root);

    if (!hvmemXMLTest(root, "memory") || !hvmemXMLTest(root, "devices"))
        return hvmemFail(error, "the domain's XML has no <memory> or no <devices>");
    if (!hvmemXMLTest(root, "features/acpi"))
        return hvmemFailRefused(error, "the domain has no <acpi/> in <features>, which the hyperv balloon needs: add it with 'virsh edit'");
    if (*others)
        return hvmemFailRefused(error, "the domain has memory devices that cannot be combined with a hyperv balloon: %s. Remove each "
                         "<memory model=…> with 'virsh edit', and subtract its size from <memory>: the balloon adds memory by itself, up to "
                         "<maxMemory>", others);
    if (sizes->max != HVMEM_UNKNOWN && sizes->max < memory && sizes->plugged == HVMEM_UNKNOWN)
        return hvmemFailRefused(error, "--max %s is below the domain's memory, %s: request at least that, or give the domain less first (%s)",
                         ceiling, total, hvmemEditIsPlugged(root) ? "--plugged" : "'virsh setmaxmem --config'");
    if (sizes->minimum != HVMEM_UNKNOWN && sizes->minimum > current)
        return hvmemFailRefused(error, "--minimum %s is above what the domain starts with, %s: request no more than that, or let it start with more first "
                         "('virsh-hvmem set --config', or 'virsh setmem --config' with another balloon)", least, now);
    return sizes->plugged == HVMEM_UNKNOWN || hvmemEditCheckPlugged(dom, sizes, error);
}


hvmemEdit *
hvmemEditEnable(const char *xml,
                const hvmemEditSizes *sizes,
                bool doubts,
                GError **error)
{
    g_autoptr(xmlDoc) doc = hvmemXMLParse(xml, error);
    g_autoptr(hvmemDomain) dom = doc ? hvmemDomainNew("", false, xml, error) : NULL;
    g_autoptr(hvmemEdit) edit = editNew();
    xmlNodePtr root = dom ? xmlDocGetRootElement(doc) : NULL;
    Notes notes = { .words = NULL };
    g_autofree char *model = root ? hvmemXMLString(root, "string(devices/memballoon/@model)") : NULL;
    bool had = root && hvmemXMLTest(root, "maxMemory");
    bool already;

    if (!root || !checkEnable(root, dom, sizes, error))
        return NULL;

    notes.words = g_string_new(NULL);
    already = hvmemXMLTest(root, "devices/memballoon[@model = 'hyperv']");

    setCeiling(root, sizes, &notes);
    setEnlightenments(root, edit, &notes);
    setHidden(root, &notes);
    setHibernation(root, &notes);
    if (!already) {
        setBalloon(root, sizes->reporting, doubts, edit, &notes);
        keepNotes(root, &notes);
        hvmemEditSay(edit, root, sizes, g_strcmp0(model, "none") == 0 ? NULL : model, had);
    } else if (hvmemXMLNode(root, BEFORE)) {
        mergeNotes(hvmemXMLNode(root, BEFORE), &notes);
    }
    if (already)
        changeReporting(hvmemXMLNode(root, "devices/memballoon"), sizes->reporting);
    setMinimum(root, sizes->minimum);
    if (sizes->plugged != HVMEM_UNKNOWN)
        hvmemEditPlug(edit, root, dom, sizes->plugged);
    edit->guessed = !had && sizes->max == HVMEM_UNKNOWN;

    g_string_free(notes.words, TRUE);
    edit->xml = hvmemPrint(doc);
    return g_steal_pointer(&edit);
}


/*
 * Disabling
 */

static void
copyReporting(xmlNodePtr from,
              xmlNodePtr to)
{
    g_autofree char *value = hvmemXMLString(from, "string(@freePageReporting)");

    if (value)
        xmlNewProp(to, (const xmlChar *)"freePageReporting", (const xmlChar *)value);
}


/* A balloon for a definition without notes of an old one. */
static xmlNodePtr
newVirtio(xmlNodePtr root)
{
    xmlNodePtr balloon = hvmemElementNew(root->doc, "memballoon", "model", "virtio");

    copyReporting(hvmemXMLNode(root, "devices/memballoon"), balloon);
    copyCommon(hvmemXMLNode(root, "devices/memballoon"), balloon);
    return balloon;
}


/* @balloon: the old one, consumed; NULL: not known. Another device may have its address by now. */
static void
restoreBalloon(xmlNodePtr root,
               xmlNodePtr balloon,
               bool doubts,
               hvmemEdit *edit)
{
    g_autofree char *address = pciAddress(balloon);

    if (address)
        edit->doubtful = g_strdup_printf("the old balloon's PCI address %s, in whose place libvirt chooses another", address);
    if (address && !doubts)
        hvmemElementRemove(hvmemXMLNode(balloon, "address"));
    if (!balloon)
        balloon = newVirtio(root);

    xmlFreeNode(xmlReplaceNode(hvmemXMLNode(root, "devices/memballoon"), balloon));
}


static void
restoreCeiling(xmlNodePtr root,
               const char *words)
{
    xmlNodePtr node = hvmemXMLNode(root, "maxMemory");
    const char *was = strstr(words, "maxMemory=");

    if (!node)
        return;

    if (was)
        hvmemElementSetSize(node, hvmemFromKiB(g_ascii_strtoull(was + strlen("maxMemory="), NULL, 10)));
    else if (hasNote(words, "maxMemory"))
        hvmemElementRemove(node);
}


static void
restoreEnlightenment(xmlNodePtr root,
                     const char *words,
                     const char *name)
{
    g_autofree char *xpath = g_strconcat("features/hyperv/", name, NULL);
    g_autofree char *off = g_strconcat(name, "=off", NULL);
    xmlNodePtr node = hvmemXMLNode(root, xpath);

    if (node && hasNote(words, name))
        hvmemElementRemove(node);
    else if (node && hasNote(words, off))
        xmlSetProp(node, (const xmlChar *)"state", (const xmlChar *)"off");
}


static void
restoreHibernation(xmlNodePtr root,
                   const char *words)
{
    xmlNodePtr node = hvmemXMLNode(root, "pm/suspend-to-disk");

    if (node && hasNote(words, "suspend-to-disk"))
        hvmemElementRemove(node);
    else if (node && hasNote(words, "suspend-to-disk=yes"))
        xmlSetProp(node, (const xmlChar *)"enabled", (const xmlChar *)"yes");

    if (hasNote(words, "pm"))
        hvmemElementRemoveIfEmpty(hvmemXMLNode(root, "pm"));
}


static void
restoreHidden(xmlNodePtr root,
              const char *words)
{
    xmlNodePtr node = hvmemXMLNode(root, "features/kvm/hidden");

    if (node && hasNote(words, "hidden"))
        hvmemElementRemove(node);
    if (hasNote(words, "kvm"))
        hvmemElementRemoveIfEmpty(hvmemXMLNode(root, "features/kvm"));
}


static void
restoreRest(xmlNodePtr root,
            const char *words)
{
    xmlNodePtr hyperv;
    xmlNodePtr timer;
    size_t i;

    if (!hasNote(words, "metadata=empty"))
        hvmemElementRemoveIfEmpty(hvmemXMLNode(root, "metadata"));
    restoreCeiling(root, words);
    for (i = 0; hvmemHypervOrder[i]; i++)
        restoreEnlightenment(root, words, hvmemHypervOrder[i]);
    restoreHibernation(root, words);
    restoreHidden(root, words);

    timer = hvmemXMLNode(root, "clock/timer[@name = 'hypervclock']");
    if (timer && hasNote(words, "hypervclock"))
        hvmemElementRemove(timer);

    hyperv = hvmemXMLNode(root, "features/hyperv");
    if (hyperv && hasNote(words, "hyperv") && !hvmemXMLTest(hyperv, "*"))
        hvmemElementRemove(hyperv);
}


/* Without notes it is not known what enable added. A ceiling without slots must
 * go, or libvirt would add NUMA to the guest. */
static void
restoreWithoutNotes(xmlNodePtr root)
{
    xmlNodePtr node = hvmemXMLNode(root, "maxMemory[not(@slots)]");

    if (node)
        hvmemElementRemove(node);
}


static void
removeSticks(xmlNodePtr root,
             hvmemEdit *edit)
{
    g_autoptr(GPtrArray) sticks = hvmemXMLNodes(root, "devices/memory[@model = 'haprot']");
    guint64 memory = hvmemXMLSize(root, "memory", 0);
    xmlNodePtr current = hvmemXMLNode(root, "currentMemory");
    g_autofree char *left = NULL;
    size_t i;

    if (sticks->len == 0)
        return;

    for (i = 0; i < sticks->len; i++) {
        memory -= MIN(memory, hvmemXMLSize(sticks->pdata[i], "target/size", 0));
        hvmemElementRemove(sticks->pdata[i]);
    }

    left = hvmemFormatSize(memory);
    hvmemEditRemark(edit, "The definition's sticks are removed with the balloon: the guest has its boot memory, %s.", left);
    hvmemElementSetSize(hvmemXMLNode(root, "memory"), memory);
    if (current && hvmemXMLSize(root, "currentMemory", 0) > memory)
        hvmemElementSetSize(current, memory);
}


hvmemEdit *
hvmemEditDisable(const char *xml,
                 bool doubts,
                 GError **error)
{
    g_autoptr(xmlDoc) doc = hvmemXMLParse(xml, error);
    g_autoptr(hvmemEdit) edit = editNew();
    xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;
    g_autofree char *words = NULL;
    xmlNodePtr balloon = NULL;
    xmlNodePtr before;

    if (!root)
        return NULL;

    if (!hvmemXMLTest(root, "devices/memballoon[@model = 'hyperv']")) {
        hvmemFailRefused(error, "the domain has no hyperv balloon that could be disabled");
        return NULL;
    }

    removeSticks(root, edit);
    if ((before = hvmemXMLNode(root, BEFORE))) {
        words = hvmemXMLString(before, "string(@changed)");
        if ((balloon = hvmemXMLNode(before, "memballoon")))
            xmlUnlinkNode(balloon);
        hvmemElementRemove(before);
        restoreRest(root, words ? words : "");
    } else {
        restoreWithoutNotes(root);
    }
    restoreBalloon(root, balloon, doubts, edit);

    edit->xml = hvmemPrint(doc);
    return g_steal_pointer(&edit);
}
