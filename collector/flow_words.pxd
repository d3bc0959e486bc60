# C types of collector/flow_words.py; the code is there and runs without them.
from libc.stdint cimport uint64_t

cdef Py_ssize_t WORDS, PORTS, LAST, TAG, STATE, OCTETS, PACKETS, PAYLOAD, STARTED, ENDED, BASE, HIGH, SIDE, SHOWN
cdef Py_ssize_t ORDINAL, PART

cdef uint64_t CLIENT_IS_LAST, CERTAIN, FIN, BASED, FROM_SYN, WANTED, SIDED, UPS, PAIRS, RESET, CLOSED, TCP, OPENED
cdef uint64_t UNBOUNDED

cdef uint64_t IS_V6, LOW, MAC
