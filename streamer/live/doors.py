"""Where publishers come in: the ports that the configuration opens for as long as the server runs."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Literal, Self

from streamer.config import Config
from streamer.errors import ConfigError
from streamer.ingest.door import Door
from streamer.ingest.rtmp import RtmpReceiver
from streamer.ingest.srt import SrtReceiver
from streamer.tls import server_context

_log = logging.getLogger(__name__)


class Doors:
    """Open while it is entered. Where a port that nobody asked for is taken, its door stays shut."""

    def __init__(
        self, config: Config, door: Door, *, srt: Callable[[str], SrtReceiver] | None = None
    ) -> None:
        """Take what is configured, who decides about keys, and what listens for SRT on an address."""
        self._config = config
        self._door = door
        self._srt = srt
        self._rtmp: RtmpReceiver | None = None
        self._rtmps: RtmpReceiver | None = None
        self._stack = AsyncExitStack()

    @property
    def rtmp(self) -> int | None:
        """Return the port of RTMP, None while it is closed."""
        return self._rtmp.port if self._rtmp is not None else None

    @property
    def rtmps(self) -> int | None:
        """Return the port of RTMPS, None while it is closed."""
        return self._rtmps.port if self._rtmps is not None else None

    async def __aenter__(self) -> Self:
        """Open what is configured. Raise ConfigError where that is not possible."""
        tls = (
            await server_context(self._config, key="live_rtmps_port")
            if self._config.live_rtmps_port != "off"
            else None
        )
        async with AsyncExitStack() as opened:
            self._rtmp = await self._open(opened, "live_rtmp_port")
            self._rtmps = await self._open(opened, "live_rtmps_port", tls=tls)
            if self._srt is not None:
                host = self._config.host
                found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
                await opened.enter_async_context(self._srt(str(found[0][4][0])))
            self._stack = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shut()

    async def shut(self) -> None:
        """Close every door; a second time does nothing."""
        await self._stack.aclose()
        self._rtmp = self._rtmps = None

    async def _open(
        self,
        opened: AsyncExitStack,
        key: Literal["live_rtmp_port", "live_rtmps_port"],
        *,
        tls: ssl.SSLContext | None = None,
    ) -> RtmpReceiver | None:
        port: int | Literal["off"] = getattr(self._config, key)
        if port == "off":
            return None
        receiver = RtmpReceiver(self._door, host=self._config.host, port=port, tls=tls)
        try:
            return await opened.enter_async_context(receiver)
        except OSError as error:
            if key in self._config.model_fields_set:
                raise ConfigError(f"{key}: port {port} cannot be taken: {error.strerror}") from error
            _log.warning("nobody can publish over RTMP: port %s is taken; name another as %s", port, key)
            return None
