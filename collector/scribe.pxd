# What collector/scribe.py does, for compiled code; both must write the same (tests/collector/test_scribe.py).
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_GET_LENGTH
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    void* PyUnicode_DATA(object text)
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

# A line has fifty pieces that the program knows: only where a call of this is worked into the code around it is their
# length known too, and compilers leave that be for so many.
cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define SCRIBE_INLINE static inline __attribute__((always_inline))
    #else
    #define SCRIBE_INLINE static inline
    #endif
    static int scribe_grow(PyObject *paper, Py_ssize_t at, Py_ssize_t octets) {
        if (at < 0) {
            PyErr_SetString(PyExc_IndexError, "a place before the paper");
            return -1;
        }
        return PyByteArray_Resize(paper, 2 * (at + octets));
    }
    SCRIBE_INLINE char *scribe_room(PyObject *paper, Py_ssize_t at, Py_ssize_t octets) {
        if ((at < 0 || at + octets > PyByteArray_GET_SIZE(paper)) && scribe_grow(paper, at, octets) < 0)
            return NULL;
        return PyByteArray_AS_STRING(paper) + at;
    }
    SCRIBE_INLINE Py_ssize_t scribe_put_words(PyObject *paper, Py_ssize_t at, const char *words) {
        const Py_ssize_t size = (Py_ssize_t) strlen(words);
        char *room = scribe_room(paper, at, size);
        if (room == NULL)
            return -1;
        memcpy(room, words, (size_t) size);
        return at + size;
    }
    """
    # Returns where octets may be written: there is room for so many.
    char* _room "scribe_room" (bytearray paper, Py_ssize_t at, Py_ssize_t octets) except NULL
    Py_ssize_t put_words "scribe_put_words" (bytearray paper, Py_ssize_t at, const char* words) except -1

cdef inline Py_ssize_t put_octets(bytearray paper, Py_ssize_t at, bytes octets) except -1:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(octets)
    memcpy(_room(paper, at, size), PyBytes_AS_STRING(octets), size)
    return at + size

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
        return put_words(paper, at, b"null")
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
    cdef uint64_t rest = number
    cdef Py_ssize_t end = at + 1
    cdef char* room
    while rest > 9:
        rest //= 10
        end += 1
    room = _room(paper, at, end - at) + (end - at)
    for _ in range(end - at):
        room -= 1
        room[0] = 0x30 + <char> (number % 10)
        number //= 10
    return end

cdef inline Py_ssize_t put_hex(bytearray paper, Py_ssize_t at, uint64_t number, int digits) except -1:
    cdef char* room = _room(paper, at, digits)
    cdef int place
    for place in range(digits - 1, -1, -1):
        room[place] = b"0123456789abcdef"[number & 15]
        number >>= 4
    return at + digits

cdef inline Py_ssize_t put_digits(bytearray paper, Py_ssize_t at, uint64_t number, int digits) except -1:
    cdef char* room = _room(paper, at, digits)
    cdef int place
    for place in range(digits):
        room[digits - 1 - place] = 0x30 + <char> (number % 10)
        number //= 10
    return at + digits
