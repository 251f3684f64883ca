/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that change something, counted; the process ends hard at
 * the n-th. For programs linked with mafs_fault_calls() of fault_calls.cmake,
 * which leads the calls of mafs here.
 *
 * A flush is counted and does nothing: who is killed loses no page cache, and
 * what a power cut takes is fault_tier's to know.
 */
#pragma once

#include <stdbool.h>

/* Exit codes. */
#define FAULT_STOPPED 86
#define FAULT_STOPPED_AT_STORE 87 /* it may also be torn */

enum fault_stop {
	FAULT_BEFORE, /* the n-th call is not made */
	FAULT_TORN, /* of the n-th call, a store, half is made */
};

/* Counts from 0; stops at the @n-th call from now, the first is 1; 0: never. */
void fault_calls_stop_at(unsigned int n, enum fault_stop how);
unsigned int fault_calls_count(void);
/* The machine was started anew, as far as mafs can tell. */
void fault_calls_new_boot(void);
