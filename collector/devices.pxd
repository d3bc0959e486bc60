# C types of collector/devices.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t
from collector cimport slices

@cython.final
cdef class _Carrier:
    cdef readonly bytes key
    cdef readonly bytes first
    cdef bytes ipv4
    cdef set ipv6
    cdef readonly bint router

    cdef int carry(self, bytes address) except -1

@cython.final
cdef class Devices:
    cdef object _periods
    cdef dict _days
    cdef dict _last
    cdef int64_t _last_from_ns
    cdef int64_t _last_until_ns
    cdef public Py_ssize_t macs_dropped

    @cython.locals(carrier=_Carrier)
    cpdef bytes key(self, bytes mac, bytes address, int64_t at_ns)
    @cython.locals(carriers=dict)
    cdef int _turn_to(self, int64_t at_ns) except -1
