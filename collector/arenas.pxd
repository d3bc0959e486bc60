# What collector/arenas.py does, for compiled code. A piece that Python gives back goes to the system at once, as without
# this: half a huge page may go alone. Without huge pages (a kernel without them, no room) all is as it was.
cdef extern from *:
    """
    #if defined(__linux__) && !defined(Py_GIL_DISABLED)
    #include <sys/mman.h>
    #define ARENAS_HUGE ((size_t) 2 << 20)
    static char *arenas_room = NULL, *arenas_room_end = NULL;
    static void *arenas_take(void *context, size_t size) {
        (void) context;
        if (size == 0 || ARENAS_HUGE % size != 0) {
            void *plain = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            return plain == MAP_FAILED ? NULL : plain;
        }
        if ((size_t) (arenas_room_end - arenas_room) < size) {
            /* Twice as much as is wanted holds a whole huge page somewhere. */
            char *taken = mmap(NULL, 2 * ARENAS_HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            size_t before;
            if (taken == MAP_FAILED)
                return NULL;
            before = (ARENAS_HUGE - (size_t) taken % ARENAS_HUGE) % ARENAS_HUGE;
            if (before)
                munmap(taken, before);
            munmap(taken + before + ARENAS_HUGE, ARENAS_HUGE - before);
            arenas_room = taken + before;
            arenas_room_end = arenas_room + ARENAS_HUGE;
            madvise(arenas_room, ARENAS_HUGE, MADV_HUGEPAGE);
        }
        arenas_room += size;
        return arenas_room - size;
    }
    static void arenas_give_back(void *context, void *address, size_t size) {
        (void) context;
        munmap(address, size);
    }
    static inline void arenas_use_huge_pages(void) {
        PyObjectArenaAllocator huge = {NULL, arenas_take, arenas_give_back};
        PyObject_SetArenaAllocator(&huge);
    }
    #else
    static inline void arenas_use_huge_pages(void) {}
    #endif
    """
    void use_huge_pages "arenas_use_huge_pages" () noexcept
