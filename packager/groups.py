"""Which renditions of a plan share a decode, and of how many of their segments the source is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from packager import engine, run
from packager.engine import Group
from packager.feed import Feeder
from packager.original import Original
from packager.plan import Plan

_UNKNOWN = 1 << 62
"""More bytes than there are, for a segment that the marks of a growing source do not reach yet."""


def of(
    plan: Plan, *, original: Original, feeder: Feeder | None, before: Sequence[Group] = ()
) -> tuple[Group, ...]:
    """Return the groups of a plan: all encoded pictures, and each encoded rung of sound by itself.

    `before` are those of the same plan a moment ago: what was there then is not looked at again.
    """
    known = {group.names: group.ready for group in before}
    return tuple(
        replace(group, ready=_ready(group, known.get(group.names, 0), plan, original=original, feeder=feeder))
        for group in _bare(plan)
    )


def _bare(plan: Plan) -> list[Group]:
    intra = plan.intra.name if plan.intra else ""
    pictures = tuple(rung.name for rung in plan.video) + ((intra,) if intra else ())
    groups = [Group(names=pictures, segments=plan.pictures, ready=0, ornament=intra)] if pictures else []
    default = next((rung for rung in plan.audio if rung.default), None)
    groups += [
        Group(
            names=(rung.name,),
            segments=len(plan.borders) - 1,
            ready=0,
            stride=engine.SOUND_SEGMENTS,
            sound=True,
            first=rung is default,
        )
        for rung in plan.audio
        if not rung.copied
    ]
    return groups


def _ready(group: Group, ready: int, plan: Plan, *, original: Original, feeder: Feeder | None) -> int:
    if original.whole:
        return group.segments
    received = original.received
    while ready < group.segments and _reach(group, ready, plan, feeder) <= received:
        ready += 1
    return ready


def _reach(group: Group, number: int, plan: Plan, feeder: Feeder | None) -> int:
    """Return how many bytes of the source a segment needs: all of them where nothing can find its own."""
    found = None if feeder is None else run.reach(plan, feeder, names=group.names, number=number)
    if found is None:
        return plan.source.size if plan.ended else _UNKNOWN
    return found
