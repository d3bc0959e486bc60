# What collector/slices.py does, for compiled code; both must say the same (tests/collector/test_slices.py).
cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

# Each of these looks once whether it stays inside its buffer.
@cython.boundscheck(False)
cdef inline bytes cut(const unsigned char[::1] octets, Py_ssize_t at, Py_ssize_t end):
    if at < 0 or at > end or end > octets.shape[0]:
        raise IndexError("a slice reaches beyond its buffer")
    if at == end:
        return b""
    return (<const char*> &octets[at])[:end - at]

cdef inline bytes piece(bytearray octets, Py_ssize_t at, Py_ssize_t end):
    if at < 0 or at > end or end > PyByteArray_GET_SIZE(octets):
        raise IndexError("a slice reaches beyond its buffer")
    return PyBytes_FromStringAndSize(PyByteArray_AS_STRING(octets) + at, end - at)

@cython.boundscheck(False)
cdef inline uint64_t* record(uint64_t[::1] words, Py_ssize_t at, Py_ssize_t size) except NULL:
    if at < 0 or at > words.shape[0] - size:
        raise IndexError("a record reaches beyond its buffer")
    return &words[at]

cdef inline bytes octets_of(uint64_t number, int size):
    cdef unsigned char[8] octets
    cdef int place
    for place in range(8):
        octets[7 - place] = (number >> (8 * place)) & 0xFF
    return (<const char*> octets)[8 - size:8]

cdef inline bytes address_of(uint64_t high, uint64_t low):
    cdef unsigned char[16] octets
    cdef int place
    for place in range(8):
        octets[7 - place] = (high >> (8 * place)) & 0xFF
        octets[15 - place] = (low >> (8 * place)) & 0xFF
    return (<const char*> octets)[:16]

# Four octets are put together by shifts: compilers make one load of them, on any processor and in any order.
cdef inline uint32_t _be32(const unsigned char* octet) noexcept nogil:
    return (<uint32_t> octet[0] << 24) | (<uint32_t> octet[1] << 16) | (<uint32_t> octet[2] << 8) | octet[3]

cdef inline uint64_t _be64(const unsigned char* octet) noexcept nogil:
    return (<uint64_t> _be32(octet) << 32) | _be32(octet + 4)

@cython.boundscheck(False)
cdef inline int be16(const unsigned char[::1] octets, Py_ssize_t at) except -1:
    if at < 0 or at > octets.shape[0] - 2:
        raise IndexError("a number reaches beyond its buffer")
    return ((&octets[at])[0] << 8) | (&octets[at])[1]

@cython.boundscheck(False)
cdef inline int64_t be32(const unsigned char[::1] octets, Py_ssize_t at) except -1:
    if at < 0 or at > octets.shape[0] - 4:
        raise IndexError("a number reaches beyond its buffer")
    return _be32(&octets[at])

@cython.boundscheck(False)
cdef inline uint64_t be64(const unsigned char[::1] octets, Py_ssize_t at) except? 0xFFFFFFFFFFFFFFFF:
    if at < 0 or at > octets.shape[0] - 8:
        raise IndexError("a number reaches beyond its buffer")
    return _be64(&octets[at])

@cython.boundscheck(False)
cdef inline int64_t any32(const unsigned char[::1] octets, Py_ssize_t at, bint big) except -1:
    cdef const unsigned char* octet
    if at < 0 or at > octets.shape[0] - 4:
        raise IndexError("a number reaches beyond its buffer")
    octet = &octets[at]
    if big:
        return _be32(octet)
    return (<uint32_t> octet[3] << 24) | (<uint32_t> octet[2] << 16) | (<uint32_t> octet[1] << 8) | octet[0]

cdef inline bytes joined(bytes octets, int64_t[::1] places, Py_ssize_t begin, Py_ssize_t end):
    cdef Py_ssize_t place, size = len(octets)
    cdef int64_t at, length, total = 0
    cdef char* room
    for place in range(begin, end, 3):
        at = places[place + 1]
        length = places[place + 2]
        if at < 0 or length < 0 or length > size or at > size - length:
            raise IndexError("a piece reaches beyond the octets")
        total += length
    made = PyBytes_FromStringAndSize(NULL, total)
    room = PyBytes_AS_STRING(made)
    for place in range(begin, end, 3):
        length = places[place + 2]
        memcpy(room, PyBytes_AS_STRING(octets) + places[place + 1], length)
        room += length
    return made

cdef inline Py_ssize_t behind_zeros(bytes octets, Py_ssize_t at) except -1:
    cdef const char* octet = octets
    cdef Py_ssize_t end = len(octets)
    cdef uint64_t eight
    if at < 0 or at > end:
        raise IndexError("a place outside of the octets")
    while at + 8 <= end:
        memcpy(&eight, octet + at, 8)
        if eight:
            break
        at += 8
    while at < end and octet[at] == 0:
        at += 1
    return at
