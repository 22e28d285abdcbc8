/* The floor: the least that a server can do for a push with one write per subscriber.
 *
 * One thread, one epoll loop. A published line becomes one Server-Sent Events frame, built once,
 * and goes to every subscriber of the channel with one send() each. No log, no resume, no
 * heartbeat, no queue: a subscriber that cannot take a frame at once is closed, and said so.
 *
 * It takes the flags of `pushbench serve`, so that `pushbench run --server` can start it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef FLOOR_TLS /* link with -lssl -lcrypto */
#include "tls.h"
#else
#define out(fd, data, len) send(fd, data, len, MSG_NOSIGNAL)
#define in(fd, data, len) recv(fd, data, len, 0)
#define tls_drop(fd)
#endif

enum { MAX_FDS = 65536, MAX_CHANNELS = 1024, MAX_NAME = 64, MAX_HEAD = 16 << 10, MAX_BODY = 1 << 20 };

struct channel {
    char name[MAX_NAME + 1];
    unsigned long last_id;
    int *subscribers, count, capacity;
};

/* One open connection: a buffer of what is not yet answered, or a place among the subscribers. */
struct connection {
    char *in;
    size_t len, capacity;
    struct channel *channel;
    int place, open;
};

static struct connection connections[MAX_FDS];
static struct channel channels[MAX_CHANNELS];
static int channel_count, open_count, epoll, tls_listener = -1;
static volatile sig_atomic_t stopped;

static void stop(int signal) { stopped = signal; }
static void die(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *grow(void *old, size_t size) {
    if (!(old = realloc(old, size))) die("out of memory");
    return old;
}

static void drop(int fd, const char *why) {
    struct connection *c = &connections[fd];
    if (why) fprintf(stderr, "floor: closed connection %d: %s\n", fd, why);
    if (c->channel) {
        int last = c->channel->subscribers[--c->channel->count];
        c->channel->subscribers[c->place] = last;
        connections[last].place = c->place;
    }
    free(c->in);
    memset(c, 0, sizeof *c);
    tls_drop(fd);
    close(fd);
    open_count--;
}

/* Whether all of `data` went out; the connection is closed otherwise. */
static int send_all(int fd, const char *data, size_t len) {
    ssize_t sent = out(fd, data, len);
    if (sent == (ssize_t)len) return 1;
    drop(fd, sent >= 0 || errno == EAGAIN ? "it does not read fast enough" : strerror(errno));
    return 0;
}
static int answer(int fd, const char *status, const char *type, const char *body) {
    char out[1024];
    int len = snprintf(out, sizeof out,
        "HTTP/1.1 %s\r\ncontent-type: %s\r\ncontent-length: %zu\r\n\r\n%s", status, type, strlen(body), body);
    return send_all(fd, out, (size_t)len);
}

static struct channel *find_channel(const char *name) {
    for (int i = 0; i < channel_count; i++)
        if (!strcmp(channels[i].name, name)) return &channels[i];
    if (channel_count == MAX_CHANNELS) return NULL;
    strcpy(channels[channel_count].name, name); /* sscanf limited it to MAX_NAME */
    return &channels[channel_count++];
}

/* The connection is a subscriber from here on: nothing further is read as a request. */
static int subscribe(int fd, struct channel *ch) {
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                               "X-Accel-Buffering: no\r\nConnection: close\r\n\r\nretry: 1000\n\n";
    if (!send_all(fd, head, sizeof head - 1)) return 0;
    if (ch->count == ch->capacity) {
        ch->capacity = ch->capacity ? 2 * ch->capacity : 64;
        ch->subscribers = grow(ch->subscribers, (size_t)ch->capacity * sizeof *ch->subscribers);
    }
    free(connections[fd].in);
    connections[fd] = (struct connection){.channel = ch, .place = ch->count, .open = 1};
    ch->subscribers[ch->count++] = fd;
    return 0;
}

/* The body's lines as one frame each: built once, then one send() per subscriber. */
static int publish(int fd, struct channel *ch, const char *body, size_t len) {
    static char frame[MAX_BODY + 64];
    unsigned long before = ch->last_id;
    for (const char *end = body + len; body < end;) {
        const char *eol = memchr(body, '\n', (size_t)(end - body));
        size_t line = (size_t)((eol ? eol : end) - body);
        size_t text = line && body[line - 1] == '\r' ? line - 1 : line;
        size_t size = (size_t)sprintf(frame, "id: %lu\ndata: ", ++ch->last_id);
        memcpy(frame + size, body, text);
        memcpy(frame + size + text, "\n\n", 2);
        for (int i = ch->count; i-- > 0;) /* backwards: closing one moves the last into its place */
            send_all(ch->subscribers[i], frame, size + text + 2);
        body += line + 1;
    }
    snprintf(frame, sizeof frame, "{\"id\":%lu,\"count\":%lu}", ch->last_id, ch->last_id - before);
    return answer(fd, "200 OK", "application/json", frame);
}

/* Answers one request; whether the connection goes on with requests. */
static int route(int fd, const char *head, const char *body, size_t len) {
    char method[8], path[512], name[MAX_NAME + 1], resource[16], text[128];
    if (sscanf(head, "%7s %511s", method, path) != 2) return answer(fd, "400 Bad Request", "text/plain", "no request line\n");
    if (!strcmp(path, "/healthz")) return answer(fd, "200 OK", "application/json", "{\"status\":\"ok\"}");
    snprintf(text, sizeof text, "# TYPE floor_connections gauge\nfloor_connections %d\n", open_count);
    if (!strcmp(path, "/metrics")) return answer(fd, "200 OK", "text/plain; version=0.0.4", text);
    path[strcspn(path, "?")] = 0;
    if (sscanf(path, "/channels/%64[A-Za-z0-9._-]/%15s", name, resource) == 2) {
        struct channel *ch = find_channel(name);
        if (!ch) return answer(fd, "507 Insufficient Storage", "text/plain", "too many channels\n");
        if (!strcmp(resource, "sse") && !strcmp(method, "GET")) return subscribe(fd, ch);
        if (!strcmp(resource, "events") && !strcmp(method, "POST")) return publish(fd, ch, body, len);
    }
    return answer(fd, "404 Not Found", "text/plain", "the floor knows healthz, metrics, events and sse\n");
}

/* Answers every whole request in the buffer, in order, and keeps the rest. */
static void read_requests(int fd) {
    struct connection *c = &connections[fd];
    size_t used = 0;
    while (used < c->len) {
        char *head = c->in + used, *end = memmem(head, c->len - used, "\r\n\r\n", 4);
        if (!end && c->len - used > MAX_HEAD) return drop(fd, "its request head is too long");
        if (!end) break;
        end[2] = 0; /* the head is a string for a while */
        char *length = strcasestr(head, "\r\ncontent-length:");
        unsigned long body = length ? strtoul(length + strlen("\r\ncontent-length:"), NULL, 10) : 0;
        if (body > MAX_BODY) return drop(fd, "its body is too long");
        size_t next = (size_t)(end + 4 - c->in) + body;
        if (next > c->len) {
            end[2] = '\r'; /* it is looked for again when more has come */
            break;
        }
        used = next;
        if (!route(fd, head, end + 4, body)) return;
    }
    memmove(c->in, c->in + used, c->len - used);
    c->len -= used;
}

static void on_readable(int fd) {
    struct connection *c = &connections[fd];
    char sink[4096];
    if (!c->channel && c->capacity - c->len < sizeof sink) {
        c->capacity = c->capacity ? 2 * c->capacity : 2 * sizeof sink;
        c->in = grow(c->in, c->capacity);
    }
    /* A subscriber has nothing more to say: what it sends is read to see its end. */
    ssize_t got = in(fd, c->channel ? sink : c->in + c->len, c->channel ? sizeof sink : c->capacity - c->len);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return drop(fd, NULL);
    if (got < 0 || c->channel) return;
    c->len += (size_t)got;
    read_requests(fd);
#ifdef FLOOR_TLS
    if (connections[fd].open && tls_of[fd] && SSL_pending(tls_of[fd])) on_readable(fd);
#endif
}

static void watch(int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) die("cannot watch a descriptor");
}

static void on_accept(int listener) {
    for (int fd, on = 1; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connections[fd] = (struct connection){.open = 1};
        open_count++;
#ifdef FLOOR_TLS
        if (listener == tls_listener) tls_accept(fd);
#endif
        watch(fd);
    }
    if (errno == EMFILE || errno == ENFILE) die("cannot accept: raise the limit with `ulimit -n`");
}

/* Pins the process to a list such as `0`, `0,2` or `0-3`. */
static void pin(const char *list) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (char *next; *list; list = *next == ',' ? next + 1 : "") {
        long first = strtol(list, &next, 10), last = *next == '-' ? strtol(next + 1, &next, 10) : first;
        for (; first >= 0 && first <= last && first < CPU_SETSIZE; first++) CPU_SET((size_t)first, &set);
    }
    if (sched_setaffinity(0, sizeof set, &set)) die("cannot pin to --cpus");
}

/* A listener, and where it is. */
static int listen_on(const char *at, struct sockaddr_in *address) {
    char host[64];
    unsigned short port;
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    if (sscanf(at, "%63[0-9.]:%hu", host, &port) != 2 || inet_pton(AF_INET, host, &address->sin_addr) != 1) {
        fprintf(stderr, "floor: %s: expected an IPv4 address and a port, such as 127.0.0.1:0\n", at);
        exit(2);
    }
    address->sin_port = htons(port);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof *address;
    if (bind(listener, (struct sockaddr *)address, size) || listen(listener, SOMAXCONN) ||
        getsockname(listener, (struct sockaddr *)address, &size))
        die(at);
    watch(listener);
    return listener;
}

int main(int argc, char **argv) {
    const char *listen_at = "127.0.0.1:8080";
    const char *tls_at = NULL;
    int until_stdin_ends = 0;
    for (int i = 1; i < argc; i++) { /* a flag it does not know is skipped, and its value is no flag */
        if (!strcmp(argv[i], "--listen") && i + 1 < argc) listen_at = argv[++i];
        else if (!strcmp(argv[i], "--cpus") && i + 1 < argc) pin(argv[++i]);
        else if (!strcmp(argv[i], "--stop-on-stdin-eof")) until_stdin_ends = 1;
#ifdef FLOOR_TLS
        else if (!strcmp(argv[i], "--tls") && i + 1 < argc) tls_at = argv[++i];
        else if (!strcmp(argv[i], "--tls-cert-out") && i + 1 < argc) tls_start(argv[++i]);
#endif
    }
    struct sigaction on_signal = {.sa_handler = stop}; /* signal() would restart epoll_wait() */
    sigaction(SIGTERM, &on_signal, NULL);
    sigaction(SIGINT, &on_signal, NULL);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < MAX_FDS ? files.rlim_max : MAX_FDS; /* so every fd has its place */
    setrlimit(RLIMIT_NOFILE, &files);

    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (tls_at) {
        struct sockaddr_in address;
        tls_listener = listen_on(tls_at, &address);
        printf("pushbench serve: TLS on https://%s:%d\n", inet_ntoa(address.sin_addr), ntohs(address.sin_port));
    }
    struct sockaddr_in address;
    int listener = listen_on(listen_at, &address);
    if (until_stdin_ends) watch(STDIN_FILENO);
    printf("pushbench serve: listening on http://%s:%d\n", inet_ntoa(address.sin_addr), ntohs(address.sin_port));
    fflush(stdout);
    while (!stopped) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            char byte;
            if (fd == listener || fd == tls_listener) on_accept(fd);
            else if (fd == STDIN_FILENO) stopped = read(fd, &byte, 1) <= 0;
            else if (connections[fd].open) on_readable(fd);
        }
    }
    return 0;
}
