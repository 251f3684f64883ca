# SPDX-License-Identifier: Apache-2.0
"""A writer that says what was acknowledged, and what must be there after its
file system's daemon was killed.

Operations are tuples that come from a seeded generator, so the parent can
replay on a Model exactly those that had returned. The one that was under way
may have happened, not happened, or, for bytes, happened in part.
"""

import copy
import mmap
import os
import random
import struct

from syscalls import (FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, RENAME_EXCHANGE,
                      fallocate, renameat2)
from work import Child


class Node:
    def __init__(self, data=b"", mode=0o644):
        self.data, self.mode = bytearray(data), mode


class Model:
    """Names of regular files, and what they hold."""

    def __init__(self):
        self.names = {}

    def apply(self, operation):
        kind, name, *args = operation
        names = self.names
        if kind == "create":
            mode, data = args
            assert name not in names
            names[name] = Node(data, mode)
        elif kind == "rewrite":
            names[name].data[:] = args[0]
        elif kind == "write":
            offset, data = args
            self._grow(name, offset)
            names[name].data[offset:offset + len(data)] = data
        elif kind == "truncate":
            self._grow(name, args[0])
            del names[name].data[args[0]:]
        elif kind == "punch":
            offset, end = args[0], min(args[0] + args[1],
                                       len(names[name].data))
            if offset < end:
                names[name].data[offset:end] = bytes(end - offset)
        elif kind == "rename":
            names[args[0]] = names.pop(name)
        elif kind == "rename-dir":
            for old in [n for n in names if n.startswith(name + "/")]:
                names[args[0] + old[len(name):]] = names.pop(old)
        elif kind == "exchange":
            names[name], names[args[0]] = names[args[0]], names[name]
        elif kind == "link":
            names[args[0]] = names[name]
        elif kind == "unlink":
            del names[name]
        elif kind == "chmod":
            names[name].mode = args[0]
        else:
            assert kind in ("close", "mkdir", "fsync"), kind

    def _grow(self, name, size):
        data = self.names[name].data
        if len(data) < size:
            data.extend(bytes(size - len(data)))


class Real:
    """The same operations on a directory; files stay open between writes."""

    def __init__(self, top):
        self.top, self.fds = top, {}

    def path(self, name):
        return os.path.join(self.top, name)

    def fd(self, name):
        if name not in self.fds:
            self.fds[name] = os.open(self.path(name), os.O_RDWR)
        return self.fds[name]

    def close_all(self):
        while self.fds:
            os.close(self.fds.popitem()[1])

    def apply(self, operation):
        kind, name, *args = operation
        path = self.path(name)
        if kind in ("rename", "rename-dir", "exchange", "unlink", "create"):
            self.close_all()
        if kind == "create":
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, args[0])
            os.fchmod(fd, args[0])
            assert os.write(fd, args[1]) == len(args[1])
            os.close(fd)
        elif kind == "rewrite":
            fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
            assert os.write(fd, args[0]) == len(args[0])
            os.close(fd)
        elif kind == "write":
            assert os.pwrite(self.fd(name), args[1], args[0]) == len(args[1])
        elif kind == "truncate":
            os.ftruncate(self.fd(name), args[0])
        elif kind == "punch":
            fallocate(self.fd(name), FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE,
                      args[0], args[1])
        elif kind in ("rename", "rename-dir"):
            os.rename(path, self.path(args[0]))
        elif kind == "exchange":
            renameat2(path, self.path(args[0]), RENAME_EXCHANGE)
        elif kind == "link":
            os.link(path, self.path(args[0]))
        elif kind == "unlink":
            os.unlink(path)
        elif kind == "chmod":
            os.chmod(path, args[0])
        elif kind == "mkdir":
            os.mkdir(path)
        elif kind == "fsync":
            os.fsync(self.fd(name))
        elif kind == "close":
            self.close_all()


class Writer:
    """A child process that performs the operations of generate(rng)."""

    def __init__(self, top, generate, seed):
        self.top, self.generate, self.seed = top, generate, seed
        self.count = mmap.mmap(-1, 8)  # operations that have returned
        self.child = Child(self._work)

    def operations(self):
        return self.generate(random.Random(self.seed))

    def _work(self):
        real = Real(self.top)
        for i, operation in enumerate(self.operations()):
            try:
                real.apply(operation)
            except OSError:
                return  # the daemon is dead
            self.count[:] = struct.pack("q", i + 1)

    def acknowledged(self):
        return struct.unpack("q", self.count[:])[0]

    def stop(self):
        self.child.kill()

    def verify(self, top):
        """What is there now is what was acknowledged. Gives that number."""
        done = self.acknowledged()
        verify(top, self.operations(), done)
        return done


def verify(top, operations, done):
    """So many operations had returned, and one was under way."""
    before = Model()
    for _ in range(done):
        before.apply(next(operations))
    after = copy.deepcopy(before)
    pending = next(operations, ("close", ""))
    after.apply(pending)
    said = f"after {done} operations, then {str(pending)[:60]}: "
    found = {os.path.relpath(os.path.join(directory, name), top)
             for directory, _, names in os.walk(top) for name in names}
    _verify_names(found, before, after, said)
    for name in sorted(found):
        problem = _implausible(os.path.join(top, name),
                               before.names.get(name),
                               after.names.get(name), pending[0])
        assert not problem, f"{said}{name}: {problem}"


def _verify_names(found, before, after, said):
    strange = found - before.names.keys() - after.names.keys()
    assert not strange, f"{said}not expected: {sorted(strange)[:5]}"
    if found != before.names.keys() and found != after.names.keys():
        missing = (before.names.keys() & after.names.keys()) - found
        raise AssertionError(f"{said}missing: {sorted(missing)[:5]}, "
                             f"there: {sorted(found)[:5]}")


def _implausible(path, before, after, pending):
    """Why the file cannot be what it was before or after the operation that
    was under way, or None."""
    with open(path, "rb") as source:
        data = source.read()
    mode = os.stat(path).st_mode & 0o7777
    sides = [s for s in (before, after) if s is not None]
    if any(data == s.data and mode == s.mode for s in sides):
        return None
    if len(sides) == 2 and before.data == after.data \
            and before.mode == after.mode:
        return _difference(data, mode, before)
    if pending in ("rename", "rename-dir", "exchange", "link", "unlink"):
        return "neither the old nor the new: " + _difference(
            data, mode, sides[-1])
    if not any(mode == s.mode for s in sides):
        return f"mode {mode:o}"
    if pending == "create" and len(data) <= len(after.data):
        return None if after.data.startswith(data) else \
            _difference(data, mode, after)
    if pending == "rewrite" and after.data.startswith(data):
        return None
    return _mixed(data, before or after, after or before)


def _mixed(data, before, after):
    low, high = sorted((len(before.data), len(after.data)))
    if not low <= len(data) <= high:
        return f"{len(data)} bytes, expected {low} to {high}"
    a = bytes(before.data) + bytes(len(data))
    b = bytes(after.data) + bytes(len(data))
    for i, byte in enumerate(data):
        if byte not in (a[i], b[i]):
            return f"byte {i} is neither the old nor the new one"
    return None


def _difference(data, mode, wanted):
    if mode != wanted.mode:
        return f"mode {mode:o}, expected {wanted.mode:o}"
    if len(data) != len(wanted.data):
        return f"{len(data)} bytes, expected {len(wanted.data)}"
    at = next(i for i, pair in enumerate(zip(data, wanted.data))
              if pair[0] != pair[1])
    zeros = " (zeros instead)" if not any(data[at:at + 512]) else ""
    return f"byte {at} of {len(data)} is wrong{zeros}"
