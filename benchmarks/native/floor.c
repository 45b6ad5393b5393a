/*
 * A lower bound for the cost of a post: a minimal client in C with epoll, which signs requests and
 * posts them. Each connection carries one request at a time. HMAC-SHA256 uses precomputed key
 * blocks. There is almost no error handling.
 *
 *   floor PORT CONNECTIONS POSTS BODY_BYTES TOKEN_BYTES
 *
 * Prints posts, seconds and microseconds of CPU per post as JSON.
 */
#define _GNU_SOURCE
#define OPENSSL_SUPPRESS_DEPRECATED
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 512, REQUEST = 8192 };

static char token[4096], body[4096], date[17], scope[64], host[32];
static size_t body_size;
static SHA256_CTX inner, outer;
static unsigned long sent;

static void hex(const unsigned char *bytes, char *text) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 32; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[64] = 0;
}

static void digest(const char *text, size_t size, char *out) {
    unsigned char bytes[32];
    SHA256((const unsigned char *)text, size, bytes);
    hex(bytes, out);
}

static void prepare_key(const unsigned char key[32]) {
    unsigned char block[64];
    memset(block, 0x36, 64);
    for (int i = 0; i < 32; i++) block[i] ^= key[i];
    SHA256_Init(&inner);
    SHA256_Update(&inner, block, 64);
    memset(block, 0x5c, 64);
    for (int i = 0; i < 32; i++) block[i] ^= key[i];
    SHA256_Init(&outer);
    SHA256_Update(&outer, block, 64);
}

static void sign(const char *text, size_t size, char *out) {
    unsigned char bytes[32];
    SHA256_CTX c = inner;
    SHA256_Update(&c, text, size);
    SHA256_Final(bytes, &c);
    c = outer;
    SHA256_Update(&c, bytes, 32);
    SHA256_Final(bytes, &c);
    hex(bytes, out);
}

static void post(int fd) {
    static const char names[] = "host;x-amz-date;x-amz-security-token";
    char text[REQUEST], hash[65], signature[65];
    unsigned long id = sent++ % 10000000;
    digest(body, body_size, hash);
    int size = snprintf(text, sizeof text,
        "POST\n/prod/%%40connections/L0SM9cOF%07lu%%253D\n\nhost:%s\nx-amz-date:%s\n"
        "x-amz-security-token:%s\n\n%s\n%s",
        id, host, date, token, names, hash);
    digest(text, (size_t)size, hash);
    size = snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", date, scope, hash);
    sign(text, (size_t)size, signature);
    size = snprintf(text, sizeof text,
        "POST /prod/@connections/L0SM9cOF%07lu%%3D HTTP/1.1\r\nContent-Length: %zu\r\nHost: %s\r\n"
        "X-Amz-Date: %s\r\nX-Amz-Security-Token: %s\r\nAuthorization: AWS4-HMAC-SHA256 "
        "Credential=ASIAEXAMPLE/%s, SignedHeaders=%s, Signature=%s\r\n\r\n",
        id, body_size, host, date, token, scope, names, signature);
    memcpy(text + size, body, body_size);
    if (send(fd, text, (size_t)size + body_size, MSG_NOSIGNAL) != size + (ssize_t)body_size) {
        perror("send");
        exit(1);
    }
}

static double cpu(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static double wall(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    int port = atoi(argv[1]), count = atoi(argv[2]), one = 1;
    unsigned long posts = strtoul(argv[3], NULL, 10), answered = 0;
    body_size = strtoul(argv[4], NULL, 10);
    if (count > MAX_CONNECTIONS || body_size > sizeof body) return 2;
    memset(body, 'x', body_size);
    memset(token, 'T', strtoul(argv[5], NULL, 10) % sizeof token);
    time_t now = time(NULL);
    strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", gmtime(&now));
    snprintf(scope, sizeof scope, "%.8s/us-east-1/execute-api/aws4_request", date);
    snprintf(host, sizeof host, "127.0.0.1:%d", port);
    unsigned char key[32] = "any key costs the same";
    prepare_key(key);

    int poller = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int sockets[MAX_CONNECTIONS];
    for (int i = 0; i < count; i++) {
        sockets[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(sockets[i], (struct sockaddr *)&address, sizeof address)) return perror("connect"), 1;
        setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event e = {.events = EPOLLIN, .data.fd = sockets[i]};
        epoll_ctl(poller, EPOLL_CTL_ADD, sockets[i], &e);
    }
    double cpu_before = cpu(), wall_before = wall();
    for (int i = 0; i < count; i++) post(sockets[i]);
    struct epoll_event events[MAX_CONNECTIONS];
    char answer[65536];
    while (answered < posts) {
        int n = epoll_wait(poller, events, MAX_CONNECTIONS, -1);
        for (int i = 0; i < n; i++) {
            ssize_t size = recv(events[i].data.fd, answer, sizeof answer, 0);
            if (size < 12 || (memcmp(answer + 9, "200", 3) && memcmp(answer + 9, "410", 3)))
                return fputs("an answer is neither 200 nor 410\n", stderr), 1;
            answered++;
            if (sent < posts) post(events[i].data.fd);
        }
    }
    double seconds = wall() - wall_before, used = cpu() - cpu_before;
    printf("{\"posts\": %lu, \"seconds\": %.6f, \"cpu_us\": %.3f}\n", answered, seconds,
           used / (double)answered * 1e6);
    return 0;
}
