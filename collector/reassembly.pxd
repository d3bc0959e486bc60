# C types of collector/reassembly.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport uint64_t
from collector.dissect.frame cimport Frame
from collector.dissect.headers cimport read
from collector cimport slices

@cython.final
cdef class Reassembly:
    cdef readonly uint64_t seen
    cdef readonly int found
    cdef object _waiting
    cdef list _done

    cdef int keep(self, Frame frame, uint64_t time) except -1
    cdef int expire(self, uint64_t now_ns) except -1
    cdef int flush(self) except -1
    cdef object read_next(self, Frame frame)

cdef object _addresses(Frame frame)
