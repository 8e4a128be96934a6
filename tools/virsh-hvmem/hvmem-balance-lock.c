/*
 * hvmem-balance-lock.c: one balancer for a connection, and what others may know of it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-balance-lock.h"
#include "hvmem-balance-uri.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "virsh-hvmem-balance-"
#define SUFFIX ".lock"
#define KEY ".key"               /* after the name of the lock: what is locked is a file that nobody else can open */
#define ROOT_DIR "/run"
#define USERS_DIR "/run/user"
/* An environment variable for tests and scripts/daemon only: a folder that has all locks, and where alone they are looked for. */
#define TEST_DIR "HVMEM_TEST_LOCKS"
#define MOST (1 << 20)            /* bytes: nobody's file is larger */
#define GROWTH 4096               /* bytes: by so much it may grow while it is read */
#define END "end\n"               /* what follows in it is of no interest */

/* A balancer decides more often than this: twice the longest interval. */
#define IDLE_SECONDS (2 * HVMEM_BALANCE_INTERVAL_MOST)

/* Of this process: what others read; -1: it has none. What it has locked is never closed. */
static int lockFd = -1;
static char *lockURI;


/*
 * Taking it
 */

char *
hvmemBalanceLockPath(const char *uri)
{
    g_autofree char *daemon = hvmemBalanceURI(uri);
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, daemon, -1);
    g_autofree char *name = g_strdup_printf(PREFIX "%.16s" SUFFIX, sum);
    const char *testDir = g_getenv(TEST_DIR);

    return g_build_filename(testDir ? testDir : geteuid() == 0 ? ROOT_DIR : g_get_user_runtime_dir(), name, NULL);
}


static char *
keyOf(const char *path)
{
    return g_strconcat(path, KEY, NULL);
}


static bool
failLocked(const char *path,
           const char *uri,
           GError **error)
{
    g_autofree char *owner = NULL;

    if (g_file_get_contents(path, &owner, NULL, NULL))
        owner[strcspn(owner, "\n")] = '\0';
    return hvmemFail(error, "another process balances %s already: %s (%s)", uri, owner && *owner ? owner : "not known which", path);
}


/* At no time is the file empty: whoever reads it then would take it for nobody's. The rest of a longer text before comes after the end of this one. */
static bool
writeAll(int fd,
         const char *text)
{
    g_autofree char *whole = g_strconcat(text, END, NULL);
    size_t length = strlen(whole);

    return pwrite(fd, whole, length, 0) == (ssize_t)length && ftruncate(fd, length) == 0;
}


/* Root's lock and a user's are different files. */
static bool
isFree(const char *uri,
       GError **error)
{
    g_autoptr(GPtrArray) owners = hvmemBalanceOwners();
    const hvmemBalanceOwner *owner = hvmemBalanceOwnerOf(owners, uri);

    if (owner)
        return hvmemFail(error, "another process balances %s already: process %ld, of user %u", uri, owner->pid, owner->uid);
    return true;
}


/* The files stay: one that is removed could be locked twice. Whoever can open a file can lock it, if only to read it: so that of @path, which others
 * read, is not the one that is locked. */
static int
lockKey(const char *path,
        const char *uri,
        GError **error)
{
    g_autofree char *key = keyOf(path);
    int fd = open(key, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        hvmemFail(error, "cannot open %s: %s", key, g_strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;

    failLocked(path, uri, error);
    close(fd);
    return -1;
}


/* Of what others read. */
static int
openLock(const char *path,
         GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0) {
        hvmemFail(error, "cannot open %s: %s", path, g_strerror(errno));
        return -1;
    }
    /* whatever the umask: others may know. If it fails they know less */
    if (fchmod(fd, 0644) < 0)
        g_debug("cannot show %s to others: %s", path, g_strerror(errno));
    return fd;
}


bool
hvmemBalanceLock(const char *uri,
                 GError **error)
{
    g_autofree char *daemon = hvmemBalanceURI(uri);
    g_autofree char *path = hvmemBalanceLockPath(uri);
    g_autofree char *text = g_strdup_printf("process %ld\nuri %s\n", (long)getpid(), daemon);
    int key, fd;

    if (!isFree(uri, error) || (key = lockKey(path, uri, error)) < 0)
        return false;
    if ((fd = openLock(path, error)) < 0) {
        close(key);
        return false;
    }
    if (!writeAll(fd, text)) {
        hvmemFail(error, "cannot write %s: %s", path, g_strerror(errno));
        close(fd);
        close(key);
        return false;
    }

    lockFd = fd;
    g_free(lockURI);
    lockURI = g_steal_pointer(&daemon);
    return true;
}


void
hvmemBalancePublish(const hvmemBalanceConf *conf,
                    GHashTable *foreign)
{
    g_autoptr(GString) text = g_string_new(NULL);
    GHashTableIter iter;
    gpointer uuid;
    gpointer when;

    if (lockFd < 0)
        return;

    g_string_printf(text, "process %ld\nuri %s\nbudget %" G_GUINT64_FORMAT "\nreserve %" G_GUINT64_FORMAT "\n", (long)getpid(), lockURI,
                    conf->budget, conf->reserve);
    g_hash_table_iter_init(&iter, foreign);
    while (g_hash_table_iter_next(&iter, &uuid, &when))
        g_string_append_printf(text, "foreign %s %" G_GINT64_FORMAT "\n", (char *)uuid, *(gint64 *)when);
    /* it only helps others to explain */
    if (!writeAll(lockFd, text->str))
        g_debug("cannot write the lock: %s", g_strerror(errno));
}


/* By its time: there is no more to be written again and again. */
void
hvmemBalanceDecided(void)
{
    if (lockFd >= 0 && futimens(lockFd, NULL) < 0)
        g_debug("cannot touch the lock: %s", g_strerror(errno));
}


/*
 * Who has it?
 */

void
hvmemBalanceOwnerFree(hvmemBalanceOwner *owner)
{
    if (!owner)
        return;

    g_free(owner->uri);
    g_free(owner->file);
    g_hash_table_unref(owner->foreign);
    g_free(owner);
}


static void
parseForeign(hvmemBalanceOwner *owner,
             const char *value)
{
    g_auto(GStrv) words = g_strsplit(value, " ", 2);
    gint64 when = words[0] && words[1] ? g_ascii_strtoll(words[1], NULL, 10) : 0;

    if (when > 0)
        g_hash_table_insert(owner->foreign, g_strdup(words[0]), g_memdup2(&when, sizeof(when)));
}


static void
parseNumber(hvmemBalanceOwner *owner,
            const char *value,
            guint64 *number)
{
    if (!g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT64, number, NULL))
        owner->told = false;
}


static void
parseLine(hvmemBalanceOwner *owner,
          const char *line)
{
    if (g_str_has_prefix(line, "process "))
        owner->pid = g_ascii_strtoll(line + strlen("process "), NULL, 10);
    else if (g_str_has_prefix(line, "uri ")) {
        g_free(owner->uri);
        owner->uri = g_strdup(line + strlen("uri "));
    } else if (g_str_has_prefix(line, "budget "))
        parseNumber(owner, line + strlen("budget "), &owner->budget);
    else if (g_str_has_prefix(line, "reserve "))
        parseNumber(owner, line + strlen("reserve "), &owner->reserve);
    else if (g_str_has_prefix(line, "foreign "))
        parseForeign(owner, line + strlen("foreign "));
}


hvmemBalanceOwner *
hvmemBalanceOwnerParse(const char *text)
{
    hvmemBalanceOwner *owner = g_new0(hvmemBalanceOwner, 1);
    const char *end = strstr(text, "\n" END);
    g_autofree char *own = end ? g_strndup(text, end - text) : g_strdup(text);
    g_auto(GStrv) lines = g_strsplit(own, "\n", -1);
    size_t i;

    owner->told = true;
    owner->reserve = HVMEM_UNKNOWN;
    owner->foreign = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (i = 0; lines[i]; i++)
        parseLine(owner, lines[i]);
    if (owner->pid > 0)
        return owner;

    hvmemBalanceOwnerFree(owner);
    return NULL;
}


/* Of process @pid, or of any if that is 0; 0: nobody has it. A line is "1: FLOCK  ADVISORY  WRITE 1234 00:19:5678 0 EOF"; of one that waits it is
 * "1: -> FLOCK". */
static long
holderOf(const char *locks,
         guint64 inode,
         long pid)
{
    g_auto(GStrv) lines = g_strsplit(locks, "\n", -1);
    size_t i;

    for (i = 0; lines[i]; i++) {
        unsigned long number;
        long holder;

        if (sscanf(lines[i], "%*d: FLOCK %*s %*s %ld %*x:%*x:%lu", &holder, &number) == 2 && (pid == 0 || holder == pid) && number == inode)
            return holder;
    }
    return 0;
}


bool
hvmemBalanceIsLocked(const char *locks,
                     guint64 inode,
                     long pid)
{
    return holderOf(locks, inode, pid) > 0;
}


/* Only what is a file, and small: anybody can put something else of that name into his folder. */
static char *
readLock(const char *path,
         struct stat *there)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char *text = NULL;
    size_t length = 0;
    size_t most;
    ssize_t n;

    if (fd < 0)
        return NULL;
    if (fstat(fd, there) == 0 && S_ISREG(there->st_mode) && there->st_size <= MOST) {
        most = there->st_size + GROWTH;
        text = g_malloc0(most + 1);
        while (length < most && (n = read(fd, text + length, most - length)) > 0)
            length += n;
    }
    close(fd);
    return text;
}


/* The file whose lock says that somebody has that of @path, which is @there. */
static guint64
lockedOf(const char *path,
         const struct stat *there)
{
    g_autofree char *key = keyOf(path);
    struct stat st;

    return lstat(key, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == there->st_uid ? st.st_ino : there->st_ino;
}


/* That we may not read it does not mean that nobody has it: the kernel tells who. */
static hvmemBalanceOwner *
unreadable(const char *path,
           const char *locks,
           struct stat *there)
{
    long pid = lstat(path, there) == 0 && S_ISREG(there->st_mode) ? holderOf(locks, lockedOf(path, there), 0) : 0;
    g_autofree char *text = g_strdup_printf("process %ld\n", pid);
    hvmemBalanceOwner *owner = hvmemBalanceOwnerParse(text);

    if (owner)
        owner->told = false;
    return owner;
}


/* One whose process is gone is nobody's: the file stays behind. */
static void
addOwner(GPtrArray *owners,
         const char *path,
         const char *locks)
{
    struct stat there = { 0 };
    g_autofree char *text = readLock(path, &there);
    hvmemBalanceOwner *owner = text ? hvmemBalanceOwnerParse(text) : access(path, R_OK) < 0 && errno == EACCES ? unreadable(path, locks, &there) : NULL;

    if (!owner)
        return;
    owner->uid = there.st_uid;
    owner->decided = there.st_mtime;
    owner->file = g_path_get_basename(path);
    if (hvmemBalanceIsLocked(locks, lockedOf(path, &there), owner->pid))
        g_ptr_array_add(owners, owner);
    else
        hvmemBalanceOwnerFree(owner);
}


static void
addOwners(GPtrArray *owners,
          const char *path,
          const char *locks)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        if (g_str_has_prefix(name, PREFIX) && g_str_has_suffix(name, SUFFIX))
            addOwner(owners, file, locks);
    }
}


/* The folders of users, of which only root sees more than one. */
static void
addUsers(GPtrArray *owners,
         const char *locks)
{
    g_autoptr(GDir) dir = g_dir_open(USERS_DIR, 0, NULL);
    const char *own = g_get_user_runtime_dir();
    const char *name;

    addOwners(owners, own, locks);
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(USERS_DIR, name, NULL);

        if (strcmp(path, own) != 0)
            addOwners(owners, path, locks);
    }
}


GPtrArray *
hvmemBalanceOwners(void)
{
    GPtrArray *owners = g_ptr_array_new_with_free_func((GDestroyNotify)hvmemBalanceOwnerFree);
    g_autofree char *locks = NULL;

    if (!g_file_get_contents("/proc/locks", &locks, NULL, NULL))
        return owners;
    if (g_getenv(TEST_DIR)) {
        addOwners(owners, g_getenv(TEST_DIR), locks);
    } else {
        addOwners(owners, ROOT_DIR, locks);
        addUsers(owners, locks);
    }
    return owners;
}


gint64
hvmemBalanceIdleMinutes(gint64 decided,
                        gint64 now)
{
    return decided > 0 && now - decided > IDLE_SECONDS ? (now - decided) / 60 : 0;
}


/* Each user has a libvirt of its own behind a session's URI. */
static bool
isBelieved(const hvmemBalanceOwner *owner,
           const char *daemon)
{
    return owner->uid == geteuid() || (owner->uid == 0 && !hvmemBalanceURIIsSession(daemon));
}


/* What an owner tells may be of another version, or a stranger's. The name of its file is known of one that tells nothing. */
static bool
isOf(const hvmemBalanceOwner *owner,
     const char *daemon,
     const char *file)
{
    g_autofree char *own = owner->uri ? hvmemBalanceURI(owner->uri) : NULL;

    return own ? strcmp(own, daemon) == 0 : g_strcmp0(owner->file, file) == 0;
}


const hvmemBalanceOwner *
hvmemBalanceOwnerOf(const GPtrArray *owners,
                    const char *uri)
{
    g_autofree char *daemon = hvmemBalanceURI(uri);
    g_autofree char *path = hvmemBalanceLockPath(daemon);
    g_autofree char *file = g_path_get_basename(path);
    size_t i;

    for (i = 0; i < owners->len; i++) {
        const hvmemBalanceOwner *owner = owners->pdata[i];

        if (isOf(owner, daemon, file) && isBelieved(owner, daemon))
            return owner;
    }
    return NULL;
}
