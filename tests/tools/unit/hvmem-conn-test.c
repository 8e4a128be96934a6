/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-conn-test.c: what is made of libvirt's answers, which this program gives in libvirt's place
 */

#include "hvmem-conn.h"

#include <string.h>

#define XML "<domain type='qemu'><name>g</name></domain>"
#define BALLOON "qemu -device '{\"driver\":\"hv-balloon\",\"id\":\"balloon0\"}'"

static const char *commandLine;


char *
virConnectDomainXMLToNative(virConnectPtr conn G_GNUC_UNUSED,
                            const char *nativeFormat,
                            const char *domainXml G_GNUC_UNUSED,
                            unsigned int flags G_GNUC_UNUSED)
{
    g_assert_cmpstr(nativeFormat, ==, "qemu-argv");
    return g_strdup(commandLine);
}


/* A definition of which libvirt makes a command line may still be of no use: enable and doctor, which both ask here, are told so, and that it is
 * not libvirt who says it. */
static void
testTry(void)
{
    static const struct {
        const char *commandLine;    /* NULL: libvirt makes none */
        int code;                   /* 0: good */
        const char *error;
    } cases[] = {
        { BALLOON " -cpu max,hv-vpindex=on,hv-synic=on", 0, NULL },
        { BALLOON " -cpu max,hv-vpindex=on,hv-synic=on -cpu host", HVMEM_TRY_USELESS, "take -cpu out of <qemu:commandline>" },
        { "qemu -cpu max -cpu host", 0, NULL },
        { "qemu -append quiet", HVMEM_TRY_USELESS, "<kernel>" },
        { NULL, HVMEM_TRY_REFUSED, "" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        bool good;

        commandLine = cases[i].commandLine;
        good = hvmemConnTry(NULL, XML, &error);
        g_test_message("%s: %s", commandLine, good ? "good" : error->message);
        g_assert_true(good == !cases[i].error);
        if (!good) {
            g_assert_error(error, HVMEM_ERROR, cases[i].code);
            g_assert_nonnull(strstr(error->message, cases[i].error));
        }
    }
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/conn/try", testTry);

    return g_test_run();
}
