"""Events that an application publishes, for the player or for itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from streamer.vocabulary.kind import ASSET, ASSETS, CUSTOM, STREAM, About, Kind, Resource

_Length = Annotated[float | None, Field(ge=0)]
_SHOWN = About(carriers=(ASSET, STREAM), open=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement(Kind):
    """A sentence for everybody who watches."""

    type: ClassVar[str] = "announcement"
    about: ClassVar[About] = _SHOWN

    text: Annotated[str, "what is to be shown, as plain text", Field(min_length=1, max_length=1000)]
    level: Annotated[Literal["info", "warning"], "how it is meant"] = "info"
    seconds: Annotated[_Length, "how long it is to be shown; null until the viewer takes it away"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interstitial(Kind):
    """Something else is to be played at `media_time`. For players of one's own: this server's goes on."""

    type: ClassVar[str] = "interstitial"
    about: ClassVar[About] = _SHOWN

    id: Annotated[str, "its name, the same when it is told again", Field(min_length=1, max_length=100)]
    url: Annotated[str, "the playlist of what is to be played", Field(min_length=1, max_length=2000)]
    seconds: Annotated[_Length, "how long it is; null where that is not known"] = None
    resume_seconds: Annotated[float, "how far behind its beginning the picture goes on", Field(ge=0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyTarget(Kind):
    """How far behind the live edge to play: the player takes its nearest tier unless its viewer chose one."""

    type: ClassVar[str] = "latency.target"
    about: ClassVar[About] = _SHOWN

    seconds: Annotated[
        float, "the delay; who cannot keep it takes the least that it can", Field(gt=0, le=3600)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom(Kind):
    """Whatever an application wants to tell: any type that begins with `custom.`, any JSON."""

    type: ClassVar[str] = f"{CUSTOM}*"
    about: ClassVar[About] = About(carriers=(ASSETS, ASSET, STREAM), open=True, resource=Resource.ANYTHING)
