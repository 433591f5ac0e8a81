"""Make the segments of a file by Runs of any sizes in any order, and read what was stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from packager import feeding, keys, ladder, run, timeline
from packager.feed import Feeder
from packager.index import Index
from packager.inits import Inits
from packager.ladder import Effort
from packager.model import Presentation, Rendition
from packager.original import WholeFile
from packager.plan import AudioRung, Plan
from packager.probe import probe
from packager.process import Spawner
from packager.run import Run
from packager.store import MemoryStore, Store

EFFORT = Effort(preset="ultrafast", sides=(144,))
Track = tuple[bytes, list[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A file's plan with all that its Runs need."""

    path: Path
    plan: Plan
    index: Index | None
    inits: dict[str, str]
    bodies: dict[str, bytes]
    spawner: Spawner
    feeder: Feeder

    @property
    def segments(self) -> int:
        """Return how many segments a rung of sound has."""
        return len(self.plan.borders) - 1

    def borders(self, rung: AudioRung) -> list[int]:
        """Return the borders of a rung of sound, in samples."""
        plan = self.plan
        return list(timeline.audio_borders(plan.borders, timescale=plan.timescale, rate=rung.sample_rate))

    def run(self, name: str, first: int, last: int) -> Run:
        """Return the Run of segments first to last of one rendition."""
        return run.of(
            self.plan,
            self.index,
            names=[name],
            first=first,
            last=last,
            inits=self.inits,
            feeder=self.feeder,
        )

    async def make(self, name: str, spans: Iterable[tuple[int, int]]) -> Track:
        """Make the spans (first, last) of a rendition, each by its own Run; return init and all segments."""
        store = MemoryStore()
        for first, last in spans:
            made = self.run(name, first, last)
            await run.execute(
                made, original=WholeFile(self.path), store=store, spawner=self.spawner, sink=lambda _: None
            )
        pictures = any(rung.name == name for rung in self.plan.video)
        count = self.plan.pictures if pictures else self.segments
        bodies = [await store.get(keys.segment(self.plan.generation, name, n)) for n in range(count)]
        return self.bodies[name], bodies


async def planned(path: Path, spawner: Spawner, *, encoder: str = "test") -> Planned:
    """Probe and plan a file, with the smallest effort."""
    with TemporaryDirectory() as folder:
        probed = await probe(spawner, path, into=Path(folder) / "tables")
    source, index = probed.source, probed.index
    plan = ladder.plan(source, index, identity=path.name, encoder=encoder, effort=EFFORT)
    inits = await Inits(spawner).of(plan)
    return Planned(
        path=path,
        plan=plan,
        index=index,
        inits={name: init.digest for name, init in inits.items()},
        bodies={name: init.body for name, init in inits.items()},
        spawner=spawner,
        feeder=feeding.feeder(probed.tables),
    )


async def stored(store: Store, rendition: Rendition) -> Track:
    """Return the init and the segments of a rendition."""
    count = len(rendition.borders) - 1
    bodies = [await store.get(f"{rendition.prefix}/{n}.m4s") for n in range(count)]
    return await store.get(f"{rendition.prefix}/init.mp4"), bodies


def rungs(presentation: Presentation) -> tuple[Rendition, ...]:
    """Return all renditions that have segments of pictures or sound."""
    intra = (presentation.intra,) if presentation.intra else ()
    return (*presentation.video, *intra, *presentation.audio)
