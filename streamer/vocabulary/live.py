"""Events of live streams and of what is on air."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from streamer.rows import StreamState
from streamer.vocabulary.kind import ASSET, STREAM, About, Kind, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A rendition of the picture."""

    name: Annotated[str, "the rendition's name"]
    width: Annotated[int, "pixels"]
    height: Annotated[int, "pixels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStateChanged(Kind):
    """A stream stands elsewhere than before."""

    type: ClassVar[str] = "stream.state"
    about: ClassVar[About] = About(carriers=(STREAM, ASSET))

    stream: Annotated[str, "the stream"]
    asset: Annotated[str, "the broadcast"]
    state: Annotated[StreamState, "where it stands"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHealth(Kind):
    """How the signal of a publisher is, every two seconds while something comes."""

    type: ClassVar[str] = "stream.health"
    about: ClassVar[About] = About(carriers=(STREAM, ASSET), numbered=False)

    stream: Annotated[str, "the stream"]
    asset: Annotated[str, "the broadcast"]
    bitrate: Annotated[int, "bits a second that come in, sound and picture together"]
    frame_rate: Annotated[float, "pictures a second that come in"]
    keyframe_seconds: Annotated[float | None, "from one keyframe to the next, null until there were two"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamChanged(Kind):
    """A stream has another title, other settings or another key."""

    type: ClassVar[str] = "stream.changed"
    about: ClassVar[About] = About(carriers=(STREAM,), resource=Resource.STREAM)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDeleted(Kind):
    """A stream is gone for everybody, and its channel with it; its recordings stay."""

    type: ClassVar[str] = "stream.deleted"
    about: ClassVar[About] = About(carriers=(STREAM,))

    id: Annotated[str, "the stream"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderChanged(Kind):
    """A broadcast has other pictures from now on, usually because they could not all be encoded in time."""

    type: ClassVar[str] = "ladder.changed"
    about: ClassVar[About] = About(carriers=(STREAM, ASSET))

    stream: Annotated[str, "the stream"]
    asset: Annotated[str, "the broadcast"]
    before: Annotated[tuple[Picture, ...], "the pictures until now, from the top down"]
    after: Annotated[tuple[Picture, ...], "the pictures from now on, from the top down"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassthroughRefused(Kind):
    """A broadcast's pictures are encoded although its stream asks for `passthrough`."""

    type: ClassVar[str] = "passthrough.refused"
    about: ClassVar[About] = About(carriers=(STREAM, ASSET))

    stream: Annotated[str, "the stream"]
    asset: Annotated[str, "the broadcast"]
    reason: Annotated[str, "what stands against it"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewers(Kind):
    """How many watch."""

    type: ClassVar[str] = "viewers"
    about: ClassVar[About] = About(carriers=(STREAM, ASSET), numbered=False)

    count: Annotated[int, "viewers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker(Kind):
    """Something is to be told at `media_time` of the picture; playlists have it under the same id."""

    type: ClassVar[str] = "marker"
    about: ClassVar[About] = About(carriers=(STREAM, ASSET))

    asset: Annotated[str, "the video or the broadcast"]
    id: Annotated[str, "the marker"]
    kind: Annotated[str, "what it is, in a word of its author's"]
    date: Annotated[str, "its moment by the dates of the playlists"]
    time: Annotated[float, "its moment in seconds from the first picture"]
    duration: Annotated[float | None, "seconds that it lasts, null where that is not known"]
    data: Annotated[Any, "what its author has said of it"]
    scte35: Annotated[str | None, "an SCTE-35 message in hexadecimal"]
    splice: Annotated[str | None, "what that is: out, in or cmd"]
    inband: Annotated[bool, "segments tell of it too"]
    created: Annotated[str, "when it was made"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerDeleted(Kind):
    """A marker is not told any more, other than by segments that do so already."""

    type: ClassVar[str] = "marker.deleted"
    about: ClassVar[About] = About(carriers=(STREAM, ASSET))

    asset: Annotated[str, "the video or the broadcast"]
    id: Annotated[str, "the marker"]
