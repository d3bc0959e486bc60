# C types of collector/pseudonyms.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t
from collector.dissect cimport libcrypto

cdef Py_ssize_t _PSEUDONYM_OCTETS
cdef libcrypto.Library* _LIBRARY

@cython.final
cdef class Pseudonyms:
    cdef object _keys
    cdef object _periods
    cdef bytes _site
    cdef dict _known
    cdef dict _last
    cdef int64_t _last_from_ns
    cdef int64_t _last_until_ns

    @cython.locals(known=str, devices=dict, pseudonym=str, key=bytearray, said=bytes, mac=bytes)
    cpdef str of(self, bytes device, int64_t at_ns)
    @cython.locals(count=Py_ssize_t, devices=dict)
    cdef Py_ssize_t _remembered(self) except -1
