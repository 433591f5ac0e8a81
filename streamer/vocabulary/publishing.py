"""Events of assets that are published to buckets, and taken away from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from streamer.vocabulary.kind import ASSET, About, Kind

_ASSET = About(carriers=(ASSET,))


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishStarted(Kind):
    """An asset is to be published to a destination, on air or complete, or withdrawn from it."""

    type: ClassVar[str] = "publish.started"
    about: ClassVar[About] = _ASSET

    id: Annotated[str, "the asset"]
    destination: Annotated[str, "the destination's name"]
    state: Annotated[str, "`live`, `publishing` or `withdrawing`"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishDone(Kind):
    """An asset is at a destination as it is here, or nothing of it is left there."""

    type: ClassVar[str] = "publish.done"
    about: ClassVar[About] = _ASSET

    id: Annotated[str, "the asset"]
    destination: Annotated[str, "the destination's name"]
    state: Annotated[str, "`published` or `withdrawn`"]
    objects: Annotated[int, "objects that are there"]
    bytes: Annotated[int, "their bytes"]
    uploaded: Annotated[int, "objects that were not there before"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishFailed(Kind):
    """An asset could not be published or withdrawn; the API says more."""

    type: ClassVar[str] = "publish.failed"
    about: ClassVar[About] = _ASSET

    id: Annotated[str, "the asset"]
    destination: Annotated[str, "the destination's name"]
    code: Annotated[str, "the cause, such as `no-such-bucket`"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishDelayed(Kind):
    """A broadcast that is published on air is late at a destination, whose storage is slow or away."""

    type: ClassVar[str] = "publish.delayed"
    about: ClassVar[About] = _ASSET

    id: Annotated[str, "the asset"]
    destination: Annotated[str, "the destination's name"]
    code: Annotated[str, "the cause, such as `endpoint-away`; `slow` where it only is slow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishRecovered(Kind):
    """A broadcast that was late at a destination is there again as far as it has come."""

    type: ClassVar[str] = "publish.recovered"
    about: ClassVar[About] = _ASSET

    id: Annotated[str, "the asset"]
    destination: Annotated[str, "the destination's name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeFailed(Kind):
    """The CDN of a destination could not be told to forget what has changed there: it lapses by itself."""

    type: ClassVar[str] = "purge.failed"
    about: ClassVar[About] = _ASSET

    id: Annotated[str, "the asset"]
    destination: Annotated[str, "the destination's name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishProgress(Kind):
    """How far publishing is; at most twice a second."""

    type: ClassVar[str] = "publish.progress"
    about: ClassVar[About] = About(carriers=(ASSET,), numbered=False)

    id: Annotated[str, "the asset"]
    destination: Annotated[str, "the destination's name"]
    step: Annotated[str, "`making` segments that are missing, `uploading` or `deleting` objects"]
    done: Annotated[int, "segments or objects that are done"]
    total: Annotated[int, "segments or objects in all"]
