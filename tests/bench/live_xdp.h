/* Sends packets into a veth cable without a queue, and with one copy for each: see live_xdp.c. */
#ifndef LIVE_XDP_H
#define LIVE_XDP_H

#include <stddef.h>
#include <stdint.h>

/* What is to be sent, and where. */
struct errand {
    const char *outlet;      /* name of the cable's end here */
    const char *far_space;   /* path of the other end's network namespace */
    const char *far_end;     /* name of the other end there */
    const uint8_t *capture;  /* a classic pcap, little-endian */
    size_t octets;           /* where its last whole record ends */
    uint64_t packets;        /* records in it */
    uint32_t shortest;       /* octets of its shortest packet */
    uint32_t longest;        /* octets of its longest */
    double pace_ns;          /* between two packets; 0: as fast as it goes */
};

struct outcome {
    uint64_t sent;  /* packets */
    double seconds; /* from the first to the last */
    double waited;  /* seconds that nothing was due, and after the last */
};

struct live_frames;

/* Makes everything ready; NULL if this kernel or this capture does not allow it (why is on standard error). */
struct live_frames *live_frames(const struct errand *errand);

/* Sends all of it; ends the process if the kernel refuses. */
struct outcome send_live_frames(const struct live_frames *frames);

#endif
