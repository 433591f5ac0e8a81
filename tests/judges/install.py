"""Install the judges that package-lock.json pins, once for as long as it stays the same."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
MODULES = FOLDER / "node_modules"
STAMP = MODULES / ".installed-from"
PATIENCE = 240


def install() -> Path:
    """Return the folder of the judges, node_modules complete. Skip where there is no Node, fail under CI."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("node and npm are needed under CI")
        pytest.skip("node and npm are not installed")
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    with (FOLDER / "package.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs in one checkout must not install at once
        if not STAMP.is_file() or STAMP.read_text(encoding="ascii") != wanted:
            subprocess.run(
                ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
                cwd=FOLDER,
                check=True,
                timeout=PATIENCE,
            )
            STAMP.write_text(wanted, encoding="ascii")
    return FOLDER
