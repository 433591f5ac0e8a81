"""`streamer token`: make, list and revoke tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.console import Console
from rich.table import Table

from streamer import entrances
from streamer.asking import opened
from streamer.catalog import Catalog
from streamer.channel import Channels
from streamer.config import Config
from streamer.database import Database
from streamer.errors import InvalidRequest, NoSuchAsset
from streamer.live.register import Register
from streamer.playback_keys import PlaybackKeys
from streamer.playback_tokens import PlaybackTokens
from streamer.playback_wish import seconds_of, wish_of
from streamer.rows import Role, rfc3339, wall_clock
from streamer.tokens import Tokens


@asynccontextmanager
async def _tokens(config: Config) -> AsyncIterator[Tokens]:
    await asyncio.to_thread(config.data.mkdir, parents=True, exist_ok=True)
    database = await Database.open(config.catalog)
    try:
        yield Tokens(database)
    finally:
        await database.close()


async def create(config: Config, *, name: str, role: str) -> None:
    """Make a token and print its secret, once."""
    if role not in set(Role):
        raise InvalidRequest(f"there is no role {role!r}; choose one of {', '.join(Role)}")
    async with _tokens(config) as tokens:
        token, secret = await tokens.create(Role(role), name)
    Console(stderr=True).print(
        f"token {token.id} for {name} ({role}); it is shown only now:", markup=False, soft_wrap=True
    )
    print(secret)  # noqa: T201 - the command's output, fit for a pipe


async def playback(config: Config, identity: str, *, expires: str) -> None:
    """Sign a token for an asset or a stream, and print it. Raise InvalidRequest, NoSuchStream."""
    longest = config.playback_token_max_seconds
    wish = wish_of({"expires_seconds": seconds_of(expires)}, longest=longest)
    async with opened(config) as database:
        channels = Channels(database)
        try:
            await Catalog(database, channels).get(identity)
        except NoSuchAsset:
            await Register(database, channels).get(identity)
        issued = await PlaybackTokens(PlaybackKeys(database), longest_seconds=longest).issue(identity, wish)
    Console(stderr=True).print(
        f"holds until {rfc3339(issued.grant.expires * 1000)}; watch at /watch/{identity}#token=…, or put "
        f"/p/TOKEN/{identity}/ in place of /v/{identity}/",
        markup=False,
        soft_wrap=True,
    )
    print(issued.token)  # noqa: T201 - the command's output, fit for a pipe


async def show(config: Config) -> None:
    """List the tokens."""
    table = Table("id", "name", "role", "made", "state")
    async with _tokens(config) as tokens:
        for token in await tokens.all():
            state = "revoked" if token.revoked else "valid"
            table.add_row(token.id, token.name, str(token.role), rfc3339(token.created), state)
    Console().print(table)


async def revoke(config: Config, identity: str) -> None:
    """Revoke one token."""
    async with _tokens(config) as tokens:
        await tokens.revoke(identity)
    Console().print(f"token {identity} is revoked", markup=False)


async def cookies(config: Config, identity: str, destination: str, *, expires: str) -> None:
    """Print cookies with which CloudFront lets in to an asset. Raise InvalidRequest, CannotSign."""
    longest = config.playback_token_max_seconds
    said = {"destination": destination, "expires_seconds": seconds_of(expires)}
    wish = entrances.wish_of(said, longest=longest)
    made = entrances.Entrances(config.destinations, longest=longest, clock=wall_clock)
    admitted = await made.admit(identity, wish)
    notes = Console(stderr=True)
    notes.print(
        f"let in until {admitted['expires']} to {admitted['playback']['hls']}", markup=False, soft_wrap=True
    )
    for cookie in admitted["cookies"]:
        print(f"Set-Cookie: {cookie['set_cookie']}")  # noqa: T201 - the command's output, fit for a pipe
