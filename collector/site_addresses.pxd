# C types of collector/site_addresses.py; the code is there and runs without them.
cimport cython
from collector cimport slices

cdef Py_ssize_t _IPV4_OCTETS

@cython.locals(at=Py_ssize_t, first=int, second=int)
cpdef bint is_of_site(bytes address) except -1
@cython.locals(at=Py_ssize_t, first=int)
cpdef bint is_group(bytes address) except -1
cdef Py_ssize_t _ipv4_at(bytes address) except -2
