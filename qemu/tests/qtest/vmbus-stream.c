/*
 * A stream of devices' states, with what concerns the VMBus spoilt
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "vmbus-stream.h"

/* As migration/savevm.h has them, which is not for tests. */
#define SECTION_FULL    0x04
#define SUBSECTION      0x05
#define FOOTER          0x7e
#define HEADER_LEN      8               /* of the stream */

#define MAX_COPIES      64
#define MAX_SLICE       32

/* ---- The stream as sections ---- */

typedef struct Section {
    char name[256];
    GByteArray *head;                   /* what is before its fields */
    GByteArray *body;
    uint32_t id;
} Section;

static Section *section_new(void)
{
    Section *s = g_new0(Section, 1);

    s->head = g_byte_array_new();
    s->body = g_byte_array_new();
    return s;
}

static void section_free(gpointer opaque)
{
    Section *s = opaque;

    g_byte_array_unref(s->head);
    g_byte_array_unref(s->body);
    g_free(s);
}

static Section *section_copy(const Section *from)
{
    Section *s = section_new();

    memcpy(s->name, from->name, sizeof(s->name));
    s->id = from->id;
    g_byte_array_append(s->head, from->head->data, from->head->len);
    g_byte_array_append(s->body, from->body->data, from->body->len);
    return s;
}

/* A section ends with a footer, after which another begins, or the end. */
static size_t find_footer(const uint8_t *data, size_t at, size_t len,
                          uint32_t id)
{
    while (data[at] != FOOTER || ldl_be_p(data + at + 1) != id ||
           (data[at + 5] != SECTION_FULL && at + 6 < len)) {
        at++;
        g_assert_cmpuint(at + 6, <=, len);
    }
    return at;
}

/* Type, id, name, instance, version; fields; footer. Returns its end. */
static size_t parse_section(const uint8_t *data, size_t at, size_t len,
                            GPtrArray *sections)
{
    Section *s = section_new();
    uint8_t name_len = data[at + 5];
    size_t body = at + 6 + name_len + 8, end;

    g_assert_cmpint(data[at], ==, SECTION_FULL);
    s->id = ldl_be_p(data + at + 1);
    memcpy(s->name, data + at + 6, name_len);
    end = find_footer(data, body, len, s->id);
    g_byte_array_append(s->head, data + at, body - at);
    g_byte_array_append(s->body, data + body, end - body);
    g_ptr_array_add(sections, s);
    return end + 5;
}

static GPtrArray *parse(GBytes *stream)
{
    GPtrArray *sections = g_ptr_array_new_with_free_func(section_free);
    size_t len, at = HEADER_LEN;
    const uint8_t *data = g_bytes_get_data(stream, &len);

    while (data[at] == SECTION_FULL) {
        at = parse_section(data, at, len, sections);
    }
    g_assert_cmpint(data[at], ==, 0);
    return sections;
}

static void put_u8(GByteArray *out, uint8_t value)
{
    g_byte_array_append(out, &value, 1);
}

static void put_be32(GByteArray *out, uint32_t value)
{
    uint8_t bytes[4];

    stl_be_p(bytes, value);
    g_byte_array_append(out, bytes, sizeof(bytes));
}

static GByteArray *unparse(GBytes *stream, const GPtrArray *sections)
{
    GByteArray *out = g_byte_array_new();

    g_byte_array_append(out, g_bytes_get_data(stream, NULL), HEADER_LEN);
    for (int i = 0; i < sections->len; i++) {
        const Section *s = g_ptr_array_index(sections, i);

        g_byte_array_append(out, s->head->data, s->head->len);
        g_byte_array_append(out, s->body->data, s->body->len);
        put_u8(out, FOOTER);
        put_be32(out, s->id);
    }
    put_u8(out, 0);
    return out;
}

static bool is_ours(const Section *s)
{
    return g_str_equal(s->name, "vmbus-bridge") ||
           g_str_has_prefix(s->name, "hv-balloon");
}

/* The bus half of the time. */
static int pick_ours(const GPtrArray *sections, GRand *rnd)
{
    bool bus = g_rand_boolean(rnd);
    int ours[16], n = 0;

    for (int i = 0; i < sections->len && n < ARRAY_SIZE(ours); i++) {
        const Section *s = g_ptr_array_index(sections, i);

        if (is_ours(s) && bus == g_str_equal(s->name, "vmbus-bridge")) {
            ours[n++] = i;
        }
    }
    return n ? ours[g_rand_int_range(rnd, 0, n)] : -1;
}

/* ---- The fields of a section ---- */

typedef struct Field {
    uint32_t at, size;
} Field;

typedef struct Walk {
    const GByteArray *body;
    uint32_t at;
    GArray *fields;
} Walk;

/* Bytes beyond the end are zero: an earlier change may have cut them off. */
static uint64_t field(Walk *w, uint32_t size)
{
    Field f = { w->at, size };
    uint64_t value = 0;

    if (f.at + size <= w->body->len) {
        g_array_append_val(w->fields, f);
        value = ldn_be_p(w->body->data + f.at, size);
    }
    w->at += size;
    return value;
}

static void fields(Walk *w, const uint8_t *sizes, int n)
{
    for (int i = 0; i < n; i++) {
        field(w, sizes[i]);
    }
}

static void walk_gpadl(Walk *w)
{
    uint64_t gfns;

    field(w, 4);                        /* id */
    field(w, 4);                        /* child_relid */
    gfns = field(w, 4);
    field(w, 4);                        /* seen_gfns */
    while (gfns-- && w->at < w->body->len) {
        field(w, 8);
    }
    field(w, 1);                        /* state */
}

static void walk_rest(Walk *w)
{
    while (w->at < w->body->len) {
        field(w, w->body->len - w->at >= 4 ? 4 : 1);
    }
}

/* Where the list of GPADLs begins: behind state, version, target_vp and
 * int_page_gpa. */
#define GPADLS_AT       (1 + 4 + 4 + 8)

static void walk_bus(Walk *w)
{
    static const uint8_t before[] = { 1, 4, 4, 8 };

    fields(w, before, ARRAY_SIZE(before));
    while (field(w, 1) == 1) {
        walk_gpadl(w);
    }
    if (w->at < w->body->len && w->body->data[w->at] == SUBSECTION) {
        /* vmbus/rx_queue: its name, version, head and size */
        w->at += 2 + w->body->data[MIN(w->at + 1, w->body->len - 1)];
        field(w, 4);
        field(w, 1);
        field(w, 1);
    }
    walk_rest(w);
}

static void walk_device(Walk *w)
{
    static const uint8_t channel[] = { 4, 2, 4, 4, 4, 4, 1, 1 };
    uint64_t channels;

    field(w, 8);                        /* instanceid */
    field(w, 8);
    channels = field(w, 2);
    while (channels-- && w->at < w->body->len) {
        fields(w, channel, ARRAY_SIZE(channel));
    }
    while (w->at < w->body->len) {
        field(w, w->body->len - w->at >= 8 ? 8 : 1);
    }
}

static GArray *walk(const Section *s)
{
    Walk w = { s->body, 0, g_array_new(FALSE, FALSE, sizeof(Field)) };

    if (g_str_equal(s->name, "vmbus-bridge")) {
        walk_bus(&w);
    } else if (g_str_equal(s->name, "hv-balloon")) {
        walk_device(&w);
    } else {
        walk_rest(&w);
    }
    return w.fields;
}

/* ---- Changes ---- */

static uint64_t odd_value(GRand *rnd, uint64_t old)
{
    static const uint64_t odd[] = {
        0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0xfff, 0x1000, 0x7fff, 0xffff,
        0x10000, 0xfffff, 0x100000, 0x100001, 0x1000000, 0x10000000,
        0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0xffffffffff,
        0x7ffffffffffff000, INT64_MAX, UINT64_MAX,
    };

    switch (g_rand_int_range(rnd, 0, 5)) {
    case 0:
        return old + g_rand_int_range(rnd, -3, 4);
    case 1:
        return g_rand_int_range(rnd, 0, 24);
    case 2:
        return old ^ UINT64_C(1) << g_rand_int_range(rnd, 0, 64);
    case 3:
        return (uint64_t)g_rand_int(rnd) << 32 | g_rand_int(rnd);
    default:
        return odd[g_rand_int_range(rnd, 0, ARRAY_SIZE(odd))];
    }
}

/* Another field of the same size, or an odd value. */
static void change_field(Section *s, GRand *rnd)
{
    g_autoptr(GArray) all = walk(s);
    Field f, from;
    uint64_t value;

    if (!all->len) {
        return;
    }
    f = g_array_index(all, Field, g_rand_int_range(rnd, 0, all->len));
    from = g_array_index(all, Field, g_rand_int_range(rnd, 0, all->len));
    value = ldn_be_p(s->body->data + f.at, f.size);
    if (from.size == f.size && g_rand_int_range(rnd, 0, 4) == 0) {
        value = ldn_be_p(s->body->data + from.at, from.size);
    } else {
        value = odd_value(rnd, value);
    }
    stn_be_p(s->body->data + f.at, f.size, value);
}

static void change_byte(Section *s, GRand *rnd)
{
    GByteArray *part = g_rand_int_range(rnd, 0, 8) ? s->body : s->head;

    if (part->len) {
        part->data[g_rand_int_range(rnd, 0, part->len)] = g_rand_int(rnd);
    }
}

static uint32_t slice_len(GRand *rnd, uint32_t most)
{
    return MIN(most, (uint32_t)g_rand_int_range(rnd, 1, MAX_SLICE));
}

static void cut_bytes(Section *s, GRand *rnd)
{
    uint32_t at;

    if (s->body->len) {
        at = g_rand_int_range(rnd, 0, s->body->len);
        g_byte_array_remove_range(s->body, at,
                                  slice_len(rnd, s->body->len - at));
    }
}

static void insert(GByteArray *to, uint32_t at, const uint8_t *data,
                   uint32_t len)
{
    uint32_t old = to->len;

    g_byte_array_set_size(to, old + len);
    memmove(to->data + at + len, to->data + at, old - at);
    memcpy(to->data + at, data, len);
}

static void insert_bytes(Section *s, GRand *rnd)
{
    uint8_t bytes[MAX_SLICE];

    for (int i = 0; i < MAX_SLICE; i++) {
        bytes[i] = g_rand_int(rnd);
    }
    insert(s->body, g_rand_int_range(rnd, 0, s->body->len + 1), bytes,
           slice_len(rnd, MAX_SLICE));
}

/* The bytes of the first GPADL, its mark in the list included; 0: none. */
static uint32_t first_gpadl_len(const Section *s)
{
    Walk w = { s->body, GPADLS_AT, g_array_new(FALSE, FALSE, sizeof(Field)) };
    bool any = field(&w, 1) == 1;

    if (any) {
        walk_gpadl(&w);
    }
    g_array_unref(w.fields);
    return any ? MIN(w.at, s->body->len) - GPADLS_AT : 0;
}

/* More of the first GPADL, or of one of a page; ids may be the same. */
static void add_gpadls(Section *s, GRand *rnd)
{
    static const uint8_t one[] = { 1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1,
                                   0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1 };
    uint32_t len = first_gpadl_len(s);
    bool other_ids = g_rand_boolean(rnd);
    g_autofree uint8_t *gpadl = NULL;

    if (s->body->len < GPADLS_AT) {
        return;
    }
    if (len < 5) {
        len = sizeof(one);
        gpadl = g_memdup2(one, len);
    } else {
        gpadl = g_memdup2(s->body->data + GPADLS_AT, len);
    }
    for (int n = g_rand_int_range(rnd, 1, MAX_COPIES); n; n--) {
        if (other_ids) {
            stl_be_p(gpadl + 1, 0x100 + n);
        }
        insert(s->body, GPADLS_AT, gpadl, len);
    }
}

static void change_section(Section *s, GRand *rnd)
{
    switch (g_rand_int_range(rnd, 0, 10)) {
    case 0:
        change_byte(s, rnd);
        break;
    case 1:
        cut_bytes(s, rnd);
        break;
    case 2:
        insert_bytes(s, rnd);
        break;
    case 3:
        if (g_str_equal(s->name, "vmbus-bridge")) {
            add_gpadls(s, rnd);
        }
        break;
    default:
        change_field(s, rnd);
        break;
    }
}

/* It is missing, comes twice, or comes first. */
static void change_order(GPtrArray *sections, int i, GRand *rnd)
{
    Section *s = g_ptr_array_index(sections, i);
    int what = g_rand_int_range(rnd, 0, 3);

    if (what == 0) {
        g_ptr_array_remove_index(sections, i);
    } else if (what == 1) {
        g_ptr_array_insert(sections, g_rand_int_range(rnd, 0, sections->len),
                           section_copy(s));
    } else {
        s = section_copy(s);
        g_ptr_array_remove_index(sections, i);
        g_ptr_array_insert(sections, 0, s);
    }
}

/* Where @section ends in the stream, or somewhere in it. */
static size_t place_in(const GPtrArray *sections, int section, GRand *rnd)
{
    size_t at = HEADER_LEN;

    for (int i = 0; i <= section; i++) {
        const Section *s = g_ptr_array_index(sections, i);
        size_t len = s->head->len + s->body->len + 5;

        at += i < section ? len : g_rand_int_range(rnd, 0, len + 1);
    }
    return at;
}

GByteArray *vmbus_stream_mutate(GBytes *stream, GRand *rnd)
{
    g_autoptr(GPtrArray) sections = parse(stream);
    size_t end = SIZE_MAX;
    GByteArray *out;
    int i = pick_ours(sections, rnd);

    g_assert_cmpint(i, >=, 0);          /* or nothing is tested */
    do {
        switch (i < 0 ? -1 : g_rand_int_range(rnd, 0, 24)) {
        case -1:
            break;
        case 0:
            change_order(sections, i, rnd);
            break;
        case 1:
            end = place_in(sections, i, rnd);
            break;
        default:
            change_section(g_ptr_array_index(sections, i), rnd);
            break;
        }
        i = pick_ours(sections, rnd);
    } while (g_rand_int_range(rnd, 0, 3) == 0);
    out = unparse(stream, sections);
    g_byte_array_set_size(out, MIN(out->len, end));
    return out;
}

bool vmbus_stream_same(GBytes *a, GBytes *b)
{
    g_autoptr(GPtrArray) x = parse(a), y = parse(b);
    bool same = x->len == y->len;

    for (int i = 0; same && i < x->len; i++) {
        const Section *s = g_ptr_array_index(x, i);
        const Section *t = g_ptr_array_index(y, i);

        same = g_str_equal(s->name, t->name) &&
               (!is_ours(s) ||
                (s->body->len == t->body->len &&
                 !memcmp(s->body->data, t->body->data, s->body->len)));
        if (!same) {
            g_test_message("section %s is not %s", s->name, t->name);
        }
    }
    g_bytes_unref(b);
    return same;
}
