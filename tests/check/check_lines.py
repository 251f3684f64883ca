# SPDX-License-Identifier: Apache-2.0
"""A file of C holds one concern: 500 lines at most, tests apart."""

import sources

LIMIT = 500

faults = []
files = [f for f in sources.tracked(".c", ".h")
         if not f.startswith(("tests/", "kmod-patches/"))]
for path in files:
    n_lines = sources.read(path).count("\n")
    if n_lines > LIMIT:
        faults.append(f"{path}: {n_lines} lines, {LIMIT} at most")
sources.finish(faults, len(files))
