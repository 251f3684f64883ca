// SPDX-License-Identifier: Apache-2.0
#include "queue.h"

void mafs_policy_queue_append(struct mafs_policy_queue *queue,
			      struct mafs_policy_file *file)
{
	file->prev = queue->last;
	file->next = NULL;
	*(queue->last ? &queue->last->next : &queue->first) = file;
	queue->last = file;
	queue->n++;
	queue->weight += mafs_policy_weight(file);
	file->queue = file->home = queue;
}

void mafs_policy_queue_remove(struct mafs_policy_file *file)
{
	struct mafs_policy_queue *queue = file->queue;

	if (!queue)
		return;
	*(file->prev ? &file->prev->next : &queue->first) = file->next;
	*(file->next ? &file->next->prev : &queue->last) = file->prev;
	queue->n--;
	queue->weight -= mafs_policy_weight(file);
	file->prev = file->next = NULL;
	file->queue = NULL;
}
