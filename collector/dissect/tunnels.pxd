# C types of collector/dissect/tunnels.py; the code is there and runs without them.
cimport cython
from collector.dissect.frame cimport Frame
from collector.dissect.links cimport ip_by_version

cpdef int over_ip(Frame frame, int protocol) except -3
@cython.locals(flags=int, carried=int, version=int, length=int, present=int)
cdef int _gre(Frame frame) except -3
cdef int _erspan(Frame frame, int carried, int flags) except -3
@cython.locals(carried=int)
cpdef int over_udp(Frame frame, int source_port, int target_port) except -3
cdef int _at_port(Frame frame, int port) except -3
cdef int _vxlan(Frame frame) except -3
@cython.locals(following=int, carried=int)
cdef int _vxlan_gpe(Frame frame) except -3
@cython.locals(first=int, length=int, carried=int)
cdef int _geneve(Frame frame) except -3
@cython.locals(length=int, following=int, following_at=int)
cdef int _gtp(Frame frame) except -3
@cython.locals(skip=int)
cdef int _teredo(Frame frame) except -3
@cython.locals(length=int, native=int, fragmented=int)
cdef int _capwap(Frame frame) except -3
