# C types of collector/names.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t

cdef int64_t _NS
cdef Py_ssize_t _MOST_ADDRESSES
cdef Py_ssize_t _MOST_NAMES
cdef int _MOST_HISTORY
cdef Py_ssize_t _MOST_WEIGHT, _CHAIN_OCTETS
cdef int64_t _ADDRESS_LIFETIME
cdef int64_t _CHAIN_LIFETIME
cdef int64_t _MOST_TTL
cdef int64_t _SLACK

@cython.final
cdef class _Span:
    cdef str name
    cdef tuple chain
    cdef int64_t first_ns
    cdef int64_t until_ns
    cdef _Span older

@cython.final
cdef class _Device:
    cdef dict addresses
    cdef dict names
    cdef int64_t until_ns
    cdef int64_t look_ns
    cdef Py_ssize_t weight

# Not final: who only passes answers on puts another memory in its place.
cdef class DnsMemory:
    cdef object _devices
    cdef int64_t _grace
    cdef int64_t _silent_ns
    cdef Py_ssize_t _weight
    cdef public Py_ssize_t devices_forgotten
    cdef public Py_ssize_t names_forgotten
    cdef public Py_ssize_t histories_cut

    @cython.locals(known=_Device, oldest=_Device, spans=_Span, until_ns=int64_t, weight=Py_ssize_t)
    cpdef void learn(self, bytes device, str name, tuple chain, tuple addresses, int64_t ttl_s, int64_t at_ns) except *
    @cython.locals(known=_Device, span=_Span)
    cpdef object name_of(self, bytes device, bytes address, int64_t at_ns)
    @cython.locals(known=_Device, span=_Span)
    cpdef tuple chain_of(self, bytes device, str name, int64_t at_ns)
    @cython.locals(known=_Device)
    cdef _Device _device(self, bytes device, int64_t at_ns)
    @cython.locals(oldest=_Device, old=bint)
    cdef void _forget_silent(self, bytes device, int64_t at_ns) except *
    @cython.locals(spans=_Span)
    cdef _Span _taken(self, _Device known, dict table, object key, Py_ssize_t most)
    @cython.locals(span=_Span, made=_Span, _place=int)
    cdef _Span _appended(self, _Device known, _Span newest, str name, tuple chain, int64_t at_ns, int64_t until_ns)

@cython.locals(octets=Py_ssize_t, name=str)
cdef Py_ssize_t _weight(tuple chain) except -1
@cython.locals(weight=Py_ssize_t)
cdef Py_ssize_t _weight_of(_Span span) except -1
@cython.locals(span=_Span)
cdef int64_t _forget_old(_Device known, dict table, int64_t at_ns, int64_t grace_ns) except -1
cdef _Span _last(_Span span, int64_t at_ns)
