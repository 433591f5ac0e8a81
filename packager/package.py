"""A file into a store, from probe to manifests: what `streamer package` and the server both walk through."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from packager import copied, keys, ladder, manifests, present, thumbs, words
from packager.errors import ChildFailed, PackagingError
from packager.facts import Sink, Warned
from packager.farm import OwnSlots
from packager.foreman import Foreman
from packager.index import Index
from packager.inits import Inits
from packager.ladder import Effort
from packager.model import Presentation, Rendition
from packager.original import Original, WholeFile, arrived
from packager.packaging import Packaging, may_be_the_grid
from packager.plan import Plan
from packager.probe import Probed, probe
from packager.process import Spawner
from packager.store import Store
from packager.tables import Tables

_EDGE = 1 << 20
"""Bytes hashed at either end of a source: with its size they tell one file from another."""


@dataclass(slots=True, kw_only=True)
class Made:
    """What has been made of a source so far, besides its segments."""

    packaging: Packaging
    started: int
    poster: str | None = None
    text: tuple[Rendition, ...] = ()

    def presentation(self) -> Presentation:
        """Return what the manifests say now."""
        packaging = self.packaging
        plan = packaging.plan
        complete = packaging.complete
        # Until then only what is copied has been measured: whoever else shows it must say the same.
        measured = packaging.sizes if complete else {name: packaging.sizes[name] for name in packaging.copies}
        return present.presentation(
            plan,
            codecs={name: init.codecs for name, init in packaging.inits.items()},
            sizes=measured,
            started=self.started,
            text=self.text,
            storyboard=present.storyboard(plan) if complete else None,
            poster=self.poster,
        )


async def encoder_build(spawner: Spawner) -> str:
    """Return a short name of the ffmpeg build in use: its version line, hashed. Raise ChildFailed."""
    process = await asyncio.create_subprocess_exec(
        str(spawner.ffmpeg), "-hide_banner", "-version", stdout=asyncio.subprocess.PIPE, env={}
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise ChildFailed(f"{spawner.ffmpeg} does not run", status=process.returncode)
    version = out.decode(errors="replace").split()[2:3]
    return f"{''.join(version)}-{hashlib.sha256(out).hexdigest()[:8]}"


def identity(path: Path) -> str:
    """Return what a source is known by: a hash of its size and both its ends."""
    with path.open("rb") as file:
        size = path.stat().st_size
        hashed = hashlib.sha256(str(size).encode() + file.read(_EDGE))
        file.seek(max(0, size - _EDGE))
        hashed.update(file.read(_EDGE))
    return hashed.hexdigest()[:32]


async def begin(
    plan: Plan,
    index: Index | None,
    *,
    original: Original,
    tables: Tables,
    store: Store,
    inits: Inits,
    sink: Sink,
    asset: str = "",
) -> Packaging:
    """Make the inits of a plan, and find out what of it an earlier life has stored."""
    copies = await asyncio.to_thread(copied.of, plan, tables)
    packaging = Packaging(
        plan,
        index,
        inits=await inits.of(plan) | {name: copy.init for name, copy in copies.items()},
        copies=copies,
        original=original,
        tables=tables,
        store=store,
        sink=sink,
        asset=asset,
    )
    await packaging.recover()
    return packaging


async def ornament(made: Made, *, spawner: Spawner) -> None:
    """Make the poster and the text renditions, unless they are there."""
    packaging = made.packaging
    plan = packaging.plan
    key = keys.poster(plan.generation)
    if await packaging.store.stat(key) is None:
        picture = await thumbs.poster(
            plan, original=packaging.original, feeder=packaging.feeder, spawner=spawner
        )
        if picture is not None:
            await packaging.store.put(key, picture)
    made.poster = key if await packaging.store.stat(key) is not None else None
    made.text = await _texts(packaging, spawner=spawner)


async def _texts(packaging: Packaging, *, spawner: Spawner) -> tuple[Rendition, ...]:
    plan = packaging.plan
    there = [await packaging.store.stat(keys.text(plan.generation, rung.name)) for rung in plan.text]
    if all(there):
        return tuple(words.rendition(plan, rung) for rung in plan.text)
    await arrived(packaging.original)
    renditions, warnings = await words.extract(
        plan, source=await packaging.original.file(), store=packaging.store, spawner=spawner
    )
    for warning in warnings:
        packaging.report(Warned(text=warning))
    return tuple(renditions)


async def finish(made: Made, *, spawner: Spawner) -> None:
    """Wait until every segment is there, then make the storyboard. Raise PackagingError."""
    packaging = made.packaging
    await packaging.ended()
    if await packaging.store.stat(keys.storyboard(packaging.plan.generation)) is None:
        with suppress(ChildFailed):  # an ornament: the asset plays without
            await thumbs.storyboard(packaging, spawner=spawner)


async def write_manifests(presentation: Presentation, store: Store) -> None:
    """Put the manifests into the store, the one that names the others last."""
    for key in manifests.names(presentation):
        text = manifests.render(presentation, key)
        if text is not None:
            await store.replace(key, text.encode())


async def package(
    source: Path,
    store: Store,
    *,
    spawner: Spawner,
    slots: int,
    sink: Sink,
    started: int,
    effort: Effort | None = None,
    planned: Callable[[Packaging], None] = lambda _: None,
) -> Presentation:
    """Package a file into a store, whole, going on from what is there already. Raise PackagingError.

    `planned` is told once the plan is frozen. Manifests are written last: a store that has them is complete.
    """
    with TemporaryDirectory(prefix="streamer-") as folder:
        probed = await probe(spawner, source, into=Path(folder) / "tables")
        return await _package(
            source,
            probed,
            store,
            spawner=spawner,
            slots=slots,
            sink=sink,
            started=started,
            effort=effort,
            planned=planned,
        )


async def _package(
    source: Path,
    probed: Probed,
    store: Store,
    *,
    spawner: Spawner,
    slots: int,
    sink: Sink,
    started: int,
    effort: Effort | None,
    planned: Callable[[Packaging], None],
) -> Presentation:
    known = await asyncio.to_thread(identity, source)
    build = await encoder_build(spawner)
    inits = Inits(spawner)
    for warning in probed.source.warnings:
        sink(Warned(text=warning))
    for keyed in (True, False):
        plan = ladder.plan(
            probed.source,
            probed.index,
            identity=known,
            encoder=build,
            effort=effort,
            allow_keyframe_grid=keyed,
            tables=probed.tables,
        )
        packaging = await begin(
            plan,
            probed.index,
            original=WholeFile(source),
            tables=probed.tables,
            store=store,
            inits=inits,
            sink=sink,
        )
        planned(packaging)
        made = Made(packaging=packaging, started=started)
        try:
            async with Foreman(OwnSlots(spawner, slots=slots)) as foreman:
                foreman.add(packaging)
                await copied.write_out(
                    packaging.copies, original=packaging.original, store=store, sink=packaging.report
                )
                await ornament(made, spawner=spawner)
                await finish(made, spawner=spawner)
        except PackagingError as error:
            if not may_be_the_grid(plan, error):
                raise
            sink(
                Warned(
                    text="the source's frames are not what its index says: frames are made at a fixed rate"
                )
            )
            await store.delete(f"{plan.generation}/")
            continue
        presentation = made.presentation()
        await write_manifests(presentation, store)
        return presentation
    raise PackagingError("no grid holds")
