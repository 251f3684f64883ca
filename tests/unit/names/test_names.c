// SPDX-License-Identifier: Apache-2.0
/* What entries of a memory volume's log do to its namespace; and that a
 * checkpoint which is written beside changes comes to the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/names.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seq;

static int apply(struct mafs_names *names, struct mafs_entry entry)
{
	entry.seq = ++seq;
	entry.time_ns = seq * 1000;
	return mafs_names_apply(names, &entry, NULL);
}

static struct mafs_entry node_entry(uint64_t id, uint32_t mode)
{
	return (struct mafs_entry){
		.type = MAFS_OMF_NODE,
		.node = { .id = id, .mode = mode },
	};
}

static struct mafs_entry name_entry(enum mafs_omf_type type, uint64_t parent,
				    const char *name, uint64_t id)
{
	struct mafs_entry entry = {
		.type = type,
		.name = { .parent = parent, .id = id },
	};

	strcpy(entry.name.name, name);
	return entry;
}

static struct mafs_entry rename_entry(uint64_t parent, const char *name,
				      uint64_t new_parent, const char *new_name,
				      uint64_t id, uint64_t other,
				      uint32_t flags)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_RENAME,
		.rename = {
			.parent = parent,
			.new_parent = new_parent,
			.id = id,
			.other = other,
			.flags = flags,
		},
	};

	strcpy(entry.rename.name, name);
	strcpy(entry.rename.new_name, new_name);
	return entry;
}

static void make(struct mafs_names *names, uint64_t id, uint32_t mode,
		 uint64_t parent, const char *name)
{
	assert_int_equal(apply(names, node_entry(id, mode)), 0);
	assert_int_equal(
		apply(names, name_entry(MAFS_OMF_NAME, parent, name, id)), 0);
}

static uint64_t id_at(struct mafs_names *names, uint64_t parent,
		      const char *name)
{
	struct mafs_name *found =
		mafs_names_lookup(names, mafs_names_node(names, parent), name);

	return found ? found->node->id : 0;
}

static int setup(void **state)
{
	seq = 0;
	return mafs_names_new((struct mafs_names **)state);
}

static int teardown(void **state)
{
	mafs_names_free(*state);
	return 0;
}

static void test_a_name_is_found_and_goes(void **state)
{
	struct mafs_names *names = *state;
	struct stat st;

	make(names, 2, S_IFDIR | 0755, 1, "d");
	make(names, 3, S_IFREG | 0644, 2, "f");
	assert_int_equal(id_at(names, 2, "f"), 3);
	assert_int_equal(id_at(names, 1, "f"), 0);
	mafs_names_stat(mafs_names_node(names, 1), &st);
	assert_int_equal(st.st_nlink, 3);
	assert_int_equal(mafs_names_node(names, 2)->mtime.tv_nsec, 4000);

	assert_int_equal(apply(names, name_entry(MAFS_OMF_NAME, 1, "g", 3)), 0);
	assert_int_equal(mafs_names_node(names, 3)->n_names, 2);
	assert_int_equal(apply(names, name_entry(MAFS_OMF_UNNAME, 2, "f", 3)),
			 0);
	assert_int_equal(id_at(names, 2, "f"), 0);
	assert_true(mafs_names_is_empty(mafs_names_node(names, 2)));
	assert_int_equal(apply(names, name_entry(MAFS_OMF_UNNAME, 1, "g", 3)),
			 0);
	mafs_names_settle(names, NULL, NULL);
	assert_null(mafs_names_node(names, 3));
	assert_int_equal(mafs_names_count(names), 2);
}

static void test_renames(void **state)
{
	struct mafs_names *names = *state;

	make(names, 2, S_IFDIR | 0755, 1, "d");
	make(names, 3, S_IFREG | 0644, 1, "a");
	make(names, 4, S_IFREG | 0644, 2, "b");
	apply(names,
	      rename_entry(1, "a", 2, "b", 3, 4, MAFS_OMF_RENAME_EXCHANGE));
	assert_int_equal(id_at(names, 1, "a"), 4);
	assert_int_equal(id_at(names, 2, "b"), 3);
	apply(names, rename_entry(2, "b", 1, "a", 3, 4, 0));
	assert_int_equal(id_at(names, 1, "a"), 3);
	assert_int_equal(mafs_names_node(names, 4)->n_names, 0);
	mafs_names_settle(names, NULL, NULL);
	assert_null(mafs_names_node(names, 4));

	make(names, 5, S_IFDIR | 0755, 2, "sub");
	assert_true(mafs_names_is_beneath(names, mafs_names_node(names, 5),
					  mafs_names_node(names, 2)));
	apply(names, rename_entry(2, "sub", 1, "sub", 5, 0, 0));
	assert_false(mafs_names_is_beneath(names, mafs_names_node(names, 5),
					   mafs_names_node(names, 2)));
	assert_int_equal(mafs_names_node(names, 2)->n_subdirs, 0);
	assert_int_equal(mafs_names_node(names, 5)->parent, 1);
}

static void test_a_directory_with_something_in_it_stays(void **state)
{
	struct mafs_names *names = *state;
	struct stat st;

	make(names, 2, S_IFDIR | 0755, 1, "d");
	make(names, 3, S_IFREG | 0644, 2, "f");
	apply(names, name_entry(MAFS_OMF_UNNAME, 1, "d", 2));
	mafs_names_stat(mafs_names_node(names, 2), &st);
	assert_int_equal(st.st_nlink, 0);
	assert_false(mafs_names_drop(names, mafs_names_node(names, 2)));
	assert_int_equal(id_at(names, 2, "f"), 3);
	apply(names, name_entry(MAFS_OMF_UNNAME, 2, "f", 3));
	assert_true(mafs_names_drop(names, mafs_names_node(names, 2)));
}

static void test_what_is_pinned_stays(void **state)
{
	struct mafs_names *names = *state;
	struct mafs_node *node;

	make(names, 2, S_IFREG | 0644, 1, "f");
	node = mafs_names_node(names, 2);
	node->pins++;
	apply(names, name_entry(MAFS_OMF_UNNAME, 1, "f", 2));
	mafs_names_settle(names, NULL, NULL);
	assert_ptr_equal(mafs_names_node(names, 2), node);
	node->pins--;
	assert_true(mafs_names_drop(names, node));
	assert_null(mafs_names_node(names, 2));
}

static void test_extents_replace_and_extend(void **state)
{
	struct mafs_names *names = *state;
	struct mafs_extent extents[2] = {
		{ { { 1 } }, 0, 4096 },
		{ { { 1 } }, 65536, 8192 },
	};
	struct mafs_entry entry = {
		.type = MAFS_OMF_EXTENTS,
		.extents = {
			.id = 2,
			.size_bytes = 5000,
			.map = { extents, 2 },
		},
	};
	struct mafs_node *node;

	make(names, 2, S_IFREG | 0644, 1, "f");
	node = mafs_names_node(names, 2);
	assert_int_equal(apply(names, entry), 0);
	assert_int_equal(node->map.n_extents, 2);
	entry.extents.first = 1;
	entry.extents.map.n_extents = 1;
	assert_int_equal(apply(names, entry), 0);
	assert_int_equal(node->map.n_extents, 2);
	assert_int_equal(node->map.extents[1].offset_bytes, 0);
	/* Behind what is there: cut meanwhile. */
	entry.extents.first = 3;
	entry.extents.size_bytes = 1;
	assert_int_equal(apply(names, entry), 0);
	assert_int_equal(node->size_bytes, 5000);
}

static void test_what_cannot_be_is_refused(void **state)
{
	struct mafs_names *names = *state;
	struct mafs_entry size = {
		.type = MAFS_OMF_SIZE,
		.size = { .id = 1, .size_bytes = 4 },
	};

	make(names, 2, S_IFREG | 0644, 1, "f");
	make(names, 3, S_IFDIR | 0755, 1, "d");
	assert_int_equal(apply(names, node_entry(0, S_IFREG)), -EUCLEAN);
	assert_int_equal(apply(names, node_entry(2, S_IFDIR)), -EUCLEAN);
	assert_int_equal(apply(names, name_entry(MAFS_OMF_NAME, 2, "x", 3)),
			 -EUCLEAN);
	assert_int_equal(apply(names, name_entry(MAFS_OMF_NAME, 3, "x", 3)),
			 -EUCLEAN);
	assert_int_equal(apply(names, name_entry(MAFS_OMF_NAME, 3, "x", 1)),
			 -EUCLEAN);
	assert_int_equal(apply(names, size), -EUCLEAN);
	/* Of what is gone by now: nothing. */
	assert_int_equal(apply(names, name_entry(MAFS_OMF_NAME, 9, "x", 2)), 0);
	assert_int_equal(apply(names, name_entry(MAFS_OMF_NAME, 3, "x", 9)), 0);
	assert_int_equal(id_at(names, 3, "x"), 0);
}

static void test_a_listing_goes_on_where_it_was(void **state)
{
	struct mafs_names *names = *state;
	struct mafs_node *root = mafs_names_node(names, 1);
	struct mafs_name *name;
	uint64_t cookie = 0;
	char text[16];
	int n_seen = 0;

	for (uint64_t i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "f%d", (int)i);
		make(names, 10 + i, S_IFREG | 0644, 1, text);
	}
	/* Each is removed when it was seen, so gaps close under the listing. */
	while ((name = mafs_names_next(names, root, cookie))) {
		snprintf(text, sizeof(text), "f%d", n_seen++);
		assert_string_equal(name->name, text);
		cookie = name->cookie;
		if (n_seen % 8)
			apply(names, name_entry(MAFS_OMF_UNNAME, 1, text,
						name->node->id));
	}
	assert_int_equal(n_seen, 200);
}

/* ---- checkpoints beside changes ---- */

#define N_DIRS 6
#define N_TEXTS 4

struct history {
	struct mafs_entry *entries;
	size_t n, capacity;
	uint64_t next_id;
};

static void record(struct history *history, struct mafs_names *names,
		   struct mafs_entry entry)
{
	entry.seq = ++seq;
	entry.time_ns = seq * 1000;
	assert_int_equal(mafs_names_apply(names, &entry, NULL), 0);
	if (history->n == history->capacity) {
		history->capacity = history->capacity * 2 + 64;
		history->entries =
			realloc(history->entries,
				history->capacity * sizeof(*history->entries));
		assert_non_null(history->entries);
	}
	history->entries[history->n++] = entry;
}

static const char *some_text(void)
{
	static const char *const texts[N_TEXTS] = { "a", "b", "c", "d" };

	return texts[(size_t)rand() % N_TEXTS];
}

struct pick {
	struct mafs_node *dirs[256];
	size_t n;
};

static int collect_dir(void *context, struct mafs_node *node)
{
	struct pick *pick = context;

	if (node->dir && (node->n_names || node->id == 1) && pick->n < 256)
		pick->dirs[pick->n++] = node;
	return 0;
}

static struct mafs_node *some_dir(struct mafs_names *names)
{
	struct pick pick = { .n = 0 };

	mafs_names_visit(names, collect_dir, &pick);
	return pick.dirs[(size_t)rand() % pick.n];
}

static void remove_some(struct history *history, struct mafs_names *names)
{
	struct mafs_node *dir = some_dir(names);
	struct mafs_name *name = mafs_names_lookup(names, dir, some_text());
	struct mafs_node *node;

	if (!name || (name->node->dir && !mafs_names_is_empty(name->node)))
		return;
	node = name->node;
	record(history, names,
	       name_entry(MAFS_OMF_UNNAME, dir->id, name->name, node->id));
	mafs_names_drop(names, node);
}

static void make_some(struct history *history, struct mafs_names *names)
{
	struct mafs_node *dir = some_dir(names);
	const char *text = some_text();
	uint32_t mode = rand() % 3 ? S_IFREG | 0644 : S_IFDIR | 0755;
	uint64_t id = ++history->next_id;

	if (mafs_names_lookup(names, dir, text))
		return;
	record(history, names, node_entry(id, mode));
	record(history, names, name_entry(MAFS_OMF_NAME, dir->id, text, id));
}

static void link_some(struct history *history, struct mafs_names *names)
{
	struct mafs_name *from =
		mafs_names_lookup(names, some_dir(names), some_text());
	struct mafs_node *dir = some_dir(names);
	const char *text = some_text();

	if (!from || from->node->dir || mafs_names_lookup(names, dir, text))
		return;
	record(history, names,
	       name_entry(MAFS_OMF_NAME, dir->id, text, from->node->id));
}

static void rename_some(struct history *history, struct mafs_names *names)
{
	struct mafs_node *dir = some_dir(names), *new_dir = some_dir(names);
	struct mafs_name *from = mafs_names_lookup(names, dir, some_text());
	const char *text = some_text();
	struct mafs_name *to = mafs_names_lookup(names, new_dir, text);
	bool exchange = to && rand() % 2;
	struct mafs_node *other = to ? to->node : NULL;

	if (!from || (other && other == from->node))
		return;
	if (from->node->dir &&
	    mafs_names_is_beneath(names, new_dir, from->node))
		return;
	if (exchange && other->dir && mafs_names_is_beneath(names, dir, other))
		return;
	if (to && !exchange &&
	    (!other->dir != !from->node->dir ||
	     (other->dir && !mafs_names_is_empty(other))))
		return;
	record(history, names,
	       rename_entry(dir->id, from->name, new_dir->id, text,
			    from->node->id, other ? other->id : 0,
			    exchange ? MAFS_OMF_RENAME_EXCHANGE : 0));
	if (other && !exchange)
		mafs_names_drop(names, other);
}

static void attr_some(struct history *history, struct mafs_names *names)
{
	struct mafs_name *name =
		mafs_names_lookup(names, some_dir(names), some_text());
	struct mafs_entry entry = {
		.type = MAFS_OMF_ATTR,
		.attr = { .mask = MAFS_OMF_ATTR_MODE | MAFS_OMF_ATTR_UID },
	};
	struct mafs_entry size = { .type = MAFS_OMF_SIZE };
	struct mafs_entry xattr = {
		.type = MAFS_OMF_XATTR,
		.xattr = { .name = "user.x", .removed = rand() % 3 == 0 },
	};

	if (!name)
		return;
	entry.attr.id = size.size.id = xattr.xattr.id = name->node->id;
	entry.attr.mode = (uint32_t)rand() % 0777;
	entry.attr.uid = (uint32_t)rand() % 10;
	size.size.size_bytes = (uint64_t)rand();
	record(history, names, entry);
	if (!name->node->dir)
		record(history, names, size);
	record(history, names, xattr);
}

static void change_some(struct history *history, struct mafs_names *names)
{
	static void (*const changes[])(struct history *,
				       struct mafs_names *) = {
		make_some, make_some,   rename_some, rename_some,
		link_some, remove_some, attr_some,
	};

	changes[(size_t)rand() % MAFS_ARRAY_SIZE(changes)](history, names);
}

static int replay_live(void *context, const struct mafs_entry *entry)
{
	struct mafs_entry copy = *entry;

	copy.seq = 1;
	return mafs_names_apply(context, &copy, NULL);
}

struct comparison {
	struct mafs_names *other;
};

static int compare_node(void *context, struct mafs_node *a)
{
	struct comparison *comparison = context;
	struct mafs_node *b = mafs_names_node(comparison->other, a->id);
	struct mafs_name *name;
	struct stat sa, sb;

	assert_non_null(b);
	mafs_names_stat(a, &sa);
	mafs_names_stat(b, &sb);
	assert_memory_equal(&sa, &sb, sizeof(sa));
	assert_int_equal(!mafs_names_xattr(a, "user.x"),
			 !mafs_names_xattr(b, "user.x"));
	for (name = a->names; name; name = name->next_of_node)
		assert_int_equal(id_at(comparison->other, name->parent->id,
				       name->name),
				 a->id);
	return 0;
}

static void check_same(struct mafs_names *a, struct mafs_names *b)
{
	struct comparison comparison = { .other = b };

	assert_int_equal(mafs_names_count(a), mafs_names_count(b));
	mafs_names_visit(a, compare_node, &comparison);
}

static void one_checkpoint(struct mafs_names *names, struct history *history)
{
	struct mafs_names *replayed;
	uint64_t cursor = 0;
	size_t begin;
	int r = 1;

	assert_int_equal(mafs_names_new(&replayed), 0);
	begin = history->n;
	while (r == 1) {
		r = mafs_names_emit(names, &cursor, 1 + (size_t)rand() % 9,
				    replay_live, replayed);
		for (int i = rand() % 12; i > 0; i--)
			change_some(history, names);
	}
	assert_int_equal(r, 0);
	for (size_t i = begin; i < history->n; i++)
		assert_int_equal(mafs_names_apply(replayed,
						  &history->entries[i], NULL),
				 0);
	mafs_names_settle(replayed, NULL, NULL);
	check_same(names, replayed);
	check_same(replayed, names);
	mafs_names_free(replayed);
}

static void test_a_checkpoint_beside_changes_is_whole(void **state)
{
	for (unsigned int seed = 1; seed <= 300; seed++) {
		struct history history = { .next_id = 1 };
		struct mafs_names *names;

		srand(seed);
		assert_int_equal(mafs_names_new(&names), 0);
		for (int i = 0; i < 150; i++)
			change_some(&history, names);
		for (int i = 0; i < 3; i++)
			one_checkpoint(names, &history);
		free(history.entries);
		mafs_names_free(names);
	}
}

static int apply_emitted(void *context, const struct mafs_entry *entry)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer record = { 0 };

	/* One that the log would take. */
	assert_int_equal(mafs_entry_encode(entry, &record), 0);
	return apply(context, *entry);
}

static void test_an_id_that_is_gone_is_not_given_again(void **state)
{
	struct mafs_names *names = *state, *next;
	static const uint32_t types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR };

	make(names, 2, S_IFREG | 0644, 1, "f");
	for (uint32_t i = 0; i < MAFS_ARRAY_SIZE(types); i++) {
		uint64_t id = 7 + i, cursor = 0;

		make(names, id, types[i] | 0644, 1, "g");
		assert_int_equal(apply(names,
				       name_entry(MAFS_OMF_UNNAME, 1, "g", id)),
				 0);
		mafs_names_settle(names, NULL, NULL);
		assert_int_equal(mafs_names_new(&next), 0);
		while (mafs_names_emit(names, &cursor, 1, apply_emitted,
				       next) == 1)
			;
		mafs_names_settle(next, NULL, NULL);
		assert_int_equal(mafs_names_count(next), 2);
		assert_int_equal(mafs_names_max_id(next), id);
		mafs_names_free(next);
	}
}

#define N_PIECES 600000U /* more than one record holds */

/* Extents that never touch. */
static void give_pieces(struct mafs_names *names, uint64_t id, size_t n)
{
	struct mafs_extent *extents = calloc(n, sizeof(*extents));
	struct mafs_entry entry = {
		.type = MAFS_OMF_EXTENTS,
		.extents = {
			.id = id,
			.size_bytes = n * 4096 - 7,
			.map = { .extents = extents, .n_extents = n },
		},
	};

	assert_non_null(extents);
	for (size_t i = 0; i < n; i++)
		extents[i] = (struct mafs_extent){
			.device_uuid.bytes = { 1 },
			.offset_bytes = i * 8192,
			.length_bytes = 4096,
		};
	assert_int_equal(apply(names, entry), 0);
	free(extents);
}

static void test_a_map_longer_than_a_record_is_in_a_checkpoint(void **state)
{
	struct mafs_names *names = *state, *next;
	const struct mafs_node *from, *to;
	uint64_t cursor = 0;

	make(names, 2, S_IFREG | 0644, 1, "f");
	make(names, 3, S_IFREG | 0644, 1, "empty");
	give_pieces(names, 2, N_PIECES);
	assert_int_equal(mafs_names_new(&next), 0);
	while (mafs_names_emit(names, &cursor, 1, apply_emitted, next) == 1)
		;
	from = mafs_names_node(names, 2);
	to = mafs_names_node(next, 2);
	assert_int_equal(to->size_bytes, from->size_bytes);
	assert_int_equal(to->map.n_extents, N_PIECES);
	assert_memory_equal(to->map.extents, from->map.extents,
			    N_PIECES * sizeof(*to->map.extents));
	mafs_names_free(next);
}

static void test_what_is_open_without_a_name_is_in_a_checkpoint(void **state)
{
	struct mafs_names *names = *state, *next;
	uint64_t cursor = 0;

	assert_int_equal(apply(names, node_entry(2, S_IFREG | 0600)), 0);
	mafs_names_node(names, 2)->pins++;
	assert_int_equal(mafs_names_new(&next), 0);
	while (mafs_names_emit(names, &cursor, 1, apply_emitted, next) == 1)
		;
	assert_int_equal(apply(next, name_entry(MAFS_OMF_NAME, 1, "f", 2)), 0);
	assert_int_equal(id_at(next, 1, "f"), 2);
	mafs_names_free(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_name_is_found_and_goes),
		T(test_renames),
		T(test_a_directory_with_something_in_it_stays),
		T(test_what_is_pinned_stays),
		T(test_extents_replace_and_extend),
		T(test_what_cannot_be_is_refused),
		T(test_a_listing_goes_on_where_it_was),
		cmocka_unit_test(test_a_checkpoint_beside_changes_is_whole),
		T(test_an_id_that_is_gone_is_not_given_again),
		T(test_a_map_longer_than_a_record_is_in_a_checkpoint),
		T(test_what_is_open_without_a_name_is_in_a_checkpoint),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
