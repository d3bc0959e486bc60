# C types of collector/flow_slots.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport uint32_t, uint64_t
from collector cimport arenas, flow_hash, slices
from collector.dissect.frame cimport Frame
from collector.flow_words cimport WORDS, PORTS, LAST, TAG, IS_V6, LOW

@cython.final
cdef class Slots:
    cdef readonly Py_ssize_t capacity
    cdef readonly Py_ssize_t live
    cdef uint64_t[::1] records
    cdef readonly bint swapped
    cdef uint64_t _first_high
    cdef uint64_t _first_low
    cdef uint64_t _last_high
    cdef uint64_t _last_low
    cdef uint64_t _ports
    cdef uint64_t _tag
    cdef uint64_t _mask
    cdef uint64_t _seed
    cdef uint64_t[16] _guesses
    cdef uint64_t[::1] _index
    cdef uint32_t[::1] _free
    cdef Py_ssize_t _returned
    cdef Py_ssize_t _unused
    cdef uint32_t[::1] _before
    cdef uint32_t[::1] _after

    @cython.locals(value=uint64_t)
    cdef Py_ssize_t look(self, Frame frame) except -2
    @cython.locals(place=uint64_t, entry=uint64_t, slot=Py_ssize_t, tag=uint64_t, record="uint64_t*")
    cdef Py_ssize_t _find(self) except -2
    @cython.locals(place=uint64_t, slot=Py_ssize_t, record="uint64_t*", word=Py_ssize_t)
    cdef Py_ssize_t take(self) except -2
    @cython.locals(hole=uint64_t, place=uint64_t, entry=uint64_t, home=uint64_t)
    cdef int release(self, Py_ssize_t slot) except -1
    @cython.locals(head=Py_ssize_t, last=Py_ssize_t)
    cdef int append(self, Py_ssize_t slot, Py_ssize_t order) except -1
    cdef int touch(self, Py_ssize_t slot, Py_ssize_t order) except -1
    cdef int move(self, Py_ssize_t slot, Py_ssize_t order) except -1
    @cython.locals(slot=Py_ssize_t)
    cdef Py_ssize_t quietest(self, Py_ssize_t order) except -2
    cdef uint64_t last(self, Py_ssize_t slot) except? 1
    @cython.locals(before=Py_ssize_t, after=Py_ssize_t)
    cdef int _unlink(self, Py_ssize_t slot) except -1
