"""Where the samples of a fragmented MP4 lie, by its packets: the table that its moov does not have."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from packager.boxes import read_header
from packager.sampletable import Track
from packager.tables import ROW, TrackTable


class Samples:
    """Keeps the rows of some streams of one file."""

    def __init__(self, streams: Iterable[Stream]) -> None:
        self._numbers = {stream.index: stream.id for stream in streams}
        self._ends = dict.fromkeys(self._numbers, 0)
        self._columns = {index: tuple(array("q") for _ in range(4)) for index in self._numbers}
        self._told = dict.fromkeys(self._numbers, 0)

    def take(self, packet: Packet[Any]) -> None:
        """Note one sample."""
        if packet.pts is None or packet.pos is None or packet.pos < 0:
            self._columns.pop(packet.stream_index, None)  # a table with a hole is none
        columns = self._columns.get(packet.stream_index)
        if columns is None:
            return
        row = (packet.pts or 0, packet.pos or 0, packet.size, packet.is_keyframe)
        for column, value in zip(columns, row, strict=True):
            column.append(value)
        end = row[0] + (packet.duration or 0)
        self._ends[packet.stream_index] = max(self._ends[packet.stream_index], end)

    def news(self, tracks: Sequence[Track], file_type: bytes) -> list[TrackTable]:
        """Return the tables as far as their rows have not been told yet."""
        found = self.tables(tracks, file_type)
        told = [replace(table, rows=table.rows[self._told[table.track] :]) for table in found]
        self._told |= {table.track: len(table.rows) for table in found}
        return told

    def tables(self, tracks: Sequence[Track], file_type: bytes) -> list[TrackTable]:
        """Return the tables of those streams whose track in the moov is among these."""
        found = []
        for index, columns in self._columns.items():
            track = next((track for track in tracks if track.number == self._numbers[index]), None)
            if track is None or not columns[0]:
                continue
            rows: NDArray[Any] = np.empty(len(columns[0]), ROW)
            for name, column in zip(("pts", "offset", "size", "key"), columns, strict=True):
                rows[name] = column
            found.append(
                TrackTable(
                    track=index,
                    timescale=track.timescale,
                    end=self._ends[index],
                    file_type=file_type,
                    header=track.header,
                    stsd=track.stsd,
                    rows=rows,
                )
            )
        return found


def file_type(head: bytes) -> bytes:
    """Return the ftyp box with which a file begins, empty where it begins with another."""
    first = read_header(head, 0)
    return head[: first.end] if first is not None and first.type == "ftyp" and first.end <= len(head) else b""
