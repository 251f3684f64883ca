# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.yaml, and whether a value is as it says."""

import os

from work import Skip

TYPES = {"integer": int, "number": (int, float), "string": str,
         "boolean": bool, "array": list, "object": dict}


class Api:
    def __init__(self):
        try:
            import yaml
        except ImportError:
            raise Skip("needs python3-yaml") from None
        top = os.environ.get("MAFS_SOURCE_DIR") or os.path.join(
            os.path.dirname(__file__), "../..")
        with open(os.path.join(top, "docs/openapi.yaml")) as text:
            self.top = yaml.safe_load(text)

    def calls(self):
        return [(method.upper(), url) for url, methods
                in self.top["paths"].items() for method in methods]

    def _resolve(self, node):
        while "$ref" in node:
            ref, node = node["$ref"], self.top
            for name in ref[2:].split("/"):
                node = node[name]
        return node

    def schema(self, method, url, code):
        answers = self.top["paths"][url][method.lower()]["responses"]
        answer = self._resolve(answers.get(str(code)) or answers["default"])
        return answer["content"]["application/json"]["schema"]

    def check(self, value, schema, where="answer"):
        """Raises AssertionError with the place that is not as described."""
        schema = self._resolve(schema)
        if "oneOf" in schema:
            self._check_one_of(value, schema["oneOf"], where)
            return
        if value is None:
            assert schema.get("nullable"), f"{where} is null"
            return
        kind = TYPES[schema["type"]]
        good = isinstance(value, kind) and not (
            isinstance(value, bool) and kind is not bool)
        assert good, f"{where} is {value!r}, no {schema['type']}"
        if "enum" in schema:
            assert value in schema["enum"], f"{where} is {value!r}"
        if kind is list:
            for i, one in enumerate(value):
                self.check(one, schema["items"], f"{where}[{i}]")
        if kind is dict:
            self._check_object(value, schema, where)

    def _check_one_of(self, value, schemas, where):
        faults = []
        for schema in schemas:
            try:
                self.check(value, schema, where)
                return
            except AssertionError as fault:
                faults.append(str(fault))
        raise AssertionError(f"{where}: " + "; or ".join(faults))

    def _check_object(self, value, schema, where):
        known = schema.get("properties", {})
        missing = set(schema.get("required", ())) - set(value)
        assert not missing, f"{where} has no {sorted(missing)}"
        more = schema.get("additionalProperties", True)
        for name, one in value.items():
            if name in known:
                self.check(one, known[name], f"{where}.{name}")
            else:
                assert more, f"{where}.{name} is not described"
                if isinstance(more, dict):
                    self.check(one, more, f"{where}.{name}")
