# C types of collector/draft.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t, uint64_t
from collector cimport scribe, slices

cdef uint64_t _NS, _US
cdef int64_t _DAY_S
cdef Py_ssize_t _DATE_CHARACTERS
cdef Py_ssize_t _IPV4_OCTETS

@cython.final
cdef class Draft:
    cdef uint64_t id_begin
    cdef uint64_t id_end
    cdef str sensor
    cdef str district
    cdef str school
    cdef str group
    cdef str device
    cdef bytes client
    cdef int client_port
    cdef bytes server
    cdef int server_port
    cdef bint withheld
    cdef str proto
    cdef uint64_t started_ns
    cdef uint64_t ended_ns
    cdef uint64_t bytes_up
    cdef uint64_t bytes_down
    cdef uint64_t packets_up
    cdef uint64_t packets_down
    cdef str server_name
    cdef str name_source
    cdef tuple cnames
    cdef str app
    cdef str tls_version
    cdef bint tls_version_offered
    cdef str alpn
    cdef bint ech
    cdef uint64_t plaintext_bytes_up
    cdef object plaintext_data
    cdef str end
    cdef uint64_t part
    cdef object _blank
    cdef object _event
    cdef bytearray _paper
    cdef Py_ssize_t _at
    cdef bytes _place
    cdef str _district
    cdef str _school
    cdef str _group
    cdef int64_t _day
    cdef str _date

    cdef object event(self)
    @cython.locals(paper=bytearray, at=Py_ssize_t)
    cdef int write(self) except -1
    cdef bytes take(self)
    cdef Py_ssize_t _write_ends(self, bytearray paper, Py_ssize_t at) except -1
    @cython.locals(begin=Py_ssize_t)
    cdef Py_ssize_t _put_place(self, bytearray paper, Py_ssize_t at) except -1
    @cython.locals(second=int64_t, day=int64_t)
    cdef Py_ssize_t _put_stamp(self, bytearray paper, Py_ssize_t at, uint64_t at_ns) except -1

@cython.locals(micros=int)
cdef str stamp(uint64_t at_ns)
cdef Py_ssize_t _put_truth(bytearray paper, Py_ssize_t at, bint truth) except -1
@cython.locals(first=bint, text=str)
cdef Py_ssize_t _put_list(bytearray paper, Py_ssize_t at, tuple texts) except -1
@cython.locals(place=int)
cdef Py_ssize_t _put_address(bytearray paper, Py_ssize_t at, bytes octets) except -1
@cython.locals(paper=bytearray)
cdef str address_text(bytes octets)
@cython.locals(longest=int, begin=int, run=int, end=int, group=int, value=int)
cdef Py_ssize_t _put_ipv6(bytearray paper, Py_ssize_t at, bytes octets) except -1
