# What collector/scribe.py does, for compiled code; both must write the same (tests/collector/test_scribe.py).
cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
from cpython.unicode cimport PyUnicode_GET_LENGTH
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    void* PyUnicode_DATA(object text)
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

# Returns where octets may be written: there is room for so many.
cdef inline char* _room(bytearray paper, Py_ssize_t at, Py_ssize_t octets) except NULL:
    if at < 0 or at + octets > PyByteArray_GET_SIZE(paper):
        if at < 0:
            raise IndexError("a place before the paper")
        PyByteArray_Resize(paper, 2 * (at + octets))
    return PyByteArray_AS_STRING(paper) + at

cdef inline Py_ssize_t put(bytearray paper, Py_ssize_t at, str text) except -1:
    cdef Py_ssize_t size
    cdef const char* octets
    if PyUnicode_IS_ASCII(text):
        size = PyUnicode_GET_LENGTH(text)
        octets = <const char*> PyUnicode_DATA(text)
    else:
        octets = PyUnicode_AsUTF8AndSize(text, &size)
    memcpy(_room(paper, at, size), octets, size)
    return at + size

cdef inline Py_ssize_t put_quoted(bytearray paper, Py_ssize_t at, str text) except -1:
    cdef Py_ssize_t size, place
    cdef const unsigned char* octets
    cdef char* room
    if text is None:
        return put(paper, at, "null")
    if PyUnicode_IS_ASCII(text):
        size = PyUnicode_GET_LENGTH(text)
        octets = <const unsigned char*> PyUnicode_DATA(text)
    else:
        octets = <const unsigned char*> PyUnicode_AsUTF8AndSize(text, &size)
    room = _room(paper, at, size + 2)
    room[0] = 0x22
    for place in range(size):
        if octets[place] < 0x20 or octets[place] == 0x22 or octets[place] == 0x5C:
            return put(paper, at, _escaped(text))
        room[place + 1] = octets[place]
    room[size + 1] = 0x22
    return at + size + 2

cdef inline str _escaped(str text):
    from collector.scribe import escaped
    return escaped(text)

cdef inline Py_ssize_t put_number(bytearray paper, Py_ssize_t at, uint64_t number) except -1:
    cdef char[20] digits
    cdef int first = 20
    while True:
        first -= 1
        digits[first] = 0x30 + <char> (number % 10)
        number //= 10
        if number == 0:
            break
    memcpy(_room(paper, at, 20 - first), &digits[first], 20 - first)
    return at + 20 - first

cdef inline Py_ssize_t put_digits(bytearray paper, Py_ssize_t at, uint64_t number, int digits) except -1:
    cdef char* room = _room(paper, at, digits)
    cdef int place
    for place in range(digits):
        room[digits - 1 - place] = 0x30 + <char> (number % 10)
        number //= 10
    return at + digits
