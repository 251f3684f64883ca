// SPDX-License-Identifier: Apache-2.0
/* The control API in process; the daemon behind it is a double. */
#include <control/control.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <mafs/cleanup.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "double.h"

/* ---- a running API, and a call of it ---- */

struct fixture {
	struct mafsd d;
	struct mafsd_control *control;
	char dir[64];
	char socket_path[96];
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_non_null(fixture);
	pthread_mutex_init(&fixture->d.lock, NULL);
	pthread_cond_init(&fixture->d.changed, NULL);
	strcpy(fixture->dir, "/tmp/mafs-control-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->socket_path, sizeof(fixture->socket_path),
		 "%s/control.sock", fixture->dir);
	assert_int_equal(mafsd_control_start(&fixture->d, fixture->socket_path,
					     &fixture->control, &fault),
			 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	mafsd_control_stop(fixture->control);
	unlink(fixture->socket_path);
	assert_int_equal(rmdir(fixture->dir), 0);
	free(fixture);
	return 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

/* Sends one request, returns the HTTP code and the answer. */
static int call_at(const char *path, const char *method, const char *url,
		   const char *body, json_t **ret)
{
	_cleanup_close_ int fd = connect_to(path);
	char head[1024], reply[65536];
	size_t len = 0;
	ssize_t n;
	int code;
	char *text;

	assert_true(fd >= 0);
	snprintf(head, sizeof(head),
		 "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		 "Content-Length: %zu\r\n\r\n",
		 method, url, strlen(body));
	assert_true(send(fd, head, strlen(head), MSG_NOSIGNAL) > 0);
	for (size_t done = 0; done < strlen(body); done += (size_t)n) {
		n = send(fd, body + done, strlen(body) - done, MSG_NOSIGNAL);
		assert_true(n > 0);
	}
	while ((n = recv(fd, reply + len, sizeof(reply) - 1 - len, 0)) > 0)
		len += (size_t)n;
	reply[len] = '\0';
	assert_int_equal(sscanf(reply, "HTTP/1.1 %d", &code), 1);
	text = strstr(reply, "\r\n\r\n");
	assert_non_null(text);
	*ret = json_loads(text + 4, 0, NULL);
	assert_non_null(*ret);
	return code;
}

static int call(struct fixture *fixture, const char *method, const char *url,
		const char *body, json_t **ret)
{
	return call_at(fixture->socket_path, method, url, body, ret);
}

static void assert_json_int(json_t *object, const char *key, int64_t value)
{
	json_t *member = json_object_get(object, key);

	assert_true(json_is_integer(member));
	assert_int_equal(json_integer_value(member), value);
}

static void assert_json_text(json_t *object, const char *key, const char *value)
{
	const char *text = json_string_value(json_object_get(object, key));

	assert_non_null(text);
	assert_string_equal(text, value);
}

/* ---- tests ---- */

static void test_status_holds_the_documented_fields(void **state)
{
	json_t *status, *memory, *trouble, *pending;

	assert_int_equal(call(*state, "GET", "/v1/status", "", &status), 200);
	assert_json_int(status, "pid", getpid());
	assert_json_text(status, "source", "/data");
	assert_json_text(status, "mountpoint", "/mnt/f\xEF\xBF\xBDst");
	assert_json_text(status, "state", "serving");
	assert_json_int(status, "dirty_bytes", 8192);
	assert_json_int(status, "n_dirty", 2);
	assert_json_int(status, "n_hot", 3);
	memory = json_object_get(status, "memory");
	assert_json_text(memory, "kind", "tmpfs");
	assert_json_text(memory, "policy", "lru");
	assert_json_int(memory, "size_bytes", 1 << 20);
	assert_json_int(memory, "used_bytes", 4096);
	assert_json_int(json_object_get(status, "upcalls"), "read", 7);
	assert_json_int(json_object_get(status, "upcalls"), "lookup", 0);
	assert_int_equal(json_object_size(json_object_get(status, "upcalls")),
			 MAFSD_N_UPCALLS);
	trouble = json_array_get(json_object_get(status, "troubles"), 0);
	assert_json_text(trouble, "path", "a/b");
	assert_json_int(trouble, "errno", ENOSPC);
	pending = json_object_get(status, "pending");
	assert_json_int(pending, "n", 1);
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(pending, "paths"), 0)),
			    "/lost");
	json_decref(status);
}

static void test_failed_sync_gives_its_text_and_errno(void **state)
{
	struct fixture *fixture = *state;
	json_t *answer;

	fixture->d.sync_error = -ENOSPC;
	assert_int_equal(call(fixture, "POST", "/v1/sync", "", &answer), 507);
	assert_json_text(answer, "error", "a/b: the disk is full");
	assert_json_int(answer, "errno", ENOSPC);
	json_decref(answer);
}

static void *sync_in_thread(void *context)
{
	json_t *answer;

	assert_int_equal(call(context, "POST", "/v1/sync", "", &answer), 200);
	json_decref(answer);
	return NULL;
}

static void test_status_is_answered_while_a_sync_runs(void **state)
{
	struct fixture *fixture = *state;
	struct mafsd *d = &fixture->d;
	pthread_t thread;
	json_t *status;

	d->sync_blocks = true;
	assert_int_equal(pthread_create(&thread, NULL, sync_in_thread, fixture),
			 0);
	pthread_mutex_lock(&d->lock);
	while (!d->sync_entered)
		pthread_cond_wait(&d->changed, &d->lock);
	pthread_mutex_unlock(&d->lock);

	assert_int_equal(call(fixture, "GET", "/v1/status", "", &status), 200);
	json_decref(status);

	pthread_mutex_lock(&d->lock);
	d->sync_blocks = false;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	pthread_join(thread, NULL);
}

static void test_push_takes_its_path_from_the_body(void **state)
{
	struct fixture *fixture = *state;
	json_t *answer;

	assert_int_equal(call(fixture, "POST", "/v1/push",
			      "{\"path\": \"/a/b/\"}", &answer),
			 200);
	assert_string_equal(fixture->d.moved_path, "a/b");
	assert_json_int(answer, "n_moved", 5);
	assert_json_int(answer, "n_kept", 0);
	json_decref(answer);
}

static void test_pull_takes_any_byte_from_the_query(void **state)
{
	struct fixture *fixture = *state;
	json_t *answer;

	assert_int_equal(call(fixture, "POST", "/v1/pull?path=a%2Fb%FF+c%20d",
			      "", &answer),
			 200);
	assert_string_equal(fixture->d.moved_path, "a/b\xff c d");
	json_decref(answer);
}

static void test_push_says_what_was_kept_and_why(void **state)
{
	struct fixture *fixture = *state;
	json_t *answer;

	fixture->d.n_kept = 2;
	assert_int_equal(call(fixture, "POST", "/v1/push?path=", "", &answer),
			 200);
	assert_json_int(answer, "n_kept", 2);
	assert_json_text(answer, "kept_why", "a/b is open");
	json_decref(answer);
}

static void test_file_answers_with_extents(void **state)
{
	struct fixture *fixture = *state;
	json_t *answer, *extent;

	assert_int_equal(call(fixture, "GET", "/v1/file?path=x", "", &answer),
			 200);
	assert_json_text(answer, "path", "x");
	assert_json_text(answer, "tier", "memory");
	assert_json_text(answer, "state", "dirty");
	extent = json_array_get(json_object_get(answer, "extents"), 0);
	assert_json_int(extent, "length", 4096);
	json_decref(answer);
}

static void assert_refused(struct fixture *fixture, const char *method,
			   const char *url, const char *body, int code)
{
	json_t *answer;

	assert_int_equal(call(fixture, method, url, body, &answer), code);
	assert_non_null(json_object_get(answer, "error"));
	assert_true(json_is_integer(json_object_get(answer, "errno")));
	json_decref(answer);
}

static void test_bad_calls_are_refused_with_their_code(void **state)
{
	struct fixture *fixture = *state;

	assert_refused(fixture, "GET", "/v1/nothing", "", 404);
	assert_refused(fixture, "GET", "/v1/sync", "", 405);
	assert_refused(fixture, "DELETE", "/v1/status", "", 405);
	assert_refused(fixture, "GET", "/v1/file", "", 400);
	assert_refused(fixture, "GET", "/v1/file?path=a%00b", "", 400);
	assert_refused(fixture, "POST", "/v1/push", "", 400);
	assert_refused(fixture, "POST", "/v1/push", "{", 400);
	assert_refused(fixture, "POST", "/v1/push", "[1]", 400);
	assert_refused(fixture, "POST", "/v1/push", "{\"path\": 3}", 400);
	fixture->d.move_error = -ENOENT;
	assert_refused(fixture, "POST", "/v1/push?path=x", "", 404);
}

static void test_body_beyond_its_bound_is_refused(void **state)
{
	size_t len = 4 << 20;
	char *body = malloc(len + 1);

	assert_non_null(body);
	memset(body, ' ', len);
	body[len] = '\0';
	assert_refused(*state, "POST", "/v1/push", body, 413);
	free(body);
}

static void test_socket_is_its_owners_alone(void **state)
{
	struct fixture *fixture = *state;
	struct stat st;

	assert_int_equal(stat(fixture->socket_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_other_user_is_refused(void **state)
{
	struct fixture *fixture = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("needs root: to become another user\n");
		skip();
	}
	assert_int_equal(chmod(fixture->dir, 0755), 0);
	assert_int_equal(chmod(fixture->socket_path, 0666), 0);
	pid = fork();
	if (pid == 0) {
		json_t *answer;
		int code;

		if (setuid(65534) < 0)
			_exit(2);
		code = call(fixture, "GET", "/v1/status", "", &answer);
		_exit(code == 403 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_directory_open_to_others_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafsd_control *control = NULL;
	char path[128];

	assert_int_equal(chmod(fixture->dir, 0750), 0);
	snprintf(path, sizeof(path), "%s/second.sock", fixture->dir);
	assert_int_equal(mafsd_control_start(&fixture->d, path, &control,
					     &fault),
			 -EPERM);
	assert_null(control);
	assert_string_not_equal(fault.what, "");
	assert_int_equal(access(path, F_OK), -1);
}

static void test_socket_of_a_dead_daemon_is_replaced(void **state)
{
	struct fixture *fixture = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct mafsd_control *control;
	json_t *status;
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/left.sock", fixture->dir);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	close(fd);
	assert_int_equal(
		mafsd_control_start(&fixture->d, path, &control, &fault), 0);
	assert_int_equal(call_at(path, "GET", "/v1/status", "", &status), 200);
	json_decref(status);
	mafsd_control_stop(control);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_directory_may_have_a_long_path(void **state)
{
	struct fixture *fixture = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafsd_control *control;
	_cleanup_close_ int fd = -1;
	char dir[256], path[300], through_fd[64];
	json_t *status;

	snprintf(dir, sizeof(dir), "%s/%0120d", fixture->dir, 0);
	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(path, sizeof(path), "%s/control.sock", dir);
	assert_int_equal(
		mafsd_control_start(&fixture->d, path, &control, &fault), 0);
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	snprintf(through_fd, sizeof(through_fd),
		 "/proc/self/fd/%d/control.sock", fd);
	assert_int_equal(call_at(through_fd, "GET", "/v1/status", "", &status),
			 200);
	json_decref(status);
	mafsd_control_stop(control);
	assert_int_equal(rmdir(dir), 0);
}

static void test_stop_waits_for_a_call_being_served(void **state)
{
	struct fixture *fixture = *state;
	struct mafsd *d = &fixture->d;
	pthread_t thread;

	d->sync_blocks = true;
	assert_int_equal(pthread_create(&thread, NULL, sync_in_thread, fixture),
			 0);
	pthread_mutex_lock(&d->lock);
	while (!d->sync_entered)
		pthread_cond_wait(&d->changed, &d->lock);
	d->sync_blocks = false;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	mafsd_control_stop(take_ptr(fixture->control));
	pthread_join(thread, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_status_holds_the_documented_fields),
		TEST(test_failed_sync_gives_its_text_and_errno),
		TEST(test_status_is_answered_while_a_sync_runs),
		TEST(test_push_takes_its_path_from_the_body),
		TEST(test_pull_takes_any_byte_from_the_query),
		TEST(test_push_says_what_was_kept_and_why),
		TEST(test_file_answers_with_extents),
		TEST(test_bad_calls_are_refused_with_their_code),
		TEST(test_body_beyond_its_bound_is_refused),
		TEST(test_socket_is_its_owners_alone),
		TEST(test_other_user_is_refused),
		TEST(test_directory_open_to_others_is_refused),
		TEST(test_socket_of_a_dead_daemon_is_replaced),
		TEST(test_directory_may_have_a_long_path),
		TEST(test_stop_waits_for_a_call_being_served),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
