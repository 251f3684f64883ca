#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the daemon while programs write, then `mafs mount` again: all
that had returned is there, nothing is swapped, resurrected or more readable.

ctest: timeout=600
"""

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from crash import Writer
from mafs import Volume
from runner import main, scale
from tree import assert_same, manifest
from work import PLAIN

ROUNDS = int(os.environ.get("MAFS_TEST_ROUNDS", scale(5, 50)))
SEED = int(os.environ.get("MAFS_TEST_SEED", time.time_ns() & 0xffff))


def data(rng, limit=40000):
    return rng.randbytes(rng.choice((1, 100, 4096, rng.randrange(1, limit))))


# What programs do. Each yields operations for ever.

def writes(rng):
    """Overwriting and appending in files that stay open."""
    for name in "abc":
        yield "create", name, 0o644, data(rng)
    while True:
        name = rng.choice("abc")
        yield "write", name, rng.randrange(300000), data(rng)
        if rng.random() < 0.05:
            yield "close", ""
        if rng.random() < 0.02:
            yield "fsync", name


def renames(rng):
    """mv a b; mv c a; and a new c."""
    for name in "abc":
        yield "create", name, 0o644, data(rng)
    while True:
        yield "rename", "a", "b"
        yield "rename", "c", "a"
        yield "create", "c", 0o644, data(rng)
        if rng.random() < 0.3:
            yield "write", "a", 10, data(rng)


def exchanges(rng):
    """A secret and a public file change their names."""
    yield "create", "secret", 0o600, b"secret" + data(rng)
    yield "create", "public", 0o644, b"public" + data(rng)
    while True:
        yield "exchange", "secret", "public"
        if rng.random() < 0.3:
            yield "write", rng.choice(("secret", "public")), 6, data(rng)
        if rng.random() < 0.1:
            yield "rewrite", rng.choice(("secret", "public")), data(rng)


def recreations(rng):
    """The same name again and again; the inode number is reused."""
    while True:
        yield "create", "f", rng.choice((0o600, 0o644)), data(rng)
        if rng.random() < 0.5:
            yield "write", "f", rng.randrange(50000), data(rng)
        if rng.random() < 0.3:
            yield "link", "f", "kept"
            yield "unlink", "f"
            yield "create", "f", 0o640, data(rng)
            yield "unlink", "kept"
        yield "unlink", "f"


def sparse(rng):
    """Holes made, filled and made again."""
    yield "create", "f", 0o644, b"x"
    while True:
        choice = rng.randrange(4)
        if choice == 0:
            yield "truncate", "f", rng.randrange(400000)
        elif choice == 1:
            yield "punch", "f", rng.randrange(300000), rng.randrange(1, 90000)
        else:
            yield "write", "f", rng.randrange(400000), data(rng)
        if rng.random() < 0.05:
            yield "close", ""


def rewrites(rng):
    """O_TRUNC and new content, shorter and longer."""
    for name in "ab":
        yield "create", name, 0o644, data(rng)
    while True:
        yield "rewrite", rng.choice("ab"), data(rng)


def replacements(rng):
    """As editors save: a new file renamed over the old one."""
    yield "create", "f", 0o644, data(rng)
    while True:
        yield "create", "f.new", 0o600, data(rng)
        yield "chmod", "f.new", 0o644
        if rng.random() < 0.2:
            yield "fsync", "f.new"
        yield "rename", "f.new", "f"


def directories(rng):
    """Dirty files whose directories move."""
    yield "mkdir", "one"
    yield "mkdir", "one/deep"
    for name in ("one/f", "one/deep/g"):
        yield "create", name, 0o644, data(rng)
    while True:
        for old, new in (("one", "two"), ("two", "one")):
            yield "rename-dir", old, new
            yield "write", f"{new}/f", rng.randrange(9000), data(rng)
            if rng.random() < 0.4:
                yield "write", f"{new}/deep/g", rng.randrange(90), data(rng)


def no_leftovers(directory):
    for top, _, names in os.walk(directory):
        for name in names:
            assert ".mafs-conflict-" not in name, f"conflict copy {top}/{name}"
            assert "lost+found" not in top, f"{name} in lost+found"


def survive(work, generate, synced=False):
    """Rounds of: write, kill at a random instant, mount, look."""
    rng = random.Random(SEED)
    vol = Volume(work, options="writeback_after=1").mount()
    shown, total = {}, 0
    for i in range(ROUNDS):
        top = f"round-{i}"
        os.mkdir(f"{vol.mnt}/{top}")
        seed = rng.randrange(1 << 30)
        writer = Writer(f"{vol.mnt}/{top}", generate, seed)
        time.sleep(rng.uniform(0.02, 0.6))
        if synced:
            vol.sync()
            time.sleep(rng.uniform(0, 0.05))
        vol.kill()
        time.sleep(0.02)
        writer.stop()
        vol.mount()
        if rng.random() < 0.3:
            vol.kill()  # again, with nothing done since
            vol.mount()
        try:
            total += writer.verify(f"{vol.mnt}/{top}")
            no_leftovers(vol.mnt)
        except AssertionError as error:
            raise AssertionError(f"MAFS_TEST_SEED={SEED} round {i}: {error}"
                                 ) from None
        shown[top] = manifest(f"{vol.mnt}/{top}")
    assert total > ROUNDS, "the writers did next to nothing"
    vol.umount()
    for top, was in shown.items():
        assert_same(manifest(f"{vol.dir}/{top}"), was,
                    what=f"{top} after the umount: ")
    if not PLAIN:
        no_leftovers(vol.dir)


def test_writes_survive(work):
    survive(work, writes)


def test_writes_survive_with_write_back_between(work):
    survive(work, writes, synced=True)


def test_rename_chains_survive(work):
    survive(work, renames)


def test_exchanges_of_different_modes_survive(work):
    survive(work, exchanges)


def test_names_used_again_survive(work):
    survive(work, recreations)


def test_sparse_rewrites_survive(work):
    survive(work, sparse)


def test_truncating_rewrites_survive(work):
    survive(work, rewrites)


def test_truncating_rewrites_survive_with_write_back_between(work):
    survive(work, rewrites, synced=True)


def test_replacements_by_rename_survive(work):
    survive(work, replacements)


def test_renamed_directories_survive(work):
    survive(work, directories)


if __name__ == "__main__":
    main()
