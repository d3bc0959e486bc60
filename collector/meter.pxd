# C types of collector/meter.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport uint64_t
from collector cimport flow_hash
from collector.devices cimport Devices
from collector.draft cimport Draft
from collector.flow cimport Flow
from collector.names cimport DnsMemory
from collector.opening_facts cimport Opening
from collector.pseudonyms cimport Pseudonyms
from collector.site_addresses cimport is_group, is_of_site

cdef Py_ssize_t _MOST_LONG_NAMES
cdef uint64_t _US

@cython.final
cdef class Meter:
    cdef public object network
    cdef Draft _draft
    cdef uint64_t _first_seed
    cdef uint64_t _second_seed
    cdef Pseudonyms _pseudonyms
    cdef Devices _devices
    cdef DnsMemory _names
    cdef dict _long_names
    cdef dict _long_until

    cpdef object event(self, Flow flow)
    cpdef int write(self, Flow flow) except -1
    cpdef bytes written(self)
    @cython.locals(opening=Opening, lab=bint, device=bytes, name=str, source=str, chain=tuple, draft=Draft, pseudonyms=Pseudonyms, started_us=uint64_t)
    cdef int _fill(self, Flow flow) except -1
    cdef str _pseudonym(self, Flow flow, bytes device, Pseudonyms pseudonyms)
    cdef bint _is_inside(self, bytes address) except -1
    cdef bint _is_reversed(self, Flow flow, Opening opening) except -1
    @cython.locals(kept=tuple, found=tuple, chain=tuple, answer=tuple)
    cdef tuple _name(self, Flow flow, Opening opening, bytes device)

@cython.locals(value=uint64_t)
cdef uint64_t _hash(uint64_t seed, uint64_t started_us, uint64_t ordinal, uint64_t part) noexcept
cdef Flow _reversed(Flow flow)
