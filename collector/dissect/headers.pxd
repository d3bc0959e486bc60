# C types of collector/dissect/headers.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t, uint64_t
from collector cimport slices
from collector.dissect.frame cimport Frame
from collector.dissect.links cimport below_ip, enter
from collector.dissect.tunnels cimport over_ip, over_udp

cdef int _MAX_LAYERS
cdef int _MAX_EXTENSIONS

@cython.locals(found=int)
cpdef int read(Frame frame, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire, int link) except -3
@cython.locals(at=Py_ssize_t)
cdef int _link(Frame frame, int link) except? -2
@cython.locals(protocol=int)
cdef int _network(Frame frame, int ethertype) except -3
@cython.locals(at=Py_ssize_t, header=Py_ssize_t, total=Py_ssize_t, position=int, first=int)
cdef int _ipv4(Frame frame) except -3
@cython.locals(at=Py_ssize_t, total=Py_ssize_t, protocol=int)
cdef int _ipv6(Frame frame) except -3
@cython.locals(at=Py_ssize_t, following=int, position=int)
cdef int _extensions(Frame frame, int protocol) except -3
@cython.locals(protocol=int)
cdef int _authentication(Frame frame) except -3
@cython.locals(at=Py_ssize_t, captured=Py_ssize_t, header=Py_ssize_t)
cdef int _tcp(Frame frame) except -3
@cython.locals(at=Py_ssize_t, captured=Py_ssize_t, length=Py_ssize_t, carried=int)
cdef int _udp(Frame frame) except -3
