# C types of collector/frames.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport uint16_t, uint32_t, uint64_t

@cython.final
cdef class FrameBlock:
    cdef readonly Py_ssize_t capacity
    cdef readonly Py_ssize_t count
    cdef readonly object octets
    cdef uint32_t[::1] offsets
    cdef uint32_t[::1] captured
    cdef uint32_t[::1] wire
    cdef uint64_t[::1] times
    cdef uint16_t[::1] links
    cdef uint16_t[::1] vlans

    cpdef clear(self, object octets)
    cpdef uint64_t time(self, Py_ssize_t row) except? 0
    @cython.locals(row=Py_ssize_t, part=FrameBlock, last=Py_ssize_t)
    cpdef FrameBlock portion(self, Py_ssize_t row, uint64_t until_ns, Py_ssize_t most)
    @cython.locals(row=Py_ssize_t)
    cpdef bint add(self, Py_ssize_t offset, uint32_t captured, uint32_t wire, uint64_t time_ns, uint16_t link, uint16_t vlan=*)
