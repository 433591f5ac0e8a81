"""Captions: every spelling that people upload comes out as the same safe WebVTT, or is refused by line."""

from __future__ import annotations

import re
import time
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from packager.captions import MAX_BYTES, MAX_CUES, Cue, from_cues, mapped, to_webvtt
from packager.errors import BadCaptions

SRT = (
    "1\n00:00:01,000 --> 00:00:02,500\nGrüße, <i>Welt</i>\n\n2\n00:00:03,000 --> 00:00:04,000\nZwei\nZeilen\n"
)
VTT = (
    "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nGrüße, <i>Welt</i>\n\n"
    "00:00:03.000 --> 00:00:04.000\nZwei\nZeilen\n"
)
STAMP = r"[0-9]{2,}:[0-5][0-9]:[0-5][0-9]\.[0-9]{3}"
CUE = re.compile(rf"{STAMP} --> {STAMP}( [a-z]+:\S+)*\n(.+\n)+")


def cue(text: str) -> str:
    return from_cues([Cue(start=0, end=1000, text=text)]).split("\n", 3)[3].rstrip("\n")


@pytest.mark.parametrize(
    "body",
    [
        SRT.encode(),
        VTT.encode(),
        SRT.encode("utf-8-sig"),
        b"\xff\xfe" + SRT.encode("utf-16-le"),
        b"\xfe\xff" + VTT.encode("utf-16-be"),
        SRT.encode("latin-1"),
        SRT.replace("\n", "\r\n").encode(),
        SRT.replace("\n", "\r").encode(),
        SRT.replace(",", ".", 1).encode(),
        re.sub(r"(?m)^[12]\n", "", SRT).encode(),
        ("\n\n" + SRT.replace("00:00:0", "0:0:")).encode(),
        VTT.replace("00:00:0", "00:0").encode(),
        VTT.replace(
            "WEBVTT\n", "WEBVTT - a title\nX-TIMESTAMP-MAP=LOCAL:0,MPEGTS:0\n\nNOTE by hand\n"
        ).encode(),
        VTT.replace("WEBVTT\n", "WEBVTT\n\nSTYLE\n::cue { background: url(//evil.example) }\n").encode(),
        VTT.replace("\n00:00:03", "\nthe second\n00:00:03").encode(),
        SRT.replace("Zwei\n", "Zwei\n\n").encode(),
        SRT.replace("Zwei", r"{\an8}Zwei").encode(),
    ],
)
def test_every_spelling_comes_out_the_same(body: bytes):
    assert to_webvtt(body) == VTT


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>a</b> <i>b</i> <u>c</u>", "<b>a</b> <i>b</i> <u>c</u>"),
        ('<font color="red">a</font>', "a"),
        ("<v Bob>hi <c.loud>there</c>", "hi there"),
        ("one<br/>two", "one\ntwo"),
        ("<b onclick=alert(1)>a", "<b>a</b>"),
        ("<b><i>a</b>b</i>", "<b><i>a</i></b>b"),
        ("a<script>alert(1)</script>b", "ab"),
        ("a<SCRIPT src=x>alert(1)", "a"),
        ("a<scr<script>ipt>b", "a&lt;scr"),
        ("<img src=x onerror=alert(1)>a", "a"),
        ("&lt;img src=x&gt;", "&lt;img src=x&gt;"),
        ("Tom & Jerry <3 a --> b", "Tom &amp; Jerry &lt;3 a --&gt; b"),
        ("a\n\n\nb", "a\nb"),
        ("a&#10;&#10;00:00 --> b", "a\n00:00 --&gt; b"),
        ("<00:01.000>a\x00\x1b\u2028", "a"),
    ],
)
def test_markup_is_reduced_to_bold_italic_and_underline(text: str, shown: str):
    assert cue(text) == shown


def test_place_settings_survive_and_nothing_else_does():
    body = VTT.replace("02.500", "02.500 line:10%,start align:end region:x position:50% size:1e9% onload:x")
    assert "02.500 line:10%,start align:end position:50%\n" in to_webvtt(body.encode())
    assert " X1:" not in to_webvtt(SRT.replace("02,500", "02,500 X1:10 X2:20").encode())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "Line 1:"),
        (b"\x89PNG\r\n\x1a\n\0\0", "Line 1:"),
        (b"#EXTM3U\n", "Line 1:"),
        (b"1\n2\n", "Line 3:"),
        (SRT.replace("00:00:03,000", "three").encode(), "Line 6:"),
        (VTT.replace("00:00:03.000", "00:00:09.000").encode(), "Line 6:"),
        (SRT.replace("--> 00:00:04,000", "-->").encode(), "Line 6:"),
    ],
)
def test_what_is_no_caption_is_refused_by_line(body: bytes, said: str):
    with pytest.raises(BadCaptions) as caught:
        to_webvtt(body)
    assert caught.value.message.startswith(said)


def test_limits_are_kept():
    with pytest.raises(BadCaptions, match="10 MiB"):
        to_webvtt(b" " * (MAX_BYTES + 1))
    block = "00:00:01,000 --> 00:00:02,000\na\n"
    assert to_webvtt((block * MAX_CUES).encode()).count("-->") == MAX_CUES
    with pytest.raises(
        BadCaptions, match=f"Line {2 * MAX_CUES + 3}: there are more than {MAX_CUES} captions"
    ):
        to_webvtt((block * (MAX_CUES + 1)).encode())


@pytest.mark.parametrize(
    "pattern", ["<", "<b", "<script", "<b></i>", "<script>", "{\\", "&", " ", "</script "]
)
def test_no_text_takes_more_than_linear_time(pattern: str):
    begun = time.process_time()
    to_webvtt(("00:00:01,000 --> 00:00:02,000\n" + pattern * (2_000_000 // len(pattern))).encode())
    assert time.process_time() - begun < 10


def test_a_webvtt_file_may_be_empty_of_cues():
    assert to_webvtt(b"WEBVTT") == "WEBVTT\n"


def test_cues_are_sorted_and_empty_ones_left_out():
    cues = [
        Cue(start=3_600_000, end=400_000_000, text="late", settings="line:-1"),
        Cue(start=5, end=5, text="no time"),
        Cue(start=1, end=2, text=" <i> </i>\n"),
        Cue(start=0, end=10, text="first"),
    ]
    assert from_cues(cues) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:00.010\nfirst\n\n01:00:00.000 --> 111:06:40.000 line:-1\nlate\n"
    )


@given(st.lists(st.tuples(st.integers(0, 10**8), st.integers(1, 10**6), st.text(), st.text()), max_size=8))
@example([(0, 1, "</b><i><b>x</i>\n\n-->", "line:1\n\nx")])
def test_any_text_stays_within_its_cue(said: list[tuple[int, int, str, str]]):
    cues = [Cue(start=at, end=at + length, text=text, settings=put) for at, length, text, put in said]
    body = from_cues(cues)
    head, *blocks = body.encode().decode().split("\n\n")
    assert head.rstrip("\n") == "WEBVTT"
    assert len(blocks) <= len(cues)
    assert all(CUE.fullmatch(block.rstrip("\n") + "\n") for block in blocks)
    assert all(
        set(re.findall(r"<[^>]*>?", block)) <= {f"<{end}{name}>" for end in ("", "/") for name in "biu"}
        for block in blocks
    )
    assert to_webvtt(body.encode()) == body


@given(st.binary(max_size=400) | st.text(alphabet="0123456789:,-> \n<bWEVT", max_size=200).map(str.encode))
def test_any_bytes_become_webvtt_or_are_refused(body: bytes):
    try:
        said = to_webvtt(body)
    except BadCaptions as refusal:
        said = refusal.message
    assert re.match(r"WEBVTT\n|Line [0-9]+: ", said)


def test_times_of_a_clip_are_mapped_to_the_media_time_that_it_begins_with():
    text = to_webvtt(VTT.encode())
    assert mapped(text, Fraction(0)) == text
    assert mapped(text, Fraction(48, 25)).splitlines()[:3] == [
        "WEBVTT",
        "X-TIMESTAMP-MAP=MPEGTS:172800,LOCAL:00:00:00.000",
        "",
    ]
    assert "MPEGTS:8,LOCAL" in mapped(text, Fraction((1 << 33) + 8, 90_000))
