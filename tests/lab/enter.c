/* enter LEADER CGROUP COMMAND...: runs a command in the namespaces of a lab's PID 1, on the root of its disk, as one
 * process of CGROUP from its first moment; ends as the command ends. A shell and nsenter take three times as long. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what) {
    dprintf(2, "enter: %s: %s\n", what, strerror(errno));
    _exit(125);
}

/* Not before it is in its cgroup: from inside that namespace nobody may come out of another one. */
static void become(int leader, char **command) {
    if (setns(leader, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP) || chdir("/"))
        fail("namespaces");
    execvp(command[0], command);
    dprintf(2, "enter: %s: %s\n", command[0], strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
}

static void end_as(int status) {
    struct rlimit none = {0, 0};
    if (!WIFSIGNALED(status))
        _exit(WEXITSTATUS(status));
    setrlimit(RLIMIT_CORE, &none);
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
    _exit(128 + WTERMSIG(status));
}

int main(int argc, char **argv) {
    struct clone_args how;
    int leader, group, status;
    pid_t child;

    if (argc < 4)
        return 2;
    memset(&how, 0, sizeof how);
    mkdir(argv[2], 0755);
    if ((leader = syscall(SYS_pidfd_open, atoi(argv[1]), 0)) < 0 || (group = open(argv[2], O_PATH | O_CLOEXEC)) < 0)
        fail("no such lab");
    if (setns(leader, CLONE_NEWPID))
        fail("pid namespace");
    how.flags = CLONE_INTO_CGROUP;
    how.cgroup = (uint64_t)group;
    how.exit_signal = SIGCHLD;
    if ((child = syscall(SYS_clone3, &how, sizeof how)) < 0)
        fail("no process");
    if (child == 0)
        become(leader, argv + 3);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            fail("wait");
    end_as(status);
}
