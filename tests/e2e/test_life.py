#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ends of a daemon: SIGTERM, umount(8), --force, death; and what comes
after. What mount(8), umount(8) and systemd do with mafs."""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, Volume
from runner import main, needs, scale
from tree import block, read_file, write_file
from work import (DEAD, Child, Skip, fails, freeze, in_kernel_function, mounts,
                  private_mounts, process_gone, run, wait_for)

EXT4_IOC_SHUTDOWN = 0x8004587d
NOLOGFLUSH = 2
LATE = "writeback_after=3600"  # what is dirty stays so


def dirty(vol, n_mib, name="f"):
    """A file whose bytes are nowhere but in memory; gives its content."""
    pieces = [block(i, MIB) for i in range(n_mib)]
    with open(f"{vol.mnt}/{name}", "wb") as out:
        for piece in pieces:
            out.write(piece)
    assert vol.status()["dirty_bytes"] > 0
    return b"".join(pieces)


def failed(done, *words):
    """It failed and said so in one line."""
    assert done.returncode == 1, done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


@contextlib.contextmanager
def manager(work):
    """What systemd listens with; gives the socket's path and what was said."""
    path, said = work.join("notify"), []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)

        def listen():
            while (text := listener.recv(8192).decode()) != "END":
                said.extend(text.splitlines())

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield path, said
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.sendto(b"END", path)
            thread.join()


# SIGTERM.

@needs("mafs")
def test_shutdown_sigterm_dirty_1GiB(work):
    n_mib = scale(96, 1024)
    vol = Volume(work, source=work.disk(size=f"{2 * n_mib + 64}M"),
                 memory=f"tmpfs:{6 * n_mib}M", options=LATE)
    with manager(work) as (path, said):
        daemon = subprocess.Popen(
            ["mafs", "mount", "--foreground", "-m", vol.memory, "-o", LATE,
             vol.dir, vol.mnt], stderr=subprocess.PIPE, text=True,
            env={**os.environ, "NOTIFY_SOCKET": path})
        try:
            wait_for(lambda: "READY=1" in said, 30, "READY=1")
            vol._note()
            vol.pid = daemon.pid
            content = dirty(vol, n_mib)
            left = vol.status()["dirty_bytes"]
            assert left == n_mib * MIB, left
            daemon.send_signal(signal.SIGTERM)
            messages = daemon.communicate(timeout=scale(60, 600))[1]
        finally:
            daemon.kill()
            daemon.wait()
        assert daemon.returncode == 0, messages
        assert "STOPPING=1" in said
        assert any(s.startswith("STATUS=writing back: ") for s in said), said
    assert not vol.is_mounted()
    assert read_file(f"{vol.dir}/f") == content
    assert not os.path.exists(vol.run_dir)


@needs("mafs")
def test_sigterm_of_a_mount_in_use(work):
    vol = Volume(work, options=LATE).mount()
    content = dirty(vol, 4)
    held = os.open(f"{vol.mnt}/f", os.O_RDONLY)
    os.kill(vol.pid, signal.SIGTERM)
    wait_for(lambda: process_gone(vol.pid), 60, "the daemon's end")
    with contextlib.suppress(OSError):
        os.close(held)
    assert read_file(f"{vol.dir}/f") == content and not vol.is_mounted()


@needs("mafs")
def test_what_is_wrong_is_the_status(work):
    with manager(work) as (path, said):
        os.mkdir(work.join("dir"))
        os.mkdir(work.join("dir/.mafs"))
        write_file(work.join("dir/.mafs/volume.yaml"), b"uuid: none\n")
        os.mkdir(work.join("mnt"))
        done = run(["mafs", "mount", "--foreground", work.join("dir"),
                    work.join("mnt")], check=False,
                   env={**os.environ, "NOTIFY_SOCKET": path})
        assert done.returncode == 1, done
        wait_for(lambda: said, 10, "a status")
        assert said[0].startswith("STATUS=") and "volume.yaml" in said[0]
        assert "READY=1" not in said


# mount(8) and umount(8).

def with_helpers(work):
    """From now on this process sees the helpers in /sbin."""
    private_mounts()
    run(["mount", "-t", "tmpfs", "run", "/run"])  # utab
    os.makedirs(work.join("sbin"), exist_ok=True)
    program = run(["sh", "-c", "command -v mafs"]).stdout.strip()
    for name in ("mount.mafs", "umount.mafs", "umount.fuse.mafs"):
        os.symlink(os.path.realpath(program), work.join("sbin", name))
    sbin = os.path.realpath("/sbin")
    done = run(["mount", "-t", "overlay", "-o",
                f"lowerdir={work.join('sbin')}:{sbin}", "overlay", sbin],
               check=False)
    if done.returncode:
        raise Skip(f"no overlay: {done.stderr.strip()}")


def in_private(work, function):
    """with_helpers(), then function(), in a child process."""
    def all_of_it():
        try:
            with_helpers(work)
        except Skip as skip:
            write_file(work.join("skipped"), str(skip).encode())
            return
        function()

    Child(all_of_it).wait(scale(100, 600))
    if os.path.exists(work.join("skipped")):
        raise Skip(read_file(work.join("skipped")).decode())


@needs("mafs")
def test_umount8_then_power_cut(work):
    n_mib = scale(48, 512)
    image = work.join("disk.img")

    def body():
        disk = work.disk(size=f"{2 * n_mib + 64}M")
        vol = Volume(work, source=disk, memory=f"tmpfs:{6 * n_mib}M",
                     options=LATE).mount()
        os.mkdir(f"{vol.mnt}/d")
        content = dirty(vol, n_mib, "d/f")
        os.rename(f"{vol.mnt}/d/f", f"{vol.mnt}/d/g")
        run(["umount", vol.mnt])
        root = os.open(disk, os.O_RDONLY)
        fcntl.ioctl(root, EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        os.close(root)
        assert process_gone(vol.pid), "umount(8) did not wait"
        with fails(errno.EIO):  # the disk is off
            os.mkdir(f"{disk}/after")
        run(["umount", disk])
        run(["mount", "-o", "loop", image, disk])
        assert read_file(f"{disk}/d/g") == content
        assert not os.path.exists(f"{disk}/d/f")
        run(["umount", disk])

    in_private(work, body)


@needs("mafs")
def test_fstab(work):
    def body():
        for name in ("a dir", "mnt"):
            os.mkdir(work.join(name))
        source = work.join("a dir").replace(" ", "\\040")
        write_file(work.join("fstab"), (
            f"{source} {work.join('mnt')} mafs "
            f"defaults,nofail,x-a.b,memory=64M,{LATE} 0 0\n").encode())
        fstab = ["-T", work.join("fstab")]
        run(["mount", *fstab, "-a"])
        vol = Volume(work, source=work.join("a dir"), mnt=work.join("mnt"))
        status = vol.status()
        assert status["memory"]["size_bytes"] == 64 * MIB
        content = dirty(vol, 4)
        run(["mount", *fstab, "-a"])  # is mounted already
        assert vol.status()["pid"] == status["pid"]
        run(["umount", vol.mnt])
        assert process_gone(status["pid"])
        assert read_file(f"{vol.dir}/f") == content
        run(["mount", "-t", "mafs", vol.dir, vol.mnt])
        pid, content = vol.status()["pid"], dirty(vol, 4)
        run(["umount", vol.mnt])
        assert process_gone(pid) and read_file(f"{vol.dir}/f") == content
        run(["mount", "-t", "mafs", "-o", "ro,memory=64M", vol.dir, vol.mnt])
        with fails(errno.EROFS):
            write_file(f"{vol.mnt}/g", b"")
        run(["umount", vol.mnt])

    in_private(work, body)


@needs("mafs")
def test_umount8_lazy_and_force(work):
    def body():
        vol = Volume(work, options=LATE).mount()
        content = dirty(vol, 4)
        run(["umount", "-l", vol.mnt])
        assert not vol.is_mounted()
        wait_for(lambda: process_gone(vol.pid), 60, "the daemon's end")
        assert read_file(f"{vol.dir}/f") == content
        vol.mount()
        content = dirty(vol, 4, "g")
        freeze(vol.pid)
        run(["umount", "-f", vol.mnt])
        assert process_gone(vol.pid) and not vol.is_mounted()
        vol.mount()
        assert vol.mnt in read_file("/run/mount/utab").decode()
        assert read_file(f"{vol.mnt}/g") == content
        vol.umount()
        assert not read_file("/run/mount/utab")

    in_private(work, body)


@needs("mafs")
def test_exit_codes_of_mount8_and_umount8(work):
    os.mkdir(work.join("dir"))
    os.mkdir(work.join("mnt"))
    program = run(["sh", "-c", "command -v mafs"]).stdout.strip()
    for name in ("mount.mafs", "umount.fuse.mafs"):
        os.symlink(os.path.realpath(program), work.join(name))
    mount, umount = work.join("mount.mafs"), work.join("umount.fuse.mafs")
    both = [work.join("dir"), work.join("mnt")]

    def code(*args):
        done = run(args, check=False)
        assert (done.returncode == 0) == (not done.stderr), done
        return done.returncode

    assert code(mount, *both, "-o", "no_such_word") == 1
    assert code(mount, both[0]) == 1
    assert code(mount, work.join("missing"), both[1]) == 32
    assert code(mount, *both, "-f", "-o", "rw") == 0  # fake
    assert not work.mounted()
    done = run([mount, *both, "-s", "-n", "-v", "-o",
                "no_such_word,memory=64M"])  # sloppy
    vol = Volume(work)
    vol.pid = vol.status()["pid"]
    vol._note()
    assert vol.status()["memory"]["size_bytes"] == 64 * MIB, done
    assert code(umount) == 1
    with open(f"{both[1]}/held", "wb"):
        assert code(umount, both[1]) == 32
    assert code(umount, both[1], "-n", "-t", "fuse.mafs") == 0
    assert not work.mounted() and process_gone(vol.pid)


# Where it may be mounted.

@needs("mafs")
def test_mnt_inside_N(work):
    vol = Volume(work)
    os.makedirs(f"{vol.dir}/below/it")
    write_file(f"{vol.dir}/f", b"content")
    for mnt in ("below", "below/it", "../dir/below"):
        failed(run(["mafs", "mount", vol.dir, f"{vol.dir}/{mnt}"],
                   check=False), "lies below")
    assert not work.mounted() and not list(work.processes())
    over = Volume(work, mnt="").mount()
    write_file(f"{over.mnt}/below/it/g", b"more")
    assert read_file(f"{over.mnt}/f") == b"content"
    assert ".mafs" not in os.listdir(over.mnt)
    # Of a volume that is mounted, too.
    failed(run(["mafs", "mount", f"{over.mnt}/below", vol.mnt], check=False))
    over.umount()
    assert read_file(f"{vol.dir}/below/it/g") == b"more"


@needs("mafs")
def test_mount_over_dead_mount(work):
    for mnt in (None, ""):
        vol = Volume(work.sub(f"over-{mnt}"), mnt=mnt, options=LATE).mount()
        content = dirty(vol, 2)
        for _ in range(2):
            vol.kill()
            with fails(*DEAD):
                os.listdir(vol.mnt)
            vol.mount()
            assert [p for p, _, _ in mounts()].count(vol.mnt) == 1
            assert read_file(f"{vol.mnt}/f") == content
        vol.umount()
        assert read_file(f"{vol.dir}/f") == content


@needs("mafs")
def test_another_volume_over_a_dead_mount(work):
    dead = Volume(work, options=LATE).mount()
    content = dirty(dead, 2)
    dead.kill()
    other = Volume(work.sub("other"))
    run(["mafs", "mount", other.dir, dead.mnt])
    write_file(f"{dead.mnt}/mine", b"mine")
    assert os.listdir(dead.mnt) == ["mine"]
    run(["mafs", "umount", dead.mnt])
    assert read_file(f"{other.dir}/mine") == b"mine"
    run(["mafs", "sync", "--offline", dead.dir])
    assert read_file(f"{dead.dir}/f") == content


# A daemon that hangs.

def wait_in(mnt):
    """Ends when the mount does."""
    with fails(*DEAD, errno.EINTR):
        os.stat(f"{mnt}/not-known-to-the-kernel")


@needs("mafs")
def test_umount_force_of_a_hung_daemon(work):
    def body(fusectl):
        private_mounts()
        if fusectl:
            run(["mount", "-t", "fusectl", "c", "/sys/fs/fuse/connections"])
        vol = Volume(work.sub(f"{fusectl}"), options=LATE).mount()
        content = dirty(vol, 2)
        freeze(vol.pid)
        waiting = Child(lambda: wait_in(vol.mnt))
        wait_for(lambda: in_kernel_function(waiting.pid,
                                            "request_wait_answer"),
                 10, "the request that hangs")
        done = run(["mafs", "umount", "--force", vol.mnt])
        assert process_gone(vol.pid) and not vol.is_mounted()
        assert "memory is kept" in done.stderr, done.stderr
        waiting.wait()
        vol.mount()
        assert read_file(f"{vol.mnt}/f") == content
        vol.umount()

    for fusectl in (True, False):
        Child(lambda fusectl=fusectl: body(fusectl)).wait()


@needs("mafs")
def test_umount_force_of_a_dead_daemon(work):
    vol = Volume(work, options=LATE).mount()
    content = dirty(vol, 2)
    vol.kill()
    run(["mafs", "umount", "--force", vol.dir])
    assert not vol.is_mounted() and not os.path.getsize(f"{vol.dir}/f")
    run(["mafs", "umount", vol.dir])
    assert read_file(f"{vol.dir}/f") == content


# What a dead daemon left, without a mount.

def offline(*args, code=0):
    done = run(["mafs", "sync", "--offline", "--json", *args], check=False)
    assert done.returncode == code, done
    return {v["source"]: v["result"]
            for v in json.loads(done.stdout)["volumes"]}


@needs("mafs")
def test_sync_offline(work):
    for mnt in (None, ""):
        vol = Volume(work.sub(f"mnt-{mnt}"), mnt=mnt, options=LATE).mount()
        content = dirty(vol, 2)
        assert offline(vol.dir, code=1) == {vol.dir: "failed"}  # is served
        vol.kill()
        assert offline(vol.dir) == {vol.dir: "written back"}
        assert not vol.is_mounted() and not list(vol.work.processes())
        assert read_file(f"{vol.dir}/f") == content
        assert not os.path.exists(vol.run_dir)
        assert offline(vol.dir) == {vol.dir: "nothing left"}
    assert run(["mafs", "sync", "--offline"], check=False).returncode == 2


@needs("mafs")
def test_sync_offline_of_all(work):
    def body():
        private_mounts()
        run(["mount", "-t", "tmpfs", "run", "/run"])
        assert not offline("--all")
        vols = [Volume(work.sub(f"{i}"), options=LATE).mount()
                for i in range(3)]
        contents = [dirty(vol, 2) for vol in vols]
        for vol in vols[1:]:
            vol.kill()
        assert offline("--all") == {vols[0].dir: "served",
                                    vols[1].dir: "written back",
                                    vols[2].dir: "written back"}
        assert vols[0].alive() and not os.path.getsize(f"{vols[0].dir}/f")
        vols[0].umount()
        for vol, content in zip(vols, contents):
            assert read_file(f"{vol.dir}/f") == content

    Child(body).wait()


@needs("mafs")
def test_sync_offline_that_fails_keeps_the_memory(work):
    disk = work.disk(size="64M")
    vol = Volume(work, source=disk, options=LATE).mount()
    content = dirty(vol, 2)
    vol.kill()
    run(["umount", "-l", vol.mnt])
    run(["mount", "-o", "remount,ro", disk])
    assert offline(disk, code=1) == {disk: "failed"}
    run(["mount", "-o", "remount,rw", disk])
    assert offline(disk) == {disk: "written back"}
    assert read_file(f"{disk}/f") == content


# As a unit of systemd's: `systemctl` is a double that runs what the unit says.

SYSTEMCTL = r"""#!PYTHON
import os, re, signal, socket, subprocess, sys
top, args = os.path.dirname(os.path.abspath(__file__)), sys.argv[1:]
with open(f"{top}/calls", "a") as calls:
    calls.write(" ".join(a for a in args if a != "--quiet") + "\n")
verb, unit = args[0], args[-1]
state = f"{top}/{unit.replace('/', '_')}"
if verb == "show":
    print(open(state + ".status").read())
elif verb == "stop":
    os.kill(int(open(state + ".pid").read()), signal.SIGTERM)
elif verb == "start":
    template = open(f"{top}/../lib/systemd/system/mafs@.service").read()
    drop_in = open(f"/run/systemd/system/{unit}.d/mount.conf").read()
    path = "/" + re.sub(r"\\x(..)", lambda m: chr(int(m[1], 16)),
                        unit[5:-8].replace("-", "/"))
    env = {"MAFS_DIR": path}
    for line in re.findall(r'^Environment="(.*)"$', drop_in, re.M):
        name, _, value = line.partition("=")
        env[name] = re.sub(r"\\(.)", r"\1", value).replace("%%", "%")
    words = re.search(r"^ExecStart=\S+/mafs (.*)$", template, re.M)[1].split()
    words = [env[w[2:-1]] if w.startswith("${") else w for w in words]
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify = f"/run/notify-{os.getpid()}"
    listener.bind(notify)
    listener.settimeout(0.2)
    daemon = subprocess.Popen(
        [f"{top}/mafs", *words], start_new_session=True,
        env={**os.environ, "NOTIFY_SOCKET": notify},
        stdout=subprocess.DEVNULL, stderr=open(state + ".journal", "a"))
    open(state + ".pid", "w").write(str(daemon.pid))
    said = ""
    while "READY=1" not in said:
        try:
            said = listener.recv(8192).decode()
        except TimeoutError:
            if daemon.poll() is not None:
                sys.exit(1)
        for status in re.findall("STATUS=(.*)", said):
            open(state + ".status", "w").write(status)
"""


def under_systemd(work, function):
    """function(bin) where systemd seems to run: our mounts are those of
    process 1, /run is empty, and mafs is installed."""
    build = os.environ.get("MAFS_BUILD_DIR")
    if not build:
        raise Skip("needs a build directory to install from")
    run(["cmake", "--install", build, "--prefix", work.join("prefix")])
    top = work.join("prefix/bin")
    with open(f"{top}/systemctl", "w") as out:
        out.write(SYSTEMCTL.replace("PYTHON", sys.executable, 1))
    os.chmod(f"{top}/systemctl", 0o755)

    def process_1():
        run(["mount", "-t", "proc", "proc", "/proc"])
        run(["mount", "-t", "tmpfs", "run", "/run"])
        os.makedirs("/run/systemd/system")
        os.environ["PATH"] = f"{top}:{os.environ['PATH']}"
        function(top)

    def outside():
        private_mounts()
        if ctypes.CDLL(None, use_errno=True).unshare(0x20000000):  # NEWPID
            raise Skip("needs a private process namespace")
        Child(process_1).wait(100)

    Child(outside).wait(110)


def calls(top):
    return read_file(f"{top}/calls").decode().splitlines()


@needs("mafs", "cmake")
def test_mount_as_a_unit(work):
    def body(top):
        vol = Volume(work, source=work.join('my "50%" data'),
                     mnt=work.join("m\\n t"), options=LATE).mount()
        name = run(["systemd-escape", "--path", vol.dir], check=False).stdout
        unit = f"mafs@{name.strip()}.service"
        assert calls(top) == ["daemon-reload", f"reset-failed {unit}",
                              f"start {unit}"]
        if any(point == "/" for point, _, _ in mounts()):  # no chroot
            recover = read_file("/run/systemd/system/mafs-recover.service.d/"
                                f"{name.strip()}.conf")
            assert recover.startswith(b"[Unit]\nAfter=")
            assert b".mount" in recover
        content = dirty(vol, 2)
        vol.kill()
        run(["systemctl", "start", unit])  # as Restart= does
        assert read_file(f"{vol.mnt}/f") == content
        run(["systemctl", "stop", unit])
        pid = int(read_file(f"{top}/{unit}.pid"))
        wait_for(lambda: process_gone(pid), 60, "the daemon's end")
        assert read_file(f"{vol.dir}/f") == content and not vol.is_mounted()

    under_systemd(work, body)


@needs("mafs", "cmake")
def test_mount_as_a_unit_gives_the_daemons_own_words(work):
    def body(top):
        os.makedirs(work.join("dir/.mafs"))
        os.mkdir(work.join("mnt"))
        write_file(work.join("dir/.mafs/volume.yaml"), b"uuid: none\n")
        failed(run(["mafs", "mount", work.join("dir"), work.join("mnt")],
                   check=False), "volume.yaml")
        assert calls(top)[-1].startswith("show")

    under_systemd(work, body)


@needs("mafs", "cmake")
def test_mount_without_a_unit(work):
    def body(top):
        vol = Volume(work)
        done = run(["mafs", "mount", "--no-systemd", vol.dir, vol.mnt])
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert "before power-off" in done.stderr, done.stderr
        assert not os.path.exists(f"{top}/calls")
        run(["mafs", "umount", vol.mnt])

    under_systemd(work, body)


if __name__ == "__main__":
    main()
