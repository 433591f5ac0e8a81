"""Where publishers come in: the ports that the configuration opens for as long as the server runs."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from streamer.config import Config
from streamer.errors import ConfigError
from streamer.ingest.door import Door
from streamer.ingest.rtmp import RtmpReceiver

_log = logging.getLogger(__name__)


class Doors:
    """Open while it is entered. Where a port that nobody asked for is taken, its door stays shut."""

    def __init__(self, config: Config, door: Door) -> None:
        """Take what is configured, and who decides about keys."""
        self._config = config
        self._door = door
        self._rtmp: RtmpReceiver | None = None
        self._stack = AsyncExitStack()

    @property
    def rtmp(self) -> int | None:
        """Return the port of RTMP, None while it is closed."""
        return self._rtmp.port if self._rtmp is not None else None

    async def __aenter__(self) -> Self:
        """Open what is configured. Raise ConfigError where a port that was asked for is taken."""
        port = self._config.live_rtmp_port
        if port == "off":
            return self
        receiver = RtmpReceiver(self._door, host=self._config.host, port=port)
        try:
            self._rtmp = await self._stack.enter_async_context(receiver)
        except OSError as error:
            if "live_rtmp_port" in self._config.model_fields_set:
                raise ConfigError(f"live_rtmp_port: port {port} cannot be taken: {error.strerror}") from error
            _log.warning(
                "nobody can publish over RTMP: port %s is taken; name another as live_rtmp_port", port
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        self._rtmp = None
