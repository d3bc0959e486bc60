# C types of collector/dissect/links.py; the code is there and runs without them.
cimport cython
from collector.dissect.frame cimport Frame

cdef int _LINK

cpdef int enter(Frame frame, int link) except -3
cdef int _seldom(Frame frame, int link) except -3
cpdef int below_ip(Frame frame, int ethertype) except -3
@cython.locals(ethertype=int)
cpdef int ethernet(Frame frame) except -3
@cython.locals(version=int)
cpdef int ip_by_version(Frame frame) except -3
@cython.locals(protocol=int)
cpdef int ppp(Frame frame) except -3
@cython.locals(ethertype=int)
cdef int _fixed(Frame frame, int octets, int ethertype_at) except -3
cdef int _skip_to_llc(Frame frame, int octets) except -3
cdef int _null(Frame frame) except -3
@cython.locals(vlan=int, ethertype=int)
cdef int _vlan(Frame frame) except -3
@cython.locals(last=int, first=int)
cdef int _mpls(Frame frame) except -3
cdef int _pppoe(Frame frame) except -3
@cython.locals(points=int, ethertype=int)
cdef int _llc(Frame frame) except -3
@cython.locals(length=int, at=int, present=int, padded=int)
cdef int _radiotap(Frame frame) except -3
cdef int _wlan(Frame frame) except -3
@cython.locals(control=int, flags=int, quality=int, length=int)
cdef int _wlan_data(Frame frame, int padded) except -3
@cython.locals(little=int, big=int, swapped=bint, length=int, kind=int)
cdef int _nflog(Frame frame) except -3
