# C types of collector/opening_dns.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t, uint64_t
from collector cimport slices
from collector.devices cimport Devices
from collector.dissect.dns cimport Message, Resolution, message, resolution
from collector.dissect.hostname cimport names_host
from collector.names cimport DnsMemory
from collector.holdings cimport Holding, Holdings
from collector.opening_facts cimport Opening
from collector.streams cimport FULL, NOTHING, Stream

cdef int _BOTH, _UP, _DOWN
cdef Stream _GONE
cdef Py_ssize_t _QUESTION_OCTETS

@cython.final
cdef class Learner:
    cdef object _device_key
    cdef Devices _devices
    cdef DnsMemory _memory
    cdef readonly object counters
    cdef readonly Holdings holdings

    @cython.locals(found=Resolution, device=bytes, devices=Devices)
    cdef void learn(self, Message answer, bytes mac, bytes client, int64_t at_ns) except *

cdef class _Questions(Holding):
    cdef dict asked

    cdef Py_ssize_t weight(self) except -1
    cdef int let_go(self) except -1

cdef class DnsOpening(Opening):
    cdef Learner _learner
    cdef bytes _client
    cdef bytes _server
    cdef bytes _mac
    cdef bytes _server_mac
    cdef bint _heard
    cdef tuple _asked
    cdef bint _asked_up
    cdef _Questions _others

    @cython.locals(said=Message, question=tuple)
    cdef void _take(self, bint up, bytes octets, int64_t at_ns) except *
    @cython.locals(asked=dict)
    cdef void _ask(self, tuple question, bint up) except *
    @cython.locals(asked=dict)
    cdef void _forget(self) except *
    cdef bint _was_asked(self, tuple question, bint answer_up) except -1
    cdef int _meet(self, Learner learner, bytes client, bytes server, bytes mac, bytes server_mac) except -1

cdef class DnsDatagrams(DnsOpening):
    cpdef int octets(self, bint up, int64_t offset, bytes data, uint64_t at_ns) except -1

cdef class _Messages(Holding):
    cdef Stream stream
    cdef bint open

    cdef Py_ssize_t weight(self) except -1
    cdef int let_go(self) except -1

cdef class DnsSegments(DnsOpening):
    cdef Holdings _holdings
    cdef _Messages _up
    cdef _Messages _down

    @cython.locals(gain=int, side=_Messages)
    cpdef int octets(self, bint up, int64_t offset, bytes data, uint64_t at_ns) except -1
    @cython.locals(octets=bytearray, at=Py_ssize_t, end=Py_ssize_t, said=bytes)
    cdef void _read(self, bint up, Stream stream, int64_t at_ns) except *

@cython.locals(made=DnsDatagrams)
cpdef DnsDatagrams dns_datagrams(Learner learner, bytes client, bytes server, bytes mac, bytes server_mac)
@cython.locals(made=DnsSegments)
cpdef DnsSegments dns_segments(Learner learner, bytes client, bytes server, bytes mac, bytes server_mac)
