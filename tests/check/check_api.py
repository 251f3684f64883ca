# SPDX-License-Identifier: Apache-2.0
"""Every route of the control API is in docs/openapi.yaml, and the reverse; and
each is named in docs/api.md."""

import re
import sys

import sources

try:
    import yaml
except ImportError:
    print("needs python3-yaml")
    sys.exit(sources.SKIP)

ROUTES = "daemon/control/routes.c"
API = "docs/openapi.yaml"

routes = {(method.lower(), url) for method, url in re.findall(
    r'\{\s*"([A-Z]+)",\s*"(/[^"]*)",', sources.read(ROUTES))}
described = {(method, url)
             for url, methods in yaml.safe_load(sources.read(API))
             ["paths"].items() for method in methods}
text = sources.read("docs/api.md")

faults = []
if not routes:
    faults.append(f"{ROUTES}: no routes were found")
for method, url in sorted(routes - described):
    faults.append(f"{API}: {method} {url} of {ROUTES} is missing")
for method, url in sorted(described - routes):
    faults.append(f"{API}: {method} {url} is not in {ROUTES}")
for method, url in sorted(routes):
    if f"{method.upper()} {url}" not in text:
        faults.append(f"docs/api.md: {method.upper()} {url} is missing")
sources.finish(faults, 3)
