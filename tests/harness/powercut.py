# SPDX-License-Identifier: Apache-2.0
"""Power cuts without a virtual machine: a disk that forgets what was not
flushed, and a boot of its own for each cut.

ext4 and XFS lose their power by the shutdown ioctl without a flush of their
log. btrfs lies on an image in an XFS of its own, which is cloned at the
instant. The disk's own write cache is not modelled.

The test's mounts, its /run and its boot id are private, so that memory can be
thrown away as a reboot does.
"""

import contextlib
import fcntl
import mmap
import os
import random
import struct
import time
import uuid

from mafs import Volume
from work import Child, mounts, private_mounts, run, wait_for

KINDS = ("ext4", "xfs", "btrfs")
SEED = int(os.environ.get("MAFS_TEST_SEED", time.time_ns() & 0xffff))
BOOT_ID = "/proc/sys/kernel/random/boot_id"

SHUTDOWN = 0x8004587d  # EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN
NO_LOG_FLUSH = 2
FICLONE = 0x40049409


class Disk:
    """A file system on an image that can lose its power."""

    def __init__(self, work, kind, size="512M"):
        self.kind, self.clone = kind, None
        base = work
        if kind == "btrfs":
            base = work.sub("host")
            base.path = base.disk("host", "xfs", "2G", mkfs=("-m", "reflink=1"))
        self.point = base.disk(kind, kind, size)
        self.image = f"{self.point}.img"

    def device(self):
        return next(source for point, _, source in mounts()
                    if point == self.point)

    def cut(self):
        """Nothing gets to the disk any more."""
        if self.kind == "btrfs":
            self.clone = self.image + ".cut"
            with open(self.image, "rb") as image, \
                    open(self.clone, "wb") as clone:
                fcntl.ioctl(clone, FICLONE, image.fileno())
            return
        fd = os.open(self.point, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def restore(self):
        """Power is back; the file system recovers from its log."""
        device = self.device()
        wait_for(lambda: run(["umount", self.point],
                             check=False).returncode == 0, 30,
                 "the end of those who use the disk")
        backing = f"/sys/block/{os.path.basename(device)}/loop/backing_file"
        wait_for(lambda: not _reads(backing).startswith(self.image), 30,
                 "the end of the old mount")
        if self.clone:
            run(["btrfs", "device", "scan", "--forget", device])
            os.replace(self.clone, self.image)
        run(["mount", "-o", "loop", self.image, self.point])


def _reads(path):
    try:
        with open(path) as source:
            return source.read()
    except OSError:
        return ""


class Numbers:
    """A few integers that a child process and its parent share."""

    def __init__(self, n):
        self.memory = mmap.mmap(-1, 8 * n)

    def __getitem__(self, i):
        return struct.unpack_from("q", self.memory, 8 * i)[0]

    def __setitem__(self, i, value):
        self.memory[8 * i:8 * i + 8] = struct.pack("q", value)

    def all(self):
        return struct.unpack(f"{len(self.memory) // 8}q", self.memory[:])


class Machine:
    """A disk, a volume on it, and what a reboot takes away."""

    def __init__(self, work, kind, rng, delays):
        private_mounts()
        self.rng, self.delays = rng, delays
        self.n_cuts = self.n_forgot = 0
        self.off = Numbers(1)
        self.disk = Disk(work, kind)
        self.boot_id = work.join("boot-id")
        self._new_boot_id()
        run(["mount", "--bind", self.boot_id, BOOT_ID])
        self._fresh_run()
        source = os.path.join(self.disk.point, "n")
        # Nothing here makes more than a quarter of it dirty.
        self.vol = Volume(work, source=source, memory="tmpfs:1G")

    def mount(self):
        delay = self.rng.choice(self.delays)
        self.vol.mount(f"writeback_after={delay}")

    @staticmethod
    def _fresh_run():
        run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])

    def _new_boot_id(self):
        with open(self.boot_id, "w") as out:
            out.write(f"{uuid.uuid4()}\n")

    def canary(self, name, durable):
        path = os.path.join(self.disk.point, f"{name}-{self.n_cuts}")
        with open(path, "wb") as out:
            out.write(name.encode() * 4096)
            out.flush()
            if durable:
                os.fsync(out.fileno())

    def _look_at_canaries(self):
        for name in ("kept", "forgotten"):
            path = os.path.join(self.disk.point, f"{name}-{self.n_cuts}")
            there = _reads(path) == name * 4096
            if name == "forgotten":
                self.n_forgot += not there
            assert there or name != "kept", \
                "the test's disk lost a file that was fsynced"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def cut(self, numbers):
        """The end of this boot. Gives the numbers as they were before it: what
        was acknowledged meanwhile may be lost."""
        self.canary("forgotten", durable=False)
        said = numbers.all()
        self.off[0] = 1
        self.disk.cut()
        self.vol.discard()
        Child.kill_all()
        return said

    def settle(self):
        """A commit. Without it btrfs on Linux 6.18 fails after a few rounds to
        replay its log (EEXIST), also where there is no mafs."""
        run(["sync", "-f", self.disk.point])

    def start(self, work, numbers):
        """A child process that works until the cut; it did something."""
        self.off[0] = 0

        def until_the_cut():
            try:
                work()
            except Exception:
                if not self.off[0]:
                    raise

        child = Child(until_the_cut)
        wait_for(lambda: any(numbers.all()) or child.ended() is not None, 60,
                 "the child process's first word")
        return child

    def boot(self):
        run(["umount", "-l", "/run"])
        self._fresh_run()
        self._new_boot_id()
        self.disk.restore()
        self._look_at_canaries()
        self.n_cuts += 1
        self.mount()

    def undo(self):
        """For the next machine, also when this one failed."""
        self.vol.discard()
        for point in (BOOT_ID, "/run"):
            run(["umount", "-l", point])


def cut_rounds(work, name, n_rounds, story, kinds=KINDS, delays=(0, 0.1, 5)):
    """n_rounds cuts on each file system; delays: of write-back, in seconds.

    story(machine, top, rng) prepares the directory `top` of the mount, yields
    (what a child process does until the cut, the Numbers in which it says how
    far it came), gets these Numbers as they were at the cut, and looks at what
    is left.
    """
    n_rounds = int(os.environ.get("MAFS_TEST_ROUNDS", n_rounds))
    for kind in kinds:
        rng = random.Random(f"{SEED} {name} {kind}")
        machine = Machine(work.sub(kind), kind, rng, delays)
        n_whole = i = 0
        try:
            machine.mount()
            for i in range(n_rounds):
                _round(machine, i, rng, story)
                n_whole += 1
            assert machine.n_forgot, "no cut lost unflushed data"
            machine.vol.umount()
        except AssertionError as error:
            raise AssertionError(f"MAFS_TEST_SEED={SEED} {kind} round {i}: "
                                 f"{error}") from error
        finally:
            print(f"powercut: {kind} rounds={machine.n_cuts} whole={n_whole} "
                  f"test={name}", flush=True)
            machine.undo()


def _round(machine, i, rng, story):
    top = f"{machine.vol.mnt}/round-{i}"
    os.mkdir(top)
    machine.canary("kept", durable=True)
    told = story(machine, top, rng)
    work, numbers = next(told)
    child = machine.start(work, numbers)
    time.sleep(rng.uniform(0, 0.6))
    assert not child.ended(), "the child process failed before the cut"
    said = machine.cut(numbers)
    machine.boot()
    with contextlib.suppress(StopIteration):
        told.send(said)
    run(["rm", "-rf", top])
    machine.settle()


# ---- bytes that say which version of a file they are, and where they lie ----

UNIT = 1024


class Version:
    """Content of `size` bytes; with holes, every second 64 KiB of a larger
    file are one, the first as well."""

    def __init__(self, number, size, holes=False):
        self.number, self.size = number, size
        self.holes = holes and size > 64 * UNIT

    def is_hole(self, i):
        return self.holes and not i // 64 % 2

    def pieces(self):
        """(offset, bytes) of what is to be written."""
        step = 64 if self.holes else 4096
        for first in range(0, self.size // UNIT, step):
            if not self.is_hole(first):
                end = min(first + step, self.size // UNIT)
                yield first * UNIT, b"".join(
                    self._unit(i) for i in range(first, end))

    def _unit(self, i):
        # Never all zeros.
        return struct.pack("<QQ", self.number, i + 1) * (UNIT // 16)

    def write(self, fd):
        for offset, data in self.pieces():
            assert os.pwrite(fd, data, offset) == len(data)
        os.ftruncate(fd, self.size)

    def holds(self, i, unit):
        """Unit i, which may be cut off at the file's end."""
        whole = bytes(UNIT) if self.is_hole(i) else self._unit(i)
        return i < self.size // UNIT and whole.startswith(unit)


def read_units(path):
    with open(path, "rb", buffering=0) as source:
        data = source.read()
    return [data[at:at + UNIT] for at in range(0, len(data), UNIT)]


def whole_version(path, versions):
    """The number of the version that the file holds, whole."""
    units, size = read_units(path), os.stat(path).st_size
    for version in versions:
        if size == version.size and all(
                version.holds(i, unit) for i, unit in enumerate(units)):
            return version.number
    first = units[0][:16] if units else b""
    raise AssertionError(f"{path}: {len(units)} KiB, first {first.hex()}: "
                         f"none of {[(v.number, v.size) for v in versions]}")


def assert_mixed(path, versions):
    """Every unit is one of these versions', which are in order; none is lost,
    but where a shorter one ends."""
    units, size = read_units(path), os.stat(path).st_size
    least = min(version.size for version in versions)
    most = max(version.size for version in versions)
    assert least <= size <= most, \
        f"{path}: {size} bytes, expected {least} to {most}"
    first, last = versions[0].number, versions[-1].number
    for i, unit in enumerate(units):
        where = f"{path}: KiB {i} of {len(units)}"
        if any(unit):
            number = struct.unpack_from("q", unit)[0]
            assert first <= number <= last and \
                versions[number - first].holds(i, unit), (
                    f"{where} is of version {number}, expected "
                    f"{first} to {last}")
        else:
            assert i * UNIT >= least or any(v.is_hole(i) for v in versions), \
                f"{where} is zeros, expected version {first} to {last}"
