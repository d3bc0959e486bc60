/* Sends a capture by an eBPF program, in the way of BPF_PROG_TEST_RUN with live frames (Linux 5.18 and later).
 *
 * The kernel runs the program again and again over pages that it recycles. Each time the program looks at the clock; if
 * the next packet is due it copies it out of a map into the page and redirects the page into the cable, and if not it
 * drops the page. The other end makes a socket buffer around that very page and hands it up as one that came by a wire.
 * So a packet costs its sender one copy, where sendmmsg takes an allocation, two copies and a queue between processors.
 *
 * The other end takes such frames only if it polls (NAPI), which a program of its own makes it do: one that lets
 * everything pass. It would also join packets (GRO) then; that is turned off, for each must come as it was sent.
 * The programs stand here as instructions, so that neither clang nor libbpf is needed.
 * Sources: bpf(2); Linux Documentation/bpf/bpf_prog_run.rst and standardization/instruction-set.rst; drivers/net/veth.c. */
#define _GNU_SOURCE
#include "live_xdp.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    FILE_HEADER = 24,
    RECORD_HEADER = 16,
    LENGTH_AT = 8,         /* of the captured length in a record's header */
    FRAME = 3072,          /* octets of the longest packet: a page holds it beside what the kernel needs there */
    LEAST = 14,            /* octets of the shortest */
    BATCH = 32,            /* frames handed over at a time; the cable holds 256 */
    LOOKS = 32,            /* at the clock in one run of the program */
    LOOKS_NS = 400,        /* that they take at least */
    MOST_RUNS = 1 << 30,
    MOST = (1 << 29) - (1 << 16), /* octets of a capture: the verifier follows offsets of 29 bits */
};

/* What the program and this process share; the capture follows. */
struct state {
    uint64_t at;       /* where the next record begins in the capture */
    uint64_t end;      /* where the capture ends */
    uint64_t due_ns;   /* when its packet is to be sent, by the clock that never goes back */
    uint64_t pace_ns;  /* between two packets */
    uint64_t sent_ns;  /* when the last one was sent */
    uint64_t sent;     /* packets */
    uint64_t refused;  /* packets too long, too short, or refused by the kernel */
    uint64_t waited_ns; /* for packets to be due */
};

#define FIELD(name) ((int16_t)offsetof(struct state, name))
#define INSN(c, d, s, o, i) ((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define MOVE(to, from) INSN(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define SET(to, number) INSN(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, number)
#define ADD(to, from) INSN(BPF_ALU64 | BPF_ADD | BPF_X, to, from, 0, 0)
#define ADD_NUMBER(to, number) INSN(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, number)
#define LOAD(to, name) INSN(BPF_LDX | BPF_MEM | BPF_DW, to, SHARED, FIELD(name), 0)
#define STORE(name, from) INSN(BPF_STX | BPF_MEM | BPF_DW, SHARED, from, FIELD(name), 0)
#define CALL(function) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define IF(how, a, b, to) INSN(BPF_JMP | (how) | BPF_X, a, b, to, 0)
#define IF_NUMBER(how, a, number, to) INSN(BPF_JMP | (how) | BPF_K, a, 0, to, number)
#define LEAVE INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/* Where jumps lead; `settled` makes distances of them. */
enum { REFUSE = 1001, DROP = 1002 };
/* Registers that calls leave as they are. */
enum { FRAME_CONTEXT = BPF_REG_6, LENGTH = BPF_REG_7, RECORD = BPF_REG_8, SHARED = BPF_REG_9 };

static long bpf(int command, union bpf_attr *with) { return syscall(SYS_bpf, command, with, sizeof *with); }

static int no(const char *what) {
    perror(what);
    return -1;
}

static int loaded(const struct bpf_insn *program, size_t count, uint32_t flags) {
    union bpf_attr with;
    memset(&with, 0, sizeof with);
    with.prog_type = BPF_PROG_TYPE_XDP;
    with.insns = (uintptr_t)program;
    with.insn_cnt = count;
    with.license = (uintptr_t) "Dual MIT/GPL";
    with.prog_flags = flags;
    return bpf(BPF_PROG_LOAD, &with);
}

/* Makes the other end take frames, each by itself. The descriptor that holds it so stays open until the process ends. */
static int prepare(const struct errand *errand) {
    const struct bpf_insn pass[] = {SET(BPF_REG_0, XDP_PASS), LEAVE};
    /* Fragments are allowed because a cable for jumbo frames takes no other program. */
    int program = loaded(pass, sizeof pass / sizeof *pass, BPF_F_XDP_HAS_FRAGS);
    if (program < 0) return no("a program for the other end");
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int far = open(errand->far_space, O_RDONLY | O_CLOEXEC);
    if (home < 0 || far < 0 || setns(far, CLONE_NEWNET) < 0) return no(errand->far_space);
    union bpf_attr with;
    memset(&with, 0, sizeof with);
    with.link_create.prog_fd = program;
    with.link_create.target_ifindex = if_nametoindex(errand->far_end);
    with.link_create.attach_type = BPF_XDP;
    int done = bpf(BPF_LINK_CREATE, &with) < 0 ? no(errand->far_end) : 0;
    struct ethtool_value off = {.cmd = ETHTOOL_SGRO, .data = 0};
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, errand->far_end, IFNAMSIZ - 1);
    request.ifr_data = (void *)&off;
    int asked = socket(AF_INET, SOCK_DGRAM, 0);
    if (done == 0 && ioctl(asked, SIOCETHTOOL, &request) < 0) done = no("joining of packets cannot be turned off");
    close(asked);
    if (setns(home, CLONE_NEWNET) < 0) return no("setns");
    close(home);
    close(far);
    close(program);
    return done;
}

/* Returns the state, with the capture behind it; NULL: there is no room. *map becomes the map's descriptor. */
static struct state *shared(const struct errand *errand, int *map) {
    union bpf_attr with;
    memset(&with, 0, sizeof with);
    with.map_type = BPF_MAP_TYPE_ARRAY;
    with.key_size = 4;
    with.value_size = (sizeof(struct state) + errand->octets + FRAME + RECORD_HEADER + 7) & ~7U;
    with.max_entries = 1;
    with.map_flags = BPF_F_MMAPABLE;
    size_t octets = with.value_size;
    *map = bpf(BPF_MAP_CREATE, &with);
    if (*map < 0) return NULL;
    struct state *state = mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED, *map, 0);
    if (state == MAP_FAILED) return NULL;
    memcpy(state + 1, errand->capture, errand->octets);
    return state;
}

static void settled(struct bpf_insn *program, int count, int refuse, int drop) {
    for (int i = 0; i < count; i++) {
        int jumps = (program[i].code & 7) == BPF_JMP && (program[i].off == REFUSE || program[i].off == DROP);
        if (jumps) program[i].off = (program[i].off == REFUSE ? refuse : drop) - i - 1;
    }
}

static int sender(int map, const struct errand *errand) {
    struct bpf_insn program[] = {
        MOVE(FRAME_CONTEXT, BPF_REG_1),
        INSN(BPF_LD | BPF_DW | BPF_IMM, SHARED, BPF_PSEUDO_MAP_VALUE, 0, map),
        INSN(0, 0, 0, 0, 0),
        /* Is a packet left, and due? */
        LOAD(RECORD, at),
        LOAD(BPF_REG_1, end),
        IF(BPF_JGE, RECORD, BPF_REG_1, DROP),
        IF_NUMBER(BPF_JGT, RECORD, (int32_t)errand->octets, DROP), /* never so: the verifier asks */
        CALL(BPF_FUNC_ktime_get_ns),
        LOAD(BPF_REG_1, due_ns),
        IF(BPF_JGE, BPF_REG_0, BPF_REG_1, 14), /* to STORE(sent_ns) */
        /* Wait a little, and note for how long. */
        INSN(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, BPF_REG_0, -8, 0),
        SET(LENGTH, LOOKS),
        CALL(BPF_FUNC_ktime_get_ns),
        LOAD(BPF_REG_1, due_ns),
        IF(BPF_JGE, BPF_REG_0, BPF_REG_1, 2),
        ADD_NUMBER(LENGTH, -1),
        IF_NUMBER(BPF_JNE, LENGTH, 0, -5),
        MOVE(BPF_REG_2, BPF_REG_0),
        INSN(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_3, BPF_REG_10, -8, 0),
        INSN(BPF_ALU64 | BPF_SUB | BPF_X, BPF_REG_2, BPF_REG_3, 0, 0),
        LOAD(BPF_REG_3, waited_ns),
        ADD(BPF_REG_3, BPF_REG_2),
        STORE(waited_ns, BPF_REG_3),
        IF(BPF_JLT, BPF_REG_0, BPF_REG_1, DROP),
        STORE(sent_ns, BPF_REG_0),
        LOAD(BPF_REG_2, pace_ns),
        ADD(BPF_REG_1, BPF_REG_2),
        STORE(due_ns, BPF_REG_1),
        /* Step to the record behind it. */
        MOVE(BPF_REG_1, RECORD),
        ADD(RECORD, SHARED),
        INSN(BPF_LDX | BPF_MEM | BPF_W, LENGTH, RECORD, sizeof(struct state) + LENGTH_AT, 0),
        ADD_NUMBER(BPF_REG_1, RECORD_HEADER),
        ADD(BPF_REG_1, LENGTH),
        STORE(at, BPF_REG_1),
        /* Make the frame as long as the packet, and copy it in. */
        IF_NUMBER(BPF_JGT, LENGTH, FRAME, REFUSE),
        IF_NUMBER(BPF_JLT, LENGTH, LEAST, REFUSE),
        MOVE(BPF_REG_1, FRAME_CONTEXT),
        MOVE(BPF_REG_2, LENGTH),
        ADD_NUMBER(BPF_REG_2, -FRAME),
        CALL(BPF_FUNC_xdp_adjust_tail),
        IF_NUMBER(BPF_JNE, BPF_REG_0, 0, REFUSE),
        MOVE(BPF_REG_1, FRAME_CONTEXT),
        SET(BPF_REG_2, 0),
        MOVE(BPF_REG_3, RECORD),
        ADD_NUMBER(BPF_REG_3, sizeof(struct state) + RECORD_HEADER),
        MOVE(BPF_REG_4, LENGTH),
        CALL(BPF_FUNC_xdp_store_bytes),
        IF_NUMBER(BPF_JNE, BPF_REG_0, 0, REFUSE),
        LOAD(BPF_REG_1, sent),
        ADD_NUMBER(BPF_REG_1, 1),
        STORE(sent, BPF_REG_1),
        SET(BPF_REG_1, (int32_t)if_nametoindex(errand->outlet)),
        SET(BPF_REG_2, 0),
        CALL(BPF_FUNC_redirect),
        LEAVE,
        /* REFUSE */
        LOAD(BPF_REG_1, refused),
        ADD_NUMBER(BPF_REG_1, 1),
        STORE(refused, BPF_REG_1),
        /* DROP */
        SET(BPF_REG_0, XDP_DROP),
        LEAVE,
    };
    enum { COUNT = sizeof program / sizeof *program };
    settled(program, COUNT, COUNT - 5, COUNT - 2);
    return loaded(program, COUNT, 0);
}

struct live_frames {
    struct state *state;
    int program; /* its descriptor */
    size_t octets;
    uint32_t runs; /* of the program until all is sent */
};

static int run(const struct live_frames *frames, uint32_t times) {
    static uint8_t frame[FRAME];
    union bpf_attr with;
    memset(&with, 0, sizeof with);
    with.test.prog_fd = frames->program;
    with.test.data_in = (uintptr_t)frame;
    with.test.data_size_in = FRAME;
    with.test.repeat = times;
    with.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    with.test.batch_size = BATCH;
    return bpf(BPF_PROG_TEST_RUN, &with);
}

struct live_frames *live_frames(const struct errand *errand) {
    static struct live_frames frames;
    if (errand->octets > MOST || errand->shortest < LEAST || errand->longest > FRAME) {
        fprintf(stderr, "live frames: up to %d octets of capture, packets of %d to %d\n", MOST, LEAST, FRAME);
        return NULL;
    }
    int map;
    frames.state = shared(errand, &map);
    if (frames.state == NULL) return no("room for the capture in the kernel"), NULL;
    frames.program = sender(map, errand);
    if (frames.program < 0) return no("the program that sends"), NULL;
    if (prepare(errand) < 0) return NULL;
    frames.octets = errand->octets;
    frames.state->pace_ns = (uint64_t)errand->pace_ns;
    /* One call for all packets: beginning one makes the kernel wait for all processors, 50 ms long on a busy machine. */
    double runs = errand->packets * (1 + errand->pace_ns / LOOKS_NS);
    frames.runs = runs < MOST_RUNS ? runs : MOST_RUNS;
    /* A run with nothing to send shows whether the kernel runs it at all. */
    frames.state->at = frames.state->end = frames.octets;
    return run(&frames, BATCH) < 0 ? (no("live frames"), NULL) : &frames;
}

struct outcome send_live_frames(const struct live_frames *frames) {
    struct state *state = frames->state;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t began_ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
    state->due_ns = began_ns;
    state->at = FILE_HEADER;
    volatile uint64_t *at = &state->at;
    while (*at < frames->octets)
        if (run(frames, frames->runs) < 0) exit(-no("live frames"));
    if (state->refused) {
        fprintf(stderr, "live frames: the kernel refused %lu packets\n", (unsigned long)state->refused);
        exit(1);
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t behind_ns = now.tv_sec * 1000000000ULL + now.tv_nsec - state->sent_ns;
    return (struct outcome){
        .sent = state->sent,
        .seconds = (state->sent_ns - began_ns) * 1e-9,
        .waited = (state->waited_ns + behind_ns) * 1e-9,
    };
}
