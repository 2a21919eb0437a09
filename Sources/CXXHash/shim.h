#pragma once
// Header-only use: every function is inlined into its caller. <https://xxhash.com>
#define XXH_INLINE_ALL
#include <xxhash.h>

// Inlining renames the functions by macro, which Swift does not follow.
static inline uint64_t holdfast_xxh3(const void *bytes, size_t count) { return XXH3_64bits(bytes, count); }
static inline uint64_t holdfast_xxh3_seeded(const void *bytes, size_t count, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, count, seed);
}
static inline XXH128_hash_t holdfast_xxh3_128(const void *bytes, size_t count) { return XXH3_128bits(bytes, count); }
