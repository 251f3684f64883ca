#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the daemon in particular states: in the middle of write-back,
with mappings, with unlinked open files, with descriptors that outlive it."""

import contextlib
import mmap
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, Volume, prepared
from runner import main, needs, scale
from tree import block, read_file, write_file
from work import DEAD, fails, wait_for

ROUNDS = int(os.environ.get("MAFS_TEST_ROUNDS", scale(5, 50)))


def extra_names(directory, known):
    return [os.path.join(top, name) for top, _, names in os.walk(directory)
            for name in names if name not in known and
            "/.mafs" not in top + "/"]


def start_sync(vol):
    return subprocess.Popen(["mafs", "sync", vol.mnt],
                            stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


@needs("mafs")
def test_kill_in_writeback_no_conflict(vol):
    rng = random.Random()
    size = scale(24, 96) * MIB
    names = ["big", *(f"small{i}" for i in range(40))]
    contents = {}
    for i in range(ROUNDS):
        for name in names:
            contents[name] = block(f"{i}{name}", size if name == "big"
                                   else 5000)
            write_file(f"{vol.mnt}/{name}", contents[name])
        sync = start_sync(vol)
        time.sleep(rng.uniform(0, 0.25))
        vol.kill()
        sync.wait()
        vol.mount()
        for name in names:
            assert read_file(f"{vol.mnt}/{name}") == contents[name], \
                f"round {i}: {name}"
        assert extra_names(vol.mnt, names) == [], f"round {i}"
    vol.umount()
    assert extra_names(vol.dir, names) == []
    for name in names:
        assert read_file(f"{vol.dir}/{name}") == contents[name], name


@needs("mafs")
def test_attributes_set_on_a_dirty_file_make_no_conflict(vol):
    for i in range(ROUNDS):
        path = f"{vol.mnt}/f"
        write_file(path, block(i, 2 * MIB))
        sync = start_sync(vol)
        os.utime(path, ns=(i, 10**18 + i))
        os.chmod(path, 0o600 + i % 8)
        vol.kill()
        sync.wait()
        vol.mount()
        assert read_file(path) == block(i, 2 * MIB), f"round {i}"
        st = os.stat(path)
        assert st.st_mtime_ns == 10**18 + i and st.st_mode & 7 == i % 8
        assert os.listdir(vol.mnt) == ["f"]
    vol.umount()
    assert os.stat(f"{vol.dir}/f").st_mtime_ns == 10**18 + ROUNDS - 1


@needs("mafs")
def test_dirty_files_stay_dirty_and_go_down(vol):
    write_file(f"{vol.mnt}/f", b"only in memory")
    vol.kill()
    vol.mount()
    assert vol.file(f"{vol.mnt}/f")["state"] == "dirty"
    assert vol.status()["n_dirty"] == 1
    vol.sync()
    assert read_file(f"{vol.dir}/f") == b"only in memory"
    vol.umount()


@needs("mafs")
def test_sync_right_after_the_mount_leaves_nothing_out(vol):
    n = 2000
    for i in range(n):
        write_file(f"{vol.mnt}/{i}", b"%d" % i)
    vol.kill()
    vol.mount("writeback_after=1h")
    assert vol.status()["n_dirty"] == n
    vol.sync()
    assert vol.status()["n_dirty"] == 0
    for i in range(n):
        assert read_file(f"{vol.dir}/{i}") == b"%d" % i, i
    vol.umount()


@needs("mafs")
def test_what_was_never_looked_at_goes_down_too(vol):
    os.makedirs(f"{vol.mnt}/a/b")
    for i in range(50):
        write_file(f"{vol.mnt}/a/b/{i}", block(i, 3000))
    vol.kill()
    vol.mount()
    vol.umount()
    for i in range(50):
        assert read_file(f"{vol.dir}/a/b/{i}") == block(i, 3000), i


@needs("mafs")
def test_renamed_after_the_last_write_back_goes_to_the_new_name(vol):
    os.mkdir(f"{vol.mnt}/one")
    write_file(f"{vol.mnt}/one/f", b"content")
    os.rename(f"{vol.mnt}/one/f", f"{vol.mnt}/one/g")
    os.rename(f"{vol.mnt}/one", f"{vol.mnt}/two")
    vol.kill()
    vol.mount()
    vol.umount()
    assert read_file(f"{vol.dir}/two/g") == b"content"
    assert extra_names(vol.dir, ["g"]) == []


@needs("mafs")
def test_fsynced_bytes_are_in_dir_without_any_recovery(vol):
    out = os.open(f"{vol.mnt}/f", os.O_WRONLY | os.O_CREAT)
    for i in range(20):
        os.write(out, block(i, 10000))
        os.fsync(out)
    vol.kill()
    wanted = b"".join(block(i, 10000) for i in range(20))
    assert read_file(f"{vol.dir}/f") == wanted
    with contextlib.suppress(OSError):
        os.close(out)
    vol.mount()
    assert read_file(f"{vol.mnt}/f") == wanted
    vol.umount()


@needs("mafs")
def test_stores_that_msync_acknowledged_survive(vol):
    fd = os.open(f"{vol.mnt}/f", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, MIB)
    memory = mmap.mmap(fd, MIB)
    memory[:] = block(3, MIB)
    memory.flush()
    vol.kill()
    memory.close()
    try:
        os.close(fd)
    except OSError:
        pass
    vol.mount()
    assert read_file(f"{vol.mnt}/f") == block(3, MIB)
    vol.umount()


@needs("mafs")
def test_stores_survive_after_munmap_and_close(vol):
    fd = os.open(f"{vol.mnt}/f", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, MIB)
    memory = mmap.mmap(fd, MIB)
    memory[:] = block(3, MIB)
    memory.close()
    os.close(fd)
    vol.kill()
    vol.mount()
    assert read_file(f"{vol.mnt}/f") == block(3, MIB)
    vol.umount()


@needs("mafs")
def test_unlinked_open_file_is_not_resurrected(vol):
    fd = os.open(f"{vol.mnt}/f", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"x" * MIB)
    os.unlink(f"{vol.mnt}/f")
    write_file(f"{vol.mnt}/other", b"stays")
    vol.kill()
    try:
        os.close(fd)
    except OSError:
        pass
    vol.mount()
    assert os.listdir(vol.mnt) == ["other"]
    vol.umount()
    assert sorted(os.listdir(vol.dir)) == [".mafs", "other"]
    assert os.listdir(f"{vol.dir}/.mafs/unlinked") == [] \
        if os.path.isdir(f"{vol.dir}/.mafs/unlinked") else True


@needs("mafs")
def test_unlinked_file_is_not_resurrected(vol):
    write_file(f"{vol.mnt}/f", b"x" * MIB)
    os.unlink(f"{vol.mnt}/f")
    vol.kill()
    vol.mount()
    assert os.listdir(vol.mnt) == []
    assert vol.status()["n_dirty"] == 0
    vol.umount()
    assert os.listdir(vol.dir) == [".mafs"]


@needs("mafs")
def test_descriptor_that_outlives_the_daemon_writes_on(work):
    """Passed through to the disk: what it writes is there after the mount."""
    vol = prepared(work, {"f": bytes(100000)})
    vol.need_passthrough()
    fd = os.open(f"{vol.mnt}/f", os.O_RDWR)
    os.pwrite(fd, b"before", 0)
    vol.kill()
    assert os.pwrite(fd, b"between", 1000) == 7
    vol.mount()
    assert os.pwrite(fd, b"after", 2000) == 5
    content = read_file(f"{vol.mnt}/f")
    assert (content[:6], content[1000:1007], content[2000:2005]) == \
        (b"before", b"between", b"after")
    os.close(fd)
    assert read_file(f"{vol.mnt}/f") == content
    vol.umount()
    assert read_file(f"{vol.dir}/f") == content


@needs("mafs")
def test_mapping_of_a_hot_file_that_outlives_the_daemon(work):
    """Its stores go to the memory file; a new daemon must count on them."""
    vol = prepared(work, {"f": block(1, MIB)})
    vol.need_passthrough(to_memory=True)
    vol.make_hot(f"{vol.mnt}/f")
    reader = os.open(f"{vol.mnt}/f", os.O_RDONLY)
    writer = os.open(f"{vol.mnt}/f", os.O_RDWR)
    memory = mmap.mmap(writer, MIB)
    memory[:5] = b"first"
    vol.kill()
    vol.mount()
    memory[100:106] = b"second"
    content = read_file(f"{vol.mnt}/f")
    assert (content[:5], content[100:106]) == (b"first", b"second")
    vol.sync()
    memory[200:205] = b"third"
    memory.close()
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            pass
    assert read_file(f"{vol.mnt}/f")[200:205] == b"third"
    vol.umount()
    content = read_file(f"{vol.dir}/f")
    assert (content[:5], content[100:106], content[200:205]) == \
        (b"first", b"second", b"third")


@needs("mafs")
def test_hot_copy_is_not_believed_when_dir_changed_meanwhile(work):
    vol = prepared(work, {"f": b"old" * 1000})
    vol.make_hot(f"{vol.mnt}/f")
    vol.kill()
    subprocess.run(["umount", "-l", vol.mnt], check=True)
    write_file(f"{vol.dir}/f", b"new" * 1000)
    vol.mount()
    assert read_file(f"{vol.mnt}/f") == b"new" * 1000
    vol.umount()
    assert read_file(f"{vol.dir}/f") == b"new" * 1000


@needs("mafs")
def test_dirty_file_changed_in_dir_meanwhile_is_kept_beside(vol):
    write_file(f"{vol.mnt}/f", b"first")
    vol.sync()
    fd = os.open(f"{vol.mnt}/f", os.O_WRONLY | os.O_TRUNC)
    os.write(fd, b"acknowledged")
    os.close(fd)
    if vol.file(f"{vol.mnt}/f")["state"] != "dirty":
        vol.umount()
        return  # it went to the disk at once: nothing to be in conflict
    vol.kill()
    subprocess.run(["umount", "-l", vol.mnt], check=True)
    time.sleep(0.02)
    write_file(f"{vol.dir}/f", b"edited by somebody else")
    vol.mount()
    assert read_file(f"{vol.mnt}/f") == b"edited by somebody else"
    vol.umount()
    copies = [n for n in os.listdir(vol.dir) if ".mafs-conflict-" in n]
    assert len(copies) == 1, os.listdir(vol.dir)
    assert read_file(f"{vol.dir}/{copies[0]}") == b"acknowledged"


@needs("mafs")
def test_removed_in_dir_meanwhile_comes_back_also_when_it_was_missed(vol):
    """Looked for while recovery has not got to it, its name is not there; the
    kernel must not go on believing that."""
    names = [f"f{i}" for i in range(300)]
    for name in names:
        write_file(f"{vol.mnt}/{name}", name.encode())
    vol.kill()
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{vol.dir}/{name}")
    vol.mount()
    missed = [name for name in reversed(names)
              if not os.path.exists(f"{vol.mnt}/{name}")]
    print(f"{len(missed)} were missed")
    wait_for(lambda: len(os.listdir(vol.dir)) == 301, 30, "all came back")
    time.sleep(0.5)
    absent = [name for name in missed
              if not os.path.exists(f"{vol.mnt}/{name}")]
    assert not absent, (len(absent), absent[0])
    for name in names:
        assert read_file(f"{vol.mnt}/{name}") == name.encode()
    vol.umount()
    assert extra_names(vol.dir, names) == []


@needs("mafs")
def test_dead_mount_says_so_and_is_replaced(vol):
    write_file(f"{vol.mnt}/f", b"x")
    vol.kill()
    with fails(*DEAD):
        os.listdir(vol.mnt)
    vol.mount()
    assert os.listdir(vol.mnt) == ["f"]
    with open("/proc/self/mountinfo") as table:
        assert table.read().count(f" {vol.mnt} ") == 1
    vol.umount()


@needs("mafs")
def test_umount_of_a_dead_mount_brings_the_bytes_down_or_keeps_them(vol):
    write_file(f"{vol.mnt}/f", b"acknowledged")
    vol.kill()
    subprocess.run(["mafs", "umount", vol.mnt], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while vol.is_mounted():
        subprocess.run(["umount", "-l", vol.mnt], check=True)
    if read_file(f"{vol.dir}/f") != b"acknowledged":
        vol.mount()
        assert read_file(f"{vol.mnt}/f") == b"acknowledged"
        vol.umount()
        assert read_file(f"{vol.dir}/f") == b"acknowledged"


@needs("mafs")
def test_mounted_over_itself_after_a_kill(work):
    os.mkdir(work.join("dir"))
    vol = Volume(work, mnt="").mount()
    write_file(f"{vol.dir}/f", b"acknowledged")
    vol.kill()
    vol.mount()
    assert read_file(f"{vol.dir}/f") == b"acknowledged"
    vol.umount()
    assert read_file(f"{vol.dir}/f") == b"acknowledged"


@needs("mafs")
def test_rsync_copy_of_N_mounts_as_new(vol):
    """rsync or cp -a of DIR carries .mafs along; the dirty bytes of one must
    not go into the other."""
    write_file(f"{vol.mnt}/f", b"in memory of the first")
    copy = vol.work.sub("copy")
    subprocess.run(["cp", "-a", f"{vol.dir}/.", copy.join("dir")], check=True)
    other = Volume(copy).mount()
    assert other.uuid != vol.uuid
    write_file(f"{other.mnt}/g", b"second")
    vol.kill()
    vol.mount()
    assert read_file(f"{vol.mnt}/f") == b"in memory of the first"
    assert sorted(os.listdir(vol.mnt)) == ["f"]
    assert sorted(os.listdir(other.mnt)) == ["f", "g"]
    other.umount()
    vol.umount()
    assert read_file(f"{vol.dir}/f") == b"in memory of the first"


if __name__ == "__main__":
    main()
