/*
 * Replays a folder of inputs through a fuzz target, one TAP point a file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In place of libFuzzer's main(), so that any compiler will do. A fault ends
 * the program: the point that is missing then names the input.
 */

#include <glib.h>

#include "target.h"

static GPtrArray *files_of(const char *folder)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    GDir *dir = g_dir_open(folder, 0, &error);
    const char *name;

    if (!dir) {
        g_printerr("%s\n", error->message);
        return names;
    }
    while ((name = g_dir_read_name(dir))) {
        g_ptr_array_add(names, g_build_filename(folder, name, NULL));
    }
    g_dir_close(dir);
    return names;
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(char *const *)a, *(char *const *)b);
}

static gboolean replay(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *data = NULL;
    gsize len;

    if (!g_file_get_contents(path, &data, &len, &error)) {
        g_printerr("%s\n", error->message);
        return FALSE;
    }
    /* A copy of just this size: reading past it is seen. */
    {
        g_autofree uint8_t *input = g_memdup2(data, len);

        LLVMFuzzerTestOneInput(input, len);
    }
    return TRUE;
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) names = NULL;
    unsigned i, bad = 0;

    if (argc != 2) {
        g_printerr("usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    names = files_of(argv[1]);
    g_ptr_array_sort(names, by_name);
    if (!names->len) {
        g_printerr("%s holds no input\n", argv[1]);
        return 1;
    }
    g_print("1..%u\n", names->len);
    for (i = 0; i < names->len; i++) {
        g_autofree char *name = g_path_get_basename(names->pdata[i]);
        gboolean good = replay(names->pdata[i]);

        bad += !good;
        g_print("%sok %u %s\n", good ? "" : "not ", i + 1, name);
    }
    return bad != 0;
}
