#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random operations on memory volumes and on a plain file system, as
test_posix_model.py; each sequence is compared once more after another mount."""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from model import Model
from runner import main, scale

FIXED_SEED = 100
FRESH_SEED = int(os.environ.get("MAFS_TEST_SEED") or
                 random.SystemRandom().randrange(10**6))
N_OPERATIONS = 500


def perform(work, kind, seed, n_sequences, **more):
    print(f"seed {seed}", flush=True)
    model = Model(work, memory=kind)
    for k in range(n_sequences):
        model.random(seed + k, N_OPERATIONS, **more)
    model.done()
    print(f"model: kind={kind} operations={model.n_operations} "
          f"sequences={n_sequences} seed={seed}", flush=True)


def test_random_operations_on_a_file(work):
    perform(work, "file", FIXED_SEED, scale(12, 500))


def test_random_operations_of_a_fresh_seed_on_a_file(work):
    perform(work, "file", FRESH_SEED, scale(6, 500))


def test_random_operations_of_a_fresh_seed_on_a_memfd(work):
    perform(work, "memfd", FRESH_SEED, scale(6, 500))


def test_random_operations_between_kills(work):
    perform(work, "file", FRESH_SEED, scale(12, 500), kill_every=100)


if __name__ == "__main__":
    main()
