"""Events of assets: how they come, change and go, and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from streamer.vocabulary.kind import ASSET, ASSETS, About, Kind, Resource

_BOTH = About(carriers=(ASSETS, ASSET), resource=Resource.ASSET)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetCreated(Kind):
    """There is a new asset."""

    type: ClassVar[str] = "asset.created"
    about: ClassVar[About] = _BOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetChanged(Kind):
    """Something of an asset is other than before: its title, its state, its plan, its captions."""

    type: ClassVar[str] = "asset.changed"
    about: ClassVar[About] = _BOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetPlayable(Kind):
    """An asset can be watched from now on. `asset.changed` goes before it."""

    type: ClassVar[str] = "asset.playable"
    about: ClassVar[About] = _BOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetComplete(Kind):
    """All of an asset is there; of a broadcast it is the recording. `asset.changed` goes before it."""

    type: ClassVar[str] = "asset.complete"
    about: ClassVar[About] = _BOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFailed(Kind):
    """An asset cannot be made; its `failure` says why. `asset.changed` goes before it."""

    type: ClassVar[str] = "asset.failed"
    about: ClassVar[About] = _BOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetDeleted(Kind):
    """An asset is gone for everybody, and its own channel with it."""

    type: ClassVar[str] = "asset.deleted"
    about: ClassVar[About] = About(carriers=(ASSETS, ASSET))

    id: Annotated[str, "the asset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetProgress(Kind):
    """How much of an asset is stored; at most twice a second. `asset.complete` tells the end."""

    type: ClassVar[str] = "asset.progress"
    about: ClassVar[About] = About(carriers=(ASSET,), numbered=False)

    id: Annotated[str, "the asset"]
    generation: Annotated[str, "the output that is being made"]
    done: Annotated[int, "segments of all renditions that are there"]
    total: Annotated[int, "segments that there will be, as far as is known"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadProgress(Kind):
    """How much of an upload is kept; at most twice a second."""

    type: ClassVar[str] = "upload.progress"
    about: ClassVar[About] = About(carriers=(ASSETS, ASSET), numbered=False)

    id: Annotated[str, "the asset"]
    received: Annotated[int, "bytes"]
    size: Annotated[int | None, "bytes of the whole, null while unknown"]
    seekable: Annotated[float | None, "seconds from the start that can be played now"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentStored(Kind):
    """A segment has been made and is kept."""

    type: ClassVar[str] = "segment.stored"
    about: ClassVar[About] = About(carriers=(ASSET,))

    generation: Annotated[str, "the output that it is a part of"]
    rendition: Annotated[str, "the rendition's name"]
    number: Annotated[int, "its number, from 0 on"]
    size: Annotated[int, "bytes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEvicted(Kind):
    """A segment has made way for others; it is made again when somebody asks for it."""

    type: ClassVar[str] = "segment.evicted"
    about: ClassVar[About] = About(carriers=(ASSET,))

    generation: Annotated[str, "the output that it was a part of"]
    rendition: Annotated[str, "the rendition's name"]
    number: Annotated[int, "its number, from 0 on"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Kind):
    """An encode of consecutive segments has begun."""

    type: ClassVar[str] = "run.started"
    about: ClassVar[About] = About(carriers=(ASSET,))

    run: Annotated[str, "the Run"]
    rungs: Annotated[tuple[str, ...], "the renditions that it makes"]
    first: Annotated[int, "its first segment"]
    last: Annotated[int, "its last segment, included"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Kind):
    """An encode has ended, one way or another."""

    type: ClassVar[str] = "run.ended"
    about: ClassVar[About] = About(carriers=(ASSET,))

    run: Annotated[str, "the Run"]
    state: Annotated[str, "`done`, `failed`, or `queued` where it will be tried again"]
    failure: Annotated[str, "why it has failed, else empty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress(Kind):
    """How far an encode is."""

    type: ClassVar[str] = "run.progress"
    about: ClassVar[About] = About(carriers=(ASSET,), numbered=False)

    run: Annotated[str, "the Run"]
    frames: Annotated[int, "frames that are encoded"]
    total: Annotated[int, "frames that it has in all"]
    rate: Annotated[int, "frames a second"]
