"""Offer every test its clips, ports, folders and children; turn skips into failures under CI."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import ports
from tests.media.clip import Library
from tests.media.sources import KINDS
from tests.postgres import Postgres, running_postgres
from tests.spawn import Child, Nursery

# How long an example takes is the machine's affair, and no finding.
settings.register_profile("unhurried", settings.default, deadline=None)
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the full count of every matrix (also SOAK=1)")
    parser.addoption("--live-seconds", type=int, default=3600, help="how long the soak's broadcast is on air")


def _soaking(config: pytest.Config) -> bool:
    return bool(config.getoption("--soak")) or os.environ.get("SOAK") == "1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _soaking(config):
        return
    dropped = [item for item in items if item.get_closest_marker("soak")]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    # Under CI every tool must be there: what skips elsewhere by name is a failure.
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI=true: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Return the library of test clips: `clips.path("vfr_mp4")` builds once a session."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "clips"
    folder.mkdir(exist_ok=True)
    return Library(folder, KINDS)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return an empty folder for a server's data."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def free_port() -> int:
    """Return a TCP port that is free on loopback now."""
    return ports.free_port()


@pytest.fixture
async def spawn() -> AsyncIterator[Callable[..., Awaitable[Child]]]:
    """Return what starts children that cannot outlive the test, from their arguments, env and cwd."""
    nursery = Nursery()
    try:
        yield nursery.start
    finally:
        await nursery.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Return a PostgreSQL server that all tests of the session share."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """Return the URL of an empty database of the test's own."""
    url = postgres.create()
    yield url
    postgres.drop(url)


@pytest.fixture
def catalog_url(postgres: Postgres) -> str:
    """Return the URL of a catalog that is empty; only one test at a time has it."""
    return postgres.emptied()


@pytest.fixture(params=["sqlite", "postgresql"])
def either_url(request: pytest.FixtureRequest) -> str | None:
    """Return None for a catalog on SQLite, then the URL of one on PostgreSQL: the test runs on both."""
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("catalog_url")
    return url
