# C types of collector/opening.py; the code is there and runs without them.
from collector.names cimport DnsMemory
from collector.opening_dns cimport Learner

cdef class Openings:
    cdef readonly DnsMemory memory
    cdef readonly object counters
    cdef object _budget
    cdef Learner _learner
