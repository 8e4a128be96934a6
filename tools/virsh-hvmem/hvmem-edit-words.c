/*
 * hvmem-edit-words.c: what 'enable' does, in plain words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-edit-words.h"


static void G_GNUC_PRINTF(2, 3)
say(hvmemEdit *edit,
    const char *format,
    ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(edit->words, g_strdup_vprintf(format, args));
    va_end(args);
}


/* Where the ceiling comes from. */
static const char *
ceilingReason(const hvmemEditSizes *sizes,
              bool had)
{
    if (sizes->max != HVMEM_UNKNOWN)
        return "--max says so";
    return had ? "its <maxMemory> says so already" : "that is what this host has; --max SIZE names another";
}


void
hvmemEditSay(hvmemEdit *edit,
             xmlNodePtr root,
             const hvmemEditSizes *sizes,
             const char *model,
             bool had)
{
    g_autofree char *name = hvmemXMLString(root, "normalize-space(name)");
    guint64 memory = hvmemXMLSize(root, "memory", 0);
    g_autofree char *start = hvmemFormatSize(hvmemXMLSize(root, "currentMemory", memory));
    g_autofree char *max = hvmemFormatSize(hvmemXMLSize(root, "maxMemory", 0));
    bool reporting = hvmemXMLTest(root, "devices/memballoon/@freePageReporting = 'on'");

    say(edit, "From its next start on, '%s' starts with %s as before, and its memory can be changed while it runs, up to a ceiling of %s: %s.",
        name ? name : "?", start, max, ceilingReason(sizes, had));
    say(edit, "For that it gets a hyperv balloon%s%s%s and sees a Hyper-V (vpindex, synic)%s, and it is not offered hibernation, during which memory could "
        "not be changed.", model ? " in place of its balloon of model " : "", model ? model : "", model ? "," : "",
        hvmemXMLTest(root, "features/kvm/hidden[@state = 'on']") ? " instead of KVM" : "");
    if (reporting)
        say(edit, "Free page reporting is on: memory that the guest does not use goes back to the host, also without a request. A host that the guest is "
            "migrated to must have it, too; --no-free-page-reporting leaves it off.");
    else if (sizes->notReporting)
        say(edit, "Free page reporting is off: %s.", sizes->notReporting);
}


void
hvmemEditSayPlugged(hvmemEdit *edit,
                    guint64 plugged,
                    guint64 size,
                    bool had,
                    bool costly)
{
    g_autofree char *total = hvmemFormatSize(plugged);
    g_autofree char *stick = hvmemFormatSize(size);

    if (size > 0)
        say(edit, "When it starts, %s is plugged: boot memory, which does not change, and a stick of %s, of which the guest is given only what is "
            "requested. So programs that take <memory> for the limit, as Cockpit does, can raise a running guest to that. %s", total, stick,
            costly ? "The stick takes its whole size of the host's memory at the start: it is in huge pages, allocated at once, locked, or within reach of a "
            "passed-through device." : "What the guest is not given of it costs the host nothing.");
    else if (had)
        say(edit, "Nothing beyond %s is plugged any more when it starts.", total);
}
