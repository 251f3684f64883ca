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

/* "http://mafs/v1/push?path=a%20b"; the host is not looked at. */
static char *make_url(CURL *curl, const char *url, const char *path)
{
	char *escaped = NULL, *whole = NULL;

	if (path && *path) {
		escaped = curl_easy_escape(curl, path, (int)strlen(path));
		if (!escaped)
			return NULL;
	}
	if (asprintf(&whole, "http://mafs%s%s%s", url, path ? "?path=" : "",
		     escaped ? escaped : "") < 0)
		whole = NULL;
	curl_free(escaped);
	return whole;
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

int mafs_client_call(const char *control_path, const char *method,
		     const char *url, const char *path, long timeout_s,
		     json_t **ret, struct mafs_fault *fault)
{
	_cleanup_(buffer_donep) struct mafs_buffer answer = { 0 };
	_cleanup_(curl_donep) CURL *curl = curl_easy_init();
	_cleanup_free_ char *whole_url = NULL, *socket_path = NULL;
	_cleanup_close_ int dirfd = -1;
	CURLcode code;

	if (!curl)
		return -ENOMEM;
	dirfd = open_directory(control_path, &socket_path);
	if (dirfd == -ENOMEM)
		return dirfd;
	if (dirfd < 0)
		return curl_failed(CURLE_COULDNT_CONNECT, url, fault);
	whole_url = make_url(curl, url, path);
	if (!whole_url)
		return -ENOMEM;
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
	curl_easy_setopt(curl, CURLOPT_URL, whole_url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT,
			 (long)MAFS_CLIENT_QUICK_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, timeout_s);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	if (!strcmp(method, "POST")) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
	}
	code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		return curl_failed(code, url, fault);
	return read_answer(curl, &answer, url, ret, fault);
}

int mafs_client_status(const char *control_path, json_t **ret,
		       struct mafs_fault *fault)
{
	return mafs_client_call(control_path, "GET", "/v1/status", NULL,
				MAFS_CLIENT_QUICK_S, ret, fault);
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
