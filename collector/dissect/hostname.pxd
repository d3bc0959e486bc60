# C types of collector/dissect/hostname.py; the code is there and runs without them.
cimport cython

cdef Py_ssize_t _MAX_NAME
cdef Py_ssize_t _MAX_LABEL
cdef Py_ssize_t _MAX_PORT_DIGITS

@cython.locals(name=bytes, at=Py_ssize_t, end=Py_ssize_t, label=Py_ssize_t, digits=Py_ssize_t, size=Py_ssize_t, octet=int)
cpdef str host_name(bytes octets)
@cython.locals(size=Py_ssize_t, label=Py_ssize_t, digits=Py_ssize_t, character=Py_UCS4)
cpdef bint names_host(str text) except -1
@cython.locals(at=Py_ssize_t, end=Py_ssize_t)
cpdef bytes without_port(bytes authority)
cpdef bint is_literal(bytes octets) except -1
cdef bint _is_hexadecimal(bytes label) except -1
