#pragma once
// What starting and watching a program needs beyond POSIX. glibc shows the first four to GNU sources only, and what Swift
// sees of it is not one: they are declared as its manual has them. <https://man7.org/linux/man-pages/man2/pipe.2.html>,
// <https://man7.org/linux/man-pages/man2/getrlimit.2.html>,
// <https://www.gnu.org/software/libc/manual/html_node/Process-Creation-Example.html>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

int holdfast_pipe2(int ends[2], int flags) __asm__("pipe2");
int holdfast_prlimit(pid_t id, int resource, const struct rlimit *limit, struct rlimit *before) __asm__("prlimit64");
int holdfast_spawn_chdir(posix_spawn_file_actions_t *actions, const char *path)
    __asm__("posix_spawn_file_actions_addchdir_np");
int holdfast_spawn_closefrom(posix_spawn_file_actions_t *actions, int first)
    __asm__("posix_spawn_file_actions_addclosefrom_np");

// A descriptor that is readable once the process has ended. Linux 5.3.
// <https://man7.org/linux/man-pages/man2/pidfd_open.2.html>
static inline int holdfast_pidfd_open(pid_t id) { return (int)syscall(SYS_pidfd_open, id, 0); }

static inline int holdfast_set_limit(pid_t id, int resource, unsigned long long soft, unsigned long long hard) {
    struct rlimit limit = {soft, hard};
    return holdfast_prlimit(id, resource, &limit, 0);
}
static inline int holdfast_limit_memory(void) { return RLIMIT_AS; }
static inline int holdfast_limit_cpu(void) { return RLIMIT_CPU; }
static inline int holdfast_limit_files(void) { return RLIMIT_NOFILE; }
