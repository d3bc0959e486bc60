# C types of collector/flow_opener.py; the code is there and runs without them.
from libc.stdint cimport uint64_t
from collector.opening_facts cimport Opening

cdef class Opener:
    cdef bint asks_who(self, int client_port, int server_port) except -1
    cpdef Opening open(self, str proto, bytes client, bytes server, int client_port, int server_port, bytes mac, bytes server_mac, uint64_t at_ns)
