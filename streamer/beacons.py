"""How playback goes, told by players in keys of CMCD (CTA-5004-B) and kept as sums over everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from streamer.metrics import Counter, Histogram, Metrics

_STREAMS: Final = {"v": "vod", "l": "live", "ll": "low-latency"}
_LABELS = ("stream",)
_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
_KILOBITS = (250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0, 32000.0)
_MOST = 10**9  # milliseconds or kilobits: what is above is nobody's playback
_KEYS = 64


class Beacons:
    """Adds up what players tell. Nothing is kept of one of them."""

    def __init__(self, metrics: Metrics) -> None:
        """Add the sums to the metrics."""
        self._told = Counter("streamer_playback_beacons_total", "Beacons of players.", _LABELS)
        self._stalls = Counter("streamer_playback_stalls_total", "Times that buffers ran empty.", _LABELS)
        self._errors = Counter("streamer_playback_errors_total", "Players that gave up.", _LABELS)
        self._millis = {
            "msd": _seconds("startup", "Time from wanting to play to the first picture."),
            "bsd": _seconds("stall", "How long buffers were empty."),
            "bl": _seconds("buffer", "What players have ahead."),
            "ltc": _seconds("latency", "Delay of live pictures."),
        }
        self._bitrate = Histogram(
            "streamer_playback_kilobits", "Bit rate of what is shown.", _LABELS, bounds=_KILOBITS
        )
        for counter in (self._told, self._stalls, self._errors):
            metrics.add(counter)
        for histogram in (*self._millis.values(), self._bitrate):
            metrics.add(histogram)

    def heard(self, cmcd: Mapping[str, Any]) -> None:
        """Add one player's keys; those that are not known, or have no sense, count for nothing."""
        stream = cmcd.get("st")
        label = _STREAMS.get(stream, "other") if isinstance(stream, str) else "other"
        self._told.add(1, label)
        if cmcd.get("bs") is True:
            self._stalls.add(1, label)
        if cmcd.get("sta") == "f":
            self._errors.add(1, label)
        for key, histogram in self._millis.items():
            value = _number(cmcd.get(key))
            if value is not None:
                histogram.observe(value / 1000, label)
        bitrate = _number(cmcd.get("br"))
        if bitrate is not None:
            self._bitrate.observe(bitrate, label)


def readable(cmcd: Any) -> bool:
    """Say whether it is an object with not too many keys."""
    return isinstance(cmcd, dict) and len(cmcd) <= _KEYS


def _seconds(what: str, about: str) -> Histogram:
    return Histogram(f"streamer_playback_{what}_seconds", about, _LABELS, bounds=_SECONDS)


def _number(value: Any) -> float | None:
    """Return a key's number; version 2 may have a list of them, one for each track."""
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, bool) or not isinstance(first, int | float) or not 0 <= first <= _MOST:
        return None
    return first
