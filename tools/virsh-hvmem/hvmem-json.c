/*
 * hvmem-json.c: output for programs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-json.h"
#include "hvmem-explain.h"

#include <stdio.h>


JsonBuilder *
hvmemJSONBegin(const char *command)
{
    JsonBuilder *builder = json_builder_new();

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "schema");
    json_builder_add_int_value(builder, HVMEM_JSON_SCHEMA);
    hvmemJSONString(builder, "command", command);
    return builder;
}


static void
appendEscaped(GString *out,
              gunichar c)
{
    if (c > 0xffff)
        g_string_append_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + (c & 0x3ff));
    else
        g_string_append_printf(out, "\\u%04x", c);
}


char *
hvmemJSONText(JsonNode *root,
              bool pretty)
{
    g_autofree char *raw = json_to_string(root, pretty);
    /* a name from the command line, or from a remote daemon, may not be UTF-8: its last byte would take the quote with it */
    g_autofree char *text = g_utf8_make_valid(raw, -1);
    GString *out = g_string_new(NULL);
    const char *at;

    for (at = text; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);

        if (hvmemIsObeyed(c))
            appendEscaped(out, c);
        else
            g_string_append_unichar(out, c);
    }
    return g_string_free(out, FALSE);
}


static void
print(JsonBuilder *builder,
      bool pretty)
{
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *text = NULL;

    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    text = hvmemJSONText(root, pretty);
    printf("%s\n", text);
    g_object_unref(builder);
}


void
hvmemJSONPrint(JsonBuilder *builder)
{
    print(builder, true);
}


void
hvmemJSONPrintLine(JsonBuilder *builder)
{
    print(builder, false);
    fflush(stdout);
}


void
hvmemJSONSize(JsonBuilder *builder,
              const char *name,
              guint64 bytes)
{
    if (bytes == HVMEM_UNKNOWN)
        return;

    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, MIN(bytes, (guint64)G_MAXINT64));
}


void
hvmemJSONString(JsonBuilder *builder,
                const char *name,
                const char *value)
{
    if (!value)
        return;

    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, value);
}


void
hvmemJSONBool(JsonBuilder *builder,
              const char *name,
              bool value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_boolean_value(builder, value);
}


void
hvmemJSONStrings(JsonBuilder *builder,
                 const char *name,
                 const GPtrArray *values)
{
    size_t i;

    json_builder_set_member_name(builder, name);
    json_builder_begin_array(builder);
    for (i = 0; i < values->len; i++)
        json_builder_add_string_value(builder, values->pdata[i]);
    json_builder_end_array(builder);
}


void
hvmemJSONError(JsonBuilder *builder,
               const GError *error)
{
    int status = hvmemErrorStatus(error);

    json_builder_set_member_name(builder, "error");
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "status");
    json_builder_add_int_value(builder, status);
    hvmemJSONString(builder, "kind", hvmemExitName(status));
    hvmemJSONString(builder, "name", hvmemErrorGetDomain(error));
    hvmemJSONString(builder, "message", error->message);
    hvmemJSONString(builder, "cause", hvmemErrorGetCause(error));
    hvmemJSONString(builder, "hint", hvmemErrorGetHint(error));
    if (hvmemErrorGetRequested(error))
        hvmemJSONSize(builder, "requested", hvmemErrorGetRequested(error));
    if (hvmemErrorGetLimit(error))
        hvmemJSONSize(builder, "limit", hvmemErrorGetLimit(error));
    json_builder_end_object(builder);
}


/*
 * Domains
 */

static void
addStick(JsonBuilder *builder,
         const hvmemStick *stick)
{
    json_builder_begin_object(builder);
    hvmemJSONString(builder, "alias", stick->alias);
    hvmemJSONSize(builder, "addr", stick->addr);
    hvmemJSONSize(builder, "size", stick->size);
    hvmemJSONString(builder, "state", stick->state);
    hvmemJSONSize(builder, "added", stick->added);
    hvmemJSONSize(builder, "released", stick->released);
    hvmemJSONString(builder, "owner", stick->byDriver ? "driver" : "user");
    json_builder_end_object(builder);
}


static void
addBalloon(JsonBuilder *builder,
           const hvmemDomain *dom)
{
    size_t i;

    hvmemJSONSize(builder, "requested", dom->requested);
    hvmemJSONSize(builder, "boot", dom->boot);
    hvmemJSONSize(builder, "capacity", dom->capacity);
    hvmemJSONSize(builder, "released", dom->released);
    hvmemJSONSize(builder, "ghosts", dom->ghosts);
    hvmemJSONSize(builder, "free_slots", dom->freeSlots);
    if (dom->told) {
        hvmemJSONSize(builder, "alignment", dom->alignment);
        hvmemJSONBool(builder, "connected", dom->connected);
        hvmemJSONString(builder, "state", dom->state);
        hvmemJSONString(builder, "last_error", dom->lastError);
    }

    json_builder_set_member_name(builder, "sticks");
    json_builder_begin_array(builder);
    for (i = 0; i < dom->sticks->len; i++)
        addStick(builder, dom->sticks->pdata[i]);
    json_builder_end_array(builder);
}


static void
addExplanation(JsonBuilder *builder,
               const hvmemDomain *dom)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);

    hvmemJSONString(builder, "summary", why->label);
    hvmemJSONBool(builder, "problem", why->problem);
    hvmemJSONString(builder, "meaning", why->meaning);
    hvmemJSONString(builder, "remedy", why->remedy);
    hvmemJSONString(builder, "next", why->next);
}


static void
addMove(JsonBuilder *builder,
        const hvmemDomain *dom)
{
    static const char *const words[] = { [HVMEM_MOVE_OUT] = "out", [HVMEM_MOVE_IN] = "in", [HVMEM_MOVE_BROKEN] = "broken" };

    if (dom->active && dom->move != HVMEM_MOVE_NONE)
        hvmemJSONString(builder, "migration", words[dom->move]);
    else if (!dom->active && dom->movedAway)
        hvmemJSONString(builder, "migration", "away");
    if (dom->move == HVMEM_MOVE_OUT && dom->moved >= 0) {
        json_builder_set_member_name(builder, "migrated_percent");
        json_builder_add_double_value(builder, dom->moved);
    }
}


static void
addNumber(JsonBuilder *builder,
          const char *name,
          gint64 number)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, number);
}


void
hvmemJSONAutoMembers(JsonBuilder *builder,
                     const hvmemAuto *settings,
                     const hvmemDomain *dom)
{
    hvmemJSONSize(builder, "minimum", hvmemAutoMinimum(settings, dom));
    hvmemJSONSize(builder, "maximum", hvmemAutoMaximum(settings, dom));
    addNumber(builder, "buffer", settings->buffer);
    addNumber(builder, "weight", settings->weight);
    if (settings->hold)
        addNumber(builder, "hold", settings->hold);
}


static void
addAuto(JsonBuilder *builder,
        const hvmemDomain *dom)
{
    if (!hvmemAutoIsOn(dom))
        return;

    json_builder_set_member_name(builder, "auto");
    json_builder_begin_object(builder);
    hvmemJSONAutoMembers(builder, &dom->automatic, dom);
    json_builder_end_object(builder);
    hvmemJSONSize(builder, "demand", hvmemAutoDemand(dom));
}


void
hvmemJSONDomainMembers(JsonBuilder *builder,
                       const hvmemDomain *dom)
{
    g_autofree char *pending = hvmemDomainPending(dom);

    hvmemJSONString(builder, "name", dom->name);
    hvmemJSONString(builder, "uuid", dom->uuid);
    hvmemJSONBool(builder, "running", dom->active);
    hvmemJSONString(builder, "model", dom->model);
    hvmemJSONSize(builder, "current", dom->current);
    hvmemJSONSize(builder, "maximum", dom->total);
    hvmemJSONSize(builder, "max_memory", dom->maxMemory);
    if (dom->minimum)
        hvmemJSONSize(builder, "minimum", dom->minimum);
    hvmemJSONSize(builder, "usable", dom->usable);
    hvmemJSONSize(builder, "rss", dom->rss);
    hvmemJSONString(builder, "host", dom->host);
    addMove(builder, dom);
    if (dom->hyperv) {
        addBalloon(builder, dom);
        addExplanation(builder, dom);
    }
    addAuto(builder, dom);
    hvmemJSONString(builder, "pending", pending);
}


void
hvmemJSONDomain(JsonBuilder *builder,
                const hvmemDomain *dom)
{
    json_builder_begin_object(builder);
    hvmemJSONDomainMembers(builder, dom);
    json_builder_end_object(builder);
}
