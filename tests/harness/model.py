# SPDX-License-Identifier: Apache-2.0
"""Performs a script (model_script.py) on a volume's mount and on a plain file
system. Every answer must agree, and afterwards names, content and attributes:
through the mount, and in the volume's directory once all is written back. A
script that fails is made short.

Lines that only the volume performs:

    sync | push NAME | pull NAME | kill     kill: -9, then mounted again

On a memory volume push and pull do nothing, and what was to be in the
directory shows after another mount.
"""

import itertools
import os
import random
import time

from mafs import Volume
from memory import MemoryVolume
from model_script import Generator
from model_side import Side
from tree import differences, manifest
from work import run

SHRINK_S = 60


class Mismatch(AssertionError):
    pass


class Model:
    """A volume, and scripts performed on it one after the other, each in a
    directory of its own."""

    def __init__(self, work, options="", memory=None):
        """memory: a kind: a memory volume's."""
        self.options, self.numbers = options or memory, itertools.count(1)
        self.memory = memory
        self.plain = work.join("plain")
        os.mkdir(self.plain)
        self.vol = MemoryVolume(work, memory) if memory else \
            Volume(work, options=options)
        self.vol.mount()
        self.n_operations = self.n_sequences = 0

    def perform(self, lines):
        """Raises Mismatch."""
        if not self.vol.alive():
            self.vol.discard()
            self.vol.mount()
        name = str(next(self.numbers))
        plain = Side(os.path.join(self.plain, name))
        sides = [Side(os.path.join(self.vol.mnt, name), plain), plain]
        for side in sides:
            os.mkdir(side.top)
        try:
            for number, line in enumerate(lines, 1):
                self._step(sides, number, line)
        except Exception:
            raise
        except BaseException:  # too late, or told to end
            print(f"stopped in line {number}, {line}", flush=True)
            raise
        finally:
            for side in sides:
                side.close_all()
        self._compare("through the mount", sides)
        if self.memory == "file":
            self.vol.umount()
            self.vol.mount()
            self._compare("after another mount", sides)
        elif not self.memory:
            self.vol.sync()
            self._compare("after the sync", sides,
                          os.path.join(self.vol.dir, name))
        self.n_sequences += 1

    def _step(self, sides, number, line):
        kind, answers = line.split()[0], ["moved"]
        if kind in ("sync", "push", "pull"):
            self._move(sides[0], line)
        elif kind == "kill":
            self._kill(sides)
        else:
            answers = [side.perform(line) for side in sides]
            if answers[0] != answers[1]:
                raise Mismatch(f"line {number}, {line}: {answers[0]}, on the "
                               f"plain file system {answers[1]}")
        self.n_operations += answers[0] != "nothing"

    def _move(self, side, line):
        kind, *names = line.split()
        if kind == "sync":
            self.vol.sync()
        elif not self.memory:  # what is open, or no file, stays where it is
            run(["mafs", kind, *map(side.path, names)], check=False)

    def _kill(self, sides):
        for side in sides:
            side.unmap_all()
        if self.memory:  # the times of writes in place
            sides[0].fsync_all()
        self.vol.kill()
        for side in sides:
            side.close_all()
        self.vol.mount()
        self._compare("after the kill", sides)

    def _compare(self, when, sides, top=None):
        found = differences(_shown(top or sides[0].top, sides[0].mtime),
                            _shown(sides[1].top, sides[1].mtime))
        if found:
            raise Mismatch(f"{when}: {'; '.join(found)}")

    def random(self, seed, n_operations, volume_every=25, kill_every=0):
        lines = list(Generator(random.Random(seed)).script(
            n_operations, volume_every, kill_every))
        try:
            self.perform(lines)
        except Mismatch as error:
            short = self.shrink(lines)
            text = "\n".join(short)
            print(f"# seed {seed}, {self.options or 'no options'}\n{text}",
                  flush=True)
            raise Mismatch(f"seed {seed}, {len(short)} of {len(lines)} lines "
                           f"are left (above): {error}") from None

    def fails(self, lines):
        try:
            self.perform(lines)
        except Mismatch:
            return True
        return False

    def shrink(self, lines):
        """Fewer lines that fail too: halves, quarters and so on are left out
        while that goes."""
        end, size = time.monotonic() + SHRINK_S, max(len(lines) // 2, 1)
        while True:
            at, shorter = 0, False
            while at < len(lines) and time.monotonic() < end:
                rest = lines[:at] + lines[at + size:]
                if rest and self.fails(rest):
                    lines, shorter = rest, True
                else:
                    at += size
            if time.monotonic() >= end or (size == 1 and not shorter):
                return lines
            size = max(size // 2, 1)

    def done(self):
        """Everything once more, after the unmount."""
        shown = _shown(self.vol.mnt)
        self.vol.umount()
        if self.memory:
            return
        found = differences(_shown(self.vol.dir), shown)
        assert not found, f"after the umount: {'; '.join(found)}"


def _shown(top, mtime=lambda ns: ns):
    """A manifest without what may differ: marks of the daemon's own, and when
    a pipe was written, which nobody tells the daemon."""
    entries = manifest(top)
    for entry in entries.values():
        entry["mtime_ns"] = None if entry["type"] == "fifo" else \
            mtime(entry["mtime_ns"])
        entry["xattrs"] = {name: value for name, value in
                           entry["xattrs"].items()
                           if not name.startswith("trusted.mafs.")}
    return entries


def read_script(path):
    with open(path) as lines:
        return [line.strip() for line in lines
                if line.strip() and not line.startswith("#")]
