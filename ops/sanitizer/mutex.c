// Tells the thread sanitizer of Swift's Mutex on Linux.
//
// A Mutex is one word and a futex. Its fast paths are compiled into the caller, where the sanitizer sees them; its slow
// paths are in libswiftSynchronization, which is not instrumented: whoever had to wait for a lock seems not to hold it.
// These functions stand before the library's, under its names, and say what happened.
// <https://github.com/swiftlang/swift/blob/main/stdlib/public/Synchronization/Mutex/LinuxImpl.swift>
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

static void *original(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) {
        fprintf(stderr, "libswiftSynchronization has no %s: ops/sanitizer/mutex.c is for another version\n", name);
        abort();
    }
    return found;
}

typedef SWIFT void (*lock_function)(uint32_t thread, SELF void *handle);
typedef SWIFT bool (*try_lock_function)(SELF void *handle);
typedef SWIFT void (*unlock_function)(SELF void *handle);

SWIFT void holdfast_lock_slow(uint32_t thread, SELF void *handle) __asm__(LOCK);
SWIFT bool holdfast_try_lock_slow(SELF void *handle) __asm__(TRY_LOCK);
SWIFT void holdfast_unlock_slow(SELF void *handle) __asm__(UNLOCK);

SWIFT void holdfast_lock_slow(uint32_t thread, SELF void *handle) {
    static lock_function next;
    lock_function call = __atomic_load_n(&next, __ATOMIC_RELAXED);
    if (!call) __atomic_store_n(&next, call = (lock_function)original(LOCK), __ATOMIC_RELAXED);
    call(thread, handle);
    __tsan_acquire(handle);
}

SWIFT bool holdfast_try_lock_slow(SELF void *handle) {
    static try_lock_function next;
    try_lock_function call = __atomic_load_n(&next, __ATOMIC_RELAXED);
    if (!call) __atomic_store_n(&next, call = (try_lock_function)original(TRY_LOCK), __ATOMIC_RELAXED);
    bool is_locked = call(handle);
    if (is_locked) __tsan_acquire(handle);
    return is_locked;
}

SWIFT void holdfast_unlock_slow(SELF void *handle) {
    static unlock_function next;
    unlock_function call = __atomic_load_n(&next, __ATOMIC_RELAXED);
    if (!call) __atomic_store_n(&next, call = (unlock_function)original(UNLOCK), __ATOMIC_RELAXED);
    __tsan_release(handle);
    call(handle);
}
