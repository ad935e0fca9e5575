/* Hold, delay and record the calls by which files take their names and reach the disk.
 *
 * Preloaded into a process (LD_PRELOAD) by tests/faults/preload.py, which compiles it. Settings, all
 * by environment variables; without them nothing is changed:
 *
 *   GRISTMILL_DELAY_CALLS  calls to hold or delay, of link, rename (and their -at forms): "link,rename"
 *   GRISTMILL_DELAY_NAMES  only where the new name contains this, e.g. "/_delta_log/0"
 *   GRISTMILL_DELAY_MS     sleep before the call, evenly from 0 to this many milliseconds
 *   GRISTMILL_DELAY_SEED   of those sleeps; the process's own number if absent
 *   GRISTMILL_HOLD         a path: while it exists, a process that comes to such a call makes
 *                          PATH.held and waits until somebody removes it
 *   GRISTMILL_CALLS_LOG    a file: a line "call name" for each fsync, fdatasync, link and rename that
 *                          was done without error
 *
 * A hold is an event, not a time: a test that uses it does not depend on the machine's load.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int seed;
static int is_seeded;

static const char *setting(const char *name) {
  const char *value = getenv(name);
  return value && *value ? value : NULL;
}

static void pause_ms(long ms) {
  struct timespec left = {ms / 1000, (ms % 1000) * 1000000L};
  while (nanosleep(&left, &left) && errno == EINTR) {
  }
}

static long random_ms(long most) {
  pthread_mutex_lock(&lock);
  if (!is_seeded) {
    const char *given = setting("GRISTMILL_DELAY_SEED");
    seed = given ? (unsigned int)atol(given) : (unsigned int)getpid();
    is_seeded = 1;
  }
  long found = rand_r(&seed) % (most + 1);
  pthread_mutex_unlock(&lock);
  return found;
}

static void hold(const char *path) {
  char mark[PATH_MAX];
  if (access(path, F_OK)) return;
  snprintf(mark, sizeof mark, "%s.held", path);
  int made = open(mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (made >= 0) close(made);
  while (!access(mark, F_OK)) pause_ms(5);
}

static void disturb(const char *call, const char *name) {
  int kept = errno;
  const char *calls = setting("GRISTMILL_DELAY_CALLS"), *names = setting("GRISTMILL_DELAY_NAMES");
  if (calls && strstr(calls, call) && (!names || strstr(name, names))) {
    const char *most = setting("GRISTMILL_DELAY_MS"), *path = setting("GRISTMILL_HOLD");
    if (most) pause_ms(random_ms(atol(most)));
    if (path) hold(path);
  }
  errno = kept;
}

static void record(const char *call, const char *name) {
  const char *path = setting("GRISTMILL_CALLS_LOG");
  char line[PATH_MAX + 32];
  if (!path) return;
  int kept = errno, log = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  if (log >= 0) {
    int size = snprintf(line, sizeof line, "%s %s\n", call, name);
    if (write(log, line, (size_t)size) < 0) perror(path);
    close(log);
  }
  errno = kept;
}

static int record_file(const char *call, int file, int result) {
  char link_name[64], name[PATH_MAX];
  if (result || !setting("GRISTMILL_CALLS_LOG")) return result;
  snprintf(link_name, sizeof link_name, "/proc/self/fd/%d", file);
  ssize_t size = readlink(link_name, name, sizeof name - 1);
  if (size < 0) return result;
  name[size] = 0;
  record(call, name);
  return result;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define NAMING(call, new_name, really) \
  disturb(call, new_name);             \
  int result = really;                 \
  if (!result) record(call, new_name); \
  return result

int rename(const char *from, const char *to) { NAMING("rename", to, REAL(rename)(from, to)); }

int renameat(int a, const char *from, int b, const char *to) {
  NAMING("rename", to, REAL(renameat)(a, from, b, to));
}

int renameat2(int a, const char *from, int b, const char *to, unsigned int flags) {
  NAMING("rename", to, REAL(renameat2)(a, from, b, to, flags));
}

int link(const char *from, const char *to) { NAMING("link", to, REAL(link)(from, to)); }

int linkat(int a, const char *from, int b, const char *to, int flags) {
  NAMING("link", to, REAL(linkat)(a, from, b, to, flags));
}

int fsync(int file) { return record_file("fsync", file, REAL(fsync)(file)); }

int fdatasync(int file) { return record_file("fdatasync", file, REAL(fdatasync)(file)); }
