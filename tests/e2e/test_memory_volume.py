#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The life of memory volumes: unmounted, killed under load, mounted again; real
work in a tree of files."""

import contextlib
import json
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from memory import MemoryVolume
from runner import main, needs, scale
from tree import (assert_same, block, make_tree, manifest, read_file,
                  write_file)
from work import DEAD, Child, process_gone, run, wait_for
from workload import Workload, at_one_place


def in_memory(work):
    """Devices there are files of a tmpfs, whose flushes cost nothing."""
    work = work.sub("memory")
    run(["mount", "-t", "tmpfs", "-o", "size=1G", "tmpfs", work.path])
    return work


def remount(vol):
    vol.umount()
    vol.mount()


def test_everything_is_there_after_umount_and_mount(work):
    vol = MemoryVolume(work).mount()
    make_tree(vol.mnt, 200)
    before = manifest(vol.mnt)
    for _ in range(2):
        remount(vol)
        assert_same(manifest(vol.mnt), before, what="after another mount: ")
    vol.umount()


def test_a_second_mount_is_refused(work):
    vol = MemoryVolume(work).mount()
    other = work.join("other")
    os.mkdir(other)
    done = run([*vol.command()[:-1], other], check=False)
    assert done.returncode != 0
    assert "mounted" in done.stderr or "master" in done.stderr, done.stderr
    write_file(os.path.join(vol.mnt, "f"), b"still the master")
    vol.umount()


def test_a_missing_device_is_named(work):
    vol = MemoryVolume(work).mount()
    write_file(os.path.join(vol.mnt, "f"), block(1, 100000))
    vol.umount()
    path = work.join("device-1")
    os.rename(path, path + "-gone")
    done = run(["mafs", "mount", "--no-systemd", vol.spec, vol.mnt],
               check=False)
    assert done.returncode != 0
    assert path in done.stderr and "device" in done.stderr, done.stderr
    vol.others = [f"file:{path}-gone"]
    vol.mount()
    assert read_file(os.path.join(vol.mnt, "f")) == block(1, 100000)
    vol.umount()


def test_what_a_dead_daemon_leaves_is_its_mount(work):
    """Its files are on the device: without the mount nothing is to be ended."""
    vol = MemoryVolume(work).mount()
    vol.kill()
    done = run(["mafs", "status", vol.mnt], check=False)
    assert done.returncode == 1 and "DEAD" in done.stdout, done.stdout
    assert "in memory" not in done.stdout, done.stdout
    run(["umount", "-l", vol.mnt])
    listed = json.loads(run(["mafs", "status", "--json"], check=False).stdout)
    assert vol.spec not in [one["source"] for one in listed["volumes"]]
    vol.mount()
    vol.umount()


# ---- killed under load ----

class Load:
    """Files that are made, written, renamed and removed in a child, which says
    after each step what is so now."""

    def __init__(self, top, said, seed):
        self.top, self.said, self.seed = top, said, seed

    def __call__(self):
        rng = random.Random(self.seed)
        with open(self.said, "a", buffering=1) as said:
            for i in range(10**9):
                self.step(rng, said, i)

    def path(self, name):
        return os.path.join(self.top, name)

    def step(self, rng, said, i):
        name = f"{self.seed}-{i}"
        length = rng.randrange(60000)
        said.write(json.dumps(["begins", name]) + "\n")
        fd = os.open(self.path(name + ".new"), os.O_CREAT | os.O_WRONLY)
        for at in range(0, length, 10000):
            os.write(fd, block(i, length)[at:at + 10000])
        os.close(fd)
        os.rename(self.path(name + ".new"), self.path(name))
        said.write(json.dumps(["has", name, i, length]) + "\n")
        if i % 3 == 0:
            os.chmod(self.path(name), 0o600)
            said.write(json.dumps(["mode", name, 0o600]) + "\n")
        if i % 2:
            gone = f"{self.seed}-{i - 1}"
            said.write(json.dumps(["goes", gone]) + "\n")
            os.unlink(self.path(gone))
            said.write(json.dumps(["gone", gone]) + "\n")


def until_dead(load):
    def run_it():
        try:
            load()
        except OSError as error:
            assert error.errno in DEAD, error
    return run_it


def check_load(top, said):
    """All that was said is so; what had begun may be so."""
    files, going, modes = {}, set(), {}
    with open(said) as lines:
        for kind, name, *rest in map(json.loads, lines):
            if kind == "has":
                files[name] = rest
            elif kind == "goes":
                going.add(name)
            elif kind == "gone":
                del files[name]
            elif kind == "mode":
                modes[name] = rest[0]
    found = {name: name for name in os.listdir(top)}
    for name, (seed, length) in files.items():
        if name in going and name not in found:
            continue
        path = os.path.join(top, name)
        assert read_file(path) == block(seed, length), name
        if name in modes:
            assert os.stat(path).st_mode & 0o777 == modes[name], name
    assert len(found) <= len(files) + 3, (len(found), len(files))
    return len(files)


def test_what_was_acknowledged_survives_kills_under_load(work):
    work = in_memory(work)
    vol = MemoryVolume(work, mkfs=["--checkpoint-after", "64K"])
    n_files = 0
    for i in range(scale(6, 50)):
        vol.mount()
        tops, said = [], []
        for k in range(3):
            tops.append(os.path.join(vol.mnt, f"{i}-{k}"))
            said.append(work.join(f"said-{i}-{k}"))
            os.mkdir(tops[k])
        children = [Child(until_dead(Load(*args, 100 * i + k)))
                    for k, args in enumerate(zip(tops, said))]
        time.sleep(random.Random(i).random())
        vol.kill()
        for child in children:
            wait_for(lambda c=child: c.ended() is not None, 30, "the load")
        vol.mount()
        n_files += sum(map(check_load, tops, said))
        run(["rm", "-rf", *tops])
        vol.umount()
    assert n_files > 20, n_files
    print(f"memory: kills={i + 1} files={n_files}", flush=True)


def test_a_terminated_daemon_leaves_everything(work):
    vol = MemoryVolume(work).mount()
    path = os.path.join(vol.mnt, "f")
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(fd, block(1, 300000))
    os.pwrite(fd, block(2, 100000), 1000)
    os.kill(vol.pid, signal.SIGTERM)
    wait_for(lambda: process_gone(vol.pid), 20, "the daemon's end")
    with contextlib.suppress(OSError):
        os.close(fd)
    vol.discard()
    vol.mount()
    content = bytearray(block(1, 300000))
    content[1000:101000] = block(2, 100000)
    assert read_file(path) == content
    vol.umount()


def test_a_log_with_a_small_bound_stays_short(work):
    vol = MemoryVolume(in_memory(work),
                       mkfs=["--checkpoint-after", "64K"]).mount()
    for i in range(scale(4000, 100000)):
        path = os.path.join(vol.mnt, f"f{i % 50}")
        write_file(path, b"%d" % i)
        os.rename(path, path + "-renamed")
        if i % 50 < 45:
            os.unlink(path + "-renamed")
    before = manifest(vol.mnt)
    said = json.loads(run(["mafs", "status", "--json", vol.mnt]).stdout)
    log_bytes = next(value for key, value in said["log"].items()
                     if key.endswith("bytes")) \
        if isinstance(said.get("log"), dict) else said["log_bytes"]
    assert log_bytes < 512 << 10, said
    remount(vol)
    assert_same(manifest(vol.mnt), before)
    vol.umount()


# ---- real work ----

def thin_out(top, rng, share):
    """Removes that share of all files, and renames as many others."""
    paths = [os.path.join(where, name) for where, _, names in os.walk(top)
             for name in names]
    rng.shuffle(paths)
    n = int(len(paths) * share)
    for path in paths[:n]:
        os.unlink(path)
    for path in paths[n:2 * n]:
        os.rename(path, path[:-1] + "~")


def test_tree_is_copied_renamed_thinned_out(work):
    rng = random.Random(3)
    source = work.join("source")
    os.mkdir(source)
    make_tree(source, scale(600, 20000))
    for kind in ("file", "memfd"):
        vol = MemoryVolume(in_memory(work.sub(kind)), kind,
                           size=scale("192M", "400M")).mount()
        free = vol.free_bytes()
        for i in range(2):
            run(["cp", "-a", source, os.path.join(vol.mnt, str(i))])
            assert_same(manifest(os.path.join(vol.mnt, str(i))),
                        manifest(source), what=f"{kind}, copy {i}: ")
            os.rename(os.path.join(vol.mnt, str(i)),
                      os.path.join(vol.mnt, f"{i}-renamed"))
            thin_out(os.path.join(vol.mnt, f"{i}-renamed"), rng, 0.3)
        before = manifest(vol.mnt)
        if kind == "file":
            remount(vol)
            assert_same(manifest(vol.mnt), before, what="other mount: ")
            vol.kill()
            vol.mount()
            assert_same(manifest(vol.mnt), before, what="kill: ")
        run(["sh", "-c", f"rm -rf '{vol.mnt}'/*"])
        with open("/proc/sys/vm/drop_caches", "w") as drop:
            drop.write("2\n")
        wait_for(lambda v=vol, wanted=free: v.free_bytes() >= wanted, 10,
                 "the space")
        vol.umount()


@needs("git", "gcc", "sqlite3", "tar")
def test_real_work_as_on_disk(work):
    source = work.join("source")
    os.mkdir(source)
    make_tree(source, scale(200, 2000))
    archive = work.join("source.tar")
    run(["tar", "-C", source, "--format=posix", "--xattrs", "--acls",
         "--sort=name", "-cf", archive, "."])
    plain = work.join("plain")
    os.mkdir(plain)
    vol = MemoryVolume(work, size="256M").mount()
    for top in (vol.mnt, plain):
        with at_one_place(top, work.join("here")) as here:
            load = Workload(here, work.join("home"), archive)
            load.unpack("tree")
            load.git("tree")
            load.build_small("small")
            load.sqlite("db")
            load.move_and_delete("tree")
    wanted, shown = manifest(plain), manifest(vol.mnt)
    for path in [path for path in wanted if path.endswith(".git/index")]:
        del wanted[path], shown[path]
    assert_same(shown, wanted, ignore=("mtime_ns",), what="on plain ext4: ")
    before = manifest(vol.mnt)
    remount(vol)
    assert_same(manifest(vol.mnt), before, what="after another mount: ")
    vol.umount()


if __name__ == "__main__":
    main()
