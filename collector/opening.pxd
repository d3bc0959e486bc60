# C types of collector/opening.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport uint64_t
from collector.flow_opener cimport Opener
from collector.holdings cimport Holdings
from collector.names cimport DnsMemory
from collector.opening_dns cimport Learner, dns_datagrams, dns_segments
from collector.opening_facts cimport Opening
from collector.opening_quic cimport AttemptBudget, quic_opening
from collector.opening_tcp cimport tcp_opening

cdef int _DNS

cdef class Openings(Opener):
    cdef readonly DnsMemory memory
    cdef object _counters
    cdef Holdings _holdings
    cdef AttemptBudget _budget
    cdef Learner _learner

    cdef bint asks_who(self, int client_port, int server_port) except -1
    @cython.locals(dns=bint)
    cpdef Opening open(self, str proto, bytes client, bytes server, int client_port, int server_port, bytes mac, bytes server_mac, uint64_t at_ns)
