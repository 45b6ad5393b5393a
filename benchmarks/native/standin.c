/*
 * A substitute for AWS: answers requests to API Gateway's @connections, SNS, Secrets Manager and a
 * few DynamoDB operations after a fixed delay, over HTTP/1.1 with keep-alive, with or without TLS.
 * It uses one thread and one epoll instance. The value of the secret X is in the environment
 * variable SECRET_X.
 *
 *   standin DELAY_MS GONE_EVERY THROTTLE_EVERY [CERTIFICATE KEY]
 *
 * Listens on a free port of 127.0.0.1, prints it, and exits when its standard input is closed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, READ_AT_ONCE = 65536, ANSWER = 32768, MAX_FDS = 4096 };

typedef struct {
    int fd;
    SSL *tls;
    char *in;
    size_t used, room;
    unsigned generation; /* shows a delayed answer whether its connection is still the same */
    int want_write;
    char out[ANSWER];
    size_t out_size, out_sent;
} Connection;

typedef struct {
    int fd;
    unsigned generation;
    uint64_t due;
    size_t size;
    char text[ANSWER];
} Pending;

static Connection *connections[MAX_FDS];
static unsigned generations;
static int poller, timer;
static SSL_CTX *context;
static uint64_t delay;
static unsigned long gone_every, throttle_every, posts;

/* All answers have the same delay, so the waiting ones form a queue. */
static Pending *queue;
static size_t queue_room = 1024, queue_head, queue_size;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void watch(Connection *c, int write) {
    if (c->want_write == write) return;
    struct epoll_event e = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.fd = c->fd};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
    c->want_write = write;
}

static void drop(Connection *c) {
    connections[c->fd] = NULL;
    if (c->tls) SSL_free(c->tls);
    close(c->fd);
    free(c->in);
    free(c);
}

static int flush_out(Connection *c) {
    while (c->out_sent < c->out_size) {
        const char *from = c->out + c->out_sent;
        size_t left = c->out_size - c->out_sent;
        ssize_t n;
        if (c->tls) {
            n = SSL_write(c->tls, from, (int)left);
            if (n <= 0 && SSL_get_error(c->tls, (int)n) != SSL_ERROR_WANT_WRITE) return -1;
        } else {
            n = send(c->fd, from, left, MSG_NOSIGNAL);
            if (n < 0 && errno != EAGAIN) return -1;
        }
        if (n <= 0) {
            watch(c, 1);
            return 0;
        }
        c->out_sent += (size_t)n;
    }
    watch(c, 0);
    return 0;
}

static int answer(Connection *c, const char *text, size_t size) {
    memcpy(c->out, text, size);
    c->out_size = size;
    c->out_sent = 0;
    return flush_out(c);
}

static void arm(void) {
    struct itimerspec t = {0};
    if (queue_size) {
        uint64_t due = queue[queue_head].due;
        t.it_value.tv_sec = (time_t)(due / 1000000000u);
        t.it_value.tv_nsec = (long)(due % 1000000000u);
    }
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, NULL);
}

static void postpone(Connection *c, const char *text, size_t size) {
    if (queue_size == queue_room) {
        Pending *larger = malloc(2 * queue_room * sizeof *larger);
        if (!larger) fail("malloc");
        for (size_t i = 0; i < queue_size; i++) larger[i] = queue[(queue_head + i) % queue_room];
        free(queue);
        queue = larger;
        queue_head = 0;
        queue_room *= 2;
    }
    Pending *p = &queue[(queue_head + queue_size) % queue_room];
    p->fd = c->fd;
    p->generation = c->generation;
    p->due = now_ns() + delay;
    p->size = size;
    memcpy(p->text, text, size);
    if (queue_size++ == 0) arm();
}

static void answer_due(void) {
    uint64_t now = now_ns();
    while (queue_size && queue[queue_head].due <= now) {
        Pending *p = &queue[queue_head];
        Connection *c = connections[p->fd];
        if (c && c->generation == p->generation && answer(c, p->text, p->size) < 0) drop(c);
        queue_head = (queue_head + 1) % queue_room;
        queue_size--;
    }
    arm();
}

static size_t with_body(char *out, int status, const char *type, const char *body) {
    return (size_t)snprintf(out, ANSWER,
        "HTTP/1.1 %d Status\r\nDate: Mon, 23 Nov 2026 07:00:00 GMT\r\nContent-Type: %s\r\n"
        "Content-Length: %zu\r\nConnection: keep-alive\r\n"
        "x-amzn-RequestId: 7f1d9c1e-3d4b-4d0a-9a59-2f0c5c0f7a11\r\n\r\n%s",
        status, type, strlen(body), body);
}

static size_t database(char *out, const char *operation, const char *body, size_t length) {
    static const char json[] = "application/x-amz-json-1.0";
    static unsigned long ids;
    if (strncmp(operation, "BatchGetItem", 12) == 0 || strncmp(operation, "GetItem", 7) == 0) {
        /* Returns an item with one open connection for every requested user. */
        static char items[ANSWER];
        int several = *operation == 'B';
        size_t used = (size_t)snprintf(items, sizeof items,
            several ? "{\"Responses\":{\"connections\":[" : "{\"Item\":");
        const char *at = body, *end = body + length;
        for (int first = 1; (at = memmem(at, (size_t)(end - at), "\"S\":", 4)); first = 0) {
            const char *from = memchr(at + 4, '"', (size_t)(end - at - 4));
            const char *to = from ? memchr(from + 1, '"', (size_t)(end - from - 1)) : NULL;
            if (!to || used + 512 > sizeof items) break;
            used += (size_t)snprintf(items + used, sizeof items - used,
                "%s{\"user_id\":{\"S\":\"%.*s\"},\"expires_at\":{\"N\":\"4000000000\"},"
                "\"connection L0SM9cOF%07lu=\":{\"M\":{\"connected_at\":{\"N\":\"%ld\"},"
                "\"token_expires_at\":{\"N\":\"0\"}}}}",
                first ? "" : ",", (int)(to - from - 1), from + 1, ids++ % 10000000, (long)time(NULL) - 60);
            at = to + 1;
        }
        snprintf(items + used, sizeof items - used, several ? "]},\"UnprocessedKeys\":{}}" : "}");
        return with_body(out, 200, json, items);
    }
    if (strncmp(operation, "UpdateItem", 10) == 0)
        return with_body(out, 200, json, "{\"Attributes\":{\"user_id\":{\"S\":\"user-0\"}}}");
    if (strncmp(operation, "Query", 5) == 0) return with_body(out, 200, json, "{\"Items\":[]}");
    int batch = strncmp(operation, "BatchWriteItem", 14) == 0;
    return with_body(out, 200, json, batch ? "{\"UnprocessedItems\":{}}" : "{}");
}

/* Returns the text between the next `before` and the `after` that follows it, or NULL. */
static const char *between(const char *body, size_t length, const char *before, char after, size_t *size) {
    const char *from = memmem(body, length, before, strlen(before));
    if (!from) return NULL;
    from += strlen(before);
    const char *to = memchr(from, after, (size_t)(body + length - from));
    *size = (size_t)((to ? to : body + length) - from);
    return from;
}

static size_t secret(char *out, const char *body, size_t length) {
    char name[128], answer[2048];
    size_t size = 0;
    const char *id = between(body, length, "\"SecretId\":\"", '"', &size);
    if (!id) id = between(body, length, "\"SecretId\": \"", '"', &size);
    snprintf(name, sizeof name, "SECRET_%.*s", (int)(size < 64 ? size : 64), id ? id : "");
    const char *value = getenv(name);
    snprintf(answer, sizeof answer, "{\"SecretString\":\"%s\",\"VersionId\":\"1\"}", value ? value : "");
    return with_body(out, 200, "application/x-amz-json-1.1", answer);
}

static size_t topic(char *out, const char *body, size_t length) {
    static const char head[] = "xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"";
    static char answer[ANSWER];
    if (!memmem(body, length, "Action=PublishBatch", 19)) {
        snprintf(answer, sizeof answer,
            "<PublishResponse %s><PublishResult><MessageId>7f1d9c1e-3d4b-4d0a-9a59-2f0c5c0f7a11</MessageId>"
            "</PublishResult></PublishResponse>", head);
        return with_body(out, 200, "text/xml", answer);
    }
    size_t used = (size_t)snprintf(answer, sizeof answer,
        "<PublishBatchResponse %s><PublishBatchResult><Failed/><Successful>", head);
    for (int number = 1; number <= 10; number++) {
        char field[64];
        size_t size = 0;
        snprintf(field, sizeof field, "PublishBatchRequestEntries.member.%d.Id=", number);
        const char *id = between(body, length, field, '&', &size);
        if (!id || used + size + 200 > sizeof answer) break;
        used += (size_t)snprintf(answer + used, sizeof answer - used,
            "<member><Id>%.*s</Id><MessageId>%d</MessageId></member>", (int)size, id, number);
    }
    snprintf(answer + used, sizeof answer - used, "</Successful></PublishBatchResult></PublishBatchResponse>");
    return with_body(out, 200, "text/xml", answer);
}

static size_t compose(char *out, const char *head, size_t head_size, const char *body, size_t length) {
    static const char json[] = "application/json";
    const char *target = memmem(head, head_size, "DynamoDB_20120810.", 18);
    if (target) return database(out, target + 18, body, length);
    if (memmem(head, head_size, "secretsmanager.GetSecretValue", 29)) return secret(out, body, length);
    if (memmem(body, length, "Action=Publish", 14)) return topic(out, body, length);
    posts++;
    if (throttle_every && posts % throttle_every == 0)
        return with_body(out, 429, json, "{\"message\":\"Too Many Requests\"}");
    if (gone_every && posts % gone_every == 0) return with_body(out, 410, json, "{\"message\":\"Gone\"}");
    return with_body(out, 200, json, "");
}

/* Handles the complete requests; a client sends one at a time. */
static int serve(Connection *c) {
    char *end;
    while ((end = memmem(c->in, c->used, "\r\n\r\n", 4))) {
        size_t head = (size_t)(end - c->in) + 4, length = 0;
        for (char *line = c->in; line < end; line = (char *)memchr(line, '\n', (size_t)(end + 4 - line)) + 1)
            if (strncasecmp(line, "content-length:", 15) == 0) length = strtoul(line + 15, NULL, 10);
        if (c->used < head + length) return 0;
        char text[ANSWER];
        size_t size = compose(text, c->in, head, c->in + head, length);
        memmove(c->in, c->in + head + length, c->used -= head + length);
        if (delay) postpone(c, text, size);
        else if (answer(c, text, size) < 0) return -1;
    }
    return 0;
}

static int receive(Connection *c) {
    for (;;) {
        if (c->room - c->used < READ_AT_ONCE) {
            c->in = realloc(c->in, c->room += READ_AT_ONCE);
            if (!c->in) fail("realloc");
        }
        ssize_t n;
        if (c->tls) {
            n = SSL_read(c->tls, c->in + c->used, READ_AT_ONCE);
            if (n <= 0) {
                int error = SSL_get_error(c->tls, (int)n);
                if (error == SSL_ERROR_WANT_READ) return 0;
                if (error == SSL_ERROR_WANT_WRITE) return watch(c, 1), 0;
                return -1;
            }
        } else {
            n = recv(c->fd, c->in + c->used, READ_AT_ONCE, 0);
            if (n < 0 && errno == EAGAIN) return 0;
            if (n <= 0) return -1;
        }
        c->used += (size_t)n;
        if (serve(c) < 0) return -1;
        if (!c->tls && n < READ_AT_ONCE) return 0;
    }
}

static void welcome(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_FDS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        Connection *c = calloc(1, sizeof *c);
        if (!c) fail("calloc");
        c->fd = fd;
        c->generation = ++generations;
        connections[fd] = c;
        if (context) {
            c->tls = SSL_new(context);
            SSL_set_fd(c->tls, fd);
            SSL_set_accept_state(c->tls);
        }
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    }
}

static void secure(const char *certificate, const char *key) {
    context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc != 4 && argc != 6) {
        fprintf(stderr, "usage: standin DELAY_MS GONE_EVERY THROTTLE_EVERY [CERTIFICATE KEY]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    delay = (uint64_t)(atof(argv[1]) * 1e6);
    gone_every = strtoul(argv[2], NULL, 10);
    throttle_every = strtoul(argv[3], NULL, 10);
    if (argc == 6) secure(argv[4], argv[5]);
    queue = malloc(queue_room * sizeof *queue);
    if (!queue) fail("malloc");

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    poller = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    int watched[] = {listener, timer, STDIN_FILENO};
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = watched[i]};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, watched[i], &e)) fail("epoll_ctl");
    }
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == STDIN_FILENO) return 0;
            if (fd == listener) welcome(listener);
            else if (fd == timer) answer_due();
            else if (connections[fd]) {
                Connection *c = connections[fd];
                if (((events[i].events & EPOLLOUT) && flush_out(c) < 0) || receive(c) < 0) drop(c);
            }
        }
    }
}
