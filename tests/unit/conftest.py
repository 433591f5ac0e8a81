"""What unit tests share: the truth on a temporary database, of each kind in turn."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import psycopg
import pytest

from tests.backend import backend


@pytest.fixture
async def back(either_url, tmp_path):
    """Open the server's truth on an empty database."""
    async with backend(tmp_path, url=either_url) as opened:
        yield opened


@pytest.fixture
def peek(either_url, tmp_path) -> Callable[[str], list[tuple]]:
    """Return what reads the catalog as another program would."""

    def read(statement: str) -> list[tuple]:
        if either_url is not None:
            with psycopg.connect(either_url, options="-c search_path=streamer") as connection:
                return connection.execute(statement.encode()).fetchall()
        raw = sqlite3.connect(tmp_path / "catalog.db")
        try:
            return raw.execute(statement).fetchall()
        finally:
            raw.close()

    return read
