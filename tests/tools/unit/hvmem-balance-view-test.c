/*
 * hvmem-balance-view-test.c: the balancer as others see it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-balance-uri.h"
#include "hvmem-balance-view.h"
#include "hvmem-test-auto.h"
#include "hvmem-test-lock.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>


/*
 * Who has the lock?
 */

static char *
tell(const char *name,
     guint64 number)
{
    return g_strdup_printf("%s %" G_GUINT64_FORMAT "\n", name, number);
}


static void
testOwnerText(void)
{
    g_autofree char *budget = tell("budget", 4 * GIB);
    g_autofree char *text = g_strconcat("process 77\nuri qemu:///system\n", budget, "reserve 0\nforeign abc 1234\nforeign x\nnew thing\n", NULL);
    hvmemBalanceOwner *owner = hvmemBalanceOwnerParse(text);

    g_assert_cmpint(owner->pid, ==, 77);
    g_assert_true(owner->told);
    g_assert_cmpstr(owner->uri, ==, "qemu:///system");
    g_assert_cmpuint(owner->budget, ==, 4 * GIB);
    g_assert_cmpuint(owner->reserve, ==, 0);
    g_assert_cmpuint(g_hash_table_size(owner->foreign), ==, 1);
    g_assert_cmpint(*(gint64 *)g_hash_table_lookup(owner->foreign, "abc"), ==, 1234);
    hvmemBalanceOwnerFree(owner);

    /* what is behind the end is of a longer text before */
    owner = hvmemBalanceOwnerParse("process 7\nuri x\nend\nreserve 5\nforeign abc 1234\n");
    g_assert_cmpuint(owner->reserve, ==, HVMEM_UNKNOWN);
    g_assert_cmpuint(g_hash_table_size(owner->foreign), ==, 0);
    hvmemBalanceOwnerFree(owner);

    /* an older version told no more */
    owner = hvmemBalanceOwnerParse("process 7\n");
    g_assert_null(owner->uri);
    g_assert_cmpuint(owner->reserve, ==, HVMEM_UNKNOWN);
    hvmemBalanceOwnerFree(owner);

    /* nothing is guessed from what is no number */
    owner = hvmemBalanceOwnerParse("process 7\nbudget 5x\n");
    g_assert_false(owner->told);
    hvmemBalanceOwnerFree(owner);
    owner = hvmemBalanceOwnerParse("process 7\nreserve -1\n");
    g_assert_false(owner->told);
    hvmemBalanceOwnerFree(owner);
    g_assert_null(hvmemBalanceOwnerParse(""));
    g_assert_null(hvmemBalanceOwnerParse("process 0\nuri x\n"));
}


static void
testIsLocked(void)
{
    static const char locks[] = "1: POSIX  ADVISORY  WRITE 55 00:19:5678 0 EOF\n2: FLOCK  ADVISORY  WRITE 66 00:19:5678 0 EOF\n"
        "2: -> FLOCK  ADVISORY  WRITE 77 00:19:5678 0 EOF\n3: FLOCK  ADVISORY  READ 88 fd:01:99 0 EOF\n";

    g_assert_true(hvmemBalanceIsLocked(locks, 5678, 66));
    g_assert_true(hvmemBalanceIsLocked(locks, 99, 88));
    g_assert_false(hvmemBalanceIsLocked(locks, 5678, 55));
    g_assert_false(hvmemBalanceIsLocked(locks, 5678, 77));
    g_assert_false(hvmemBalanceIsLocked(locks, 5678, 88));
    g_assert_false(hvmemBalanceIsLocked("", 5678, 66));
}


/* Spellings of one daemon, and of others. */
static const char *const spellings[][7] = {
    { "qemu:///system", "qemu+unix:///system", "QEMU+UNIX:///system", "qemu:///system/", "qemu:///system?mode=direct&no_verify", "qemu+ssh:///system?command=/ssh" },
    { "qemu:///session", "qemu+unix:///session//", "qemu:/session", "qemu:///session?" },
    { "qemu:///system?socket=/run/a/s", "qemu+unix:///system?mode=legacy;Socket=%2Frun/a%2fs", "qemu:///system?socket=/b&socket=/run/a/s" },
    { "qemu:///system?socket=/run/b/s" }, { "qemu:///embed?root=/a" }, { "qemu:///embed?root=/b" }, { "xen:///system" }, { "test:///default" },
    { "qemu+ssh://root@h/system", "qemu+ssh://root@h/system/?no_tty=1" }, { "qemu+ssh://h/system" }, { "qemu+ssh://h:77/system" }, { "qemu+tls://[::1]/system" },
    { "qemu+ext:///system?command=/a" }, { "qemu+ext:///system?command=/a&name=b", "qemu+EXT:///system?name=b&command=/a" }, { "no URI" },
};


static void
testSpellings(void)
{
    size_t i, k, other;

    for (i = 0; i < G_N_ELEMENTS(spellings); i++) {
        g_autofree char *path = hvmemBalanceLockPath(spellings[i][0]);

        for (k = 0; spellings[i][k]; k++) {
            g_autofree char *uri = hvmemBalanceURI(spellings[i][k]);
            g_autofree char *same = hvmemBalanceLockPath(spellings[i][k]);

            g_assert_cmpstr(same, ==, path);
            g_assert_cmpstr(uri, ==, spellings[i][0]);
        }
        for (other = 0; other < i; other++) {
            g_autofree char *another = hvmemBalanceLockPath(spellings[other][0]);

            g_assert_cmpstr(another, !=, path);
        }
    }
}


/* Whoever balances it is found by any of them, also if another one is in the file. */
static void
testOwnerSpelt(void)
{
    g_autoptr(GPtrArray) owners = g_ptr_array_new_with_free_func((GDestroyNotify)hvmemBalanceOwnerFree);
    hvmemBalanceOwner *owner = hvmemBalanceOwnerParse("process 7\nuri qemu+unix:///system\n");

    g_ptr_array_add(owners, owner);
    g_assert_true(hvmemBalanceOwnerOf(owners, "qemu:///system") == owner);
    g_assert_true(hvmemBalanceOwnerOf(owners, "qemu:///system/?mode=direct") == owner);
    g_assert_null(hvmemBalanceOwnerOf(owners, "qemu:///session"));
    g_assert_null(hvmemBalanceOwnerOf(owners, "qemu:///system?socket=/s"));
}


/* Others see who has a lock, with what, and not who had it. */
static void
testOwners(void)
{
    g_autofree char *uri = g_strdup_printf("test:///hvmem-owner-test-%d", getpid());
    g_autofree char *path = hvmemBalanceLockPath(uri);
    g_autoptr(GHashTable) foreign = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) owners = NULL;
    const hvmemBalanceOwner *owner;
    mode_t before = umask(077);
    hvmemBalanceConf conf;
    gint64 when = 1234;
    struct stat there;
    int status = 0;
    pid_t pid;

    hvmemBalanceConfInit(&conf);
    if ((pid = fork()) == 0)
        _exit(hvmemBalanceLock(uri, NULL) ? 0 : 1);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    owners = hvmemBalanceOwners();
    g_assert_null(hvmemBalanceOwnerOf(owners, uri));

    g_assert_true(hvmemBalanceLock(uri, NULL));
    umask(before);
    g_assert_cmpint(stat(path, &there), ==, 0);
    g_assert_cmpint(there.st_mode & 0777, ==, 0644);
    conf.budget = 3 * GIB;
    g_hash_table_insert(foreign, (char *)"abc", &when);
    hvmemBalancePublish(&conf, foreign);
    g_ptr_array_unref(owners);
    owners = hvmemBalanceOwners();
    owner = hvmemBalanceOwnerOf(owners, uri);
    g_assert_nonnull(owner);
    g_assert_cmpint(owner->pid, ==, getpid());
    g_assert_cmpuint(owner->budget, ==, 3 * GIB);
    g_assert_cmpuint(owner->reserve, ==, HVMEM_UNKNOWN);
    g_assert_cmpuint(g_hash_table_size(owner->foreign), ==, 1);
    removeLock(path);
}


/* Its time is when it last decided. */
static void
testDecided(void)
{
    static const struct timespec old[] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    g_autofree char *uri = g_strdup_printf("test:///hvmem-decided-test-%d", getpid());
    g_autofree char *path = hvmemBalanceLockPath(uri);
    g_autoptr(GPtrArray) before = NULL;
    g_autoptr(GPtrArray) after = NULL;

    g_assert_true(hvmemBalanceLock(uri, NULL));
    g_assert_cmpint(utimensat(AT_FDCWD, path, old, 0), ==, 0);
    before = hvmemBalanceOwners();
    g_assert_cmpint(hvmemBalanceOwnerOf(before, uri)->decided, ==, 1000);
    hvmemBalanceDecided();
    after = hvmemBalanceOwners();
    g_assert_cmpint(hvmemBalanceOwnerOf(after, uri)->decided, >=, g_get_real_time() / G_USEC_PER_SEC - 60);
    removeLock(path);

    g_assert_cmpint(hvmemBalanceIdleMinutes(1000, 1119), ==, 0);
    g_assert_cmpint(hvmemBalanceIdleMinutes(1000, 1181), ==, 3);
    g_assert_cmpint(hvmemBalanceIdleMinutes(0, 1181), ==, 0);
    /* the clock was set back */
    g_assert_cmpint(hvmemBalanceIdleMinutes(2000, 1181), ==, 0);
}


/* Whoever looks while something is written always sees who has the lock. */
static void
testWhileWriting(void)
{
    g_autofree char *uri = g_strdup_printf("test:///hvmem-writing-test-%d", getpid());
    g_autofree char *path = hvmemBalanceLockPath(uri);
    g_autoptr(GHashTable) none = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) foreign = g_hash_table_new(g_str_hash, g_str_equal);
    gint64 when = 1234;
    hvmemBalanceConf conf;
    pid_t parent = getpid();
    pid_t pid;
    int i;

    hvmemBalanceConfInit(&conf);
    g_hash_table_insert(foreign, (char *)"abc", &when);
    g_assert_true(hvmemBalanceLock(uri, NULL));
    if ((pid = fork()) == 0) {
        while (getppid() == parent) {
            hvmemBalancePublish(&conf, foreign);
            hvmemBalancePublish(&conf, none);
        }
        _exit(0);
    }
    for (i = 0; i < 2000; i++) {
        g_autofree char *text = NULL;
        gsize length = 0;

        g_assert_true(g_file_get_contents(path, &text, &length, NULL));
        g_assert_cmpuint(length, >, 0);
    }
    kill(pid, SIGKILL);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    removeLock(path);
}


/* A file of ours in the folder of users, as any of them can have it: with the lock taken. */
static int
claim(const char *path,
      const char *uri)
{
    g_autofree char *text = g_strdup_printf("process %d\nuri %s\nbudget 1\n", getpid(), uri);
    int fd;

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    fd = g_open(path, O_RDONLY | O_CLOEXEC, 0);
    g_assert_cmpint(flock(fd, LOCK_EX | LOCK_NB), ==, 0);
    return fd;
}


static const hvmemBalanceOwner *
seen(const GPtrArray *owners,
     const char *uri)
{
    size_t i;

    for (i = 0; i < owners->len; i++) {
        const hvmemBalanceOwner *owner = owners->pdata[i];

        if (g_strcmp0(owner->uri, uri) == 0)
            return owner;
    }
    return NULL;
}


/* What any user says in a file of that name is not believed, but shown; and what is no file does not stop whoever looks. */
static void
testStrangers(void)
{
    const char *dir = g_get_user_runtime_dir();
    g_autofree char *path = g_build_filename(dir, "virsh-hvmem-balance-0.lock", NULL);
    g_autofree char *pipe = g_build_filename(dir, "virsh-hvmem-balance-1.lock", NULL);
    g_autofree char *link = g_build_filename(dir, "virsh-hvmem-balance-2.lock", NULL);
    g_autoptr(GPtrArray) owners = NULL;
    int fd = claim(path, "test:///stranger");

    g_assert_cmpint(mkfifo(pipe, 0644), ==, 0);
    g_assert_cmpint(symlink(path, link), ==, 0);
    owners = hvmemBalanceOwners();
    g_assert_nonnull(hvmemBalanceOwnerOf(owners, "test:///stranger"));
    g_assert_cmpint(seen(owners, "test:///stranger")->uid, ==, geteuid());
    if (geteuid() == 0) {
        g_assert_cmpint(chown(path, 12345, -1), ==, 0);
        g_ptr_array_unref(owners);
        owners = hvmemBalanceOwners();
        g_assert_null(hvmemBalanceOwnerOf(owners, "test:///stranger"));
        g_assert_cmpint(seen(owners, "test:///stranger")->uid, ==, 12345);
    }
    close(fd);
    g_unlink(path);
    g_unlink(pipe);
    g_unlink(link);
}


/* By a user who may not read the file: who has the lock is known all the same, from the kernel, but not with what. */
static void
testUnreadable(void)
{
    g_autofree char *uri = g_strdup_printf("test:///hvmem-unreadable-test-%d", getpid());
    g_autofree char *path = hvmemBalanceLockPath(uri);
    int status = 0;
    pid_t pid;

    if (geteuid() != 0) {
        g_test_skip("root can do this");
        return;
    }
    g_assert_true(hvmemBalanceLock(uri, NULL));
    g_assert_cmpint(chmod(path, 0600), ==, 0);
    if ((pid = fork()) == 0) {
        const hvmemBalanceOwner *owner;
        bool known;

        known = setuid(12345) == 0 && (owner = hvmemBalanceOwnerOf(hvmemBalanceOwners(), uri)) && owner->pid == getppid() && !owner->told &&
            !hvmemBalanceOwnerOf(hvmemBalanceOwners(), "test:///another");
        _exit(known ? 0 : 1);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    removeLock(path);
}


/* Anybody can lock what he can read, while there is no balancer: root's starts all the same, and is seen. */
static void
testLockedByReader(void)
{
    g_autofree char *uri = g_strdup_printf("test:///hvmem-reader-test-%d", getpid());
    g_autofree char *path = hvmemBalanceLockPath(uri);
    g_autofree char *key = g_strconcat(path, ".key", NULL);
    g_autoptr(GPtrArray) owners = NULL;
    pid_t parent = getpid();
    int ready[2];
    char byte = 0;
    pid_t pid;

    if (geteuid() != 0) {
        g_test_skip("root can do this");
        return;
    }
    g_assert_cmpint(chmod(g_get_user_runtime_dir(), 0755), ==, 0);
    if ((pid = fork()) == 0)
        _exit(hvmemBalanceLock(uri, NULL) ? 0 : 1);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);

    g_assert_cmpint(pipe(ready), ==, 0);
    if ((pid = fork()) == 0) {
        byte = setuid(12345) == 0 && flock(open(path, O_RDONLY), LOCK_EX | LOCK_NB) == 0 && open(key, O_RDONLY) < 0;
        while (write(ready[1], &byte, 1) == 1 && getppid() == parent)
            g_usleep(G_USEC_PER_SEC / 10);
        _exit(0);
    }
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    g_assert_true(byte);
    g_assert_true(hvmemBalanceLock(uri, NULL));
    owners = hvmemBalanceOwners();
    g_assert_cmpint(hvmemBalanceOwnerOf(owners, uri)->pid, ==, getpid());
    kill(pid, SIGKILL);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    close(ready[0]);
    close(ready[1]);
    removeLock(path);
}


/* Root's balancer and a user's have their locks in different folders, and still only one of them gets it. A session is another one for each user, by its path alone. */
static void
testBetweenUsers(void)
{
    g_autofree char *uri = g_strdup_printf("test:///hvmem-users-test-%d?socket=/session", getpid());
    g_autofree char *session = g_strdup_printf("test:///session?socket=%d", getpid());
    g_autofree char *path = hvmemBalanceLockPath(uri);
    g_autofree char *sessionPath = hvmemBalanceLockPath(session);
    g_autofree char *owner = g_strdup_printf("process %d", getpid());
    int status = 0;
    pid_t pid;

    if (geteuid() != 0) {
        g_test_skip("root can do this");
        return;
    }
    g_assert_cmpint(chmod(g_get_user_runtime_dir(), 0777), ==, 0);
    g_assert_true(hvmemBalanceLock(uri, NULL) && hvmemBalanceLock(session, NULL));
    if ((pid = fork()) == 0) {
        g_autoptr(GError) error = NULL;
        g_autofree char *own = NULL;
        bool refused = setuid(12345) == 0 && !hvmemBalanceLock(uri, &error) && strstr(error->message, owner);
        bool got = hvmemBalanceLock(session, NULL);

        own = hvmemBalanceLockPath(session);
        removeLock(own);
        _exit(refused && got ? 0 : 1);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    removeLock(path);
    removeLock(sessionPath);
    g_assert_cmpint(status, ==, 0);
}


/*
 * What others say of it
 */

static const hvmemBalanceOwner someone = { .pid = 7, .uri = (char *)"qemu:///system" };


static void
assertView(const hvmemBalanceView *view,
           const hvmemDomain *dom,
           const hvmemBalanced *guest,
           const char *expected)
{
    g_autofree char *text = hvmemBalanceViewText(view, dom, guest);

    g_assert_cmpstr(text, ==, expected);
}


static void
testViewText(void)
{
    const hvmemBalanceView nobody = { .local = true, .uri = (char *)"qemu:///system" };
    const hvmemBalanceView remote = { .uri = (char *)"qemu+ssh://h/system" };
    const hvmemBalanceView view = { .local = true, .owner = &someone };
    g_autoptr(hvmemDomain) dom = domain(XML(AUTO("")), true);
    hvmemBalanced guest = { .out = { .bound = HVMEM_BALANCE_DEMAND, .goal = 2 * GIB / 1024, .wish = 3 * GIB / 1024 } };
    const hvmemBalanceOwner still = { .pid = 7, .decided = g_get_real_time() / G_USEC_PER_SEC - 630 };
    hvmemBalanceView stopped = { .local = true };

    assertView(&nobody, dom, NULL, "From 512 MiB to 8 GiB, 20 % more than it uses, weight 100. It has not told what it uses. But nobody balances "
               "qemu:///system now: until 'virsh-hvmem balance' runs, it stays as it is.");
    dom->usable = GIB;
    assertView(&remote, dom, NULL, "From 512 MiB to 8 GiB, 20 % more than it uses, weight 100. It uses 1 GiB. Whether somebody balances it is known on "
               "its host only.");
    assertView(&view, dom, &guest, "From 512 MiB to 8 GiB, 20 % more than it uses, weight 100. It uses 1 GiB. It stays; its goal is 2 GiB, demand and "
               "buffer. It gets more when it uses more. Process 7 balances it.");
    guest.out.bound = HVMEM_BALANCE_DEMAND_CUT;
    guest.out.move = HVMEM_BALANCE_WAIT;
    assertView(&view, dom, &guest, "From 512 MiB to 8 GiB, 20 % more than it uses, weight 100. It uses 1 GiB. It waits until others have given back, to "
               "grow to 2 GiB, its share by weight, since the budget does not suffice for what all guests use. A larger budget, a higher --weight, or "
               "others that use less would give it more. Process 7 balances it.");
    guest.out.bound = HVMEM_BALANCE_AT_MAXIMUM;
    guest.out.move = HVMEM_BALANCE_STAY;
    guest.in.maximum = 2 * GIB / 1024;
    guest.limit = HVMEM_BALANCED_NO_SLOT;
    assertView(&view, dom, &guest, "From 512 MiB to 8 GiB, 20 % more than it uses, weight 100. It uses 1 GiB. It stays; its goal is 2 GiB, all that it can "
               "have now, since no memory slot is free for one more stick; demand and buffer would be 3 GiB. Started with more boot memory, or with fewer "
               "memory devices, it could get more. Process 7 balances it.");
    guest.limit = HVMEM_BALANCED_SET;
    assertView(&view, dom, &guest, "From 512 MiB to 8 GiB, 20 % more than it uses, weight 100. It uses 1 GiB. It stays; its goal is its maximum; demand and "
               "buffer would be 3 GiB. Only with a higher --maximum would it get more. Process 7 balances it.");
    guest.out.bound = HVMEM_BALANCE_LEFT_ALONE;
    guest.in.state = HVMEM_BALANCE_PAUSED;
    assertView(&view, dom, &guest, "From 512 MiB to 8 GiB, 20 % more than it uses, weight 100. It uses 1 GiB. Left alone: it is paused. Process 7 "
               "balances it.");
    stopped.owner = &still;
    assertView(&stopped, dom, &guest, "From 512 MiB to 8 GiB, 20 % more than it uses, weight 100. It uses 1 GiB. Left alone: it is paused. Process 7 "
               "balances it, but has decided nothing for 10 minutes.");
    dom->active = false;
    assertView(&view, dom, NULL, "From 512 MiB to 8 GiB, 20 % more than it uses, weight 100. Process 7 balances it.");
}


/* Whoever sets a size by hand learns what becomes of it, and how to keep it. */
static void
testViewRemark(void)
{
    const hvmemBalanceView nobody = { .local = true };
    const hvmemBalanceView remote = { 0 };
    const hvmemBalanceView view = { .local = true, .owner = &someone };
    g_autoptr(hvmemDomain) dom = domain(XML(AUTO("")), true);
    g_autofree char *byProcess = hvmemBalanceViewRemark(&view, dom);
    g_autofree char *later = hvmemBalanceViewRemark(&nobody, dom);
    g_autofree char *perhaps = hvmemBalanceViewRemark(&remote, dom);
    g_autofree char *held = NULL;

    g_assert_cmpstr(byProcess, ==, "its memory is automatic: process 7, which balances it, may change this again, at once if others need memory. "
                    "'virsh-hvmem auto g --hold 30min' leaves it alone for a while, 'virsh-hvmem auto g --off' for good");
    g_assert_nonnull(strstr(later, "'virsh-hvmem balance' may change this again once it runs."));
    g_assert_nonnull(strstr(perhaps, "if one runs on its host"));
    dom->automatic.hold = g_get_real_time() / G_USEC_PER_SEC + 1000;
    held = hvmemBalanceViewRemark(&view, dom);
    g_assert_nonnull(strstr(held, "left alone until 2"));
    dom->automatic.on = false;
    g_assert_null(hvmemBalanceViewRemark(&view, dom));
}


int
main(int argc,
     char **argv)
{
    g_autofree char *dir = g_dir_make_tmp("balance-view-XXXXXX", NULL);
    int failed;

    g_setenv("XDG_RUNTIME_DIR", dir, true);
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/balance-view/owner-text", testOwnerText);
    g_test_add_func("/hvmem/balance-view/is-locked", testIsLocked);
    g_test_add_func("/hvmem/balance-view/spellings", testSpellings);
    g_test_add_func("/hvmem/balance-view/owner-spelt", testOwnerSpelt);
    g_test_add_func("/hvmem/balance-view/owners", testOwners);
    g_test_add_func("/hvmem/balance-view/decided", testDecided);
    g_test_add_func("/hvmem/balance-view/while-writing", testWhileWriting);
    g_test_add_func("/hvmem/balance-view/strangers", testStrangers);
    g_test_add_func("/hvmem/balance-view/unreadable", testUnreadable);
    g_test_add_func("/hvmem/balance-view/locked-by-reader", testLockedByReader);
    g_test_add_func("/hvmem/balance-view/between-users", testBetweenUsers);
    g_test_add_func("/hvmem/balance-view/text", testViewText);
    g_test_add_func("/hvmem/balance-view/remark", testViewRemark);
    failed = g_test_run();
    g_rmdir(dir);
    return failed;
}
