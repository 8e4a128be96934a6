/*
 * hvmem-print.c: a definition as libvirt prints it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-print.h"

#include <string.h>


static void
indent(GString *out,
       int level)
{
    g_string_append_printf(out, "%*s", 2 * level, "");
}


/* libvirt quotes attributes with ', and writes both kinds of quotes as
 * entities, in text too. */
static void
appendEscaped(GString *out,
              const char *text)
{
    static const struct {
        char c;
        const char *entity;
    } entities[] = {
        { '<', "&lt;" },
        { '>', "&gt;" },
        { '&', "&amp;" },
        { '"', "&quot;" },
        { '\'', "&apos;" },
    };
    size_t i;

    for (; *text; text++) {
        for (i = 0; i < G_N_ELEMENTS(entities) && entities[i].c != *text; i++)
            ;
        if (i < G_N_ELEMENTS(entities))
            g_string_append(out, entities[i].entity);
        else
            g_string_append_c(out, *text);
    }
}


static void
appendAttribute(GString *out,
                const char *prefix,
                const char *name,
                const char *value)
{
    g_string_append_printf(out, " %s%s%s='", prefix ? prefix : "", prefix && name ? ":" : "", name ? name : "");
    appendEscaped(out, value ? value : "");
    g_string_append_c(out, '\'');
}


static void
appendName(GString *out,
           xmlNodePtr node)
{
    if (node->ns && node->ns->prefix)
        g_string_append_printf(out, "%s:", (const char *)node->ns->prefix);
    g_string_append(out, (const char *)node->name);
}


/* <NAME and its attributes, then namespaces, as libvirt does. */
static void
appendStart(GString *out,
            xmlNodePtr node)
{
    xmlAttrPtr attribute;
    xmlNsPtr ns;

    g_string_append_c(out, '<');
    appendName(out, node);
    for (attribute = node->properties; attribute; attribute = attribute->next) {
        xmlChar *value = xmlNodeListGetString(node->doc, attribute->children, 1);

        appendAttribute(out, attribute->ns ? (const char *)attribute->ns->prefix : NULL, (const char *)attribute->name,
                        (const char *)value);
        xmlFree(value);
    }
    for (ns = node->nsDef; ns; ns = ns->next)
        appendAttribute(out, "xmlns", (const char *)ns->prefix, (const char *)ns->href);
}


/* libvirt keeps <metadata> as it is, with quotes, CDATA and comments, and prints
 * it with libxml2. */
static void
appendForeign(GString *out,
              xmlNodePtr node,
              int level)
{
    xmlBufferPtr buffer = xmlBufferCreate();
    const char *text;

    xmlNodeDump(buffer, node->doc, node, level, 1);
    /* some versions of libxml2 indent the first line, some do not */
    text = (const char *)xmlBufferContent(buffer);
    text += strspn(text, " ");
    indent(out, level);
    g_string_append_printf(out, "%s\n", text);
    xmlBufferFree(buffer);
}


static bool
hasText(xmlNodePtr node)
{
    for (node = node->children; node; node = node->next) {
        if (node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE || node->type == XML_ENTITY_REF_NODE)
            return true;
    }
    return false;
}


static void
appendElement(GString *out,
              xmlNodePtr node,
              int level);


/* Outside of <metadata> an element has text or elements, never both. */
static void
appendContent(GString *out,
              xmlNodePtr node,
              int level)
{
    xmlNodePtr child;

    if (hasText(node)) {
        xmlChar *text = xmlNodeGetContent(node);

        appendEscaped(out, (const char *)text);
        xmlFree(text);
        return;
    }

    g_string_append_c(out, '\n');
    for (child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE)
            appendElement(out, child, level + 1);
    }
    indent(out, level);
}


static void
appendElement(GString *out,
              xmlNodePtr node,
              int level)
{
    if (level == 1 && strcmp((const char *)node->name, "metadata") == 0) {
        appendForeign(out, node, level);
        return;
    }

    indent(out, level);
    appendStart(out, node);
    if (!node->children) {
        g_string_append(out, "/>\n");
        return;
    }

    g_string_append_c(out, '>');
    appendContent(out, node, level);
    g_string_append(out, "</");
    appendName(out, node);
    g_string_append(out, ">\n");
}


char *
hvmemPrint(xmlDocPtr doc)
{
    GString *out = g_string_new(NULL);

    appendElement(out, xmlDocGetRootElement(doc), 0);
    return g_string_free(out, FALSE);
}


char *
hvmemPrintElement(xmlNodePtr node)
{
    GString *out = g_string_new(NULL);

    appendElement(out, node, 0);
    return g_strchomp(g_string_free(out, FALSE));
}
