"""What commands share: the catalog beside a running server, and having that server do something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp

from streamer.config import Config
from streamer.database import Database
from streamer.errors import ConfigError, ServerAway
from streamer.rows import Role
from streamer.tokens import Tokens

_PATIENCE = aiohttp.ClientTimeout(total=120, connect=5)
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a server that listens so is reached


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[Database]:
    """Give the catalog, which may be another process's too; it is made where there is none."""
    await asyncio.to_thread(config.data.mkdir, parents=True, exist_ok=True)
    database = await Database.open(config.catalog)
    try:
        yield database
    finally:
        await database.close()


async def told(
    config: Config, path: str, *, method: str = "POST", body: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Have the running server do something, and return its answer. Raise ServerAway, ConfigError."""
    if config.port == 0:
        raise ConfigError("name the server's port with --port: it took any free one")
    async with opened(config) as database:
        # Whoever may write to the catalog may do everything; the server is told so by a token for this once.
        tokens = Tokens(database)
        token, secret = await tokens.create(Role.ADMIN, "streamer command")
        try:
            return await _asked(config, path, secret, method=method, body=body)
        finally:
            await tokens.revoke(token.id)


async def _asked(
    config: Config, path: str, secret: str, *, method: str, body: Mapping[str, str] | None
) -> dict[str, str]:
    host = reached(config)
    url = f"http://{f'[{host}]' if ':' in host else host}:{config.port}{path}"
    headers = {"Authorization": f"Bearer {secret}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE, headers=headers) as session,
            session.request(method, url, json=body) as response,
        ):
            answer: dict[str, str] = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise ServerAway(f"no streamer answers at {url}: is it running, with this host and port?") from error
    if not response.ok:
        raise ServerAway(
            answer.get("detail") or answer.get("title") or f"the server answered {response.status}"
        )
    return answer


def reached(config: Config) -> str:
    """Return the host at which the server that runs with these settings is reached."""
    return _EVERYWHERE.get(config.host, config.host)
