# What collector/flow_words.py says, as constants of C: the compiler works them into its instructions, which it cannot
# do with variables. Both must say the same (tests/collector/test_flow_words.py).
from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #define FLOW_WORDS 32
    #define FLOW_PORTS 4
    #define FLOW_LAST 5
    #define FLOW_TAG 6
    #define FLOW_STATE 7
    #define FLOW_OCTETS 8
    #define FLOW_PACKETS 10
    #define FLOW_PAYLOAD 12
    #define FLOW_STARTED 14
    #define FLOW_ENDED 15
    #define FLOW_BASE 16
    #define FLOW_HIGH 18
    #define FLOW_SIDE 20
    #define FLOW_SHOWN 22
    #define FLOW_ORDINAL 24
    #define FLOW_PART 25
    #define FLOW_CLIENT_IS_LAST 1ULL
    #define FLOW_CERTAIN 2ULL
    #define FLOW_FIN 4ULL
    #define FLOW_BASED 16ULL
    #define FLOW_FROM_SYN 64ULL
    #define FLOW_WANTED 256ULL
    #define FLOW_SIDED 1024ULL
    #define FLOW_UPS 1364ULL
    #define FLOW_PAIRS 4092ULL
    #define FLOW_RESET 4096ULL
    #define FLOW_CLOSED 8192ULL
    #define FLOW_TCP 16384ULL
    #define FLOW_OPENED 32768ULL
    #define FLOW_UNBOUNDED 65536ULL
    #define FLOW_IS_V6 281474976710656ULL
    #define FLOW_LOW 4294967295ULL
    #define FLOW_MAC 281474976710655ULL
    """
    const Py_ssize_t WORDS "FLOW_WORDS"
    const Py_ssize_t PORTS "FLOW_PORTS"
    const Py_ssize_t LAST "FLOW_LAST"
    const Py_ssize_t TAG "FLOW_TAG"
    const Py_ssize_t STATE "FLOW_STATE"
    const Py_ssize_t OCTETS "FLOW_OCTETS"
    const Py_ssize_t PACKETS "FLOW_PACKETS"
    const Py_ssize_t PAYLOAD "FLOW_PAYLOAD"
    const Py_ssize_t STARTED "FLOW_STARTED"
    const Py_ssize_t ENDED "FLOW_ENDED"
    const Py_ssize_t BASE "FLOW_BASE"
    const Py_ssize_t HIGH "FLOW_HIGH"
    const Py_ssize_t SIDE "FLOW_SIDE"
    const Py_ssize_t SHOWN "FLOW_SHOWN"
    const Py_ssize_t ORDINAL "FLOW_ORDINAL"
    const Py_ssize_t PART "FLOW_PART"
    const uint64_t CLIENT_IS_LAST "FLOW_CLIENT_IS_LAST"
    const uint64_t CERTAIN "FLOW_CERTAIN"
    const uint64_t FIN "FLOW_FIN"
    const uint64_t BASED "FLOW_BASED"
    const uint64_t FROM_SYN "FLOW_FROM_SYN"
    const uint64_t WANTED "FLOW_WANTED"
    const uint64_t SIDED "FLOW_SIDED"
    const uint64_t UPS "FLOW_UPS"
    const uint64_t PAIRS "FLOW_PAIRS"
    const uint64_t RESET "FLOW_RESET"
    const uint64_t CLOSED "FLOW_CLOSED"
    const uint64_t TCP "FLOW_TCP"
    const uint64_t OPENED "FLOW_OPENED"
    const uint64_t UNBOUNDED "FLOW_UNBOUNDED"
    const uint64_t IS_V6 "FLOW_IS_V6"
    const uint64_t LOW "FLOW_LOW"
    const uint64_t MAC "FLOW_MAC"
