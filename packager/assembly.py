"""Choose the tracks of an open file, index them and put its Source together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from packager import compliance, formats, fragments, marking, scanning, tabled
from packager.choosing import PIXELS, Choosing, refuse_size
from packager.errors import BadBoxes, OverLimit
from packager.index import REORDERED, Index
from packager.marks import Marks
from packager.model import AudioTrack, Source, VideoTrack
from packager.rates import FASTEST
from packager.sampletable import Track
from packager.scanning import Notes
from packager.tables import TrackTable
from packager.tasting import Taster
from packager.tracks import audio_track, video_track

GAP = 3600

_CLAIMING = {"mp4", "mov", "matroska", "webm", "avi", "flv", "asf", "mxf"}
"""Containers whose header states a duration that was known, not guessed from a bit rate."""


class Undecodable(Exception):
    """A video track gives no picture."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class Untabled(Exception):
    """The file's tables cannot tell the times of what was chosen."""


@dataclass(slots=True, kw_only=True)
class Inspected:
    """What is known of one file before its tracks are. `whole` says that the tables hold all samples.

    It will have `size` bytes, of which the first `received` are there.
    """

    path: Path
    size: int
    received: int
    head: bytes
    deadline: float
    tracks: tuple[Track, ...] = ()
    whole: bool = False
    left_out: set[int] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)

    def table(self, stream: Stream) -> Track | None:
        """Return the sample table of a stream where the file's moov holds it whole."""
        found = (track for track in self.tracks if track.number == stream.id)
        return next(found, None) if self.whole else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a file is: no Index without video, no tables without a container that has them, else marks."""

    source: Source
    index: Index | None
    tables: tuple[TrackTable, ...] = ()
    marks: Marks | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """The chosen video track's frames: `end` in ticks of the index."""

    index: Index
    end: int


class Assembly:
    """One pass over an open container."""

    def __init__(self, state: Inspected, container: InputContainer) -> None:
        self._state = state
        self._container = container
        self._name = formats.container_name(container.format.name, state.head)
        self._warnings = list(state.warnings)
        self._choosing = Choosing(container, left_out=state.left_out, warnings=self._warnings)
        self._rows: list[TrackTable] = []
        self._indexed = False
        self._compared = False
        self._obstacles: dict[int, tuple[str, ...]] = {}

    def source(self) -> Found:
        """Return what the file is. Raise Refused, or Undecodable to be asked again without a track."""
        video, audio = self._choosing.tracks()
        streams: list[Stream] = [*([video] if video else []), *audio]
        taster = Taster(streams, pixels=PIXELS)
        tables = self._tables(video, audio) if self._state.whole else None
        if tables is not None:
            taster.taste_each(self._container, streams)
            self._compared = self._indexed = True
            return self._found(video, audio, *tables, taster)
        return self._scan(video, audio, taster)

    def arrived(self, seen: scanning.Scan, taster: Taster, *, ended: bool) -> Found:
        """Return what is known of a source by the packets that have come of it. Raise as `source`."""
        video, audio = self._choosing.tracks()
        self._compared = ended
        pictures, reaches = self._reaches(video, seen)
        if pictures is not None and not ended:
            # The last ones come out of order, and what still lacks between them would pass for a slower rate.
            index = pictures.index
            known = index.times[: max(1, len(index.times) - REORDERED)]
            pictures = replace(pictures, index=replace(index, times=known))
        return self._found(video, audio, pictures, reaches, taster)

    def _found(
        self,
        video: VideoStream | None,
        audio: Sequence[AudioStream],
        pictures: Pictures | None,
        reaches: dict[int, tuple[Fraction, Fraction]],
        taster: Taster,
    ) -> Found:
        shown = self._video(video, pictures, taster)
        heard = self._audio(audio, reaches, taster)
        if shown is None and not heard:
            self._choosing.nothing(evidence="; ".join(taster.faults.values()))
        start, end = self._span(shown, heard)
        if self._compared:
            self._compare_claim(end - start)
        found = Source(
            container=self._name,
            size=self._state.size,
            duration=end - start,
            video=shown,
            audio=heard,
            text=self._choosing.texts(),
            warnings=tuple(self._warnings),
            indexed=self._indexed,
        )
        index = None if pictures is None or shown is None else pictures.index
        kept = {track.index for track in heard} | ({shown.index} if shown else set())
        return Found(source=found, index=index, tables=tuple(one for one in self._rows if one.track in kept))

    def _tables(
        self, video: VideoStream | None, audio: Sequence[AudioStream]
    ) -> tuple[Pictures | None, dict[int, tuple[Fraction, Fraction]]]:
        """Index the tracks by the file's tables. Raise Untabled where they cannot tell."""
        try:
            pictures = None
            if video is not None:
                track = self._state.table(video)
                if track is None:
                    raise Untabled
                found = tabled.video(
                    track,
                    self._state.path,
                    size=self._state.size,
                    received=self._state.received,
                    codec=video.codec_context.codec.canonical_name,
                )
                self._keep(video, track, found.rows, end=found.end)
                self._obstacles[video.index] = compliance.picture(
                    track, found.rows, self._state.path, received=self._state.received
                )
                pictures = Pictures(index=found.index, end=found.end)
                if found.lost:
                    self._warnings.append(
                        f"The file has been cut off: {found.lost} of {found.total} frames are missing."
                    )
            reaches = {}
            for stream in audio:
                track = self._state.table(stream)
                if track is None:
                    raise Untabled
                reaches[stream.index] = reach = tabled.reach(track, self._state.size)
                rows = tabled.audio(track, self._state.size)
                if rows is not None:
                    self._keep(stream, track, rows, end=round(reach[1] * track.timescale))
                    self._obstacles[stream.index] = compliance.sound(track, rows)
        except BadBoxes as error:
            raise Untabled from error
        return pictures, reaches

    def _keep(self, stream: Stream, track: Track, rows: NDArray[Any], *, end: int) -> None:
        """Keep a track's table for those who read the file by it."""
        self._rows.append(
            TrackTable(
                track=stream.index,
                timescale=track.timescale,
                end=end,
                file_type=fragments.file_type(self._state.head),
                header=track.header,
                stsd=track.stsd,
                rows=rows,
            )
        )

    def _scan(self, video: VideoStream | None, audio: Sequence[AudioStream], taster: Taster) -> Found:
        """Index the tracks by their packets, and note where to find them."""
        streams: list[Stream] = [*([video] if video else []), *audio]
        laid = marking.layout(self._name)
        notes: Notes | None = None
        if laid is not None:
            laid.read(self._state.path)
            notes = marking.Marking(laid, streams)
        elif self._name in {"mp4", "mov"}:
            notes = fragments.Samples(streams)
        seen = scanning.scan(
            self._container,
            streams,
            video=video,
            taste=taster.taste,
            notes=notes,
            deadline=self._state.deadline,
        )
        pictures, reaches = self._reaches(video, seen)
        self._compared = seen.complete
        if isinstance(notes, fragments.Samples):
            self._rows += notes.tables(self._state.tracks, fragments.file_type(self._state.head))
        found = self._found(video, audio, pictures, reaches, taster)
        if isinstance(notes, marking.Marking):
            return replace(found, marks=notes.marks(self._state.size if seen.complete else 0))
        return found

    def _reaches(
        self, video: VideoStream | None, seen: scanning.Scan
    ) -> tuple[Pictures | None, dict[int, tuple[Fraction, Fraction]]]:
        """Return the pictures, and when each track begins and ends, by packets."""
        if seen.broken:
            self._warnings.append("The file is damaged and was read up to there only.")
        limit = None if seen.complete else self._claimed_end(seen)
        reaches = {}
        pictures = None
        for number, reach in seen.reaches.items():
            if reach.gap * reach.time_base > GAP:
                raise OverLimit("There is a gap of more than an hour in the file.")
            if reach.start is None:
                continue
            end = reach.end * reach.time_base if limit is None else max(limit, reach.end * reach.time_base)
            reaches[number] = (reach.start * reach.time_base, end)
            if video is not None and number == video.index:
                index = scanning.table(seen, reach.time_base)
                last = max(round(end / reach.time_base), int(index.times[-1]) + 1) if len(index.times) else 0
                pictures = Pictures(index=index, end=last)
        return pictures, reaches

    def _claimed_end(self, seen: scanning.Scan) -> Fraction | None:
        """Return the end that the header claims, for a file too long to read. Raise OverLimit."""
        self._warnings.append("The file is too long to be read through; its last part is not indexed.")
        if not self._container.duration:
            return None
        begin = Fraction(self._container.start_time or 0, 1_000_000)
        claimed = Fraction(self._container.duration, 1_000_000)
        read = max(
            ((r.end - r.start) * r.time_base for r in seen.reaches.values() if r.start is not None),
            default=Fraction(0),
        )
        # Four times what the bytes read so far suggest is generous to any change of bit rate.
        if seen.position and claimed > 4 * read * self._state.size / seen.position + GAP:
            raise OverLimit("The file claims to last far longer than its contents can.")
        return begin + claimed

    def _video(
        self, stream: VideoStream | None, pictures: Pictures | None, taster: Taster
    ) -> VideoTrack | None:
        """Describe the video track. Raise Undecodable, OverLimit."""
        if stream is None:
            return None
        frame = taster.frames.get(stream.index)
        if not isinstance(frame, VideoFrame) or pictures is None or not len(pictures.index.times):
            raise Undecodable(stream.index)
        refuse_size(frame.width, frame.height)
        index = pictures.index
        if len(index.times) > 1 and int(np.diff(index.times).max()) * index.time_base > GAP:
            raise OverLimit("There is a gap of more than an hour between two frames.")
        end = pictures.end
        if (end - int(index.times[-1])) * index.time_base > GAP:
            self._warnings.append("The last frame claims to stay for more than an hour; it is shown briefly.")
            end = int(index.times[-1]) + max(1, round(1 / index.time_base / 25))
        track = self._state.table(stream)
        edited = bool(track and (len(track.edits) > 1 or track.shift))
        described = video_track(stream, frame, index, end=end, edit_list=edited)
        described = replace(described, obstacles=self._obstacles.get(stream.index))
        if described.frame_rate >= FASTEST and described.variable:
            self._warnings.append(f"More than {FASTEST} frames a second: not all are kept.")
        return described

    def _audio(
        self,
        streams: Sequence[AudioStream],
        reaches: dict[int, tuple[Fraction, Fraction]],
        taster: Taster,
    ) -> tuple[AudioTrack, ...]:
        """Describe the audio tracks that decode."""
        kept = []
        for stream in streams:
            reach = reaches.get(stream.index)
            frame = taster.frames.get(stream.index)
            if not isinstance(frame, AudioFrame) or reach is None or reach[1] <= reach[0]:
                self._warnings.append(f"Audio track {stream.index} cannot be decoded and is left out.")
                continue
            heard = audio_track(stream, frame, start=reach[0], end=reach[1])
            kept.append(replace(heard, obstacles=self._obstacles.get(stream.index)))
        return tuple(kept)

    def _span(self, video: VideoTrack | None, audio: tuple[AudioTrack, ...]) -> tuple[Fraction, Fraction]:
        """Return when the first track starts and the last one ends. Raise OverLimit."""
        tracks: list[VideoTrack | AudioTrack] = [*([video] if video else []), *audio]
        starts = [track.start for track in tracks]
        if max(starts) - min(starts) > GAP:
            raise OverLimit("A track begins more than an hour after the others.")
        return min(starts), max(track.end for track in tracks)

    def _compare_claim(self, duration: Fraction) -> None:
        """Warn where the header promises more than there is."""
        if self._name not in _CLAIMING or not self._container.duration:
            return
        claimed = Fraction(self._container.duration, 1_000_000)
        if claimed > duration + max(Fraction(2), duration / 20):
            self._warnings.append(
                f"The file says that it lasts {int(claimed)} s, but its media end after {int(duration)} s."
            )
