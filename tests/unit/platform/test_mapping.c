// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/mapping.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

#define PAGE 4096U
#define LEN (8 * PAGE)

struct mapped_file {
	int fd;
	struct mafs_mapping *mapping;
};

static void open_file(enum mafs_persist persist, struct mapped_file *ret)
{
	char path[] = "/tmp/mafs-mapping-XXXXXX";

	ret->fd = mkstemp(path);
	assert_true(ret->fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(ret->fd, LEN), 0);
	assert_int_equal(mafs_mapping_open(ret->fd, LEN, persist, false,
					   &ret->mapping),
			 0);
}

static void close_file(struct mapped_file *file)
{
	mafs_mapping_close(file->mapping);
	close(file->fd);
}
#define _cleanup_file_ _cleanup_(close_file)

static void test_stores_reach_the_file(void **state)
{
	_cleanup_file_ struct mapped_file file;
	struct mafs_mapping *mapping;
	char bytes[6] = {};

	open_file(MAFS_PERSIST_FILE, &file);
	mapping = file.mapping;
	assert_int_equal(
		mafs_guarded_copy(mapping->base + PAGE - 2, "hello", 5), 0);
	assert_int_equal(mapping->ops->flush(mapping, PAGE - 2, 5), 0);
	mapping->ops->invalidate(mapping, 0, LEN);
	assert_int_equal(pread(file.fd, bytes, 5, PAGE - 2), 5);
	assert_string_equal(bytes, "hello");
}

/* The lines of a file are lines all the same. */
static void test_lines_of_the_processors_caches_can_be_flushed(void **state)
{
	_cleanup_file_ struct mapped_file file;
	struct mafs_mapping *mapping;

	if (!strcmp(mafs_persist_cpu(), "none")) {
		print_message("no way to flush this processor's caches\n");
		exit(77);
	}
	open_file(MAFS_PERSIST_MEMORY, &file);
	mapping = file.mapping;
	memset(mapping->base, 'x', LEN);
	assert_int_equal(mapping->ops->flush(mapping, 1, LEN - 1), 0);
	mapping->ops->invalidate(mapping, 63, 2);
	mapping->ops->invalidate(mapping, 0, LEN);
	for (size_t i = 0; i < LEN; i++)
		assert_int_equal(mapping->base[i], 'x');
}

static void test_copies_beyond_a_truncated_file_are_eio(void **state)
{
	_cleanup_file_ struct mapped_file file;
	uint8_t bytes[3 * PAGE];
	uint64_t word = 7;

	open_file(MAFS_PERSIST_FILE, &file);
	memset(file.mapping->base, 'a', LEN);
	assert_int_equal(ftruncate(file.fd, PAGE), 0);
	for (int i = 0; i < 3; i++) {
		uint8_t *lost = file.mapping->base + PAGE;

		assert_int_equal(mafs_guarded_copy(bytes, lost, 1), -EIO);
		assert_int_equal(mafs_guarded_copy(bytes, lost - PAGE,
						   sizeof(bytes)),
				 -EIO);
		assert_int_equal(mafs_guarded_copy(lost, bytes, 1), -EIO);
		assert_int_equal(mafs_guarded_zero(lost, PAGE), -EIO);
		assert_int_equal(mafs_guarded_load((uint64_t *)lost, &word),
				 -EIO);
		assert_int_equal(mafs_guarded_store((uint64_t *)lost, 1), -EIO);
		assert_int_equal(mafs_guarded_swap((uint64_t *)lost, 0, 1),
				 -EIO);
		assert_int_equal(word, 7);
		assert_int_equal(
			mafs_guarded_copy(bytes, file.mapping->base, PAGE), 0);
		assert_int_equal(bytes[0], 'a');
	}
}

static void test_swap_stores_where_nobody_else_has(void **state)
{
	uint64_t word = 7;

	assert_int_equal(mafs_guarded_swap(&word, 6, 8), -EAGAIN);
	assert_int_equal(word, 7);
	assert_int_equal(mafs_guarded_swap(&word, 7, 8), 0);
	assert_int_equal(word, 8);
}

static void test_mask_of_signals_is_as_it_was(void **state)
{
	_cleanup_file_ struct mapped_file file;
	sigset_t before, after;
	uint8_t byte;

	open_file(MAFS_PERSIST_FILE, &file);
	assert_int_equal(ftruncate(file.fd, PAGE), 0);
	sigemptyset(&before);
	sigaddset(&before, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &before, NULL);
	assert_int_equal(mafs_guarded_copy(&byte, file.mapping->base + PAGE, 1),
			 -EIO);
	pthread_sigmask(SIG_UNBLOCK, &before, &after);
	assert_true(sigismember(&after, SIGUSR2));
	assert_false(sigismember(&after, SIGBUS));
	assert_false(sigismember(&after, SIGTERM));
}

static void *copy_lost(void *context)
{
	struct mapped_file *file = context;
	uint8_t byte;

	for (int i = 0; i < 200; i++) {
		if (mafs_guarded_copy(&byte, file->mapping->base, 1))
			return "a byte that is there";
		if (mafs_guarded_copy(&byte, file->mapping->base + PAGE, 1) !=
		    -EIO)
			return "a byte that is not there";
	}
	return NULL;
}

static void test_each_thread_has_its_own_guard(void **state)
{
	_cleanup_file_ struct mapped_file file;
	pthread_t threads[4];

	open_file(MAFS_PERSIST_FILE, &file);
	assert_int_equal(ftruncate(file.fd, PAGE), 0);
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(threads); i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, copy_lost, &file), 0);
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(threads); i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
}

/* Runs @die in a child. Return: the signal that ended it. */
static int signal_of(void (*die)(struct mapped_file *file))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		struct mapped_file file;

		signal(SIGBUS, SIG_DFL);
		open_file(MAFS_PERSIST_FILE, &file);
		(void)!ftruncate(file.fd, PAGE);
		die(&file);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void touch_lost(struct mapped_file *file)
{
	*(volatile uint8_t *)(file->mapping->base + PAGE) = 1;
}

static void send_sigbus(struct mapped_file *file)
{
	kill(getpid(), SIGBUS);
}

static jmp_buf foreign;

static void on_foreign(int signal_number)
{
	longjmp(foreign, 1);
}

static void touch_with_handler(struct mapped_file *file)
{
	struct mafs_mapping *again;

	signal(SIGBUS, on_foreign);
	if (mafs_mapping_open(file->fd, PAGE, MAFS_PERSIST_FILE, false, &again))
		_exit(1);
	if (!setjmp(foreign))
		touch_lost(file);
	else
		_exit(42);
}

static void test_foreign_sigbus_is_passed_on(void **state)
{
	assert_int_equal(signal_of(touch_lost), SIGBUS);
	assert_int_equal(signal_of(send_sigbus), SIGBUS);
	assert_int_equal(signal_of(touch_with_handler), -42);
}

#define HUGE_PAGE (2U << 20)

/* A memfd of four huge pages, filled. */
static void open_memfd(struct mapped_file *ret)
{
	ret->fd = memfd_create("mapping", MFD_CLOEXEC);
	assert_true(ret->fd >= 0);
	assert_int_equal(ftruncate(ret->fd, 4 * HUGE_PAGE), 0);
	assert_int_equal(mafs_mapping_open(ret->fd, 4 * HUGE_PAGE,
					   MAFS_PERSIST_NEVER, false,
					   &ret->mapping),
			 0);
	for (size_t i = 0; i < 4 * HUGE_PAGE; i++)
		ret->mapping->base[i] = (uint8_t)(i % 251);
}

/* Bytes of the mapping at @at that have huge pages. */
static size_t huge_bytes(const void *at)
{
	_cleanup_fclose_ FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[512], begin[32];
	bool found = false;
	size_t kib;

	assert_non_null(smaps);
	snprintf(begin, sizeof(begin), "%lx-", (unsigned long)at);
	while (fgets(line, sizeof(line), smaps)) {
		found |= !strncmp(line, begin, strlen(begin));
		if (found && sscanf(line, "ShmemPmdMapped: %zu", &kib) == 1)
			return kib << 10;
	}
	return 0;
}

static void test_huge_pages_hold_the_same_bytes(void **state)
{
	_cleanup_file_ struct mapped_file file;
	uint8_t *base;
	int r;

	open_memfd(&file);
	base = file.mapping->base;
	assert_int_equal((uintptr_t)base % HUGE_PAGE, 0);
	r = mafs_huge_pages(base, 4 * HUGE_PAGE);
	if (r == 0)
		assert_int_equal(huge_bytes(base), 4 * HUGE_PAGE);
	for (size_t i = 0; i < 4 * HUGE_PAGE; i++)
		assert_int_equal(base[i], (uint8_t)(i % 251));
	if (r < 0) {
		print_message("no huge pages here\n");
		skip();
	}
}

static void test_huge_pages_that_cannot_be_are_an_error(void **state)
{
	_cleanup_file_ struct mapped_file file, cut;

	open_file(MAFS_PERSIST_FILE, &file);
	assert_true(mafs_huge_pages(file.mapping->base, HUGE_PAGE) < 0);
	open_memfd(&cut);
	assert_int_equal(ftruncate(cut.fd, HUGE_PAGE), 0);
	assert_true(mafs_huge_pages(cut.mapping->base + HUGE_PAGE, HUGE_PAGE) <
		    0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stores_reach_the_file),
		cmocka_unit_test(
			test_lines_of_the_processors_caches_can_be_flushed),
		cmocka_unit_test(test_copies_beyond_a_truncated_file_are_eio),
		cmocka_unit_test(test_swap_stores_where_nobody_else_has),
		cmocka_unit_test(test_mask_of_signals_is_as_it_was),
		cmocka_unit_test(test_each_thread_has_its_own_guard),
		cmocka_unit_test(test_foreign_sigbus_is_passed_on),
		cmocka_unit_test(test_huge_pages_hold_the_same_bytes),
		cmocka_unit_test(test_huge_pages_that_cannot_be_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
