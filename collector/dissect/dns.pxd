# C types of collector/dissect/dns.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t

cdef int _A, _CNAME, _AAAA, _SVCB, _HTTPS
cdef Py_ssize_t _MOST_RECORDS, _MOST_HINTS, _MOST_CHAIN, _MOST_POINTERS, _MOST_TEXTS, _LONGEST
cdef dict _TEXTS
cdef int _LONGEST_LABEL, _POINTER, _HEADER_OCTETS

@cython.final
cdef class Record:
    cdef readonly str name
    cdef readonly int type
    cdef readonly int64_t ttl_s
    cdef readonly tuple addresses
    cdef readonly str target

@cython.final
cdef class Message:
    cdef readonly int id
    cdef readonly bint response
    cdef readonly int rcode
    cdef readonly str name
    cdef readonly int type
    cdef readonly tuple records

@cython.final
cdef class Resolution:
    cdef readonly str name
    cdef readonly tuple chain
    cdef readonly tuple addresses
    cdef readonly int64_t ttl_s

@cython.final
cdef class _Cursor:
    cdef bytes octets
    cdef Py_ssize_t at
    cdef Py_ssize_t first_at
    cdef str first

    @cython.locals(at=Py_ssize_t)
    cdef int short(self) except -1
    @cython.locals(high=int64_t)
    cdef int64_t seconds(self) except -1
    @cython.locals(octets=bytes, start=Py_ssize_t, at=Py_ssize_t, floor=Py_ssize_t, begin=Py_ssize_t, behind=Py_ssize_t, total=Py_ssize_t, pointers=Py_ssize_t, wire=bytes, size=int, target=Py_ssize_t, name=str)
    cdef str name(self)

@cython.locals(cursor=_Cursor, number=int, flags=int, questions=int, answers=int, kind=int, name=str, records=tuple, said=Message)
cpdef Message message(bytes octets)
@cython.locals(name=str, aliases=dict, record=Record, alias=Record, ttl_s=int64_t, owners=list, addresses=list, found=Resolution)
cpdef Resolution resolution(Message answer)
@cython.locals(record=Record, ttl_s=int64_t, addresses=tuple, found=Resolution)
cdef Resolution _straight(Message answer, str name)
@cython.locals(octets=bytes, records=list, _number=Py_ssize_t, owner=str, kind=int, ttl_s=int64_t, size=Py_ssize_t, at=Py_ssize_t, end=Py_ssize_t)
cdef tuple _records(_Cursor cursor, Py_ssize_t count)
@cython.locals(octets=bytes, hints=list, key=int, size=Py_ssize_t, at=Py_ssize_t, step=Py_ssize_t, number=Py_ssize_t)
cdef tuple _hints(_Cursor cursor, Py_ssize_t end)

cdef str _text(bytes wire)
@cython.locals(name=bytearray, at=Py_ssize_t, behind=Py_ssize_t, place=Py_ssize_t, octet=int)
cdef str _spelled(bytes wire)
cdef str _escaped(bytes wire)
@cython.locals(record=Record)
cdef Record _record(str name, int kind, int64_t ttl_s, tuple addresses, str target)
