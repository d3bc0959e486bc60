# C types of collector/sources/records.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t, uint64_t
from collector cimport foresight, slices
from collector.frames cimport FrameBlock

cdef int64_t _MAX_FRAME
cdef int64_t _MAX_WIRE
cdef int64_t _MAX_SECONDS
cdef uint64_t _SECOND
cdef int64_t _SECTION
cdef int _NO_VLAN
cdef Py_ssize_t _ADDRESSES_AT
cdef Py_ssize_t _MAX_INTERFACES

cdef class Records:
    cdef readonly str fault
    cdef readonly Py_ssize_t skip
    cdef readonly Py_ssize_t odd
    cdef bint _big
    cdef const unsigned char[::1] _octets

    cdef int _u16(self, Py_ssize_t at) except -1
    cdef int64_t _u32(self, Py_ssize_t at) except -1

@cython.final
cdef class PcapRecords(Records):
    cdef uint64_t _fraction
    cdef int _link
    cdef Py_ssize_t _header
    cdef bint _swapped

    @cython.locals(row=Py_ssize_t, captured=int64_t, wire=int64_t, start=Py_ssize_t, seconds=uint64_t)
    cpdef Py_ssize_t fill(self, FrameBlock block, Py_ssize_t at, Py_ssize_t end) except -1

@cython.final
cdef class PcapngRecords(Records):
    cdef uint64_t _time
    cdef list _links
    cdef list _snap
    cdef list _decimal
    cdef list _binary
    cdef list _shift

    @cython.locals(kind=int64_t, total=int64_t, passed=Py_ssize_t)
    cpdef Py_ssize_t fill(self, FrameBlock block, Py_ssize_t at, Py_ssize_t end) except -1
    @cython.locals(head=int64_t, interface=int64_t, wire=int64_t, captured=int64_t, snap=int64_t)
    cdef bint _block(self, FrameBlock block, int64_t kind, Py_ssize_t at, int64_t total) except -1
    @cython.locals(ticks=uint64_t, step=uint64_t, a_second=uint64_t, seconds=uint64_t, rest=uint64_t, shift=int64_t)
    cdef void _clock(self, Py_ssize_t interface, uint64_t high, uint64_t low) except *
    cdef void _section(self, Py_ssize_t at) except *
    @cython.locals(option=Py_ssize_t, code=int, length=Py_ssize_t)
    cdef void _interface(self, Py_ssize_t at, Py_ssize_t total) except *
