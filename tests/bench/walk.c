/* The limit: reads a classic capture and walks its record headers, looking at one word of each packet, and no more. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 18, ROOM = PIECE + (1 << 19) };

int main(int count, char **words)
{
    unsigned char *octets = malloc(ROOM);
    uint64_t packets = 0, total = 0, seen = 0;
    size_t have = 0;
    ssize_t got;
    int file = count == 2 ? open(words[1], O_RDONLY) : -1;
    if (file < 0 || octets == NULL || read(file, octets, 24) != 24)
        return 2;
    while ((got = read(file, octets + have, PIECE)) > 0) {
        size_t at = 0;
        uint32_t length;
        have += (size_t)got;
        while (at + 16 <= have) {
            memcpy(&length, octets + at + 8, 4);
            if (length > ROOM - PIECE || at + 16 + length > have)
                break;
            if (length >= 34) {
                uint64_t word;
                memcpy(&word, octets + at + 16 + 26, 8);
                seen ^= word;
            }
            packets++;
            total += length;
            at += 16 + length;
        }
        memmove(octets, octets + at, have - at);
        have -= at;
    }
    printf("%llu packets, %llu octets, %llx\n", (unsigned long long)packets, (unsigned long long)total,
           (unsigned long long)seen);
    return 0;
}
