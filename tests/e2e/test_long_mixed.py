#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mixed load for an hour (MAFS_TEST_SECONDS): stress-ng, fio that verifies,
git, sqlite and evictions beside each other. What the daemon holds is level at
the end, and everything is equal.

ctest: labels=long timeout=7200
"""

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, Volume
from runner import main, needs
from tree import assert_same, block, manifest, write_file
from work import Child, run

SECONDS = float(os.environ.get("MAFS_TEST_SECONDS", 3600))
EVERY_S = 5


def shell(script, cwd):
    subprocess.run(["sh", "-euc", script], cwd=cwd, check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   env={**os.environ, "HOME": cwd, "LC_ALL": "C"})


def until(end, turn):
    """Calls turn(i) again and again; at least once."""
    i = 0
    while i == 0 or time.time() < end:
        turn(i)
        i += 1


# ---- the loads; each in a process and a directory of its own ----

def stress(directory, end):
    """Random file operations, with stress-ng's own verification."""
    def turn(_):
        shell("stress-ng --temp-path . --timeout 20 --verify --quiet "
              "--hdd 1 --hdd-bytes 16M --hdd-opts wr-rnd,rd-rnd "
              "--dir 1 --dir-dirs 64 --rename 1 --link 1 --symlink 1 "
              "--dentry 1 --dentries 64 --fallocate 1 --fallocate-bytes 16M "
              "--seek 1 --seek-size 8M --xattr 1 --open 1", directory)
    until(end, turn)


def fio(directory, end):
    kinds = ("--rw=randwrite --bs=4k", "--rw=write --bs=128k",
             "--rw=randrw --bs=16k --fsync=16",
             "--rw=randwrite --bs=4k --ioengine=mmap")

    def turn(i):
        shell("fio --name=job --directory=. --filename=data --size=48m "
              "--verify=crc32c --verify_fatal=1 --do_verify=1 --minimal "
              + kinds[i % len(kinds)], directory)
        if i % 3 == 2:
            os.unlink(f"{directory}/data")
    until(end, turn)


def git(directory, end):
    shell("git init -q repo && cd repo && git config user.name t && "
          "git config user.email t@localhost", directory)

    def turn(i):
        for k in range(40):
            name = f"{directory}/repo/{(i * 7 + k) % 300}"
            write_file(name, block(i * 1000 + k, 2048 + 37 * k))
        shell(f"git add -A && git commit -qm {i} && git status --short && "
              "git reset -q --hard HEAD", f"{directory}/repo")
        if i % 20 == 19:
            shell("git gc -q --prune=now && git fsck --strict",
                  f"{directory}/repo")
    until(end, turn)
    shell("git fsck --strict", f"{directory}/repo")


def sqlite(directory, end):
    def turn(i):
        for name, mode in (("a.db", "delete"), ("b.db", "wal")):
            script = (f"pragma journal_mode={mode}; create table if not exists"
                      " t (k integer primary key, v text); "
                      "delete from t where k % 3 = 0; ")
            for k in range(30):
                script += f"insert into t (v) values ('{i}-{k}'); "
            script += "pragma integrity_check;"
            said = run(["sqlite3", f"{directory}/{name}", script])
            assert said.stdout.strip().endswith("ok"), said.stdout
            run(["sqlite3", f"{directory}/{name}",
                 "delete from t where k < (select max(k) from t) - 3000"])
    until(end, turn)


def move(mnt, end):
    """Up and down, while all others use the files. What is open is kept."""
    def turn(i):
        run(["mafs", ("pull", "push")[i % 2], mnt], check=False)
        if i % 5 == 4:
            run(["mafs", "sync", mnt])
        time.sleep(2)
    until(end, turn)


# ---- what the daemon holds ----

def sample(vol):
    status = vol.status()
    assert status["memory"]["used_bytes"] <= status["memory"]["size_bytes"]
    assert not status["troubles"], status["troubles"]
    return {"rss": vol.rss_bytes(),
            "fds": len(os.listdir(f"/proc/{vol.pid}/fd")),
            "log": status["log_bytes"]}


def assert_level(samples):
    """The second half is not above the first by more than a fifth."""
    half = len(samples) // 2
    for key in ("rss", "fds", "log"):
        first = max(s[key] for s in samples[:half])
        second = max(s[key] for s in samples[half:])
        print(f"mixed: {key} first_half_max={first} second_half_max={second}")
        slack = {"rss": 16 * MIB, "fds": 64, "log": 16 * MIB}[key]
        assert second <= first * 1.2 + slack, (key, first, second)


@needs("stress-ng", "fio", "git", "sqlite3")
def test_an_hour_of_mixed_load(work):
    vol = Volume(work, memory="tmpfs:192M").mount()
    end = time.time() + SECONDS
    loads = []
    for load in (stress, fio, git, sqlite):
        directory = f"{vol.mnt}/{load.__name__}"
        os.mkdir(directory)
        loads.append(Child(lambda load=load, d=directory: load(d, end)))
    loads.append(Child(lambda: move(vol.mnt, end)))

    samples = []
    while any(load.ended() is None for load in loads):
        samples.append(sample(vol))
        assert all(load.ended() in (None, 0) for load in loads), \
            [load.ended() for load in loads]
        time.sleep(EVERY_S)
    assert all(load.ended() == 0 for load in loads)
    assert_level(samples)
    status = vol.status()
    print("mixed: seconds=%d %s" % (SECONDS, json.dumps(
        {k: status[k] for k in ("n_written_back", "n_promoted", "n_evicted",
                                "n_spilled", "n_conflicts")})))
    shown = manifest(vol.mnt)
    vol.umount()
    assert_same(shown, manifest(vol.dir))


if __name__ == "__main__":
    main(limit_s=int(SECONDS * 1.5) + 900)
