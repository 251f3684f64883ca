// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP: the socket, who may speak on it, and the life of a request.
 * libmicrohttpd calls answer() from a thread of each connection: first with
 * the header, then with each piece of the body, last with none left; only
 * then is the route served. Called by mafs-fused.
 */
#include "control.h"
#include "json.h"
#include "peer.h"
#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define N_CONNECTIONS_MAX 64
#define IDLE_TIMEOUT_S 30

struct mafsd_control {
	struct mafsd_served served;
	struct mafsd_jobs *jobs;
	struct MHD_Daemon *http;
	char *socket_path;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	unsigned int n_unanswered; /* under lock */
};

/* One request while its pieces come in; MHD keeps it for us. */
struct exchange {
	bool begun; /* counted in n_unanswered */
	bool has_nul; /* somewhere in the URL, where no name has one */
	char *body;
	size_t body_len;
	bool too_large;
};

static unsigned int errno_to_http(int err)
{
	switch (-err) {
	case EINVAL:
		return MHD_HTTP_BAD_REQUEST;
	case EPERM:
	case EACCES:
		return MHD_HTTP_FORBIDDEN;
	case ENOENT:
	case ENOTDIR:
		return MHD_HTTP_NOT_FOUND;
	case EOPNOTSUPP:
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	case EBUSY:
		return MHD_HTTP_CONFLICT;
	case ENOSYS:
		return MHD_HTTP_NOT_IMPLEMENTED;
	case EMSGSIZE:
		return MHD_HTTP_CONTENT_TOO_LARGE;
	case ENOSPC:
	case EDQUOT:
		return MHD_HTTP_INSUFFICIENT_STORAGE;
	default:
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

static enum MHD_Result reply_json(struct MHD_Connection *connection,
				  unsigned int code, const json_t *answer)
{
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	struct MHD_Response *response;
	enum MHD_Result queued;

	if (!text)
		return MHD_NO;
	response = MHD_create_response_from_buffer(strlen(text), text,
						   MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				"application/json");
	queued = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result reply_error(struct MHD_Connection *connection, int err,
				   const struct mafs_fault *fault)
{
	const char *what = fault->what[0] ? fault->what : strerror(-err);
	const char *name = strerrorname_np(-err);
	json_t *answer = json_pack("{s:o, s:s, s:i}", "error",
				   mafsd_bytes_to_json(what), "code",
				   name ? name : "EIO", "errno", -err);
	enum MHD_Result queued;

	queued = reply_json(connection, errno_to_http(err), answer);
	json_decref(answer);
	return queued;
}

/* Which argument is no text? Taken for missing it would mean something else.
 * NULL: none. */
static const char *not_text(const json_t *body)
{
	static const char *const keys[] = { "path", "job", "name", "value" };

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(keys); i++) {
		const json_t *member = json_object_get(body, keys[i]);

		if (member && !json_is_string(member))
			return keys[i];
	}
	return NULL;
}

/* What can be wrong with a call before it is served. */
static int check(const struct exchange *exchange,
		 const struct mafsd_route *route, struct mafsd_request *request,
		 struct mafs_fault *fault)
{
	if (exchange->too_large)
		return mafs_fault_set(fault, -EMSGSIZE,
				      "the body is larger than %d bytes",
				      MAFSD_BODY_MAX);
	if (exchange->has_nul)
		return mafs_fault_set(fault, -EINVAL,
				      "there is a NUL in the URL");
	if (exchange->body_len && !json_is_object(request->body))
		return mafs_fault_set(fault, -EINVAL,
				      "the body is no object of JSON");
	if (not_text(request->body))
		return mafs_fault_set(fault, -EINVAL,
				      "%s in the body is no text: put it in "
				      "quotes",
				      not_text(request->body));
	if (request->who && route->owner)
		return mafs_fault_set(fault, -EPERM,
				      "user %u may not: %s is for root and who "
				      "mounted the volume",
				      (unsigned int)request->who->uid,
				      route->url);
	return 0;
}

static int call_route(struct mafsd_control *control, const char *method,
		      const char *url, const struct exchange *exchange,
		      struct mafsd_request *request, json_t **ret,
		      struct mafs_fault *fault)
{
	const struct mafsd_route *route;
	int r;

	r = mafsd_route_find(method, url, &route, &request->path);
	if (r == -ENOENT)
		return mafs_fault_set(fault, r, "no such path in the API: %s",
				      url);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s does not take %s", url,
				      method);
	r = check(exchange, route, request, fault);
	if (r < 0)
		return r;
	/* The idle timeout must not run while the daemon works. */
	MHD_set_connection_option(request->connection,
				  MHD_CONNECTION_OPTION_TIMEOUT, 0);
	if (!control->served.m)
		r = route->serve(control->served.d, request, ret, fault);
	else if (route->serve_memory)
		r = route->serve_memory(control->served.m, request, ret, fault);
	else
		r = mafs_fault_set(fault, -ENOSYS,
				   "a memory volume has one tier: nothing in "
				   "it is moved, pinned or set");
	MHD_set_connection_option(request->connection,
				  MHD_CONNECTION_OPTION_TIMEOUT,
				  IDLE_TIMEOUT_S);
	return r;
}

static enum MHD_Result serve(struct mafsd_control *control,
			     struct MHD_Connection *connection,
			     const char *method, const char *url,
			     const struct exchange *exchange)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafsd_peer peer = { 0 };
	struct mafsd_request request = {
		.connection = connection,
		.jobs = control->jobs,
	};
	enum MHD_Result queued;
	json_t *body = NULL, *answer = NULL;
	int r;

	r = mafsd_peer_of(connection, &peer);
	if (r == 0) {
		if (exchange->body_len)
			body = json_loadb(exchange->body, exchange->body_len, 0,
					  NULL);
		request.body = body;
		request.who = peer.may_all ? NULL : &peer.who;
		r = call_route(control, method, url, exchange, &request,
			       &answer, &fault);
	}
	if (r < 0)
		queued = reply_error(connection, r, &fault);
	else
		queued = reply_json(connection, MHD_HTTP_OK, answer);
	json_decref(answer);
	json_decref(body);
	mafsd_peer_done(&peer);
	return queued;
}

/* The URL as it came; what is returned is kept for the request. */
static void *begin(void *context, const char *uri,
		   struct MHD_Connection *connection)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange)
		exchange->has_nul = strstr(uri, "%00") != NULL;
	return exchange;
}

static enum MHD_Result take_piece(struct exchange *exchange, const char *piece,
				  size_t *len)
{
	size_t total;
	char *grown;

	if (exchange->too_large ||
	    __builtin_add_overflow(exchange->body_len, *len, &total) ||
	    total > MAFSD_BODY_MAX) {
		exchange->too_large = true;
		*len = 0;
		return MHD_YES;
	}
	grown = realloc(exchange->body, total + 1);
	if (!grown)
		return MHD_NO;
	memcpy(grown + exchange->body_len, piece, *len);
	grown[total] = '\0';
	exchange->body = grown;
	exchange->body_len = total;
	*len = 0;
	return MHD_YES;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection,
			      const char *url, const char *method,
			      const char *version, const char *piece,
			      size_t *piece_len, void **of_request)
{
	struct mafsd_control *control = context;
	struct exchange *exchange = *of_request;

	if (!exchange)
		return MHD_NO;
	if (!exchange->begun) {
		exchange->begun = true;
		mafs_guard(&control->lock);
		control->n_unanswered++;
		return MHD_YES;
	}
	if (*piece_len > 0)
		return take_piece(exchange, piece, piece_len);
	return serve(control, connection, method, url, exchange);
}

static void completed(void *context, struct MHD_Connection *connection,
		      void **of_request, enum MHD_RequestTerminationCode reason)
{
	struct mafsd_control *control = context;
	struct exchange *exchange = *of_request;

	bool begun;

	if (!exchange)
		return;
	begun = exchange->begun;
	free(exchange->body);
	free(exchange);
	*of_request = NULL;
	mafs_guard(&control->lock);
	if (begun && --control->n_unanswered == 0)
		pthread_cond_broadcast(&control->answered);
}

/* Return: the directory that the socket lies in, opened, or -errno. */
static int open_directory(const char *socket_path, struct mafs_fault *fault)
{
	_cleanup_free_ char *dir = strdup(socket_path);
	_cleanup_close_ int fd = -1;
	struct stat st;
	char *slash;

	if (!dir)
		return -ENOMEM;
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return mafs_fault_set(fault, -EINVAL,
				      "%s: not in a directory of its own",
				      socket_path);
	*slash = '\0';
	fd = open(dir, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return mafs_fault_set(fault, -errno, "%s: %s", dir,
				      strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 077) != 0)
		return mafs_fault_set(fault, -EPERM,
				      "%s: not a directory that only its owner "
				      "can enter",
				      dir);
	return take_fd(fd);
}

/* A runtime directory's path may be longer than a socket's address can be;
 * its descriptor's is not. Return: a listening descriptor or -errno. */
static int listen_on(const char *socket_path, struct mafs_fault *fault)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int dirfd = -1, fd = -1;
	const char *name;
	int len;

	dirfd = open_directory(socket_path, fault);
	if (dirfd < 0)
		return dirfd;
	name = strrchr(socket_path, '/') + 1;
	len = snprintf(address.sun_path, sizeof(address.sun_path),
		       "/proc/self/fd/%d/%s", dirfd, name);
	if ((size_t)len >= sizeof(address.sun_path))
		return mafs_fault_set(fault, -ENAMETOOLONG,
				      "%s: too long for a socket", socket_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return mafs_fault_set(fault, -errno, "socket: %s",
				      strerror(errno));
	/* Before bind(): the socket never exists with wider modes. */
	if (fchmod(fd, 0600) < 0 ||
	    (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, N_CONNECTIONS_MAX) < 0)
		return mafs_fault_set(fault, -errno, "%s: %s", socket_path,
				      strerror(errno));
	return take_fd(fd);
}

static struct MHD_Daemon *start_http(struct mafsd_control *control, int fd)
{
	struct MHD_Daemon *http;
	sigset_t all, before;

	/* MHD's threads inherit this mask: signals are the program's. */
	sigfillset(&all);
	/* What is broken below a mapping is caught, unless it is blocked. */
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	http = MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION |
			MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
			MHD_USE_ITC,
		0, NULL, NULL, answer, control, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)N_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_TIMEOUT_S,
		MHD_OPTION_URI_LOG_CALLBACK, begin, control,
		MHD_OPTION_NOTIFY_COMPLETED, completed, control,
		MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return http;
}

int mafsd_control_start(const struct mafsd_served *served,
			const char *socket_path, struct mafsd_control **ret,
			struct mafs_fault *fault)
{
	_cleanup_free_ struct mafsd_control *control = NULL;
	_cleanup_free_ char *path = strdup(socket_path);
	int fd;

	control = calloc(1, sizeof(*control));
	if (!control || !path)
		return -ENOMEM;
	fd = listen_on(socket_path, fault);
	if (fd < 0)
		return fd;
	control->jobs = mafsd_jobs_new();
	if (!control->jobs) {
		close(fd);
		return -ENOMEM;
	}
	control->served = *served;
	pthread_mutex_init(&control->lock, NULL);
	pthread_cond_init(&control->answered, NULL);
	control->http = start_http(control, fd);
	if (!control->http) {
		unlink(socket_path);
		mafsd_jobs_free(control->jobs);
		return mafs_fault_set(fault, -EIO, "%s: no HTTP server",
				      socket_path);
	}
	control->socket_path = take_ptr(path);
	*ret = take_ptr(control);
	return 0;
}

/* MHD_stop_daemon() cuts connections off in the middle of an answer. */
static void wait_until_answered(struct mafsd_control *control)
{
	mafs_guard(&control->lock);
	while (control->n_unanswered > 0)
		pthread_cond_wait(&control->answered, &control->lock);
}

void mafsd_control_stop(struct mafsd_control *control)
{
	MHD_socket listening;

	if (!control)
		return;
	/* First the name: nobody new comes while the last are answered. */
	unlink(control->socket_path);
	listening = MHD_quiesce_daemon(control->http);
	wait_until_answered(control);
	MHD_stop_daemon(control->http);
	mafs_closep(&listening);
	pthread_cond_destroy(&control->answered);
	pthread_mutex_destroy(&control->lock);
	mafsd_jobs_free(control->jobs);
	free(control->socket_path);
	free(control);
}
