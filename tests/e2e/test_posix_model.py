#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same random operations on the mount and on a plain file system: every
answer and the trees afterwards are the same. A failure prints a short script;
kept as tests/e2e/model/*.txt it is performed each time. MAFS_TEST_SEED names
the seed of the fresh run.

ctest: timeout=900
"""

import glob
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from model import Mismatch, Model, read_script
from runner import main, scale

KEPT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "model")
FIXED_SEED = 1
FRESH_SEED = int(os.environ.get("MAFS_TEST_SEED") or
                 random.SystemRandom().randrange(10**6))
N_OPERATIONS = 500
# Written back by itself: not soon, and at once; written past the daemon.
OPTIONS = ("", "writeback_after=0", "writes=passthrough")


def perform(work, seed, n_sequences, **more):
    n_operations = 0
    for i, options in enumerate(OPTIONS):
        model = Model(work.sub(f"options-{i}"), options)
        for k in range(n_sequences):
            model.random(seed + k, N_OPERATIONS, **more)
        model.done()
        n_operations += model.n_operations
    print(f"model: operations={n_operations} "
          f"sequences={n_sequences * len(OPTIONS)} seed={seed}", flush=True)


def test_kept_scripts_answer_as_on_disk(work):
    for i, options in enumerate(OPTIONS):
        model = Model(work.sub(f"options-{i}"), options)
        for path in sorted(glob.glob(f"{KEPT}/*.txt")):
            try:
                model.perform(read_script(path))
            except Mismatch as error:
                raise Mismatch(f"{os.path.basename(path)}, "
                               f"{options}: {error}") from None
        model.done()


def test_random_operations_answer_as_on_disk(work):
    perform(work, FIXED_SEED, scale(15, 1000))


def test_random_operations_of_a_fresh_seed_answer_as_on_disk(work):
    print(f"fresh seed {FRESH_SEED}", flush=True)
    perform(work, FRESH_SEED, scale(15, 1000))


def test_random_operations_between_kills_answer_as_on_disk(work):
    perform(work, FRESH_SEED, scale(6, 1000), kill_every=100)


if __name__ == "__main__":
    main(limit_s=scale(400, 3600))
