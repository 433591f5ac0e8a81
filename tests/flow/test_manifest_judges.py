"""Parsers of other people accept every golden manifest and read the same out of HLS as out of DASH."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from packager import hls
from tests.unit.presentations import CASES, film

GOLDEN = Path(__file__).parent.parent / "golden" / "manifests"
MICROSECOND = 1e-6


def judge(judges: Path, *folders: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", str(judges / "judge.mjs"), *map(str, folders)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def verdicts(judges: Path) -> dict[str, dict]:
    """Return by case and file what the parsers understood; hls-parser is strict and throws on a violation."""
    done = judge(judges, *(GOLDEN / case for case in CASES))
    assert done.returncode == 0, done.stderr
    return {Path(folder).name: files for folder, files in json.loads(done.stdout).items()}


def test_no_parser_has_a_warning(verdicts):
    warned = {
        (case, name): said.get("warnings") or said.get("second", {}).get("warnings")
        for case, files in verdicts.items()
        for name, said in files.items()
    }
    assert len(warned) == sum(len(list((GOLDEN / case).iterdir())) for case in CASES)
    assert not any(warned.values())


def test_both_hls_parsers_read_the_same_segments(verdicts):
    for case, files in verdicts.items():
        for name, said in files.items():
            if "segments" in said:
                assert [segment[:2] for segment in said["segments"]] == said["second"]["segments"], (
                    case,
                    name,
                )
                assert said["targetDuration"] == said["second"]["targetDuration"]
                assert said["second"].get("endList", False) is (case != "arriving")


@pytest.mark.parametrize("case", CASES)
def test_dash_and_hls_name_the_same_files_at_the_same_times(verdicts, case):
    files = verdicts[case]
    dash = {playlist["id"]: playlist for playlist in files["main.mpd"]["playlists"]}
    lists = {name.removesuffix(".m3u8"): said for name, said in files.items() if "segments" in said}
    assert dash.keys() == lists.keys()
    for name, playlist in dash.items():
        at = playlist["segments"][0][2]
        for shown, (uri, length, init) in zip(playlist["segments"], lists[name]["segments"], strict=True):
            assert shown[0].removeprefix("http://origin.invalid/") == uri
            assert playlist["init"] == init
            assert abs(shown[1] - length) <= MICROSECOND
            if at is not None:  # text is one file without a timeline
                assert abs(shown[2] - at) <= MICROSECOND
                at += length


@pytest.mark.parametrize("case", CASES)
def test_every_uri_of_the_multivariant_is_a_playlist_beside_it(verdicts, case):
    files = verdicts[case]
    variants = files["main.m3u8"]["variants"]
    named = {variant["uri"] for variant in variants}
    named |= {uri for variant in variants for kind in ("audio", "subtitles") for uri in variant[kind]}
    assert named == files.keys() - {"main.m3u8", "main.mpd"}
    trick = [variant["uri"] for variant in variants if variant["iframes"]]
    assert trick == [name for name, said in files.items() if said.get("second", {}).get("iFramesOnly")]


def test_hls_bandwidth_is_never_below_the_rung_in_dash(verdicts):
    for files in verdicts.values():
        rungs = {
            f"{playlist['id']}.m3u8": playlist["bandwidth"] for playlist in files["main.mpd"]["playlists"]
        }
        assert all(
            variant["bandwidth"] >= rungs[variant["uri"]] for variant in files["main.m3u8"]["variants"]
        )


def test_the_judge_refuses_a_segment_above_the_target(judges: Path, tmp_path: Path):
    body = hls.media(film().video[0], film()).replace("TARGETDURATION:4", "TARGETDURATION:2")
    (tmp_path / "main.m3u8").write_text(body, encoding="utf-8")
    done = judge(judges, tmp_path)
    assert done.returncode != 0
    assert "EXTINF" in done.stderr
