"""What packaging reports to bystanders. No media rides on this road."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentStored:
    """A verified segment is in the store."""

    generation: str
    rendition: str
    number: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A Run's encoder has been started for segments first to last, both included."""

    run: str
    renditions: tuple[str, ...]
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """How far a Run is: frames done since its start, out of how many, and frames a second."""

    run: str
    frames: int
    total: int
    rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """A Run has ended; `failure` is empty where all its segments are stored."""

    run: str
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something of the source is lost or changed; the text is for a person."""

    text: str


Fact: TypeAlias = SegmentStored | RunStarted | RunProgress | RunEnded | Warned
Sink: TypeAlias = Callable[[Fact], None]
