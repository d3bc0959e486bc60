# C types of collector/flow.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport uint64_t

@cython.final
cdef class Flow:
    cdef readonly bytes client
    cdef readonly bytes server
    cdef readonly int client_port
    cdef readonly int server_port
    cdef readonly str proto
    cdef readonly uint64_t started_ns
    cdef readonly uint64_t ended_ns
    cdef readonly uint64_t bytes_up
    cdef readonly uint64_t bytes_down
    cdef readonly uint64_t packets_up
    cdef readonly uint64_t packets_down
    cdef readonly uint64_t payload_up
    cdef readonly uint64_t payload_down
    cdef readonly uint64_t ordinal
    cdef readonly uint64_t part
    cdef readonly str end
    cdef readonly object vlan
    cdef readonly object mac
    cdef readonly object server_mac
    cdef readonly bint certain
    cdef readonly object opening
