# C types of collector/dissect/http.py; the code is there and runs without them.
cimport cython
from collector.dissect.hostname cimport host_name, is_literal, without_port

cdef frozenset _COMMON_METHODS, _COMMON_VERSIONS

@cython.final
cdef class Request:
    cdef readonly str method
    cdef readonly str host
    cdef readonly bint host_refused
    cdef readonly bint host_literal
    cdef readonly bint has_cookie
    cdef readonly bint has_query
    cdef readonly bint has_body
    cdef readonly bint upgrade
    cdef readonly bint http2

@cython.final
cdef class _Fields:
    cdef bytes name
    cdef bytes value
    cdef list folded
    cdef bytes host

    @cython.locals(colon=Py_ssize_t, first=int)
    cdef void line(self, bytes head, Py_ssize_t at, Py_ssize_t end, Request asked) except *
    cdef int finish(self, Request asked) except -1
    @cython.locals(folded=list)
    cdef int _unfold(self) except -1
    @cython.locals(name=bytes)
    cdef void _end(self, Request asked) except *

@cython.locals(size=Py_ssize_t, at=Py_ssize_t, behind=Py_ssize_t)
cpdef Py_ssize_t head_end(bytearray octets, Py_ssize_t start) except -2
@cython.locals(size=Py_ssize_t, at=Py_ssize_t, feed=Py_ssize_t, end=Py_ssize_t, method=bytes, rest=bytes, target=bytes, version=bytes, authority=bytes, host=bytes, asked=Request, fields=_Fields)
cpdef Request request(bytes head)
@cython.locals(size=Py_ssize_t)
cdef Py_ssize_t _feed(bytes head, Py_ssize_t at) except -1
cdef bytes _authority(bytes target, bytes method)
