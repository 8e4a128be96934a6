/*
 * hvmem-xml.c: helpers for libxml2
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-xml.h"

#include <string.h>

#define LIBOSINFO_URI "http://libosinfo.org/xmlns/libvirt/domain/1.0"


xmlDocPtr
hvmemXMLParse(const char *text,
              GError **error)
{
    xmlDocPtr doc = xmlReadMemory(text, strlen(text), "domain.xml", NULL,
                                  XML_PARSE_NONET | XML_PARSE_NOBLANKS | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);

    if (!doc || !xmlDocGetRootElement(doc)) {
        hvmemFail(error, "the domain's XML cannot be read");
        g_clear_pointer(&doc, xmlFreeDoc);
    }
    return doc;
}


char *
hvmemXMLDump(xmlDocPtr doc)
{
    return hvmemXMLDumpNode(xmlDocGetRootElement(doc));
}


char *
hvmemXMLDumpNode(xmlNodePtr node)
{
    xmlBufferPtr buffer = xmlBufferCreate();
    char *text;

    xmlNodeDump(buffer, node->doc, node, 0, 0);
    text = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}


/* One for all queries of a thread: libxml2 registers each function of XPath in a new one, which takes longer than any query. */
static xmlXPathContextPtr
contextOf(xmlNodePtr node)
{
    static GPrivate kept = G_PRIVATE_INIT((GDestroyNotify)xmlXPathFreeContext);
    xmlXPathContextPtr context = g_private_get(&kept);

    if (!context) {
        context = xmlXPathNewContext(NULL);
        g_private_set(&kept, context);
    }
    context->doc = node->doc;
    context->node = node;
    return context;
}


static xmlXPathObjectPtr
evaluate(xmlNodePtr node,
         const char *xpath)
{
    xmlXPathObjectPtr result = xmlXPathEvalExpression((const xmlChar *)xpath, contextOf(node));

    if (!result)
        g_error("wrong XPath expression '%s'", xpath);
    return result;
}


char *
hvmemXMLString(xmlNodePtr node,
               const char *xpath)
{
    xmlXPathObjectPtr result = evaluate(node, xpath);
    xmlChar *text = xmlXPathCastToString(result);
    char *copy = *text ? g_strdup((const char *)text) : NULL;

    xmlFree(text);
    xmlXPathFreeObject(result);
    return copy;
}


guint64
hvmemXMLNumber(xmlNodePtr node,
               const char *xpath)
{
    g_autofree char *text = hvmemXMLString(node, xpath);

    return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}


bool
hvmemXMLTest(xmlNodePtr node,
             const char *xpath)
{
    xmlXPathObjectPtr result = evaluate(node, xpath);
    bool yes = xmlXPathCastToBoolean(result);

    xmlXPathFreeObject(result);
    return yes;
}


GPtrArray *
hvmemXMLNodes(xmlNodePtr node,
              const char *xpath)
{
    xmlXPathObjectPtr result = evaluate(node, xpath);
    GPtrArray *nodes = g_ptr_array_new();
    int i;

    for (i = 0; result->nodesetval && i < result->nodesetval->nodeNr; i++)
        g_ptr_array_add(nodes, result->nodesetval->nodeTab[i]);

    xmlXPathFreeObject(result);
    return nodes;
}


unsigned int
hvmemXMLCount(xmlNodePtr node,
              const char *xpath)
{
    g_autoptr(GPtrArray) nodes = hvmemXMLNodes(node, xpath);

    return nodes->len;
}


xmlNodePtr
hvmemXMLNode(xmlNodePtr node,
             const char *xpath)
{
    g_autoptr(GPtrArray) nodes = hvmemXMLNodes(node, xpath);

    return nodes->len ? nodes->pdata[0] : NULL;
}


guint64
hvmemXMLScale(const char *number,
              const char *unit)
{
    g_autofree char *text = g_strconcat(number, unit ? unit : "", NULL);
    guint64 bytes = 0;

    /* a user must not give 0, but XML may have it */
    return hvmemParseSize(text, "size", &bytes, NULL) ? bytes : 0;
}


guint64
hvmemXMLSize(xmlNodePtr node,
             const char *xpath,
             guint64 fallback)
{
    xmlNodePtr element = hvmemXMLNode(node, xpath);
    g_autofree char *number = NULL;
    g_autofree char *unit = NULL;

    if (!element)
        return fallback;

    number = hvmemXMLString(element, "normalize-space(.)");
    unit = hvmemXMLString(element, "string(@unit)");
    return number ? hvmemXMLScale(number, unit) : fallback;
}


bool
hvmemXMLIsWindows(xmlNodePtr root)
{
    return hvmemXMLTest(root, "metadata/*[namespace-uri() = '" LIBOSINFO_URI "']/*[local-name() = 'os' and "
                        "starts-with(@id, 'http://microsoft.com/win')]");
}
