/*
 * hvmem-record.c: sizes over time, and their file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-record.h"
#include "hvmem-auto.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OLD_HEADER "time,domain,requested,current,usable,rss,capacity,state,event"
#define HEADER OLD_HEADER ",demand"
#define OLD_FIELDS 9
#define FIELDS 10
#define LATEST 253402300799.0   /* the last second of the year 9999 */


static void
eventFree(hvmemEvent *event)
{
    g_free(event->text);
    g_free(event);
}


hvmemRecord *
hvmemRecordNew(const char *name)
{
    hvmemRecord *record = g_new0(hvmemRecord, 1);

    record->name = g_strdup(name);
    record->samples = g_array_new(FALSE, TRUE, sizeof(hvmemSample));
    record->events = g_ptr_array_new_with_free_func((GDestroyNotify)eventFree);
    return record;
}


void
hvmemRecordFree(hvmemRecord *record)
{
    if (!record)
        return;

    g_free(record->name);
    g_array_unref(record->samples);
    g_ptr_array_unref(record->events);
    g_free(record);
}


void
hvmemRecordAdd(hvmemRecord *record,
               double time,
               const hvmemDomain *dom)
{
    hvmemSample sample = {
        .time = time,
        .requested = dom->requested,
        .current = dom->active ? dom->current : 0,
        .usable = dom->active ? dom->usable : HVMEM_UNKNOWN,
        .rss = dom->active ? dom->rss : HVMEM_UNKNOWN,
        .capacity = dom->total,
        .demand = hvmemAutoIsOn(dom) ? hvmemAutoDemand(dom) : HVMEM_UNKNOWN,
    };

    g_strlcpy(sample.state, !dom->active ? "shut-off" : dom->state ? dom->state : "", sizeof(sample.state));
    g_array_append_val(record->samples, sample);
}


void
hvmemRecordAddEvent(hvmemRecord *record,
                    double time,
                    const char *text)
{
    hvmemEvent *event = g_new0(hvmemEvent, 1);

    event->time = time;
    event->text = g_strdup(text);
    g_ptr_array_add(record->events, event);
}


static guint64
larger(guint64 top,
       guint64 value)
{
    return value == HVMEM_UNKNOWN ? top : MAX(top, value);
}


guint64
hvmemRecordTop(const hvmemRecord *record)
{
    guint64 top = 0;
    size_t i;

    for (i = 0; i < record->samples->len; i++) {
        const hvmemSample *sample = &g_array_index(record->samples, hvmemSample, i);

        top = larger(larger(larger(larger(top, sample->requested), sample->current), sample->rss), sample->demand);
    }
    return MIN(top, (guint64)G_MAXINT64);
}


/*
 * Writing
 */

static char *
quote(const char *text)
{
    g_auto(GStrv) parts = NULL;
    g_autofree char *doubled = NULL;

    if (!strpbrk(text, ",\"\r\n"))
        return g_strdup(text);

    parts = g_strsplit(text, "\"", -1);
    doubled = g_strjoinv("\"\"", parts);
    return g_strdup_printf("\"%s\"", doubled);
}


/* Prepares an older recording at @path for more lines: what is left of a line that was cut off goes. */
static bool
prepareToAppend(const char *path,
                GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) reason = NULL;
    size_t length;

    if (!g_file_get_contents(path, &text, &length, &reason))
        return hvmemFail(error, "cannot read '%s': %s", path, reason->message);
    if (g_str_has_prefix(text, OLD_HEADER "\n")) {
        hvmemFailRefused(error, "'%s' is a recording of version 0.1, without the column demand, so nothing is appended to it", path);
        return hvmemErrorHint(error, "Record into another file; 'virsh-hvmem plot' draws both.");
    }
    if (!g_str_has_prefix(text, HEADER "\n"))
        return hvmemFailRefused(error, "'%s' is not a recording of 'virsh-hvmem watch --record', so nothing is appended to it", path);

    while (length > 0 && text[length - 1] != '\n')
        length--;
    return truncate(path, length) == 0 || hvmemFail(error, "cannot write '%s': %s", path, g_strerror(errno));
}


FILE *
hvmemRecordOpen(const char *path,
                hvmemRecordMode mode,
                GError **error)
{
    struct stat there;
    bool filled = stat(path, &there) == 0 && S_ISREG(there.st_mode) && there.st_size > 0;
    bool append = filled && mode == HVMEM_RECORD_APPEND;
    FILE *file;

    if (filled && mode == HVMEM_RECORD_NEW) {
        hvmemFailRefused(error, "'%s' exists, and is not overwritten", path);
        hvmemErrorHint(error, "--append continues that recording, --force replaces it.");
        return NULL;
    }
    if (append && !prepareToAppend(path, error))
        return NULL;

    if (!(file = fopen(path, append ? "ae" : "we"))) {
        hvmemFail(error, "cannot write '%s': %s", path, g_strerror(errno));
        return NULL;
    }
    if (!append)
        hvmemRecordWriteHeader(file);
    return file;
}


void
hvmemRecordFlush(FILE *file,
                 int *failure)
{
    if (fflush(file) != 0 && !*failure)
        *failure = errno;
}


void
hvmemRecordWriteHeader(FILE *file)
{
    fprintf(file, HEADER "\n");
}


static void
writeSize(FILE *file,
          guint64 bytes)
{
    if (bytes == HVMEM_UNKNOWN)
        fprintf(file, ",");
    else
        fprintf(file, ",%" G_GUINT64_FORMAT, bytes);
}


void
hvmemRecordWriteSample(FILE *file,
                       const char *name,
                       const hvmemSample *sample)
{
    g_autofree char *domain = quote(name);
    char time[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(file, "%s,%s", g_ascii_formatd(time, sizeof(time), "%.3f", sample->time), domain);
    writeSize(file, sample->requested);
    writeSize(file, sample->current);
    writeSize(file, sample->usable);
    writeSize(file, sample->rss);
    writeSize(file, sample->capacity);
    fprintf(file, ",%s,", sample->state);
    writeSize(file, sample->demand);
    fprintf(file, "\n");
}


void
hvmemRecordWriteEvent(FILE *file,
                      const char *name,
                      const hvmemEvent *event)
{
    g_autofree char *domain = quote(name);
    g_autofree char *text = quote(event->text);
    char time[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(file, "%s,%s,,,,,,,%s,\n", g_ascii_formatd(time, sizeof(time), "%.3f", event->time), domain, text);
}


/*
 * Reading
 */

/* Reads one field from @text; false at the end of the line. */
static bool
takeField(const char **text,
          GString *field)
{
    const char *p = *text;
    bool quoted = *p == '"';

    g_string_truncate(field, 0);
    if (quoted)
        p++;

    for (; *p; p++) {
        if (quoted && p[0] == '"' && p[1] == '"')
            p++;
        else if (quoted && *p == '"')
            quoted = false, p++;
        if (!*p || (!quoted && (*p == ',' || *p == '\n' || *p == '\r')))
            break;
        g_string_append_c(field, *p);
    }

    *text = *p == ',' ? p + 1 : p;
    return *p == ',';
}


/* Reads the fields of a line; @text is moved to the next line. */
static GPtrArray *
takeLine(const char **text)
{
    GPtrArray *fields = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) field = g_string_new(NULL);
    bool more;

    do {
        more = takeField(text, field);
        g_ptr_array_add(fields, g_strdup(field->str));
    } while (more);

    while (**text == '\r' || **text == '\n')
        (*text)++;
    return fields;
}


static bool
parseSize(const char *text,
          guint64 *bytes)
{
    *bytes = HVMEM_UNKNOWN;
    return !*text || g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, bytes, NULL);
}


static hvmemRecord *
recordOf(GPtrArray *records,
         const char *name)
{
    size_t i;

    for (i = 0; i < records->len; i++) {
        hvmemRecord *record = records->pdata[i];

        if (strcmp(record->name, name) == 0)
            return record;
    }
    g_ptr_array_add(records, hvmemRecordNew(name));
    return records->pdata[records->len - 1];
}


static bool
parseFields(GPtrArray *records,
            const GPtrArray *fields,
            guint expected)
{
    hvmemSample sample = { .demand = HVMEM_UNKNOWN };
    char *end;

    if (fields->len != expected)
        return false;

    sample.time = g_ascii_strtod(fields->pdata[0], &end);
    /* not what is no number, either */
    if (*end || end == fields->pdata[0] || !(sample.time >= 0 && sample.time <= LATEST))
        return false;

    if (*(char *)fields->pdata[8]) {
        hvmemRecordAddEvent(recordOf(records, fields->pdata[1]), sample.time, fields->pdata[8]);
        return true;
    }

    if (!parseSize(fields->pdata[2], &sample.requested) || !parseSize(fields->pdata[3], &sample.current) ||
        !parseSize(fields->pdata[4], &sample.usable) || !parseSize(fields->pdata[5], &sample.rss) ||
        !parseSize(fields->pdata[6], &sample.capacity) || (expected == FIELDS && !parseSize(fields->pdata[9], &sample.demand)))
        return false;

    g_strlcpy(sample.state, fields->pdata[7], sizeof(sample.state));
    g_array_append_val(recordOf(records, fields->pdata[1])->samples, sample);
    return true;
}


bool
hvmemRecordIsCut(const char *text)
{
    return *text && text[strlen(text) - 1] != '\n';
}


GPtrArray *
hvmemRecordParse(const char *text,
                 GError **error)
{
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)hvmemRecordFree);
    const char *p = text;
    size_t line = 1;
    guint expected = g_str_has_prefix(text, HEADER) ? FIELDS : OLD_FIELDS;

    if (!g_str_has_prefix(text, OLD_HEADER)) {
        hvmemFail(error, "this is not a recording of 'virsh-hvmem watch --record': its first line is not '%s'", HEADER);
        return NULL;
    }

    g_ptr_array_unref(takeLine(&p));
    while (*p) {
        g_autoptr(GPtrArray) fields = takeLine(&p);

        line++;
        if (!parseFields(records, fields, expected)) {
            if (!*p && hvmemRecordIsCut(text))
                break;
            hvmemFail(error, "line %zu is damaged: remove it to draw the rest", line);
            return NULL;
        }
    }

    if (records->len == 0) {
        hvmemFail(error, "the recording is empty");
        return NULL;
    }
    return g_steal_pointer(&records);
}
