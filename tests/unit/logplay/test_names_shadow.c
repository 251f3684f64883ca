// SPDX-License-Identifier: Apache-2.0
/* ctest: timeout=120 */
#include "memvol_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/names_shadow.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define ROOT MAFS_OMF_ROOT_ID

/* A volume, who writes it, who follows it, and the shadow that is kept. */
struct side {
	char place[T_PLACE_LEN];
	char *spec;
	struct mafs_memory_volume *master, *client;
	struct mafs_names_shadow *shadow;
};

static int set_up(void **state)
{
	struct side *side = calloc(1, sizeof(*side));

	t_place_make("shadow", side->place);
	side->spec = t_memvol_format(side->place, "volume", NULL, false);
	side->master = t_memvol_open(side->spec, false);
	*state = side;
	return 0;
}

static int tear_down(void **state)
{
	struct side *side = *state;

	mafs_names_shadow_close(side->shadow);
	mafs_memory_volume_close(side->client);
	mafs_memory_volume_close(side->master);
	t_place_remove(side->place);
	free(side->spec);
	free(side);
	return 0;
}

static void must(int r, const struct mafs_fault *fault)
{
	if (r < 0)
		fail_msg("%s: %s", strerror(-r), fault->what);
}

static void fill(const struct side *side, struct mafs_memory_volume *volume,
		 const char *name)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_names_shadow *shadow;

	must(mafs_names_shadow_open(t_path(side->place, name), &volume->uuid,
				    &shadow, &fault),
	     &fault);
	must(mafs_names_shadow_fill(shadow, volume, &fault), &fault);
	mafs_names_shadow_close(shadow);
}

/* Opens a follower and its shadow "kept". */
static void begin(struct side *side)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	side->client = t_memvol_open(side->spec, true);
	must(mafs_names_shadow_open(t_path(side->place, "kept"),
				    &side->client->uuid, &side->shadow, &fault),
	     &fault);
	must(mafs_names_shadow_fill(side->shadow, side->client, &fault),
	     &fault);
}

static void follow(struct side *side)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	must(mafs_memory_volume_follow(side->client, mafs_names_shadow_note,
				       side->shadow, &fault),
	     &fault);
	must(mafs_names_shadow_update(side->shadow, side->client, &fault),
	     &fault);
}

static char *read_shadow(const struct side *side, const char *shadow,
			 const char *path)
{
	_cleanup_close_ int fd = -1;
	char name[256], text[8192];
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%s/%s", shadow, path);
	fd = open(t_path(side->place, name), O_RDONLY);
	if (fd < 0)
		return NULL;
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	return strdup(text);
}

static bool is_there(const struct side *side, const char *path)
{
	struct stat st;

	return lstat(t_path(side->place, path), &st) == 0;
}

/* The trees, file by file; @except: of diff -x. */
static void assert_same(const struct side *side, const char *a, const char *b,
			const char *except)
{
	_cleanup_free_ char *command = NULL, *left = NULL;

	left = strdup(t_path(side->place, a));
	assert_true(asprintf(&command, "diff -r -x %s %s %s >&2", except, left,
			     t_path(side->place, b)) >= 0);
	assert_int_equal(system(command), 0);
}

/* What is kept is what a shadow filled now would be. */
static void assert_kept(struct side *side)
{
	_cleanup_free_ char *command = NULL;
	struct mafs_memory_volume *now = t_memvol_open(side->spec, true);

	fill(side, now, "now");
	mafs_memory_volume_close(now);
	assert_same(side, "kept", "now", "shadow.yaml");
	assert_true(asprintf(&command, "rm -r %s",
			     t_path(side->place, "now")) >= 0);
	assert_int_equal(system(command), 0);
}

static void log_entry(struct side *side, struct mafs_entry entry)
{
	t_memvol_append(side->master, &entry, 1);
}

static struct mafs_entry rename_entry(uint64_t parent, const char *name,
				      uint64_t new_parent, const char *new_name,
				      uint64_t id, uint64_t other,
				      uint32_t flags)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_RENAME,
		.rename = { .parent = parent,
			    .new_parent = new_parent,
			    .id = id,
			    .other = other,
			    .flags = flags },
	};

	strcpy(entry.rename.name, name);
	strcpy(entry.rename.new_name, new_name);
	return entry;
}

/* One of everything. */
static void make_all_kinds(struct side *side)
{
	t_memvol_mkdir(side->master, ROOT, "dir", 2);
	t_memvol_mkdir(side->master, 2, "sub", 3);
	t_memvol_create(side->master, 3, "file", 4, 10000);
	log_entry(side, t_name_entry(MAFS_OMF_NAME, ROOT, "hard", 4));
	log_entry(side, (struct mafs_entry){
				.type = MAFS_OMF_NODE,
				.node = { .id = 5,
					  .mode = S_IFLNK | 0777,
					  .target = (char *)"/etc/passwd" } });
	log_entry(side, t_name_entry(MAFS_OMF_NAME, 2, "link", 5));
	log_entry(side, (struct mafs_entry){ .type = MAFS_OMF_NODE,
					     .node = { .id = 6,
						       .mode = S_IFCHR | 0600,
						       .rdev = 0x105 } });
	log_entry(side, t_name_entry(MAFS_OMF_NAME, 2, "tty", 6));
	log_entry(side, (struct mafs_entry){ .type = MAFS_OMF_XATTR,
					     .xattr = { .id = 2,
							.name = "user.of-dir",
							.value = (char *)"v",
							.value_len = 1 } });
	log_entry(side,
		  (struct mafs_entry){ .type = MAFS_OMF_ATTR,
				       .attr = { .id = 4,
						 .mask = MAFS_OMF_ATTR_MODE,
						 .mode = 04711 } });
	t_memvol_create(side->master, ROOT, ".mafs", 7, 0);
	t_memvol_create(side->master, 2, ".mafs.mafs", 8, 0);
	t_memvol_create(side->master, 2, "a\nname \xff", 9, 0);
}

static void test_each_inode_has_a_descriptor(void **state)
{
	struct side *side = *state;
	_cleanup_free_ char *file = NULL, *link = NULL, *dir = NULL;

	make_all_kinds(side);
	begin(side);
	file = read_shadow(side, "kept", "dir/sub/file");
	assert_non_null(strstr(file, "  id: 4\n"));
	assert_non_null(strstr(file, "  links: 2\n"));
	assert_non_null(strstr(file, "  permissions: '4711'\n"));
	assert_non_null(strstr(file, "  size: 10000\n"));
	assert_non_null(strstr(file, "device_uuid: '"));
	link = read_shadow(side, "kept", "dir/link");
	assert_non_null(strstr(link, "  type: symlink\n"));
	assert_non_null(strstr(link, "  target: /etc/passwd\n"));
	dir = read_shadow(side, "kept", "dir/.mafs");
	assert_non_null(strstr(dir, "  type: directory\n"));
	assert_non_null(strstr(dir, "user.of-dir"));
	assert_true(is_there(side, "kept/.mafs.mafs"));
	assert_true(is_there(side, "kept/dir/.mafs.mafs.mafs"));
	assert_true(is_there(side, "kept/dir/a\nname \xff"));
	assert_true(is_there(side, "kept/.mafs/root.yaml"));
	assert_true(is_there(side, "kept/.mafs/devices.yaml"));
}

static void test_filling_again_removes_what_does_not_belong(void **state)
{
	struct side *side = *state;
	static const char *const commands[] = {
		"rm %s/dir/link && mkdir -p %s/dir/link/deep/er && "
		"touch %s/dir/link/deep/er/x",
		"rm -r %s/dir/sub && ln -s /etc %s/dir/sub",
		"mkdir -p %s/more/of/it && ln -s / %s/more/root",
		"echo other >%s/hard",
		"mknod %s/fifo p && chmod 0 %s/dir/tty",
		"rm %s/dir/.mafs && ln -s /etc/passwd %s/dir/.mafs",
	};

	make_all_kinds(side);
	fill(side, side->master, "now");
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(commands); i++) {
		_cleanup_free_ char *command = NULL;
		const char *shadow = t_path(side->place, "kept");

		fill(side, side->master, "kept");
		assert_true(asprintf(&command, commands[i], shadow, shadow,
				     shadow) >= 0);
		assert_int_equal(system(command), 0);
		fill(side, side->master, "kept");
		assert_same(side, "kept", "now", "nothing");
	}
}

static void test_what_is_right_is_not_written_again(void **state)
{
	struct side *side = *state;
	struct stat before, after;

	make_all_kinds(side);
	fill(side, side->master, "kept");
	assert_int_equal(stat(t_path(side->place, "kept/hard"), &before), 0);
	fill(side, side->master, "kept");
	assert_int_equal(stat(t_path(side->place, "kept/hard"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void test_other_directories_are_refused(void **state)
{
	struct side *side = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_names_shadow *shadow;
	struct mafs_uuid other;

	assert_int_equal(mkdir(t_path(side->place, "full"), 0700), 0);
	t_write_file(side->place, "full/x", "y");
	assert_int_equal(mafs_names_shadow_open(t_path(side->place, "full"),
						&side->master->uuid, &shadow,
						&fault),
			 -ENOTEMPTY);
	fill(side, side->master, "kept");
	mafs_uuid_generate(&other);
	assert_int_equal(mafs_names_shadow_open(t_path(side->place, "kept"),
						&other, &shadow, &fault),
			 -EEXIST);
}

/* ---- following ---- */

static void test_each_change_is_followed(void **state)
{
	struct side *side = *state;

	make_all_kinds(side);
	begin(side);
	t_memvol_create(side->master, ROOT, "new", 20, 5000);
	follow(side);
	assert_kept(side);
	t_memvol_unlink(side->master, 3, "file", 4);
	follow(side);
	assert_kept(side);
	/* The other name's path is told by its descriptor. */
	log_entry(side, rename_entry(ROOT, "hard", 3, "moved", 4, 0, 0));
	follow(side);
	assert_kept(side);
	log_entry(side, rename_entry(2, "sub", ROOT, "up", 3, 0, 0));
	follow(side);
	assert_false(is_there(side, "kept/dir/sub"));
	assert_kept(side);
	log_entry(side, rename_entry(ROOT, "up", ROOT, "dir", 3, 2,
				     MAFS_OMF_RENAME_EXCHANGE));
	follow(side);
	assert_kept(side);
	log_entry(side, rename_entry(ROOT, "new", 2, "link", 20, 5, 0));
	follow(side);
	assert_kept(side);
	log_entry(side,
		  (struct mafs_entry){ .type = MAFS_OMF_SIZE,
				       .size = { .id = 20, .size_bytes = 7 } });
	log_entry(side,
		  (struct mafs_entry){ .type = MAFS_OMF_ATTR,
				       .attr = { .id = 2,
						 .mask = MAFS_OMF_ATTR_MODE,
						 .mode = 0700 } });
	follow(side);
	assert_kept(side);
}

static void test_path_in_a_moved_directory_is_told_elsewhere(void **state)
{
	struct side *side = *state;
	_cleanup_free_ char *text = NULL;

	t_memvol_mkdir(side->master, ROOT, "a", 2);
	t_memvol_create(side->master, ROOT, "other", 3, 0);
	log_entry(side, t_name_entry(MAFS_OMF_NAME, 2, "x", 3));
	begin(side);
	text = read_shadow(side, "kept", "other");
	log_entry(side, rename_entry(ROOT, "a", ROOT, "b", 2, 0, 0));
	follow(side);
	assert_kept(side);
	/* One of the two was the path. */
	assert_true(strstr(text, "/a/x") || strstr(text, "/other"));
}

/* ---- at random ---- */

#define N_NAMES 12
#define N_STEPS 600

struct random {
	struct side *side;
	uint64_t next_id;
	unsigned seed;
};

static unsigned draw(struct random *random, unsigned n)
{
	return (unsigned)rand_r(&random->seed) % n;
}

static struct mafs_node *draw_dir(struct random *random)
{
	struct mafs_names *names = random->side->master->names;

	for (int i = 0; i < 100; i++) {
		struct mafs_node *node = mafs_names_node(
			names, 1 + draw(random, (unsigned)random->next_id));

		if (node && node->dir && (node->id == ROOT || node->n_names))
			return node;
	}
	return mafs_names_node(names, ROOT);
}

static void draw_name(struct random *random, char ret[static 32])
{
	static const char *const odd[] = { ".mafs", ".mafs.mafs", ".lost" };
	unsigned n = draw(random, N_NAMES);

	if (n < MAFS_ARRAY_SIZE(odd))
		strcpy(ret, odd[n]);
	else
		(void)snprintf(ret, 32, "n%u", n);
}

static void step_rename(struct random *random, struct mafs_node *dir,
			const struct mafs_name *from)
{
	struct mafs_names *names = random->side->master->names;
	struct mafs_node *to = draw_dir(random);
	struct mafs_node *node = from->node;
	const struct mafs_name *there;
	char old[32], new[32];
	bool exchange = draw(random, 3) == 0;

	strcpy(old, from->name);
	draw_name(random, new);
	there = mafs_names_lookup(names, to, new);
	if (node->dir && mafs_names_is_beneath(names, to, node))
		return;
	if (there && (there->node == node || exchange) &&
	    (there->node == node ||
	     (there->node->dir &&
	      mafs_names_is_beneath(names, dir, there->node))))
		return;
	if (there && !exchange &&
	    (!there->node->dir != !node->dir ||
	     (there->node->dir && !mafs_names_is_empty(there->node))))
		return;
	if (!there)
		exchange = false;
	log_entry(random->side,
		  rename_entry(dir->id, old, to->id, new, node->id,
			       there ? there->node->id : 0,
			       exchange ? MAFS_OMF_RENAME_EXCHANGE : 0));
}

static void step(struct random *random)
{
	struct mafs_memory_volume *master = random->side->master;
	struct mafs_node *dir = draw_dir(random);
	const struct mafs_name *found;
	char name[32];

	draw_name(random, name);
	found = mafs_names_lookup(master->names, dir, name);
	if (!found && draw(random, 3) == 0) {
		t_memvol_mkdir(master, dir->id, name, random->next_id++);
	} else if (!found) {
		struct mafs_node *other = mafs_names_node(
			master->names,
			1 + draw(random, (unsigned)random->next_id));

		if (other && !other->dir && other->n_names)
			log_entry(random->side,
				  t_name_entry(MAFS_OMF_NAME, dir->id, name,
					       other->id));
		else
			t_memvol_create(master, dir->id, name,
					random->next_id++,
					draw(random, 3) * 3000);
	} else if (draw(random, 2)) {
		step_rename(random, dir, found);
	} else if (!found->node->dir || mafs_names_is_empty(found->node)) {
		uint64_t id = found->node->id;

		t_memvol_unlink(master, dir->id, name, id);
	} else {
		log_entry(random->side,
			  (struct mafs_entry){
				  .type = MAFS_OMF_ATTR,
				  .attr = { .id = found->node->id,
					    .mask = MAFS_OMF_ATTR_UID,
					    .uid = draw(random, 9) } });
	}
}

static void test_random_changes_are_followed(void **state)
{
	struct side *side = *state;
	struct random random = { side, 2, 4711 };

	begin(side);
	for (int i = 1; i <= N_STEPS; i++) {
		step(&random);
		if (draw(&random, 6) == 0)
			follow(side);
		if (i % 60 == 0) {
			follow(side);
			assert_kept(side);
		}
	}
}

/* ---- reading ---- */

static struct mafs_memory_volume *load(const struct side *side,
				       const char *name)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_memory_volume *volume;

	must(mafs_names_shadow_load(t_path(side->place, name), NULL, 0, &volume,
				    &fault),
	     &fault);
	return volume;
}

static void test_a_shadow_read_is_the_volume(void **state)
{
	struct side *side = *state;
	struct random random = { side, 20, 99 };
	struct mafs_memory_volume *loaded;

	make_all_kinds(side);
	for (int i = 0; i < 200; i++)
		step(&random);
	fill(side, side->master, "first");
	loaded = load(side, "first");
	assert_true(loaded->is_client);
	assert_true(mafs_uuid_equal(&loaded->uuid, &side->master->uuid));
	fill(side, loaded, "again");
	assert_same(side, "first", "again", "devices.yaml");
	mafs_memory_volume_close(loaded);
}

static void assert_load_fails(const struct side *side, const char *name,
			      const char *said)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_memory_volume *volume;
	int r = mafs_names_shadow_load(t_path(side->place, name), NULL, 0,
				       &volume, &fault);

	if (r >= 0 || !strstr(fault.what, said))
		fail_msg("%d \"%s\" instead of \"%s\"", r, fault.what, said);
}

static void test_faults_name_file_line_and_column(void **state)
{
	struct side *side = *state;
	_cleanup_free_ char *command = NULL;

	make_all_kinds(side);
	fill(side, side->master, "first");
	assert_true(asprintf(&command, "sed -i 's/  owner/  owned/' %s",
			     t_path(side->place, "first/dir/sub/file")) >= 0);
	assert_int_equal(system(command), 0);
	assert_load_fails(side, "first",
			  "/dir/sub/file: line 7, column 3: unknown key owned");
}

static void test_names_that_disagree_are_refused(void **state)
{
	struct side *side = *state;
	_cleanup_free_ char *command = NULL;

	make_all_kinds(side);
	fill(side, side->master, "first");
	assert_true(asprintf(&command, "sed -i 's/owner: 0/owner: 1/' %s",
			     t_path(side->place, "first/hard")) >= 0);
	assert_int_equal(system(command), 0);
	assert_load_fails(side, "first", "differs from another name of id 4");
}

static void test_extents_beyond_the_device_are_refused(void **state)
{
	struct side *side = *state;
	_cleanup_free_ char *command = NULL;

	t_memvol_create(side->master, ROOT, "file", 2, 4096);
	fill(side, side->master, "first");
	assert_true(asprintf(&command,
			     "sed -i 's/offset: .*/offset: 1099511627776/' %s",
			     t_path(side->place, "first/file")) >= 0);
	assert_int_equal(system(command), 0);
	assert_load_fails(side, "first", "/file: extent 0");
}

static void test_an_unfinished_shadow_is_refused(void **state)
{
	struct side *side = *state;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_names_shadow *shadow;

	must(mafs_names_shadow_open(t_path(side->place, "first"),
				    &side->master->uuid, &shadow, &fault),
	     &fault);
	mafs_names_shadow_close(shadow);
	assert_load_fails(side, "first", "did not end");
}

/* Written by somebody else: famfs's text, real links, no stamp. */
static void test_a_foreign_tree_is_read(void **state)
{
	struct side *side = *state;
	const char *const devices[] = { side->spec };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_memory_volume *volume;
	const struct mafs_name *found;

	assert_int_equal(mkdir(t_path(side->place, "famfs"), 0755), 0);
	assert_int_equal(mkdir(t_path(side->place, "famfs/dir"), 0750), 0);
	assert_int_equal(
		symlink("dir/file1", t_path(side->place, "famfs/link")), 0);
	t_write_file(side->place, "famfs/dir/file1",
		     "---\nfile:\n  path: dir/file1\n  size: 5000\n"
		     "  flags: 2\n  mode: 0644\n  uid: 1\n  gid: 2\n"
		     "  nextents: 1\n  simple_ext_list:\n"
		     "  - devindex: 0\n    offset: 0x200000\n"
		     "    length: 0x2000\n...\n");
	must(mafs_names_shadow_load(t_path(side->place, "famfs"), devices, 1,
				    &volume, &fault),
	     &fault);
	found = mafs_names_lookup(volume->names,
				  mafs_names_node(volume->names, ROOT), "dir");
	assert_non_null(found);
	assert_int_equal(found->node->mode, S_IFDIR | 0750);
	found = mafs_names_lookup(volume->names, found->node, "file1");
	assert_int_equal(found->node->size_bytes, 5000);
	assert_int_equal(found->node->map.extents[0].offset_bytes, 0x200000);
	found = mafs_names_lookup(volume->names,
				  mafs_names_node(volume->names, ROOT), "link");
	assert_string_equal(found->node->target, "dir/file1");
	mafs_memory_volume_close(volume);
	/* Without the device it is told so. */
	assert_load_fails(side, "famfs", "--device");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_inode_has_a_descriptor),
		TEST(test_filling_again_removes_what_does_not_belong),
		TEST(test_what_is_right_is_not_written_again),
		TEST(test_other_directories_are_refused),
		TEST(test_each_change_is_followed),
		TEST(test_path_in_a_moved_directory_is_told_elsewhere),
		TEST(test_random_changes_are_followed),
		TEST(test_a_shadow_read_is_the_volume),
		TEST(test_faults_name_file_line_and_column),
		TEST(test_names_that_disagree_are_refused),
		TEST(test_extents_beyond_the_device_are_refused),
		TEST(test_an_unfinished_shadow_is_refused),
		TEST(test_a_foreign_tree_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
