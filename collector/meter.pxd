# C types of collector/meter.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t, uint64_t
from collector.devices cimport Devices
from collector.flow cimport Flow
from collector.names cimport DnsMemory
from collector.opening_facts cimport Opening

cdef uint64_t _NS
cdef uint64_t _US
cdef Py_ssize_t _IPV4_OCTETS

@cython.final
cdef class Meter:
    cdef public object network
    cdef str _sensor
    cdef object _pseudonyms
    cdef Devices _devices
    cdef DnsMemory _names
    cdef dict _long_names

    @cython.locals(opening=Opening, lab=bint, hidden=bint, device=bytes, name=str, source=str, chain=tuple)
    cpdef object event(self, Flow flow)
    cdef bint _is_reversed(self, Flow flow, Opening opening) except -1
    @cython.locals(kept=tuple, found=tuple, chain=tuple, answer=tuple)
    cdef tuple _name(self, Flow flow, Opening opening, bytes device)

cdef Flow _reversed(Flow flow)
cdef str _identity(str sensor, uint64_t started_us, uint64_t ordinal, uint64_t part)
@cython.locals(micros=int)
cdef str _stamp(uint64_t at_ns)
cdef str _address(bytes octets)
@cython.locals(longest=int, begin=int, run=int, end=int, group=int, value=int)
cdef str _ipv6(bytes octets)
