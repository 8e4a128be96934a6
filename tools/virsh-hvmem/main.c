/*
 * main.c: virsh-hvmem, the memory of domains with a hyperv balloon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <errno.h>
#include <libxml/parser.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "hvmem-args.h"
#include "hvmem-aside.h"
#include "hvmem-cmd.h"
#include "hvmem-events.h"
#include "hvmem-help.h"
#include "hvmem-json.h"
#include "hvmem-output.h"

static const hvmemCommand hvmemCmdHelp;

static const hvmemCommand *const commands[] = {
    &hvmemCmdList,
    &hvmemCmdStatus,
    &hvmemCmdPlan,
    &hvmemCmdSet,
    &hvmemCmdWait,
    &hvmemCmdWatch,
    &hvmemCmdPlot,
    &hvmemCmdDoctor,
    &hvmemCmdMetrics,
    &hvmemCmdEnable,
    &hvmemCmdDisable,
    &hvmemCmdAuto,
    &hvmemCmdBalance,
    &hvmemCmdHelp,
};

static hvmemApp app;
static const char *commandName;
static char *format;
static gboolean showVersion;
static gboolean showHelp;

static const GOptionEntry globalOptions[] = {
    { "connect", 'c', 0, G_OPTION_ARG_STRING, &app.uri, "Hypervisor connection URI", "URI" },
    { "readonly", 'r', 0, G_OPTION_ARG_NONE, &app.readonly, "Connect read-only", NULL },
    { "format", 0, 0, G_OPTION_ARG_STRING, &format, "Output format: table (default) or json", "FORMAT" },
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &app.quiet, "Print no headings and no progress", NULL },
    { "help", 'h', 0, G_OPTION_ARG_NONE, &showHelp, "Print this; after a command, what it does", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &showVersion, "Print the version", NULL },
    G_OPTION_ENTRY_NULL,
};


/* Keeps libvirt from printing errors: we do it. */
static void
swallowError(void *opaque G_GNUC_UNUSED,
             virErrorPtr error G_GNUC_UNUSED)
{
}


static const hvmemCommand *
findCommand(const char *name)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}


static bool
failUnknown(const char *name,
            GError **error)
{
    const char *nearest = hvmemHelpNearest(commands, G_N_ELEMENTS(commands), name);

    if (nearest)
        return hvmemFailUsage(error, "unknown command: '%s': did you mean '%s'? 'virsh-hvmem help' lists all", name, nearest);
    return hvmemFailUsage(error, "unknown command: '%s': 'virsh-hvmem help' lists them", name);
}


static bool
runHelp(const hvmemApp *unused G_GNUC_UNUSED,
        char **args,
        GError **error)
{
    const hvmemCommand *command = args[0] ? findCommand(args[0]) : NULL;

    if (args[0] && !command)
        return failUnknown(args[0], error);
    if (command)
        hvmemHelpPrintCommand(command, globalOptions);
    else
        hvmemHelpPrint(commands, G_N_ELEMENTS(commands), globalOptions);
    return true;
}


static const hvmemCommand hvmemCmdHelp = {
    .name = "help",
    .arguments = "[COMMAND]",
    .summary = "Describe a command, or list them all",
    .example = "virsh-hvmem help set",
    .maxArgs = 1,
    .run = runHelp,
};


/* Adds to GOption's error where options are listed. */
static bool
failOptions(const char *program,
            GError *reason,
            GError **error)
{
    hvmemFailUsage(error, "%s: '%s --help' lists the options", reason->message, program);
    g_error_free(reason);
    return false;
}


/* Global options up to the command's name; the rest is left in @argv. */
static bool
parseGlobal(int *argc,
            char ***argv,
            GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    GError *reason = NULL;

    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_add_main_entries(context, globalOptions, NULL);
    return g_option_context_parse(context, argc, argv, &reason) || failOptions("virsh-hvmem", reason, error);
}


static bool
parseCommand(const hvmemCommand *command,
             int *argc,
             char ***argv,
             GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autofree char *program = g_strdup_printf("virsh-hvmem %s", command->name);
    const GOptionEntry *const entries[] = { globalOptions, command->options, NULL };
    GError *reason = NULL;
    bool ok;

    g_set_prgname(program);
    g_option_context_set_help_enabled(context, FALSE);
    if (command->options)
        g_option_context_add_main_entries(context, command->options, NULL);
    g_option_context_add_main_entries(context, globalOptions, NULL);

    hvmemArgsHide(*argv, entries);
    ok = g_option_context_parse(context, argc, argv, &reason);
    hvmemArgsShow(*argv);
    return ok || failOptions(program, reason, error);
}


static bool
checkFormat(GError **error)
{
    if (format && strcmp(format, "json") != 0 && strcmp(format, "table") != 0)
        return hvmemFailUsage(error, "--format '%s': use table or json", format);

    app.json = g_strcmp0(format, "json") == 0;
    return true;
}


static bool
failArguments(const hvmemCommand *command,
              const char *how,
              GError **error)
{
    hvmemFailUsage(error, "too %s arguments", how);
    return hvmemErrorHint(error, "usage: virsh-hvmem %s %s", command->name, command->arguments ? command->arguments : "");
}


static bool
checkArguments(const hvmemCommand *command,
               int n,
               GError **error)
{
    if (n < command->minArgs)
        return failArguments(command, "few", error);
    if (command->maxArgs >= 0 && n > command->maxArgs)
        return failArguments(command, "many", error);
    return true;
}


/* GOption leaves a "--" in place if what follows looks like an option. */
static void
dropDashes(int *argc,
           char **argv)
{
    int i = 1;

    while (i < *argc && strcmp(argv[i], "--") != 0)
        i++;
    if (i == *argc)
        return;

    memmove(argv + i, argv + i + 1, sizeof(*argv) * (*argc - i));
    (*argc)--;
}


static bool
runCommand(int argc,
           char **argv,
           GError **error)
{
    const hvmemCommand *command = findCommand(argv[1]);

    if (!command)
        return failUnknown(argv[1], error);

    commandName = command->name;
    argc--;
    argv++;
    if (!parseCommand(command, &argc, &argv, error))
        return false;
    if (showHelp)
        return runHelp(&app, (char *[]) { (char *)command->name, NULL }, error);
    if (showVersion)
        return printf("%s\n", HVMEM_VERSION) > 0;
    dropDashes(&argc, argv);

    return checkFormat(error) &&
        checkArguments(command, argc - 1, error) &&
        command->run(&app, argv + 1, error);
}


static bool
run(int argc,
    char **argv,
    GError **error)
{
    if (!parseGlobal(&argc, &argv, error))
        return false;

    if (showVersion)
        return printf("%s\n", HVMEM_VERSION) > 0;
    if (showHelp && argc < 2)
        return runHelp(&app, (char *[]) { NULL }, error);

    /* before the command it means nothing */
    if (argc > 1 && strcmp(argv[1], "--") == 0)
        dropDashes(&argc, argv);
    if (argc < 2)
        return hvmemFailUsage(error, "no command: 'virsh-hvmem help' lists them");

    return runCommand(argc, argv, error);
}


/* Has somebody who cannot be understood otherwise asked for JSON? GOption has stopped at what it does not know, and undone the rest. */
static bool
isJSON(char **args)
{
    size_t i;

    if (format)
        return strcmp(format, "json") == 0;
    for (i = 1; args[0] && args[i] && strcmp(args[i], "--") != 0; i++) {
        if (strcmp(args[i], "--format=json") == 0 || (strcmp(args[i], "--format") == 0 && g_strcmp0(args[i + 1], "json") == 0))
            return true;
    }
    return false;
}


/* For people on standard error, and for programs beside it, as a document of its own. */
static void
reportError(char **args,
            const GError *error)
{
    JsonBuilder *builder;

    if (!*error->message)
        return;

    hvmemPrintError(error);
    if (!isJSON(args) || hvmemErrorIsPrinted(error))
        return;

    builder = hvmemJSONBegin(commandName);
    hvmemJSONError(builder, error);
    (g_strcmp0(commandName, "watch") == 0 ? hvmemJSONPrintLine : hvmemJSONPrint)(builder);
}


/* Reports a failure to write the output, but not if the reader has closed the pipe, like 'head'. */
static bool
closeOutput(GError **error)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    if (errno == EPIPE)
        return false;
    return hvmemFail(error, "cannot write to standard output: %s", g_strerror(errno));
}


int
main(int argc,
     char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) unwritten = NULL;
    g_auto(GStrv) args = NULL;
    char **rest;
    int status = HVMEM_EXIT_DONE;

    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C");
    hvmemTerminalInit();
    virSetErrorFunc(NULL, swallowError);
    /* a daemon that goes away must cause an error, not end this program */
    signal(SIGPIPE, SIG_IGN);

    if (virInitialize() < 0) {
        fprintf(stderr, "error: libvirt cannot be initialised\n");
        return 1;
    }

    /* GOption removes elements of the array, which have to be freed too */
    args = g_strdupv(argv);
    rest = g_memdup2(args, sizeof(*args) * (argc + 1));
    argv = rest;
    if (!run(argc, argv, &error))
        status = error ? hvmemErrorStatus(error) : HVMEM_EXIT_FAILED;
    if (error)
        reportError(args, error);
    g_free(rest);

    if (!closeOutput(&unwritten) && status == HVMEM_EXIT_DONE)
        status = HVMEM_EXIT_FAILED;
    if (unwritten)
        reportError(args, unwritten);
    if (hvmemAsideIsLeft())
        hvmemAsideLeave(status);
    hvmemEventsEnd();
    g_free(app.uri);
    g_free(format);
    xmlCleanupParser();
    return status;
}
