# SPDX-License-Identifier: Apache-2.0
"""One memory volume under test: a file or memfd as its device, its mount, its
daemon. Driven through the mafs commands."""

import contextlib
import copy
import errno
import glob
import json
import os
import signal

from mafs import call, runtime_root
from work import mounts, process_gone, run, wait_for


# Those that a test goes through; of dax there is one device, in a virtual
# machine (tests/qemu).
KINDS = os.environ.get("MAFS_TEST_KINDS", "file memfd").split()
DAX = "dax:/dev/dax0.0"


def in_memory(work, size):
    """Devices there are files of a tmpfs, whose flushes cost nothing."""
    work = work.sub("memory")
    run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", work.path])
    return work


class MemoryVolume:
    """kind: "file" (two of them, unless `devices` says otherwise), "memfd",
    "dax" (all of it, whatever is there)

    The devices are files in `work`; size: of each. unit: of allocation.
    """

    n_killed = 0

    def __init__(self, work, kind="file", size="192M", unit="64K", devices=2,
                 mkfs=(), options=""):
        self.work, self.kind, self.options = work, kind, options
        self.mnt = work.join("mnt")
        os.makedirs(self.mnt, exist_ok=True)
        self.pid = None
        self.others = []
        if kind == "memfd":
            self.spec = f"memfd:{size}"
            return
        if kind == "dax":
            self.spec = DAX
            run(["mafs", "mkfs", "--force", "--alloc-unit", unit, *mkfs, DAX])
            return
        self.spec = f"{kind}:{work.join('device-0')}"
        run(["mafs", "mkfs", "--alloc-unit", unit, *mkfs,
             f"{self.spec},{size}"])
        for i in range(1, devices):
            other = f"{kind}:{work.join(f'device-{i}')}"
            run(["mafs", "device", "add", self.spec, f"{other},{size}"])
            self.others.append(other)

    def client(self, mnt, role="client"):
        """Another daemon on the same devices."""
        other = copy.copy(self)
        other.mnt, other.pid = mnt, None
        other.options = ",".join(w for w in (self.options, f"role={role}")
                                 if w)
        os.makedirs(mnt, exist_ok=True)
        return other

    def command(self, options=""):
        words = [f"device={other}" for other in self.others]
        words += [w for w in (self.options, options) if w]
        command = ["mafs", "mount", "--no-systemd"]
        if words:
            command += ["-o", ",".join(words)]
        return command + [self.spec, self.mnt]

    def mount(self, options=""):
        with open(self.work.top.log, "a") as log:
            begin = log.tell()
            code = call(self.command(options), log)
        if code:
            with open(self.work.top.log, errors="replace") as log:
                log.seek(begin)
                said = log.read().strip()[-400:]
            raise AssertionError(f"mafs mount: exit {code}: {said}")
        self.pid = self.status()["pid"]
        self._note()
        return self

    def _note(self):
        """Write down what the janitor has to know."""
        for path in glob.glob(f"{runtime_root()}/*/pid"):
            with contextlib.suppress(OSError), open(path) as pid:
                if pid.read().strip() == str(self.pid):
                    self.work.note("run-dirs", os.path.dirname(path))

    def status(self):
        return json.loads(run(["mafs", "status", self.mnt, "--json"]).stdout)

    def is_mounted(self):
        return any(point == self.mnt for point, _, _ in mounts())

    def alive(self):
        return bool(self.is_mounted() and self.pid and
                    not process_gone(self.pid))

    def umount(self):
        run(["mafs", "umount", self.mnt])
        assert not self.is_mounted(), "still mounted after mafs umount"
        wait_for(lambda: process_gone(self.pid), 10, "the daemon's end")

    def sync(self):
        run(["mafs", "sync", self.mnt])

    def kill(self):
        """kill -9 of the daemon; the dead mount stays where it is."""
        MemoryVolume.n_killed += 1
        os.kill(self.pid, signal.SIGKILL)
        wait_for(lambda: process_gone(self.pid), 30, "the killed daemon's end")

    def discard(self):
        """Whatever its state: away with it."""
        with contextlib.suppress(OSError, AssertionError):
            if self.pid and not process_gone(self.pid):
                self.kill()
        while self.is_mounted():
            run(["umount", "-l", self.mnt], check=False)

    def fsck(self, code=0):
        """What `mafs fsck` says of the devices."""
        words = [w for other in self.others for w in ("--device", other)]
        done = run(["mafs", "fsck", "--json", *words, self.spec], check=False)
        assert done.returncode == code, (done.returncode, done.stdout,
                                         done.stderr)
        return json.loads(done.stdout)

    @staticmethod
    def n_extents(path):
        """At least; what is longer than any xattr has a thousand."""
        try:
            text = os.getxattr(path, "user.mafs.extents").decode()
        except OSError as error:
            if error.errno != errno.E2BIG:
                raise
            return 1001
        return len(text.splitlines())

    def wait_for_free(self, wanted):
        """What was given back is free a moment later, when the kernel has
        forgotten it."""
        def there():
            os.sync()
            with open("/proc/sys/vm/drop_caches", "w") as drop:
                drop.write("2\n")
            return self.free_bytes() >= wanted
        wait_for(there, 30, f"{wanted} free bytes")

    def free_bytes(self):
        st = os.statvfs(self.mnt)
        return st.f_bfree * st.f_frsize
