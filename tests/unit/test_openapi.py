"""The document covers the API and holds together."""

from __future__ import annotations

import dataclasses
import json
import re

from streamer.openapi import document, undocumented
from streamer.rows import State, show
from tests.backend import served
from tests.unit.test_rows import ASSET


async def test_every_route_is_described(back, data_dir):
    assert undocumented(served(back, data_dir).app) == []


def test_every_reference_and_parameter_resolves():
    whole = document("1")
    text = json.dumps(whole)
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        assert name in whole["components"]["schemas"]
    identities = []
    for path, item in whole["paths"].items():
        named = {p["name"] for p in item.get("parameters", []) if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))
        identities += [op["operationId"] for method, op in item.items() if method != "parameters"]
    assert len(identities) == len(set(identities))


def test_the_asset_has_exactly_the_members_that_are_shown():
    schemas = document("1")["components"]["schemas"]
    shown = show(ASSET)
    assert list(schemas["Asset"]["properties"]) == list(shown)
    assert list(schemas["Rung"]["properties"]) == list(shown["rungs"][0])
    assert schemas["Asset"]["properties"]["state"]["enum"] == [str(state) for state in State]
    failed = show(dataclasses.replace(ASSET, failure=None))
    assert failed["failure"] is None
