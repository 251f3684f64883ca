# SPDX-License-Identifier: Apache-2.0
"""Every .c and .h is as clang-format 14 would write it. Another version
formats a little differently, so there the check is skipped."""

import os
import subprocess
import sys

import sources


def version(program):
    if not sources.have(program):
        return ""
    return subprocess.run([program, "--version"], stdout=subprocess.PIPE,
                          text=True, check=False).stdout


formatter = next((p for p in ("clang-format-14", "clang-format")
                  if "version 14." in version(p)), None)
if not formatter:
    print("clang-format 14 is missing")
    sys.exit(sources.SKIP)

files = [f for f in sources.tracked(".c", ".h")
         if not f.startswith("kmod-patches/")]
faults = []
for path in files:
    found = subprocess.run(
        [formatter, "--style=file", os.path.join(sources.TOP, path)],
        stdout=subprocess.PIPE, cwd=sources.TOP, check=True).stdout.decode()
    if found != sources.read(path):
        lines = zip(found.splitlines(), sources.read(path).splitlines())
        where = next((n for n, (a, b) in enumerate(lines, 1) if a != b), 1)
        faults.append(f"{path}:{where}: run {formatter} -i {path}")
sources.finish(faults, len(files))
