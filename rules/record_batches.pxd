# C types of rules/record_batches.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t, uint64_t

cdef int _MAGIC
cdef Py_ssize_t _LENGTH_END
cdef Py_ssize_t _HEAD_OCTETS
cdef int64_t _MAX_OFFSET
cdef int _NAMES
cdef int64_t _PIECE_WEIGHT
cdef int64_t _GO_GROWTH

@cython.final
cdef class FetchedRecords:
    cdef readonly int64_t next_fetch_offset
    cdef bytes _answer
    cdef Py_ssize_t _batch_at
    cdef int _partition
    cdef int64_t _after
    cdef list _aborted
    cdef set _aborting
    cdef list _found
    cdef Py_ssize_t _given
    cdef bytes _octets
    cdef const unsigned char[::1] _view
    cdef Py_ssize_t _stop
    cdef Py_ssize_t _at
    cdef list _names
    cdef int64_t _pieces
    cdef int64_t _room

    cdef int _settle(self) except -1
    @cython.locals(at=Py_ssize_t, rest=Py_ssize_t, length=int64_t)
    cdef bint _next_batch(self) except -1
    cdef bint _is_skipped(self, int64_t base, int64_t producer, int attributes, tuple head, object whole) except -1
    cdef bint _is_abort(self, tuple head, object whole) except -1
    cdef list _readable(self, tuple head, object whole)
    cdef list _records(self, tuple head, object whole)
    cdef int _take_pieces(self, int64_t number) except -1
    @cython.locals(found=list, end=Py_ssize_t, length=int64_t, since=int64_t, delta=int64_t, offset=int64_t, wanted=int64_t, key=bytes, value=bytes, headers=dict)
    cdef list _walk(self, int64_t base, int64_t last, int64_t count, object first, object appended)
    @cython.locals(headers=dict, number=int64_t, place=int64_t, at=Py_ssize_t)
    cdef dict _headers(self)
    @cython.locals(octets="const char*", pattern="const char*", length=Py_ssize_t, same=Py_ssize_t, name=str, known=bytes, found=bytes)
    cdef str _name(self, Py_ssize_t at, Py_ssize_t place)
    @cython.locals(at=Py_ssize_t, octets="const char*")
    cdef bytes _text(self)
    @cython.locals(length=int64_t, at=Py_ssize_t)
    cdef Py_ssize_t _field(self) except? -2
    @cython.locals(raw=uint64_t, octet=uint64_t, shift=int)
    cdef int64_t _number(self) except? -1
