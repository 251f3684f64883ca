# SPDX-License-Identifier: Apache-2.0
"""One volume under test, driven through the mafs commands.

In plain mode (MAFS_TEST_PLAIN=1) the mount is a bind mount of DIR: commands do
nothing, killing the daemon detaches the mount.
"""

import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess

from work import (PLAIN, Skip, mounts, process_gone, remove_run_dir, run,
                  wait_for)

MIB = 1 << 20
# The same tests on another kind of memory: "file", "memfd" or "dax".
MEMORY_KIND = os.environ.get("MAFS_TEST_TIER", "tmpfs")


def programs():
    """What is missing to run at all, or None."""
    if os.geteuid() != 0:
        return "these tests need root"
    if PLAIN:
        return None
    for program in ("mafs", "mafs-fused"):
        if not shutil.which(program):
            return f"no program {program} in PATH"
    if not os.path.exists("/dev/fuse"):
        return "needs /dev/fuse"
    return None


def runtime_root():
    if os.geteuid() == 0:
        return "/run/mafs"
    return os.path.join(os.environ["XDG_RUNTIME_DIR"], "mafs")


class Volume:
    """DIR, its mount, its daemon.

    source: DIR, else a new directory in `work`
    mnt: mount point; None: a new directory; "" mounts over DIR
    options: of -o; memory: of --memory
    promote: of -o; off, so that a file is where the test put it
    n_files: the daemon's RLIMIT_NOFILE
    """

    n_killed = 0  # daemons, in all
    n_made = 0
    on_dax = None

    def __init__(self, work, source=None, mnt=None, memory="tmpfs:256M",
                 options="", n_files=None, promote="off"):
        self.work, self.memory, self.options = work, memory, options
        if MEMORY_KIND != "tmpfs":
            self.memory = self._memory_on(memory)
        self.n_files, self.promote = n_files, promote
        self.dir = source or work.join("dir")
        self.over = mnt == ""
        self.mnt = self.dir if self.over else mnt or work.join("mnt")
        for path in (self.dir, self.mnt):
            os.makedirs(path, exist_ok=True)
        self.pid = None
        self.uuid = None

    def _memory_on(self, memory):
        size = memory.removeprefix("tmpfs:")
        if size == memory or not size[0].isdigit():
            raise Skip("its memory is of its own kind")
        if MEMORY_KIND == "dax":
            return self._memory_on_dax("/dev/dax0.0")
        if MEMORY_KIND == "memfd":
            return f"memfd:{size}"
        Volume.n_made += 1
        return f"file:{self.work.join(f'memory{Volume.n_made}')},{size}"

    def _memory_on_dax(self, path):
        """One device for all; what a test left there is of no use."""
        if Volume.on_dax and Volume.on_dax.is_mounted():
            raise Skip("another volume has the memory device")
        Volume.on_dax = self
        run(["mafs", "mkfs", "--wipe", path])
        return f"dax:{path}"

    def _command(self, options):
        command = ["mafs", "mount", "--memory", self.memory]
        words = (f"promote={self.promote}", self.options, options)
        command += ["-o", ",".join(w for w in words if w)]
        command += [self.dir] if self.over else [self.dir, self.mnt]
        if self.n_files:
            command = ["prlimit", f"--nofile={self.n_files}", *command]
        return command

    def mount(self, options=""):
        if PLAIN:
            run(["mount", "--bind", self.dir, self.mnt])
            return self
        with open(self.work.top.log, "a") as log:
            begin = log.tell()
            code = call(self._command(options), log)
        self._note()
        if code:
            with open(self.work.top.log, errors="replace") as log:
                log.seek(begin)
                said = log.read().strip()[-400:]
            raise AssertionError(f"mafs mount: exit {code}: {said}")
        status = self.status()
        self.pid, self.uuid = status["pid"], status.get("uuid", self.uuid)
        return self

    def _note(self):
        """Write down what the janitor has to know."""
        with contextlib.suppress(OSError):
            with open(os.path.join(self.dir, ".mafs/volume.yaml")) as yaml:
                found = re.search(r"uuid:\s*['\"]?([0-9a-f-]{36})",
                                  yaml.read())
                self.uuid = found.group(1) if found else self.uuid
        if not self.uuid:
            for path in glob.glob(f"{runtime_root()}/*/mount.json"):
                with contextlib.suppress(OSError):
                    with open(path) as mount:
                        if json.dumps(self.dir)[1:-1] in mount.read():
                            self.uuid = path.split("/")[-2]
        if self.uuid:
            self.work.note("run-dirs", self.run_dir)

    @property
    def run_dir(self):
        return f"{runtime_root()}/{self.uuid}"

    def is_mounted(self):
        return any(point == self.mnt for point, _, _ in mounts())

    def alive(self):
        """Is there a mount that answers?"""
        if not self.is_mounted():
            return False
        return PLAIN or bool(self.pid and not process_gone(self.pid))

    def umount(self):
        if PLAIN:
            run(["umount", self.mnt])
            return
        pid = self.pid
        run(["mafs", "umount", self.mnt])
        assert not self.is_mounted(), "still mounted after mafs umount"
        wait_for(lambda: process_gone(pid), 10, "the daemon's end")
        assert not os.path.exists(f"{self.run_dir}/memory/superblock"), \
            "the memory is still there after mafs umount"

    def discard(self):
        """Whatever its state: away with it."""
        with contextlib.suppress(OSError, AssertionError):
            if self.pid and not process_gone(self.pid):
                os.kill(self.pid, signal.SIGKILL)
                wait_for(lambda: process_gone(self.pid), 10)
        while self.is_mounted():
            run(["umount", "-l", self.mnt], check=False)
        if self.uuid:
            remove_run_dir(self.run_dir)

    def kill(self):
        """kill -9 of the daemon; the dead mount stays where it is."""
        if PLAIN:
            run(["umount", "-l", self.mnt])
            return
        Volume.n_killed += 1
        os.kill(self.pid, signal.SIGKILL)
        wait_for(lambda: process_gone(self.pid), 30, "the killed daemon's end")

    def status(self):
        if PLAIN:
            return {"pid": 0, "upcalls": {}, "dirty_bytes": 0, "n_dirty": 0}
        return json.loads(run(["mafs", "status", self.mnt, "--json"]).stdout)

    def upcalls(self, *names):
        """How often the kernel asked, in the order of the names."""
        counters = self.status()["upcalls"]
        values = [counters.get(name, 0) for name in names]
        return values[0] if len(values) == 1 else values

    def need_passthrough(self, to_memory=False):
        if PLAIN or not self.status().get("passthrough", True):
            raise Skip("needs FUSE passthrough")
        if to_memory and MEMORY_KIND != "tmpfs":
            raise Skip("the kernel cannot serve from this memory")

    def file(self, path):
        """What `mafs stat` says about a file."""
        if PLAIN:
            return {"tier": "disk", "state": "cold"}
        return json.loads(run(["mafs", "stat", path, "--json"]).stdout)

    def sync(self):
        if PLAIN:
            os.sync()
        else:
            run(["mafs", "sync", self.mnt])

    def push(self, path):
        if not PLAIN:
            run(["mafs", "push", path])

    def pull(self, path):
        if not PLAIN:
            run(["mafs", "pull", path])

    def make_hot(self, path):
        """The file is in memory and clean, and nobody has it open."""
        self.pull(path)
        if not PLAIN:
            wait_for(lambda: self.file(path)["tier"] == "memory", 10,
                     "the file's promotion")

    def wait_clean(self, timeout_s=30):
        wait_for(lambda: self.status()["n_dirty"] == 0, timeout_s,
                 "write-back")

    def rss_bytes(self):
        with open(f"/proc/{self.pid}/status") as status:
            return int(re.search(r"VmRSS:\s*(\d+)", status.read())[1]) * 1024


def prepared(work, files, **options):
    """A volume over a DIR that already has these files, {name: bytes}."""
    vol = Volume(work, **options)
    for name, content in files.items():
        path = os.path.join(vol.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content)
    return vol.mount()


@contextlib.contextmanager
def slow_to_pull(directory):
    """The files of a directory past the mount are held open, so that pulling
    each takes the daemon's patience, and fails."""
    held = [os.open(os.path.join(directory, name), os.O_RDONLY)
            for name in os.listdir(directory)]
    try:
        yield
    finally:
        for fd in held:
            os.close(fd)


def call(command, log):
    """Run a program whose daemon may keep its output open: a file, no pipe."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                               stderr=log)
    try:
        code = process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError("mafs mount did not return in 60 s") from None
    return code
