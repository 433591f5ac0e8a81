"""What an upload may be: the containers and decoders allowed, and what only poses as media."""

from __future__ import annotations

from packager.errors import FormatNotAllowed, NothingDecodable

PROTOCOLS = ("file", "pipe")
"""No network, no `concat:`, no `data:`."""

# Demuxers by FFmpeg's names: no playlists (hls, dash, concat, sdp), no pictures (image2, gif), no devices.
FORMATS = (
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "mpegts", "mpeg", "avi", "flv", "asf"),
    *("ogg", "wav", "w64", "mp3", "flac", "aac", "aiff", "mxf"),
)

_VIDEO = (
    *("h264", "hevc", "av1", "libdav1d", "libaom-av1", "vp8", "vp9", "libvpx", "libvpx-vp9"),
    *("mpeg1video", "mpeg2video", "mpeg4", "msmpeg4", "msmpeg4v2", "h263", "h263p", "flv", "vp6", "vp6f"),
    *("wmv1", "wmv2", "wmv3", "vc1", "theora", "prores", "dnxhd", "mjpeg", "dvvideo"),
    *("ffv1", "huffyuv", "ffvhuff", "rawvideo", "v210"),
)
_AUDIO = (
    *("aac", "aac_latm", "ac3", "eac3", "mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float"),
    *("opus", "libopus", "vorbis", "libvorbis", "flac", "alac", "dca", "truehd", "mlp", "speex", "libspeex"),
    *("wmav1", "wmav2", "wmapro", "wmalossless", "amrnb", "amrwb", "nellymoser"),
    *("adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "adpcm_swf", "pcm_alaw", "pcm_mulaw", "pcm_u8", "pcm_s8"),
    *("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be"),
    *("pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_bluray", "pcm_dvd"),
)
TEXT = ("subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text")
CODECS = (*_VIDEO, *_AUDIO, *TEXT)
"""Decoders allowed, by FFmpeg's names; what else is in the build has had less scrutiny than it needs."""

_PICTURES = (b"GIF8", b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"8BPS", b"\0\0\1\0", b"qoif")
_ARCHIVES = (b"PK\x03\x04", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"%PDF", b"\x7fELF", b"MZ")


def container_name(demuxer: str, head: bytes) -> str:
    """Return the short name of a container by its demuxer and first bytes: mp4, mov, matroska, webm …."""
    names = demuxer.split(",")
    if "mov" in names:
        # Without ftyp it is QuickTime from before MP4.
        return "mp4" if head[4:8] == b"ftyp" and head[8:12] != b"qt  " else "mov"
    if "matroska" in names:
        return "webm" if b"webm" in head[:64] else "matroska"
    return {"mpeg": "mpegps"}.get(names[0], names[0])


def refuse_posing(head: bytes) -> None:
    """Raise FormatNotAllowed where the first bytes are of something known that is no media, and say what."""
    if not head:
        raise NothingDecodable("The file is empty.")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        raise FormatNotAllowed("This is a picture, not a video.")
    if head.startswith(_PICTURES):
        raise FormatNotAllowed("This is a picture, not a video.", evidence=repr(head[:8]))
    if head.startswith(_ARCHIVES):
        raise FormatNotAllowed("This is an archive, document or program.", evidence=repr(head[:8]))
    _refuse_text(head)


def _refuse_text(head: bytes) -> None:
    """Raise FormatNotAllowed for text of any kind."""
    text = head.decode("utf-16" if head[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8", "replace")
    text = text.lstrip("\ufeff \t\r\n").lower()
    shown = sum(char.isprintable() or char in "\t\r\n" for char in text)
    for mark, name in (
        ("#extm3u", "an HLS playlist"),
        ("ffconcat", "a concat script"),
        ("[playlist]", "a playlist"),
        ("v=0", "a session description"),
    ):
        if text.startswith(mark):
            raise FormatNotAllowed(f"This is {name}, not media.", evidence=text[:80])
    if shown < 0.95 * len(text) or "\ufffd" in text[:-4]:
        return
    if "<svg" in text:
        raise FormatNotAllowed("This is an SVG picture, not a video.", evidence=text[:80])
    if "<mpd" in text or "#ext-x-" in text:
        raise FormatNotAllowed("This is a streaming manifest, not media.", evidence=text[:80])
    raise FormatNotAllowed("This is text, not media.", evidence=text[:80])
