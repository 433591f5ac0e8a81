"""Offer the flows the judges: players and parsers of other people, run by Node."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.judges.install import install


@pytest.fixture(scope="session")
def judges() -> Path:
    """Return the folder whose node_modules hold the judges."""
    return install()
