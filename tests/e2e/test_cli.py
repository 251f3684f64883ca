#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The mafs commands as people and scripts use them."""

import json
import os
import pty
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, Volume, prepared
from runner import main, needs
from tree import block, write_file
from work import (Child, as_user, fails, mounts, private_mounts, run,
                  wait_for)

COMMANDS = ("mount", "umount", "status", "top", "sync", "ls", "tree", "du",
            "which", "stat", "pull", "push", "evict", "pin", "unpin", "set",
            "mkfs", "device", "logplay", "fsck", "log")

FAKE_DAEMON = """#!/bin/sh
# Speaks as the daemon does on its --ready-fd.
echo "$@" >"$0.args"
while [ $# -gt 0 ]; do
    case $1 in --ready-fd) fd=$2 ;; esac
    shift
done
eval "exec 9>&$fd $fd>&-"
"""


def mafs(*args, code=0, program="mafs", **more):
    done = run([program, *args], check=False, **more)
    assert code in (None, done.returncode), (args, done.returncode,
                                             done.stdout, done.stderr)
    return done


def mount_flags(path):
    with open("/proc/self/mountinfo") as table:
        for line in table:
            if line.split()[4] == path:
                return line.split()[5].split(",")
    raise AssertionError(f"{path} is not mounted")


def fake(work, script):
    """mafs with another daemon beside it."""
    os.makedirs(work.join("bin"), exist_ok=True)
    program = work.join("bin/mafs")
    shutil.copy(shutil.which("mafs"), program)
    with open(work.join("bin/mafs-fused"), "w") as out:
        out.write(FAKE_DAEMON + script)
    os.chmod(work.join("bin/mafs-fused"), 0o755)
    for name in ("dir", "mnt"):
        os.makedirs(work.join(name), exist_ok=True)
    return program


# What mount makes of what the daemon says.


def test_mount_returns_when_the_daemon_is_ready(work):
    program = fake(work, "sleep 0.3; echo ready >&9\n"
                   "exec 9>&- >/dev/null 2>&1; sleep 3")
    begin = time.monotonic()
    mafs("mount", work.join("dir"), work.join("mnt"), program=program)
    assert 0.3 <= time.monotonic() - begin < 2
    with open(work.join("bin/mafs-fused.args")) as args:
        assert args.read().split()[-2:] == [work.join("dir"),
                                            work.join("mnt")]


def test_mount_gives_the_daemons_own_words(work):
    program = fake(work, "echo 'the moon is full; wait' >&9; exit 1")
    done = mafs("mount", work.join("dir"), code=1, program=program)
    assert done.stderr == "mafs: the moon is full; wait\n", done.stderr


def test_mount_says_how_a_silent_daemon_ended(work):
    for script, said in (("exit 3", "code 3"), ("kill -9 $$", "signal 9")):
        done = mafs("mount", work.join("dir"), code=1,
                    program=fake(work, script))
        assert said in done.stderr and done.stderr.count("\n") == 1


def test_mount_shows_what_the_daemon_notices(work):
    program = fake(work, "printf 'recovered 3 files\\nready\\n' >&9")
    done = mafs("mount", work.join("dir"), program=program)
    assert "mafs: recovered 3 files\n" in done.stderr, done.stderr


def test_mount_hands_options_on(work):
    program = fake(work, "echo ready >&9")
    os.symlink(work.join("dir"), work.join("link"))
    mafs("mount", "-o", "_netdev,x-systemd.automount,noatime,ro", "-o",
         "memory=64M,mpol=local", "--options=exec", work.join("link"),
         work.join("mnt"), program=program)
    with open(work.join("bin/mafs-fused.args")) as args:
        words = args.read().split()
    assert words[-2] == work.join("dir"), words
    assert words[words.index("-o") + 1] == "ro,noatime,exec", words
    assert words[words.index("--memory") + 1] == "tmpfs:64M,mpol=local", words


# Help.


def test_each_command_explains_itself_with_an_example():
    listed = mafs("--help").stdout
    for command in COMMANDS:
        assert f"\n  {command} " in listed, command
        text = mafs(command, "--help").stdout
        assert "Example" in text and f"mafs {command} " in text, text
        assert mafs("help", command).stdout == text
    assert mafs("--version").stdout.startswith("mafs ")


# With a volume.


@needs("mafs")
def test_status_for_people_and_for_programs(vol):
    write_file(f"{vol.mnt}/f", block(1, MIB))
    text = mafs("status", vol.mnt).stdout
    assert f"{vol.dir} on {vol.mnt}" in text and f"pid {vol.pid}" in text, text
    status = json.loads(mafs("status", "--json", vol.mnt).stdout)
    assert status["pid"] == vol.pid and status["mountpoint"] == vol.mnt
    assert status["memory"]["kind"] == "tmpfs"
    assert status["memory"]["size_bytes"] == 256 * MIB
    assert status["memory"]["used_bytes"] >= MIB and status["n_hot"] >= 1
    for name in ("lookup", "open", "read", "write", "getattr", "fsync"):
        assert isinstance(status["upcalls"][name], int)
    # Of all volumes here, those of others may be dead.
    every = json.loads(mafs("status", "--json", code=None).stdout)["volumes"]
    assert vol.pid in [one["pid"] for one in every]
    for name in (vol.dir, status["uuid"]):
        one = json.loads(mafs("status", "--json", name).stdout)
        assert one["pid"] == vol.pid


@needs("mafs")
def test_stat_shows_tier_and_state(vol):
    path = f"{vol.mnt}/sub/f \udcff"
    os.mkdir(f"{vol.mnt}/sub")
    write_file(path, block(1, MIB))
    info = json.loads(mafs("stat", "--json", path).stdout)
    assert info["tier"] == "memory" and info["size_bytes"] == MIB, info
    assert sum(e["length"] for e in info["extents"]) >= MIB, info
    mafs("sync", vol.mnt)
    mafs("push", path)
    info = json.loads(mafs("stat", "--json", path).stdout)
    assert info["tier"] == "disk" and info["state"] == "cold", info
    assert "tier     disk" in mafs("stat", path).stdout
    # By the path in DIR, by a link, and through a bind mount.
    again = mafs("stat", "--json", f"{vol.dir}/sub/f \udcff").stdout
    assert json.loads(again)["ino"] == info["ino"]
    bind = vol.work.join("bind")
    os.mkdir(bind)
    run(["mount", "--bind", f"{vol.mnt}/sub", bind])
    try:
        again = mafs("stat", "--json", f"{bind}/f \udcff").stdout
        assert json.loads(again)["ino"] == info["ino"]
    finally:
        run(["umount", bind])


@needs("mafs")
def test_push_and_pull_say_how_many(work):
    vol = prepared(work, {f"d/{i}": b"x" * 5000 for i in range(10)})
    assert "pulled 10 files" in mafs("pull", f"{vol.mnt}/d").stdout
    assert vol.status()["n_hot"] == 10
    assert "pushed 10 files" in mafs("push", f"{vol.mnt}/d").stdout
    assert vol.status()["n_hot"] == 0
    vol.umount()


@needs("mafs")
def test_push_keeps_what_is_open_and_says_so(vol):
    write_file(f"{vol.mnt}/f", block(1, MIB))
    with open(f"{vol.mnt}/f", "rb"):
        done = mafs("push", f"{vol.mnt}/f", code=1)
    assert "kept 1" in done.stdout, done.stdout
    vol.wait_clean()


@needs("mafs")
def test_sync_leaves_nothing_dirty(vol):
    for i in range(20):
        write_file(f"{vol.mnt}/{i}", block(i, 100_000))
    mafs("sync", code=None)  # all volumes here, some perhaps dead
    assert vol.status()["n_dirty"] == 0
    with open(f"{vol.dir}/7", "rb") as source:
        assert source.read() == block(7, 100_000)


@needs("mafs")
def test_long_work_shows_progress_on_a_terminal(vol):
    write_file(f"{vol.mnt}/f", block(1, 64 * MIB))
    terminal, end = pty.openpty()
    process = subprocess.Popen(["mafs", "umount", vol.mnt], stderr=end)
    os.close(end)
    said = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        said += piece
    os.close(terminal)
    assert process.wait() == 0, said
    assert b"\r" in said and b"mafs:" not in said, said
    assert not vol.is_mounted()


@needs("mafs")
def test_umount_of_a_busy_mount_names_the_holder(vol):
    write_file(f"{vol.mnt}/f", b"x")
    with open(f"{vol.mnt}/f", "rb"):
        done = mafs("umount", vol.mnt, code=1)
        assert str(os.getpid()) in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1
        assert vol.alive()
    assert not os.path.exists(f"{vol.mnt}/.mafs")


@needs("mafs")
def test_umount_tells_of_a_bind_mount(vol):
    bind = vol.work.join("bind")
    os.mkdir(bind)
    run(["mount", "--bind", vol.mnt, bind])
    try:
        assert bind in mafs("umount", vol.mnt, code=1).stderr
        assert vol.alive()
    finally:
        run(["umount", bind])


@needs("mafs")
def test_umount_takes_the_directory_or_the_uuid(work):
    for name in ("dir", "uuid"):
        vol = Volume(work).mount()
        write_file(f"{vol.mnt}/f", name.encode())
        mafs("umount", getattr(vol, name))
        assert not vol.is_mounted()
        with open(f"{vol.dir}/f", "rb") as source:
            assert source.read() == name.encode()
        assert "not mounted" in mafs("umount", vol.dir, code=1).stderr


@needs("mafs")
def test_umount_waits_after_umount8(work):
    vol = Volume(work).mount()
    write_file(f"{vol.mnt}/f", block(1, 32 * MIB))
    run(["umount", vol.mnt])
    # By now it may have ended by itself.
    run(["mafs", "umount", vol.dir], check=False)
    with open(f"{vol.dir}/f", "rb") as source:
        assert source.read() == block(1, 32 * MIB)
    vol.mount()
    vol.umount()


def own_run():
    """Other volumes of this machine are not this test's."""
    private_mounts()
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])


@needs("mafs")
def test_umount_all(work):
    def steps():
        outer = Volume(work.sub("a")).mount()
        inner = Volume(work.sub("b"), mnt=f"{outer.mnt}/inner").mount()
        over = Volume(work.sub("c"), mnt="").mount()
        write_file(f"{over.mnt}/f", b"x")
        mafs("umount", "--all")
        for vol in (outer, inner, over):
            assert not vol.is_mounted(), vol.mnt
        assert os.path.getsize(f"{over.dir}/f") == 1
        assert mafs("umount", "--all").stderr == ""
        assert json.loads(mafs("status", "--json").stdout) == {"volumes": []}
        assert "no volume" in mafs("status").stdout

    as_user(steps, uid=0, gid=0, before=own_run)


@needs("mafs")
def test_status_of_a_killed_daemon(vol):
    vol.kill()
    done = mafs("status", vol.mnt, code=1)
    assert "DEAD" in done.stdout, done.stdout
    status = json.loads(mafs("status", "--json", vol.mnt, code=1).stdout)
    assert status["state"] == "dead" and status["source"] == vol.dir
    assert "gone" in mafs("sync", vol.mnt, code=1).stderr
    assert "gone" in mafs("stat", f"{vol.mnt}/x", code=1).stderr
    vol.mount()


@needs("mafs")
def test_umount_writes_back_what_a_killed_daemon_left(work):
    for mnt in (None, ""):
        vol = Volume(work.sub(f"mnt-{mnt}"), mnt=mnt,
                     options="writeback_after=600").mount()
        write_file(f"{vol.mnt}/f", block(1, MIB))
        vol.kill()
        mafs("umount", vol.mnt)
        assert not vol.is_mounted()
        with open(f"{vol.dir}/f", "rb") as source:
            assert source.read() == block(1, MIB)


@needs("mafs")
def test_mount_detaches_a_dead_mount(work):
    for mnt in (None, ""):
        vol = Volume(work.sub(f"mnt-{mnt}"), mnt=mnt,
                     options="writeback_after=600").mount()
        write_file(f"{vol.mnt}/f", block(1, MIB))
        vol.kill()
        vol.mount()
        assert [p for p, _, _ in mounts()].count(vol.mnt) == 1
        with open(f"{vol.mnt}/f", "rb") as source:
            assert source.read() == block(1, MIB)
        vol.umount()


@needs("mafs")
def test_options_reach_the_mount(work):
    vol = Volume(work, options="noatime,noexec,dev").mount()
    flags = mount_flags(vol.mnt)
    assert {"noatime", "noexec", "nosuid"} <= set(flags), flags
    assert "nodev" not in flags, flags
    vol.umount()
    vol = Volume(work, options="ro").mount()
    with fails(30):  # EROFS
        write_file(f"{vol.mnt}/f", b"x")
    vol.umount()


@needs("mafs")
def test_foreground_stays(work):
    vol = Volume(work)
    child = Child(lambda: os.execvp("mafs", ["mafs", "mount", "--foreground",
                                             vol.dir, vol.mnt]))
    wait_for(vol.is_mounted, 20, "the mount")
    assert child.ended() is None
    assert vol.status()["pid"] == child.pid
    mafs("umount", vol.mnt)
    child.wait()


if __name__ == "__main__":
    main()
