/* Sends the packets of a classic pcap (little-endian, microseconds) into a veth cable at an even pace.
 *
 *     live_sender OUTLET CAPTURE PACKETS_PER_SECOND CPU FAR_SPACE FAR_END [sendmmsg]
 *
 * 0 packets a second: as fast as it goes. FAR_SPACE is the path of the network namespace in which the cable's other end,
 * FAR_END, lies. Sends live frames of the kernel (live_xdp.c) where the kernel allows it, else (or if asked) by sendmmsg.
 * Prints: which way, packets sent, seconds taken, and processor seconds that sending took: those included in which the
 * kernel handed each packet over to the other end, without those spent waiting for a packet to be due. The capture is read
 * into memory before the first packet goes. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "live_xdp.h"

enum { BATCH = 32, FILE_HEADER = 24, RECORD_HEADER = 16 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static double cpu_s(void) {
    struct rusage cost;
    getrusage(RUSAGE_SELF, &cost);
    return cost.ru_utime.tv_sec + cost.ru_stime.tv_sec + (cost.ru_utime.tv_usec + cost.ru_stime.tv_usec) * 1e-6;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint32_t length_at(const uint8_t *record) {
    uint32_t length;
    memcpy(&length, record + 8, sizeof length);
    return length;
}

/* Fills in what the capture holds. */
static void read_capture(const char *path, struct errand *errand) {
    int file = open(path, O_RDONLY);
    struct stat size;
    if (file < 0 || fstat(file, &size) < 0) fail(path);
    errand->capture = mmap(NULL, size.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (errand->capture == MAP_FAILED) fail("mmap");
    errand->shortest = UINT32_MAX;
    size_t at = FILE_HEADER;
    while (at + RECORD_HEADER <= (size_t)size.st_size) {
        uint32_t length = length_at(errand->capture + at);
        if (at + RECORD_HEADER + length > (size_t)size.st_size) break;
        if (length < errand->shortest) errand->shortest = length;
        if (length > errand->longest) errand->longest = length;
        at += RECORD_HEADER + length;
        errand->packets++;
    }
    errand->octets = at;
}

static int opened(const char *outlet) {
    int packets = socket(AF_PACKET, SOCK_RAW, 0);
    if (packets < 0) fail("socket");
    struct sockaddr_ll place = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(outlet)};
    if (bind(packets, (struct sockaddr *)&place, sizeof place) < 0) fail("bind");
    int one = 1;
    setsockopt(packets, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
    return packets;
}

static struct outcome send_messages(const struct errand *errand) {
    int outlet = opened(errand->outlet);
    struct iovec parts[BATCH];
    struct mmsghdr messages[BATCH];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++) {
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    struct outcome outcome = {0};
    size_t at = FILE_HEADER;
    double began = now(), due = began;
    while (at < errand->octets) {
        int filled = 0;
        while (filled < BATCH && at < errand->octets) {
            parts[filled].iov_base = (void *)(errand->capture + at + RECORD_HEADER);
            parts[filled].iov_len = length_at(errand->capture + at);
            at += RECORD_HEADER + parts[filled].iov_len;
            filled++;
        }
        double ready = now(), started = ready;
        while (started < due) started = now();
        outcome.waited += started - ready;
        for (int done = 0; done < filled;) {
            int took = sendmmsg(outlet, messages + done, filled - done, 0);
            if (took < 0) fail("sendmmsg");
            done += took;
        }
        outcome.sent += filled;
        due += filled * errand->pace_ns * 1e-9;
    }
    outcome.seconds = now() - began;
    return outcome;
}

int main(int count, char **words) {
    if (count < 7) {
        fprintf(stderr, "live_sender OUTLET CAPTURE PACKETS_PER_SECOND CPU FAR_SPACE FAR_END [sendmmsg]\n");
        return 2;
    }
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(atoi(words[4]), &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);
    double rate = atof(words[3]);
    struct errand errand = {.outlet = words[1], .far_space = words[5], .far_end = words[6]};
    errand.pace_ns = rate > 0 ? 1e9 / rate : 0;
    read_capture(words[2], &errand);
    struct live_frames *frames = count > 7 ? NULL : live_frames(&errand);
    double before_s = cpu_s();
    struct outcome outcome = frames ? send_live_frames(frames) : send_messages(&errand);
    printf("%s %lu %.9f %.4f\n", frames ? "frames" : "sendmmsg", (unsigned long)outcome.sent, outcome.seconds, cpu_s() - before_s - outcome.waited);
    return 0;
}
