# What collector/flow_hash.py does, for compiled code; both must say the same (tests/collector/test_flow_hash.py).
from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #define FLOW_HASH_ADD 0x9E3779B97F4A7C15ULL
    #define FLOW_HASH_MULTIPLY 0xBF58476D1CE4E5B9ULL
    """
    const uint64_t _ADD "FLOW_HASH_ADD"
    const uint64_t _MULTIPLY "FLOW_HASH_MULTIPLY"

cdef inline uint64_t mix(uint64_t value, uint64_t word) noexcept nogil:
    value = (value ^ (word + _ADD)) * _MULTIPLY
    return value ^ (value >> 29)
