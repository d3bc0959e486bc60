# C types of collector/flows.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t, uint64_t
from collector.dissect.frame cimport Frame
from collector.dissect.headers cimport read
from collector.flow_ledger cimport Ledger
from collector.flow_opener cimport Opener
from collector.flow_words cimport WORDS, LAST, STATE, OCTETS, PACKETS, PAYLOAD, ENDED, BASE, HIGH, SHOWN, CLIENT_IS_LAST, FIN, BASED, WANTED, SIDED, STARTED, CLOSED, TCP, OPENED, UNBOUNDED, LOW
from collector.frames cimport FrameBlock
from collector.opening_facts cimport Opening
from collector.reassembly cimport Reassembly
from collector cimport foresight, slices

cdef uint64_t _SHOWN_TCP
cdef uint64_t _SHOWN_UDP
cdef uint64_t _DNS
cdef uint64_t _PART_LENGTH
cdef bint _FORESEEING
cdef Py_ssize_t _FORESEEN, _FETCHED

@cython.final
cdef class FlowTable(Ledger):
    cdef Opener _openings
    cdef Reassembly _reassembly
    cdef dict _skipped
    cdef readonly uint64_t packets
    cdef readonly uint64_t octets
    cdef readonly uint64_t late
    cdef readonly uint64_t shown
    cdef readonly uint64_t given_up

    @cython.locals(frame=Frame, row=Py_ssize_t, time=uint64_t, at=Py_ssize_t, found=int)
    cpdef observe(self, FrameBlock block)
    cpdef advance(self, uint64_t now_ns)
    cdef int _expire_fragments(self) except -1
    @cython.locals(frame=Frame, slot=Py_ssize_t, at=Py_ssize_t, down=int, state=uint64_t, client_is_last=bint, record="uint64_t*")
    cdef int _count(self, uint64_t began, uint64_t time, uint64_t octets, uint64_t packets) except -1
    @cython.locals(frame=Frame, at=Py_ssize_t, offset=int64_t, dns=bint, wanted=uint64_t, opening=Opening, data=bytes)
    cdef void _show(self, Py_ssize_t slot, int down, uint64_t time) except *
    @cython.locals(frame=Frame, sequence=uint64_t, high=uint64_t, ahead=uint64_t)
    cdef int64_t _offset(self, Py_ssize_t at, int down) except? -1
    @cython.locals(frame=Frame, at=Py_ssize_t, shown=uint64_t)
    cdef bint _within_bound(self, Py_ssize_t slot, int down) except -1
    cdef int _give_up(self, Py_ssize_t at, uint64_t wanted) except -1
    @cython.locals(frame=Frame, start=Py_ssize_t, version=int64_t)
    cdef bint _is_quic(self, Py_ssize_t at, int down) except -1
    @cython.locals(server_is_last=Py_ssize_t, client_port=int, server_port=int, proto=str)
    cdef Opening _open(self, Py_ssize_t at, uint64_t time)
    @cython.locals(frame=Frame, found=int, octets="const unsigned char[::1]")
    cdef void _count_whole(self) except *
