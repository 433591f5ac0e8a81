"""The writer: groups, isolation, durability settings, migrations."""

from __future__ import annotations

import asyncio
import sqlite3
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, func, insert, select, text

from streamer import schema
from streamer.database import Database
from streamer.errors import CatalogAway, CatalogFull, ConfigError


@pytest.fixture
async def database(tmp_path):
    opened = await Database.open(tmp_path / "new" / "catalog.db")
    yield opened
    await opened.close()


@pytest.fixture
async def either(either_url, tmp_path):
    opened = await Database.open(either_url or tmp_path / "new" / "catalog.db")
    yield opened
    await opened.close()


def _channel(name):
    return insert(schema.channel).values(name=name, epoch="e", last=0)


async def _count(database):
    async with database.read() as connection:
        return await connection.scalar(select(func.count()).select_from(schema.channel))


async def test_migrations_make_the_schema(tmp_path):
    database = await Database.open(tmp_path / "catalog.db")
    await database.close()
    engine = create_engine(f"sqlite:///{tmp_path / 'catalog.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()
    again = await Database.open(tmp_path / "catalog.db")
    await again.close()


async def test_writes_are_durable_and_references_hold(database):
    async with database.read() as connection:
        found = [
            (await connection.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert found == ["wal", 2, 1]


async def test_one_failure_in_a_group_does_not_touch_the_others(either):
    shown = []

    async def good(transaction, name):
        await transaction.execute(_channel(name))
        transaction.after(lambda: shown.append(name))
        return name

    async def bad(transaction):
        await transaction.execute(_channel("bad"))
        transaction.after(lambda: shown.append("bad"))
        raise KeyError("on purpose")

    works = [lambda t, n=n: good(t, f"c{n}") for n in range(10)]
    works.insert(5, bad)
    results = await asyncio.gather(*(either.write(work) for work in works), return_exceptions=True)
    assert isinstance(results.pop(5), KeyError)
    assert results == [f"c{n}" for n in range(10)] == shown
    assert await _count(either) == 10


async def test_what_waits_together_is_committed_together(database):
    turns, seen = 0, []

    async def count_turns():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def work(transaction, name):
        await transaction.execute(_channel(name))
        transaction.after(lambda: seen.append(turns))

    counting = asyncio.create_task(count_turns())
    await asyncio.gather(*(database.write(lambda t, n=n: work(t, f"c{n}")) for n in range(60)))
    counting.cancel()
    assert len(seen) == 60
    assert len(set(seen)) <= 2


async def test_a_cancelled_caller_tears_nothing(either):
    began, go = asyncio.Event(), asyncio.Event()

    async def work(transaction):
        await transaction.execute(_channel("a"))
        began.set()
        await go.wait()
        await transaction.execute(_channel("b"))

    task = asyncio.create_task(either.write(work))
    await began.wait()
    task.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await either.write(lambda t: t.execute(_channel("c")))
    assert await _count(either) == 3


async def test_closing_finishes_what_was_accepted(tmp_path):
    database = await Database.open(tmp_path / "catalog.db")
    writes = [
        asyncio.create_task(database.write(lambda t, n=n: t.execute(_channel(f"c{n}")))) for n in range(20)
    ]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*writes)
    with pytest.raises(RuntimeError):
        await database.write(lambda t: t.execute(_channel("late")))
    with sqlite3.connect(tmp_path / "catalog.db") as raw:
        assert raw.execute("select count(*) from channel").fetchone() == (20,)
    raw.close()


async def test_a_full_disk_is_told_and_changes_nothing(database):
    async def shrink(transaction):
        pages = (await transaction.execute(text("PRAGMA page_count"))).scalar()
        await transaction.execute(text(f"PRAGMA max_page_count={pages}"))

    await database.write(shrink)
    with pytest.raises(CatalogFull):
        await database.write(lambda t: t.execute(_channel("x" * 100_000)))
    assert await _count(database) == 0
    await database.write(lambda t: t.execute(text("PRAGMA max_page_count=1000000")))
    await database.write(lambda t: t.execute(_channel("x")))
    assert await _count(database) == 1


async def test_migrations_make_the_schema_on_postgresql_too(database_url):
    opening = (Database.open(database_url) for _ in range(3))  # servers that start together
    for database in await asyncio.gather(*opening):
        await database.close()
    engine = create_engine(
        database_url.replace("postgresql:", "postgresql+psycopg:"),
        connect_args={"options": "-c search_path=streamer"},
    )
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("postgresql://127.0.0.1:1/nothing", CatalogAway, "cannot be used"),
        ("postgresql://h/?no-such-key=1", ConfigError, "libpq"),
    ],
)
async def test_a_database_that_cannot_be_used_is_named_as_the_cause(url, error, said):
    with pytest.raises(error, match=said):
        await Database.open(url)


async def test_without_the_driver_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "streamer.postgresql", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delattr("streamer.postgresql", raising=False)
    with pytest.raises(ConfigError, match=r'pip install "streamer\[cluster\]"'):
        await Database.open("postgresql://h/d")
