#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input: one clear line that says what to do, an exit code, and nothing
left behind."""

import contextlib
import os
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import Volume, runtime_root
from runner import main, needs
from work import USER, Skip, as_user, mounts, private_mounts, run


def runtime_dirs():
    with contextlib.suppress(FileNotFoundError):
        return sorted(os.listdir(runtime_root()))
    return []


def mafs(*args):
    """(exit code, the lines on standard error)"""
    done = run(["mafs", *args], check=False)
    return done.returncode, done.stderr.splitlines()


def assert_refused(answer, *said, code=1):
    got, lines = answer
    assert got == code, f"exit {got}: {lines}"
    assert len(lines) == 1 and lines[0].startswith("mafs: "), lines
    for part in said:
        assert part in lines[0], f"{part!r} is not said: {lines[0]}"


def refuse_mount(*args, said, code=1, call=mafs):
    before = list(mounts()), runtime_dirs()
    assert_refused(call("mount", *args), *said, code=code)
    assert (list(mounts()), runtime_dirs()) == before, "something was left"


def directories(work):
    """DIR and MNT, both the unprivileged user's."""
    paths = work.join("dir"), work.join("mnt")
    for path in paths:
        os.makedirs(path)
        os.chown(path, USER, USER)
    return paths


def user_mafs(*args, before=None):
    return as_user(lambda: mafs(*args), before=before)


def test_missing_directory(work):
    _, mnt = directories(work)
    refuse_mount(work.join("no"), mnt, said=[work.join("no"), "make it"])


def test_directory_is_a_file(work):
    _, mnt = directories(work)
    run(["touch", work.join("file")])
    refuse_mount(work.join("file"), mnt, said=["not a directory"])


def test_unreadable_directory(work):
    path, mnt = directories(work)
    os.chown(path, 0, 0)
    os.chmod(path, 0o700)
    refuse_mount(path, mnt, said=[path, "may not read"], call=lambda *args:
                 user_mafs(*args, before=let_users_open_fuse))
    assert os.listdir(path) == []


def test_directory_of_somebody_else_wants_ro(work):
    path, mnt = directories(work)
    os.chown(path, 0, 0)
    refuse_mount(path, mnt, said=[path, "-o ro"], call=lambda *args:
                 user_mafs(*args, before=let_users_open_fuse))


def let_users_open_fuse():
    with_dev(lambda: os.mknod("/dev/fuse", stat.S_IFCHR | 0o666,
                              os.makedev(10, 229)))
    os.chmod("/dev/fuse", 0o666)


def with_dev(fill):
    """A /dev of this process's own."""
    private_mounts()
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/dev"])
    os.mknod("/dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.chmod("/dev/null", 0o666)
    fill()


def test_missing_mount_point(work):
    path, _ = directories(work)
    refuse_mount(path, work.join("no"), said=[work.join("no"), "mkdir"])


def test_mount_point_is_a_file(work):
    path, _ = directories(work)
    run(["touch", work.join("file")])
    refuse_mount(path, work.join("file"), said=["not a directory"])


def test_mount_point_not_empty(work):
    path, mnt = directories(work)
    run(["touch", f"{mnt}/x"])
    refuse_mount(path, mnt, said=[mnt, "not empty"])
    assert os.listdir(path) == []


def test_mount_point_of_another(work):
    path, mnt = directories(work)
    run(["mount", "-t", "tmpfs", "tmpfs", mnt])
    refuse_mount(path, mnt, said=[mnt, "mount point already", "tmpfs"])


def test_mount_point_below_directory(work):
    path, _ = directories(work)
    os.mkdir(f"{path}/below")
    refuse_mount(path, f"{path}/below", said=["below", f"mafs mount {path}"])
    os.symlink(f"{path}/below", work.join("link"))
    refuse_mount(path, work.join("link"), said=["below"])


def test_directory_below_mount_point(work):
    path, _ = directories(work)
    os.mkdir(f"{path}/below")
    refuse_mount(f"{path}/below", path, said=["below", "hidden"])


@needs("mafs")
def test_volume_mounted_already(work, vol):
    _, mnt = directories(work.sub("other"))
    refuse_mount(vol.dir, mnt, said=[str(vol.pid), vol.mnt, "umount"])
    refuse_mount(vol.dir, said=[str(vol.pid), vol.mnt])
    refuse_mount(vol.mnt, said=[str(vol.pid)])
    refuse_mount(mnt, vol.mnt, said=[str(vol.pid), vol.mnt])
    assert vol.alive()


def test_directory_above_or_below_a_served_one(work):
    """A file in two volumes would be in memory twice."""
    vol = Volume(work, source=work.join("above/served")).mount()
    _, mnt = directories(work.sub("other"))
    os.mkdir(f"{vol.dir}/below")
    for path in (f"{vol.dir}/below", os.path.dirname(vol.dir)):
        result = run(["mafs", "mount", path, mnt], check=False)
        assert result.returncode != 0
        assert str(vol.pid) in result.stderr and vol.dir in result.stderr, \
            result.stderr
    vol.umount()


@needs("mafs")
def test_mounted_over_itself_already(work):
    vol = Volume(work, mnt="").mount()
    refuse_mount(vol.dir, said=[str(vol.pid)])
    vol.umount()


def test_memory_beyond_the_machine(work):
    refuse_mount("--memory", "900T", *directories(work),
                 said=["900T", "machine"])


def test_memory_beyond_the_control_group(work):
    paths = directories(work)
    group = control_group(64 << 20)

    def enter():
        with open(os.path.join(group, "cgroup.procs"), "w") as procs:
            procs.write(str(os.getpid()))

    try:
        refuse_mount("--memory", "1G", *paths, said=["control group"],
                     call=lambda *args: as_user(lambda: mafs(*args), uid=0,
                                                gid=0, before=enter))
    finally:
        os.rmdir(group)


def control_group(limit):
    for top, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                      ("/sys/fs/cgroup", "memory.max")):
        group = os.path.join(top, f"mafs-test-{os.getpid()}")
        try:
            os.mkdir(group)
        except OSError:
            continue
        try:
            with open(os.path.join(group, name), "w") as out:
                out.write(str(limit))
            return group
        except OSError:
            os.rmdir(group)
    raise Skip("needs a writable memory control group")


def test_memory_not_a_size(work):
    paths = directories(work)
    for spec in ("much", "tmpfs:", "tmpfs:x", "-1", "200%", "tmpfs:1G,x=y",
                 "18446744073709551616"):
        refuse_mount(f"--memory={spec}", *paths, said=["memory"])


def test_unknown_options(work):
    paths = directories(work)
    refuse_mount("-o", "ro,noatim", *paths, said=["noatim", "noatime", "known"],
                 code=2)
    refuse_mount("--colour", *paths, said=["--colour", "--help"], code=2)
    refuse_mount("-o", "writeback_after=soon", *paths, said=["seconds"],
                 code=2)
    refuse_mount("--memory", said=["--memory", "value"], code=2)
    refuse_mount(said=["directory"], code=2)
    refuse_mount(*paths, "third", said=["directory"], code=2)


def test_no_dev_fuse(work):
    paths = directories(work)
    refuse_mount(*paths, said=["no /dev/fuse", "modprobe"],
                 call=lambda *args: as_user(
                     lambda: mafs(*args), uid=0, gid=0,
                     before=lambda: with_dev(lambda: None)))


def test_dev_fuse_without_permission(work):
    paths = directories(work)

    def fuse_of_root():
        let_users_open_fuse()
        os.chmod("/dev/fuse", 0o600)

    refuse_mount(*paths, said=["/dev/fuse", "chmod"], call=lambda *args:
                 user_mafs(*args, before=fuse_of_root))


def test_no_fusermount(work):
    paths = directories(work)

    def hide():
        let_users_open_fuse()
        for top in ("/usr/bin", "/bin", "/usr/local/bin"):
            if os.path.exists(f"{top}/fusermount3"):
                run(["mount", "--bind", "/dev/null", f"{top}/fusermount3"])

    refuse_mount(*paths, said=["fusermount3", "fuse3"], call=lambda *args:
                 user_mafs(*args, before=hide))


def test_user_may_not_mount_at_roots_directory(work):
    path, mnt = directories(work)
    os.chown(mnt, 0, 0)
    refuse_mount(path, mnt, said=[mnt, "your own"], call=lambda *args:
                 user_mafs(*args, before=let_users_open_fuse))


def test_allow_other_is_roots_alone(work):
    paths = directories(work)

    def before():
        let_users_open_fuse()
        if os.path.exists("/etc/fuse.conf"):
            run(["mount", "--bind", "/dev/null", "/etc/fuse.conf"])

    refuse_mount("-o", "allow_other", *paths, said=["user_allow_other"],
                 call=lambda *args: user_mafs(*args, before=before))


def test_no_daemon_program(work):
    paths = directories(work)
    there = subprocess.check_output(["which", "mafs"], text=True).strip()
    os.mkdir(work.join("bin"))
    run(["cp", there, work.join("bin/mafs")])
    before = list(mounts())
    done = run([work.join("bin/mafs"), "mount", *paths], check=False,
               env={**os.environ, "PATH": "/nowhere"})
    if not done.returncode or "mafs-fused is missing" not in done.stderr:
        if any(os.access(f"{top}/mafs-fused", os.X_OK)
               for top in ("/usr/local/bin", "/usr/bin", "/bin")):
            run(["mafs", "umount", paths[1]], check=False)
            raise Skip("mafs is installed here")
        raise AssertionError(done.stderr)
    assert list(mounts()) == before


def test_unknown_command():
    assert_refused(mafs("mout"), "mout", "--help", code=2)


def test_commands_about_no_volume(work):
    path, _ = directories(work)
    run(["touch", f"{path}/f"])
    for command in ("umount", "status", "sync"):
        assert_refused(mafs(command, path), path)
        assert_refused(mafs(command, work.join("no")), work.join("no"))
    for command in ("stat", "push", "pull"):
        assert_refused(mafs(command, f"{path}/f"), f"{path}/f", "no mafs mount")
        assert_refused(mafs(command, work.join("no")), "No such file")


def test_commands_without_their_arguments():
    for command in ("mount", "umount", "stat", "push", "pull"):
        assert_refused(mafs(command), f"mafs {command} --help", code=2)
    for command in ("mount", "umount", "status", "sync", "stat", "push",
                    "pull"):
        assert_refused(mafs(command, "--colour"), "--colour", code=2)
    assert_refused(mafs("umount", "--all", "/x"), "--all", code=2)


@needs("mafs")
def test_file_that_is_not_there(vol):
    for command in ("stat", "push", "pull"):
        assert_refused(mafs(command, f"{vol.mnt}/no"), "No such file")


if __name__ == "__main__":
    main()
