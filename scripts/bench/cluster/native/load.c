// A client that costs next to nothing, so that a broker is the limit: it sends requests that somebody else has encoded
// and reads answers without decoding them. And a server that only moves the same bytes: the floor for any broker.
//   load produce PORT FILE CONNECTIONS IN_FLIGHT REQUESTS CHECK
//       FILE holds request frames, each with its size in front; connection c sends them in turn, beginning with the
//       c-th. CHECK 0: answers are only counted (raw server); -1: there are none (acks=0).
//   load fetch PORT FILE RECORDS OFFSET_AT TOPIC_BYTES PASSES
//       FILE holds one Fetch request (version 4, one topic) for each connection; the offsets of its partitions, at byte
//       OFFSET_AT and every 16 bytes on, move on with what has come, until RECORDS have; then all from the start, PASSES
//       times. TOPIC_BYTES, the length of the topic's name, 0: raw server, and RECORDS are bytes.
//   load serve FILE
//       Appends the frames that come to FILE and acknowledges each; a Fetch request is answered with up to 1 MiB of FILE.
// Clients print "ready", wait for a line on standard input, then print the figures as JSON and wait for the input's end.
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FLIGHT = 64, IN_BYTES = 4 << 20, PIECE = 1 << 20, MAX_CONNECTIONS = 1024 };

struct connection {
  int fd;
  uint8_t *in;
  size_t have, capacity;
  int flight;
  uint32_t next, first, correlation;
  double sent_at[MAX_FLIGHT];
};

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static uint32_t get32(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return be32toh(value);
}
static uint64_t get64(const uint8_t *at) {
  uint64_t value;
  memcpy(&value, at, 8);
  return be64toh(value);
}
static void put32(uint8_t *at, uint32_t value) {
  value = htobe32(value);
  memcpy(at, &value, 4);
}
static void put64(uint8_t *at, uint64_t value) {
  value = htobe64(value);
  memcpy(at, &value, 8);
}

static struct sockaddr_in loopback(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static void open_connection(struct connection *c, int port, size_t capacity) {
  struct sockaddr_in address = loopback(port);
  int on = 1;
  memset(c, 0, sizeof *c);
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  c->capacity = capacity;
  c->in = malloc(capacity);
  memset(c->in, 1, capacity);
}

static void send_all(int fd, const uint8_t *data, size_t size) {
  while (size > 0) {
    ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) die("send");
    data += sent;
    size -= sent;
  }
}

static uint8_t **frames;
static uint32_t frame_count;

static void load_frames(const char *name) {
  FILE *file = fopen(name, "rb");
  if (!file) die(name);
  uint8_t size[4];
  uint32_t room = 0;
  while (fread(size, 1, 4, file) == 4) {
    if (frame_count == room) frames = realloc(frames, (room = room * 2 + 16) * sizeof *frames);
    uint8_t *frame = malloc(4 + get32(size));
    memcpy(frame, size, 4);
    if (fread(frame + 4, 1, get32(size), file) != get32(size)) die("a frame is cut");
    frames[frame_count++] = frame;
  }
  fclose(file);
}

static size_t frame_bytes(const uint8_t *frame) { return 4 + (size_t)get32(frame); }

/** Takes in what has come; calls `each` for every whole answer. */
static void receive(struct connection *c, void (*each)(struct connection *, uint8_t *, size_t)) {
  ssize_t got = recv(c->fd, c->in + c->have, c->capacity - c->have, 0);
  if (got <= 0) die("the broker has closed the connection");
  c->have += got;
  size_t at = 0;
  while (c->have - at >= 4 && c->have - at >= frame_bytes(c->in + at)) {
    size_t size = frame_bytes(c->in + at);
    each(c, c->in + at, size);
    at += size;
  }
  if (at < c->have && c->have - at >= 4 && frame_bytes(c->in + at) > c->capacity) {
    fprintf(stderr, "an answer of %zu bytes\n", frame_bytes(c->in + at));
    exit(1);
  }
  memmove(c->in, c->in + at, c->have -= at);
}

static struct connection connections[MAX_CONNECTIONS];
static double *latencies;
static uint64_t sent, answered, wanted, bytes_received;
static int check, flight_limit;

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static void start_together(void) {
  char line[16];
  printf("ready\n");
  fflush(stdout);
  if (!fgets(line, sizeof line, stdin)) exit(0);
}

static void wait_for_end(void) {
  char line[16];
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
  }
}

static void produce_next(struct connection *c) {
  while (sent < wanted && c->flight < flight_limit) {
    uint8_t *frame = frames[c->next];
    c->next = (c->next + 1) % frame_count;
    put32(frame + 8, c->correlation);
    c->sent_at[c->correlation++ % MAX_FLIGHT] = now_us();
    c->flight++;
    sent++;
    send_all(c->fd, frame, frame_bytes(frame));
  }
}

static void produce_answer(struct connection *c, uint8_t *answer, size_t size) {
  (void)size;
  uint32_t correlation = get32(answer + 4);
  latencies[answered++] = now_us() - c->sent_at[correlation % MAX_FLIGHT];
  c->flight--;
  if (check) {
    // Version 7: correlation, topics, name, partitions, then 30 bytes each: index, error code, three offsets.
    uint8_t *at = answer + 12;
    at += 2 + (at[0] << 8 | at[1]);
    uint32_t count = get32(at);
    for (uint32_t n = 0; n < count; n++) {
      uint8_t *code = at + 8 + n * 30;
      if (code[0] | code[1]) {
        fprintf(stderr, "error code %d\n", (int16_t)(code[0] << 8 | code[1]));
        exit(1);
      }
    }
  }
}

static void poll_answers(int count, void (*each)(struct connection *, uint8_t *, size_t),
                         void (*next)(struct connection *), uint64_t *progress, uint64_t until) {
  int poll = epoll_create1(0);
  struct epoll_event events[256];
  for (int n = 0; n < count; n++) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[n]};
    epoll_ctl(poll, EPOLL_CTL_ADD, connections[n].fd, &event);
    next(&connections[n]);
  }
  while (*progress < until) {
    int ready = epoll_wait(poll, events, 256, 30000);
    if (ready == 0) {
      fprintf(stderr, "no answer for 30 s\n");
      exit(1);
    }
    for (int n = 0; n < ready; n++) {
      receive(events[n].data.ptr, each);
      next(events[n].data.ptr);
    }
  }
  close(poll);
}

static void produce(char **args) {
  int port = atoi(args[0]), count = atoi(args[2]);
  load_frames(args[1]);
  flight_limit = atoi(args[3]);
  wanted = strtoull(args[4], 0, 10);
  check = atoi(args[5]);
  latencies = malloc(wanted * sizeof *latencies);
  memset(latencies, 0, wanted * sizeof *latencies);
  for (int n = 0; n < count; n++) {
    open_connection(&connections[n], port, 1 << 16);
    connections[n].next = n % frame_count;
  }
  start_together();
  double start = now_us();
  if (check == -1) {
    for (; sent < wanted; sent++) send_all(connections[0].fd, frames[sent % frame_count], frame_bytes(frames[sent % frame_count]));
    // What the last bytes need to arrive is no part of acks=0.
  } else {
    poll_answers(count, produce_answer, produce_next, &answered, wanted);
  }
  double seconds = (now_us() - start) / 1e6;
  qsort(latencies, answered, sizeof *latencies, by_size);
  printf("{\"requests\":%llu,\"seconds\":%.6f", (unsigned long long)sent, seconds);
  if (answered > 0) {
    printf(",\"p50Us\":%.1f,\"p99Us\":%.1f,\"p999Us\":%.1f", latencies[answered / 2],
           latencies[answered * 99 / 100], latencies[answered * 999 / 1000]);
  }
  printf("}\n");
}

static uint64_t *positions;
static uint64_t records;
static uint32_t offset_at, topic_bytes;

/** The connection's request, each of its partitions at the offset where it is. */
static void fetch_next(struct connection *c) {
  if (c->flight > 0 || records >= wanted) return;
  uint8_t *frame = frames[c->first];
  for (uint8_t *at = frame + offset_at; at + 12 <= frame + frame_bytes(frame); at += 16) {
    put64(at, positions[topic_bytes == 0 ? c->first : get32(at - 4)]);
  }
  c->flight++;
  send_all(c->fd, frame, frame_bytes(frame));
}

static uint8_t *fetched_partition(uint8_t *at) {
  uint32_t partition = get32(at);
  if (at[4] | at[5]) {
    fprintf(stderr, "error code %d\n", (int16_t)(at[4] << 8 | at[5]));
    exit(1);
  }
  int32_t aborted = (int32_t)get32(at + 22);
  at += 26 + (aborted > 0 ? aborted * 16 : 0);
  int32_t size = (int32_t)get32(at);
  uint8_t *end = at + 4 + (size > 0 ? size : 0);
  for (at += 4; end - at >= 61 && end - at >= 12 + (int32_t)get32(at + 8); at += 12 + get32(at + 8)) {
    uint64_t first = get64(at), next = first + get32(at + 23) + 1;
    // The first batch may begin before the offset that was asked for.
    if (next > positions[partition]) {
      records += next - (first > positions[partition] ? first : positions[partition]);
      positions[partition] = next;
    }
  }
  return end;
}

static void fetch_answer(struct connection *c, uint8_t *answer, size_t size) {
  c->flight--;
  bytes_received += size;
  if (topic_bytes == 0) {
    records += size - 8;
    positions[c->first] = size == 8 ? 0 : positions[c->first] + size - 8;
    return;
  }
  // Version 4: throttle time, topics, name, then each partition: index, error code, two offsets, aborted ones, records.
  if (get32(answer + 12) == 0) return;
  uint8_t *at = answer + 16 + 2 + topic_bytes;
  uint32_t count = get32(at);
  at += 4;
  for (uint32_t n = 0; n < count; n++) at = fetched_partition(at);
}

static void fetch(char **args) {
  load_frames(args[1]);
  uint64_t each_pass = strtoull(args[2], 0, 10);
  offset_at = atoi(args[3]);
  topic_bytes = atoi(args[4]);
  int passes = atoi(args[5]);
  positions = calloc(1 << 16, sizeof *positions);
  for (uint32_t n = 0; n < frame_count; n++) {
    open_connection(&connections[n], atoi(args[0]), IN_BYTES * 4);
    connections[n].first = n;
  }
  start_together();
  double start = now_us();
  for (int pass = 0; pass < passes; pass++) {
    // Answers still on their way belong to the pass before.
    for (uint32_t n = 0; n < frame_count; n++) {
      while (connections[n].flight > 0) receive(&connections[n], fetch_answer);
    }
    memset(positions, 0, (1 << 16) * sizeof *positions);
    records = 0;
    wanted = each_pass;
    poll_answers(frame_count, fetch_answer, fetch_next, &records, wanted);
  }
  double seconds = (now_us() - start) / 1e6;
  printf("{\"records\":%llu,\"bytes\":%llu,\"seconds\":%.6f}\n", (unsigned long long)each_pass * passes,
         (unsigned long long)bytes_received, seconds);
}

static int file;
static uint8_t *piece;

/** Whole frames of what has come: one write for all that is produced, one answer to each. */
static void serve_frames(struct connection *c) {
  uint8_t *out = piece;
  size_t at = 0, from = 0;
  while (c->have - at >= 12 && c->have - at >= frame_bytes(c->in + at)) {
    uint8_t *frame = c->in + at;
    size_t size = frame_bytes(frame);
    at += size;
    if (frame[4] == 0 && frame[5] == 1) {
      ssize_t got = pread(file, piece + 8, PIECE, get64(frame + size - 12));
      put32(piece, 4 + (got > 0 ? got : 0));
      memcpy(piece + 4, frame + 8, 4);
      send_all(c->fd, piece, 8 + (got > 0 ? got : 0));
      from = at;
      continue;
    }
    memset(out, 0, 54);
    put32(out, 50);
    memcpy(out + 4, frame + 8, 4);
    out += 54;
    if (out + 54 > piece + PIECE) break;
  }
  if (at > from && write(file, c->in + from, at - from) < 0) die("write");
  if (out > piece) send_all(c->fd, piece, out - piece);
  memmove(c->in, c->in + at, c->have -= at);
}

static void serve(const char *name) {
  file = open(name, O_CREAT | O_RDWR | O_APPEND, 0600);
  piece = malloc(PIECE + 64);
  int listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0), on = 1;
  struct sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) die("listen");
  getsockname(listener, (struct sockaddr *)&address, &length);
  printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = 0}, events[256];
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int ready = epoll_wait(poll, events, 256, -1);
    for (int n = 0; n < ready; n++) {
      struct connection *c = events[n].data.ptr;
      if (c == 0) {
        c = calloc(1, sizeof *c);
        c->fd = accept(listener, 0, 0);
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        // A frame of one record needs little; the buffer grows when a larger one comes.
        c->in = malloc(c->capacity = 1 << 16);
        struct epoll_event added = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poll, EPOLL_CTL_ADD, c->fd, &added);
        continue;
      }
      if (c->have == c->capacity) c->in = realloc(c->in, c->capacity *= 2);
      ssize_t got = recv(c->fd, c->in + c->have, c->capacity - c->have, 0);
      if (got <= 0) {
        close(c->fd);
        free(c->in);
        free(c);
        continue;
      }
      c->have += got;
      serve_frames(c);
    }
  }
}

int main(int count, char **args) {
  signal(SIGPIPE, SIG_IGN);
  if (count == 8 && !strcmp(args[1], "produce")) produce(args + 2);
  else if (count == 8 && !strcmp(args[1], "fetch")) fetch(args + 2);
  else if (count == 3 && !strcmp(args[1], "serve")) serve(args[2]);
  else return 2;
  wait_for_end();
  return 0;
}
