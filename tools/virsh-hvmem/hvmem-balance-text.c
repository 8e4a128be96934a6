/*
 * hvmem-balance-text.c: the balancer's decisions in words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-balance-text.h"
#include "hvmem-json.h"
#include "hvmem-output.h"
#include "hvmem-table.h"


const char *
hvmemBalanceMoveName(hvmemBalanceMove move)
{
    static const char *const names[] = { "stay", "grow", "grow-part", "wait", "shrink", "take", "stuck" };

    return names[move];
}


const char *
hvmemBalanceBoundName(hvmemBalanceBound bound)
{
    static const char *const names[] = { "demand", "minimum", "maximum", "buffer-cut", "demand-cut", "left-alone" };

    return names[bound];
}


const char *
hvmemBalanceStateName(hvmemBalanceState state)
{
    static const char *const names[] = { "ready", "silent", "disconnected", "refused", "frozen", "not-onlined", "paused", "migrating", "held",
                                         "busy", "fixed" };

    return names[state];
}


static const char *
aloneText(hvmemBalanceState state)
{
    static const char *const texts[] = {
        "left alone", "left alone: it has not told lately what it uses", "left alone: its driver is not connected", "left alone: libvirt or the guest refused a request",
        "left alone: it does not answer", "left alone: it does not use the memory that it was given", "left alone: it is paused",
        "left alone: it is being migrated", "left alone: 'auto --hold' says so", "left alone: libvirt is busy with it",
        "left alone: its memory is in huge pages or locked, and others could not have what it gives back",
    };

    return texts[state];
}


static char *
maximumText(const hvmemBalanced *guest)
{
    static const char *const limits[] = {
        [HVMEM_BALANCED_NO_SLOT] = "no memory slot is free for one more stick",
        [HVMEM_BALANCED_NO_SPACE] = "no larger range of addresses is free for a stick",
        [HVMEM_BALANCED_TAKES] = "it took no more when more was requested",
    };
    g_autofree char *size = hvmemFormatSize(hvmemFromKiB(guest->in.maximum));

    if (guest->limit == HVMEM_BALANCED_SET)
        return g_strdup("its maximum");
    return g_strdup_printf("%s, all that it can have now, since %s", size, limits[guest->limit]);
}


/* What bounds the goal, to follow a colon. */
static char *
boundText(const hvmemBalanced *guest)
{
    const hvmemBalanceDecision *out = &guest->out;
    g_autofree char *wish = hvmemFormatSize(hvmemFromKiB(out->wish));
    g_autofree char *goal = hvmemFormatSize(hvmemFromKiB(out->goal));
    g_autofree char *maximum = maximumText(guest);

    switch (out->bound) {
    case HVMEM_BALANCE_AT_MINIMUM:
        return g_strdup_printf("its minimum, more than demand and buffer (%s)", wish);
    case HVMEM_BALANCE_AT_MAXIMUM:
        return g_strdup_printf("%s; demand and buffer would be %s", maximum, wish);
    case HVMEM_BALANCE_BUFFER_CUT:
        return g_strdup_printf("%s, less than demand and buffer (%s), since the budget does not suffice for all buffers", goal, wish);
    case HVMEM_BALANCE_DEMAND_CUT:
        return g_strdup_printf("%s, its share by weight, since the budget does not suffice for what all guests use", goal);
    case HVMEM_BALANCE_DEMAND:
    case HVMEM_BALANCE_LEFT_ALONE:
        break;
    }
    return g_strdup_printf("%s, demand and buffer", goal);
}


static const char *
moveText(hvmemBalanceMove move)
{
    switch (move) {
    case HVMEM_BALANCE_GROW:
        return "grows to";
    case HVMEM_BALANCE_GROW_PART:
        return "grows as far as there is room, on the way to";
    case HVMEM_BALANCE_WAIT:
        return "waits until others have given back, to grow to";
    case HVMEM_BALANCE_SHRINK:
        return "slowly gives back what it does not use, down to about";
    case HVMEM_BALANCE_TAKE:
        return "gives back at once what others or the host need, at most down to";
    case HVMEM_BALANCE_STUCK:
        return "does not give back what was requested, and counts as what it has; its goal is";
    case HVMEM_BALANCE_STAY:
        break;
    }
    return "stays; its goal is";
}


char *
hvmemBalanceReason(const hvmemBalanced *guest)
{
    g_autofree char *bound = NULL;

    if (guest->out.bound == HVMEM_BALANCE_LEFT_ALONE)
        return g_strdup(aloneText(guest->in.state));
    if (guest->limit == HVMEM_BALANCED_TAKES && guest->in.requested > guest->in.maximum)
        return g_strdup("has not taken what was requested: others may have the rest");

    bound = boundText(guest);
    return g_strdup_printf("%s %s", moveText(guest->out.move), bound);
}


/*
 * All of it
 */

static guint64
bytes(guint64 kib)
{
    return kib == HVMEM_BALANCE_UNKNOWN ? HVMEM_UNKNOWN : hvmemFromKiB(kib);
}


char *
hvmemBalanceReserveText(const hvmemBalancer *balancer)
{
    guint64 kept = hvmemFromKiB(balancer->summary.reserve);
    g_autofree char *size = hvmemFormatSize(kept);
    g_autofree char *reserve = hvmemFormatSize(balancer->reserve);
    g_autofree char *budget = hvmemFormatSize(bytes(balancer->host.budget));

    if (balancer->reserve == HVMEM_UNKNOWN || balancer->reserve / HVMEM_KIB <= balancer->summary.reserve)
        return NULL;
    return g_strdup_printf("only %s of the reserve of %s can be kept now: guests may have %s in all, and the rest of that are the minimums of automatic "
                           "guests, who get no more, and what others hold. A smaller reserve would leave them more", size, reserve, budget);
}


static char *
hostText(const hvmemBalancer *balancer)
{
    static const char *const pressures[] = { "", "; the host is short of memory", "; the host is very short of memory" };
    g_autofree char *budget = hvmemFormatSize(bytes(balancer->host.budget));
    g_autofree char *reserve = hvmemFormatSize(bytes(hvmemShareAdd(balancer->summary.reserve, balancer->summary.reboot)));
    g_autofree char *used = hvmemFormatSize(bytes(balancer->host.used));
    g_autofree char *held = hvmemFormatSize(bytes(balancer->summary.held));
    g_autofree char *wish = hvmemFormatSize(bytes(balancer->summary.wish));
    g_autofree char *room = hvmemFormatSize(bytes(balancer->summary.room));
    g_autofree char *lacking = hvmemBalanceReserveText(balancer);

    if (lacking)
        *lacking = g_ascii_toupper(*lacking);
    return g_strdup_printf("Budget %s, of that reserved for guests that start or are rebooted %s, held by other guests %s. These guests hold %s and would have %s; "
                           "%s will be free%s%s.%s%s%s\n", budget, reserve, used, held, wish, room, pressures[balancer->host.pressure],
                           balancer->summary.over ? "; their minimums are more than the budget" : "", lacking ? " " : "", lacking ? lacking : "", lacking ? "." : "");
}


char *
hvmemBalanceTable(const hvmemBalancer *balancer,
                  bool header,
                  int width)
{
    g_autoptr(hvmemTable) table = hvmemTableNew("Guest", ">Demand", ">Has", ">Requested", ">Next", "Reason", NULL);
    g_autofree char *text = NULL;
    g_autofree char *host = hostText(balancer);
    g_autofree char *wrapped = hvmemWrap(host, CLAMP(width, 40, 100), 0);
    size_t i;

    for (i = 0; i < balancer->active->len; i++) {
        const hvmemBalanced *guest = balancer->active->pdata[i];
        g_autofree char *demand = hvmemFormatSize(bytes(guest->in.demand));
        g_autofree char *actual = hvmemFormatSize(bytes(guest->in.actual));
        g_autofree char *requested = hvmemFormatSize(bytes(guest->in.requested));
        g_autofree char *target = hvmemFormatSize(bytes(guest->out.target));
        g_autofree char *reason = hvmemBalanceReason(guest);

        hvmemTableAdd(table, guest->dom->name, demand, actual, requested, target, reason, NULL);
    }
    text = hvmemTableFormat(table, header, width);
    return g_strconcat(text, header ? "\n" : "", header ? wrapped : "", NULL);
}


void
hvmemBalanceJSONGuest(JsonBuilder *builder,
                      const hvmemBalanced *guest)
{
    g_autofree char *reason = hvmemBalanceReason(guest);

    json_builder_begin_object(builder);
    hvmemJSONString(builder, "name", guest->dom->name);
    hvmemJSONString(builder, "uuid", guest->dom->uuid);
    hvmemJSONString(builder, "state", hvmemBalanceStateName(guest->in.state));
    hvmemJSONSize(builder, "minimum", bytes(guest->in.minimum));
    hvmemJSONSize(builder, "maximum", bytes(guest->in.maximum));
    hvmemJSONSize(builder, "demand", bytes(guest->in.demand));
    hvmemJSONSize(builder, "current", bytes(guest->in.actual));
    hvmemJSONSize(builder, "requested", bytes(guest->in.requested));
    hvmemJSONSize(builder, "target", bytes(guest->out.target));
    hvmemJSONSize(builder, "goal", bytes(guest->out.goal));
    hvmemJSONString(builder, "move", hvmemBalanceMoveName(guest->out.move));
    hvmemJSONString(builder, "bound", hvmemBalanceBoundName(guest->out.bound));
    hvmemJSONString(builder, "reason", reason);
    json_builder_end_object(builder);
}


JsonNode *
hvmemBalanceJSON(const hvmemBalancer *balancer,
                 bool all)
{
    static const char *const pressures[] = { "none", "some", "full" };
    g_autoptr(JsonBuilder) builder = hvmemJSONBegin("balance");
    size_t i;

    json_builder_set_member_name(builder, "time");
    json_builder_add_double_value(builder, g_get_real_time() / (double)G_USEC_PER_SEC);
    hvmemJSONSize(builder, "budget", bytes(balancer->host.budget));
    hvmemJSONSize(builder, "reserve", bytes(hvmemShareAdd(balancer->summary.reserve, balancer->summary.reboot)));
    hvmemJSONSize(builder, "others", bytes(balancer->host.used));
    hvmemJSONSize(builder, "held", bytes(balancer->summary.held));
    hvmemJSONSize(builder, "wish", bytes(balancer->summary.wish));
    hvmemJSONSize(builder, "room", bytes(balancer->summary.room));
    hvmemJSONString(builder, "pressure", pressures[balancer->host.pressure]);
    json_builder_set_member_name(builder, "guests");
    json_builder_begin_array(builder);
    for (i = 0; i < balancer->active->len; i++) {
        const hvmemBalanced *guest = balancer->active->pdata[i];

        if (all || hvmemBalancedMoves(guest))
            hvmemBalanceJSONGuest(builder, guest);
    }
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    return json_builder_get_root(builder);
}
