# SPDX-License-Identifier: Apache-2.0
"""Real trees to work on: Debian's kernel source, fetched once."""

import glob
import os

from work import Skip, run

ROOT = os.environ.get("MAFS_SOURCE_DIR") or os.path.realpath(
    os.path.join(os.path.dirname(__file__), "../.."))
CACHE = os.environ.get("MAFS_TEST_CACHE") or os.path.join(ROOT, ".cache")


def linux_source():
    """Path of linux-source-*.tar.xz, of the kernel of Debian 12 or 13."""
    for name in ("linux-source-6.1", "linux-source-6.12"):
        path = os.path.join(CACHE, f"{name}.tar.xz")
        if os.path.exists(path):
            return path
        os.makedirs(CACHE, exist_ok=True)
        if run(["apt-get", "-q", "download", name], cwd=CACHE, check=False,
               timeout=1800).returncode:
            continue
        package = glob.glob(os.path.join(CACHE, f"{name}_*.deb"))[0]
        run(["sh", "-c", f"dpkg-deb --fsys-tarfile '{package}' | tar -xO "
             f"./usr/src/{name}.tar.xz >'{path}.part'"], timeout=600)
        os.rename(f"{path}.part", path)
        os.unlink(package)
        return path
    raise Skip("needs the package linux-source-6.1 or -6.12 (apt-get update)")


def linux_tar():
    """The same, unpacked by xz."""
    packed = linux_source()
    path = packed[:-len(".xz")]
    if not os.path.exists(path):
        run(["sh", "-c", f"xz -dc '{packed}' >'{path}.part'"], timeout=600)
        os.rename(f"{path}.part", path)
    return path
