"""Read the headers of tus 1.0: metadata, lengths, checksums, concatenation; make titles of file names."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from dataclasses import dataclass

from streamer.uploads.errors import InvalidUpload, TooLarge
from streamer.uploads.upload import IDENTITY

TITLE_MAX = 200
UNTITLED = "Untitled"
CHECKSUMS = ("sha1", "sha256")
POLICIES = ("public", "signed")

_KEY = re.compile(r"[!-+\--~]+")  # printable ASCII without space and comma (tus 1.0, Upload-Metadata)
_NUMBER = re.compile(r"[0-9]+", re.ASCII)
_EXTENSION = re.compile(r"(?<=.)\.[A-Za-z0-9]{1,5}\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """The checksum of one request's bytes: `algorithm` in hashlib's name, `digest` raw."""

    algorithm: str
    digest: bytes


def parse_metadata(header: str) -> dict[str, bytes]:
    """Return the pairs of an Upload-Metadata header; an empty header has none. Raise InvalidUpload."""
    pairs: dict[str, bytes] = {}
    for item in header.split(",") if header.strip() else ():
        key, _, value = item.strip().partition(" ")
        if not _KEY.fullmatch(key):
            raise InvalidUpload("Upload-Metadata has a key that is empty or not printable ASCII.")
        if key in pairs:
            raise InvalidUpload(f"Upload-Metadata has the key {key!r} twice.")
        pairs[key] = _base64(value.strip(), of="Upload-Metadata")
    return pairs


def render_metadata(pairs: dict[str, bytes]) -> str:
    """Return the Upload-Metadata header of these pairs."""
    return ",".join(f"{key} {base64.b64encode(value).decode()}".strip() for key, value in pairs.items())


def parse_size(header: str, *, name: str, limit: int) -> int:
    """Return a count of bytes. Raise InvalidUpload where it is no number, TooLarge above the limit."""
    if not _NUMBER.fullmatch(header):
        raise InvalidUpload(f"{name} is not a number of bytes.")
    digits = header.lstrip("0") or "0"
    # Compared by length first: int() itself refuses thousands of digits with an error of its own.
    if len(digits) > len(str(limit)) or int(digits) > limit:
        raise TooLarge(f"{name} is above the largest size accepted, {limit} bytes.")
    return int(digits)


def parse_checksum(header: str) -> Checksum:
    """Return the checksum of an Upload-Checksum header. Raise InvalidUpload."""
    algorithm, _, value = header.strip().partition(" ")
    if algorithm not in CHECKSUMS:
        raise InvalidUpload(f"Upload-Checksum knows {', '.join(CHECKSUMS)} only.")
    digest = _base64(value.strip(), of="Upload-Checksum")
    if len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise InvalidUpload(f"Upload-Checksum is not as long as a {algorithm} digest.")
    return Checksum(algorithm=algorithm, digest=digest)


def parse_concat(header: str) -> tuple[str, ...] | None:
    """Return the ids that a final upload joins, None for a partial one. Raise InvalidUpload."""
    if header.strip() == "partial":
        return None
    kind, separator, urls = header.partition(";")
    ids = tuple(url.rstrip("/").rpartition("/")[2] for url in urls.split())
    if kind.strip() != "final" or not separator or not ids:
        raise InvalidUpload("Upload-Concat is neither `partial` nor `final;` with a list of uploads.")
    if not all(IDENTITY.fullmatch(identity) for identity in ids):
        raise InvalidUpload("Upload-Concat names what is no upload here.")
    return ids


def title_of(pairs: dict[str, bytes]) -> str:
    """Return the title that tus metadata give: `title`, else `filename` or `name` without its ending."""
    given = clean(pairs.get("title", b"").decode("utf-8", "replace"))
    if given:
        return given
    named = pairs.get("filename") or pairs.get("name") or b""
    return title_of_name(named.decode("utf-8", "replace"))


def policy_of(pairs: dict[str, bytes]) -> str | None:
    """Return who may watch the asset, by tus metadata; None where they do not say. Raise InvalidUpload."""
    return policy_named(pairs["policy"].decode("utf-8", "replace")) if "policy" in pairs else None


def policy_named(name: str | None) -> str | None:
    """Return a playback policy as it is, and None for none. Raise InvalidUpload."""
    if name is not None and name not in POLICIES:
        raise InvalidUpload(f"`policy` is one of {', '.join(POLICIES)}.")
    return name


def title_of_name(filename: str) -> str:
    """Return a title for a file name: no folders, no ending, one line of at most 200 characters."""
    base = re.split(r"[/\\]", filename)[-1]
    return clean(_EXTENSION.sub("", base.strip())) or UNTITLED


def clean(text: str) -> str:
    """Return the text as one line of visible characters, in NFC, at most 200 characters."""
    # Category C holds controls, surrogates and the marks that turn the direction of writing.
    visible = "".join(
        " " if unicodedata.category(character) in {"Cc", "Zl", "Zp"} else character
        for character in unicodedata.normalize("NFC", text)
        if unicodedata.category(character) not in {"Cf", "Cs", "Co", "Cn"}
    )
    return " ".join(visible.split())[:TITLE_MAX].rstrip()


def _base64(value: str, *, of: str) -> bytes:
    try:
        return base64.b64decode(value.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise InvalidUpload(f"{of} has a value that is not base64.") from error
