# C types of collector/opening_quic.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t, uint64_t
from collector.dissect.quic cimport HANDSHAKE, INITIAL, InitialKeys, Packet, crypto_frames, packets
from collector.dissect.tls cimport ClientHello, client_hello
from collector.holdings cimport Holding, Holdings
from collector.opening_facts cimport Opening
from collector.streams cimport FULL, Stream, stream

cdef int _UP, _DOWN, _BOTH, _ATTEMPTS
cdef int64_t _NS, _FAILURES, _STRANGERS, _KNOWN
cdef Py_ssize_t _MIN_CID, _KEPT, _KEYS_OCTETS, _OBJECT_OCTETS
cdef Stream _GONE
cdef _Hello _READ

@cython.final
cdef class AttemptBudget:
    cdef int64_t _second
    cdef int64_t _failures
    cdef int64_t _strangers
    cdef int64_t _known

    @cython.locals(second=int64_t)
    cpdef bint allows(self, int64_t at_ns, bint known) except -1
    cpdef count(self, bint known)
    cpdef failed(self, bint known)

cdef class _Hello(Holding):
    cdef bint open
    cdef InitialKeys keys
    cdef Stream crypto
    cdef list kept
    cdef Py_ssize_t kept_octets
    cdef bint kept_up

    cdef Py_ssize_t weight(self) except -1
    cdef int let_go(self) except -1

cdef class QuicOpening(Opening):
    cdef object _counters
    cdef AttemptBudget _budget
    cdef Holdings _holdings
    cdef _Hello _hello
    cdef int _client_port
    cdef int _server_port
    cdef int _attempts
    cdef int _client_up
    cdef bint _capped
    cdef bint _answered
    cdef bint _server_seen

    cdef int _meet(self, object counters, AttemptBudget budget, Holdings holdings, int client_port, int server_port) except -1
    @cython.locals(found=list)
    cpdef int octets(self, bint up, int64_t offset, bytes data, uint64_t at_ns) except -1
    @cython.locals(packet=Packet)
    cdef void _take_all(self, list found, bytes datagram, bint up, uint64_t at_ns) except *
    @cython.locals(hello=_Hello)
    cdef int _keep(self, bytes datagram, bint up) except -1
    @cython.locals(hello=_Hello, kept=list, datagram=bytes, kept_up=bint)
    cdef void _try_kept(self, bint up, uint64_t at_ns) except *
    @cython.locals(frames=bytes)
    cdef int _take(self, Packet packet, bytes datagram, bint up, uint64_t at_ns) except -1
    @cython.locals(keys=InitialKeys, frames=bytes)
    cdef bytes _frames(self, Packet packet, bytes datagram, uint64_t at_ns)
    cdef bint _may_try(self, uint64_t at_ns) except -1
    @cython.locals(known=bint)
    cdef bytes _attempt(self, InitialKeys keys, Packet packet, bytes datagram, uint64_t at_ns)
    @cython.locals(crypto=Stream, offset=int64_t, data=bytes, hello=ClientHello, port=int)
    cdef void _read(self, bytes frames) except *
    cdef int _close(self) except -1

@cython.locals(made=_Hello)
cdef _Hello _hello()
@cython.locals(made=QuicOpening)
cpdef QuicOpening quic_opening(object counters, AttemptBudget budget, Holdings holdings, int client_port, int server_port)
