/* Sends the packets of a classic pcap (little-endian, microseconds) out of an interface at an even pace.
 *
 *     live_sender INTERFACE CAPTURE PACKETS_PER_SECOND CPU
 *
 * Prints: packets sent, seconds taken, processor seconds taken, those that the kernel took to hand each packet over to
 * the other end of the cable included. The capture is read into memory before the first packet goes. */
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

enum { BATCH = 32, FILE_HEADER = 24, RECORD_HEADER = 16 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

int main(int count, char **words) {
    if (count != 5) {
        fprintf(stderr, "live_sender INTERFACE CAPTURE PACKETS_PER_SECOND CPU\n");
        return 2;
    }
    double pace = 1.0 / atof(words[3]);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(atoi(words[4]), &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);

    int file = open(words[2], O_RDONLY);
    struct stat size;
    if (file < 0 || fstat(file, &size) < 0) fail(words[2]);
    const uint8_t *octets = mmap(NULL, size.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (octets == MAP_FAILED) fail("mmap");

    int outlet = socket(AF_PACKET, SOCK_RAW, 0);
    if (outlet < 0) fail("socket");
    struct sockaddr_ll place = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(words[1])};
    if (bind(outlet, (struct sockaddr *)&place, sizeof place) < 0) fail("bind");
    int one = 1;
    setsockopt(outlet, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);

    struct iovec parts[BATCH];
    struct mmsghdr messages[BATCH];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++) {
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    uint64_t sent = 0;
    size_t at = FILE_HEADER;
    double began = now(), due = began;
    while (at + RECORD_HEADER <= (size_t)size.st_size) {
        int filled = 0;
        while (filled < BATCH && at + RECORD_HEADER <= (size_t)size.st_size) {
            uint32_t length;
            memcpy(&length, octets + at + 8, sizeof length);
            if (at + RECORD_HEADER + length > (size_t)size.st_size) break;
            parts[filled].iov_base = (void *)(octets + at + RECORD_HEADER);
            parts[filled].iov_len = length;
            filled++;
            at += RECORD_HEADER + length;
        }
        if (!filled) break;
        while (now() < due) {}
        for (int done = 0; done < filled;) {
            int took = sendmmsg(outlet, messages + done, filled - done, 0);
            if (took < 0) fail("sendmmsg");
            done += took;
        }
        sent += filled;
        due += filled * pace;
    }
    double seconds = now() - began;
    struct rusage cost;
    getrusage(RUSAGE_SELF, &cost);
    printf("%lu %.4f %.4f\n", (unsigned long)sent, seconds,
           cost.ru_utime.tv_sec + cost.ru_stime.tv_sec + (cost.ru_utime.tv_usec + cost.ru_stime.tv_usec) * 1e-6);
    return 0;
}
