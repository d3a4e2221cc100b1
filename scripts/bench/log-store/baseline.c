// The same I/O as the log store does, and nothing else: what the machine gives at this moment.
// Each command prints one line of JSON. baseline.mjs understands the same commands, for machines
// without a C compiler. Rates are bytes or operations a second, latencies microseconds.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static double cpu_us(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

struct Stopwatch {
  double wall, cpu;
};

static struct Stopwatch start_watch(void) {
  return (struct Stopwatch){now_us(), cpu_us()};
}

/* CPU time is what stays comparable when other programs want the processors, too. */
static void print_times(double wall, double cpu, double bytes) {
  printf("{\"bytesPerSecond\":%.0f,\"cpuSecondsPerGb\":%.4f}\n", bytes / wall * 1e6, cpu / bytes * 1e3);
}

static void print_rate(struct Stopwatch since, double bytes) {
  print_times(now_us() - since.wall, cpu_us() - since.cpu, bytes);
}

static char *filled(size_t bytes) {
  char *memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (!memory) die("memory");
  memset(memory, 'x', bytes);
  return memory;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double percentile(double *sorted, size_t count, double share) {
  size_t at = (size_t)(share * count);
  return count == 0 ? 0 : sorted[at < count ? at : count - 1];
}

static char *join(const char *directory, const char *name) {
  char *path = NULL;
  if (asprintf(&path, "%s/%s", directory, name) < 0) die("memory");
  return path;
}

/* evict FILE...: out of the page cache */
static void evict(char **a) {
  for (; *a; a++) {
    int file = open(*a, O_RDONLY);
    if (file < 0) die(*a);
    fdatasync(file);
    if (posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)) die("fadvise");
    close(file);
  }
  printf("{}\n");
}

/* write DIR BYTES CHUNK PASSES: a new file, written in order; once more before, for fresh pages */
static void write_file(char **a) {
  char *path = join(a[0], "baseline-write");
  long bytes = atol(a[1]), chunk = atol(a[2]), passes = atol(a[3]);
  char *buffer = filled(chunk);
  double wall = 0, cpu = 0;
  for (long pass = 0; pass <= passes; pass++) {
    int file = open(path, O_CREAT | O_TRUNC | O_RDWR, 0644);
    if (file < 0) die(path);
    struct Stopwatch watch = start_watch();
    for (long at = 0; at < bytes; at += chunk)
      if (pwrite(file, buffer, chunk, at) != chunk) die("write");
    if (pass > 0) wall += now_us() - watch.wall, cpu += cpu_us() - watch.cpu;
    close(file);
    unlink(path);
  }
  print_times(wall, cpu, (double)bytes * passes);
}

static long read_through(int file, char *buffer, long chunk, int fresh) {
  long at = 0;
  for (;;) {
    char *into = buffer;
    if (fresh) into = mmap(NULL, chunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (into == MAP_FAILED) die("memory");
    ssize_t got = pread(file, into, chunk, at);
    if (got < 0) die("read");
    if (fresh) munmap(into, chunk);
    if (got == 0) return at;
    at += got;
  }
}

static void read_passes(char **a, int fresh) {
  long chunk = atol(a[1]), passes = atol(a[2]), total = 0;
  char *buffer = filled(chunk);
  int file = open(a[0], O_RDONLY);
  if (file < 0) die(a[0]);
  read_through(file, buffer, chunk, fresh);
  struct Stopwatch watch = start_watch();
  for (long pass = 0; pass < passes; pass++) total += read_through(file, buffer, chunk, fresh);
  print_rate(watch, total);
}

/* read FILE CHUNK PASSES: in order, into the same memory; once more before */
static void read_file(char **a) {
  read_passes(a, 0);
}

/* read-fresh FILE CHUNK PASSES: the same, each read into memory of its own */
static void read_fresh(char **a) {
  read_passes(a, 1);
}

/* The fastest way without instructions of one processor: scripts/crc-kernels.mjs tells how it works. */
struct Checksum {
  uint32_t table[256];
  /* In units of 16 bytes. */
  long distances[5];
};

static const long fold_most = 300;

static void make_checksum(struct Checksum *c, uint32_t polynomial) {
  static const long ieee[5] = {145, 183, 211, 300, 0}, castagnoli[5] = {65, 155, 170, 195, 209};
  memcpy(c->distances, polynomial == 0xedb88320 ? ieee : castagnoli, sizeof ieee);
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
    c->table[byte] = crc;
  }
}

/* Of `length` bytes, which are gone then; before them lie zeros. */
static uint32_t checksum(struct Checksum *c, uint32_t crc, char *bytes, long length) {
  uint64_t *words = (uint64_t *)bytes;
  long *d = c->distances, most = d[4] ? d[4] : d[3], folded = length / 16 - most;
  char *at = bytes, *end = bytes + length;
  if (folded > 0) {
    *(uint32_t *)bytes ^= crc;
    crc = 0;
    if (d[4])
      for (uint64_t *w = words, *last = words + 2 * folded; w < last; w++)
        *w ^= w[-2 * d[0]] ^ w[-2 * d[1]] ^ w[-2 * d[2]] ^ w[-2 * d[3]] ^ w[-2 * d[4]];
    else
      for (uint64_t *w = words, *last = words + 2 * folded; w < last; w++)
        *w ^= w[-2 * d[0]] ^ w[-2 * d[1]] ^ w[-2 * d[2]] ^ w[-2 * d[3]];
    for (int n = 0; n < 5 && d[n]; n++)
      for (long to = 2 * folded; to < 2 * (folded + d[n]); to++) words[to] ^= words[to - 2 * d[n]];
    at = (char *)(words + 2 * folded);
  }
  for (; at < end; at++) crc = crc >> 8 ^ c->table[(crc ^ *at) & 255];
  return crc;
}

/* scan FILE CHUNK POLYNOMIAL: reads in order; then again, with the CRC-32 of that reflected polynomial over all */
static void scan_file(char **a) {
  long chunk = atol(a[1]);
  char *buffer = filled(fold_most * 16 + chunk);
  memset(buffer, 0, fold_most * 16);
  buffer += fold_most * 16;
  int file = open(a[0], O_RDONLY);
  if (file < 0) die(a[0]);
  struct Checksum sum;
  make_checksum(&sum, strtoul(a[2], NULL, 16));
  read_through(file, buffer, chunk, 0);
  struct Stopwatch reading = start_watch();
  double bytes = read_through(file, buffer, chunk, 0);
  struct Stopwatch checking = start_watch();
  uint32_t crc = ~0u;
  for (long at = 0;;) {
    ssize_t got = pread(file, buffer, chunk, at);
    if (got < 0) die("read");
    if (got == 0) break;
    crc = checksum(&sum, crc, buffer, got);
    at += got;
  }
  double end = now_us(), cpu = cpu_us();
  printf("{\"bytesPerSecond\":%.0f,\"cpuSecondsPerGb\":%.4f,", bytes / (checking.wall - reading.wall) * 1e6,
    (checking.cpu - reading.cpu) / bytes * 1e3);
  printf("\"checkedBytesPerSecond\":%.0f,\"checkedCpuSecondsPerGb\":%.4f,\"crc\":%u}\n",
    bytes / (end - checking.wall) * 1e6, (cpu - checking.cpu) / bytes * 1e3, ~crc);
}

/* random FILE BYTES COUNT */
static void random_read(char **a) {
  long bytes = atol(a[1]), count = atol(a[2]);
  char *buffer = filled(bytes);
  int file = open(a[0], O_RDONLY);
  struct stat info;
  if (file < 0 || fstat(file, &info)) die(a[0]);
  double *taken = malloc(count * sizeof(double));
  uint64_t state = 88172645463325252u;
  for (long n = 0; n < count; n++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    double start = now_us();
    if (pread(file, buffer, bytes, state % (info.st_size - bytes)) != bytes) die("read");
    taken[n] = now_us() - start;
  }
  qsort(taken, count, sizeof(double), by_value);
  printf("{\"p50\":%.2f,\"p99\":%.2f}\n", percentile(taken, count, 0.5), percentile(taken, count, 0.99));
}

struct Round {
  int *files;
  long count, acks, bytes;
  struct iovec *chunks;
  useconds_t delay;
  double start, until;
  long next, position;
  double *taken;
  size_t taken_count, taken_room;
  pthread_mutex_t lock;
  pthread_barrier_t gate;
  int over;
};

static void note(struct Round *r, double us) {
  pthread_mutex_lock(&r->lock);
  if (r->taken_count == r->taken_room) {
    r->taken_room = r->taken_room * 2 + 1024;
    r->taken = realloc(r->taken, r->taken_room * sizeof(double));
  }
  r->taken[r->taken_count++] = us;
  pthread_mutex_unlock(&r->lock);
}

static void *sync_rounds(void *argument) {
  struct Round *r = argument;
  for (;;) {
    pthread_barrier_wait(&r->gate);
    if (r->over) return NULL;
    for (;;) {
      long at = __atomic_fetch_add(&r->next, 1, __ATOMIC_SEQ_CST);
      if (at >= r->count) break;
      if (fdatasync(r->files[at])) die("fdatasync");
      if (r->delay) usleep(r->delay);
      note(r, now_us() - r->start);
    }
    pthread_barrier_wait(&r->gate);
  }
}

static void write_all(struct Round *r) {
  for (long n = 0; n < r->count; n++)
    for (long done = 0; done < r->acks;) {
      long some = r->acks - done < 1024 ? r->acks - done : 1024;
      if (pwritev(r->files[n], r->chunks, some, r->position + done * r->bytes) != some * r->bytes) die("write");
      done += some;
    }
  r->position += r->acks * r->bytes;
}

/* As logs have it, every file has a directory of its own: that spreads what the file system has to journal. */
static char *file_of_log(const char *directory, long n, int make) {
  char name[60];
  snprintf(name, sizeof name, "baseline-sync-%ld", n);
  char *path = join(directory, name);
  if (make ? mkdir(path, 0755) : 0) die(path);
  char *file = join(path, "0.log");
  free(path);
  return file;
}

/* sync DIR FILES THREADS ACKS BYTES SECONDS DELAY_US: write ACKS chunks to each file, fdatasync each, again */
static void sync_loop(char **a) {
  /* Static: at the end, threads may still be on their way out of the gate. */
  static struct Round r;
  long threads = atol(a[2]);
  r.count = atol(a[1]);
  r.acks = atol(a[3]);
  r.bytes = atol(a[4]);
  r.delay = atol(a[6]);
  r.files = malloc(r.count * sizeof(int));
  r.chunks = malloc(1024 * sizeof(struct iovec));
  char *chunk = filled(r.bytes);
  for (int n = 0; n < 1024; n++) r.chunks[n] = (struct iovec){chunk, r.bytes};
  for (long n = 0; n < r.count; n++) {
    char *name = file_of_log(a[0], n, 1);
    r.files[n] = open(name, O_CREAT | O_TRUNC | O_RDWR, 0644);
    if (r.files[n] < 0) die(name);
    free(name);
  }
  pthread_mutex_init(&r.lock, NULL);
  pthread_barrier_init(&r.gate, NULL, threads);
  pthread_t other;
  for (long n = 1; n < threads; n++) pthread_create(&other, NULL, sync_rounds, &r);
  double begin = now_us(), end = begin + atof(a[5]) * 1e6, turn = begin;
  long rounds = 0;
  for (; turn < end; rounds++) {
    r.start = turn;
    r.next = 0;
    write_all(&r);
    pthread_barrier_wait(&r.gate);
    for (;;) {
      long at = __atomic_fetch_add(&r.next, 1, __ATOMIC_SEQ_CST);
      if (at >= r.count) break;
      if (fdatasync(r.files[at])) die("fdatasync");
      if (r.delay) usleep(r.delay);
      note(&r, now_us() - r.start);
    }
    pthread_barrier_wait(&r.gate);
    turn = now_us();
  }
  r.over = 1;
  pthread_barrier_wait(&r.gate);
  qsort(r.taken, r.taken_count, sizeof(double), by_value);
  printf("{\"acksPerSecond\":%.1f,\"p50\":%.1f,\"p99\":%.1f}\n",
    (double)rounds * r.count * r.acks / (turn - begin) * 1e6,
    percentile(r.taken, r.taken_count, 0.5), percentile(r.taken, r.taken_count, 0.99));
  for (long n = 0; n < r.count; n++) {
    char *name = file_of_log(a[0], n, 0);
    if (unlink(name) || rmdir(dirname(name))) die(name);
    free(name);
  }
}

/* open DIR: lists each directory in it, opens the files and reads the first 4 KiB of each */
static void open_all(char **a) {
  char *buffer = filled(4096);
  long directories = 0;
  double start = now_us();
  DIR *all = opendir(a[0]);
  if (!all) die(a[0]);
  for (struct dirent *entry; (entry = readdir(all));) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    char *path = join(a[0], entry->d_name);
    DIR *one = opendir(path);
    if (!one) die(path);
    for (struct dirent *name; (name = readdir(one));) {
      if (name->d_type != DT_REG) continue;
      int file = openat(dirfd(one), name->d_name, O_RDWR);
      struct stat info;
      if (file < 0 || fstat(file, &info) || pread(file, buffer, 4096, 0) < 0) die(name->d_name);
      close(file);
    }
    closedir(one);
    free(path);
    directories++;
  }
  printf("{\"msPerLog\":%.4f}\n", (now_us() - start) / 1e3 / directories);
}

/* copy FROM DIR CHUNK: reads a file and writes it to another */
static void copy_file(char **a) {
  char *to = join(a[1], "baseline-copy");
  long chunk = atol(a[2]), total = 0;
  char *buffer = filled(chunk);
  int in = open(a[0], O_RDONLY), out = open(to, O_CREAT | O_TRUNC | O_RDWR, 0644);
  if (in < 0 || out < 0) die(a[0]);
  struct Stopwatch watch = start_watch();
  for (;;) {
    ssize_t got = pread(in, buffer, chunk, total);
    if (got < 0) die("read");
    if (got == 0) break;
    if (pwrite(out, buffer, got, total) != got) die("write");
    total += got;
  }
  if (fdatasync(out)) die("fdatasync");
  print_rate(watch, total);
  unlink(to);
}

/* Of one sparse log; see sparse-logs.mjs. */
struct Sparse {
  const char *directory, *label;
  long count;
  double *medians;
};

static int open_segment(struct Sparse *log, long segment, const char *suffix, int flags) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%ld/bench-0/%020ld%s", log->directory, log->count, segment << 20, suffix);
  int file = open(path, flags);
  if (file < 0) die(path);
  return file;
}

static int reopen(int before, struct Sparse *log, long segment, const char *suffix, int flags) {
  close(before);
  return open_segment(log, segment, suffix, flags);
}

static void take(int file, char *buffer, long bytes, off_t at) {
  struct stat info;
  if (at == 0 && fstat(file, &info)) die("stat");
  if (pread(file, buffer, bytes, at) < 0) die("read");
}

/* One place of one segment, with the files of the active segment open before. */
static double closed_call(struct Sparse *log, int find, char *buffer) {
  long segment = random() % log->count, at = random() % 3;
  off_t size = 1 << 30, place = segment == log->count >> 1 ? 16384 : 4096;
  off_t position = at == 0 ? 0 : at == 1 ? size / 2 : size - place;
  int data = open_segment(log, log->count, ".log", O_RDWR), index = open_segment(log, log->count, ".index", O_RDONLY);
  take(index, buffer, 16, 0);
  take(data, buffer, 9216, 0);
  double start = now_us();
  if (find) {
    index = reopen(index, log, segment, ".index", O_RDONLY);
    take(index, buffer, 16, 0);
    data = reopen(data, log, segment, ".timeindex", O_RDONLY);
    take(data, buffer, 36, 0);
    data = reopen(data, log, segment, ".log", O_RDWR);
    for (int n = 0; n < 2; n++) take(data, buffer, 4096, position);
    take(data, buffer, 1024, position);
  } else {
    data = reopen(data, log, segment, ".log", O_RDWR);
    index = reopen(index, log, segment, ".index", O_RDONLY);
    take(index, buffer, 16, 0);
    take(data, buffer, 9216, position);
  }
  double us = now_us() - start;
  close(data);
  close(index);
  return us;
}

static double median_of(double *taken, long count) {
  qsort(taken, count, sizeof(double), by_value);
  return taken[(count - 1) / 2];
}

/* closed DIR FIND TURNS CALLS COUNT LABEL...: places of sparse logs of COUNT segments, in turns; last against first */
static void closed_files(char **a) {
  struct Sparse logs[8];
  long find = atol(a[1]), turns = atol(a[2]), calls = atol(a[3]), count = 0;
  const char *directory = a[0];
  char *buffer = filled(16384);
  double *taken = malloc(calls * sizeof(double)), *ratios = malloc(turns * sizeof(double));
  for (a += 4; a[0] && a[1] && count < 8; a += 2)
    logs[count++] = (struct Sparse){directory, a[1], atol(a[0]), malloc(turns * sizeof(double))};
  for (long turn = -(turns + 2) / 3; turn < turns; turn++) {
    for (long n = 0; n < count; n++) {
      struct Sparse *log = &logs[(turn + turns + n) % count];
      for (long call = 0; call < calls; call++) taken[call] = closed_call(log, find, buffer);
      if (turn >= 0) log->medians[turn] = median_of(taken, calls);
    }
    if (turn >= 0) ratios[turn] = logs[count - 1].medians[turn] / logs[0].medians[turn];
  }
  printf("{");
  for (long n = 0; n < count; n++) printf("\"%s\":%.2f,", logs[n].label, median_of(logs[n].medians, turns));
  printf("\"ratio\":%.4f}\n", median_of(ratios, turns));
}

int main(int count, char **arguments) {
  struct { const char *name; int least; void (*run)(char **); } commands[] = {
    {"evict", 1, evict}, {"write", 4, write_file}, {"read", 3, read_file}, {"read-fresh", 3, read_fresh}, {"scan", 3, scan_file},
    {"random", 3, random_read}, {"sync", 7, sync_loop}, {"open", 1, open_all}, {"copy", 3, copy_file}, {"closed", 8, closed_files},
  };
  for (size_t n = 0; count > 1 && n < sizeof commands / sizeof *commands; n++)
    if (strcmp(arguments[1], commands[n].name) == 0 && count - 2 >= commands[n].least) {
      commands[n].run(arguments + 2);
      return 0;
    }
  fprintf(stderr, "usage: baseline COMMAND ARGUMENTS\n");
  return 2;
}
