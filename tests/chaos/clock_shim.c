/* Moves CLOCK_REALTIME of one process by as many seconds as a file says, and leaves every other clock alone.
 *
 * LD_PRELOAD of the program under test; CHAOS_CLOCK_FILE names a file of eight octets, a signed number in the order of
 * this machine. Whoever writes another number makes the clock jump.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *jump;

__attribute__((constructor)) static void open_file(void) {
    const char *path = getenv("CHAOS_CLOCK_FILE");
    int handle = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (handle < 0)
        return;
    void *page = mmap(NULL, sizeof *jump, PROT_READ, MAP_SHARED, handle, 0);
    close(handle);
    if (page != MAP_FAILED)
        jump = page;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    /* The system call itself: the C library's own function is this one now. */
    int done = (int)syscall(SYS_clock_gettime, clock, now);
    if (done == 0 && jump && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *jump;
    return done;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact) != 0)
        return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec exact;
    if (clock_gettime(CLOCK_REALTIME, &exact) != 0)
        return (time_t)-1;
    if (out)
        *out = exact.tv_sec;
    return exact.tv_sec;
}
