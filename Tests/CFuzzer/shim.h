#pragma once
#include <stddef.h>
#include <stdint.h>
// libFuzzer as a library: linked only where ops/fuzz builds with it. <https://llvm.org/docs/LibFuzzer.html>
int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*check)(const uint8_t *bytes, size_t size));
