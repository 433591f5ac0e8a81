"""Assets, their generations and captions: the rows that are the truth, and the events that tell of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update

from streamer import schema
from streamer.channel import ASSETS, Channels, of_asset
from streamer.cursors import behind, cursor_of
from streamer.database import Database, Transaction
from streamer.errors import NoSuchAsset, NoSuchCaption
from streamer.gather import change_asset, gather, generation_row, insert_new, one
from streamer.rows import (
    Asset,
    Caption,
    Clock,
    Failure,
    Fill,
    Generation,
    Page,
    PlaybackPolicy,
    Rung,
    State,
    failure_json,
    new_id,
    seconds,
    wall_clock,
)
from streamer.telling import tell
from streamer.vocabulary.assets import AssetCreated, AssetDeleted, UploadProgress

PAGE_MAX = 100


class Catalog:
    """Assets over the database. Every change and the event that tells of it are one transaction.

    Methods that name an asset raise NoSuchAsset where there is none or it was deleted.
    """

    def __init__(self, database: Database, channels: Channels, *, clock: Clock = wall_clock) -> None:
        """Take the database and the channels that tell of changes."""
        self._database = database
        self._channels = channels
        self._clock = clock

    async def create_asset(
        self,
        *,
        title: str,
        size: int | None = None,
        upload_id: str | None = None,
        state: State = State.UPLOADING,
        received: int = 0,
        fill: Fill = Fill.FULL,
        policy: PlaybackPolicy = PlaybackPolicy.PUBLIC,
    ) -> Asset:
        """Create an asset and its channel. `size` in bytes is None while it is not known."""
        now = self._clock()
        identity = new_id()

        async def work(transaction: Transaction) -> Asset:
            await transaction.execute(
                insert(schema.asset).values(
                    id=identity,
                    title=title,
                    folded=title.casefold(),
                    state=str(state),
                    created=now,
                    updated=now,
                    size=size,
                    received=received,
                    upload_id=upload_id,
                    fill=str(fill),
                    policy=str(policy),
                    warnings=[],
                )
            )
            await self._channels.stage_open(transaction, of_asset(identity))
            return await tell(transaction, self._channels, identity, told=AssetCreated)

        return await self._database.write(work)

    async def open_library(self) -> None:
        """Make the library's channel, so that it can be subscribed to before anything has happened."""
        await self._database.write(lambda transaction: self._channels.stage_open(transaction, ASSETS))

    async def get(self, asset: str) -> Asset:
        """Return an asset with its rungs and captions."""
        async with self._database.read() as connection:
            return await one(connection, asset)

    async def page(self, *, cursor: str | None = None, limit: int = 20, query: str = "") -> Page:
        """Return assets from the newest on, those whose title contains the query. Raise InvalidCursor."""
        table = schema.asset
        chosen: list[ColumnElement[bool]] = [table.c.deleted_at.is_(None)]
        if cursor is not None:
            chosen.append(behind(table, cursor))
        if query:
            chosen.append(table.c.folded.contains(query.casefold(), autoescape=True))
        limit = max(1, min(limit, PAGE_MAX))
        asked = select(table).where(*chosen).order_by(table.c.created.desc(), table.c.id.desc())
        async with self._database.read() as connection:
            found = await gather(connection, asked.limit(limit + 1))
        more = found[limit - 1] if len(found) > limit else None
        return Page(items=found[:limit], next=None if more is None else cursor_of(more.created, more.id))

    async def in_state(self, *states: State) -> tuple[Asset, ...]:
        """Return every asset in one of these states, oldest first: what a restart has to go on with."""
        table = schema.asset
        asked = select(table).where(table.c.deleted_at.is_(None), table.c.state.in_([str(s) for s in states]))
        async with self._database.read() as connection:
            return await gather(connection, asked.order_by(table.c.created, table.c.id))

    async def by_upload(self, upload_id: str) -> Asset | None:
        """Return the asset of an upload, None where there is none."""
        table = schema.asset
        asked = select(table).where(table.c.deleted_at.is_(None), table.c.upload_id == upload_id)
        async with self._database.read() as connection:
            found = await gather(connection, asked)
        return found[0] if found else None

    async def upload_of(self, asset: str) -> str | None:
        """Return the upload that an asset came from, of a deleted asset too; None where there is none."""
        table = schema.asset
        async with self._database.read() as connection:
            found = await connection.execute(select(table.c.upload_id).where(table.c.id == asset))
            return found.scalar_one_or_none()

    async def rename(self, asset: str, title: str) -> Asset:
        """Give the asset another title."""
        return await self._change(asset, title=title, folded=title.casefold())

    async def set_fill(self, asset: str, fill: Fill) -> Asset:
        """Say whether all of the asset is made, or what is watched."""
        return await self._change(asset, fill=str(fill))

    async def set_policy(self, asset: str, policy: PlaybackPolicy) -> Asset:
        """Say who may watch the asset."""
        return await self._change(asset, policy=str(policy))

    async def set_state(self, asset: str, state: State) -> Asset:
        """Set the state; a failure is forgotten unless the state is `failed`."""
        changes: dict[str, Any] = {"state": str(state)}
        if state is not State.FAILED:
            changes["failure"] = None
        return await self._change(asset, **changes)

    async def set_arrived(self, asset: str, size: int) -> Asset:
        """Note that all bytes are there; what was `uploading` is to be probed. Again it changes nothing."""
        table = schema.asset

        async def work(transaction: Transaction) -> Asset:
            await transaction.execute(
                update(table)
                .where(table.c.id == asset, table.c.state == str(State.UPLOADING))
                .values(state=str(State.PROBING))
            )
            await change_asset(
                transaction, asset, updated=self._clock(), size=size, received=size, seekable=None
            )
            return await tell(transaction, self._channels, asset)

        return await self._database.write(work)

    async def set_received(self, asset: str, received: int, *, seekable: Fraction | None = None) -> None:
        """Note how many bytes are kept and how many seconds of media they are, and hint so."""
        table = schema.asset

        async def work(transaction: Transaction) -> int | None:
            found = await transaction.execute(
                update(table)
                .where(table.c.id == asset, table.c.deleted_at.is_(None))
                .values(received=received, seekable=None if seekable is None else str(seekable))
                .returning(table.c.size)
            )
            row = found.one_or_none()
            if row is None:
                raise NoSuchAsset(asset)
            size: int | None = row.size
            return size

        size = await self._database.write(work)
        told = UploadProgress(id=asset, received=received, size=size, seekable=seconds(seekable))
        self._channels.hint(ASSETS, told.type, told.json(), key=asset)
        self._channels.hint(of_asset(asset), told.type, told.json())

    async def set_plan(
        self,
        asset: str,
        *,
        generation: str,
        plan: Mapping[str, Any],
        rungs: Sequence[Rung],
        duration: Fraction,
        source: Mapping[str, Any],
        warnings: Sequence[str] = (),
        poster: str | None = None,
        storyboard: str | None = None,
        state: State = State.PLAYABLE,
    ) -> Asset:
        """Freeze a plan as the asset's generation; an earlier generation stays until it is retired.

        `poster` and `storyboard` are store keys. The same generation may be set again, its plan grown.
        """
        row = {"asset": asset, "name": generation, "created": self._clock()}
        shown = {
            "plan": dict(plan),
            "rungs": _listed(rungs),
            "poster": poster,
            "storyboard": storyboard,
            "retired_at": None,
        }
        changes = {
            "generation": generation,
            "duration": str(duration),
            "source": dict(source),
            "warnings": list(warnings),
            "state": str(state),
            "failure": None,
        }
        table = schema.generation

        async def work(transaction: Transaction) -> Asset:
            reached = await change_asset(transaction, asset, updated=self._clock(), **changes)
            await transaction.execute(insert_new(transaction.connection, table).values(**row, **shown))
            await transaction.execute(
                update(table).where(table.c.asset == asset, table.c.name == generation).values(**shown)
            )
            return await tell(transaction, self._channels, asset, reached=reached)

        return await self._database.write(work)

    async def fail(self, asset: str, *, step: str, message: str, log: Sequence[str] = ()) -> Asset:
        """Mark the asset as failed: which step, why, and the last lines of the log."""
        failure = Failure(step=step, message=message, log=tuple(log))
        return await self._change(asset, state=str(State.FAILED), failure=failure_json(failure))

    async def warn(self, asset: str, warning: str) -> Asset:
        """Add a warning, once."""

        async def work(transaction: Transaction) -> Asset:
            found = await one(transaction.connection, asset)
            if warning in found.warnings:
                return found
            await change_asset(transaction, asset, updated=self._clock(), warnings=[*found.warnings, warning])
            return await tell(transaction, self._channels, asset)

        return await self._database.write(work)

    async def generations(self, asset: str) -> tuple[Generation, ...]:
        """Return the asset's generations, oldest first, the retired ones too."""
        table = schema.generation
        asked = select(table).where(table.c.asset == asset).order_by(table.c.created, table.c.name)
        async with self._database.read() as connection:
            return tuple(generation_row(row) for row in await connection.execute(asked))

    async def retire_generation(self, asset: str, name: str) -> None:
        """Mark a generation as replaced; its media goes when no manifest in a cache can name it any more."""
        table = schema.generation
        chosen = (table.c.asset == asset, table.c.name == name, table.c.retired_at.is_(None))
        now = self._clock()
        await self._database.write(
            lambda transaction: transaction.execute(update(table).where(*chosen).values(retired_at=now))
        )

    async def retired(self, before: int) -> tuple[Generation, ...]:
        """Return the generations that were retired before this time and whose rows are still there."""
        table = schema.generation
        async with self._database.read() as connection:
            found = await connection.execute(select(table).where(table.c.retired_at < before))
            return tuple(generation_row(row) for row in found)

    async def drop_generation(self, asset: str, name: str) -> None:
        """Delete a generation's rows, with its Runs and segments; for after its media is gone."""
        table = schema.generation
        chosen = (table.c.asset == asset, table.c.name == name)
        await self._database.write(lambda transaction: transaction.execute(delete(table).where(*chosen)))

    async def put_caption(self, asset: str, caption: Caption) -> Asset:
        """Add captions, in place of those in the same language."""
        table = schema.caption

        async def work(transaction: Transaction) -> Asset:
            await one(transaction.connection, asset)
            await transaction.execute(
                delete(table).where(table.c.asset == asset, table.c.language == caption.language)
            )
            await transaction.execute(
                insert(table).values(
                    asset=asset, language=caption.language, label=caption.label, key=caption.key
                )
            )
            return await tell(transaction, self._channels, asset)

        return await self._database.write(work)

    async def delete_caption(self, asset: str, language: str) -> Asset:
        """Remove the captions in a language. Raise NoSuchCaption."""
        table = schema.caption

        async def work(transaction: Transaction) -> Asset:
            await one(transaction.connection, asset)
            gone = await transaction.execute(
                delete(table).where(table.c.asset == asset, table.c.language == language)
            )
            if gone.rowcount == 0:
                raise NoSuchCaption(f"The asset has no captions in {language!r}.")
            return await tell(transaction, self._channels, asset)

        return await self._database.write(work)

    async def delete(self, asset: str) -> None:
        """Delete the asset for everybody, leaving a tombstone until `purge`, and end its channel."""

        async def work(transaction: Transaction) -> None:
            await one(transaction.connection, asset)
            await change_asset(transaction, asset, deleted_at=self._clock(), updated=self._clock())
            told = AssetDeleted(id=asset)
            for channel in (ASSETS, of_asset(asset)):
                await self._channels.stage(transaction, channel, told.type, told.json())
            await self._channels.stage_end(transaction, of_asset(asset))

        await self._database.write(work)
        self._channels.hint(ASSETS, UploadProgress.type, None, key=asset)

    async def tombstones(self) -> tuple[str, ...]:
        """Return the ids of deleted assets whose media may still be there."""
        async with self._database.read() as connection:
            found = await connection.scalars(
                select(schema.asset.c.id).where(schema.asset.c.deleted_at.is_not(None))
            )
            return tuple(found)

    async def purge(self, asset: str) -> None:
        """Delete a tombstone and every row of it; for after its media is gone."""
        table = schema.asset
        chosen = (table.c.id == asset, table.c.deleted_at.is_not(None))
        await self._database.write(lambda transaction: transaction.execute(delete(table).where(*chosen)))

    async def _change(self, asset: str, **values: Any) -> Asset:
        async def work(transaction: Transaction) -> Asset:
            reached = await change_asset(transaction, asset, updated=self._clock(), **values)
            return await tell(transaction, self._channels, asset, reached=reached)

        return await self._database.write(work)


def _listed(rungs: Sequence[Rung]) -> list[dict[str, Any]]:
    return [
        {name: getattr(r, name) for name in ("name", "kind", "width", "height", "segments", "copied")}
        for r in rungs
    ]
