# C types of collector/holdings.py; the code is there and runs without them.
cimport cython

cdef Py_ssize_t _PLACES, _PLACE_OCTETS

cdef class Holding:
    cdef Py_ssize_t places

    cdef Py_ssize_t weight(self) except -1
    cdef int let_go(self) except -1

@cython.final
cdef class Holdings:
    cdef readonly Py_ssize_t shed
    cdef list _ring
    cdef Py_ssize_t _at

    @cython.locals(weight=Py_ssize_t, oldest=Holding)
    cpdef keep(self, Holding holding)
