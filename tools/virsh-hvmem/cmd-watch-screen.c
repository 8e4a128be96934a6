/*
 * cmd-watch-screen.c: watch on a terminal: its screen and keys
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cmd-watch.h"
#include "hvmem-output.h"

#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define NEXT_LINE "\r\n\033[K"
#define KEY_ESCAPE '\033'
#define PAGE 10                 /* rows */

static struct termios before;   /* of us */
static bool rawTerminal;
static volatile sig_atomic_t entered;


static void
makeRaw(void)
{
    struct termios raw = before;

    raw.c_lflag &= ~(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}


void
watchEnterScreen(void)
{
    rawTerminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (rawTerminal)
        makeRaw();
    printf("\033[?1049h\033[?25l");
    fflush(stdout);
    entered = 1;
}


#define LEAVE "\033[?25h\033[?1049l"

void
watchLeaveScreen(void)
{
    entered = 0;
    printf(LEAVE);
    fflush(stdout);
    if (rawTerminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
}


void
watchAbandonScreen(void)
{
    if (!entered || write(STDOUT_FILENO, LEAVE, strlen(LEAVE)) < 0)
        return;
    if (rawTerminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
}


void
watchSuspend(void)
{
    watchLeaveScreen();
    kill(getpid(), SIGSTOP);
    watchEnterScreen();
}


void
watchResume(void)
{
    if (rawTerminal)
        makeRaw();
    printf("\033[?1049h\033[?25l\033[2J");
}


/*
 * What is shown
 */

static const char helpText[] =
    "Keys\n"
    "\n"
    "  q           quit\n"
    "  ?           this help, and back\n"
    "  space       pause, and go on; samples are still taken\n"
    "  Ctrl-Z      stop, until 'fg'\n"
    "\n"
    "The table\n"
    "\n"
    "  up, down    choose a guest (also k, j, PgUp, PgDn)\n"
    "  Enter       open its chart; Esc closes it\n"
    "  /           list only names with what is typed; Enter keeps it, Esc clears it\n"
    "  s           sort by the next column\n"
    "  p           only guests with problems\n"
    "  r           only guests that run\n";


/* The keys that fit into @columns; how to quit is the last to go. */
static const char *
keysFor(const Watch *watch,
        int columns)
{
    const char *all = watch->help ? "? back   q quit" : watch->table ? "Enter open   / filter   s sort   ? help   q quit" :
        watch->opened ? "Esc back   space pause   ? help   q quit" : "space pause   ? help   q quit";
    const char *some[] = { all, watch->table ? "Enter open   ? help   q quit" : "", watch->opened ? "Esc back   ? help   q quit" : "", "? help   q quit" };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(some); i++) {
        if (*some[i] && (int)strlen(some[i]) <= columns && (i == 0 || !watch->help))
            return some[i];
    }
    return "q quit";
}


/* The last line: keys, or what is being typed. */
static char *
footer(const Watch *watch,
       int columns)
{
    const char *keys = keysFor(watch, columns);
    GString *out = g_string_new(NULL);

    if (watch->typing) {
        g_string_append_printf(out, "/%s_", watch->filter->str);
        return g_string_free(out, FALSE);
    }
    if (watch->frozen)
        g_string_append(out, "PAUSED   ");
    g_string_append(out, keys);
    if (watch->table && watch->filter->len)
        g_string_append_printf(out, "   names with '%s'", watch->filter->str);
    if (watch->table && watch->list.sort)
        g_string_append_printf(out, "   by %s", watch->list.sort);
    return g_string_free(out, FALSE);
}


static char *
body(Watch *watch,
     int columns,
     int rows)
{
    if (watch->help)
        return g_strdup(helpText);
    return watch->table ? watchFormatTable(watch, columns, rows) : watchFormatCharts(watch, columns, rows);
}


/* All in one write, and each line is erased just before it is written, so that
 * nothing flickers. Erasing after it would delete the last column of a full line,
 * where the cursor stays. A line that wraps would scroll the screen. */
void
watchShow(Watch *watch)
{
    g_autoptr(GString) out = g_string_new("\033[H\033[K");
    g_auto(GStrv) lines = NULL;
    g_autofree char *text = NULL;
    g_autofree char *last = NULL;
    g_autofree char *clipped = NULL;
    int columns;
    int rows;
    int i;

    hvmemTerminalSize(STDOUT_FILENO, &columns, &rows);
    text = body(watch, columns, rows - 1);
    lines = g_strsplit(text, "\n", -1);
    for (i = 0; lines[i] && i < rows - 1; i++) {
        g_autofree char *line = hvmemEllipsis(lines[i], columns, hvmemTerm.utf8);

        g_string_append_printf(out, "%s%s", i ? NEXT_LINE : "", line);
    }
    last = footer(watch, columns);
    clipped = hvmemClip(last, columns);
    g_string_append_printf(out, "\033[J\033[%d;1H\033[K%s", rows, clipped);
    fputs(out->str, stdout);
    fflush(stdout);
    watch->changed = false;
}


void
watchShowSilence(double seconds)
{
    g_autofree char *text = g_strdup_printf("libvirt has not answered for %.0f seconds   q quit", seconds);
    g_autofree char *clipped = NULL;
    int columns;
    int rows;

    hvmemTerminalSize(STDOUT_FILENO, &columns, &rows);
    clipped = hvmemClip(text, columns);
    printf("\033[%d;1H\033[K%s", rows, clipped);
    fflush(stdout);
}


/*
 * Keys
 */

static void
sortByNext(Watch *watch)
{
    g_autofree char *all = hvmemListColumns();
    g_auto(GStrv) keys = g_strsplit(all, ",", -1);
    size_t i = 0;

    while (keys[i] && g_strcmp0(keys[i], watch->list.sort ? watch->list.sort : "name") != 0)
        i++;
    g_free(watch->list.sort);
    watch->list.sort = keys[i] && keys[i + 1] ? g_strdup(keys[i + 1]) : NULL;
}


static void
openChosen(Watch *watch)
{
    watchMove(watch, 0);
    if (!watch->chosen)
        return;
    watch->opened = g_strdup(watch->chosen);
    watch->table = false;
}


static void
goBack(Watch *watch)
{
    if (watch->help) {
        watch->help = false;
    } else if (watch->opened) {
        g_clear_pointer(&watch->opened, g_free);
        watch->table = true;
    } else {
        g_string_truncate(watch->filter, 0);
    }
}


static void
tableKey(Watch *watch,
         char key)
{
    if (key == '/')
        watch->typing = true;
    else if (key == 's')
        sortByNext(watch);
    else if (key == 'p')
        watch->list.problems = !watch->list.problems;
    else if (key == 'r')
        watch->list.running = !watch->list.running;
    else if (key == 'j' || key == 'k')
        watchMove(watch, key == 'j' ? 1 : -1);
    else if (key == '\r' || key == '\n')
        openChosen(watch);
}


static void
plainKey(Watch *watch,
         char key)
{
    if (key == 'q' || key == 'Q')
        watch->done = true;
    else if (key == '?' || key == 'h')
        watch->help = !watch->help;
    else if (key == KEY_ESCAPE)
        goBack(watch);
    else if (key == ' ')
        watch->frozen = watch->frozen ? 0 : watchNow();
    else if (watch->table && !watch->help)
        tableKey(watch, key);
}


static void
eraseLast(GString *text)
{
    const char *end = text->str + text->len;
    const char *last = g_utf8_find_prev_char(text->str, end);

    g_string_truncate(text, last ? last - text->str : 0);
}


static void
typedKey(Watch *watch,
         char key)
{
    if (key == '\r' || key == '\n')
        watch->typing = false;
    else if (key == KEY_ESCAPE)
        g_string_truncate(watch->filter, watch->typing = false);
    else if (key == '\b' || key == '\177')
        eraseLast(watch->filter);
    else if ((unsigned char)key >= ' ')
        g_string_append_c(watch->filter, key);
}


/* The length of a cursor key's sequence, which is done, or 0. */
static size_t
cursorKey(Watch *watch,
          const char *keys,
          size_t n)
{
    static const struct {
        const char *sequence;
        int by;
    } moves[] = {
        { "\033[A", -1 }, { "\033OA", -1 }, { "\033[B", 1 }, { "\033OB", 1 }, { "\033[5~", -PAGE }, { "\033[6~", PAGE },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(moves); i++) {
        size_t length = strlen(moves[i].sequence);

        if (n >= length && memcmp(keys, moves[i].sequence, length) == 0) {
            if (watch->table && !watch->typing && !watch->help)
                watchMove(watch, moves[i].by);
            return length;
        }
    }
    /* any other: skipped up to its last character */
    if (n < 2 || keys[0] != KEY_ESCAPE || (keys[1] != '[' && keys[1] != 'O'))
        return 0;
    for (i = 2; i < n && !g_ascii_isalpha(keys[i]) && keys[i] != '~'; i++)
        ;
    return MIN(i + 1, n);
}


void
watchKeys(Watch *watch,
          const char *keys,
          size_t n)
{
    size_t used;

    for (; n > 0; keys += used, n -= used) {
        used = cursorKey(watch, keys, n);
        if (used)
            continue;
        used = 1;
        (watch->typing ? typedKey : plainKey)(watch, *keys);
    }
    watch->changed = true;
}


/* A letter of a filter does not. */
bool
watchKeysQuit(const Watch *watch)
{
    bool typing = watch->typing;
    size_t i;

    for (i = 0; i < watch->keys->len; i++) {
        char key = watch->keys->str[i];

        if (typing)
            typing = key != '\r' && key != '\n' && key != KEY_ESCAPE;
        else if (key == 'q' || key == 'Q')
            return true;
        else
            typing = key == '/' && watch->table && !watch->help;
    }
    return false;
}
