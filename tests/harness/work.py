# SPDX-License-Identifier: Apache-2.0
"""A private work directory, and everything in it undone afterwards.

Whatever a test leaves behind (mounts, daemons, loop devices, files) is found
again from the work directory alone. So the same cleaning works at the end of a
test, at the end of the file, and from a janitor process when the test was
killed.
"""

import contextlib
import ctypes
import errno
import os
import pickle
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PLAIN = os.environ.get("MAFS_TEST_PLAIN") == "1"
USER = 1000  # of the unprivileged user


class Skip(Exception):
    """Raised by a test that cannot run here; says what is missing."""


def run(args, check=True, text=True, timeout=300, **more):
    """Run a program and give (code, stdout, stderr); fail on another code than
    0 with what it said."""
    done = subprocess.run([str(a) for a in args], text=text, timeout=timeout,
                          errors="surrogateescape" if text else None,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **more)
    if check:
        assert done.returncode == 0, (
            f"{' '.join(str(a) for a in args)}: exit {done.returncode}: "
            f"{str(done.stderr or done.stdout).strip()[-400:]}")
    return done


def as_user(function, uid=USER, gid=USER, groups=(), umask=None, before=None):
    """Call function in a child process as another user; what it returns or
    raises comes back. before: called first, still as root."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            signal.alarm(0)
            try:
                if before:
                    before()
                os.setgroups(list(groups))
                os.setresgid(gid, gid, gid)
                os.setresuid(uid, uid, uid)
                if umask is not None:
                    os.umask(umask)
                result = (True, function())
            except BaseException as error:
                result = (False, error)
            with os.fdopen(writer, "wb") as out:
                pickle.dump(result, out)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as source:
        answer = source.read()
    os.waitpid(pid, 0)
    assert answer, "the child process ended without an answer"
    good, value = pickle.loads(answer)
    if not good:
        raise value
    return value


def private_mounts():
    """From now on this process's mounts are its own."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x00020000):  # CLONE_NEWNS
        raise Skip("needs a private mount namespace")
    if any(point == "/" for point, _, _ in mounts()):
        run(["mount", "--make-rprivate", "/"])
        return
    for point, _, _ in mounts():  # in a chroot
        run(["mount", "--make-private", point], check=False)


class Child:
    """function() in a child process; what it raises goes to stderr and makes
    wait() fail. Ends with its parent, or with the test."""

    running = []

    def __init__(self, function, uid=0):
        self.pid = os.fork()
        if self.pid:
            self.running.append(self)
            return
        code = 1
        try:
            signal.alarm(0)
            if uid:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            function()
            code = 0
        except BaseException as error:
            os.write(2, f"child: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)

    def ended(self):
        """None while it runs, then its exit code."""
        if self.pid:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == 0:
                return None
            self.pid, self.code = 0, os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self, timeout_s=60):
        wait_for(lambda: self.ended() is not None, timeout_s, "child process")
        assert self.code == 0, f"child process ended with {self.code}"

    def kill(self):
        if self.ended() is None:
            os.kill(self.pid, signal.SIGKILL)
            wait_for(lambda: self.ended() is not None, 30, "killed child")

    @classmethod
    def kill_all(cls):
        for child in cls.running:
            child.kill()
        cls.running.clear()


@contextlib.contextmanager
def fails(*errnos):
    """The block raises OSError with one of these errnos."""
    names = "/".join(errno.errorcode[e] for e in errnos)
    try:
        yield
    except OSError as error:
        assert error.errno in errnos, (
            f"expected {names}, got {errno.errorcode.get(error.errno)}")
    else:
        raise AssertionError(f"expected {names}, but it succeeded")


# What a mount says whose daemon died, some of it while it is dying.
DEAD = (errno.ENOTCONN, errno.ECONNABORTED, errno.ECANCELED)


def wait_for(condition, timeout_s=10, what=None):
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"timed out: {what or condition}"
        time.sleep(0.02)


def _unescape(field):
    return field.encode("latin-1").decode("unicode_escape").encode(
        "latin-1").decode("utf-8", "surrogateescape") \
        if "\\" in field else field


def mounts():
    """(mount point, type, source) of each mount, in the order made."""
    with open("/proc/self/mountinfo", errors="surrogateescape") as table:
        for line in table:
            left, right = line.split(" - ")
            yield (_unescape(left.split()[4]), right.split()[0],
                   right.split()[1])


def remove_run_dir(path):
    """What a killed daemon keeps for the next mount."""
    for point in [p for p, _, _ in mounts() if p.startswith(path + "/")]:
        run(["umount", "-l", point], check=False)
    shutil.rmtree(path, ignore_errors=True)


def process_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def freeze(pid):
    """Stops a process; returns when none of its threads runs any more."""
    def frozen():
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] != "T":
                    return False
        return True

    os.kill(pid, signal.SIGSTOP)
    wait_for(frozen, 10, f"the stop of {pid}")


def in_kernel_function(pid, name):
    """Whether the process sleeps in the kernel's function of that name."""
    with open(f"/proc/{pid}/wchan") as wchan:
        return wchan.read() == name


class Work:
    """A directory; a context to run programs in; what cleans up."""

    def __init__(self, path=None, top=None):
        self.top = top or self
        if path:
            self.path = path
            os.makedirs(path, exist_ok=True)
            return
        base = os.environ.get("TMPDIR") or "/var/tmp"
        self.path = os.path.realpath(tempfile.mkdtemp(
            prefix=f"mafs-test-{os.getpid()}-", dir=base))
        os.chmod(self.path, 0o755)
        self.log = self.join("messages")
        for name in ("messages", "run-dirs"):
            with open(self.join(name), "w") as notes:
                os.fchmod(notes.fileno(), 0o666)
        self.reports = os.path.join(self.path, "reports")
        os.mkdir(self.reports)
        os.chmod(self.reports, 0o1777)
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            old = os.environ.get(name, "")
            os.environ[name] = f"{old}:log_path={self.reports}/r".lstrip(":")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self._janitor()

    def _janitor(self):
        """A process that cleans when this one was killed."""
        parent = os.pidfd_open(os.getpid())
        if os.fork() != 0:
            os.close(parent)
            return
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        select.select([parent], [], [])
        try:
            time.sleep(0.2)
            if os.path.exists(self.path):
                self.clean()
        finally:
            os._exit(0)

    def sub(self, name):
        return Work(os.path.join(self.path, name), self.top)

    def join(self, *names):
        return os.path.join(self.path, *names)

    # What belongs to this work directory, so that it can be undone.

    def note(self, kind, value):
        with open(self.top.join(kind), "a") as notes:
            notes.write(f"{value}\n")

    def _noted(self, kind):
        try:
            with open(self.top.join(kind)) as notes:
                return notes.read().split()
        except FileNotFoundError:
            return []

    def processes(self):
        """Daemons that serve a directory below this one."""
        needle = os.fsencode(self.path + "/")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    args = f.read().split(b"\0")
            except OSError:
                continue
            if (os.path.basename(args[0]) in (b"mafs-fused", b"mergerfs")
                    and any(needle in arg + b"/" for arg in args[1:])):
                yield int(pid)

    def mounted(self):
        return [point for point, _, _ in mounts()
                if (point + "/").startswith(self.path + "/")]

    def clean(self):
        """Undo all below this directory; the directory itself too."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.top is self:
            self._clean_run_dirs()
        for point in reversed(self.mounted()):
            run(["umount", "-l", point], check=False)
        self._detach_loops()
        if not self.mounted():
            shutil.rmtree(self.path, ignore_errors=True)
            if os.path.lexists(self.path):  # deeper than a path is long
                run(["rm", "-rf", "--one-file-system", self.path], check=False)

    def _clean_run_dirs(self):
        for path in set(self._noted("run-dirs")):
            remove_run_dir(path)

    def _detach_loops(self):
        listing = run(["losetup", "--list", "--noheadings", "--output",
                       "NAME,BACK-FILE"], check=False).stdout
        for line in listing.splitlines():
            name, _, file = line.strip().partition(" ")
            if file.strip().startswith(self.path + "/"):
                run(["losetup", "-d", name], check=False)

    # Disks.

    def disk(self, name="disk", kind="ext4", size="256M", options=(),
             mkfs=()):
        """A file system of its own on a loop device; its root."""
        image, point = self.join(name + ".img"), self.join(name)
        if not shutil.which(f"mkfs.{kind}"):
            raise Skip(f"needs mkfs.{kind}")
        run(["truncate", "-s", size, image])
        quiet = {"ext4": ["-q", "-F"], "xfs": ["-q"], "btrfs": ["-q"]}
        run([f"mkfs.{kind}", *quiet.get(kind, []), *mkfs, image])
        os.mkdir(point)
        done = run(["mount", "-o", ",".join(("loop", *options)), image, point],
                   check=False)
        if done.returncode:
            raise Skip(f"no loop mount of {kind}: {done.stderr.strip()}")
        return point

    # What programs and daemons said.

    def sanitizer_reports(self):
        text = ""
        for name in sorted(os.listdir(self.top.reports)):
            path = os.path.join(self.top.reports, name)
            with open(path, errors="replace") as report:
                text += report.read(6000)
            os.unlink(path)
        return text

    def messages_tail(self, n_lines=15):
        with open(self.top.log, errors="replace") as log:
            lines = log.read().splitlines()[-n_lines:]
        return "\n".join(["last messages of the programs:"] + lines) \
            if lines else ""
