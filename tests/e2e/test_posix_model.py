#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same random operations on the mount and on a plain file system: every
answer and the trees afterwards are the same. MAFS_TEST_SEED names a first seed.
"""

import errno
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import Volume
from runner import main, scale
from syscalls import (FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, RENAME_EXCHANGE,
                      RENAME_NOREPLACE, fallocate, renameat2)
from tree import assert_same, manifest
from work import run

FIRST_SEED = int(os.environ.get("MAFS_TEST_SEED", "1"))
N_OPERATIONS = scale(600, 6000)
LARGEST = 200000


class Twin:
    """Each operation is done twice; both outcomes must agree."""

    def __init__(self, tops, seed):
        self.tops, self.rng = tops, random.Random(seed)
        self.files = []  # pairs of descriptors

    def name(self):
        parts = [self.rng.choice("abcd") for _ in range(self.rng.choice(
            (1, 1, 2, 2, 3)))]
        return "/".join(parts)

    def both(self, what, operation):
        outcomes = []
        for side in (0, 1):
            try:
                outcomes.append(operation(side))
            except OSError as error:
                outcomes.append(errno.errorcode[error.errno])
        short = [repr(o)[:60] for o in outcomes]
        assert outcomes[0] == outcomes[1], \
            f"{what}: {short[0]}, on the plain file system {short[1]}"
        return outcomes[0]

    def path(self, side, name):
        return os.path.join(self.tops[side], name)

    def stat(self, st):
        kind = st.st_mode >> 12
        return (st.st_mode, st.st_uid, st.st_gid, st.st_nlink,
                st.st_size if kind != 4 else None)

    # Operations: of names

    def do_mkdir(self):
        name, bits = self.name(), self.rng.choice((0o755, 0o700, 0o2770))
        self.both(f"mkdir {name}",
                  lambda s: os.mkdir(self.path(s, name), bits))

    def do_rmdir(self):
        name = self.name()
        self.both(f"rmdir {name}", lambda s: os.rmdir(self.path(s, name)))

    def do_unlink(self):
        name = self.name()
        self.both(f"unlink {name}", lambda s: os.unlink(self.path(s, name)))

    def do_rename(self):
        a, b = self.name(), self.name()
        flags = self.rng.choice((0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE))
        self.both(f"rename {a} {b} {flags}", lambda s: renameat2(
            self.path(s, a), self.path(s, b), flags))

    def do_link(self):
        a, b = self.name(), self.name()
        self.both(f"link {a} {b}", lambda s: os.link(
            self.path(s, a), self.path(s, b), follow_symlinks=False))

    def do_symlink(self):
        target, name = self.name(), self.name()
        self.both(f"symlink {name}",
                  lambda s: os.symlink(target, self.path(s, name)))

    def do_list(self):
        name = self.name()
        self.both(f"list {name}",
                  lambda s: sorted(os.listdir(self.path(s, name))))

    def do_stat(self):
        name = self.name()
        self.both(f"stat {name}",
                  lambda s: self.stat(os.lstat(self.path(s, name))))

    def do_chmod(self):
        name, bits = self.name(), self.rng.randrange(0o10000)
        self.both(f"chmod {name}", lambda s: os.chmod(self.path(s, name),
                                                      bits))

    def do_chown(self):
        name, uid = self.name(), self.rng.choice((-1, 0, 1000))
        self.both(f"chown {name}", lambda s: os.lchown(self.path(s, name), uid,
                                                       uid))

    def do_utime(self):
        name, ns = self.name(), self.rng.randrange(2 * 10**18)
        self.both(f"utime {name}",
                  lambda s: os.utime(self.path(s, name), ns=(ns, ns)))

    def do_xattr(self):
        name, value = self.name(), self.rng.randbytes(20)
        self.both(f"setxattr {name}", lambda s: os.setxattr(
            self.path(s, name), "user.x", value))

    # of files

    def do_open(self):
        if len(self.files) >= 8:
            return self.do_close()
        name = self.name()
        flags = self.rng.choice((os.O_RDONLY, os.O_RDWR, os.O_RDWR))
        for flag in (os.O_CREAT, os.O_CREAT, os.O_TRUNC, os.O_APPEND,
                     os.O_EXCL):
            flags |= self.rng.choice((0, flag))
        pair = [None, None]

        def attempt(s):
            pair[s] = os.open(self.path(s, name), flags, 0o640)

        if self.both(f"open {name} {flags:o}", attempt) is None:
            self.files.append(pair)
        return None

    def do_close(self):
        if self.files:
            pair = self.files.pop(self.rng.randrange(len(self.files)))
            self.both("close", lambda s: os.close(pair[s]))

    def on_file(self, what, operation):
        if not self.files:
            return self.do_open()
        pair = self.rng.choice(self.files)
        self.both(what, lambda s: operation(pair[s]))
        self.both(f"fstat after {what}",
                  lambda s: self.stat(os.fstat(pair[s])))
        return None

    def do_write(self):
        data = self.rng.randbytes(self.rng.choice((1, 100, 4096, 30000)))
        offset = self.rng.randrange(LARGEST)
        self.on_file(f"write {len(data)} at {offset}",
                     lambda fd: os.pwrite(fd, data, offset))

    def do_append(self):
        data = self.rng.randbytes(50)
        self.on_file("write at the position", lambda fd: os.write(fd, data))

    def do_read(self):
        length, offset = self.rng.randrange(60000), self.rng.randrange(LARGEST)
        self.on_file(f"read {length} at {offset}",
                     lambda fd: os.pread(fd, length, offset))

    def do_truncate(self):
        size = self.rng.randrange(LARGEST)
        self.on_file(f"truncate to {size}", lambda fd: os.ftruncate(fd, size))

    def do_punch(self):
        offset, length = self.rng.randrange(LARGEST), self.rng.randrange(50000)
        self.on_file(f"punch {length} at {offset}", lambda fd: fallocate(
            fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, offset, length + 1))

    def do_fsync(self):
        self.on_file("fsync", os.fsync)

    def done(self):
        while self.files:
            self.do_close()


def compare(work, seed, every=None):
    """every(step): what else happens between the operations."""
    vol = Volume(work, options="writeback_after=1").mount()
    plain = work.join("plain")
    os.mkdir(plain)
    os.mkdir(f"{vol.mnt}/top")
    twin = Twin((f"{vol.mnt}/top", plain), seed)
    operations = [getattr(twin, name) for name in dir(twin)
                  if name.startswith("do_")]
    weights = [4 if o.__name__ in ("do_write", "do_open", "do_read") else 1
               for o in operations]
    for step in range(N_OPERATIONS):
        try:
            twin.rng.choices(operations, weights)[0]()
            if every:
                every(vol, step)
        except AssertionError as error:
            raise AssertionError(f"seed {seed} step {step}: {error}") from None
    twin.done()
    ignore = ("mtime_ns",)
    assert_same(manifest(f"{vol.mnt}/top"), manifest(plain), ignore,
                f"seed {seed}, through the mount: ")
    shown = manifest(f"{vol.mnt}/top")
    vol.umount()
    assert_same(manifest(f"{vol.dir}/top"), shown,
                what=f"seed {seed}, after the umount: ")


def test_random_operations_answer_as_on_disk(work):
    for seed in range(FIRST_SEED, FIRST_SEED + scale(4, 40)):
        compare(work.sub(str(seed)), seed)


def test_random_operations_between_syncs_and_evictions(work):
    def every(vol, step):
        if step % 40 == 0:
            vol.sync()
        if step % 60 == 30:
            run(["mafs", "push", vol.mnt], check=False)  # open ones stay
        if step % 60 == 45:
            run(["mafs", "pull", vol.mnt], check=False)

    for seed in range(FIRST_SEED + 1000, FIRST_SEED + 1000 + scale(2, 20)):
        compare(work.sub(str(seed)), seed, every)


if __name__ == "__main__":
    main()
