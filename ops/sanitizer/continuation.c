// Tells the thread sanitizer of a continuation that was resumed before its task waited for it.
//
// The runtime says "released" when a continuation is resumed, and "acquired" when a suspended task runs again. A task that
// finds its continuation resumed already goes on at once, and nothing is said: what the other thread left for it looks
// like a race. This function stands before the runtime's, under its name, and says it on that way too.
// <https://github.com/swiftlang/swift/blob/main/stdlib/public/Concurrency/Task.cpp>
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void __tsan_acquire(void *address);
void *swift_task_getCurrent(void) __attribute__((swiftcall));

#define ASYNC __attribute__((swiftasynccall))
#define CONTEXT __attribute__((swift_async_context))

// The beginning of the runtime's ContinuationAsyncContext.
struct context {
    struct context *parent;
    ASYNC void (*resume)(CONTEXT struct context *context);
    uintptr_t flags;
};

// The task resumes by a job of its executor, perhaps on another thread; both are announced by the runtime.
static const uintptr_t switches_executor = 2;

typedef ASYNC void (*await_function)(struct context *context);

static _Thread_local ASYNC void (*next_resume)(CONTEXT struct context *context);

// Called by the runtime on this thread, and only when the continuation had been resumed: a task that is suspended keeps
// the function that it was made with.
static ASYNC void resumed_already(CONTEXT struct context *context) {
    __tsan_acquire(swift_task_getCurrent());
    __attribute__((musttail)) return next_resume(context);
}

ASYNC void swift_continuation_await(struct context *context) {
    static await_function next;
    await_function call = __atomic_load_n(&next, __ATOMIC_RELAXED);
    if (!call) {
        call = (await_function)dlsym(RTLD_NEXT, "swift_continuation_await");
        if (!call) {
            fprintf(stderr, "libswift_Concurrency has no swift_continuation_await\n");
            abort();
        }
        __atomic_store_n(&next, call, __ATOMIC_RELAXED);
    }
    if (context->flags & switches_executor) {
        __tsan_acquire(swift_task_getCurrent());
    } else {
        next_resume = context->resume;
        context->resume = resumed_already;
    }
    __attribute__((musttail)) return call(context);
}
