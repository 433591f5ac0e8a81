"""Turn captions, uploaded as SubRip or WebVTT or read from a source, into WebVTT that is safe to show."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from packager.errors import BadCaptions

MAX_BYTES = 10 * 1024 * 1024
MAX_CUES = 100_000

_TIME = r"(?:([0-9]{1,4}):)?([0-9]{1,2}):([0-9]{1,2})[.,]([0-9]{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s+(.*))?")
_SETTING = re.compile(
    r"vertical:(?:rl|lr)|align:(?:start|center|end|left|right)|size:[0-9]{1,3}(?:\.[0-9]{1,3})?%"
    r"|line:(?:-?[0-9]{1,3}|[0-9]{1,3}(?:\.[0-9]{1,3})?%)(?:,(?:start|center|end))?"
    r"|position:[0-9]{1,3}(?:\.[0-9]{1,3})?%(?:,(?:line-left|center|line-right))?"
)
# Elements whose content is not text, with all up to their end or the end of the cue.
_HIDDEN = re.compile(r"<(script|style)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)[^<>]*>|<[0-9:.]+>|</?>")
# Advanced SubStation overrides such as {\an8}, which players of SubRip honour or show as rubbish.
_OVERRIDE = re.compile(r"\{\\[^{}\n]*\}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff]")
_KEPT = {"b", "i", "u"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """One caption: milliseconds from the asset's start, and its text, in which only <b>, <i> and <u> count.

    `settings` are WebVTT's for the place of the cue; what is not one is left out.
    """

    start: int
    end: int
    text: str
    settings: str = ""


@dataclass(slots=True, kw_only=True)
class _Open:
    """A cue being read."""

    start: int
    end: int
    settings: str
    lines: list[str] = field(default_factory=list)

    def closed(self) -> Cue:
        return Cue(start=self.start, end=self.end, text="\n".join(self.lines), settings=self.settings)


def to_webvtt(body: bytes) -> str:
    """Return an uploaded SubRip or WebVTT file as WebVTT.

    The encoding is what its byte order mark says, else UTF-8, else Windows-1252. Raise BadCaptions, with the
    number of the line, where it is neither, a time line is broken, or a limit is passed.
    """
    if len(body) > MAX_BYTES:
        raise BadCaptions(f"The captions file is larger than {MAX_BYTES >> 20} MiB.")
    lines = _decoded(body).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if re.match(r"WEBVTT(?:[ \t]|$)", lines[0]):
        return from_cues(_webvtt(lines))
    return from_cues(_subrip(lines))


def mapped(text: str, origin: Fraction) -> str:
    """Return WebVTT whose times count from this media time, for players of HLS (RFC 8216 §3.5)."""
    if not origin:
        return text
    ticks = round(origin * 90_000) % (1 << 33)
    return text.replace("WEBVTT\n", f"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{ticks},LOCAL:00:00:00.000\n", 1)


def from_cues(cues: Iterable[Cue]) -> str:
    """Return cues as a WebVTT file, in the order of their starts. Cues that show nothing are left out."""
    blocks = ["WEBVTT\n"]
    for cue in sorted(cues, key=lambda cue: cue.start):
        text = _safe(cue.text)
        if text and cue.end > cue.start >= 0:
            settings = "".join(f" {word}" for word in cue.settings.split() if _SETTING.fullmatch(word))
            blocks.append(f"{_stamp(cue.start)} --> {_stamp(cue.end)}{settings}\n{text}\n")
    return "\n".join(blocks)


def _decoded(body: bytes) -> str:
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, errors="replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        # Windows-1252 is Latin-1 with punctuation for control codes; five of its bytes have no meaning.
        return body.decode("cp1252", errors="replace")


def _webvtt(lines: list[str]) -> list[Cue]:
    """Return the cues of a WebVTT file; STYLE, REGION and NOTE blocks have no time line, and so fall away."""
    cues: list[Cue] = []
    current: _Open | None = None
    for number, line in enumerate(lines[1:], 2):
        if "-->" in line:
            _close(current, cues, number)
            current = _opened(line, number)
        elif not line.strip():
            _close(current, cues, number)
            current = None
        elif current is not None:
            current.lines.append(line)
    _close(current, cues, len(lines))
    return cues


def _subrip(lines: list[str]) -> list[Cue]:
    """Return the cues of a SubRip file.

    A cue ends where the next begins, for many files have empty lines within the text; a line of digits just
    before a time line is the number of the next cue, which may also be missing.
    """
    cues: list[Cue] = []
    current: _Open | None = None
    for number, line in enumerate(lines, 1):
        if "-->" in line:
            if current is not None and current.lines and re.fullmatch(r"\s*[0-9]+\s*", current.lines[-1]):
                current.lines.pop()
            _close(current, cues, number)
            current = _opened(line, number)
        elif current is not None:
            current.lines.append(line)
        elif line.strip() and not re.fullmatch(r"\s*[0-9]+\s*", line):
            raise BadCaptions(
                f"Line {number}: neither WebVTT nor SubRip, which begins with a number or a time line.",
                evidence=line[:200],
            )
    if current is None:
        raise BadCaptions(f"Line {len(lines)}: the file ends without a caption.")
    _close(current, cues, len(lines))
    return cues


def _close(current: _Open | None, cues: list[Cue], number: int) -> None:
    if current is None:
        return
    if len(cues) == MAX_CUES:
        raise BadCaptions(f"Line {number}: there are more than {MAX_CUES} captions.")
    cues.append(current.closed())


def _opened(line: str, number: int) -> _Open:
    found = _TIMES.fullmatch(line)
    if found is None:
        raise BadCaptions(
            f"Line {number}: a time line has the form 00:00:01,000 --> 00:00:02,000.", evidence=line[:200]
        )
    parts = found.groups()
    start, end = _milliseconds(parts[0:4]), _milliseconds(parts[4:8])
    if end < start:
        raise BadCaptions(f"Line {number}: the caption ends before it begins.", evidence=line[:200])
    return _Open(start=start, end=end, settings=parts[8] or "")


def _milliseconds(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(fraction.ljust(3, "0"))


def _stamp(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02d}:{minute:02d}:{second:02d}.{rest:03d}"


def _safe(text: str) -> str:
    """Return text with balanced <b>, <i> and <u> for all markup, and no empty line, which would end a cue."""
    text = _OVERRIDE.sub("", _HIDDEN.sub("", text.replace("\r", "\n")))
    pieces: list[str] = []
    still: list[str] = []
    at = 0
    for found in _TAG.finditer(text):
        pieces.append(_escaped(text[at : found.start()]))
        at = found.end()
        closing, name = found[1], (found[2] or "").lower()
        if name == "br":
            pieces.append("\n")
        elif name in _KEPT and not closing and name not in still:
            still.append(name)
            pieces.append(f"<{name}>")
        elif closing and name in still:
            pieces.append(_ended(still, name))
    pieces.append(_escaped(text[at:]))
    pieces.extend(f"</{name}>" for name in reversed(still))
    lines = (line.strip() for line in "".join(pieces).split("\n"))
    shown = "\n".join(line for line in lines if line)
    return shown if re.sub(r"</?[biu]>", "", shown).strip() else ""


def _ended(still: list[str], name: str) -> str:
    """Return the tags that close `name` and all that was opened within it."""
    closed = ""
    while still:
        last = still.pop()
        closed += f"</{last}>"
        if last == name:
            break
    return closed


def _escaped(text: str) -> str:
    return html.escape(_CONTROL.sub("", html.unescape(text)), quote=False)
