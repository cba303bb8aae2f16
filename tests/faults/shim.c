// Stands between a process and the file system: counts the calls that touch files below one directory and, at the n-th,
// kills the process or lets the call fail. Loaded by LD_PRELOAD; armed by faults_arm, called through ctypes.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { COUNT, KILL_AFTER, FAIL, FAIL_FROM_THEN_ON };

static char below[PATH_MAX];
static atomic_int calls, watched[65536];
static int at, action, failure, armed;

void faults_arm(const char *directory, int n, int what, int error) {
    strncpy(below, directory, sizeof below - 1);
    calls = 0;
    at = n;
    action = what;
    failure = error;
    armed = 1;
}

int faults_calls(void) { return calls; }

void faults_disarm(void) { armed = 0; }

static int of_interest(int directory, const char *path) {
    if (!armed || !path) return 0;
    if (path[0] != '/' && directory != AT_FDCWD) return directory >= 0 && directory < 65536 && watched[directory];
    return strncmp(path, below, strlen(below)) == 0;
}

// Returns 1 if the call must fail; `after` says whether this is asked after the call.
static int event(int after) {
    if (!after) {
        int n = ++calls;
        return (action == FAIL && n == at) || (action == FAIL_FROM_THEN_ON && n >= at);
    }
    if (action == KILL_AFTER && calls >= at) kill(getpid(), SIGKILL);
    return 0;
}

#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

#define AROUND(interest, result_type, call)       \
    do {                                          \
        if (!(interest)) return call;             \
        if (event(0)) { errno = failure; return (result_type)-1; } \
        result_type result = call;                \
        int kept = errno;                         \
        event(1);                                 \
        errno = kept;                             \
        return result;                            \
    } while (0)

static int opened(int fd) {
    if (fd >= 0 && fd < 65536) watched[fd] = 1;
    return fd;
}

#define FD(fd) (armed && (fd) >= 0 && (fd) < 65536 && watched[fd])

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); }

int open(const char *path, int flags, ...) {
    MODE(flags)
    AROUND(of_interest(AT_FDCWD, path), int, opened(REAL(open)(path, flags, mode)));
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    AROUND(of_interest(AT_FDCWD, path), int, opened(REAL(open64)(path, flags, mode)));
}

int openat(int directory, const char *path, int flags, ...) {
    MODE(flags)
    AROUND(of_interest(directory, path), int, opened(REAL(openat)(directory, path, flags, mode)));
}

int openat64(int directory, const char *path, int flags, ...) {
    MODE(flags)
    AROUND(of_interest(directory, path), int, opened(REAL(openat64)(directory, path, flags, mode)));
}

int close(int fd) {
    if (fd >= 0 && fd < 65536) watched[fd] = 0;
    return REAL(close)(fd);
}

ssize_t write(int fd, const void *data, size_t size) { AROUND(FD(fd), ssize_t, REAL(write)(fd, data, size)); }

ssize_t pwrite(int fd, const void *data, size_t size, off_t place) {
    AROUND(FD(fd), ssize_t, REAL(pwrite)(fd, data, size, place));
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t place) {
    AROUND(FD(fd), ssize_t, REAL(pwrite64)(fd, data, size, place));
}

struct iovec;
ssize_t writev(int fd, const struct iovec *parts, int count) { AROUND(FD(fd), ssize_t, REAL(writev)(fd, parts, count)); }

int fsync(int fd) { AROUND(FD(fd), int, REAL(fsync)(fd)); }

int fdatasync(int fd) { AROUND(FD(fd), int, REAL(fdatasync)(fd)); }

int ftruncate(int fd, off_t size) { AROUND(FD(fd), int, REAL(ftruncate)(fd, size)); }

int ftruncate64(int fd, off64_t size) { AROUND(FD(fd), int, REAL(ftruncate64)(fd, size)); }

int rename(const char *old, const char *new) { AROUND(of_interest(AT_FDCWD, new), int, REAL(rename)(old, new)); }

int renameat(int od, const char *old, int nd, const char *new) {
    AROUND(of_interest(nd, new), int, REAL(renameat)(od, old, nd, new));
}

int link(const char *old, const char *new) { AROUND(of_interest(AT_FDCWD, new), int, REAL(link)(old, new)); }

int mkdir(const char *path, mode_t mode) { AROUND(of_interest(AT_FDCWD, path), int, REAL(mkdir)(path, mode)); }

int mkdirat(int directory, const char *path, mode_t mode) {
    AROUND(of_interest(directory, path), int, REAL(mkdirat)(directory, path, mode));
}

int unlink(const char *path) { AROUND(of_interest(AT_FDCWD, path), int, REAL(unlink)(path)); }

int unlinkat(int directory, const char *path, int flags) {
    AROUND(of_interest(directory, path), int, REAL(unlinkat)(directory, path, flags));
}

int rmdir(const char *path) { AROUND(of_interest(AT_FDCWD, path), int, REAL(rmdir)(path)); }
