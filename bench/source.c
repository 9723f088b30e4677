/* A mail client for measuring: sends a file of letters over several connections at once.
 *
 * Promises: every command waits for its reply, as a real client's does; every letter goes out with a
 * Message-ID of its own; a reply other than the expected one ends the run with exit code 1, so that no
 * figure is made of refused mail. It is in C because it shares the cores with what it measures.
 *
 *     source PORT FILE CONNECTIONS COUNT KEEP RATE SERIAL
 *
 * KEEP 1 keeps connections, 0 opens one for each letter. RATE 0 sends as fast as the replies come
 * (closed loop); otherwise letters fall due at random, RATE a second on average, whether or not the
 * earlier ones are through (open loop). FILE holds letters, each behind a line
 * "SIZE PLACE SENDER RECIPIENT": its bytes in wire form, and the place in them of ten digits that are
 * replaced by a running number, SERIAL for the first.
 *
 * Prints a line "START SECONDS CPU" (clock at the start, duration, processor time of the client), then
 * for each letter two numbers in microseconds: from its last byte to the reply, and from when it fell
 * due to the reply.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1000, LETTERS_MAX = 100000, REPLY_MAX = 4096, DIGITS = 10 };

enum state { CLOSED, GREETING, EHLO, READY, MAIL, RCPT, DATA, BODY, DOT, QUIT };

struct letter { char *bytes; size_t size, place; char sender[256], recipient[256]; };

struct connection {
    int fd;
    enum state state;
    char reply[REPLY_MAX];
    size_t reply_size, sent;
    const struct letter *letter; /* The one under way, NULL for none. */
    char digits[DIGITS + 2]; /* And what `snprintf` puts behind. */
    double due, dot;
};

static struct letter letters[LETTERS_MAX];
static struct connection connections[CONNECTIONS_MAX];
static long letter_count, connection_count, count, serial, begun, done;
static int keeps, port;
static double rate, next_due, *dot_delays, *whole_delays;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what, const char *why) {
    fprintf(stderr, "source: %s: %s\n", what, why);
    exit(1);
}

static void read_letters(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) fail(path, strerror(errno));
    struct letter l;
    while (letter_count < LETTERS_MAX &&
           fscanf(file, "%zu %zu %255s %255s", &l.size, &l.place, l.sender, l.recipient) == 4) {
        fgetc(file); /* The line feed. */
        l.bytes = malloc(l.size);
        if (!l.bytes || fread(l.bytes, 1, l.size, file) != l.size) fail(path, "cut short");
        letters[letter_count++] = l;
    }
    fclose(file);
    if (!letter_count) fail(path, "holds no letter");
}

static void say(struct connection *c, enum state next, const char *format, const char *argument) {
    char line[600];
    int size = snprintf(line, sizeof line, format, argument);
    if (send(c->fd, line, (size_t)size, MSG_NOSIGNAL) != size) fail("send", strerror(errno));
    c->state = next;
}

static void open_connection(struct connection *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int yes = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) fail("socket", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
        fail("connect", strerror(errno));
    c->state = GREETING;
    c->reply_size = 0;
}

/* Give the connection the next letter. */
static void begin(struct connection *c, double due) {
    c->letter = &letters[begun % letter_count];
    snprintf(c->digits, sizeof c->digits, "%010ld", (serial + begun) % 10000000000L);
    c->due = due;
    c->sent = 0;
    begun++;
    if (c->state == READY)
        say(c, MAIL, "MAIL FROM:<%s>\r\n", c->letter->sender);
    else
        open_connection(c);
}

/* Hand out letters to idle connections, as far as they are due. */
static void hand_out(void) {
    for (long i = 0; i < connection_count && begun < count; i++) {
        struct connection *c = &connections[i];
        if (c->letter || c->state != (keeps ? READY : CLOSED)) continue;
        double time = now();
        if (rate > 0 && next_due > time) return;
        begin(c, rate > 0 ? next_due : time);
        if (rate > 0) next_due += -log(1.0 - drand48()) / rate;
    }
}

static void send_body(struct connection *c) {
    const struct letter *l = c->letter;
    struct iovec parts[3] = {{l->bytes, l->place}, {c->digits, DIGITS},
                             {l->bytes + l->place + DIGITS, l->size - l->place - DIGITS}};
    while (c->sent < l->size) {
        struct iovec left[3];
        size_t skip = c->sent, used = 0;
        for (int i = 0; i < 3; i++) {
            size_t over = skip < parts[i].iov_len ? skip : parts[i].iov_len;
            skip -= over;
            if (over < parts[i].iov_len)
                left[used++] = (struct iovec){(char *)parts[i].iov_base + over, parts[i].iov_len - over};
        }
        struct msghdr message = {.msg_iov = left, .msg_iovlen = used};
        ssize_t size = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (size < 0) fail("sending a letter", strerror(errno));
        c->sent += (size_t)size;
    }
    c->state = DOT;
    c->dot = now();
}

static void expect(struct connection *c, const char *code) {
    if (strncmp(c->reply, code, 3)) fail("reply", c->reply);
}

static void on_reply(struct connection *c) {
    switch (c->state) {
    case GREETING: expect(c, "220"); say(c, EHLO, "EHLO %s\r\n", "client.example.jp"); break;
    case EHLO:
        expect(c, "250");
        c->state = READY;
        if (c->letter) say(c, MAIL, "MAIL FROM:<%s>\r\n", c->letter->sender);
        break;
    case MAIL: expect(c, "250"); say(c, RCPT, "RCPT TO:<%s>\r\n", c->letter->recipient); break;
    case RCPT: expect(c, "250"); say(c, DATA, "%s\r\n", "DATA"); break;
    case DATA: expect(c, "354"); c->state = BODY; send_body(c); break;
    case DOT: {
        expect(c, "250");
        double time = now();
        dot_delays[done] = time - c->dot;
        whole_delays[done++] = time - c->due;
        c->letter = NULL;
        c->state = READY;
        if (!keeps) say(c, QUIT, "%s\r\n", "QUIT");
        break;
    }
    case QUIT: close(c->fd); c->state = CLOSED; break;
    default: fail("reply out of place", c->reply);
    }
}

static void on_readable(struct connection *c) {
    ssize_t size = recv(c->fd, c->reply + c->reply_size, REPLY_MAX - 1 - c->reply_size, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) fail("connection lost", size ? strerror(errno) : "closed by the server");
    c->reply_size += (size_t)size;
    c->reply[c->reply_size] = 0;
    if (c->reply[c->reply_size - 1] != '\n') return;
    c->reply[c->reply_size - 1] = 0;
    char *last = strrchr(c->reply, '\n');
    last = last ? last + 1 : c->reply;
    if (strlen(last) > 3 && last[3] == '-') { /* RFC 5321 §4.2.1: more lines follow. */
        c->reply[c->reply_size - 1] = '\n';
        return;
    }
    c->reply_size = 0;
    on_reply(c);
}

static int is_all(enum state state) {
    for (long i = 0; i < connection_count; i++)
        if (connections[i].state != state) return 0;
    return 1;
}

/* Wait for the network, or for the next letter to fall due, and do what is to be done. */
static void turn(int starts) {
    static struct pollfd polls[CONNECTIONS_MAX];
    int idle = 0;
    for (long i = 0; i < connection_count; i++) {
        struct connection *c = &connections[i];
        polls[i].fd = c->state == CLOSED || (c->state == READY && !c->letter) ? -1 : c->fd;
        polls[i].events = c->state == BODY ? POLLIN | POLLOUT : POLLIN;
        idle |= polls[i].fd < 0;
    }
    double wait = next_due - now();
    if (wait < 0) wait = 0;
    struct timespec limit = {(time_t)wait, (long)((wait - floor(wait)) * 1e9)};
    int timed = !starts && rate > 0 && idle && begun < count;
    if (ppoll(polls, (nfds_t)connection_count, timed ? &limit : NULL, NULL) < 0 && errno != EINTR)
        fail("poll", strerror(errno));
    for (long i = 0; i < connection_count; i++) {
        if (polls[i].fd < 0 || !polls[i].revents) continue;
        if (polls[i].revents & POLLOUT) send_body(&connections[i]);
        if (polls[i].revents & ~POLLOUT) on_readable(&connections[i]);
    }
}

int main(int argc, char **argv) {
    if (argc != 8) fail("usage", "PORT FILE CONNECTIONS COUNT KEEP RATE SERIAL");
    port = atoi(argv[1]), connection_count = atol(argv[3]), count = atol(argv[4]);
    keeps = atoi(argv[5]), rate = atof(argv[6]), serial = atol(argv[7]);
    if (connection_count < 1 || connection_count > CONNECTIONS_MAX) fail("CONNECTIONS", argv[3]);
    read_letters(argv[2]);
    dot_delays = calloc((size_t)count + 1, sizeof(double));
    whole_delays = calloc((size_t)count + 1, sizeof(double));
    srand48(serial);
    for (long i = 0; keeps && i < connection_count; i++) open_connection(&connections[i]);
    while (keeps && !is_all(READY)) turn(1);
    double start = now();
    next_due = start;
    while (done < count) {
        hand_out();
        turn(0);
    }
    double seconds = now() - start;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    while (!keeps && !is_all(CLOSED)) turn(0);
    for (long i = 0; keeps && i < connection_count; i++) say(&connections[i], QUIT, "%s\r\n", "QUIT");
    while (!is_all(CLOSED)) turn(0);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("%.6f %.6f %.6f\n", start, seconds, cpu);
    for (long i = 0; i < count; i++)
        printf("%.0f %.0f\n", dot_delays[i] * 1e6, whole_delays[i] * 1e6);
    return 0;
}
