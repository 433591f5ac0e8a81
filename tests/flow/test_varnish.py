"""The configuration for Varnish alone, between a server and a client as its own test program has them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.edges import EDGES, changed
from tests.media.clients import need
from tests.ports import free_port

PROBE = re.compile(r"^probe .*?^}", re.DOTALL | re.MULTILINE)
"""The scripted server answers what is written, and no probe."""

CASES = sorted((Path(__file__).parents[1] / "varnish").glob("*.vtc"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_configuration_alone(case, tmp_path):
    port = free_port()
    text = changed(EDGES / "varnish.vcl", {'"8080"': f'"{port}"', ".probe = alive;": ""})
    path = tmp_path / "edge.vcl"
    path.write_text(PROBE.sub("", text))
    argv = [need("varnishtest"), f"-Dvcl={path}", f"-Dport={port}", case]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
