/* SPDX-License-Identifier: MIT */
/*
 * The filter is libseccomp's, the kernel remembers which calls are always allowed (a bit each, Linux 5.11), so those
 * on the path of a request have no conditions.
 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/securebits.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuse/backing.h"
#include "util/macro.h"

/* The user and group that own nothing. Source: Debian's nobody and nogroup, the kernel's overflow ids. */
#define NOBODY 65534

/* Namespaces of clone(2). */
#define CLONE_NEW_ANY                                                                              \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)

/* ---- rights ---- */

/* What stays. docs/security.md says of each what it is for. */
static const unsigned int needed[] = {
	CAP_SYS_ADMIN, CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE, CAP_CHOWN,	CAP_FOWNER,
	CAP_FSETID,    CAP_SETUID,	    CAP_SETGID,	      CAP_MKNOD,	CAP_LEASE,
	CAP_SETFCAP,   CAP_LINUX_IMMUTABLE, CAP_SYS_NICE,     CAP_SYS_RESOURCE, CAP_SYS_CHROOT,
};

static uint64_t needed_mask(void)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		mask |= UINT64_C(1) << needed[i];
	return mask;
}

static int keep_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective &= data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* What execve(2) could give, but `keep`: it takes CAP_SETPCAP. */
static int bound_capabilities(uint64_t keep)
{
	int has;

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* root needs none */
	for (unsigned int cap = 0; (has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0)) >= 0; cap++) {
		if (has && !(keep & (UINT64_C(1) << cap)) &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

int confine_rights(void)
{
	uint64_t keep = needed_mask();
	int bits = prctl(PR_GET_SECUREBITS);
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* What threads would do that act for others (store/cred.h): it takes CAP_SETPCAP, which goes. */
	if (bits < 0 || (!(bits & SECBIT_NO_SETUID_FIXUP) &&
			 prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP) < 0))
		return -errno;
	r = bound_capabilities(keep);
	return r < 0 ? r : keep_capabilities(keep);
}

int confine_to_nobody(void)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	r = bound_capabilities(0);
	if (r < 0 && r != -EPERM) /* no CAP_SETPCAP: no_new_privs will do */
		return r;
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return -errno;
	return keep_capabilities(0);
}

/* ---- system calls ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

int confine_calls(void)
{
	return -EOPNOTSUPP;
}

int confine_http_calls(void)
{
	return -EOPNOTSUPP;
}

#else

/* With a condition: what is in an argument below the mask. */
struct condition {
	const char *call;
	unsigned int argument; /* from 0 */
	uint32_t mask;
	uint32_t value;
};

/* What is allowed. What an architecture does not have is skipped. */
struct filter {
	const char *const *calls; /* without conditions: names, with blanks between them */
	size_t ncalls;
	const struct condition *conditions;
	size_t nconditions;
};

/* The daemon's. */
static const char *const daemon_calls[] = {
	/* requests, their answers, contents */
	"read write readv writev pread64 pwrite64 lseek splice vmsplice pipe2 pipe copy_file_range "
	"sendfile fallocate ftruncate fsync fdatasync syncfs fadvise64",
	/* descriptors */
	"open openat open_by_handle_at name_to_handle_at close close_range fcntl "
	"flock",
	/* names and attributes */
	"stat lstat fstat newfstatat statx fstatfs statfs access faccessat faccessat2 "
	"readlink readlinkat getdents64 mkdir mkdirat mknodat unlink rmdir unlinkat "
	"linkat symlinkat rename renameat renameat2 chmod fchmod fchmodat fchmodat2 "
	"fchown fchownat utime utimensat umask chdir fchdir getcwd getxattr lgetxattr "
	"fgetxattr setxattr lsetxattr fsetxattr listxattr llistxattr flistxattr "
	"removexattr lremovexattr fremovexattr",
	/* texts of control files */
	"memfd_create",
	/* whom a request is served as, and how urgently */
	"setfsuid setfsgid getuid geteuid getgid getegid getpriority setpriority sched_setscheduler "
	"sched_getattr sched_setattr sched_getscheduler "
	"sched_getaffinity sched_setaffinity",
	/* memory and threads */
	"brk munmap mremap madvise futex set_robust_list rseq sched_yield gettid getpid "
	"exit exit_group restart_syscall rt_sigaction rt_sigprocmask rt_sigreturn "
	"rt_sigtimedwait sigaltstack getrandom sysinfo uname prlimit64 getrlimit "
	"getrusage",
	/* time */
	"poll ppoll timerfd_settime nanosleep clock_nanosleep clock_gettime clock_getres "
	"gettimeofday time",
	/* messages to systemd and syslog; only what is a socket of theirs, see below */
	"connect sendto sendmsg",
	/* into the background */
	"setsid dup2 dup3",
	/* the end: leave the namespace of a memory store, and unmount */
	"chroot umount2",
};

/* The server's of HTTP: answering connections, reading files. */
static const char *const http_calls[] = {
	"read write readv writev close fstat newfstatat lseek fcntl poll ppoll",
	"accept accept4 recvfrom recvmsg sendto sendmsg shutdown getsockname getsockopt "
	"setsockopt",
	"brk munmap mremap madvise futex sched_yield gettid getpid rseq exit exit_group "
	"restart_syscall rt_sigprocmask rt_sigreturn getrandom",
	"nanosleep clock_nanosleep clock_gettime gettimeofday time",
};

static const struct condition http_conditions[] = {
	{ "mmap", 2, PROT_EXEC, 0 },
	{ "mprotect", 2, PROT_EXEC, 0 },
	{ "openat", 2, O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE, O_RDONLY },
};

static int allow(scmp_filter_ctx ctx, const char *name, unsigned int conditions,
		 const struct scmp_arg_cmp *is)
{
	int nr = seccomp_syscall_resolve_name(name);

	return nr == __NR_SCMP_ERROR
		       ? 0
		       : seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, nr, conditions, is);
}

static int allow_names(scmp_filter_ctx ctx, const char *names)
{
	char name[32];
	int r = 0;

	for (size_t n; r == 0 && *names; names += n) {
		n = strcspn(names, " ");
		(void)snprintf(name, sizeof(name), "%.*s", (int)n, names);
		r = allow(ctx, name, 0, NULL);
		n += names[n] == ' ';
	}
	return r;
}

static int allow_conditions(scmp_filter_ctx ctx, const struct filter *f)
{
	for (size_t i = 0; i < f->nconditions; i++) {
		const struct condition *c = &f->conditions[i];
		const struct scmp_arg_cmp is = { c->argument, SCMP_CMP_MASKED_EQ, c->mask,
						 c->value };
		int r = allow(ctx, c->call, 1, &is);

		if (r < 0)
			return r;
	}
	/* Its flags cannot be seen; glibc takes clone(2) then. */
	return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int fill(scmp_filter_ctx ctx, const struct filter *f)
{
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);

	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
	for (size_t i = 0; r == 0 && i < f->ncalls; i++)
		r = allow_names(ctx, f->calls[i]);
	return r < 0 ? r : allow_conditions(ctx, f);
}

static int load(const struct filter *f)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = ctx ? fill(ctx, f) : -ENOMEM;

	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r == -EINVAL || r == -ENOSYS ? -EOPNOTSUPP : r;
}

int confine_calls(void)
{
	const struct condition conditions[] = {
		/* Nothing that is written becomes a program. */
		{ "mmap", 2, PROT_EXEC, 0 },
		{ "mprotect", 2, PROT_EXEC, 0 },
		{ "ioctl", 1, UINT32_MAX, BACKING_IOC_OPEN },
		{ "ioctl", 1, UINT32_MAX, BACKING_IOC_CLOSE },
		{ "ioctl", 1, UINT32_MAX, FS_IOC_GETFLAGS },
		{ "ioctl", 1, UINT32_MAX, FS_IOC_SETFLAGS },
		{ "ioctl", 1, UINT32_MAX, FS_IOC_FSGETXATTR },
		{ "ioctl", 1, UINT32_MAX, FS_IOC_FSSETXATTR },
		{ "ioctl", 1, UINT32_MAX, FICLONE },
		{ "clone", 0, CLONE_THREAD | CLONE_NEW_ANY, CLONE_THREAD },
		{ "socket", 0, UINT32_MAX, AF_UNIX },
		{ "unshare", 0, UINT32_MAX, CLONE_FS },
		{ "setns", 1, UINT32_MAX, CLONE_NEWNS },
		{ "prctl", 0, UINT32_MAX, PR_GET_SECUREBITS },
		{ "prctl", 0, UINT32_MAX, PR_SET_NAME },
		{ "tgkill", 0, UINT32_MAX, (uint32_t)getpid() },
	};
	const struct filter filter = { daemon_calls, ARRAY_SIZE(daemon_calls), conditions,
				       ARRAY_SIZE(conditions) };

	return load(&filter);
}

int confine_http_calls(void)
{
	const struct filter filter = { http_calls, ARRAY_SIZE(http_calls), http_conditions,
				       ARRAY_SIZE(http_conditions) };

	return load(&filter);
}

#endif
