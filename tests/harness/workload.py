# SPDX-License-Identifier: Apache-2.0
"""What people do in a tree of files, so that the same can be done on a mount
and on a plain file system and both compared.

Every step gives the same bytes each time: fixed dates, one thread, no times in
archives. Paths are the same too: the tree is bind-mounted at one place.
"""

import contextlib
import os
import shutil

from tree import block, write_file
from work import run

DATE = "2026-01-02T03:04:05Z"


def environment(home):
    os.makedirs(home, exist_ok=True)
    return dict(os.environ, HOME=home, LC_ALL="C", TZ="UTC",
                SOURCE_DATE_EPOCH="1767323045", GIT_CONFIG_NOSYSTEM="1",
                GIT_CONFIG_GLOBAL="/dev/null", GIT_AUTHOR_DATE=DATE,
                GIT_COMMITTER_DATE=DATE, GIT_AUTHOR_NAME="A U Thor",
                GIT_AUTHOR_EMAIL="author@example.com",
                GIT_COMMITTER_NAME="C O Mitter",
                GIT_COMMITTER_EMAIL="committer@example.com",
                ASAN_OPTIONS="detect_leaks=0", UBSAN_OPTIONS="")


@contextlib.contextmanager
def at_one_place(top, place):
    """`top` can be used at `place` meanwhile."""
    os.makedirs(place, exist_ok=True)
    run(["mount", "--bind", top, place])
    try:
        yield place
    finally:
        os.chdir("/")
        run(["umount", place])


class Workload:
    """Steps on the directory `top`; each raises when something is odd."""

    def __init__(self, top, home, archive):
        self.top, self.archive = top, archive
        self.env = environment(home)

    def shell(self, script, where="", timeout=7200):
        return run(["sh", "-euc", script], cwd=os.path.join(self.top, where),
                   env=self.env, timeout=timeout).stdout

    def unpack(self, name):
        """tar -x; then tar -c and tar -d at once must find nothing odd."""
        os.mkdir(os.path.join(self.top, name))
        flags = "--xattrs --acls --numeric-owner" \
            if self.archive.endswith(".tar") else ""
        self.shell(f"tar -C {name} -x {flags} -p -f '{self.archive}'")
        said = self.shell(f"tar -C {name} -c . 2>&1 >/dev/null | cat; "
                          f"tar -C {name} -c . 2>&1 | cat >/dev/null")
        said = "".join(line for line in said.splitlines(True)
                       if "socket ignored" not in line)
        assert not said, f"tar after the unpack: {said[:400]}"
        said = run(["sh", "-c", f"tar -C {name} -d {flags} -f "
                    f"'{self.archive}' 2>&1"], cwd=self.top, env=self.env,
                   check=False, timeout=7200).stdout
        assert not said, f"tar --compare after the unpack: {said[:400]}"

    def git(self, where):
        """init, add, commit, status; a second commit after a change."""
        self.shell("git init -q -b main . && git config pack.threads 1 && "
                   "git config gc.auto 0 && git add -A -f . && "
                   "git commit -q -m first", where)
        said = self.shell("git status --porcelain", where)
        assert not said, f"git status after the commit: {said[:300]}"
        self.shell("echo changed > a-new-file && git add -f a-new-file && "
                   "git commit -q -m second && git fsck --no-progress 2>&1",
                   where)
        assert not self.shell("git status --porcelain", where)

    def build_small(self, where):
        """A program of several files, linked by ld, and by lld if there."""
        path = os.path.join(self.top, where)
        os.mkdir(path)
        for i in range(20):
            write_file(f"{path}/part{i}.c", b"int part%d(int x) { return x + "
                       b"%d; }\n" % (i, i))
        calls = " + ".join(f"part{i}({i})" for i in range(20))
        protos = "".join(f"int part{i}(int);\n" for i in range(20))
        write_file(f"{path}/main.c", f"#include <stdio.h>\n{protos}int main("
                   f"void) {{ printf(\"%d\\n\", {calls}); }}\n".encode())
        linkers = ["bfd"] + (["lld"] if shutil.which("ld.lld") else [])
        self.shell("for f in *.c; do gcc -O1 -c $f; done; "
                   "ar rcs libparts.a part*.o; "
                   "gcc -shared -o libparts.so -fPIC part*.c", where)
        for linker in linkers:
            said = self.shell(f"gcc -fuse-ld={linker} -o by-{linker} main.o "
                              f"libparts.a && ./by-{linker}", where)
            assert said == "380\n", said

    def build_project(self, source, where):
        """A real project with CMake and Ninja; what it compiles stays."""
        path = os.path.join(self.top, where)
        self.shell(f"git -c safe.directory='*' clone -q '{source}' '{where}'")
        self.shell("cmake -S . -B build -G Ninja -DMAFS_TESTS=OFF "
                   "-DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null && "
                   "ninja -C build -j2 >/dev/null && build/bin/mafs --help "
                   ">/dev/null", where)
        self.shell("mkdir products; find build -name '*.o' -o -name '*.a' -o "
                   "-path 'build/bin/*' | tar -c -T - | tar -x -C products; "
                   "rm -rf build .git", where)
        assert os.listdir(f"{path}/products")

    def sqlite(self, where):
        """One database with a rollback journal, one with a log."""
        os.mkdir(os.path.join(self.top, where))
        for mode in ("delete", "wal"):
            script = (f"pragma journal_mode={mode}; create table t(i integer "
                      "primary key, b text); with recursive n(i) as (select 1 "
                      "union all select i+1 from n where i<3000) insert into "
                      "t select i, printf('%.*c', i % 400, 'x') from n; "
                      "create index j on t(b); update t set b=b||i where "
                      "i%3=0; delete from t where i%7=0; vacuum;")
            self.shell(f"sqlite3 {mode}.db \"{script}\" >/dev/null", where)
            said = self.shell(f"sqlite3 {mode}.db 'pragma integrity_check; "
                              "select count(*), sum(length(b)) from t'", where)
            assert said.startswith("ok\n2572|"), said

    def move_and_delete(self, where):
        """cp -a, cp -al, mv, rm -rf, sed -i, rsync-like rewriting."""
        tree = os.path.join(self.top, where)
        parts = sorted(name for name in os.listdir(tree)
                       if os.path.isdir(os.path.join(tree, name))
                       and name != ".git")
        first, last = parts[0], parts[-1]
        self.shell(f"mkdir moved; cp -a '{where}/{first}' moved/copy; "
                   f"cp -al '{where}/{first}' moved/linked; "
                   "mv moved/copy moved/renamed; "
                   f"mv '{where}/{last}' moved/last; "
                   "rm -rf moved/renamed/*; mkdir moved/empty; "
                   "rmdir moved/empty")
        path = os.path.join(self.top, "moved/edited")
        write_file(path, b"one two three\n" * 5000)
        self.shell("sed -i s/two/2/ moved/edited; "
                   "dd if=/dev/zero of=moved/edited bs=1 count=100 seek=777 "
                   "conv=notrunc status=none; truncate -s 50000 moved/edited; "
                   "cp --sparse=always moved/edited moved/sparse; "
                   "install -m 4711 moved/edited moved/installed; "
                   "cat moved/edited >> moved/sparse; "
                   "touch -d 2001-02-03T04:05:06.789Z moved/installed")
        write_file(os.path.join(self.top, "moved/block"), block(1, 3 << 20))
