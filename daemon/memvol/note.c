// SPDX-License-Identifier: Apache-2.0
/*
 * What a client's kernel is to forget, as the log says. It is noted first, and
 * told by the thread that follows, with no lock held: the kernel may wait for a
 * request that follows the log itself.
 */
#include "memvol.h"

#include <string.h>

enum note_kind {
	NOTE_ENTRY,
	NOTE_ATTRIBUTES,
	NOTE_DATA,
};

struct mafsm_note {
	struct mafsm_note *next;
	enum note_kind kind;
	uint64_t id; /* of the parent, for a name */
	char name[];
};

static void add_note(struct mafsm *m, enum note_kind kind, uint64_t id,
		     const char *name)
{
	struct mafsm_note *note = malloc(sizeof(*note) + strlen(name) + 1);

	/* What it remembers without this is over in a second. */
	if (!note)
		return;
	note->next = NULL;
	note->kind = kind;
	note->id = id;
	strcpy(note->name, name);
	mafs_guard(&m->tend_lock);
	*m->last_note = note;
	m->last_note = &note->next;
}

static void forget_name(struct mafsm *m, uint64_t parent, const char *name)
{
	add_note(m, NOTE_ENTRY, parent, name);
}

static void forget_attributes(struct mafsm *m, uint64_t id)
{
	add_note(m, NOTE_ATTRIBUTES, id, "");
}

static void forget_data(struct mafsm *m, uint64_t id)
{
	add_note(m, NOTE_DATA, id, "");
}

static void send_note(struct mafsm *m, const struct mafsm_note *note)
{
	if (!m->kernel)
		return;
	if (note->kind == NOTE_ENTRY)
		m->kernel->inval_entry(m->kernel_context, note->id, note->name);
	else if (note->kind == NOTE_DATA)
		m->kernel->inval_data(m->kernel_context, note->id);
	else
		m->kernel->inval_attr(m->kernel_context, note->id);
}

void mafsm_send_notes(struct mafsm *m)
{
	struct mafsm_note *note, *next;

	pthread_mutex_lock(&m->tend_lock);
	note = take_ptr(m->first_note);
	m->last_note = &m->first_note;
	pthread_mutex_unlock(&m->tend_lock);
	for (; note; note = next) {
		next = note->next;
		send_note(m, note);
		free(note);
	}
}

void mafsm_note_entry(struct mafsm *m, const struct mafs_entry *entry)
{
	switch (entry->type) {
	case MAFS_OMF_NAME:
	case MAFS_OMF_UNNAME:
		forget_name(m, entry->name.parent, entry->name.name);
		forget_attributes(m, entry->name.parent);
		forget_attributes(m, entry->name.id);
		break;
	case MAFS_OMF_RENAME:
		forget_name(m, entry->rename.parent, entry->rename.name);
		forget_name(m, entry->rename.new_parent,
			    entry->rename.new_name);
		forget_attributes(m, entry->rename.parent);
		forget_attributes(m, entry->rename.new_parent);
		forget_attributes(m, entry->rename.id);
		break;
	case MAFS_OMF_NODE:
		forget_attributes(m, entry->node.id);
		break;
	case MAFS_OMF_XATTR:
		forget_attributes(m, entry->xattr.id);
		break;
	case MAFS_OMF_ATTR:
		/* Bytes that were stored in place are told by their time. */
		forget_data(m, entry->attr.id);
		break;
	case MAFS_OMF_EXTENTS:
		forget_data(m, entry->extents.id);
		break;
	case MAFS_OMF_SIZE:
		forget_data(m, entry->size.id);
		break;
	default:
		break;
	}
}

int mafsm_note_node(void *context, struct mafs_node *node)
{
	struct mafsm *m = context;
	const struct mafs_name *name;

	for (name = node->names; name; name = name->next_of_node)
		forget_name(m, name->parent->id, name->name);
	if (S_ISREG(node->mode))
		forget_data(m, node->id);
	else
		forget_attributes(m, node->id);
	return 0;
}
