"""Every file keeps the rules of the house: length, names, a duty in its first line, nothing unfinished."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {".py", ".ts", ".js", ".mjs", ".css"}
TEXTS = SOURCES | {".md", ".toml", ".json", ".yml", ".yaml", ".html", ".cfg", ".sh", ".vcl", ".conf", ""}
FORBIDDEN = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "service", "services", "info"}
# Put together so that this file does not contain what it looks for.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
MACHINE = re.compile(r"(?<![\w.}:/])/(work|home|root|Users)/[\w.]+|/tmp/" + r"w/")
REGISTRIES = re.compile(
    "|".join(["registry\\.npm" + "js", "pypi\\." + "org", "python" + "hosted", "npm" + "mirror"]),
    re.IGNORECASE,
)
LONGEST = 400


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


@pytest.fixture(scope="module")
def files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: the list of files comes from git")
    return _tracked()


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _offenders(files: list[Path], pattern: re.Pattern[str], suffixes: set[str]) -> list[str]:
    out = []
    for path in files:
        if path.suffix in suffixes:
            for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
                if pattern.search(line):
                    out.append(f"{_name(path)}:{number}: {line.strip()[:100]}")
    return out


def test_no_source_file_is_long(files: list[Path]) -> None:
    lengths = {
        _name(path): path.read_bytes().count(b"\n")
        for path in files
        if path.suffix in SOURCES and "golden" not in path.parts and not _name(path).startswith("tests/")
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_no_file_has_a_name_that_says_nothing(files: list[Path]) -> None:
    words = {
        _name(path): set(re.split(r"[_\W]+", path.stem.lower())) for path in files if path.suffix in SOURCES
    }
    folders = {part for path in files for part in path.relative_to(ROOT).parts[:-1]}
    assert {name for name, parts in words.items() if parts & FORBIDDEN} == set()
    assert folders & FORBIDDEN == set()


def test_every_module_says_its_duty(files: list[Path]) -> None:
    silent = []
    for path in files:
        if path.suffix == ".py":
            duty = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            if not duty or len(duty.splitlines()[0]) < 12:
                silent.append(_name(path))
    assert silent == []


def test_nothing_is_left_unfinished(files: list[Path]) -> None:
    assert _offenders(files, UNFINISHED, SOURCES | {".md", ".html"}) == []


def test_no_abstract_holes(files: list[Path]) -> None:
    assert _offenders(files, re.compile(r"raise NotImplemented" + "Error"), {".py"}) == []


def test_no_file_knows_the_machine_it_was_written_on(files: list[Path]) -> None:
    assert _offenders(files, MACHINE, TEXTS) == []


def test_no_file_names_a_package_registry(files: list[Path]) -> None:
    assert _offenders(files, REGISTRIES, TEXTS) == []


def test_lock_files_pin_by_hash_and_not_by_address(files: list[Path]) -> None:
    locks = [path for path in files if path.name == "package-lock.json"]
    assert locks
    for path in locks:
        text = path.read_text(encoding="utf-8")
        assert '"resolved"' not in text, _name(path)
        assert '"integrity"' in text, _name(path)
        assert "omit-lockfile-registry-resolved=true" in (path.parent / ".npmrc").read_text(encoding="utf-8")


def test_commands_are_executable() -> None:
    for name in ("run", "tools"):
        assert (ROOT / ".ci" / name).stat().st_mode & 0o111
