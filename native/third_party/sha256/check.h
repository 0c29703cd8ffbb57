// What sha256.c, unchanged from xz 5.4.1, expects of liblzma's own check.h. Written for Waybill.
#ifndef WAYBILL_THIRD_PARTY_SHA256_CHECK_H_
#define WAYBILL_THIRD_PARTY_SHA256_CHECK_H_

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define conv32be(n) htobe32(n)
#define conv64be(n) htobe64(n)

typedef struct {
  union {
    uint8_t u8[64];
    uint32_t u32[16];
    uint64_t u64[8];
  } buffer;
  struct {
    struct {
      uint32_t state[8];
      uint64_t size;
    } sha256;
  } state;
} lzma_check_state;

// Names of our own, so that a process which loads liblzma as well has two different functions.
#define lzma_sha256_init waybill_sha256_init
#define lzma_sha256_update waybill_sha256_update
#define lzma_sha256_finish waybill_sha256_finish

#ifdef __cplusplus
extern "C" {
#endif

void lzma_sha256_init(lzma_check_state *check);
void lzma_sha256_update(const uint8_t *bytes, size_t length, lzma_check_state *check);
// Leaves the hash in the first 32 bytes of buffer.u8.
void lzma_sha256_finish(lzma_check_state *check);

#ifdef __cplusplus
}
#endif

#endif
