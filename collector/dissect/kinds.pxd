# C types of collector/dissect/kinds.py; the code is there and runs without them.
cimport cython
from collector.dissect.tls cimport ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, MAX_RECORD, ssl2_client_hello

cdef int UNDECIDED, OTHER, TLS, TLS_LATE, SSL2, REQUESTS, RESPONSES, PRELUDE
cdef Py_ssize_t HELLO_START

@cython.locals(first=int)
cpdef int kind_of(bytearray octets) except -1
cpdef Py_ssize_t hello_at(bytearray octets, Py_ssize_t start) except -2
cdef int _record_kind(bytearray octets) except -1
cdef int _ssl2_kind(bytearray octets) except -1
cdef int _socks_kind(bytearray octets) except -1
cdef int _text_kind(bytearray octets) except -1
cdef bint _may_become_text(bytearray octets) except -1
