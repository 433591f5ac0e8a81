"""What the catalog shows of a plan: its renditions, and what people want to know of the source."""

from __future__ import annotations

from fractions import Fraction

from packager.packaging import Packaging
from packager.plan import CopiedRung, Plan, VideoRung
from streamer.rows import Rung


def rungs(packaging: Packaging) -> list[Rung]:
    """Return the renditions of a plan as the catalog lists them."""
    plan = packaging.plan
    pictures: list[CopiedRung | VideoRung] = [plan.copied] if plan.copied else []
    listed = [
        Rung(
            name=rung.name,
            kind="video",
            width=rung.width,
            height=rung.height,
            segments=plan.pictures,
            copied=rung is plan.copied,
        )
        for rung in (*pictures, *plan.video)
    ]
    if plan.intra is not None:
        listed.append(
            Rung(
                name=plan.intra.name,
                kind="intra",
                width=plan.intra.width,
                height=plan.intra.height,
                segments=plan.pictures,
            )
        )
    whole = len(plan.borders) - 1
    return listed + [
        Rung(name=rung.name, kind="audio", segments=whole, copied=rung.copied) for rung in plan.audio
    ]


def seekable(packaging: Packaging) -> Fraction:
    """Return how many seconds from the start can be made: the bytes they need are there."""
    plan = packaging.plan
    reached = plan.duration
    for group in packaging.groups:
        borders = plan.borders if group.sound else plan.shown
        if group.ready < group.segments:
            reached = min(reached, Fraction(borders[group.ready] - borders[0], plan.timescale))
    for copy in packaging.copies.values() if not packaging.original.whole else ():
        ready = copy.ready(packaging.original.received)
        if ready < copy.segments:
            reached = min(reached, Fraction(copy.borders[ready] - copy.borders[0], copy.table.timescale))
    return reached


def source_summary(plan: Plan) -> dict[str, object]:
    """Return what people want to know of a source."""
    video = plan.source.video
    return {
        "container": plan.source.container,
        "size": plan.source.size,
        "video": None
        if video is None
        else {
            "codec": video.codec,
            "width": video.width,
            "height": video.height,
            "rotation": video.rotation,
            "frame_rate": str(video.frame_rate),
            "variable": video.variable,
            "hdr": video.colour.hdr,
            "scan": str(video.scan),
        },
        "audio": [
            {"codec": a.codec, "channels": a.channels, "language": a.language} for a in plan.source.audio
        ],
        "text": [{"codec": t.codec, "language": t.language} for t in plan.source.text],
        "grid": None if plan.picture is None else str(plan.picture.grid),
        "reasons": [] if plan.picture is None else list(plan.picture.reasons),
        "uncopied": list(plan.uncopied),
    }
