"""All types of events, in the order of the documentation."""

from __future__ import annotations

from streamer.vocabulary import applications, assets, connections, live, publishing
from streamer.vocabulary.kind import CUSTOM, Kind

KINDS: tuple[type[Kind], ...] = (
    assets.AssetCreated,
    assets.AssetChanged,
    assets.AssetPlayable,
    assets.AssetComplete,
    assets.AssetFailed,
    assets.AssetDeleted,
    assets.AssetProgress,
    assets.UploadProgress,
    assets.SegmentStored,
    assets.SegmentEvicted,
    assets.RunStarted,
    assets.RunEnded,
    assets.RunProgress,
    publishing.PublishStarted,
    publishing.PublishDone,
    publishing.PublishFailed,
    publishing.PublishDelayed,
    publishing.PublishRecovered,
    publishing.PurgeFailed,
    publishing.PublishProgress,
    live.StreamStateChanged,
    live.StreamHealth,
    live.StreamChanged,
    live.StreamDeleted,
    live.LadderChanged,
    live.PassthroughRefused,
    live.Viewers,
    live.Marker,
    live.MarkerDeleted,
    applications.Announcement,
    applications.Interstitial,
    applications.LatencyTarget,
    applications.Custom,
    connections.TokenExpiring,
    connections.ServerDrain,
)

_BY_TYPE = {kind.type: kind for kind in KINDS}


def kind_of(type_: str) -> type[Kind] | None:
    """Return the definition of a type of event, None where there is no such type."""
    return _BY_TYPE.get(f"{CUSTOM}*" if type_.startswith(CUSTOM) else type_)
