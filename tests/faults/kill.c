/* Stops every process that has it preloaded at the n-th call that changes files below one folder.
 *
 * Preloaded into the JVM, CPython, delta-rs and HDF5 alike, it counts the calls that change the file
 * system below FAULT_ROOT. Before the call numbered `target` all such calls wait, in all processes,
 * so the folder is what a SIGKILL at this moment would leave. Who watches then kills the processes,
 * or copies the folder, sets the next target and clears `stopped`.
 *
 * Build: cc -shared -fPIC -O2 -o kill.so kill.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* the file FAULT_SHARED, mapped by all processes; the watcher reads and writes it too */
struct shared {
  _Atomic uint64_t count;   /* calls so far */
  _Atomic uint64_t target;  /* stop before this call or the next; 0: never */
  _Atomic uint64_t stopped; /* 1 while all wait */
  char full[232];           /* writes to files with this in their path find no space; "": none do */
};

static struct shared *shared;
static char root[PATH_MAX];
static size_t root_length;

__attribute__((constructor)) static void begin(void) {
  const char *folder = getenv("FAULT_ROOT"), *name = getenv("FAULT_SHARED");
  if (!folder || !name || strlen(folder) >= sizeof root) return;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *mapped = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  syscall(SYS_close, fd);
  if (mapped == MAP_FAILED) return;
  strcpy(root, folder);
  root_length = strlen(root);
  shared = mapped;
}

static void wait_while_stopped(void) {
  struct timespec pause = {0, 1000000};
  while (atomic_load(&shared->stopped)) nanosleep(&pause, NULL);
}

static void count(void) {
  int error = errno;
  wait_while_stopped();
  uint64_t number = atomic_fetch_add(&shared->count, 1) + 1;
  uint64_t target = atomic_load(&shared->target);
  if (target && number >= target) {
    atomic_store(&shared->stopped, 1);
    wait_while_stopped();
  }
  errno = error;
}

static int is_below(const char *path) {
  return !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static int name_of(int fd, char *path) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
  path[length < 0 ? 0 : length] = 0;
  return length > 0;
}

static void on_path(int folder, const char *path) {
  char full[PATH_MAX];
  if (!shared || !path) return;
  if (path[0] != '/') {
    int found = folder == AT_FDCWD ? syscall(SYS_getcwd, full, sizeof full) > 0 : name_of(folder, full);
    size_t length = found ? strlen(full) : sizeof full;
    if (length + strlen(path) + 2 > sizeof full) return;
    full[length] = '/';
    strcpy(full + length + 1, path);
    path = full;
  }
  if (is_below(path)) count();
}

static void on_fd(int fd) {
  char path[PATH_MAX];
  if (shared && name_of(fd, path) && is_below(path)) count();
}

/* 1 if there is no space for what is to be written */
static int on_write(int fd) {
  char path[PATH_MAX];
  if (!shared || !name_of(fd, path) || !is_below(path)) return 0;
  count();
  if (!shared->full[0] || !strstr(path, shared->full)) return 0;
  errno = ENOSPC;
  return 1;
}

#define REAL(name, ...) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))(__VA_ARGS__)
#define CHANGES (O_CREAT | O_TRUNC)

static mode_t mode_of(int flags, va_list rest) {
  return flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

#define OPEN(name)                                  \
  int name(const char *path, int flags, ...) {      \
    va_list rest;                                   \
    va_start(rest, flags);                          \
    mode_t mode = mode_of(flags, rest);             \
    va_end(rest);                                   \
    if (flags & CHANGES) on_path(AT_FDCWD, path);   \
    return REAL(name, path, flags, mode);           \
  }
#define OPENAT(name)                                        \
  int name(int folder, const char *path, int flags, ...) {  \
    va_list rest;                                           \
    va_start(rest, flags);                                  \
    mode_t mode = mode_of(flags, rest);                     \
    va_end(rest);                                           \
    if (flags & CHANGES) on_path(folder, path);             \
    return REAL(name, folder, path, flags, mode);           \
  }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *bytes, size_t size) { return on_write(fd) ? -1 : REAL(write, fd, bytes, size); }
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return on_write(fd) ? -1 : REAL(pwrite, fd, bytes, size, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) { return on_write(fd) ? -1 : REAL(pwrite64, fd, bytes, size, at); }
ssize_t writev(int fd, const struct iovec *parts, int size) { return on_write(fd) ? -1 : REAL(writev, fd, parts, size); }
ssize_t sendfile(int to, int from, off_t *at, size_t size);
ssize_t sendfile(int to, int from, off_t *at, size_t size) { return on_write(to) ? -1 : REAL(sendfile, to, from, at, size); }
ssize_t sendfile64(int to, int from, off64_t *at, size_t size);
ssize_t sendfile64(int to, int from, off64_t *at, size_t size) { return on_write(to) ? -1 : REAL(sendfile64, to, from, at, size); }
ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t size, unsigned int flags) { return on_write(to) ? -1 : REAL(copy_file_range, from, a, to, b, size, flags); }
int ftruncate(int fd, off_t size) { on_fd(fd); return REAL(ftruncate, fd, size); }
int ftruncate64(int fd, off64_t size) { on_fd(fd); return REAL(ftruncate64, fd, size); }
int fsync(int fd) { on_fd(fd); return REAL(fsync, fd); }
int fdatasync(int fd) { on_fd(fd); return REAL(fdatasync, fd); }

int rename(const char *from, const char *to) { on_path(AT_FDCWD, to); return REAL(rename, from, to); }
int renameat(int a, const char *from, int b, const char *to) { on_path(b, to); return REAL(renameat, a, from, b, to); }
int renameat2(int a, const char *from, int b, const char *to, unsigned int flags) { on_path(b, to); return REAL(renameat2, a, from, b, to, flags); }
int link(const char *from, const char *to) { on_path(AT_FDCWD, to); return REAL(link, from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) { on_path(b, to); return REAL(linkat, a, from, b, to, flags); }
int symlink(const char *from, const char *to) { on_path(AT_FDCWD, to); return REAL(symlink, from, to); }
int unlink(const char *path) { on_path(AT_FDCWD, path); return REAL(unlink, path); }
int unlinkat(int folder, const char *path, int flags) { on_path(folder, path); return REAL(unlinkat, folder, path, flags); }
int remove(const char *path) { on_path(AT_FDCWD, path); return REAL(remove, path); }
int rmdir(const char *path) { on_path(AT_FDCWD, path); return REAL(rmdir, path); }
int mkdir(const char *path, mode_t mode) { on_path(AT_FDCWD, path); return REAL(mkdir, path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { on_path(folder, path); return REAL(mkdirat, folder, path, mode); }
