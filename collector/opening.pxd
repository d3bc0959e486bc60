# C types of collector/opening.py; the code is there and runs without them.
from collector.holdings cimport Holdings
from collector.names cimport DnsMemory
from collector.opening_dns cimport Learner

cdef class Openings:
    cdef readonly DnsMemory memory
    cdef object _counters
    cdef Holdings _holdings
    cdef object _budget
    cdef Learner _learner
