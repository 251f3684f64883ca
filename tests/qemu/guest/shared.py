#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""In guests that share a memory device: what the master's programs do, and
what a client's see.

usage: shared.py change TOP SEED N | read TOP N | digest TOP
"""

import hashlib
import os
import random
import sys

sys.path[:0] = ["/mafs/tests/e2e", "/mafs/tests/harness"]
from test_memory_client import change_one, read_one, tree_of

N_FILES = 8


def change(top, seed, n):
    rand = random.Random(int(seed))
    for version in range(int(n)):
        change_one(top, rand, N_FILES, version)
    os.sync()


def read(top, n):
    """So many reads that found a file, each of its own bytes."""
    rand = random.Random()
    n_read = 0
    while n_read < int(n):
        n_read += read_one(top, rand.randrange(N_FILES))
    print(n_read)


def digest(top):
    tree = tree_of(top)
    print(tree and hashlib.sha256(repr(sorted(tree.items())).encode())
          .hexdigest())


{"change": change, "read": read, "digest": digest}[sys.argv[1]](*sys.argv[2:])
