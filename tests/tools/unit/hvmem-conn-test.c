/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-conn-test.c: what is made of libvirt's answers, which this program gives in libvirt's place
 */

#include "hvmem-conn.h"
#include "hvmem-explain.h"

#include <errno.h>
#include <string.h>

#define XML "<domain type='qemu'><name>g</name></domain>"
#define BALLOON "qemu -device '{\"driver\":\"hv-balloon\",\"id\":\"balloon0\"}'"

static const char *commandLine;
static int lastCode;
static const char *lastMessage = "";
static int lastNumber;          /* errno of a system error */
static const char *asked;       /* which CPU was compared with what */


int
virGetLastErrorCode(void)
{
    return lastCode;
}


const char *
virGetLastErrorMessage(void)
{
    return lastMessage;
}


virErrorPtr
virSaveLastError(void)
{
    virError *error = g_new(virError, 1);

    *error = (virError) { .code = lastCode, .int1 = lastNumber, .message = g_strdup(lastMessage) };
    return error;
}


virConnectPtr
virConnectOpenAuth(const char *name G_GNUC_UNUSED,
                   virConnectAuthPtr auth G_GNUC_UNUSED,
                   unsigned int flags G_GNUC_UNUSED)
{
    return NULL;
}


int
virConnectCompareCPU(virConnectPtr conn G_GNUC_UNUSED,
                     const char *xmlDesc,
                     unsigned int flags)
{
    g_assert_cmpuint(flags, ==, VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE);
    g_assert_cmpstr(xmlDesc, ==, "<cpu/>");
    asked = "host";
    return lastCode ? VIR_CPU_COMPARE_ERROR : VIR_CPU_COMPARE_SUPERSET;
}


int
virConnectCompareHypervisorCPU(virConnectPtr conn G_GNUC_UNUSED,
                               const char *emulator,
                               const char *arch,
                               const char *machine,
                               const char *virttype,
                               const char *xmlCPU,
                               unsigned int flags)
{
    g_assert_cmpstr(emulator, ==, "/usr/bin/qemu");
    g_assert_cmpstr(arch, ==, "x86_64");
    g_assert_cmpstr(machine, ==, "q35");
    g_assert_cmpstr(virttype, ==, "kvm");
    g_assert_cmpuint(flags, ==, VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE);
    g_assert_cmpstr(xmlCPU, ==, "<cpu/>");
    asked = "QEMU";
    return lastCode ? VIR_CPU_COMPARE_ERROR : VIR_CPU_COMPARE_SUPERSET;
}


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
        int why;
        int code;                   /* 0: good */
        const char *error;
    } cases[] = {
        { BALLOON " -cpu max,hv-vpindex=on,hv-synic=on", 0, 0, NULL },
        { BALLOON " -cpu max,hv-vpindex=on,hv-synic=on -cpu host", 0, HVMEM_TRY_USELESS, "take -cpu out of <qemu:commandline>" },
        { "qemu -cpu max -cpu host", 0, 0, NULL },
        { "qemu -append quiet", 0, HVMEM_TRY_USELESS, "<kernel>" },
        { NULL, VIR_ERR_CONFIG_UNSUPPORTED, HVMEM_TRY_REFUSED, "said by libvirt" },
        { NULL, VIR_ERR_CPU_INCOMPATIBLE, HVMEM_TRY_CPU, "said by libvirt" },
        { NULL, VIR_ERR_OPERATION_DENIED, HVMEM_TRY_UNASKED, "said by libvirt" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        bool good;

        commandLine = cases[i].commandLine;
        lastCode = cases[i].why;
        lastMessage = "said by libvirt";
        good = hvmemConnTry(NULL, XML, &error);
        g_test_message("%s: %s", commandLine, good ? "good" : error->message);
        g_assert_true(good == !cases[i].error);
        if (!good) {
            g_assert_error(error, HVMEM_TRY_ERROR, cases[i].code);
            g_assert_nonnull(strstr(error->message, cases[i].error));
        }
    }
}


/* What cannot be asked says nothing of the CPU. */
static void
testCompareCPU(void)
{
    static const struct {
        int code;
        bool host;
        const char *message;
    } cases[] = {
        { VIR_ERR_OK, false, NULL },
        { VIR_ERR_CPU_INCOMPATIBLE, false, "there is no svm" },
        { VIR_ERR_CPU_INCOMPATIBLE, true, "there is no svm" },
        { VIR_ERR_OPERATION_DENIED, false, NULL },
        { VIR_ERR_NO_SUPPORT, true, NULL },
    };
    g_autoptr(hvmemDomain) dom = hvmemDomainNew("g", false, "<domain type='kvm'><memory>1024</memory><os><type arch='x86_64' machine='q35'>hvm</type></os>"
                                                "<devices><emulator>/usr/bin/qemu</emulator></devices></domain>", NULL);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *message = NULL;

        lastCode = cases[i].code;
        lastMessage = "there is no svm";
        message = hvmemConnCompareCPU(NULL, dom, "<cpu/>", cases[i].host);
        g_assert_cmpstr(message, ==, cases[i].message);
        g_assert_cmpstr(asked, ==, cases[i].host ? "host" : "QEMU");
    }
}


#define BALLOON_XML "<domain><memory unit='GiB'>2</memory><devices><memballoon model='hyperv'/></devices></domain>"

/* QEMU or libvirt may go on by itself with a guest that it paused; one that somebody paused is not worth waiting for. */
static void
testPausedByWhom(void)
{
    static const struct {
        int state;
        int reason;
        guint64 requested;
        bool hopeless;
    } cases[] = {
        { VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER, HVMEM_GIB, true },
        { VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER, 2 * HVMEM_GIB, false },
        { VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_IOERROR, HVMEM_GIB, false },
        { VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_SNAPSHOT, HVMEM_GIB, false },
        { VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED, HVMEM_GIB, false },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(hvmemDomain) dom = hvmemDomainNew("g", true, BALLOON_XML, NULL);
        g_autoptr(hvmemExplanation) why = NULL;
        virTypedParameter params[] = {
            { .field = "state.state", .type = VIR_TYPED_PARAM_INT, .value.i = cases[i].state },
            { .field = "state.reason", .type = VIR_TYPED_PARAM_INT, .value.i = cases[i].reason },
            { .field = "balloon.current", .type = VIR_TYPED_PARAM_ULLONG, .value.ul = 2 * HVMEM_GIB / 1024 },
            { .field = "balloon.hyperv.requested", .type = VIR_TYPED_PARAM_ULLONG, .value.ul = cases[i].requested / 1024 },
            { .field = "balloon.hyperv.connected", .type = VIR_TYPED_PARAM_BOOLEAN, .value.b = 1 },
            { .field = "balloon.hyperv.state", .type = VIR_TYPED_PARAM_STRING, .value.s = (char *)"idle" },
        };

        hvmemDomainAddStats(dom, params, G_N_ELEMENTS(params));
        why = hvmemExplain(dom);
        g_assert_true(why->hopeless == cases[i].hopeless);
    }
}


/* What to do follows from codes: messages are in the user's language. */
static void
testConnectHint(void)
{
    static const struct {
        int code;
        int number;             /* errno of a system error */
        const char *hint;
    } cases[] = {
        { VIR_ERR_SYSTEM_ERROR, EACCES, "use sudo" },
        { VIR_ERR_SYSTEM_ERROR, EPERM, "use sudo" },
        { VIR_ERR_AUTH_FAILED, -1, "use sudo" },
        { VIR_ERR_AUTH_UNAVAILABLE, -1, "use sudo" },
        { VIR_ERR_ACCESS_DENIED, -1, "use sudo" },
        { VIR_ERR_SYSTEM_ERROR, ENOENT, "systemctl status" },
        { VIR_ERR_SYSTEM_ERROR, ECONNREFUSED, "systemctl status" },
        { VIR_ERR_SYSTEM_ERROR, EIO, "Check the URI" },
        { VIR_ERR_NO_CONNECT, ENOENT, "Check the URI" },
    };
    size_t i;

    lastMessage = "Keine Berechtigung";
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        lastCode = cases[i].code;
        lastNumber = cases[i].number;
        g_assert_null(hvmemConnect("qemu:///system", false, &error));
        g_assert_error(error, HVMEM_ERROR, HVMEM_EXIT_CONNECTION);
        g_assert_nonnull(strstr(hvmemErrorGetHint(error), cases[i].hint));
        g_assert_cmpstr(hvmemErrorGetCause(error), ==, lastMessage);
    }
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/conn/hint", testConnectHint);
    g_test_add_func("/hvmem/conn/try", testTry);
    g_test_add_func("/hvmem/conn/compare-cpu", testCompareCPU);
    g_test_add_func("/hvmem/conn/paused-by-whom", testPausedByWhom);

    return g_test_run();
}
