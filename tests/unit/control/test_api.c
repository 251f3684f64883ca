// SPDX-License-Identifier: Apache-2.0
/* The control API in process; the daemon behind it is a double. */
#include <control/control.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
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
	assert_int_equal(
		mafsd_control_start(&(struct mafsd_served){ .d = &fixture->d },
				    fixture->socket_path, &fixture->control,
				    &fault),
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
	json_t *status, *memory, *trouble, *pending, *ways;

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
	ways = json_object_get(status, "paths");
	assert_json_int(json_object_get(ways, "C"), "read_bytes", 4711);
	assert_null(json_object_get(json_object_get(ways, "M"), "read_bytes"));
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
	assert_int_equal(call(fixture, "POST", "/v1/admin/flush", "", &answer),
			 507);
	assert_json_text(answer, "error", "a/b: the disk is full");
	assert_json_int(answer, "errno", ENOSPC);
	json_decref(answer);
}

static void *sync_in_thread(void *context)
{
	json_t *answer;

	assert_int_equal(call(context, "POST", "/v1/admin/flush", "", &answer),
			 200);
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

	assert_int_equal(call(fixture, "POST", "/v1/admin/push",
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

	assert_int_equal(call(fixture, "POST",
			      "/v1/admin/pull?path=a%2Fb%FF+c%20d", "",
			      &answer),
			 200);
	assert_string_equal(fixture->d.moved_path, "a/b\xff c d");
	json_decref(answer);
}

static void test_push_says_what_was_kept_and_why(void **state)
{
	struct fixture *fixture = *state;
	json_t *answer;

	fixture->d.n_kept = 2;
	assert_int_equal(call(fixture, "POST", "/v1/admin/push?path=", "",
			      &answer),
			 200);
	assert_json_int(answer, "n_kept", 2);
	assert_json_text(answer, "kept_why", "a/b is open");
	json_decref(answer);
}

static void test_meta_takes_the_path_from_its_url(void **state)
{
	struct fixture *fixture = *state;
	json_t *answer, *extent, *tiers;

	assert_int_equal(call(fixture, "GET", "/v1/meta/a/b%20%FF+%2Fc", "",
			      &answer),
			 200);
	assert_string_equal(fixture->d.moved_path, "a/b \xff+/c");
	assert_json_text(answer, "path", "a/b \xEF\xBF\xBD+/c");
	assert_json_text(answer, "path_hex", "612f6220ff2b2f63");
	assert_json_text(answer, "tier", "memory");
	assert_json_text(answer, "state", "dirty");
	assert_json_text(answer, "policy", "pinned");
	assert_json_text(answer, "type", "file");
	assert_json_text(answer, "mode", "0640");
	assert_json_int(answer, "size_bytes", 99);
	tiers = json_object_get(answer, "tiers");
	assert_int_equal(json_array_size(tiers), 1);
	assert_string_equal(json_string_value(json_array_get(tiers, 0)),
			    "memory");
	extent = json_array_get(json_object_get(answer, "extents"), 0);
	assert_json_int(extent, "length", 4096);
	json_decref(answer);

	assert_int_equal(call(fixture, "GET", "/v1/meta", "", &answer), 200);
	assert_string_equal(fixture->d.moved_path, "");
	json_decref(answer);
}

static void test_listing_goes_on_where_the_last_has_ended(void **state)
{
	struct fixture *fixture = *state;
	json_t *answer, *entries;

	assert_int_equal(call(fixture, "GET", "/v1/ls/d?max=20", "", &answer),
			 200);
	entries = json_object_get(answer, "entries");
	assert_int_equal(json_array_size(entries), 20);
	assert_json_text(json_array_get(entries, 19), "name", "n19");
	assert_json_int(answer, "next", 20);
	json_decref(answer);

	assert_int_equal(call(fixture, "GET", "/v1/ls/d?max=20&offset=20", "",
			      &answer),
			 200);
	entries = json_object_get(answer, "entries");
	assert_int_equal(json_array_size(entries), 5);
	assert_json_text(json_array_get(entries, 4), "name_hex", "6e3234ff");
	assert_true(json_is_null(json_object_get(answer, "next")));
	json_decref(answer);
}

static void test_dirty_files_are_listed(void **state)
{
	json_t *answer, *file;

	assert_int_equal(call(*state, "GET", "/v1/admin/dirty", "", &answer),
			 200);
	assert_json_int(answer, "n_dirty", 2);
	file = json_array_get(json_object_get(answer, "files"), 0);
	assert_json_text(file, "path", "a/b");
	assert_json_int(file, "dirty_bytes", 512);
	assert_true(json_is_null(json_object_get(file, "error")));
	json_decref(answer);
}

static void *pull_in_thread(void *context)
{
	json_t *answer;

	assert_int_equal(call(context, "POST",
			      "/v1/admin/pull?path=big&job=mine", "", &answer),
			 200);
	json_decref(answer);
	return NULL;
}

static void test_move_with_a_name_is_listed_until_it_ends(void **state)
{
	struct fixture *fixture = *state;
	struct mafsd *d = &fixture->d;
	json_t *answer, *job;
	pthread_t thread;

	d->sync_blocks = true;
	assert_int_equal(pthread_create(&thread, NULL, pull_in_thread, fixture),
			 0);
	pthread_mutex_lock(&d->lock);
	while (!d->sync_entered)
		pthread_cond_wait(&d->changed, &d->lock);
	pthread_mutex_unlock(&d->lock);

	assert_int_equal(call(fixture, "GET", "/v1/admin/jobs", "", &answer),
			 200);
	job = json_array_get(json_object_get(answer, "jobs"), 0);
	assert_json_text(job, "job", "mine");
	assert_json_text(job, "action", "pull");
	assert_json_text(job, "path", "big");
	assert_json_int(job, "n_total", 7);
	assert_json_int(job, "bytes_moved", 1024);
	json_decref(answer);
	assert_int_equal(call(fixture, "POST", "/v1/admin/stop?job=yours", "",
			      &answer),
			 404);
	json_decref(answer);
	assert_int_equal(call(fixture, "POST", "/v1/admin/stop?job=mine", "",
			      &answer),
			 200);
	assert_json_int(answer, "n_stopped", 1);
	json_decref(answer);

	pthread_mutex_lock(&d->lock);
	d->sync_blocks = false;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	pthread_join(thread, NULL);
	assert_true(d->saw_stop);
	assert_int_equal(call(fixture, "GET", "/v1/admin/jobs", "", &answer),
			 200);
	assert_int_equal(json_array_size(json_object_get(answer, "jobs")), 0);
	json_decref(answer);
}

static void test_each_action_is_what_its_path_says(void **state)
{
	static const struct {
		const char *url;
		enum mafsd_action action;
	} each[] = {
		{ "/v1/admin/push?path=x", MAFSD_PUSH },
		{ "/v1/admin/pull?path=x", MAFSD_PULL },
		{ "/v1/admin/evict?path=x", MAFSD_EVICT },
		{ "/v1/admin/flush?path=x", MAFSD_FLUSH },
	};
	struct fixture *fixture = *state;
	json_t *answer;

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(each); i++) {
		fixture->d.action = (enum mafsd_action) - 1;
		assert_int_equal(
			call(fixture, "POST", each[i].url, "", &answer), 200);
		assert_int_equal(fixture->d.action, each[i].action);
		json_decref(answer);
	}
	assert_int_equal(call(fixture, "POST", "/v1/admin/pin?path=x", "",
			      &answer),
			 200);
	assert_int_equal(fixture->d.policy, MAFSD_POLICY_PINNED);
	json_decref(answer);
	assert_int_equal(call(fixture, "POST", "/v1/admin/unpin?path=x", "",
			      &answer),
			 200);
	assert_json_int(answer, "n_unpinned", 2);
	json_decref(answer);
}

static void test_set_is_of_the_volume_or_of_a_path(void **state)
{
	struct fixture *fixture = *state;
	json_t *answer;

	assert_int_equal(call(fixture, "POST", "/v1/admin/set",
			      "{\"name\": \"promote\", \"value\": \"9s\"}",
			      &answer),
			 200);
	assert_string_equal(fixture->d.setting, "promote=9s");
	assert_true(json_is_true(json_object_get(answer, "live")));
	json_decref(answer);
	assert_int_equal(call(fixture, "POST", "/v1/admin/set?name=policy", "",
			      &answer),
			 200);
	assert_string_equal(fixture->d.setting, "policy=(default)");
	assert_true(json_is_false(json_object_get(answer, "live")));
	json_decref(answer);

	fixture->d.setting[0] = '\0';
	assert_int_equal(call(fixture, "POST",
			      "/v1/admin/set?path=a&name=policy&value=hot", "",
			      &answer),
			 200);
	assert_int_equal(fixture->d.policy, MAFSD_POLICY_HOT);
	assert_string_equal(fixture->d.moved_path, "a");
	json_decref(answer);
	assert_int_equal(call(fixture, "POST",
			      "/v1/admin/set?path=a&name=policy&value=inherit",
			      "", &answer),
			 200);
	assert_int_equal(fixture->d.policy, MAFSD_POLICY_INHERIT);
	json_decref(answer);
	assert_string_equal(fixture->d.setting, "");
}

static void test_settings_are_listed_with_their_defaults(void **state)
{
	json_t *answer, *setting;

	assert_int_equal(call(*state, "GET", "/v1/admin/settings", "", &answer),
			 200);
	setting = json_array_get(json_object_get(answer, "settings"), 0);
	assert_json_text(setting, "name", "writeback_after");
	assert_json_text(setting, "value", "1m");
	assert_json_text(setting, "default", "5s");
	json_decref(answer);
}

static void assert_refused(struct fixture *fixture, const char *method,
			   const char *url, const char *body, int code)
{
	json_t *answer;

	assert_int_equal(call(fixture, method, url, body, &answer), code);
	assert_non_null(json_object_get(answer, "error"));
	assert_true(json_is_integer(json_object_get(answer, "errno")));
	assert_non_null(json_object_get(answer, "code"));
	json_decref(answer);
}

static void test_bad_calls_are_refused_with_their_code(void **state)
{
	struct fixture *fixture = *state;

	assert_refused(fixture, "GET", "/v1/nothing", "", 404);
	assert_refused(fixture, "GET", "/v1/admin/flush", "", 405);
	assert_refused(fixture, "DELETE", "/v1/status", "", 405);
	assert_refused(fixture, "GET", "/v1/metas", "", 404);
	assert_refused(fixture, "GET", "/v1/meta/a%00b", "", 400);
	assert_refused(fixture, "POST", "/v1/admin/push?path=a%00b", "", 400);
	assert_refused(fixture, "GET", "/v1/ls/d?offset=x", "", 400);
	assert_refused(fixture, "GET", "/v1/files/a", "", 501);
	assert_refused(fixture, "POST", "/v1/admin/set", "", 400);
	assert_refused(fixture, "POST",
		       "/v1/admin/set?path=a&name=policy&value=warm", "", 400);
	assert_refused(fixture, "POST", "/v1/admin/set?path=a&name=promote", "",
		       400);
	assert_refused(fixture, "POST", "/v1/admin/push", "", 400);
	assert_refused(fixture, "POST", "/v1/admin/push", "{", 400);
	assert_refused(fixture, "POST", "/v1/admin/push", "[1]", 400);
	assert_refused(fixture, "POST", "/v1/admin/push", "{\"path\": 3}", 400);
	/* Taken for missing these would mean the default, or the volume. */
	assert_refused(fixture, "POST", "/v1/admin/set",
		       "{\"name\": \"dirty_max\", \"value\": 10}", 400);
	assert_refused(fixture, "POST", "/v1/admin/set?path=a&name=policy",
		       "{\"value\": true}", 400);
	assert_refused(fixture, "POST", "/v1/admin/flush", "{\"path\": null}",
		       400);
	fixture->d.move_error = -ENOENT;
	assert_refused(fixture, "POST", "/v1/admin/push?path=x", "", 404);
}

static void test_body_beyond_its_bound_is_refused(void **state)
{
	size_t len = 4 << 20;
	char *body = malloc(len + 1);

	assert_non_null(body);
	memset(body, ' ', len);
	body[len] = '\0';
	assert_refused(*state, "POST", "/v1/admin/push", body, 413);
	free(body);
}

static void test_socket_is_its_owners_alone(void **state)
{
	struct fixture *fixture = *state;
	struct stat st;

	assert_int_equal(stat(fixture->socket_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* Calls as user 65534 with group 4711; the codes, 0: no answer. */
static void call_as_other(struct fixture *fixture, const char *const *urls,
			  size_t n, int *ret_codes)
{
	const gid_t groups[] = { 4711, 12 };
	int ends[2], status;
	pid_t pid;

	assert_int_equal(chmod(fixture->dir, 0755), 0);
	assert_int_equal(chmod(fixture->socket_path, 0666), 0);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		if (setgroups(2, groups) < 0 || setgid(65534) < 0 ||
		    setuid(65534) < 0)
			_exit(2);
		for (size_t i = 0; i < n; i++) {
			json_t *answer;
			const char *space = strchr(urls[i], ' ');
			char method[8] = "";
			int code;

			memcpy(method, urls[i], (size_t)(space - urls[i]));
			code = call(fixture, method, space + 1, "", &answer);
			if (write(ends[1], &code, sizeof(code)) < 0)
				_exit(3);
		}
		_exit(0);
	}
	for (size_t i = 0; i < n; i++)
		assert_int_equal(read(ends[0], &ret_codes[i], sizeof(int)),
				 sizeof(int));
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_other_user_may_not_ask_about_the_volume(void **state)
{
	static const char *const urls[] = {
		"GET /v1/status",
		"GET /v1/admin/dirty",
		"POST /v1/admin/flush",
		"GET /v1/admin/settings",
		"POST /v1/admin/set?name=promote&value=1s",
	};
	struct fixture *fixture = *state;
	int codes[MAFS_ARRAY_SIZE(urls)];

	if (geteuid() != 0) {
		print_message("needs root: to become another user\n");
		skip();
	}
	call_as_other(fixture, urls, MAFS_ARRAY_SIZE(urls), codes);
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(urls); i++)
		assert_int_equal(codes[i], 403);
	assert_false(fixture->d.sync_entered);
	assert_string_equal(fixture->d.setting, "");
}

static void test_other_user_is_named_to_what_checks_files(void **state)
{
	static const char *const urls[] = { "POST /v1/admin/evict?path=x" };
	struct fixture *fixture = *state;
	json_t *answer;
	int code;

	if (geteuid() != 0) {
		print_message("needs root: to become another user\n");
		skip();
	}
	call_as_other(fixture, urls, 1, &code);
	assert_int_equal(code, 200);
	/* The answer went to another process. */
	pthread_mutex_lock(&fixture->d.lock);
	pthread_mutex_unlock(&fixture->d.lock);
	assert_true(fixture->d.who_known);
	assert_int_equal(fixture->d.uid, 65534);
	assert_int_equal(fixture->d.n_groups, 2);
	assert_true(fixture->d.group == 4711 || fixture->d.group == 12);
	assert_int_equal(call(fixture, "POST", "/v1/admin/evict?path=x", "",
			      &answer),
			 200);
	assert_false(fixture->d.who_known);
	json_decref(answer);
}

static void test_directory_open_to_others_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafsd_control *control = NULL;
	char path[128];

	assert_int_equal(chmod(fixture->dir, 0750), 0);
	snprintf(path, sizeof(path), "%s/second.sock", fixture->dir);
	assert_int_equal(
		mafsd_control_start(&(struct mafsd_served){ .d = &fixture->d },
				    path, &control, &fault),
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
		mafsd_control_start(&(struct mafsd_served){ .d = &fixture->d },
				    path, &control, &fault),
		0);
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
		mafsd_control_start(&(struct mafsd_served){ .d = &fixture->d },
				    path, &control, &fault),
		0);
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
		TEST(test_meta_takes_the_path_from_its_url),
		TEST(test_listing_goes_on_where_the_last_has_ended),
		TEST(test_dirty_files_are_listed),
		TEST(test_move_with_a_name_is_listed_until_it_ends),
		TEST(test_each_action_is_what_its_path_says),
		TEST(test_set_is_of_the_volume_or_of_a_path),
		TEST(test_settings_are_listed_with_their_defaults),
		TEST(test_bad_calls_are_refused_with_their_code),
		TEST(test_body_beyond_its_bound_is_refused),
		TEST(test_socket_is_its_owners_alone),
		TEST(test_other_user_may_not_ask_about_the_volume),
		TEST(test_other_user_is_named_to_what_checks_files),
		TEST(test_directory_open_to_others_is_refused),
		TEST(test_socket_of_a_dead_daemon_is_replaced),
		TEST(test_directory_may_have_a_long_path),
		TEST(test_stop_waits_for_a_call_being_served),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
