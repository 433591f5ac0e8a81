"""What the origin does not find in the store: manifests as they are now, segments still to be made."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from packager import keys, manifests, present, words
from packager.errors import KeyMissing
from packager.inits import codecs
from packager.marker import Marker
from packager.model import Presentation
from packager.packaging import Abandoned, Packaging
from packager.plan import Plan, from_json
from packager.store import Store
from streamer import captioned
from streamer.catalog import Catalog
from streamer.copies import Copies, Kept
from streamer.errors import NoSuchAsset
from streamer.ledger import SqlLedger
from streamer.making import Making
from streamer.origin import Copy, OutsidePlan, Rendered
from streamer.rows import Asset, State
from streamer.wants import Segment, Wants

_KEPT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """A presentation with the version it was taken at, and the manifests rendered from it so far.

    Of a broadcast that is over there is none: its manifests are objects of the store.
    """

    version: tuple[object, ...]
    presentation: Presentation | None
    complete: bool
    rendered: dict[str, Rendered]


class Shelf:
    """Renders manifests, each once per version, and waits for segments of the plan."""

    def __init__(
        self,
        catalog: Catalog,
        ledger: SqlLedger,
        store: Store,
        copies: Copies,
        *,
        making: Callable[[str], Making | None],
        wake: Callable[[str], Awaitable[Making | None]],
        markers: Callable[[str], Awaitable[tuple[Marker, ...]]],
        waited: Callable[[float], None] = lambda _: None,
        wants: Wants | None = None,
    ) -> None:
        """Take what is shown, where Makings are found, and who is told how many seconds a viewer waited.

        `wake` finds the Making of an asset that is made on demand, and begins it where there is none.
        `markers` finds those of an asset.
        `wants` asks other servers for what they make; without it there are none.
        """
        self._catalog = catalog
        self._ledger = ledger
        self._store = store
        self._copies = copies
        self._making = making
        self._wake = wake
        self._waited = waited
        self._markers = markers
        self._wants = wants
        self._kept: OrderedDict[str, _Shown] = OrderedDict()

    def forget(self, asset_id: str) -> None:
        """Render an asset's manifests anew when they are asked for next."""
        self._kept.pop(asset_id, None)
        self._copies.forget(asset_id)

    async def manifest(self, asset_id: str, key: str) -> Rendered | None:
        """Return a manifest, None where the asset cannot be watched or has none of that name."""
        shown = await self._shown(asset_id)
        if shown is None:
            return None
        if key not in shown.rendered:
            body = await self._manifest(asset_id, key, shown.presentation)
            if body is None:
                return None
            shown.rendered[key] = Rendered(
                body=body, etag=hashlib.sha256(body).hexdigest()[:32], version=1, complete=shown.complete
            )
        return shown.rendered[key]

    async def _manifest(self, asset_id: str, key: str, presentation: Presentation | None) -> bytes | None:
        if presentation is not None:
            text = manifests.render(presentation, key)
            return None if text is None else text.encode()
        try:
            return await self._store.get(f"{asset_id}/{key}")
        except KeyMissing:
            return None

    async def copied(self, asset_id: str, key: str) -> Copy | None:
        """Return a segment that is the source's own, None where the key names none."""
        segment = keys.parse_segment(key)
        if segment is None:
            return None
        generation, name, number = segment
        making = self._making(asset_id)
        packaging = making.packaging if making else None
        kept: Kept | None
        if packaging is not None and packaging.plan.generation == generation:
            kept = Kept(copies=packaging.copies, original=packaging.original)
        else:
            packaging, kept = None, await self._copies.of(asset_id, generation)
        copy = kept.copies.get(name) if kept else None
        if kept is None or copy is None or number >= copy.segments:
            return None
        return Copy(
            size=int(copy.sizes[number]),
            there=partial(_come, packaging, name, number),
            body=partial(copy.segment, kept.original, number),
        )

    async def want(self, asset_id: str, key: str) -> None:
        """Wait until a segment is stored. Raise OutsidePlan, or the PackagingError that ended it for good."""
        segment = keys.parse_segment(key)
        if segment is None:
            raise OutsidePlan(key)
        making = self._making(asset_id) or await self._wake(asset_id)
        packaging = await making.planned() if making else None
        clock = asyncio.get_running_loop().time
        began = clock()
        if packaging is not None and packaging.plan.generation == segment[0]:
            await self._missed(packaging, f"{asset_id}/{key}", segment)
            await _come(packaging, segment[1], segment[2])
        else:
            await self._elsewhere(asset_id, key, segment)
        self._waited(clock() - began)

    def asked(self, name: str) -> None:
        """Take it that somebody watches where an object of the store, `asset/key`, was asked for."""
        asset_id, _, key = name.partition("/")
        making = self._making(asset_id)
        packaging = making.packaging if making else None
        segment = keys.parse_segment(key) if packaging else None
        if packaging and segment and segment[0] == packaging.plan.generation:
            packaging.watched(segment[1], segment[2])

    async def _missed(self, packaging: Packaging, name: str, segment: tuple[str, str, int]) -> None:
        """Have a segment made again that has been evicted, perhaps by another server."""
        _, rendition, number = segment
        if number in packaging.sizes.get(rendition, ()) and await self._store.stat(name) is None:
            packaging.evicted(rendition, number)

    async def _elsewhere(self, asset_id: str, key: str, segment: tuple[str, str, int]) -> None:
        """Wait for a segment that is not made here. Raise OutsidePlan."""
        generation, name, number = segment
        if self._wants is not None:
            with suppress(KeyError, Abandoned):
                await self._wants.wait(
                    Segment(asset=asset_id, generation=generation, rendition=name, number=number)
                )
                return
        if await self._store.stat(f"{asset_id}/{key}") is None:  # the last ones may just have been made
            raise OutsidePlan(key)

    async def _shown(self, asset_id: str) -> _Shown | None:
        making = self._making(asset_id)
        if making is not None and making.made is not None:
            packaging = making.made.packaging
            whole = sum(len(s) for s in packaging.sizes.values()) if packaging.complete else 0
            plan = packaging.plan
            grown = (len(plan.borders), plan.ended)
            version: tuple[object, ...] = (plan.generation, making.version, whole, grown)
        elif self._wants is not None:
            version = await self._stamp(asset_id)
        else:
            version = ()
        kept = self._kept.get(asset_id)
        if kept is not None and kept.version == version:
            self._kept.move_to_end(asset_id)
            return kept
        shown = await self._look(asset_id, making, version)
        if shown is not None:
            self._kept[asset_id] = shown
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return shown

    async def _stamp(self, asset_id: str) -> tuple[object, ...]:
        """Return what tells one state of an asset from the next, where another server may be making it."""
        try:
            asset = await self._catalog.get(asset_id)
        except NoSuchAsset:
            return ()
        return (asset.generation, asset.state, asset.updated)

    async def _look(self, asset_id: str, making: Making | None, version: tuple[object, ...]) -> _Shown | None:
        try:
            asset = await self._catalog.get(asset_id)
        except NoSuchAsset:
            return None
        if asset.live is not None:
            if asset.state is not State.COMPLETE:
                return None
            return _Shown(version=version, presentation=None, complete=True, rendered={})
        if making is not None and making.made is not None:
            base, complete = making.made.presentation(), False
        elif asset.generation is not None and asset.state in {State.PLAYABLE, State.COMPLETE}:
            stored = await self._stored(asset)
            if stored is None:
                return None
            base, complete = stored, asset.state is State.COMPLETE
        else:
            return None
        text = (*base.text, *(captioned.rendition(caption, base.duration) for caption in asset.captions))
        whole = replace(base, text=text, markers=await self._markers(asset_id))
        return _Shown(version=version, presentation=whole, complete=complete, rendered={})

    async def _stored(self, asset: Asset) -> Presentation | None:
        """Return the presentation of a generation that is complete, from the catalog and the store."""
        generations = await self._catalog.generations(asset.id)
        row = next((one for one in generations if one.name == asset.generation), None)
        if row is None:
            return None
        plan = from_json(json.dumps(row.plan))
        try:
            named = {name: await self._codecs(asset.id, plan, name) for name in _rungs(plan)}
        except KeyMissing:
            return None
        sizes: dict[str, dict[int, int]] = {}
        if asset.state is State.COMPLETE:
            sizes = await self._ledger.sizes(asset.id, plan.generation)
        kept = await self._copies.of(asset.id, plan.generation)
        if kept is not None:
            sizes |= {name: dict(enumerate(copy.sizes.tolist())) for name, copy in kept.copies.items()}
        elif plan.copied is not None:
            return None
        texts = [words.rendition(plan, rung) for rung in plan.text]
        return present.presentation(
            plan,
            codecs=named,
            sizes=sizes,
            started=asset.created // 1000,
            text=[one for one in texts if await self._store.stat(f"{asset.id}/{one.prefix}/0.vtt")],
            storyboard=present.storyboard(plan) if asset.storyboard else None,
            poster=asset.poster,
        )

    async def _codecs(self, asset_id: str, plan: Plan, name: str) -> str:
        return codecs(await self._store.get(f"{asset_id}/{keys.init(plan.generation, name)}"))


async def _come(packaging: Packaging | None, name: str, number: int) -> None:
    """Wait for a segment of an asset that is being made; others have what they have. Raise OutsidePlan."""
    try:
        if packaging is not None:
            await packaging.want(name, number)
    except (KeyError, Abandoned) as error:
        raise OutsidePlan(f"{name}/{number}") from error


def _rungs(plan: Plan) -> list[str]:
    others = [rung.name for rung in (plan.copied, plan.intra) if rung is not None]
    return [*others, *(rung.name for rung in plan.video), *(rung.name for rung in plan.audio)]
