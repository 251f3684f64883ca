#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""DIR is also changed past the mount (-o shared)."""

import contextlib
import glob
import os
import stat
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, Volume, prepared
from runner import main, needs
from tree import block, read_file, write_file
from work import as_user, run, wait_for

SOON_S = 1.5


def wait_soon(holds, what):
    """Within the time that the kernel keeps names and attributes."""
    wait_for(holds, SOON_S, what)


@contextlib.contextmanager
def kept(vol, *names):
    """The kernel keeps what it knows of these, though caches be dropped."""
    held = [os.open(f"{vol.mnt}/{name}", os.O_PATH) for name in names]
    try:
        for name in names:
            os.stat(f"{vol.mnt}/{name}")
        yield
    finally:
        for fd in held:
            os.close(fd)


def shared(work, files=None, options="", **more):
    words = ",".join(w for w in ("shared", options) if w)
    return prepared(work, files or {}, options=words, **more)


def state(vol, name):
    return vol.file(f"{vol.mnt}/{name}")["state"]


def conflicts(vol, name):
    return sorted(glob.glob(f"{vol.dir}/{name}.mafs-conflict-*"))


@needs("mafs")
def test_names_made_and_removed_in_dir_show_soon(work):
    vol = shared(work, {"old": b"1", "sub/f": b"2"})
    assert not os.path.exists(f"{vol.mnt}/new")
    assert os.path.exists(f"{vol.mnt}/old")
    assert sorted(os.listdir(f"{vol.mnt}/sub")) == ["f"]
    with kept(vol, "old", "sub", "sub/f"):
        write_file(f"{vol.dir}/new", b"fresh")
        os.unlink(f"{vol.dir}/old")
        os.mkdir(f"{vol.dir}/sub/dir")
        wait_soon(lambda: os.path.exists(f"{vol.mnt}/new"), "a new file")
        assert read_file(f"{vol.mnt}/new") == b"fresh"
        wait_soon(lambda: not os.path.exists(f"{vol.mnt}/old"), "its removal")
        assert sorted(os.listdir(f"{vol.mnt}/sub")) == ["dir", "f"]
    with kept(vol, "new", "sub", "sub/f"):
        os.rename(f"{vol.dir}/new", f"{vol.dir}/sub/moved")
        wait_soon(lambda: not os.path.exists(f"{vol.mnt}/new"), "the old name")
        assert read_file(f"{vol.mnt}/sub/moved") == b"fresh"
        os.rename(f"{vol.dir}/sub", f"{vol.dir}/sub2")
        wait_soon(lambda: os.path.exists(f"{vol.mnt}/sub2/f"), "a moved tree")
        wait_soon(lambda: not os.path.exists(f"{vol.mnt}/sub"), "its old name")
    vol.umount()


@needs("mafs")
def test_attributes_changed_in_dir_show_soon(work):
    vol = shared(work, {"f": b"1"})
    vol.make_hot(f"{vol.mnt}/f")
    path = f"{vol.mnt}/f"
    with kept(vol, "f"):
        os.chmod(f"{vol.dir}/f", 0o640)
        wait_soon(lambda: stat.S_IMODE(os.stat(path).st_mode) == 0o640, "mode")
        os.utime(f"{vol.dir}/f", (7, 7))
        wait_soon(lambda: os.stat(path).st_mtime == 7, "mtime")
        os.truncate(f"{vol.dir}/f", 5000)
        wait_soon(lambda: os.stat(path).st_size == 5000, "size")
    assert read_file(path) == b"1" + bytes(4999)
    vol.umount()


@needs("mafs")
def test_file_in_memory_that_is_edited_in_dir_reads_new_bytes(work):
    vol = shared(work, {f"{i}": block(i, MIB) for i in range(3)})
    for i in range(3):
        vol.make_hot(f"{vol.mnt}/{i}")
        assert read_file(f"{vol.mnt}/{i}") == block(i, MIB)
    with open(f"{vol.dir}/0", "r+b") as file:  # in place, as long as before
        file.seek(4096)
        file.write(b"edited")
    expected = block(0, MIB)
    expected = expected[:4096] + b"edited" + expected[4102:]
    assert read_file(f"{vol.mnt}/0") == expected
    write_file(f"{vol.dir}/1", b"short")
    assert read_file(f"{vol.mnt}/1") == b"short"
    write_file(f"{vol.dir}/.2.swp", b"as editors do")
    os.rename(f"{vol.dir}/.2.swp", f"{vol.dir}/2")
    wait_soon(lambda: read_file(f"{vol.mnt}/2") == b"as editors do",
              "what replaced it")
    assert vol.status()["n_conflicts"] == 0
    vol.make_hot(f"{vol.mnt}/0")
    assert read_file(f"{vol.mnt}/0") == expected
    vol.umount()


@needs("mafs")
def test_who_edits_a_file_without_changing_size_and_mtime_is_seen(work):
    vol = shared(work, {"f": block(1, MIB)})
    vol.make_hot(f"{vol.mnt}/f")
    before = os.stat(f"{vol.dir}/f")
    with open(f"{vol.dir}/f", "r+b") as file:
        file.write(b"edited")
    os.utime(f"{vol.dir}/f", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read_file(f"{vol.mnt}/f") == b"edited" + block(1, MIB)[6:]
    vol.umount()


@needs("mafs")
def test_own_changes_are_nobody_elses(work):
    vol = shared(work, {})
    for i in range(20):
        write_file(f"{vol.mnt}/{i}", block(i, 100000))
    vol.sync()
    for i in range(20):
        path = f"{vol.mnt}/{i}"
        os.chmod(path, 0o600)
        os.utime(path, (i, i))
        os.setxattr(path, "user.own", b"1")
        os.link(path, f"{vol.mnt}/{i}.link")
        os.unlink(f"{vol.mnt}/{i}.link")
    time.sleep(0.5)  # all is told of by now
    for i in range(20):
        assert state(vol, i) == "clean", (i, state(vol, i))
        assert vol.file(f"{vol.mnt}/{i}")["tier"] == "memory"
        with open(f"{vol.mnt}/{i}", "r+b") as file:
            file.write(b"again")
    vol.sync()
    time.sleep(0.2)
    for i in range(20):
        assert read_file(f"{vol.dir}/{i}") == b"again" + block(i, 100000)[5:]
        assert not conflicts(vol, i)
    assert vol.status()["n_conflicts"] == 0
    vol.umount()


@needs("mafs")
def test_both_versions_stay_when_newer_bytes_were_in_memory(work):
    vol = shared(work, {}, options="writeback_after=1h,writeback_most=1h")
    ours, theirs = block(1, MIB), block(2, MIB // 2)
    for name in ("closed", "open"):
        write_file(f"{vol.mnt}/{name}", b"first")
    vol.sync()
    with open(f"{vol.mnt}/open", "wb") as file:
        file.write(ours)
        file.flush()
        write_file(f"{vol.mnt}/closed", ours)
        for name in ("closed", "open"):
            write_file(f"{vol.dir}/{name}", theirs)
            os.chmod(f"{vol.dir}/{name}", 0o640)
        os.fsync(file.fileno())
        vol.sync()
        vol.sync()
    for name in ("closed", "open"):
        assert read_file(f"{vol.dir}/{name}") == ours, name
        assert read_file(f"{vol.mnt}/{name}") == ours, name
        assert len(conflicts(vol, name)) == 1, conflicts(vol, name)
        assert read_file(conflicts(vol, name)[0]) == theirs
        mode = os.stat(conflicts(vol, name)[0]).st_mode
        assert stat.S_IMODE(mode) == 0o640
    assert vol.status()["n_conflicts"] == 2
    write_file(f"{vol.mnt}/closed", b"and on")
    vol.umount()
    assert read_file(f"{vol.dir}/closed") == b"and on"
    assert len(conflicts(vol, "closed")) == 1


@needs("mafs")
def test_edit_below_a_writer_of_what_is_in_memory_is_kept(work):
    """A reader keeps the file on memory's side; the writer joins it there."""
    vol = shared(work, {"f": block(1, MIB)},
                 options="writeback_after=1h,writeback_most=1h")
    vol.need_passthrough()
    vol.make_hot(f"{vol.mnt}/f")
    with open(f"{vol.mnt}/f", "rb") as reader:
        assert reader.read(10) == block(1, MIB)[:10]
        write_file(f"{vol.dir}/f", block(2, MIB))
        time.sleep(0.2)
        with open(f"{vol.mnt}/f", "r+b") as writer:
            writer.write(b"joined")
    vol.sync()
    expected = b"joined" + block(1, MIB)[6:]
    assert read_file(f"{vol.mnt}/f") == expected
    assert read_file(f"{vol.dir}/f") == expected
    assert [read_file(path) for path in conflicts(vol, "f")] == [block(2, MIB)]
    vol.umount()


@needs("mafs")
def test_edit_below_a_writer_that_was_written_back_is_kept(work):
    """It stays dirty while it is open, and each write-back asks again."""
    vol = shared(work, {"hot": block(1, MIB), "mapped": block(1, MIB)},
                 options="writeback_after=1h,writeback_most=1h")
    vol.need_passthrough()
    os.setxattr(f"{vol.mnt}/hot", "user.mafs.policy", b"hot")
    vol.make_hot(f"{vol.mnt}/mapped")
    with open(f"{vol.mnt}/mapped", "rb"):
        fds = {name: os.open(f"{vol.mnt}/{name}", os.O_RDWR)
               for name in ("hot", "mapped")}
    for i in range(2):
        for name, fd in fds.items():
            os.pwrite(fd, b"ours", 4096 * i)
            vol.sync()
            with open(f"{vol.dir}/{name}", "r+b") as file:
                file.seek(MIB // 2)
                file.write(b"theirs %d" % i)
            os.pwrite(fd, b"ours, too", 4096 * i)
            vol.sync()
            assert read_file(f"{vol.dir}/{name}") == \
                read_file(f"{vol.mnt}/{name}")
            kept = [read_file(path)[MIB // 2:][:8]
                    for path in conflicts(vol, name)]
            assert kept == [b"theirs %d" % n for n in range(i + 1)], kept
    for fd in fds.values():
        os.close(fd)
    vol.sync()
    assert vol.status()["n_conflicts"] == 4
    vol.umount()


@needs("mafs")
def test_removed_in_dir_is_gone_with_its_bytes(work):
    vol = shared(work, {"clean": block(1, MIB)},
                 options="writeback_after=1h,writeback_most=1h")
    vol.make_hot(f"{vol.mnt}/clean")
    for name in ("dirty", "held", "replaced"):
        write_file(f"{vol.mnt}/{name}", block(2, MIB))
    held = open(f"{vol.mnt}/held", "rb")
    for name in ("clean", "dirty", "held"):
        os.unlink(f"{vol.dir}/{name}")
    write_file(f"{vol.dir}/tmp", b"theirs")
    os.rename(f"{vol.dir}/tmp", f"{vol.dir}/replaced")
    wait_for(lambda: vol.status()["n_dirty"] <= 1, 10, "dropped")
    assert held.read() == block(2, MIB)
    held.close()
    wait_for(lambda: vol.status()["n_dirty"] == 0, 10, "dropped")
    time.sleep(SOON_S)
    assert os.listdir(vol.mnt) == ["replaced"]
    assert read_file(f"{vol.mnt}/replaced") == b"theirs"
    vol.sync()
    vol.umount()
    assert sorted(os.listdir(vol.dir)) == [".mafs", "replaced"]
    assert read_file(f"{vol.dir}/replaced") == b"theirs"


@needs("mafs")
def test_setuid_that_was_set_in_dir_goes_at_a_strangers_write(work):
    vol = shared(work, {}, options="allow_other")
    os.chmod(work.path, 0o755)
    os.chmod(vol.mnt, 0o777)
    path = f"{vol.mnt}/f"
    write_file(path, b"1")
    os.chmod(path, 0o777)
    as_user(lambda: write_file(path, b"2"))  # known to have none
    vol.sync()
    os.chmod(f"{vol.dir}/f", 0o4777)
    wait_soon(lambda: os.stat(path).st_mode & stat.S_ISUID, "the setuid bit")
    as_user(lambda: write_file(path, b"3"))
    assert not os.stat(path).st_mode & stat.S_ISUID
    assert not os.stat(f"{vol.dir}/f").st_mode & stat.S_ISUID
    vol.umount()


@needs("mafs", "mkfs.ext4")
def test_what_cannot_be_watched_shows_soon(work):
    """An overlay: no handles, no passthrough; the kernel keeps pages."""
    disk, source = work.disk(), work.join("dir")
    for name in ("lower", "upper", "work"):
        os.mkdir(f"{disk}/{name}")
    os.mkdir(source)
    write_file(f"{disk}/lower/f", block(1, MIB))
    run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={disk}/lower,"
         f"upperdir={disk}/upper,workdir={disk}/work", source])
    vol = Volume(work, source=source, options="shared").mount()
    with open(f"{vol.mnt}/f", "rb", buffering=0) as reader:
        assert os.pread(reader.fileno(), MIB, 0) == block(1, MIB)
        with open(f"{source}/f", "r+b") as file:
            file.write(b"edited")
        expected = b"edited" + block(1, MIB)[6:]
        assert read_file(f"{source}/f") == expected
        wait_soon(lambda: os.pread(reader.fileno(), 6, 0) == b"edited",
                  "new bytes under a reader")
        assert os.pread(reader.fileno(), MIB, 0) == expected
    assert read_file(f"{vol.mnt}/f") == expected
    os.unlink(f"{source}/f")
    wait_soon(lambda: not os.path.exists(f"{vol.mnt}/f"), "its removal")
    vol.umount()


@needs("mafs", "mkfs.xfs", "mkfs.btrfs")
def test_other_file_systems(work):
    for kind in ("ext4", "xfs", "btrfs"):
        source = f"{work.disk(kind, kind=kind, size='512M')}/dir"
        os.mkdir(source)
        write_file(f"{source}/f", block(1, MIB))
        vol = Volume(work, source=source, mnt=work.join(f"mnt-{kind}"),
                     options="shared_dir=on").mount()
        vol.make_hot(f"{vol.mnt}/f")
        write_file(f"{source}/f", b"edited")
        assert read_file(f"{vol.mnt}/f") == b"edited", kind
        wait_soon(lambda: os.stat(f"{vol.mnt}/f").st_size == 6, kind)
        vol.umount()


@needs("mafs")
def test_setting_is_stored_and_counts_from_the_next_mount(work):
    vol = prepared(work, {"f": b"1"})
    run(["mafs", "set", vol.mnt, "shared_dir=on"])
    vol.umount()
    vol.mount()
    assert not os.path.exists(f"{vol.mnt}/new")
    write_file(f"{vol.dir}/new", b"1")
    wait_soon(lambda: os.path.exists(f"{vol.mnt}/new"), "a new file")
    vol.umount()


if __name__ == "__main__":
    main()
