# C types of collector/opening_tcp.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t, uint64_t
from collector cimport slices
from collector.dissect.http cimport Request, head_end, request
from collector.dissect.kinds cimport HELLO_START, OTHER, PRELUDE, REQUESTS, RESPONSES, SSL2, TLS, TLS_LATE, UNDECIDED, hello_at, kind_of
from collector.dissect.tls cimport CLIENT_HELLO, RECORD_HEADER, SERVER_HELLO, ClientHello, Handshakes, ServerHello, client_hello, client_message, first_message_end, server_hello, server_message, ssl2_client_hello, version_name
from collector.holdings cimport Holding, Holdings
from collector.opening_facts cimport Opening
from collector.streams cimport EARLIER, FULL, NOTHING, Stream, stream

cdef int _UP, _DOWN
cdef Py_ssize_t _OTHER_SEGMENTS
cdef Stream _GONE

cdef class _Side(Holding):
    cdef Stream stream
    cdef Handshakes handshakes
    cdef Py_ssize_t scanned
    cdef int kind
    cdef bint open

    cdef int close(self) except -1
    cdef int reopen(self) except -1
    cdef Py_ssize_t weight(self) except -1
    cdef int let_go(self) except -1

cdef class TcpOpening(Opening):
    cdef object _counters
    cdef Holdings _holdings
    cdef _Side _up
    cdef _Side _down
    cdef int _client_port
    cdef int _server_port
    cdef bint _heard_server
    cdef bint _upgrade
    cdef bint _lost
    cdef uint64_t _requests

    cdef int _meet(self, object counters, Holdings holdings, int client_port, int server_port) except -1
    @cython.locals(side=_Side)
    cpdef int octets(self, bint up, int64_t offset, bytes data, uint64_t at_ns) except -1
    @cython.locals(gain=int)
    cdef void _take(self, _Side side, int64_t offset, bytes data) except *
    cdef _Side _other(self, _Side side)
    @cython.locals(kind=int, hello=ClientHello)
    cdef int _decide(self, _Side side) except -1
    @cython.locals(handshakes=Handshakes, octets=bytearray, end=Py_ssize_t, hello=ClientHello, answer=ServerHello)
    cdef void _read_tls(self, _Side side) except *
    cdef int _said(self, _Side side, bytes message) except -1
    @cython.locals(port=int)
    cdef int _client_said(self, _Side side, ClientHello hello) except -1
    cdef int _server_said(self, _Side side, ServerHello hello) except -1
    @cython.locals(side=_Side)
    cdef int _expect_hello(self) except -1
    @cython.locals(octets=bytearray, at=Py_ssize_t)
    cdef void _search_hello(self, _Side side) except *
    cdef int _note_http(self, _Side requests) except -1
    @cython.locals(stream=Stream, end=Py_ssize_t, asked=Request)
    cdef int _read_requests(self, _Side side) except -1
    @cython.locals(kind=int)
    cdef bint _at_request(self, _Side side) except -1
    cdef int _asked(self, _Side side, Request asked) except -1
    @cython.locals(stream=Stream)
    cdef int _note_data(self, _Side side) except -1
    cdef int _give_up(self, _Side side) except -1

@cython.locals(made=_Side)
cdef _Side _side()
@cython.locals(made=TcpOpening)
cpdef TcpOpening tcp_opening(object counters, Holdings holdings, int client_port, int server_port)
