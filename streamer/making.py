"""One asset on its way from bytes to complete: probe, plan, Runs, ornaments; the catalog is told."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from fractions import Fraction

from packager import keys, present
from packager.errors import PackagingError, StoreAway
from packager.foresight import foresee
from packager.package import Made, begin, finish, ornament, write_manifests
from packager.packaging import Packaging, may_be_the_grid
from packager.plan import to_json
from packager.store import Scoped
from streamer.errors import CatalogAway, NoSuchAsset, ServerError
from streamer.known import Known
from streamer.notes import Notes
from streamer.outline import rungs, seekable, source_summary
from streamer.planning import Mistaken, Planning
from streamer.rows import Asset, Fill, State
from streamer.tools import Tools
from streamer.trail import GridBroken
from streamer.uploads.arriving import Arriving

IDLE_SECONDS = 600
"""How long an asset that is made on demand only is kept at hand without a demand."""

_AGAIN_SECONDS = 2
_TELL_SECONDS = 0.5
_log = logging.getLogger(__name__)


class Making:
    """Makes one asset, perhaps from an `original` that is still on its way; `whole` says that it is not.

    `run` is its life; it can be cancelled at any moment and begun again.
    """

    def __init__(
        self, tools: Tools, asset: Asset, original: Arriving, *, whole: bool, salt: str = ""
    ) -> None:
        self.asset = asset.id
        self.made: Made | None = None
        self.version = 0
        self._tools = tools
        self._created = asset.created // 1000
        self._original = original
        self._whole = asyncio.Event()
        self._notes = Notes(
            asset.id,
            catalog=tools.catalog,
            ledger=tools.ledger,
            channels=tools.channels,
            warned=() if salt else asset.warnings,
            worker=tools.hands.own,
            noted=tools.hands.noted,
        )
        self._planning = Planning(tools, asset.id, original, whole=self._whole, notes=self._notes, salt=salt)
        self._settled = asyncio.Event()
        self._fill = asset.fill
        self._refilled = asyncio.Event()
        self._asked = False
        if whole:
            self._whole.set()

    @property
    def packaging(self) -> Packaging | None:
        """Return the generation being made, once its plan is frozen."""
        return self.made.packaging if self.made else None

    @property
    def seekable(self) -> Fraction | None:
        """Return how many seconds from the start can be played, None where nothing can be watched yet."""
        return None if self.packaging is None else seekable(self.packaging)

    def arrived(self) -> None:
        """Take it that all bytes are there and belong to the asset."""
        self._whole.set()

    def refill(self, fill: Fill) -> None:
        """Make all of it from now on, or only what is watched."""
        self._fill = fill
        if self.packaging is not None:
            self.packaging.fill = fill.value
        self._refilled.set()

    async def planned(self) -> Packaging | None:
        """Wait until the plan is frozen and return the generation being made; None where it came to none."""
        self._asked = True
        await self._settled.wait()
        return self.packaging

    async def run(self) -> None:
        """Make the asset; a failure ends up on the asset, never here."""
        teller = asyncio.create_task(self._notes.write_on(), name=f"tell {self.asset}")
        try:
            await self._make()
        except NoSuchAsset:
            _log.info("asset %s was deleted while it was made", self.asset)
        except CatalogAway:
            _log.warning("asset %s is gone on with when the database is back", self.asset)
        except PackagingError as error:
            _log.info("asset %s failed at %s: %s", self.asset, self._planning.step, error.message)
            await self._fail(error.message, error.evidence)
        except ServerError as error:
            _log.warning("asset %s failed at %s: %s", self.asset, self._planning.step, error.message)
            await self._fail(error.message, "")
        except Exception as error:  # noqa: BLE001 - or the asset would wait for ever
            _log.exception("asset %s failed unexpectedly at %s", self.asset, self._planning.step)
            await self._fail("the server could not go on; its log says why", repr(error))
        finally:
            await self._end()
            teller.cancel()
            await asyncio.gather(teller, return_exceptions=True)

    async def _end(self) -> None:
        """Stop what still runs, note what it told, and let nobody wait for more."""
        self._settled.set()
        if self.packaging is not None:
            await self._tools.foreman.remove(self.packaging)
            self.packaging.abandon()
        await self._notes.written()

    async def _fail(self, message: str, evidence: str) -> None:
        """Note the failure on the asset; where the catalog's disk fails too, again until it can be noted."""
        await self._end()
        while True:
            try:
                await self._tools.catalog.fail(
                    self.asset, step=self._planning.step, message=message, log=evidence.splitlines()[-20:]
                )
            except NoSuchAsset:
                return
            except Exception:  # noqa: BLE001 - whatever keeps the catalog from writing
                _log.warning("that asset %s failed cannot be noted; trying again", self.asset)
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    async def _make(self) -> None:
        async with AsyncExitStack() as stack:
            known: Known | None = None
            while True:
                arriving = not self._whole.is_set()
                try:
                    known = known or await self._known(stack)
                    await self._package(known)
                except StoreAway as error:
                    _log.warning("asset %s goes on when the store is back: %s", self.asset, error.evidence)
                    await asyncio.sleep(_AGAIN_SECONDS)
                    known = None if known is None or known.trail is not None else known
                except PackagingError as error:
                    if known is None:
                        raise
                    known = await self._otherwise(known, error, arriving=arriving)
                else:
                    return

    async def _otherwise(self, known: Known, error: PackagingError, *, arriving: bool) -> Known:
        """Return what to make the asset from after this error, or raise it where that is the end."""
        if isinstance(error, Mistaken):
            again: Known | None = None
        elif isinstance(error, GridBroken) or may_be_the_grid(known.plan, error):
            again = await self._planning.on_the_frame_grid(known)
        elif arriving:  # what is whole may do: nothing fails for good before
            again = None
        else:
            raise error
        _log.info("asset %s is planned anew: %s", self.asset, error.message)
        return again or await self._planning.looked_at()

    async def _known(self, stack: AsyncExitStack) -> Known:
        """Return what an earlier life has found out where it still holds, else look at the source."""
        planning = self._planning
        known = await planning.kept()
        frozen = None if known else await planning.frozen()
        if known is None and (frozen is not None or not self._whole.is_set()):
            foreseen = await foresee(self._original)
            known = await planning.followed(foreseen, frozen=frozen, stack=stack)
            known = known or await planning.early(foreseen)
        return known or await planning.looked_at()

    async def _package(self, known: Known) -> None:
        tools = self._tools
        self._planning.step = "plan"
        packaging = await begin(
            known.plan,
            known.index,
            original=self._original,
            tables=known.tables,
            asset=self.asset,
            store=Scoped(tools.store, self.asset),
            inits=tools.inits,
            sink=self._notes.take,
        )
        self._notes.packaging = packaging
        packaging.fill = self._fill.value
        self.made = made = Made(packaging=packaging, started=self._created)
        await self._publish(made, State.PLAYABLE)
        self._planning.step = "encode"
        tools.foreman.add(packaging)
        try:
            self._settled.set()
            await self._replace()
            await self._notes.catch_up(packaging)
            if known.arriving is not None:
                telling = asyncio.create_task(self._say_how_far(packaging), name=f"tell {self.asset}")
                try:
                    await _first(known.arriving(packaging), packaging.ended())
                finally:
                    telling.cancel()
                    await asyncio.gather(telling, return_exceptions=True)
            if known.trail is not None:
                await self._planning.keep(packaging)
            await ornament(made, spawner=tools.spawner)
            await self._publish(made, State.PLAYABLE)
            if not await self._filled(made):
                return
        finally:
            await tools.foreman.remove(packaging)
        await self._notes.written()
        await self._notes.catch_up(packaging)  # for what could not be noted when it was told
        await write_manifests(made.presentation(), packaging.store)
        await self._publish(made, State.COMPLETE)

    async def _say_how_far(self, packaging: Packaging) -> None:
        """Tell now and then how much can be played, until cancelled."""
        told = Fraction(-1)
        length = packaging.plan.duration
        while not self._original.whole:
            far = seekable(packaging)
            if self.made is not None and packaging.plan.duration != length:
                length = packaging.plan.duration
                await self._publish(self.made, State.PLAYABLE)
            if far != told:
                await self._tools.catalog.set_received(self.asset, self._original.kept, seekable=far)
                told = far
            await asyncio.sleep(_TELL_SECONDS)
            # A plan may grow, and its bytes be found ready, after the last byte of a sender that pauses.
            await packaging.until(lambda: (seekable(packaging), packaging.plan.duration) != (told, length))  # noqa: B023

    async def _filled(self, made: Made) -> bool:
        """Wait until all is there; False once nobody has asked for long for what is made on demand."""
        while True:
            full = self._fill is Fill.FULL
            self._refilled.clear()
            ending = finish(made, spawner=self._tools.spawner) if full else self._left_alone(made.packaging)
            async with _raced(ending, self._refilled.wait()) as (ended, _):
                if ended.done():
                    await ended
                    return full

    async def _left_alone(self, packaging: Packaging) -> None:
        """Wait until nobody has asked for a missing segment for a while. Raise what ended the packaging."""
        while True:
            self._asked = False
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await packaging.ended()
            if not (self._asked or packaging.waiting or packaging.running):
                return

    async def _publish(self, made: Made, state: State) -> None:
        """Tell the catalog what there is to watch."""
        self.version += 1
        plan = made.packaging.plan
        board = present.storyboard(plan) if made.packaging.complete else None
        await self._tools.catalog.set_plan(
            self.asset,
            generation=plan.generation,
            plan=json.loads(to_json(plan)),
            rungs=rungs(made.packaging),
            duration=plan.duration,
            source=source_summary(plan),
            warnings=list(dict.fromkeys([*plan.source.warnings, *self._notes.warned])),
            poster=made.poster,
            storyboard=keys.storyboard(plan.generation) if board else None,
            state=state,
        )

    async def _replace(self) -> None:
        """Retire the generations before this one, which the catalog shows by now."""
        asset = await self._tools.catalog.get(self.asset)
        for old in await self._tools.catalog.generations(self.asset):
            if old.name != asset.generation:
                await self._tools.catalog.retire_generation(self.asset, old.name)


async def _first(arriving: Awaitable[object], ended: Awaitable[None]) -> None:
    """Wait for the first of two; raise what ended the second one before."""
    async with _raced(arriving, ended) as (arrived, end):
        if end.done():
            await end
        await arrived


@asynccontextmanager
async def _raced(*awaitables: Awaitable[object]) -> AsyncIterator[tuple[asyncio.Future[object], ...]]:
    """Give the tasks of all once one of them is done; what is left on leaving is cancelled."""
    tasks = tuple(asyncio.ensure_future(one) for one in awaitables)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
