/* Counts the calls of one process that change files below a directory, and ends or fails it at one of them.
 *
 *   CRASH_DIR   the directory, absolute
 *   CRASH_AT    number of the call (from 1) at which something happens; 0: never
 *   CRASH_HOW   before, half, after: SIGKILL before the call, after half of a write, after the call
 *               full: from that call on every call that needs room fails with ENOSPC
 *               broken: from that call on every call fails with EIO
 *   CRASH_LOG   a file that gets the name of each call and of the file, a line each
 *
 * Programs that the process starts are not concerned: the variables are removed before they could inherit them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum how { NEVER, BEFORE, HALF, AFTER, FULL, BROKEN };

static char below[PATH_MAX];
static size_t length;
static long count, at;
static enum how how;
static int list = -1;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);

/* A process that was forked instead of started calls it itself. */
__attribute__((constructor)) void begin(void) {
    static const char *names[] = {"never", "before", "half", "after", "full", "broken"};
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_rename = dlsym(RTLD_NEXT, "rename");
    const char *dir = getenv("CRASH_DIR"), *number = getenv("CRASH_AT");
    const char *mode = getenv("CRASH_HOW"), *log = getenv("CRASH_LOG");
    if (dir == NULL)
        return;
    snprintf(below, sizeof below, "%s", dir);
    length = strlen(below);
    at = number == NULL ? 0 : atol(number);
    for (int i = 0; mode != NULL && i <= BROKEN; i++)
        if (strcmp(mode, names[i]) == 0)
            how = (enum how)i;
    if (log != NULL)
        list = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    unsetenv("LD_PRELOAD");
    unsetenv("CRASH_DIR");
    unsetenv("CRASH_AT");
    unsetenv("CRASH_HOW");
    unsetenv("CRASH_LOG");
}

static int is_below(const char *path) {
    return length > 0 && strncmp(path, below, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* The file that the call at hand is about. */
static __thread char path[PATH_MAX];

static int is_file_below(int fd) {
    char link[64];
    if (length == 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return 0;
    path[n] = '\0';
    return is_below(path);
}

static const char *base(void) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* One more call. Whether something happens at this one; BEFORE has happened when this returns. */
static enum how reached(const char *name) {
    count++;
    if (list >= 0) {
        char line[PATH_MAX + 32];
        real_write(list, line, (size_t)snprintf(line, sizeof line, "%s %s\n", name, base()));
    }
    if (at == 0 || count < at)
        return NEVER;
    if (how == FULL || how == BROKEN)
        return how;
    if (count > at)
        return NEVER;
    if (how == BEFORE)
        die();
    return how;
}

static int refused(enum how now, int needs_room) {
    if (now == BROKEN)
        errno = EIO;
    else if (now == FULL && needs_room)
        errno = ENOSPC;
    else
        return 0;
    return 1;
}

ssize_t write(int fd, const void *data, size_t size) {
    if (!is_file_below(fd))
        return real_write(fd, data, size);
    enum how now = reached("write");
    if (refused(now, 1))
        return -1;
    ssize_t done = real_write(fd, data, now == HALF ? size / 2 : size);
    if (now == HALF || now == AFTER)
        die();
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    if (!is_file_below(fd))
        return real_pwrite(fd, data, size, offset);
    enum how now = reached("pwrite");
    if (refused(now, 1))
        return -1;
    ssize_t done = real_pwrite(fd, data, now == HALF ? size / 2 : size, offset);
    if (now == HALF || now == AFTER)
        die();
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) {
    return pwrite(fd, data, size, offset);
}

int ftruncate(int fd, off_t size) {
    if (!is_file_below(fd))
        return real_ftruncate(fd, size);
    enum how now = reached("ftruncate");
    if (refused(now, size > 0))
        return -1;
    int done = real_ftruncate(fd, size);
    if (now == HALF || now == AFTER)
        die();
    return done;
}

int ftruncate64(int fd, off_t size) {
    return ftruncate(fd, size);
}

#define ON_FILE(name)                                                                                                  \
    int name(int fd) {                                                                                                 \
        if (!is_file_below(fd))                                                                                        \
            return real_##name(fd);                                                                                    \
        enum how now = reached(#name);                                                                                 \
        if (refused(now, 0))                                                                                           \
            return -1;                                                                                                 \
        int done = real_##name(fd);                                                                                    \
        if (now == HALF || now == AFTER)                                                                               \
            die();                                                                                                     \
        return done;                                                                                                   \
    }

ON_FILE(fsync)
ON_FILE(fdatasync)

int unlink(const char *name) {
    if (!is_below(name))
        return real_unlink(name);
    snprintf(path, sizeof path, "%s", name);
    enum how now = reached("unlink");
    if (refused(now, 0))
        return -1;
    int done = real_unlink(name);
    if (now == HALF || now == AFTER)
        die();
    return done;
}

int rename(const char *from, const char *to) {
    if (!is_below(to))
        return real_rename(from, to);
    snprintf(path, sizeof path, "%s", to);
    enum how now = reached("rename");
    if (refused(now, 1))
        return -1;
    int done = real_rename(from, to);
    if (now == HALF || now == AFTER)
        die();
    return done;
}
