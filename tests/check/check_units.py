# SPDX-License-Identifier: Apache-2.0
"""systemd-analyze has nothing to say about the units, and none of them takes
the daemon's mounts away from the others."""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import sources

BUILD = os.environ.get("MAFS_BUILD_DIR", "")
INSTANCE = "mafs@srv-my\\x2ddata.service"
DROP_IN = """[Service]
Environment="MAFS_MNT=/mnt/100%% of \\"it\\""
Environment="MAFS_MEMORY=tmpfs:8G"
Environment="MAFS_OPTIONS=noatime,writeback_after=5"
"""

units = glob.glob(os.path.join(BUILD, "daemon/systemd/*.service"))
if not shutil.which("systemd-analyze") or len(units) != 2:
    print("systemd-analyze is missing, or the units are not built")
    sys.exit(sources.SKIP)

faults = []
with tempfile.TemporaryDirectory(prefix=f"mafs-units-{os.getpid()}-") as top:
    for path in units:
        with open(path) as unit:
            text = unit.read()
        # What is verified must be there: the program just built.
        text, n = re.subn(r"=\S*/mafs ", f"={BUILD}/bin/mafs ", text)
        if n != 1 or "@CMAKE" in text:
            faults.append(f"{path}: runs mafs {n} times")
        if re.search(r"^(Private|Protect|ReadOnly|Inaccessible|Temporary|Bind|"
                     r"Root|DynamicUser|Mount)\w*=", text, re.M):
            faults.append(f"{path}: gives the daemon mounts of its own")
        with open(os.path.join(top, os.path.basename(path)), "w") as out:
            out.write(text)
    for folder, name, text in (
            (f"{INSTANCE}.d", "mount.conf", DROP_IN),
            ("mafs-recover.service.d", "x.conf", "[Unit]\nAfter=srv.mount\n")):
        os.mkdir(os.path.join(top, folder))
        with open(os.path.join(top, folder, name), "w") as out:
            out.write(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--generators=no",
         os.path.join(top, INSTANCE),
         os.path.join(top, "mafs-recover.service")],
        env={**os.environ, "SYSTEMD_UNIT_PATH": top + ":"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=120, check=False)
    said = [line for line in done.stdout.splitlines()
            if "mafs" in line or top in line]
    if done.returncode or said:
        faults.append(f"systemd-analyze: {done.returncode}")
        faults += said or done.stdout.splitlines()
sources.finish(faults, len(units))
