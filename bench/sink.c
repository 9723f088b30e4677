/* A next hop for measuring: takes every letter, counts it and forgets it, as cheaply as can be.
 *
 *     sink PORT MARK
 *
 * Promises: 250 after the final dot of every letter, CRLF.CRLF and nothing else being its end; a count
 * of letters, of their bytes, and of those with MARK in their first 4 KiB. It listens on 127.0.0.1
 * until it is ended. Two words beside SMTP, for the one who measures:
 *
 *     STAT       250 LETTERS BYTES MARKED LAST   (LAST: clock when the latest letter was complete)
 *     KEEP FILE  from now on letters are appended to FILE, each behind a line with its size;
 *                without FILE they are forgotten again
 *
 * Each piece is acknowledged at once (TCP_QUICKACK), so that no server is slowed down by the kernel.
 * It may overlook the end of a letter when over 512 bytes of commands are pipelined behind it: there is
 * no reason to, since DATA ends such a batch (RFC 2920 §3.1).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 4096, LINE_MAX_BYTES = 2048, HEAD_MAX = 4096, READ_MAX = 1 << 20, BEHIND_MAX = 512 };

struct connection {
    int in_data, has_quit;
    size_t line_size, head_size, size, kept_size;
    char line[LINE_MAX_BYTES], head[HEAD_MAX], tail[4]; /* tail: the last bytes of the letter so far. */
    char *kept; /* The whole letter, when letters are kept. */
};

static struct connection *connections[CONNECTIONS_MAX]; /* By file descriptor. */
static char bytes[READ_MAX];
static const char *mark;
static long letter_count, marked_count;
static unsigned long long byte_count;
static double last;
static FILE *keeping;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void drop(int fd) {
    close(fd);
    free(connections[fd]->kept);
    free(connections[fd]);
    connections[fd] = NULL;
}

static void end_letter(struct connection *c) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    last = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    letter_count++;
    byte_count += c->size;
    marked_count += memmem(c->head, c->head_size, mark, strlen(mark)) != NULL;
    if (keeping) {
        fprintf(keeping, "%zu\n", c->kept_size);
        fwrite(c->kept, 1, c->kept_size, keeping);
        fflush(keeping);
    }
    c->in_data = 0;
}

/* Take the bytes of a letter; return how many there were before what follows its end. */
static size_t take_data(struct connection *c, const char *piece, size_t size) {
    static const char end[] = "\r\n.\r\n";
    size_t from = size > BEHIND_MAX ? size - BEHIND_MAX : 0, used = size;
    char seam[8]; /* An end that lies across two pieces. */
    size_t early = size < 4 ? size : 4;
    memcpy(seam, c->tail, 4);
    memcpy(seam + 4, piece, early);
    const char *found = memmem(seam, 4 + early, end, 5);
    if (found) {
        used = (size_t)(found - seam) + 1;
    } else if ((found = memmem(piece + from, size - from, end, 5))) {
        used = (size_t)(found - piece) + 5;
    }
    size_t room = HEAD_MAX - c->head_size, head = used < room ? used : room;
    memcpy(c->head + c->head_size, piece, head);
    c->head_size += head;
    c->size += used;
    if (keeping) {
        c->kept = realloc(c->kept, c->kept_size + used);
        memcpy(c->kept + c->kept_size, piece, used);
        c->kept_size += used;
    }
    if (used >= 4) {
        memcpy(c->tail, piece + used - 4, 4);
    } else {
        memmove(c->tail, c->tail + used, 4 - used);
        memcpy(c->tail + 4 - used, piece, used);
    }
    if (found) end_letter(c);
    return used;
}

static void begin_letter(struct connection *c) {
    c->in_data = 1;
    c->size = c->head_size = c->kept_size = 0;
    memcpy(c->tail, "\0\0\r\n", 4); /* An empty letter ends with its first line. */
}

static const char *keep(const char *path) {
    if (keeping) fclose(keeping);
    keeping = *path ? fopen(path, "ab") : NULL;
    return *path && !keeping ? "451 4.3.0 Cannot write there\r\n" : "250 2.0.0 Ok\r\n";
}

/* Return the reply to a command line. */
static const char *reply_to(struct connection *c, char *line) {
    static char stat[200];
    if (!strncasecmp(line, "MAIL", 4) || !strncasecmp(line, "RCPT", 4)) return "250 2.1.0 Ok\r\n";
    if (!strncasecmp(line, "DATA", 4)) {
        begin_letter(c);
        return "354 End data with <CR><LF>.<CR><LF>\r\n";
    }
    if (!strncasecmp(line, "EHLO", 4))
        return "250-sink.example.jp\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n"
               "250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250 SMTPUTF8\r\n";
    if (!strncasecmp(line, "QUIT", 4)) {
        c->has_quit = 1;
        return "221 2.0.0 Bye\r\n";
    }
    if (!strncasecmp(line, "KEEP", 4)) return keep(line + 4 + strspn(line + 4, " "));
    if (!strncasecmp(line, "STAT", 4)) {
        snprintf(stat, sizeof stat, "250 %ld %llu %ld %.6f\r\n", letter_count, byte_count, marked_count, last);
        return stat;
    }
    if (!strncasecmp(line, "HELO", 4) || !strncasecmp(line, "RSET", 4) || !strncasecmp(line, "NOOP", 4))
        return "250 2.0.0 Ok\r\n";
    return "502 5.5.2 Not known here\r\n";
}

/* Take the bytes of commands up to the end of a line; return how many, and add the reply. */
static size_t take_command(struct connection *c, const char *piece, size_t size, char *out) {
    const char *end = memchr(piece, '\n', size);
    size_t used = end ? (size_t)(end - piece) + 1 : size;
    if (c->line_size + used >= LINE_MAX_BYTES) c->line_size = 0;
    if (used >= LINE_MAX_BYTES) return used;
    memcpy(c->line + c->line_size, piece, used);
    c->line_size += used;
    if (end) {
        while (c->line_size && strchr("\r\n", c->line[c->line_size - 1])) c->line_size--;
        c->line[c->line_size] = 0;
        c->line_size = 0;
        strcat(out, reply_to(c, c->line));
    }
    return used;
}

static void on_readable(int fd) {
    struct connection *c = connections[fd];
    ssize_t size = recv(fd, bytes, READ_MAX, 0);
    /* At once, as long as it is asked for after each piece: a server that writes the end of a letter
     * apart from the rest would else wait 40 ms for the kernel's delayed acknowledgement. */
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof yes);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
        drop(fd);
        return;
    }
    char out[8192] = "";
    for (size_t at = 0; at < (size_t)size;) {
        if (c->in_data) {
            at += take_data(c, bytes + at, (size_t)size - at);
            if (!c->in_data) strcat(out, "250 2.0.0 Taken\r\n");
        } else {
            at += take_command(c, bytes + at, (size_t)size - at, out);
        }
        if (strlen(out) > sizeof out - 1000) break; /* Nobody pipelines as much. */
    }
    size_t length = strlen(out);
    if (length && send(fd, out, length, MSG_NOSIGNAL) != (ssize_t)length) {
        drop(fd);
        return;
    }
    if (c->has_quit) drop(fd);
}

int main(int argc, char **argv) {
    if (argc != 3) return fputs("usage: sink PORT MARK\n", stderr), 2;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    mark = argv[2];
    signal(SIGPIPE, SIG_IGN);
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 1024)) fail("sink: listen");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[64];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd != listener) {
                on_readable(events[i].data.fd);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (fd < 0) continue;
            if (fd >= CONNECTIONS_MAX || !(connections[fd] = calloc(1, sizeof(struct connection)))) {
                close(fd);
                continue;
            }
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
            epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
            send(fd, "220 sink.example.jp ESMTP\r\n", 27, MSG_NOSIGNAL);
        }
    }
}
