"""The player's bundle stays within its budgets, and its lock names no host to fetch from."""

from __future__ import annotations

import gzip
import importlib.util
import json
from pathlib import Path

import pytest

import player
from player.pages import library_html, live_html, operator_html, watch_html

ROOT = Path(__file__).parents[2]
BUDGET_KB = {"watch": 35, "library": 60, "live": 20, "operator": 20}
PUSH_KB = 5
FALLBACK_KB = 3
TOTAL_KB = 225
ENGINE = "src/engine/hls.ts"


@pytest.fixture(scope="module")
def dist() -> Path:
    try:
        return player.bundle()
    except player.BundleMissing as error:
        pytest.skip(str(error))


def kilobytes(dist: Path, *names: str) -> float:
    return sum(len(gzip.compress((dist / name).read_bytes(), 9)) for name in names) / 1000


@pytest.mark.parametrize("page", sorted(BUDGET_KB))
def test_page_within_budget(dist: Path, page: str) -> None:
    entry = player.entry(page)
    assert kilobytes(dist, entry.script, *entry.imports) <= BUDGET_KB[page]


def test_watch_page_with_engine_within_budget(dist: Path) -> None:
    entry = player.entry("watch")
    assert kilobytes(dist, entry.script, *entry.imports, *entry.lazy[ENGINE]) <= TOTAL_KB


def test_push_engine_within_budget(dist: Path) -> None:
    assert kilobytes(dist, *player.entry("watch").lazy["src/engine/push.ts"]) <= PUSH_KB


@pytest.mark.parametrize("page", ["watch", "library", "live"])
def test_fallbacks_of_the_control_channel_within_budget(dist: Path, page: str) -> None:
    assert kilobytes(dist, *player.entry(page).lazy["src/channel/fallback.ts"]) <= FALLBACK_KB


def test_engine_is_a_chunk_of_its_own(dist: Path) -> None:
    entry = player.entry("watch")
    at_once = "".join((dist / name).read_text() for name in (entry.script, *entry.imports))
    assert "MANIFEST_PARSED" not in at_once


def test_every_text_has_siblings_that_unpack_to_it(dist: Path) -> None:
    scripts = [path for path in dist.rglob("*") if path.suffix in {".js", ".css"}]
    assert scripts
    for path in scripts:
        assert gzip.decompress(path.with_name(path.name + ".gz").read_bytes()) == path.read_bytes()
        assert path.with_name(path.name + ".br").stat().st_size < path.stat().st_size


def test_bundle_names_no_other_host_to_load_from(dist: Path) -> None:
    for path in dist.rglob("*.js"):
        text = path.read_text()
        assert "unpkg.com" not in text
        assert "jsdelivr" not in text


def test_lock_has_no_resolved_addresses() -> None:
    lock = json.loads((ROOT / "player/package-lock.json").read_text())
    packages = [package for name, package in lock["packages"].items() if name]
    assert packages
    assert not [package for package in packages if "resolved" in package]
    assert all("integrity" in package for package in packages)


def test_pages_escape_what_users_wrote_and_run_no_inline_script(dist: Path) -> None:
    del dist
    text = watch_html('"><script>alert(1)</script>', "/v/a/p.jpg?a&b", "abc", hls="/v/abc/main.m3u8")
    assert "<script>" not in text
    assert "&quot;&gt;&lt;script&gt;" in text
    assert 'href="/v/abc/main.m3u8"' in text
    for page in (text, library_html(), live_html(), operator_html()):
        assert page.count("<script") == page.count('<script type="module" src="/player/assets/') == 1


def test_digest_follows_names_and_bytes(tmp_path: Path) -> None:
    hook = _hook()
    sources = tmp_path / "src"
    sources.mkdir()
    for name in hook.FILES:
        (tmp_path / name).write_text(name)
    (sources / "a.ts").write_text("a")
    first = hook.digest(tmp_path)
    assert hook.stale(tmp_path)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / ".digest").write_text(first + "\n")
    assert not hook.stale(tmp_path)
    (sources / "a.ts").rename(sources / "b.ts")
    assert hook.stale(tmp_path)


def _hook():
    pytest.importorskip("hatchling", reason="the build's own environment has hatchling")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
