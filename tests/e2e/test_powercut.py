#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""N's file system loses its power, and all memory is gone: what was fsynced is
there, and what was rewritten is neither empty nor short.

ctest: timeout=600
"""

import itertools
import os
import random
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB
from powercut import Numbers, Version, assert_mixed, cut_rounds
from runner import main, needs, scale
from tree import read_file
from work import run
from workload import environment

KIB = 1024


# ---- truncate and rewrite ----

def rewrite(path, version):
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    version.write(fd)
    return fd


def rewritten(machine, top, rng):
    """New content over old: larger, smaller, with holes; some of it fsynced."""
    sizes = rng.choice(((KIB, 64 * KIB), (64 * KIB, MIB), (KIB, MIB),
                        (MIB, scale(8, 64) * MIB)))
    n_files = 3 if max(sizes) > MIB else 8
    seed = rng.randrange(1 << 30)

    def version(k, number):
        own = random.Random(f"{seed} {k} {number}")
        return Version(number, own.choice(sizes), own.random() < 0.3)

    paths = [f"{top}/{k}" for k in range(n_files)]
    for k, path in enumerate(paths):
        with open(path, "wb") as out:
            version(k, 0).write(out.fileno())
    machine.vol.sync()
    for path in paths:
        if rng.random() < 0.5:
            machine.vol.push(path)

    began, fsynced = 0, n_files
    numbers = Numbers(2 * n_files)

    def work():
        own = random.Random(seed)
        for number in itertools.count(1):
            for k, path in enumerate(paths):
                numbers[began + k] = number
                fd = rewrite(path, version(k, number))
                if own.random() < 0.2:
                    os.fsync(fd)
                    numbers[fsynced + k] = number
                os.close(fd)

    said = yield work, numbers
    for k, path in enumerate(paths):
        first, last = said[fsynced + k], numbers[began + k]
        assert_mixed(path, [version(k, i) for i in range(first, last + 1)])


@needs("mafs")
def test_cut_trunc_rewrite(work):
    cut_rounds(work, "cut_trunc_rewrite", scale(2, 16), rewritten)


# ---- O_DSYNC ----

def synchronous(machine, top, rng):
    """Records appended with O_DSYNC, O_SYNC and RWF_DSYNC."""
    sizes = [rng.choice((16, 512, 4096, 5000)) for _ in range(3)]
    numbers = Numbers(3)

    def record(k, i):
        return random.Random(f"{k} {i}").randbytes(sizes[k])

    def append(k, fd, flags):
        data = record(k, numbers[k])
        assert os.pwritev(fd, [data], numbers[k] * len(data),
                          flags) == len(data)
        numbers[k] += 1

    def work():
        creating = os.O_WRONLY | os.O_CREAT
        a = os.open(f"{top}/0", creating | os.O_DSYNC | os.O_APPEND)
        b = os.open(f"{top}/1", creating | os.O_SYNC)
        c = os.open(f"{top}/2", creating)
        os.fsync(c)
        while True:
            append(0, a, 0)
            append(1, b, 0)
            append(2, c, os.RWF_DSYNC)

    said = yield work, numbers
    for k, n_acknowledged in enumerate(said):
        data = read_file(f"{top}/{k}") if n_acknowledged else b""
        for i in range(n_acknowledged):
            found = data[i * sizes[k]:(i + 1) * sizes[k]]
            assert found == record(k, i), (
                f"file {k}: record {i} of {n_acknowledged} acknowledged is "
                f"lost, the file has {len(data)} bytes")


def test_odsync_powercut(work):
    cut_rounds(work, "odsync_powercut", scale(1, 12), synchronous)


# ---- sqlite ----

def committed_rows(machine, top, rng):
    mode = rng.choice(("DELETE", "TRUNCATE", "WAL"))
    numbers, seed = Numbers(1), rng.randrange(1 << 30)

    def connect():
        database = sqlite3.connect(f"{top}/db", isolation_level=None)
        database.execute(f"PRAGMA journal_mode={mode}")
        database.execute("PRAGMA synchronous=EXTRA")
        return database

    def row(i):
        own = random.Random(f"{seed} {i}")
        return own.randbytes(own.choice((20, 900, 9000)))

    database = connect()
    database.execute("CREATE TABLE t (i INTEGER PRIMARY KEY, data BLOB)")
    database.close()

    def work():
        own = connect()
        for i in itertools.count(1):
            own.execute("BEGIN")
            own.execute("INSERT INTO t VALUES (?, ?)", (i, row(i)))
            own.execute("COMMIT")
            numbers[0] = i

    said = yield work, numbers
    database = connect()
    sound = database.execute("PRAGMA integrity_check").fetchone()[0]
    assert sound == "ok", f"{mode}: {sound}"
    rows = database.execute("SELECT i, data FROM t ORDER BY i").fetchall()
    database.close()
    assert len(rows) >= said[0], \
        f"{mode}: {said[0]} rows were committed, {len(rows)} are there"
    for i, (key, data) in enumerate(rows, 1):
        assert key == i and data == row(i), f"{mode}: row {i} is wrong"


def test_cut_sqlite(work):
    cut_rounds(work, "cut_sqlite", scale(1, 12), committed_rows)


# ---- git ----

def fsync_all(top):
    """git flushes files, but not the directories that name them."""
    for directory, _, names in os.walk(top):
        for path in [directory] + [f"{directory}/{name}" for name in names]:
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)


def commits(machine, top, rng):
    environ = environment(machine.vol.work.join("home"))
    numbers, notes = Numbers(1), machine.vol.work.join("commits")

    def git(*args, **more):
        return run(["git", "-C", top, "-c", "core.fsync=all",
                    "-c", "gc.auto=0", *args], env=environ, **more).stdout

    git("init", "-q", "-b", "main")
    with open(notes, "w"):
        pass

    def work():
        with open(notes, "a") as said:
            for i in itertools.count(1):
                with open(f"{top}/file", "a") as out:
                    out.write(f"line {i}\n" * 50)
                git("add", "file")
                git("commit", "-q", "-m", f"commit {i}")
                name = git("rev-parse", "HEAD")
                fsync_all(f"{top}/.git")
                said.write(name)
                said.flush()
                numbers[0] = i

    said = yield work, numbers
    name = read_file(notes).decode().split()[said[0] - 1]
    done = run(["git", "-C", top, "fsck", "--full", "--strict"], env=environ,
               check=False)
    assert done.returncode == 0, f"git fsck: {done.stdout}{done.stderr}"
    git("merge-base", "--is-ancestor", name, "HEAD")
    content = git("show", f"{name}:file")
    lines = "".join(f"line {i}\n" * 50 for i in range(1, said[0] + 1))
    assert content == lines, f"commit {said[0]} has other content"


@needs("git")
def test_cut_git(work):
    cut_rounds(work, "cut_git", scale(1, 8), commits)


if __name__ == "__main__":
    main()
