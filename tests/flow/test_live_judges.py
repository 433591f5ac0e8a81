"""Parsers of other people accept what a broadcast's manifests say at every moment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from packager import live_dash, live_hls
from tests.flow.test_manifest_judges import judge
from tests.unit.broadcasts import CASES, CODECS, Case, aired, lived

GOLDEN = Path(__file__).parent.parent / "golden" / "live"
# The strict one counts four segments where the standard counts three target durations, even if one of them is
# short, or is nothing but a hint yet.
LENIENT = {"fallen", "successor", "successor-begins"}
MOMENTS = [(segments, parts) for segments in (1, 2, 9) for parts in range(6) if (segments, parts) != (9, 0)]


def verdicts(judges: Path, *folders: Path) -> dict[str, dict]:
    done = judge(judges, *folders)
    assert done.returncode == 0, done.stderr
    return {Path(folder).name: files for folder, files in json.loads(done.stdout).items()}


def test_every_golden_playlist_is_accepted(judges):
    said = verdicts(judges, *(GOLDEN / case for case in CASES if case not in LENIENT))
    for case, files in said.items():
        for name, file in files.items():
            assert not file.get("warnings"), (case, name)
            assert not file.get("second", {}).get("warnings"), (case, name)
            if "segments" in file:
                whole = [segment[:2] for segment in file["segments"] if segment[0]]
                assert whole == file["second"]["segments"]


def test_every_moment_of_a_segment_is_accepted(judges, tmp_path):
    for segments, parts in MOMENTS:
        case = Case(lives=(aired(lived(), segments, parts),))
        folder = tmp_path / f"{segments}.{parts}"
        folder.mkdir()
        for name, body in case.playlists().items():
            (folder / name).write_text(body, encoding="utf-8")
        (folder / "main.mpd").write_text(live_dash.mpd(case.lives, CODECS, window=7200), encoding="utf-8")
    said = verdicts(judges, *(tmp_path / f"{segments}.{parts}" for segments, parts in MOMENTS))
    for segments, parts in MOMENTS:
        listed = said[f"{segments}.{parts}"]["720p.m3u8"]["segments"]
        assert len([one for one in listed if one[0]]) == segments


@pytest.mark.parametrize("case", ["recording"])
def test_both_manifests_of_a_recording_name_the_same_files(judges, case):
    files = verdicts(judges, GOLDEN / case)[case]
    dash = {playlist["id"]: playlist for playlist in files["main.mpd"]["playlists"]}
    for name in ("audio-0", "360p"):
        hls = [segment[0] for segment in files[f"{name}.m3u8"]["segments"]]
        named = [segment[0].removeprefix("http://origin.invalid/") for segment in dash[name]["segments"]]
        assert named == hls


def test_the_judge_refuses_a_part_that_is_too_long(judges, tmp_path):
    body = live_hls.MediaPlaylist("720p").render((aired(lived(), 3, 2),))
    (tmp_path / "720p.m3u8").write_text(body.replace("DURATION=0.320000", "DURATION=0.330000"))
    done = judge(judges, tmp_path)
    assert done.returncode != 0
    assert "PART-TARGET" in done.stderr
