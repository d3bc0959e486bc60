# C types of collector/dissect/frame.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

@cython.final
cdef class Frame:
    cdef const unsigned char[::1] octets
    cdef readonly Py_ssize_t at
    cdef readonly Py_ssize_t end
    cdef readonly Py_ssize_t wire_end
    cdef readonly str reason
    cdef readonly int layers
    cdef readonly int vlan
    cdef readonly Py_ssize_t mac_at
    cdef readonly Py_ssize_t tunnel_at
    cdef readonly Py_ssize_t plain_at
    cdef readonly int version
    cdef readonly Py_ssize_t ip_at
    cdef readonly Py_ssize_t ip_octets
    cdef readonly uint64_t source_high
    cdef readonly uint64_t source_low
    cdef readonly uint64_t target_high
    cdef readonly uint64_t target_low
    cdef readonly int protocol
    cdef readonly uint64_t source_port
    cdef readonly uint64_t target_port
    cdef readonly int flags
    cdef readonly int64_t sequence
    cdef readonly Py_ssize_t payload_at
    cdef readonly Py_ssize_t payload_end
    cdef readonly Py_ssize_t payload_octets
    cdef readonly uint32_t fragment_id
    cdef readonly Py_ssize_t fragment_offset
    cdef readonly bint fragment_more

    cpdef load(self, octets)
    cdef void begin(self, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire) noexcept
    cdef int refuse(self, str reason) noexcept
    cdef bint has(self, Py_ssize_t octets) noexcept
    cdef int u8(self, Py_ssize_t ahead) except -1
    @cython.locals(at=Py_ssize_t)
    cdef int be16(self, Py_ssize_t ahead) except -1
    cdef void enter_tunnel(self) noexcept
