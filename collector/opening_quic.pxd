# C types of collector/opening_quic.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t, uint64_t
from collector.dissect.quic cimport HANDSHAKE, INITIAL, InitialKeys, Packet, crypto_frames, packets
from collector.dissect.tls cimport ClientHello, client_hello
from collector.opening_facts cimport Opening
from collector.streams cimport FULL, Stream

cdef int _UP, _DOWN, _BOTH, _ATTEMPTS
cdef int64_t _NS, _FAILURES
cdef Py_ssize_t _MIN_CID
cdef Stream _GONE

@cython.final
cdef class AttemptBudget:
    cdef int64_t _second
    cdef int64_t _failures

    cpdef bint allows(self, int64_t at_ns) except -1
    @cython.locals(second=int64_t)
    cpdef failed(self, int64_t at_ns)

@cython.no_gc
cdef class QuicOpening(Opening):
    cdef object _counters
    cdef AttemptBudget _budget
    cdef int _client_port
    cdef int _server_port
    cdef InitialKeys _keys
    cdef Stream _crypto
    cdef int _attempts
    cdef int _client_up
    cdef bint _done
    cdef bint _server_seen

    @cython.locals(packet=Packet)
    cpdef int octets(self, bint up, int64_t offset, bytes data, uint64_t at_ns) except -1
    @cython.locals(frames=bytes)
    cdef int _take(self, Packet packet, bytes datagram, bint up, uint64_t at_ns) except -1
    @cython.locals(keys=InitialKeys, frames=bytes)
    cdef bytes _frames(self, Packet packet, bytes datagram, uint64_t at_ns)
    cdef bytes _attempt(self, InitialKeys keys, Packet packet, bytes datagram, uint64_t at_ns)
    @cython.locals(crypto=Stream, offset=int64_t, data=bytes, hello=ClientHello, port=int)
    cdef void _read(self, bytes frames) except *
    cdef int _close(self) except -1
