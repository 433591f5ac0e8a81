"""A publisher inside the server: a moving picture with the time of day in it, and a tone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from packager import live_recipe
from packager.child import Command
from packager.process import Spawner
from packager.sandbox import Limits
from streamer.errors import ServerError
from streamer.ingest.door import Ending, Publisher, Take
from streamer.ingest.publishing import Publishing
from streamer.ingest.remux import flv_of

_LIMITS = Limits(memory=2 << 30, cpu_seconds=None, wall_seconds=None)
_FONTS = (
    Path("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"),
    Path("/usr/share/fonts/dejavu-sans-mono-fonts/DejaVuSansMono.ttf"),
    Path("/usr/share/fonts/TTF/DejaVuSansMono.ttf"),
    Path("/System/Library/Fonts/Menlo.ttc"),
)

Admit = Callable[[str, Publisher], Awaitable[Take]]
"""Lets a publisher in to what is named. Raise Refused."""


class TestCard:
    """Publishes 640×360 at 25 frames a second until it is closed or has sent enough."""

    __test__ = False  # for pytest, which takes it for a test by its name

    def __init__(
        self, admit: Admit, spawner: Spawner, *, seconds: int | None = None, fonts: Iterable[Path] = _FONTS
    ) -> None:
        """Take what lets it in, and how long it sends: None is until it is ended.

        Without any of the `fonts` the picture has the count of seconds only that its pattern has.
        """
        self._admit = admit
        self._spawner = spawner
        self._seconds = seconds
        self._fonts = tuple(fonts)
        self._publishing = Publishing("test", "this server")

    def close(self) -> None:
        """End it, as a server does that stops."""
        self._publishing.close(Ending.STOPPING)

    async def admitted(self, where: str) -> Take:
        """Ask to be let in, by a key or what else the server goes by. Raise Refused."""
        return await self._admit(where, self._publishing)

    async def run(self, take: Take) -> Ending | ServerError | None:
        """Publish, and return why it ended; None where it has sent enough."""
        font = next((path for path in self._fonts if path.is_file()), None)
        command = Command(
            argv=live_recipe.test_card(self._spawner.ffmpeg, font=font, seconds=self._seconds),
            outputs=1,
            limits=_LIMITS,
            readable=() if font is None else (font,),
        )
        return await self._publishing.run(take, flv_of(self._spawner, command))
