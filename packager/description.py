"""Write the init segment of a track that is not encoded, by its description (ISO/IEC 14496-12 §8)."""

from __future__ import annotations

import struct

from packager import boxes

_UNITY = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_UNDETERMINED = 0x55C4
_DPI = 72 << 16
_DEPTH = 24


def init(stsd: bytes, *, timescale: int, handler: str, width: int = 0, height: int = 0) -> bytes:
    """Return an init with this stsd box: no samples, no edit list. `handler` is "vide" or "soun"."""
    movie = struct.pack(">4I", 0, 0, timescale, 0) + struct.pack(">IHH8x", 1 << 16, 1 << 8, 0)
    heard = handler == "soun"
    shape = (
        struct.pack(">8xHHH2x", 0, 0, (1 << 8) * heard)
        + _UNITY
        + struct.pack(">II", width << 16, height << 16)
    )
    media = boxes.box(
        "mdia",
        boxes.full_box("mdhd", 0, 0, struct.pack(">4IHH", 0, 0, timescale, 0, _UNDETERMINED, 0)),
        boxes.full_box("hdlr", 0, 0, struct.pack(">4x4s12x", handler.encode()), b"\0"),
        boxes.box(
            "minf",
            boxes.full_box("smhd", 0, 0, bytes(4)) if heard else boxes.full_box("vmhd", 0, 1, bytes(8)),
            boxes.box(
                "dinf", boxes.full_box("dref", 0, 0, struct.pack(">I", 1), boxes.full_box("url ", 0, 1))
            ),
            boxes.box(
                "stbl",
                stsd,
                *(boxes.full_box(name, 0, 0, bytes(4)) for name in ("stts", "stsc", "stco")),
                boxes.full_box("stsz", 0, 0, bytes(8)),
            ),
        ),
    )
    return boxes.box("ftyp", b"iso6", bytes(4), b"iso6cmfcmp41") + boxes.box(
        "moov",
        boxes.full_box("mvhd", 0, 0, movie + _UNITY + bytes(24) + struct.pack(">I", 2)),
        boxes.box("trak", boxes.full_box("tkhd", 0, 7, struct.pack(">5I", 0, 0, 1, 0, 0) + shape), media),
        boxes.box("mvex", boxes.full_box("trex", 0, 0, struct.pack(">5I", 1, 1, 0, 0, 0))),
    )


def pictures(avcc: bytes, *, width: int, height: int) -> bytes:
    """Return the stsd box of H.264 with this decoder configuration (ISO/IEC 14496-15 §5.4.2)."""
    entry = struct.pack(">6xH16xHHIIIH32xHh", 1, width, height, _DPI, _DPI, 0, 1, _DEPTH, -1)
    return boxes.full_box(
        "stsd", 0, 0, struct.pack(">I", 1), boxes.box("avc1", entry, boxes.box("avcC", avcc))
    )
