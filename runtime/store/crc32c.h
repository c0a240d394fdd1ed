/* CRC32C, the Castagnoli polynomial (RFC 3720, appendix B.4), as every record of a store on disk
 * carries it. */
#ifndef MOONPOST_CRC32C_H
#define MOONPOST_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The sum of these bytes behind those that `crc` is the sum of; 0 is the sum of none. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t size);

/* The same without the processor's instruction. */
uint32_t crc32c_table(uint32_t crc, const void *bytes, size_t size);

#endif
