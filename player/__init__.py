"""The web player's bundle: where it lies, and the names that its build gave to its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

PREFIX = "/player/"
"""Where the server serves the bundle; the build writes the same prefix into its files."""


class BundleMissing(RuntimeError):
    """The player has not been built into player/dist."""


def bundle() -> Path:
    """Return the folder of the built player, where assets/ are named by content. Raise BundleMissing."""
    path = Path(__file__).parent / "dist"
    if not (path / "manifest.json").is_file():
        raise BundleMissing(f"{path} holds no built player: install the project without STREAMER_SKIP_PLAYER")
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one page needs, as paths below PREFIX: its script, the chunks imported at once, its style sheets.

    `lazy` are the chunks that it imports when it needs them, by the source they were made from.
    """

    script: str
    imports: tuple[str, ...]
    styles: tuple[str, ...]
    lazy: dict[str, tuple[str, ...]]

    def tags(self) -> str:
        """Return the HTML that loads styles and scripts; chunks are asked for before the script is read."""
        lines = [f'<link rel="stylesheet" href="{_address(style)}">' for style in self.styles]
        lines += [f'<link rel="modulepreload" href="{_address(chunk)}">' for chunk in self.imports]
        lines.append(f'<script type="module" src="{_address(self.script)}"></script>')
        return "\n".join(lines)


def _address(path: str) -> str:
    return escape(PREFIX + path)


def read_entry(manifest: dict[str, Any], page: str) -> Entry:
    """Collect from Vite's manifest what the entry src/pages/{page}.ts needs, imports of imports included."""
    root = f"src/pages/{page}.ts"
    needed = _closure(manifest, root)
    files = [manifest[name]["file"] for name in needed]
    dynamic = [each for name in needed for each in manifest[name].get("dynamicImports", ())]
    return Entry(
        script=manifest[root]["file"],
        imports=tuple(file for file in files if file != manifest[root]["file"]),
        styles=tuple(dict.fromkeys(style for name in needed for style in manifest[name].get("css", ()))),
        lazy={
            name: tuple(manifest[each]["file"] for each in _closure(manifest, name) if each not in needed)
            for name in dynamic
        },
    )


def _closure(manifest: dict[str, Any], root: str) -> list[str]:
    """Return the names of a chunk and of all that it imports at once, what is imported first."""
    found: list[str] = []

    def visit(name: str) -> None:
        for imported in manifest[name].get("imports", ()):
            if imported not in (*found, root):
                visit(imported)
        if name not in found:
            found.append(name)

    visit(root)
    return found


@cache
def entry(page: str) -> Entry:
    """Return the entry of a page ("library", "watch", "live", "operator") as built. Raise BundleMissing."""
    return read_entry(json.loads((bundle() / "manifest.json").read_text()), page)
