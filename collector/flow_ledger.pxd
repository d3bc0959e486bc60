# C types of collector/flow_ledger.py; the code is there and runs without them.
cimport cython
from libc.stdint cimport uint64_t
from collector.dissect.frame cimport Frame
from collector.flow cimport Flow
from collector.flow_slots cimport Slots
from collector.flow_words cimport WORDS, PORTS, STATE, OCTETS, PACKETS, PAYLOAD, STARTED, ENDED, BASE, HIGH, SIDE, ORDINAL, PART, CLIENT_IS_LAST, CERTAIN, FIN, BASED, FROM_SYN, WANTED, SIDED, UPS, PAIRS, RESET, CLOSED, TCP, OPENED, IS_V6, LOW, MAC
from collector cimport foresight, slices

cdef uint64_t _SECOND
cdef uint64_t _TCP_IDLE
cdef uint64_t _UDP_IDLE
cdef uint64_t _LINGER
cdef uint64_t _PART_LENGTH
cdef uint64_t _SYN_WINDOW

cdef class Ledger:
    cdef readonly uint64_t evicted
    cdef Frame _frame
    cdef Slots _slots
    cdef uint64_t[::1] _records
    cdef list _opened
    cdef list _ended
    cdef object _taker
    cdef uint64_t _clock
    cdef uint64_t _deadline
    cdef uint64_t _flows

    @cython.locals(client_is_last=bint)
    cdef int _down(self, Py_ssize_t at) except -1
    @cython.locals(state=uint64_t)
    cdef int _order(self, Py_ssize_t at) except -1
    @cython.locals(frame=Frame, slot=Py_ssize_t, at=Py_ssize_t, up=bint, state=uint64_t)
    cdef Py_ssize_t _begin(self, uint64_t time) except -1
    @cython.locals(frame=Frame, state=uint64_t, down=int, ahead=uint64_t)
    cdef bint _is_another(self, Py_ssize_t at) except -1
    @cython.locals(frame=Frame, down=int, wrong=bint)
    cdef int _syn(self, Py_ssize_t at) except -1
    @cython.locals(word=Py_ssize_t, up=uint64_t, state=uint64_t, pairs=uint64_t)
    cdef int _turn(self, Py_ssize_t at) except -1
    @cython.locals(frame=Frame, side=uint64_t, octet=int, address=uint64_t)
    cdef int _side(self, Py_ssize_t at, int down) except -1
    @cython.locals(at=Py_ssize_t, state=uint64_t)
    cdef void _close(self, Py_ssize_t slot, int down) except *
    cdef object _address(self, Py_ssize_t at, Py_ssize_t end)
    cdef int _port(self, Py_ssize_t at, Py_ssize_t end) except -1
    @cython.locals(address=uint64_t)
    cdef object _mac(self, Py_ssize_t at)
    @cython.locals(at=Py_ssize_t, word=Py_ssize_t, started=uint64_t)
    cdef void _part(self, Py_ssize_t slot, uint64_t time) except *
    @cython.locals(state=uint64_t)
    cdef int _end(self, Py_ssize_t slot, str why) except -1
    @cython.locals(at=Py_ssize_t, state=uint64_t, client=Py_ssize_t, vlan=uint64_t, flow=Flow, record="uint64_t*")
    cdef int _give_out(self, Py_ssize_t slot, str why) except -1
    @cython.locals(closed=Py_ssize_t, tcp=Py_ssize_t, udp=Py_ssize_t)
    cdef Py_ssize_t _quietest(self) except -2
    @cython.locals(order=Py_ssize_t, limit=uint64_t, slot=Py_ssize_t)
    cdef int _expire(self) except -1
