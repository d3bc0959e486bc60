# C types of collector/holdings.py; the code is there and runs without them.
cimport cython

cdef Py_ssize_t _PLACES, _PLACE_OCTETS, _LOOKS

cdef class Holding:
    cdef Py_ssize_t places

    cdef Py_ssize_t weight(self) except -1
    cdef int let_go(self) except -1

@cython.final
cdef class Holdings:
    cdef readonly Py_ssize_t shed
    cdef list _ring
    cdef Py_ssize_t _at

    @cython.locals(given=Py_ssize_t, step=Py_ssize_t, taken=double, place=Py_ssize_t, holding=Holding, needed=Py_ssize_t)
    cpdef double taken(self) except -1
    @cython.locals(weight=Py_ssize_t, oldest=Holding)
    cpdef keep(self, Holding holding)
