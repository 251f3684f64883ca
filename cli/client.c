// SPDX-License-Identifier: Apache-2.0
/*
 * One HTTP request over a unix socket, one JSON object back. Called by the
 * commands that speak with a running daemon.
 */
#include "client.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <mafs/buffer.h>
#include <mafs/cleanup.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* More than any true answer; a file of many extents is the longest. */
#define ANSWER_MAX (64 << 20)

static void curl_donep(CURL **curl)
{
	curl_easy_cleanup(*curl);
}

static void buffer_donep(struct mafs_buffer *buffer)
{
	mafs_buffer_done(buffer);
}

static size_t take_answer(char *bytes, size_t size, size_t n, void *context)
{
	struct mafs_buffer *answer = context;

	if (answer->len + n > ANSWER_MAX ||
	    mafs_buffer_append(answer, bytes, n) < 0)
		return 0;
	return n;
}

/* The host is not looked at. */
#define HOST "http://mafs"
#define IN_URL "{path}"

static char *escape(CURL *curl, const char *path)
{
	/* curl takes no length of 0 for what it says. */
	return *path ? curl_easy_escape(curl, path, (int)strlen(path)) :
		       strdup("");
}

/* "http://mafs/v1/push?path=a%20b", "http://mafs/v1/meta/a%2Fb". */
static char *make_url(CURL *curl, const struct mafs_request *request)
{
	const char *in_url = strstr(request->url, IN_URL);
	_cleanup_free_ char *escaped = NULL;
	char *whole = NULL;
	int r;

	escaped = escape(curl, request->path ? request->path : "");
	if (!escaped)
		return NULL;
	if (in_url)
		r = asprintf(&whole, HOST "%.*s%s%s%s",
			     (int)(in_url - request->url), request->url,
			     escaped, request->query ? "?" : "",
			     request->query ? request->query : "");
	else
		r = asprintf(&whole, HOST "%s?%s%s%s%s", request->url,
			     request->path ? "path=" : "", escaped,
			     request->query ? "&" : "",
			     request->query ? request->query : "");
	return r < 0 ? NULL : whole;
}

static int curl_failed(CURLcode code, const char *url, struct mafs_fault *fault)
{
	switch (code) {
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_COULDNT_CONNECT:
		return mafs_fault_set(fault, -ECONNREFUSED,
				      "no daemon listens");
	case CURLE_OPERATION_TIMEDOUT:
		return mafs_fault_set(fault, -ETIMEDOUT,
				      "the daemon does not answer");
	default:
		return mafs_fault_set(fault, -EPROTO, "the daemon: %s: %s", url,
				      curl_easy_strerror(code));
	}
}

/* Takes @answer apart; an error of the daemon becomes ours. */
static int read_answer(CURL *curl, const struct mafs_buffer *answer,
		       const char *url, json_t **ret, struct mafs_fault *fault)
{
	json_t *object =
		json_loadb((const char *)answer->bytes, answer->len, 0, NULL);
	long code = 0;
	int err;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
	if (!json_is_object(object)) {
		json_decref(object);
		return mafs_fault_set(fault, -EPROTO,
				      "the daemon: %s: not an answer (HTTP "
				      "%ld)",
				      url, code);
	}
	if (code >= 400) {
		err = (int)mafs_client_count(object, "errno");
		mafs_fault_set(fault, -EIO, "%s",
			       mafs_client_text(object, "error"));
		json_decref(object);
		return err > 0 && err < 4096 ? -err : -EIO;
	}
	if (ret)
		*ret = object;
	else
		json_decref(object);
	return 0;
}

/* Opens the directory of the socket, and gives the socket's path through that
 * descriptor: @control_path may be longer than a socket's address can be.
 * Return: the descriptor or -errno. */
static int open_directory(const char *control_path, char **ret_path)
{
	const char *slash = strrchr(control_path, '/');
	_cleanup_free_ char *dir = NULL;
	_cleanup_close_ int fd = -1;

	if (!slash)
		return -EINVAL;
	dir = strndup(control_path, (size_t)(slash - control_path) + 1);
	if (!dir)
		return -ENOMEM;
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (asprintf(ret_path, "/proc/self/fd/%d%s", fd, slash) < 0)
		return -ENOMEM;
	return take_fd(fd);
}

/* The directory was opened to us, the socket was not. */
static bool is_forbidden(const char *socket_path)
{
	return access(socket_path, W_OK) < 0 && errno == EACCES;
}

static void set_up(CURL *curl, const struct mafs_request *request,
		   const char *socket_path, const char *url,
		   struct mafs_buffer *answer)
{
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT,
			 (long)MAFS_CLIENT_QUICK_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, request->timeout_s);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	if (!strcmp(request->method, "POST")) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
	}
}

int mafs_client_call(const char *control_path,
		     const struct mafs_request *request, json_t **ret,
		     struct mafs_fault *fault)
{
	_cleanup_(buffer_donep) struct mafs_buffer answer = { 0 };
	_cleanup_(curl_donep) CURL *curl = curl_easy_init();
	_cleanup_free_ char *url = NULL, *socket_path = NULL;
	_cleanup_close_ int dirfd = -1;
	CURLcode code;

	if (!curl)
		return -ENOMEM;
	dirfd = open_directory(control_path, &socket_path);
	if (dirfd == -ENOMEM)
		return dirfd;
	if (dirfd == -EACCES || (dirfd >= 0 && is_forbidden(socket_path)))
		return mafs_fault_set(fault, -EACCES,
				      "the daemon's socket is its owner's "
				      "alone: ask as root or as who mounted "
				      "the volume");
	if (dirfd < 0)
		return curl_failed(CURLE_COULDNT_CONNECT, request->url, fault);
	url = make_url(curl, request);
	if (!url)
		return -ENOMEM;
	set_up(curl, request, socket_path, url, &answer);
	code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		return curl_failed(code, request->url, fault);
	return read_answer(curl, &answer, request->url, ret, fault);
}

int mafs_client_status(const char *control_path, json_t **ret,
		       struct mafs_fault *fault)
{
	static const struct mafs_request request = {
		.method = "GET",
		.url = "/v1/status",
		.timeout_s = MAFS_CLIENT_QUICK_S,
	};

	return mafs_client_call(control_path, &request, ret, fault);
}

uint64_t mafs_client_count(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

const char *mafs_client_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}
