/*
 * hvmem-edit.c: a definition gets a hyperv balloon, and back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-edit.h"
#include "hvmem-xml.h"

#include <string.h>

#define BEFORE "metadata/*[local-name() = 'before' and namespace-uri() = '" HVMEM_METADATA_URI "']"


/*
 * Elements with their white space: libvirt formats the result anyway, but the
 * difference that is shown shall be readable.
 */

static int
depth(xmlNodePtr node)
{
    int n = 0;

    for (node = node->parent; node && node->type == XML_ELEMENT_NODE; node = node->parent)
        n++;
    return n;
}


static xmlNodePtr
newLine(xmlNodePtr parent,
        int levels)
{
    g_autofree char *text = g_strdup_printf("\n%*s", 2 * levels, "");

    return xmlNewDocText(parent->doc, (const xmlChar *)text);
}


/* @node becomes the last child of @parent, on a line of its own. */
static void
appendChild(xmlNodePtr parent,
            xmlNodePtr node)
{
    xmlNodePtr last = xmlGetLastChild(parent);

    /* what stands before the end tag; adjacent text would be merged */
    if (last && xmlIsBlankNode(last)) {
        xmlUnlinkNode(last);
        xmlFreeNode(last);
    }
    xmlAddChild(parent, newLine(parent, depth(parent) + 1));
    xmlAddChild(parent, node);
    xmlAddChild(parent, newLine(parent, depth(parent)));
}


static void
insertBefore(xmlNodePtr where,
             xmlNodePtr node)
{
    xmlNodePtr line = newLine(where->parent, depth(where));

    xmlAddPrevSibling(where, node);
    xmlAddPrevSibling(where, line);
}


static void
removeNode(xmlNodePtr node)
{
    xmlNodePtr blank = node->prev;

    if (blank && xmlIsBlankNode(blank)) {
        xmlUnlinkNode(blank);
        xmlFreeNode(blank);
    }
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}


/* An element that its last child has left. */
static void
removeIfEmpty(xmlNodePtr node)
{
    if (node && !hvmemXMLTest(node, "*") && !node->properties)
        removeNode(node);
}


static xmlNodePtr
newElement(xmlDocPtr doc,
           const char *name,
           const char *attribute,
           const char *value)
{
    xmlNodePtr node = xmlNewDocNode(doc, NULL, (const xmlChar *)name, NULL);

    if (attribute)
        xmlNewProp(node, (const xmlChar *)attribute, (const xmlChar *)value);
    return node;
}


static void
setSize(xmlNodePtr node,
        guint64 bytes)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, bytes / HVMEM_KIB);

    xmlSetProp(node, (const xmlChar *)"unit", (const xmlChar *)"KiB");
    xmlNodeSetContent(node, (const xmlChar *)text);
}


/* The child @name of @parent, made where it is not there; then @made says so. */
static xmlNodePtr
childOf(xmlNodePtr parent,
        const char *name,
        bool *made)
{
    xmlNodePtr node = hvmemXMLNode(parent, name);

    *made = !node;
    if (!node) {
        node = newElement(parent->doc, name, NULL, NULL);
        appendChild(parent, node);
    }
    return node;
}


/*
 * What enabling does, and how it remembers
 */

typedef struct _Notes Notes;
struct _Notes {
    GString *words;             /* what was added, or changed from what */
    xmlNodePtr balloon;         /* the element that was there; NULL: none */
};


static void
note(Notes *notes,
     const char *word)
{
    g_string_append_printf(notes->words, "%s%s", notes->words->len ? " " : "", word);
}


static bool
hasNote(const char *words,
        const char *word)
{
    g_auto(GStrv) list = g_strsplit(words, " ", -1);

    return g_strv_contains((const char *const *)list, word);
}


static void
setCeiling(xmlNodePtr root,
           guint64 max,
           guint64 fallback,
           Notes *notes)
{
    xmlNodePtr node = hvmemXMLNode(root, "maxMemory");

    if (!node) {
        node = newElement(root->doc, "maxMemory", NULL, NULL);
        insertBefore(hvmemXMLNode(root, "memory"), node);
        setSize(node, max != HVMEM_UNKNOWN ? max : fallback);
        note(notes, "maxMemory");
    } else if (max != HVMEM_UNKNOWN && max != hvmemXMLSize(root, "maxMemory", 0)) {
        g_autofree char *was = g_strdup_printf("maxMemory=%" G_GUINT64_FORMAT, hvmemXMLSize(root, "maxMemory", 0) / HVMEM_KIB);

        note(notes, was);
        setSize(node, max);
    }
}


/* An enlightenment is on afterwards. */
static void
setEnlightenment(xmlNodePtr hyperv,
                 const char *name,
                 Notes *notes)
{
    bool made;
    xmlNodePtr node = childOf(hyperv, name, &made);

    if (!made && hvmemXMLTest(node, "@state = 'on'"))
        return;

    if (made) {
        note(notes, name);
    } else {
        g_autofree char *was = g_strconcat(name, "=off", NULL);

        note(notes, was);
    }
    xmlSetProp(node, (const xmlChar *)"state", (const xmlChar *)"on");
}


static void
setEnlightenments(xmlNodePtr root,
                  Notes *notes)
{
    xmlNodePtr hyperv = hvmemXMLNode(root, "features/hyperv");
    xmlNodePtr features = hvmemXMLNode(root, "features");

    /* the host's are taken as they are */
    if (hyperv && hvmemXMLTest(hyperv, "@mode = 'passthrough'"))
        return;

    if (!hyperv) {
        hyperv = newElement(root->doc, "hyperv", "mode", "custom");
        appendChild(features, hyperv);
        note(notes, "hyperv");
    }
    setEnlightenment(hyperv, "vpindex", notes);
    setEnlightenment(hyperv, "synic", notes);
}


/* A Linux guest that finds KVM's interface looks for no other. Somebody who
 * wants it visible has said so. */
static void
setHidden(xmlNodePtr root,
          Notes *notes)
{
    xmlNodePtr kvm;
    bool made;

    if (!hvmemXMLTest(root, "@type = 'kvm' and not(features/kvm/hidden)"))
        return;

    kvm = childOf(hvmemXMLNode(root, "features"), "kvm", &made);
    if (made)
        note(notes, "kvm");
    appendChild(kvm, newElement(root->doc, "hidden", "state", "on"));
    note(notes, "hidden");
}


static void
setHibernation(xmlNodePtr root,
               Notes *notes)
{
    bool madePm = !hvmemXMLNode(root, "pm");
    xmlNodePtr pm = hvmemXMLNode(root, "pm");
    xmlNodePtr node;
    bool made;

    if (madePm) {
        pm = newElement(root->doc, "pm", NULL, NULL);
        insertBefore(hvmemXMLNode(root, "devices"), pm);
        note(notes, "pm");
    }

    node = childOf(pm, "suspend-to-disk", &made);
    if (made)
        note(notes, "suspend-to-disk");
    else if (!hvmemXMLTest(node, "@enabled = 'no'"))
        note(notes, "suspend-to-disk=yes");
    xmlSetProp(node, (const xmlChar *)"enabled", (const xmlChar *)"no");
}


/* As it was, in its place, but for what only a virtio balloon has. */
static void
setBalloon(xmlNodePtr root,
           Notes *notes)
{
    xmlNodePtr old = hvmemXMLNode(root, "devices/memballoon");
    xmlNodePtr new = newElement(root->doc, "memballoon", "model", "hyperv");

    if (!old) {
        appendChild(hvmemXMLNode(root, "devices"), new);
        return;
    }

    notes->balloon = xmlReplaceNode(old, new);
}


static void
setMinimum(xmlNodePtr root,
           guint64 minimum)
{
    xmlNodePtr balloon = hvmemXMLNode(root, "devices/memballoon");
    bool made;

    if (minimum != HVMEM_UNKNOWN)
        setSize(childOf(balloon, "minimum", &made), minimum);
}


static void
keepNotes(xmlNodePtr root,
          Notes *notes)
{
    xmlNodePtr metadata = hvmemXMLNode(root, "metadata");
    xmlNodePtr before = newElement(root->doc, "before", "changed", notes->words->str);
    xmlNsPtr ns = xmlNewNs(before, (const xmlChar *)HVMEM_METADATA_URI, (const xmlChar *)HVMEM_METADATA_PREFIX);

    xmlSetNs(before, ns);
    if (!metadata) {
        metadata = newElement(root->doc, "metadata", NULL, NULL);
        insertBefore(hvmemXMLNode(root, "maxMemory"), metadata);
    }
    appendChild(metadata, before);
    if (notes->balloon)
        appendChild(before, g_steal_pointer(&notes->balloon));
}


/* libxml2 quotes attributes with ", libvirt with '. Those of elements only:
 * what is text, or a comment, stays. */
static char *
requote(const char *xml)
{
    GString *out = g_string_new(NULL);
    bool inTag = false;
    bool inValue = false;

    for (; *xml; xml++) {
        if (!inTag && g_str_has_prefix(xml, "<!--")) {
            const char *end = strstr(xml, "-->");
            size_t n = end ? (size_t)(end - xml) : strlen(xml);

            g_string_append_len(out, xml, n);
            xml += n - 1;
        } else if (inTag && *xml == '"') {
            inValue = !inValue;
            g_string_append_c(out, '\'');
        } else if (inValue && *xml == '\'') {
            g_string_append(out, "&apos;");
        } else {
            if (!inValue && (*xml == '<' || *xml == '>'))
                inTag = *xml == '<';
            g_string_append_c(out, *xml);
        }
    }
    return g_string_free(out, FALSE);
}


static char *
dumpDocument(xmlDocPtr doc)
{
    xmlNodePtr root = xmlDocGetRootElement(doc);
    xmlBufferPtr buffer = xmlBufferCreate();
    char *text;

    xmlNodeDump(buffer, doc, root, 0, 0);
    text = requote((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}


char *
hvmemEditNormalise(const char *xml)
{
    g_autoptr(xmlDoc) doc = hvmemXMLParse(xml, NULL);

    return doc ? dumpDocument(doc) : g_strdup(xml);
}


static bool
checkEnable(xmlNodePtr root,
            guint64 max,
            guint64 minimum,
            GError **error)
{
    guint64 memory = hvmemXMLSize(root, "memory", 0);
    guint64 current = hvmemXMLSize(root, "currentMemory", memory);
    g_autofree char *total = hvmemFormatSize(memory);
    g_autofree char *now = hvmemFormatSize(current);
    g_autofree char *ceiling = hvmemFormatSize(max);
    g_autofree char *least = hvmemFormatSize(minimum);

    if (!hvmemXMLTest(root, "memory") || !hvmemXMLTest(root, "devices"))
        return hvmemFail(error, "the domain's XML has no <memory> or no <devices>");
    if (!hvmemXMLTest(root, "features/acpi"))
        return hvmemFail(error, "the domain has no <acpi/> in <features>, which the hyperv balloon needs: add it with 'virsh edit'");
    if (hvmemXMLTest(root, "devices/memory[@model != 'haprot']"))
        return hvmemFail(error, "the domain has memory devices of another model (dimm, virtio-mem, …), which do not go together with a "
                         "hyperv balloon: remove them with 'virsh edit'");
    if (max != HVMEM_UNKNOWN && max < memory)
        return hvmemFail(error, "--max %s is below the domain's memory, %s", ceiling, total);
    if (minimum != HVMEM_UNKNOWN && minimum > current)
        return hvmemFail(error, "--minimum %s is above what the domain starts with, %s", least, now);
    return true;
}


char *
hvmemEditEnable(const char *xml,
                guint64 max,
                guint64 fallback,
                guint64 minimum,
                GError **error)
{
    g_autoptr(xmlDoc) doc = hvmemXMLParse(xml, error);
    xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;
    Notes notes = { .words = NULL };
    bool already;

    if (!root || !checkEnable(root, max, minimum, error))
        return NULL;

    notes.words = g_string_new(NULL);
    already = hvmemXMLTest(root, "devices/memballoon[@model = 'hyperv']");

    setCeiling(root, max, MAX(fallback, hvmemXMLSize(root, "memory", 0)), &notes);
    setEnlightenments(root, &notes);
    setHidden(root, &notes);
    setHibernation(root, &notes);
    if (!already) {
        setBalloon(root, &notes);
        keepNotes(root, &notes);
    }
    setMinimum(root, minimum);

    g_string_free(notes.words, TRUE);
    return dumpDocument(doc);
}


/*
 * And back
 */

/* @balloon: what there was, which this takes; NULL: not known. */
static void
restoreBalloon(xmlNodePtr root,
               xmlNodePtr balloon)
{
    if (!balloon)
        balloon = newElement(root->doc, "memballoon", "model", "virtio");

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
        setSize(node, hvmemFromKiB(g_ascii_strtoull(was + strlen("maxMemory="), NULL, 10)));
    else if (hasNote(words, "maxMemory"))
        removeNode(node);
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
        removeNode(node);
    else if (node && hasNote(words, off))
        xmlSetProp(node, (const xmlChar *)"state", (const xmlChar *)"off");
}


static void
restoreHibernation(xmlNodePtr root,
                   const char *words)
{
    xmlNodePtr node = hvmemXMLNode(root, "pm/suspend-to-disk");

    if (node && hasNote(words, "suspend-to-disk"))
        removeNode(node);
    else if (node && hasNote(words, "suspend-to-disk=yes"))
        xmlSetProp(node, (const xmlChar *)"enabled", (const xmlChar *)"yes");

    if (hasNote(words, "pm"))
        removeIfEmpty(hvmemXMLNode(root, "pm"));
}


static void
restoreHidden(xmlNodePtr root,
              const char *words)
{
    xmlNodePtr node = hvmemXMLNode(root, "features/kvm/hidden");

    if (node && hasNote(words, "hidden"))
        removeNode(node);
    if (hasNote(words, "kvm"))
        removeIfEmpty(hvmemXMLNode(root, "features/kvm"));
}


static void
restoreRest(xmlNodePtr root,
            const char *words)
{
    xmlNodePtr hyperv;

    restoreCeiling(root, words);
    restoreEnlightenment(root, words, "vpindex");
    restoreEnlightenment(root, words, "synic");
    restoreHibernation(root, words);
    restoreHidden(root, words);

    hyperv = hvmemXMLNode(root, "features/hyperv");
    if (hyperv && hasNote(words, "hyperv") && !hvmemXMLTest(hyperv, "*"))
        removeNode(hyperv);
}


/* Without notes nobody knows what was there for its own sake; but a ceiling
 * without slots would make libvirt add NUMA to the guest. */
static void
restoreWithoutNotes(xmlNodePtr root)
{
    xmlNodePtr node = hvmemXMLNode(root, "maxMemory[not(@slots)]");

    if (node)
        removeNode(node);
}


static void
removeSticks(xmlNodePtr root)
{
    g_autoptr(GPtrArray) sticks = hvmemXMLNodes(root, "devices/memory[@model = 'haprot']");
    guint64 memory = hvmemXMLSize(root, "memory", 0);
    xmlNodePtr current = hvmemXMLNode(root, "currentMemory");
    size_t i;

    if (sticks->len == 0)
        return;

    for (i = 0; i < sticks->len; i++) {
        memory -= MIN(memory, hvmemXMLSize(sticks->pdata[i], "target/size", 0));
        removeNode(sticks->pdata[i]);
    }

    setSize(hvmemXMLNode(root, "memory"), memory);
    if (current && hvmemXMLSize(root, "currentMemory", 0) > memory)
        setSize(current, memory);
}


char *
hvmemEditDisable(const char *xml,
                 GError **error)
{
    g_autoptr(xmlDoc) doc = hvmemXMLParse(xml, error);
    xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;
    g_autofree char *words = NULL;
    xmlNodePtr balloon = NULL;
    xmlNodePtr before;

    if (!root)
        return NULL;

    if (!hvmemXMLTest(root, "devices/memballoon[@model = 'hyperv']")) {
        hvmemFail(error, "the domain has no hyperv balloon that could be disabled");
        return NULL;
    }

    removeSticks(root);
    if ((before = hvmemXMLNode(root, BEFORE))) {
        words = hvmemXMLString(before, "string(@changed)");
        if ((balloon = hvmemXMLNode(before, "memballoon")))
            xmlUnlinkNode(balloon);
        removeNode(before);
        removeIfEmpty(hvmemXMLNode(root, "metadata"));
        restoreRest(root, words ? words : "");
    } else {
        restoreWithoutNotes(root);
    }
    restoreBalloon(root, balloon);

    return dumpDocument(doc);
}
