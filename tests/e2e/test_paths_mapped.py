#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mappings: never stale, never lost, whatever happens to the file meanwhile."""

import mmap
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, prepared
from runner import main, needs
from tree import block, read_file, write_file
from work import PLAIN, Child

SIZE = 2 * MIB
CONTENT = block(1, SIZE)


def mapped(path, flags=os.O_RDWR, size=SIZE):
    """A shared mapping whose descriptor is closed: RELEASE may have come."""
    fd = os.open(path, flags)
    prot = mmap.PROT_READ | (0 if flags == os.O_RDONLY else mmap.PROT_WRITE)
    memory = mmap.mmap(fd, size, mmap.MAP_SHARED, prot)
    os.close(fd)
    return memory


def test_mmap_only_writer_new_file(vol):
    fd = os.open(f"{vol.mnt}/f", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, SIZE)
    memory = mmap.mmap(fd, SIZE)
    memory[:] = CONTENT
    memory.close()
    os.close(fd)
    assert read_file(f"{vol.mnt}/f") == CONTENT
    vol.umount()
    assert read_file(f"{vol.dir}/f") == CONTENT


def test_stores_after_close_are_kept(vol):
    fd = os.open(f"{vol.mnt}/f", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, SIZE)
    memory = mmap.mmap(fd, SIZE)
    os.close(fd)
    vol.sync()
    memory[:] = CONTENT
    memory.close()
    assert read_file(f"{vol.mnt}/f") == CONTENT
    vol.umount()
    assert read_file(f"{vol.dir}/f") == CONTENT


def test_stores_between_write_backs_are_kept(vol):
    fd = os.open(f"{vol.mnt}/f", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, SIZE)
    memory = mmap.mmap(fd, SIZE)
    os.close(fd)
    for i in range(6):
        memory[i * 4096:i * 4096 + 5] = b"round"
        memory.flush()
        vol.sync()
    memory[SIZE - 3:] = b"end"
    memory.close()
    vol.umount()
    content = read_file(f"{vol.dir}/f")
    assert all(content[i * 4096:][:5] == b"round" for i in range(6))
    assert content[-3:] == b"end"


def test_msync_reaches_the_disk(vol):
    fd = os.open(f"{vol.mnt}/f", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, SIZE)
    memory = mmap.mmap(fd, SIZE)
    memory[4096:4104] = b"by msync"
    memory.flush()
    assert read_file(f"{vol.dir}/f")[4096:4104] == b"by msync"
    memory.close()
    os.close(fd)
    vol.umount()


def test_store_to_a_cold_file(work):
    vol = prepared(work, {"f": CONTENT})
    memory = mapped(f"{vol.mnt}/f")
    memory[100:104] = b"EDIT"
    assert read_file(f"{vol.mnt}/f")[100:104] == b"EDIT"
    memory.close()
    vol.umount()
    assert read_file(f"{vol.dir}/f") == CONTENT[:100] + b"EDIT" + CONTENT[104:]


def test_store_to_a_hot_file(work):
    vol = prepared(work, {"f": CONTENT})
    vol.make_hot(f"{vol.mnt}/f")
    memory = mapped(f"{vol.mnt}/f")
    memory[100:104] = b"EDIT"
    assert read_file(f"{vol.mnt}/f")[100:104] == b"EDIT"
    memory.close()
    vol.umount()
    assert read_file(f"{vol.dir}/f") == CONTENT[:100] + b"EDIT" + CONTENT[104:]


def test_store_by_a_writer_that_joined_a_reader(work):
    """X: the mapping is the memory file itself, no upcall tells of stores."""
    vol = prepared(work, {"f": CONTENT})
    vol.make_hot(f"{vol.mnt}/f")
    with open(f"{vol.mnt}/f", "rb", buffering=0) as reader:
        reader.read(1)
        memory = mapped(f"{vol.mnt}/f")
        memory[5000:5004] = b"EDIT"
        assert os.pread(reader.fileno(), 4, 5000) == b"EDIT"
        vol.sync()
        memory[9000:9004] = b"LATE"
        memory.close()
    wanted = bytearray(CONTENT)
    wanted[5000:5004], wanted[9000:9004] = b"EDIT", b"LATE"
    assert read_file(f"{vol.mnt}/f") == wanted
    vol.umount()
    assert read_file(f"{vol.dir}/f") == wanted


def test_stores_outlive_everything_but_the_mapping(work):
    """A mapping made by a joined writer, all files closed, then pushed."""
    vol = prepared(work, {"f": CONTENT})
    vol.make_hot(f"{vol.mnt}/f")
    with open(f"{vol.mnt}/f", "rb", buffering=0):
        memory = mapped(f"{vol.mnt}/f")
    vol.sync()
    memory[5000:5004] = b"LATE"
    subprocess.run(["mafs", "push", f"{vol.mnt}/f"], check=False,
                   stderr=subprocess.DEVNULL) if not PLAIN else None
    memory[6000:6004] = b"LAST"
    now = read_file(f"{vol.mnt}/f")
    assert (now[5000:5004], now[6000:6004]) == (b"LATE", b"LAST")
    memory.close()
    vol.umount()
    assert read_file(f"{vol.dir}/f") == now


def rewritten_under_a_mapping(vol, name, rewrite):
    """A mapping of a closed file and whoever opens it later see the same."""
    path = f"{vol.mnt}/{name}"
    memory = mapped(path, os.O_RDONLY)
    assert memory[:8] == CONTENT[:8]
    rewrite(path)
    with open(path, "rb", buffering=0) as source:
        now = source.read(SIZE)
    assert len(now) == SIZE
    assert memory[:] == now, f"{name}: the mapping is stale"
    memory.close()
    return now


def overwrite(path):
    fd = os.open(path, os.O_RDWR)
    os.pwrite(fd, b"over" * 1000, 10000)
    os.close(fd)


def truncating(path):
    write_file(path, block(9, SIZE))


def test_mapping_kept_after_close_is_never_stale(work):
    for state in ("cold", "hot", "dirty", "clean"):
        for rewrite in (overwrite, truncating):
            where = work.sub(f"{state}-{rewrite.__name__}")
            vol = prepared(where, {} if state in ("dirty", "clean")
                           else {"f": CONTENT})
            if state in ("dirty", "clean"):
                write_file(f"{vol.mnt}/f", CONTENT)
            if state == "clean":
                vol.sync()
            if state == "hot":
                vol.make_hot(f"{vol.mnt}/f")
            now = rewritten_under_a_mapping(vol, "f", rewrite)
            vol.umount()
            assert read_file(f"{vol.dir}/f") == now, state


@needs("mafs")
def test_mapping_survives_push_and_pull(work):
    vol = prepared(work, {"f": CONTENT})
    for prepare in (vol.pull, vol.push):
        prepare(f"{vol.mnt}/f")
        memory = mapped(f"{vol.mnt}/f", os.O_RDONLY)
        for command in ("push", "pull"):
            subprocess.run(["mafs", command, f"{vol.mnt}/f"], check=False,
                           stderr=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL)
            overwrite_at = int(command == "push") * 100
            fd = os.open(f"{vol.mnt}/f", os.O_RDWR)
            os.pwrite(fd, command.encode(), overwrite_at)
            os.close(fd)
            assert memory[overwrite_at:overwrite_at + 4] == command.encode()
        memory.close()
    vol.umount()


def test_stores_then_push_then_read(vol):
    fd = os.open(f"{vol.mnt}/f", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, SIZE)
    memory = mmap.mmap(fd, SIZE)
    memory[:] = CONTENT
    memory.close()
    os.close(fd)
    vol.push(f"{vol.mnt}/f")
    if not PLAIN:
        assert vol.file(f"{vol.mnt}/f")["tier"] == "disk"
    assert read_file(f"{vol.mnt}/f") == CONTENT
    vol.umount()


def test_program_maps_a_growing_file(vol):
    """As databases do: grow by ftruncate, map more, store."""
    fd = os.open(f"{vol.mnt}/f", os.O_CREAT | os.O_RDWR)
    for i in range(1, 9):
        os.ftruncate(fd, i * 65536)
        with mmap.mmap(fd, i * 65536) as memory:
            memory[(i - 1) * 65536:] = block(i, 65536)
            memory.flush()
        if i == 4:
            vol.sync()
    os.close(fd)
    wanted = b"".join(block(i, 65536) for i in range(1, 9))
    assert read_file(f"{vol.mnt}/f") == wanted
    vol.umount()
    assert read_file(f"{vol.dir}/f") == wanted


def test_two_processes_share_a_mapping(d):
    write_file(f"{d}/f", bytes(4096))

    def store():
        memory = mapped(f"{d}/f", size=4096)
        memory[0] = 1
        while memory[1] != 2:
            pass
        memory[2] = 3

    memory = mapped(f"{d}/f", size=4096)
    child = Child(store)
    while memory[0] != 1:
        pass
    memory[1] = 2
    child.wait()
    assert memory[2] == 3
    memory.close()


def test_modified_time_follows_stores(work):
    vol = prepared(work, {"f": CONTENT})
    os.utime(f"{vol.dir}/f", ns=(5, 5))
    assert os.stat(f"{vol.mnt}/f").st_mtime_ns == 5
    memory = mapped(f"{vol.mnt}/f")
    memory[0] = memory[0] ^ 1
    memory.flush()
    assert os.stat(f"{vol.mnt}/f").st_mtime_ns > 5
    memory.close()
    vol.umount()
    assert os.stat(f"{vol.dir}/f").st_mtime_ns > 5


@needs("sqlite3")
def test_sqlite_in_both_journal_modes(vol):
    for mode in ("delete", "wal"):
        database = f"{vol.mnt}/{mode}.db"
        script = (f"pragma journal_mode={mode};"
                  "create table t(i integer primary key, b blob);"
                  "begin; with recursive n(i) as (select 1 union all select "
                  "i+1 from n where i<2000) insert into t select i, "
                  "randomblob(300) from n; commit; update t set b=zeroblob(10)"
                  " where i%3=0; delete from t where i%7=0; vacuum;")
        subprocess.run(["sqlite3", database, script], check=True,
                       stdout=subprocess.DEVNULL)
        check = "pragma integrity_check; select count(*) from t"
        assert subprocess.check_output(["sqlite3", database, check]) == \
            b"ok\n1715\n"
    vol.umount()
    for mode in ("delete", "wal"):
        assert subprocess.check_output(
            ["sqlite3", f"{vol.dir}/{mode}.db", check]) == b"ok\n1715\n"


if __name__ == "__main__":
    main()
