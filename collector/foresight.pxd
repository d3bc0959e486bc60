# What stands behind collector/foresight.py in compiled code. Guesses are kept by row, for sixteen rows.
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t
from collector.dissect.frame cimport Frame
from collector.flow_hash cimport mix
from collector.flow_slots cimport Slots
from collector.flow_words cimport LOW, WORDS
from collector.slices cimport _be32, _be64

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define SOON(place) __builtin_prefetch(place)
    #else
    #define SOON(place)
    #endif
    """
    void SOON(const void*) noexcept nogil
    PyObject* PyList_GET_ITEM(list things, Py_ssize_t at) noexcept

# The next but one by its record, the next, whose record was asked for before, by what its opening became.
@cython.boundscheck(False)
cdef inline void approach(Slots slots, Py_ssize_t slot, list opened) noexcept:
    cdef Py_ssize_t following
    cdef const char* place
    if slot < 0 or slot >= slots.capacity:
        return
    following = slots._after[slot]
    if following >= slots.capacity:
        return
    place = <const char*> PyList_GET_ITEM(opened, following)
    SOON(place)
    SOON(place + 64)
    following = slots._after[following]
    if following < slots.capacity:
        SOON(&slots.records[following * WORDS])
        SOON(&slots.records[following * WORDS + 8])
        SOON(&slots.records[following * WORDS + 16])
        SOON(&slots.records[following * WORDS + 24])

@cython.boundscheck(False)
cdef inline void touch(const unsigned char[::1] octets, Py_ssize_t at) noexcept:
    if 0 <= at < octets.shape[0]:
        SOON(&octets[at])

# Ethernet without tags, IP without options: nearly all frames of a tap. Others are not foreseen.
@cython.boundscheck(False)
cdef inline void foresee(Slots slots, Frame frame, Py_ssize_t at, Py_ssize_t row) noexcept:
    cdef const unsigned char* octet
    cdef uint64_t source, target, source_high = 0, target_high = 0, ports, value
    cdef uint32_t ends
    cdef bint six
    if at < 0 or at > frame.octets.shape[0] - 58:
        return
    octet = &frame.octets[at]
    six = octet[12] == 0x86
    if six:
        source_high = _be64(octet + 22)
        source = _be64(octet + 30)
        target_high = _be64(octet + 38)
        target = _be64(octet + 46)
        ends = _be32(octet + 54)
        ports = octet[20]
    else:
        source = _be32(octet + 26)
        target = _be32(octet + 30)
        ends = _be32(octet + 34)
        ports = octet[23]
    if source_high > target_high or (
        source_high == target_high and (source > target or (source == target and ends >> 16 > (ends & 0xFFFF)))
    ):
        source, target = target, source
        source_high, target_high = target_high, source_high
        ends = (ends >> 16) | (ends << 16)
    ports |= <uint64_t> ends << 16
    value = mix(mix(mix(slots._seed, source), target), ports)
    if six:
        value = mix(mix(value, source_high), target_high)
    value = (value ^ (value >> 32)) & LOW
    slots._guesses[row & 15] = value
    SOON(&slots._index[value & slots._mask])

@cython.boundscheck(False)
cdef inline void fetch(Slots slots, Py_ssize_t row) noexcept:
    cdef uint64_t tag = slots._guesses[row & 15]
    cdef uint64_t entry = slots._index[tag & slots._mask]
    cdef Py_ssize_t slot
    if entry and entry >> 32 == tag:
        slot = <Py_ssize_t> (entry & LOW) - 1
        SOON(&slots.records[slot * WORDS])
        SOON(&slots.records[slot * WORDS + 8])
        SOON(&slots._before[slot])
        SOON(&slots._after[slot])
