/* CRC32C: by SSE 4.2 where the processor has it, else four bits at a time by a table of 16 sums. */
#include "store/crc32c.h"

#include <string.h>

uint32_t crc32c_table(uint32_t crc, const void *bytes, size_t size)
{
    /* the sum of each half byte; 0x82f63b78 is the polynomial, its lowest power in the highest bit
     */
    static const uint32_t sums[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
                                      0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                      0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                      0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    const unsigned char *at = bytes;
    crc = ~crc;
    while (size--) {
        crc ^= *at++;
        crc = crc >> 4 ^ sums[crc & 15];
        crc = crc >> 4 ^ sums[crc & 15];
    }
    return ~crc;
}

#ifdef __x86_64__

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const char *at,
                                                                 size_t size)
{
    uint64_t sum = ~crc;
    for (; size >= 8; at += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        sum = __builtin_ia32_crc32di(sum, word);
    }
    for (; size; at++, size--) sum = __builtin_ia32_crc32qi((uint32_t)sum, (unsigned char)*at);
    return ~(uint32_t)sum;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size)
{
    if (__builtin_cpu_supports("sse4.2")) return by_instruction(crc, bytes, size);
    return crc32c_table(crc, bytes, size);
}

#else

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size)
{
    return crc32c_table(crc, bytes, size);
}

#endif
