# C types of collector/sources/ring.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from collector.frames cimport FrameBlock

cdef extern from *:
    """
    #define SCHOOLGATE_THREAD_FENCE() __atomic_thread_fence(__ATOMIC_SEQ_CST)
    """
    void thread_fence "SCHOOLGATE_THREAD_FENCE"()

cdef uint64_t _SECOND
cdef int64_t _UNTAGGED
cdef Py_ssize_t _BLOCK_HEADER
cdef Py_ssize_t _FRAME_HEADER
cdef uint32_t _OURS
cdef uint32_t _VLAN_VALID

cpdef int link_type(int hardware) except? -1

@cython.final
cdef class RingWalker:
    cdef readonly Py_ssize_t odd
    cdef readonly uint64_t last_ns
    cdef object _view
    cdef uint16_t[::1] _halves
    cdef uint32_t[::1] _words
    cdef Py_ssize_t _blocks
    cdef Py_ssize_t _block_octets
    cdef Py_ssize_t _block
    cdef Py_ssize_t _at
    cdef uint32_t _left

    @cython.locals(base=Py_ssize_t, end=Py_ssize_t, first=int64_t, following=int64_t)
    cpdef bint fill(self, FrameBlock block) except -1
    cpdef bint ready(self) except -1
    @cython.locals(ahead=Py_ssize_t)
    cpdef bint half_full(self) except -1
    cpdef give_back(self)
    @cython.locals(seconds=uint64_t, time=uint64_t, captured=int64_t, wire=int64_t, start=Py_ssize_t, link=int, vlan=int64_t)
    cdef void _frame(self, FrameBlock block, Py_ssize_t at, Py_ssize_t end) except *

cdef bint _follows(int64_t step, Py_ssize_t least, Py_ssize_t room) except -1
cdef void _see_what_the_kernel_wrote() except *
