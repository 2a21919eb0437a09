#pragma once
#include <zlib.h>

// deflateInit2 and inflateInit2 are macros. <https://zlib.net/manual.html>
static inline int holdfast_deflate_init(z_streamp stream, int level, int window_bits) {
    return deflateInit2(stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
}
static inline int holdfast_inflate_init(z_streamp stream, int window_bits) {
    return inflateInit2(stream, window_bits);
}
