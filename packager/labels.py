"""Names and languages of tracks, fit for a manifest: user text that can neither break out nor collide."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from packager.model import Kind, Rendition

LONGEST = 100
"""Characters that a track's name is cut to."""

SURROUND_SUFFIX = "-surround"
"""What the ladder puts behind a track's name for its surround rendition."""

# RFC 5646 2.2.1: where a language has a two-letter code, that one is the tag. Containers carry ISO 639-2,
# some languages with two codes of it (B and T). The names are what their speakers call them.
_LANGUAGES = """
ar ara العربية; bg bul Български; bn ben বাংলা; ca cat Català; cs ces,cze Čeština;
cy cym,wel Cymraeg; da dan Dansk; de deu,ger Deutsch; el ell,gre Ελληνικά;
en eng English; es spa Español; et est Eesti; eu eus,baq Euskara; fa fas,per فارسی;
fi fin Suomi; fr fra,fre Français; ga gle Gaeilge; gl glg Galego; he heb עברית;
hi hin हिन्दी; hr hrv Hrvatski; hu hun Magyar; hy hye,arm Հայերեն; id ind Indonesia;
is isl,ice Íslenska; it ita Italiano; ja jpn 日本語; ka kat,geo ქართული; kk kaz Қазақша;
ko kor 한국어; la lat Latina; lt lit Lietuvių; lv lav Latviešu; mk mkd,mac Македонски;
ms msa,may Melayu; nb nob Norsk bokmål; nl nld,dut Nederlands; nn nno Norsk nynorsk;
no nor Norsk; pl pol Polski; pt por Português; ro ron,rum Română; ru rus Русский;
sk slk,slo Slovenčina; sl slv Slovenščina; sq sqi,alb Shqip; sr srp Српски;
sv swe Svenska; sw swa Kiswahili; ta tam தமிழ்; te tel తెలుగు; th tha ไทย;
tl tgl Tagalog; tr tur Türkçe; uk ukr Українська; ur urd اردو; vi vie Tiếng Việt;
zh zho,chi 中文
"""
_ROWS = [row.strip().split(" ", 2) for row in _LANGUAGES.replace("\n", " ").split(";")]
_SHORTEST = {code: row[0] for row in _ROWS for code in row[1].split(",")}
_NAMES = {row[0]: row[2] for row in _ROWS}
_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}")
_UNKNOWN = {"und", "mis", "mul", "zxx", "unk", "undetermined"}

# Arabic and Indic scripts and emoji need the joiners; the other format characters reorder or hide text.
_JOINERS = "\u200c\u200d"
_NO_TEXT = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_NONCHARACTER = 0xFFFE
_CURLY = {ord('"'): "\u201d", ord("'"): "\u2019"}


def clean(text: str) -> str:
    """Return user text as one line for a quoted attribute, at most LONGEST characters; it may come out empty.

    Line ends and control characters become spaces, and straight quotes curly ones: HLS cannot escape the
    double one (RFC 8216 4.2), and parsers that players are built on take the single one for a delimiter too.
    XML's own escaping is left to who writes XML.
    """
    kept = (character if _printable(character) else " " for character in text.translate(_CURLY))
    return " ".join("".join(kept).split())[:LONGEST].rstrip()


def _printable(character: str) -> bool:
    if ord(character) & _NONCHARACTER == _NONCHARACTER:  # not XML characters, and never text
        return False
    return character in _JOINERS or unicodedata.category(character) not in _NO_TEXT


def language(text: str) -> str:
    """Return a language as a BCP 47 tag in its shortest form, or "" where it is unknown or no tag at all."""
    tag = text.strip().replace("_", "-")
    if not _TAG.fullmatch(tag):
        return ""
    first, dash, rest = tag.partition("-")
    first = first.lower()
    if first in _UNKNOWN:
        return ""
    return _SHORTEST.get(first, first) + dash + rest


def track(rendition: Rendition) -> str:
    """Return what the layouts of one audio track have in common: the name without its surround suffix."""
    return rendition.name.removesuffix(SURROUND_SUFFIX)


def names(renditions: Sequence[Rendition]) -> list[str]:
    """Return a name for each rendition, in order, no two alike: title, else language, else its number."""
    taken: set[str] = set()
    result = []
    for number, rendition in enumerate(renditions, 1):
        wanted = _wanted(rendition, number)
        name, again = wanted, 1
        while name.casefold() in taken:
            again += 1
            name = f"{wanted} ({again})"
        taken.add(name.casefold())
        result.append(name)
    return result


def _wanted(rendition: Rendition, number: int) -> str:
    title = clean(rendition.title)
    if title:
        return title
    tag = language(rendition.language)
    word = "Audio" if rendition.kind is Kind.AUDIO else "Subtitles"
    name = _NAMES.get(tag.partition("-")[0], tag) if tag else f"{word} {number}"
    return f"{name} (forced)" if rendition.forced else name
