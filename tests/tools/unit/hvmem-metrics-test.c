/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-metrics-test.c: figures for Prometheus of guests with a hyperv balloon
 */

#include "hvmem-metrics.h"
#include "hvmem-test-domain.h"

#include <string.h>

#define GIB HVMEM_GIB
#define XML "<domain type='kvm'><maxMemory unit='GiB'>8</maxMemory><memory unit='GiB'>3</memory><currentMemory unit='GiB'>2</currentMemory><devices>" \
    "<memballoon model='hyperv'><minimum unit='GiB'>1</minimum><requested unit='GiB'>3</requested></memballoon>" \
    "<memory model='haprot'><target><size unit='GiB'>2</size></target><alias name='ua-haprot0'/></memory></devices></domain>"


/* One that runs at its floor, and one that is shut off: what is not so now is left out. */
static void
testGuests(void)
{
    static const char *const lines[] = {
        "\nhvmem_guest_requested_bytes{domain=\"g\"} 3221225472\n", "\nhvmem_guest_current_bytes{domain=\"g\"} 2147483648\n",
        "\nhvmem_guest_plugged_bytes{domain=\"g\"} 3221225472\n", "\nhvmem_guest_boot_bytes{domain=\"g\"} 1073741824\n",
        "\nhvmem_guest_ceiling_bytes{domain=\"g\"} 8589934592\n", "\nhvmem_guest_minimum_bytes{domain=\"g\"} 1073741824\n",
        "\nhvmem_guest_usable_bytes{domain=\"g\"} 1000\n", "\nhvmem_guest_sticks{domain=\"g\"} 1\n",
        "\nhvmem_guest_driver_connected{domain=\"g\"} 1\n", "\nhvmem_guest_problem{domain=\"g\"} 1\n",
        "\nhvmem_guest_running{domain=\"g\"} 1\nhvmem_guest_running{domain=\"off\"} 0\n",
        "model=\"hyperv\",state=\"at floor\"} 1\n", "model=\"hyperv\",state=\"shut off\"} 1\n",
        "\nhvmem_host_memory_bytes 17179869184\n", "\nhvmem_host_guests_bytes 2147483648\n", "\nhvmem_host_ceilings_bytes 8589934592\n",
    };
    static const char *const absent[] = {
        "hvmem_guest_current_bytes{domain=\"off\"}", "hvmem_guest_driver_connected{domain=\"off\"}", "hvmem_guest_resident_bytes", "18446744073709551615",
    };
    g_autoptr(GPtrArray) domains = g_ptr_array_new_with_free_func((GDestroyNotify)hvmemDomainFree);
    hvmemDomain *runs = domain(XML, true);
    hvmemDomain *off = domain(XML, false);
    g_autofree char *text = NULL;
    size_t i;

    runs->told = runs->connected = true;
    runs->state = g_strdup("floor");
    runs->usable = 1000;
    g_free(off->name);
    off->name = g_strdup("off");
    g_ptr_array_add(domains, runs);
    g_ptr_array_add(domains, off);

    text = hvmemMetricsFormat(domains, 16 * GIB);
    for (i = 0; i < G_N_ELEMENTS(lines); i++) {
        if (!strstr(text, lines[i]))
            g_error("no%s in\n%s", lines[i], text);
    }
    for (i = 0; i < G_N_ELEMENTS(absent); i++)
        g_assert_null(strstr(text, absent[i]));
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/metrics/guests", testGuests);

    return g_test_run();
}
