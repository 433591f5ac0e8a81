"""Matroska of live frames, as another reader finds it."""

from __future__ import annotations

import io

import av

from streamer.ingest import matroska
from streamer.ingest.matroska import Picture


def test_a_demuxer_finds_tracks_and_frames_at_their_times():
    body = matroska.head(Picture(codec=matroska.VP8, width=640, height=360), sound=True)
    frames = [(matroska.VIDEO, 0, b"picture", True), (matroska.AUDIO, 13, b"\xfc\xff\xfe", True)]
    frames += [(matroska.VIDEO, 40, b"another", False), (matroska.AUDIO, 100_000, b"\xfc\xff\xfe", True)]
    for track, time, data, key in frames:
        body += matroska.frame(track, time, data, key=key)
    found = []
    with av.open(io.BytesIO(body), format="matroska") as file:
        picture, sound = file.streams.video[0], file.streams.audio[0]
        assert (picture.codec_context.name, picture.width, picture.height) == ("vp8", 640, 360)
        assert (sound.codec_context.name, sound.rate, sound.channels) == ("opus", 48_000, 2)
        for packet in file.demux():
            if packet.size and packet.pts is not None:
                number = matroska.VIDEO if packet.stream is picture else matroska.AUDIO
                time = round(packet.pts * packet.time_base * 1000)
                found.append((number, time, bytes(packet), packet.is_keyframe))
    assert found == frames


def test_there_may_be_no_sound():
    body = matroska.head(Picture(codec=matroska.VP8, width=64, height=64), sound=False)
    with av.open(io.BytesIO(body + matroska.frame(1, 0, b"x", key=True)), format="matroska") as file:
        assert len(file.streams) == 1
