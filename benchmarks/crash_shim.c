/* Stands between a process and the C library; counts, records and breaks what changes files below one folder.

   Compiled and preloaded by bench_crash.py, which arms it in each child through ctypes. Every call below the folder
   that creates, writes, syncs, cuts, renames or removes is one point. At a point the process can be killed, a write
   can be cut in half, or the call can fail; what succeeds, and every sync that is made to fail, goes to a log.

   A record of the log: a struct record, two paths and the bytes written. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MARK, CREATE, WRITE, SYNC, TRUNCATE, RENAME, UNLINK, MKDIR, RMDIR, SYNC_FAILED };
enum { COUNT, KILL, HALF, ONCE, SHORT, FOR_EVER };

struct record {
    uint32_t op, path, other, point;
    int64_t offset, length;
};

static char root[PATH_MAX];
static size_t root_length;
static int log_file = -1, mode, error_number;
static long at, count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ------------------------------------------------------------------ what the harness calls */

void crash_arm(const char *folder, int log, long point, int what, int error) {
    strncpy(root, folder, sizeof root - 1);
    root_length = strlen(root);
    log_file = log, at = point, mode = what, error_number = error, count = 0;
}

void crash_disarm(void) { root_length = 0; }

void crash_lift(void) { at = -1; }

long crash_count(void) { return count; }

static void log_bytes(const void *data, size_t length) {
    const char *bytes = data;
    while (length) {
        ssize_t done = syscall(SYS_write, log_file, bytes, length);
        if (done <= 0) abort();
        bytes += done, length -= done;
    }
}

static void note(uint32_t op, const char *path, const char *other, int64_t offset, int64_t length, const void *data) {
    if (log_file < 0) return;
    struct record record = {op, strlen(path), strlen(other), count - 1, offset, length};
    log_bytes(&record, sizeof record);
    log_bytes(path, record.path);
    log_bytes(other, record.other);
    if (data) log_bytes(data, length);
}

void crash_mark(long number) { note(MARK, "", "", number, 0, NULL); }

/* ------------------------------------------------------------------ where a call goes */

static int below(const char *path) {
    return root_length && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static int path_of_file(int file, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = root_length ? readlink(link, path, PATH_MAX - 1) : -1;
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int path_of_name(int folder, const char *name, char *path) {
    if (!root_length) return 0;
    if (name[0] == '/') {
        strncpy(path, name, PATH_MAX - 1);
    } else {
        char start[PATH_MAX];
        if (folder == AT_FDCWD) {
            if (!getcwd(start, sizeof start)) return 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t length = readlink(link, start, sizeof start - 1);
            if (length < 0) return 0;
            start[length] = 0;
        }
        if (snprintf(path, PATH_MAX, "%s/%s", start, name) >= PATH_MAX) abort();
    }
    return below(path);
}

/* ------------------------------------------------------------------ a point */

static void die(void) { syscall(SYS_kill, getpid(), SIGKILL); }

/* Return whether the call at this point must fail; a kill does not return. */
static int fails(void) {
    long here = count++;
    if (at < 0 || here < at) return 0;
    if (mode == KILL && here == at) die();
    if ((mode == ONCE && here == at) || mode == FOR_EVER || (mode == SHORT && here == at + 1)) {
        errno = error_number;
        return 1;
    }
    return 0;
}

static int halves(void) { return at >= 0 && (mode == HALF || mode == SHORT) && count - 1 == at; }

#define ENTER pthread_mutex_lock(&lock)
#define LEAVE(result) \
    do { \
        int kept = errno; \
        pthread_mutex_unlock(&lock); \
        errno = kept; \
        return result; \
    } while (0)

/* ------------------------------------------------------------------ names */

static int open_below(const char *path, int flags, int there, int (*call)(void *), void *arguments) {
    ENTER;
    if (fails()) LEAVE(-1);
    int file = call(arguments);
    if (file >= 0 && !there) note(CREATE, path, "", 0, 0, NULL);
    if (file >= 0 && there && (flags & O_TRUNC)) note(TRUNCATE, path, "", 0, 0, NULL);
    LEAVE(file);
}

struct opening {
    int folder, flags;
    const char *name;
    mode_t mode;
};

static int open_really(void *arguments) {
    struct opening *opening = arguments;
    return syscall(SYS_openat, opening->folder, opening->name, opening->flags | O_LARGEFILE, opening->mode);
}

static int open_any(int folder, const char *name, int flags, mode_t access) {
    char path[PATH_MAX];
    struct opening opening = {folder, flags, name, access};
    struct stat known;
    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || !path_of_name(folder, name, path))
        return open_really(&opening);
    int there = !fstatat(folder, name, &known, 0);
    if (there && !(flags & O_TRUNC)) return open_really(&opening);
    return open_below(path, flags, there, open_really, &opening);
}

#define ACCESS \
    mode_t access = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        access = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *name, int flags, ...) { ACCESS return open_any(AT_FDCWD, name, flags, access); }
int open64(const char *name, int flags, ...) { ACCESS return open_any(AT_FDCWD, name, flags, access); }
int openat(int folder, const char *name, int flags, ...) { ACCESS return open_any(folder, name, flags, access); }
int openat64(int folder, const char *name, int flags, ...) { ACCESS return open_any(folder, name, flags, access); }
int creat(const char *name, mode_t access) { return open_any(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, access); }

int mkdirat(int folder, const char *name, mode_t access) {
    char path[PATH_MAX];
    if (!path_of_name(folder, name, path)) return syscall(SYS_mkdirat, folder, name, access);
    ENTER;
    if (fails()) LEAVE(-1);
    int result = syscall(SYS_mkdirat, folder, name, access);
    if (!result) note(MKDIR, path, "", 0, 0, NULL);
    LEAVE(result);
}

int mkdir(const char *name, mode_t access) { return mkdirat(AT_FDCWD, name, access); }

int unlinkat(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    if (!path_of_name(folder, name, path)) return syscall(SYS_unlinkat, folder, name, flags);
    ENTER;
    if (fails()) LEAVE(-1);
    int result = syscall(SYS_unlinkat, folder, name, flags);
    if (!result) note(flags & AT_REMOVEDIR ? RMDIR : UNLINK, path, "", 0, 0, NULL);
    LEAVE(result);
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }
int remove(const char *name) {
    int result = unlink(name);
    return result && (errno == EISDIR || errno == EPERM) ? rmdir(name) : result;
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    char path[PATH_MAX], other[PATH_MAX];
    int inside = path_of_name(from_folder, from, path);
    if (!path_of_name(to_folder, to, other) && !inside)
        return syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    ENTER;
    if (fails()) LEAVE(-1);
    int result = syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    if (!result) note(RENAME, path, other, 0, 0, NULL);
    LEAVE(result);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    return renameat2(from_folder, from, to_folder, to, 0);
}

int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

/* ------------------------------------------------------------------ bytes */

static ssize_t write_at(int file, const void *data, size_t length, off_t offset, int positioned) {
    char path[PATH_MAX];
    if (!path_of_file(file, path))
        return positioned ? syscall(SYS_pwrite64, file, data, length, offset) : syscall(SYS_write, file, data, length);
    ENTER;
    if (fails()) LEAVE(-1);
    if (halves()) length = length > 1 ? length / 2 : length;
    struct stat known;
    int append = fcntl(file, F_GETFL) & O_APPEND;
    if (append) offset = fstat(file, &known) ? 0 : known.st_size;
    else if (!positioned) offset = lseek(file, 0, SEEK_CUR);
    ssize_t done =
        positioned ? syscall(SYS_pwrite64, file, data, length, offset) : syscall(SYS_write, file, data, length);
    if (done > 0) note(WRITE, path, "", offset, done, data);
    if (halves() && mode == HALF) die();
    LEAVE(done);
}

ssize_t write(int file, const void *data, size_t length) { return write_at(file, data, length, 0, 0); }
ssize_t pwrite(int file, const void *data, size_t length, off_t offset) { return write_at(file, data, length, offset, 1); }
ssize_t pwrite64(int file, const void *data, size_t length, off64_t offset) {
    return write_at(file, data, length, offset, 1);
}

/* One write a part: a caller must go on after a short write anyway. */
ssize_t writev(int file, const struct iovec *parts, int number) {
    char path[PATH_MAX];
    if (!path_of_file(file, path)) return syscall(SYS_writev, file, parts, number);
    int first = 0;
    while (first < number - 1 && !parts[first].iov_len) first++;
    return write(file, parts[first].iov_base, parts[first].iov_len);
}

ssize_t pwritev(int file, const struct iovec *parts, int number, off_t offset) {
    char path[PATH_MAX];
    if (!path_of_file(file, path)) return syscall(SYS_pwritev, file, parts, number, (long)offset, 0L);
    int first = 0;
    while (first < number - 1 && !parts[first].iov_len) first++;
    return pwrite(file, parts[first].iov_base, parts[first].iov_len, offset);
}

ssize_t pwritev64(int file, const struct iovec *parts, int number, off64_t offset) {
    return pwritev(file, parts, number, offset);
}

static int sync_any(int file, long call) {
    char path[PATH_MAX];
    if (!path_of_file(file, path)) return syscall(call, file);
    ENTER;
    if (fails()) {
        note(SYNC_FAILED, path, "", 0, 0, NULL);
        LEAVE(-1);
    }
    int result = syscall(call, file);
    if (!result) note(SYNC, path, "", 0, 0, NULL);
    LEAVE(result);
}

int fsync(int file) { return sync_any(file, SYS_fsync); }
int fdatasync(int file) { return sync_any(file, SYS_fdatasync); }

int ftruncate(int file, off_t length) {
    char path[PATH_MAX];
    if (!path_of_file(file, path)) return syscall(SYS_ftruncate, file, length);
    ENTER;
    if (fails()) LEAVE(-1);
    int result = syscall(SYS_ftruncate, file, length);
    if (!result) note(TRUNCATE, path, "", length, 0, NULL);
    LEAVE(result);
}

int ftruncate64(int file, off64_t length) { return ftruncate(file, length); }

int truncate(const char *name, off_t length) {
    char path[PATH_MAX];
    if (!path_of_name(AT_FDCWD, name, path)) return syscall(SYS_truncate, name, length);
    ENTER;
    if (fails()) LEAVE(-1);
    int result = syscall(SYS_truncate, name, length);
    if (!result) note(TRUNCATE, path, "", length, 0, NULL);
    LEAVE(result);
}

int truncate64(const char *name, off64_t length) { return truncate(name, length); }

/* ------------------------------------------------------------------ ways around: refused, so that callers fall back */

#define REFUSED(file) \
    char path[PATH_MAX]; \
    if (path_of_file(file, path)) { \
        errno = EOPNOTSUPP; \
        return -1; \
    }

int fallocate(int file, int how, off_t offset, off_t length) {
    REFUSED(file) return syscall(SYS_fallocate, file, how, offset, length);
}
int fallocate64(int file, int how, off64_t offset, off64_t length) { return fallocate(file, how, offset, length); }
int posix_fallocate(int file, off_t offset, off_t length) {
    char path[PATH_MAX];
    if (path_of_file(file, path)) return EOPNOTSUPP;
    return syscall(SYS_fallocate, file, 0, offset, length) ? errno : 0;
}
int posix_fallocate64(int file, off64_t offset, off64_t length) { return posix_fallocate(file, offset, length); }

ssize_t sendfile(int out, int in, off_t *offset, size_t length) {
    REFUSED(out) return syscall(SYS_sendfile, out, in, offset, length);
}
ssize_t sendfile64(int out, int in, off64_t *offset, size_t length) { return sendfile(out, in, offset, length); }
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) {
    REFUSED(out) return syscall(SYS_copy_file_range, in, from, out, to, length, flags);
}

int link(const char *from, const char *to) {
    char path[PATH_MAX];
    if (path_of_name(AT_FDCWD, to, path)) {
        errno = EPERM;
        return -1;
    }
    return syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
    char path[PATH_MAX];
    if ((protection & PROT_WRITE) && (flags & MAP_SHARED) && file >= 0 && path_of_file(file, path)) {
        fprintf(stderr, "crash_shim: %s is mapped for writing, which cannot be recorded\n", path);
        abort();
    }
    return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}
void *mmap64(void *address, size_t length, int protection, int flags, int file, off64_t offset) {
    return mmap(address, length, protection, flags, file, offset);
}
