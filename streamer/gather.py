"""What modules share of the catalog: assets read with all that belongs to them, and their rows changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, Select, Table, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer import schema
from streamer.database import Transaction
from streamer.errors import NoSuchAsset
from streamer.rows import (
    Asset,
    Caption,
    Failure,
    Fill,
    Generation,
    Live,
    PlaybackPolicy,
    Rung,
    State,
    StreamState,
)


def insert_new(connection: AsyncConnection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an insert that leaves a row alone that is there already."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


async def gather(connection: AsyncConnection, asked: Select[Any]) -> tuple[Asset, ...]:
    """Run a select over the asset table, and join rungs and captions, with five statements at most."""
    rows = (await connection.execute(asked)).all()
    if not rows:
        return ()
    generations = await _generations(connection, rows)
    done = await _done(connection, rows)
    captions = await _captions(connection, [row.id for row in rows])
    lives = await _lives(connection, rows)
    return tuple(
        _asset(row, generations.get(row.id), done, captions[row.id], lives.get(row.id)) for row in rows
    )


async def one(connection: AsyncConnection, asset: str) -> Asset:
    """Return an asset. Raise NoSuchAsset."""
    table = schema.asset
    found = await gather(connection, select(table).where(table.c.id == asset, table.c.deleted_at.is_(None)))
    if not found:
        raise NoSuchAsset(asset)
    return found[0]


async def change_asset(transaction: Transaction, asset: str, *, updated: int, **values: Any) -> State | None:
    """Set columns of an asset; `updated` is now, in milliseconds. Raise NoSuchAsset.

    Return the state that it has reached by that, None where it was in it before.
    """
    table = schema.asset
    asked = select(table.c.state).where(table.c.id == asset, table.c.deleted_at.is_(None))
    before = (await transaction.execute(asked)).scalar_one_or_none() if "state" in values else None
    changed = await transaction.execute(
        update(table)
        .where(table.c.id == asset, table.c.deleted_at.is_(None))
        .values(**values, updated=updated)
    )
    if changed.rowcount == 0:
        raise NoSuchAsset(asset)
    return State(values["state"]) if "state" in values and values["state"] != before else None


def generation_row(row: Row[Any]) -> Generation:
    """Return the value of a row of the generation table."""
    return Generation(
        asset=row.asset,
        name=row.name,
        plan=row.plan,
        rungs=tuple(Rung(**rung) for rung in row.rungs),
        poster=row.poster,
        storyboard=row.storyboard,
        created=row.created,
        retired_at=row.retired_at,
    )


async def _generations(connection: AsyncConnection, rows: Sequence[Any]) -> dict[str, Any]:
    table = schema.generation
    named = [(row.id, row.generation) for row in rows if row.generation is not None]
    if not named:
        return {}
    columns = (table.c.asset, table.c.rungs, table.c.poster, table.c.storyboard)
    found = await connection.execute(select(*columns).where(tuple_(table.c.asset, table.c.name).in_(named)))
    return {row.asset: row for row in found}


async def _done(connection: AsyncConnection, rows: Sequence[Any]) -> dict[tuple[str, str], int]:
    # A complete asset has every segment: counting is only worth it while some are missing.
    table = schema.segment
    named = [
        (row.id, row.generation) for row in rows if row.generation is not None and row.state != State.COMPLETE
    ]
    if not named:
        return {}
    found = await connection.execute(
        select(table.c.asset, table.c.rendition, func.count().label("stored"))
        .where(tuple_(table.c.asset, table.c.generation).in_(named))
        .group_by(table.c.asset, table.c.rendition)
    )
    return {(row.asset, row.rendition): row.stored for row in found}


async def _captions(connection: AsyncConnection, assets: list[str]) -> defaultdict[str, list[Caption]]:
    table = schema.caption
    found = await connection.execute(
        select(table).where(table.c.asset.in_(assets)).order_by(table.c.language)
    )
    captions: defaultdict[str, list[Caption]] = defaultdict(list)
    for row in found:
        captions[row.asset].append(Caption(language=row.language, label=row.label, key=row.key))
    return captions


async def _lives(connection: AsyncConnection, rows: Sequence[Any]) -> dict[str, Live]:
    named = {row.id: row.stream for row in rows if row.stream is not None}
    on_air = [row.id for row in rows if row.id in named and row.state in {State.PROBING, State.PLAYABLE}]
    if not named:
        return {}
    table = schema.stream
    found = await connection.execute(select(table.c.asset, table.c.state).where(table.c.asset.in_(on_air)))
    states = {row.asset: StreamState(row.state) for row in found}
    return {
        asset: Live(stream=stream, state=states.get(asset, StreamState.ENDED))
        for asset, stream in named.items()
    }


def _asset(
    row: Row[Any],
    generation: Any,
    done: dict[tuple[str, str], int],
    captions: list[Caption],
    live: Live | None,
) -> Asset:
    rungs = () if generation is None else generation.rungs
    failure = row.failure
    return Asset(
        id=row.id,
        title=row.title,
        state=State(row.state),
        created=row.created,
        updated=row.updated,
        size=row.size,
        received=row.received,
        duration=None if row.duration is None else Fraction(row.duration),
        seekable=None if row.seekable is None else Fraction(row.seekable),
        upload_id=row.upload_id,
        generation=row.generation,
        source=row.source,
        warnings=tuple(row.warnings),
        failure=None
        if failure is None
        else Failure(step=failure["step"], message=failure["message"], log=tuple(failure["log"])),
        poster=None if generation is None else generation.poster,
        storyboard=None if generation is None else generation.storyboard,
        rungs=tuple(Rung(**rung, done=_there(row, rung, done)) for rung in rungs),
        captions=tuple(captions),
        fill=Fill(row.fill),
        policy=PlaybackPolicy(row.policy),
        live=live,
    )


def _there(row: Row[Any], rung: Mapping[str, Any], done: Mapping[tuple[str, str], int]) -> int:
    """Return how many segments of a rung are there; what is copied needs none to be made."""
    if row.state == State.COMPLETE or rung.get("copied"):
        return int(rung["segments"])
    return done.get((row.id, rung["name"]), 0)
