# C types of collector/opening_facts.py; the code is there and runs without them.
cimport cython
from collector.resolvers cimport is_known_resolver
from libc.stdint cimport int64_t, uint64_t

cdef class Opening:
    cdef public str server_name
    cdef public str name_source
    cdef public str app
    cdef public str tls_version
    cdef public bint tls_version_offered
    cdef public str alpn
    cdef public bint ech
    cdef public bint plaintext
    cdef public object plaintext_data
    cdef public bint reversed

    cdef int _begin(self) except -1
    cpdef int octets(self, bint up, int64_t offset, bytes data, uint64_t at_ns) except -1
    cdef int _asks_tls(self, str name, str source, str app, int port, bint refused) except -1
