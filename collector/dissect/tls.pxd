# C types of collector/dissect/tls.py; the code is there and runs without them.
cimport cython
from collector cimport slices
from collector.dissect.hostname cimport host_name, is_literal, without_port

cdef int CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, CLIENT_HELLO, SERVER_HELLO
cdef Py_ssize_t _MAX_HELLO, MAX_RECORD, RECORD_HEADER, _VERSION_AT, _SESSION_AT
cdef int _SERVER_NAME, _ALPN, _SUPPORTED_VERSIONS, _ENCRYPTED_CLIENT_HELLO, _FATAL, _TLS_1_0, _TLS_1_3
cdef dict _VERSION_NAMES

@cython.final
cdef class ClientHello:
    cdef readonly str server_name
    cdef readonly bint name_refused
    cdef readonly bint name_literal
    cdef readonly tuple alpn
    cdef readonly int version
    cdef readonly int legacy_version
    cdef readonly str ech

@cython.final
cdef class ServerHello:
    cdef readonly int version
    cdef readonly str alpn

@cython.final
cdef class Handshakes:
    cdef readonly bytearray octets
    cdef readonly bint ended
    cdef Py_ssize_t _at
    cdef Py_ssize_t _left
    cdef bint _copy

    @cython.locals(size=Py_ssize_t, end=Py_ssize_t)
    cpdef read(self, bytearray stream)
    @cython.locals(at=Py_ssize_t, kind=int, length=Py_ssize_t)
    cdef bint _begin(self, bytearray stream) except -1

cpdef str version_name(int version)
@cython.locals(high=int)
cdef bint _is_draft(int version) except -1
@cython.locals(length=Py_ssize_t, size=Py_ssize_t)
cpdef Py_ssize_t first_message_end(bytearray stream) except -2
@cython.locals(end=Py_ssize_t, size=Py_ssize_t)
cdef bytes _message(bytearray handshake, int kind)
@cython.locals(octets=bytearray, message=bytes)
cpdef ClientHello client_hello(object handshake)
cpdef ClientHello client_message(bytes message)
@cython.locals(found=ClientHello, at=Py_ssize_t, end=Py_ssize_t, size=Py_ssize_t, kind=int)
cdef ClientHello _client_message(bytes message)
@cython.locals(octets=bytes, name=str)
cdef void _name(ClientHello found, bytes message, Py_ssize_t at, Py_ssize_t end) except *
@cython.locals(protocols=list, behind=Py_ssize_t)
cdef tuple _protocols(bytes message, Py_ssize_t at, Py_ssize_t end)
cdef bint _is_grease(bytes message, Py_ssize_t at, Py_ssize_t end) except -1
@cython.locals(highest=int, version=int, last=Py_ssize_t)
cdef int _highest(bytes message, Py_ssize_t at, Py_ssize_t end) except -1
@cython.locals(octets=bytearray, message=bytes)
cpdef ServerHello server_hello(object handshake)
cpdef ServerHello server_message(bytes message)
@cython.locals(found=ServerHello, at=Py_ssize_t, end=Py_ssize_t, size=Py_ssize_t, kind=int, protocols=tuple)
cdef ServerHello _server_message(bytes message)
@cython.locals(length=int, version=int, ciphers=int, session=int, challenge=int)
cpdef ClientHello ssl2_client_hello(object stream)
