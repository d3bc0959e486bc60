# C types of collector/streams.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t

cdef Py_ssize_t _MAX_OCTETS, _MAX_WAITING, _OBJECT_OCTETS
cdef int NOTHING, MORE, EARLIER, FULL

@cython.final
cdef class Stream:
    cdef readonly bytearray octets
    cdef readonly int64_t start
    cdef readonly Py_ssize_t segments
    cdef dict _waiting
    cdef Py_ssize_t _held
    cdef bint _taken

    cdef int _begin(self) except -1
    cpdef Py_ssize_t weight(self) except -1
    @cython.locals(octets=bytearray, held=Py_ssize_t, size=Py_ssize_t, end=int64_t, gain=int)
    cpdef int add(self, int64_t offset, bytes data) except -1
    cpdef take(self, Py_ssize_t octets)
    cpdef bint skip_gap(self) except -1
    @cython.locals(known=bytes)
    cdef int _wait(self, int64_t offset, bytes data) except -1
    @cython.locals(end=int64_t)
    cdef int _prepend(self, int64_t offset, bytes data) except -1
    @cython.locals(waiting=dict, data=bytes, end=int64_t, offset=int64_t)
    cdef int _join(self, int gain) except -1
    @cython.locals(waiting=dict, offset=int64_t, data=bytes)
    cdef object _touching(self, int64_t end)

@cython.locals(made=Stream)
cpdef Stream stream()
