// SPDX-License-Identifier: Apache-2.0
/* Acting under a caller's ids, on an ext4 of our own. ctest: labels=root */
#include <mafs/platform.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <mafs/cleanup.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "place.h"

#define USER 1000
#define GROUP 1001

struct fixture {
	char place[T_PLACE_LEN]; /* place/mnt is an ext4 of 32 MiB */
	int dirfd; /* of place/mnt */
};

static int make_ext4(const char *place)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "cd %s && mkdir mnt && truncate -s 32M image && "
		 "mkfs.ext4 -q -m 10 image && "
		 "mount -o loop,errors=continue image mnt 2>/dev/null",
		 place);
	return system(command);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	t_place_make("act", f->place);
	f->dirfd = -1;
	*state = f;
	if (make_ext4(f->place) == 0)
		f->dirfd =
			open(t_path(f->place, "mnt"), O_RDONLY | O_DIRECTORY);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	mafs_act_as_self();
	if (f->dirfd >= 0)
		close(f->dirfd);
	t_place_remove(f->place);
	free(f);
	return 0;
}

static int dir_of(struct fixture *f)
{
	if (f->dirfd < 0) {
		print_message("needs mkfs.ext4 and a loop device\n");
		skip();
	}
	return f->dirfd;
}

static int create(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void test_what_is_made_is_the_callers(void **state)
{
	int dirfd = dir_of(*state);
	struct stat st;

	mafs_act_as(USER, GROUP);
	close(create(dirfd, "file"));
	assert_int_equal(fstatat(dirfd, "file", &st, 0), 0);
	assert_int_equal(st.st_uid, USER);
	assert_int_equal(st.st_gid, GROUP);
}

static void test_back_to_itself_makes_files_of_its_own(void **state)
{
	int dirfd = dir_of(*state);
	struct stat st;

	mafs_act_as(USER, GROUP);
	mafs_act_as_self();
	close(create(dirfd, "file"));
	assert_int_equal(fstatat(dirfd, "file", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, getegid());
}

static void test_foreign_files_stay_open_to_a_caller(void **state)
{
	int dirfd = dir_of(*state);
	_cleanup_close_ int fd = -1;

	assert_int_equal(mkdirat(dirfd, "private", 0700), 0);
	close(create(dirfd, "private/file"));
	mafs_act_as(USER, GROUP);
	fd = openat(dirfd, "private/file", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(fchownat(dirfd, "private/file", 7, 7, 0), 0);
}

static void test_files_open_by_handle_for_a_caller(void **state)
{
	int dirfd = dir_of(*state);
	struct mafs_handle handle;
	_cleanup_close_ int fd = -1;

	close(create(dirfd, "file"));
	assert_int_equal(mafs_handle_of(dirfd, "file", &handle), 0);
	mafs_act_as(USER, GROUP);
	fd = mafs_handle_open(dirfd, &handle, O_RDWR);
	assert_true(fd >= 0);
}

static void test_device_nodes_can_be_made_for_a_caller(void **state)
{
	int dirfd = dir_of(*state);

	mafs_act_as(USER, GROUP);
	assert_int_equal(mknodat(dirfd, "null", S_IFCHR | 0600, 0x103), 0);
}

/* Writes until ENOSPC. Return: what is left for root then, in bytes. */
static uint64_t fill(int dirfd, const char *name)
{
	static char block[65536];
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_APPEND, 0600);
	struct statvfs fs;

	assert_true(fd >= 0);
	memset(block, 1, sizeof(block));
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	fsync(fd);
	close(fd);
	assert_int_equal(fstatvfs(dirfd, &fs), 0);
	return (uint64_t)fs.f_bfree * fs.f_bsize;
}

static void test_reserve_of_ext4_is_refused_to_a_caller(void **state)
{
	int dirfd = dir_of(*state);

	mafs_act_as(USER, GROUP);
	assert_true(fill(dirfd, "user") > 2 << 20);
	mafs_act_as_self();
	assert_true(fill(dirfd, "root") < 1 << 20);
}

static void test_set_ids_are_the_daemons_to_take(void **state)
{
	int dirfd = dir_of(*state);
	_cleanup_close_ int fd = create(dirfd, "file");
	struct stat st;

	assert_int_equal(fchmod(fd, 06755), 0);
	mafs_act_as(USER, GROUP);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 06755);
}

static void test_capability_that_gains_space_stays_down(void **state)
{
	dir_of(*state);
	mafs_act_as(USER, GROUP);
	assert_true(mafs_have_capability(CAP_DAC_OVERRIDE));
	assert_true(mafs_have_capability(CAP_DAC_READ_SEARCH));
	assert_true(mafs_have_capability(CAP_FOWNER));
	assert_true(mafs_have_capability(CAP_CHOWN));
	assert_true(mafs_have_capability(CAP_MKNOD));
	assert_true(mafs_have_capability(CAP_FSETID));
	assert_false(mafs_have_capability(CAP_SYS_RESOURCE));
}

static void *make_as_root(void *context)
{
	int *dirfd = context;

	/* Its creator's ids are inherited, and seen through. */
	mafs_act_as_self();
	mafs_act_as(0, 0);
	close(create(*dirfd, "by-thread"));
	return NULL;
}

static void test_other_threads_keep_their_ids(void **state)
{
	int dirfd = dir_of(*state);
	pthread_t thread;
	struct stat st;

	mafs_act_as(USER, GROUP);
	assert_int_equal(pthread_create(&thread, NULL, make_as_root, &dirfd),
			 0);
	pthread_join(thread, NULL);
	close(create(dirfd, "by-caller"));
	assert_int_equal(fstatat(dirfd, "by-thread", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(fstatat(dirfd, "by-caller", &st, 0), 0);
	assert_int_equal(st.st_uid, USER);
}

static void *change_umask(void *context)
{
	*(int *)context = mafs_thread_init();
	umask(0777);
	return NULL;
}

static void test_umask_of_a_thread_is_its_own(void **state)
{
	mode_t before = umask(022);
	pthread_t thread;
	int r;

	assert_int_equal(pthread_create(&thread, NULL, change_umask, &r), 0);
	pthread_join(thread, NULL);
	assert_int_equal(r, 0);
	assert_int_equal(umask(before), 022);
}

/* Return: 0 or -errno, the descriptor closed. */
static int reach(int dirfd, const struct mafs_who *who, const char *path,
		 int access)
{
	int fd = mafs_open_as(who, dirfd, path, access);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static void make_tree(int dirfd)
{
	assert_int_equal(mkdirat(dirfd, "private", 0700), 0);
	close(create(dirfd, "private/file"));
	assert_int_equal(fchmodat(dirfd, "private/file", 0666, 0), 0);
	assert_int_equal(mkdirat(dirfd, "open", 0755), 0);
	close(create(dirfd, "open/readable"));
	assert_int_equal(fchmodat(dirfd, "open/readable", 0644, 0), 0);
	close(create(dirfd, "open/group"));
	assert_int_equal(fchownat(dirfd, "open/group", 0, 4711, 0), 0);
	assert_int_equal(fchmodat(dirfd, "open/group", 0660, 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", dirfd, "open/link"), 0);
}

static void test_user_reaches_what_modes_and_groups_give(void **state)
{
	int dirfd = dir_of(*state);
	const gid_t groups[] = { 12, 4711 };
	struct mafs_who who = { .uid = USER, .gid = GROUP };

	make_tree(dirfd);
	assert_int_equal(reach(dirfd, &who, "", X_OK), 0);
	assert_int_equal(reach(dirfd, &who, "open/readable", R_OK), 0);
	assert_int_equal(reach(dirfd, &who, "open/readable", W_OK), -EACCES);
	assert_int_equal(reach(dirfd, &who, "private/file", R_OK), -EACCES);
	assert_int_equal(reach(dirfd, &who, "private", X_OK), -EACCES);
	assert_int_equal(reach(dirfd, &who, "open/gone", R_OK), -ENOENT);
	assert_int_equal(reach(dirfd, &who, "open/../..", R_OK), -EXDEV);
	assert_int_equal(reach(dirfd, &who, "open/group", W_OK), -EACCES);
	who.groups = groups;
	who.n_groups = 2;
	assert_int_equal(reach(dirfd, &who, "open/group", W_OK), 0);
}

static void test_after_asking_for_a_user_all_is_as_before(void **state)
{
	int dirfd = dir_of(*state);
	const gid_t groups[] = { 4711 };
	struct mafs_who who = { USER, GROUP, groups, 1 };
	gid_t before[64], after[64];
	int n_before = getgroups(64, before);
	struct stat st;

	make_tree(dirfd);
	mafs_act_as(USER, GROUP); /* and may still ask for another */
	assert_int_equal(reach(dirfd, &who, "open/group", W_OK), 0);
	assert_true(mafs_have_capability(CAP_DAC_OVERRIDE));
	assert_true(mafs_have_capability(CAP_DAC_READ_SEARCH));
	assert_int_equal(getgroups(64, after), n_before);
	assert_memory_equal(before, after, (size_t)n_before * sizeof(gid_t));
	close(create(dirfd, "roots"));
	assert_int_equal(fstatat(dirfd, "roots", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
}

static void test_only_root_can_ask_for_others(void **state)
{
	int dirfd = dir_of(*state), status;
	struct mafs_who who = { .uid = 0 };
	pid_t pid = fork();

	if (pid == 0) {
		if (setgid(GROUP) < 0 || setuid(USER) < 0)
			_exit(2);
		_exit(mafs_open_as(&who, dirfd, "", F_OK) != -EPERM);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_what_is_made_is_the_callers),
		T(test_back_to_itself_makes_files_of_its_own),
		T(test_foreign_files_stay_open_to_a_caller),
		T(test_files_open_by_handle_for_a_caller),
		T(test_device_nodes_can_be_made_for_a_caller),
		T(test_reserve_of_ext4_is_refused_to_a_caller),
		T(test_set_ids_are_the_daemons_to_take),
		T(test_capability_that_gains_space_stays_down),
		T(test_other_threads_keep_their_ids),
		T(test_user_reaches_what_modes_and_groups_give),
		T(test_after_asking_for_a_user_all_is_as_before),
		T(test_only_root_can_ask_for_others),
		cmocka_unit_test(test_umask_of_a_thread_is_its_own),
	};
	int r = t_become_private();

	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
