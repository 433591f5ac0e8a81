"""What unit tests share: the truth on a temporary database."""

from __future__ import annotations

import pytest

from tests.backend import backend


@pytest.fixture
async def back(tmp_path):
    """Open the server's truth in an empty folder."""
    async with backend(tmp_path) as opened:
        yield opened
