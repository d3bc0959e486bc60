# C types of collector/dissect/quic.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t, uint64_t
from collector cimport slices
from collector.dissect cimport libcrypto

cdef int _SAMPLE_OCTETS, _LONG_FORM, _FIXED_BIT
cdef Py_ssize_t _MAX_CID, _MAX_CRYPTO, _MAX_PACKETS, _MOST_SORTED
cdef int64_t[::1] _PLACES
cdef uint64_t _VERSION_2
cdef int64_t _ONE
cdef int INITIAL, ZERO_RTT, HANDSHAKE, RETRY, VERSION_NEGOTIATION
cdef dict _SALTS
cdef tuple _LABELS_V1, _LABELS_V2
cdef libcrypto.Library* _LIBRARY

@cython.final
cdef class Packet:
    cdef readonly int kind
    cdef readonly uint64_t version
    cdef readonly bytes dcid
    cdef readonly Py_ssize_t start
    cdef readonly Py_ssize_t number_at
    cdef readonly Py_ssize_t end

@cython.final
cdef class Cursor:
    cdef bytes octets
    cdef Py_ssize_t at

    @cython.locals(octets=bytes, at=Py_ssize_t, value=int64_t, more=int)
    cdef int64_t varint(self) except -1

@cython.final
cdef class InitialKeys:
    cdef readonly uint64_t version
    cdef readonly bytes dcid
    cdef bytes _secrets
    cdef int64_t _largest

    @cython.locals(at=Py_ssize_t, mask=uint64_t, first=int, size=int, truncated=int64_t, number=int64_t, frames=bytes)
    cpdef bytes payload(self, bytes datagram, Packet packet)

@cython.locals(at=Py_ssize_t, size=Py_ssize_t, packet=Packet)
cpdef list packets(bytes datagram)
@cython.locals(at=Py_ssize_t, size=Py_ssize_t, packet=Packet, cursor=Cursor, version=uint64_t, kind=int, token=int64_t, length=int64_t)
cdef Packet _packet(bytes datagram, Py_ssize_t start)
@cython.locals(number=uint64_t, index=Py_ssize_t)
cdef uint64_t _number(bytes octets, Py_ssize_t at, Py_ssize_t size) except? 0xFFFFFFFFFFFFFFFF
cdef bytes _secrets(uint64_t version, bytes dcid)
@cython.locals(secrets=bytes)
cpdef tuple initial_secrets(uint64_t version, bytes dcid)
@cython.locals(window=int64_t, expected=int64_t, candidate=int64_t)
cpdef int64_t packet_number(int64_t truncated, int octets, int64_t largest) except -1
@cython.locals(count=Py_ssize_t, found=list)
cpdef list crypto_frames(bytes frames)
@cython.locals(cursor=Cursor, at=Py_ssize_t, size=Py_ssize_t, count=Py_ssize_t, kind=int, offset=int64_t, length=int64_t)
cdef Py_ssize_t _walk(bytes frames, list found) except -1
@cython.locals(number=Py_ssize_t, before=Py_ssize_t, offset=int64_t, at=int64_t, length=int64_t)
cdef int _sort(Py_ssize_t count) except -1
@cython.locals(place=Py_ssize_t)
cdef bint _overlap(Py_ssize_t count) except -1
@cython.locals(found=list, place=Py_ssize_t, begin=Py_ssize_t, end=int64_t)
cdef list _joined(bytes frames, Py_ssize_t count)
@cython.locals(ranges=int64_t, _=int64_t)
cdef int _skip_ack(Cursor cursor, int counts) except -1
