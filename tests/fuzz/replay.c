/*
 * Runs a fuzz target over the files of its corpus, one TAP point each
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib.h>

#include "fuzz.h"

static void test_file(gconstpointer data)
{
    g_autofree char *contents = NULL;
    g_autoptr(GError) error = NULL;
    gsize len;

    g_file_get_contents(data, &contents, &len, &error);
    g_assert_no_error(error);
    LLVMFuzzerTestOneInput((const uint8_t *)contents, len);
}

static void add_folder(const char *folder)
{
    g_autoptr(GError) error = NULL;
    GDir *dir = g_dir_open(folder, 0, &error);
    const char *name;

    g_assert_no_error(error);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_strdup_printf("/corpus/%s", name);

        g_test_add_data_func_full(path, g_build_filename(folder, name, NULL),
                                  test_file, g_free);
    }
    g_dir_close(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (argc != 2) {
        g_printerr("usage: %s [GLib test options] CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    add_folder(argv[1]);
    return g_test_run();
}
