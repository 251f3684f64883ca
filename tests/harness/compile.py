# SPDX-License-Identifier: Apache-2.0
"""A build: sources, objects, an archive, a program that is run, all removed."""

import os
import shutil

from work import run

MAKEFILE = """\
objects := $(patsubst %.c,%.o,$(wildcard *.c))
program: main.o library.a
\tgcc -o $@ $^
library.a: $(filter-out main.o,$(objects))
\tar rc $@.new $^
\tmv $@.new $@
%.o: %.c common.h
\tgcc -O1 -c -o $@ $<
"""


def _sources(n_files):
    calls = "".join(f"n += f{i}(n);" for i in range(n_files))
    files = {f"f{i}.c": f'#include "common.h"\nint f{i}(int n) '
                        f"{{ return n * {i} + 1; }}\n"
             for i in range(n_files)}
    files["common.h"] = "".join(f"int f{i}(int n);\n" for i in range(n_files))
    files["main.c"] = ('#include "common.h"\nint main(void) '
                       f"{{ int n = 1; {calls} return n == 0; }}\n")
    files["Makefile"] = MAKEFILE
    return files


def compile_and_delete(top, n_files):
    os.makedirs(top)
    for name, content in _sources(n_files).items():
        with open(f"{top}/{name}", "w", encoding="ascii") as out:
            out.write(content)
    environment = {**os.environ, "TMPDIR": top}
    for _ in range(2):  # the second replaces what the first has made
        run(["make", "-s", "-C", top, "-B"], env=environment)
        run([f"{top}/program"])
    shutil.rmtree(top)


def touch_and_delete(top, n_files):
    """The same names, and no bytes."""
    names = [*_sources(n_files), "program", "library.a", "main.o",
             *(f"f{i}.o" for i in range(n_files))]
    os.makedirs(top)
    for turn in range(2):
        for name in names:
            if turn == 0 or name.endswith((".o", ".a")) or name == "program":
                path = f"{top}/{name}"
                if turn and os.path.exists(path):
                    os.remove(path)
                with open(path, "wb"):
                    pass
    shutil.rmtree(top)
