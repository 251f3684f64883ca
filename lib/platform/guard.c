// SPDX-License-Identifier: Apache-2.0
/*
 * Copies that turn SIGBUS into -EIO. The kernel sends it to the thread whose
 * load or store met a page that is not there (a file truncated under its
 * mapping) or memory that is broken; the handler then leaves the copy by
 * siglongjmp(). A SIGBUS from anywhere else goes to who had the handler before.
 *
 * The handler puts the mask of signals back before it leaves, so that a copy
 * need not save it: it costs no system call.
 *
 * A signal's handler is the process's, hence the static state: written under
 * @install_lock, before the handler can run.
 */
#include "mapping.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

/* One copy under way; on its stack. */
struct guard {
	sigjmp_buf env;
	uintptr_t to, from;
	size_t len;
	struct guard *outer; /* of a copy that a signal handler interrupted */
};

static _Thread_local struct guard *volatile current;

static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction previous;

static bool overlaps(uintptr_t a, size_t a_len, uintptr_t b, size_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* Broken memory is told by the page, of which @si_addr_lsb is the size. */
static bool is_within(const struct guard *guard, const siginfo_t *info)
{
	uintptr_t at = (uintptr_t)info->si_addr;
	size_t len = 1;

	if (info->si_code == BUS_MCEERR_AR) {
		len = (size_t)1 << info->si_addr_lsb;
		at &= ~(uintptr_t)(len - 1);
	}
	return overlaps(at, len, guard->to, guard->len) ||
	       overlaps(at, len, guard->from, guard->len);
}

static void pass_on(int signal_number, siginfo_t *info, void *context)
{
	if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(signal_number, info, context);
	} else if (previous.sa_handler != SIG_DFL &&
		   previous.sa_handler != SIG_IGN) {
		previous.sa_handler(signal_number);
	} else if (info->si_code > 0) {
		/* The access is made again and ends the process. */
		signal(signal_number, SIG_DFL);
	} else if (previous.sa_handler == SIG_DFL) {
		signal(signal_number, SIG_DFL);
		raise(signal_number);
	}
}

static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
	struct guard *guard = current;

	if (guard && info->si_code > 0 && is_within(guard, info)) {
		const ucontext_t *interrupted = context;

		pthread_sigmask(SIG_SETMASK, &interrupted->uc_sigmask, NULL);
		siglongjmp(guard->env, 1);
	}
	pass_on(signal_number, info, context);
}

int guard_install(void)
{
	struct sigaction ours = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO,
	}, found;

	mafs_guard(&install_lock);
	sigemptyset(&ours.sa_mask);
	if (sigaction(SIGBUS, NULL, &found) < 0)
		return -errno;
	if (found.sa_flags & SA_SIGINFO && found.sa_sigaction == on_sigbus)
		return 0;
	previous = found;
	return sigaction(SIGBUS, &ours, NULL) < 0 ? -errno : 0;
}

/* The statement runs guarded; the compiler moves nothing across the ends. */
#define GUARDED(to_, from_, len_, statement)           \
	({                                             \
		struct guard guard_ = {                \
			.to = (uintptr_t)(to_),        \
			.from = (uintptr_t)(from_),    \
			.len = (len_),                 \
			.outer = current,              \
		};                                     \
		volatile int err_ = -EIO;              \
                                                       \
		if (!sigsetjmp(guard_.env, 0)) {       \
			current = &guard_;             \
			asm volatile("" ::: "memory"); \
			statement;                     \
			asm volatile("" ::: "memory"); \
			err_ = 0;                      \
		}                                      \
		current = guard_.outer;                \
		err_;                                  \
	})

int mafs_guarded_copy(void *to, const void *from, size_t len)
{
	return GUARDED(to, from, len, memcpy(to, from, len));
}

int mafs_guarded_zero(void *to, size_t len)
{
	return GUARDED(to, to, len, memset(to, 0, len));
}

/* ThreadSanitizer's own would hold a lock of its own when they fault. */
#define BARE __attribute__((noinline, no_sanitize("thread")))

BARE static uint64_t load(const uint64_t *from)
{
	return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

BARE static void store(uint64_t *to, uint64_t value)
{
	__atomic_store_n(to, value, __ATOMIC_RELEASE);
}

BARE static bool swap(uint64_t *at, uint64_t old, uint64_t value)
{
	return __atomic_compare_exchange_n(at, &old, value, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

int mafs_guarded_load(const uint64_t *from, uint64_t *ret)
{
	return GUARDED(from, from, sizeof(*from), *ret = load(from));
}

int mafs_guarded_store(uint64_t *to, uint64_t value)
{
	return GUARDED(to, to, sizeof(*to), store(to, value));
}

int mafs_guarded_swap(uint64_t *at, uint64_t old, uint64_t value)
{
	volatile bool done = false;
	int err = GUARDED(at, at, sizeof(*at), done = swap(at, old, value));

	return err ? err : done ? 0 : -EAGAIN;
}
