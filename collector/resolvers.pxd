# C types of collector/resolvers.py; the code is there and runs without them.
cimport cython

cdef frozenset _RESOLVERS, _ENDINGS, _USUAL_STARTS

@cython.locals(dot=Py_ssize_t)
cpdef bint is_known_resolver(str name) except -1
