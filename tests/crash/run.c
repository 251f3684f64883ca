// SPDX-License-Identifier: Apache-2.0
/*
 * One run of a workload, each daemon in a child of its own:
 *
 *	[earlier, killed] -> ops, stopped -> [recovery, stopped] -> verified
 *
 * The last one lets recovery finish, compares what the mount shows with the
 * oracle, unmounts, and compares N with what the mount showed.
 */
#include "act.h"

#include "fault_calls.h"
#include "fault_tier.h"

#define RAN_THROUGH 3 /* exit code */
#define HANGS_AFTER_S 60

/* ---- children ---- */

static pid_t begin_child(void)
{
	pid_t child = fork();

	must(child >= 0);
	if (child == 0) {
		t_no_jump = true;
		alarm(HANGS_AFTER_S);
	}
	return child;
}

/* Return: its exit code; 256 and more: a signal. */
static int end_child(pid_t child)
{
	int status;

	must_be(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static bool is_stop(int code)
{
	return code == FAULT_STOPPED || code == FAULT_STOPPED_AT_STORE;
}

/* ---- the daemons ---- */

static void be_killed(struct core *c, const struct op *ops)
{
	struct player player = { .core = c };
	pid_t child = begin_child();

	if (child == 0) {
		core_start(c);
		for (; ops->kind != OP_END; ops++)
			crash_act(&player, ops);
		_exit(RAN_THROUGH);
	}
	must_be(end_child(child), RAN_THROUGH);
}

static int be_stopped(struct core *c, struct run *run)
{
	const struct workload *w = run->workload;
	enum fault_stop how = run->torn ? FAULT_TORN : FAULT_BEFORE;
	struct player player = { .core = c };
	pid_t child = begin_child();

	if (child != 0)
		return end_child(child);
	if (w->from_start)
		fault_calls_stop_at(run->stop_at, how);
	c->kernel.forbids = w->poor;
	core_start_on(c, run->cut ? &fault_tier : NULL);
	if (w->poor)
		c->d->pin_fds_max = 0;
	if (!w->from_start)
		fault_calls_stop_at(run->stop_at, how);
	for (const struct op *op = w->ops; op->kind != OP_END; op++) {
		atomic_fetch_add(&run->noted->n_begun, 1);
		crash_act(&player, op);
		atomic_fetch_add(&run->noted->n_acked, 1);
	}
	atomic_store(&run->noted->n_calls, fault_calls_count());
	_exit(RAN_THROUGH);
}

static void be_stopped_in_recovery(struct core *c, struct run *run)
{
	pid_t child = begin_child();
	int code;

	if (child == 0) {
		fault_calls_stop_at(run->stop_recovery_at, FAULT_BEFORE);
		core_start(c);
		crash_recover(c);
		core_stop(c);
		atomic_store(&run->noted->n_recovery_calls,
			     fault_calls_count());
		_exit(RAN_THROUGH);
	}
	code = end_child(child);
	must(is_stop(code) || code == RAN_THROUGH);
}

static const char *verify(struct core *c, struct run *run)
{
	const struct workload *w = run->workload;
	struct seen mount, n;
	struct model old, new;
	const char *wrong;

	model_play(w, run->noted->n_acked, &old);
	model_play(w, run->noted->n_begun, &new);
	core_start(c);
	crash_recover(c);
	crash_see_mount(c, &mount);
	wrong = crash_judge(w, &old, &new, &mount, run->cut);
	if (wrong)
		return wrong;
	core_stop(c);
	seen_read(c->n, &n);
	wrong = seen_compare(&mount, &n);
	if (!wrong && n_exists(c, ".mafs/lost+found"))
		wrong = "something is in lost+found";
	return wrong;
}

/* What is in memory is gone, and so is what N had not flushed. */
static void cut_power(struct core *c, struct run *run)
{
	fault_tier_cut(c->n, run->seed);
	fault_calls_new_boot();
	t_place_remove("/run/mafs/");
}

/* ---- runs ---- */

static void describe(const struct run *run, const char *wrong)
{
	fprintf(stderr,
		"%s: stop %u%s, recovery %u, seed %u, %u of %u operations "
		"acknowledged: %s\n",
		run->workload->name, run->stop_at, run->torn ? " torn" : "",
		run->stop_recovery_at, run->seed, run->noted->n_acked,
		run->noted->n_begun, wrong);
}

static _Noreturn void run_in_child(struct core *c, struct run *run)
{
	const struct workload *w = run->workload;
	const char *wrong;
	int code;

	crash_act_on_n(c, w->before);
	if (w->earlier)
		be_killed(c, w->earlier);
	crash_act_on_n(c, w->meanwhile);
	code = be_stopped(c, run);
	must(is_stop(code) || code == RAN_THROUGH);
	if (run->cut)
		cut_power(c, run);
	if (run->stop_recovery_at)
		be_stopped_in_recovery(c, run);
	wrong = verify(c, run);
	if (wrong)
		describe(run, wrong);
	_exit(wrong ? 1 : code);
}

enum crash_result crash_run(struct run *run)
{
	void *state = NULL;
	pid_t child;
	int code;

	atomic_store(&run->noted->n_begun, 0);
	atomic_store(&run->noted->n_acked, 0);
	core_setup(&state);
	if (run->workload->raw)
		core_option(state, "writes", "passthrough");
	/* A child also here, so that the next run finds the same boot. */
	child = begin_child();
	if (child == 0) {
		if (run->cut)
			fault_tier_begin();
		run_in_child(state, run);
	}
	code = end_child(child);
	core_teardown(&state);
	run->at_store = code == FAULT_STOPPED_AT_STORE;
	if (code == RAN_THROUGH)
		return CRASH_RAN_THROUGH;
	if (is_stop(code))
		return CRASH_RECOVERED;
	if (code != 1)
		describe(run, "a child ended");
	return CRASH_BAD;
}
