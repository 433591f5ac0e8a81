"""Playback tokens as the server takes and makes them: verified once, and remembered while they hold."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

from cdn.grants import Grant
from cdn.sign import LONGEST, Malformed, key_id, sign, verify
from streamer.playback_keys import PlaybackKeys
from streamer.playback_wish import Wish
from streamer.rows import Clock, wall_clock

_REMEMBERED = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A token that was verified: what it grants, and the id of the key that it was signed with."""

    grant: Grant
    id: str

    @property
    def expires(self) -> int:
        """When it ends, in milliseconds since the epoch."""
        return self.grant.expires * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A token that was signed here, and what it grants."""

    token: str = field(repr=False)
    grant: Grant


class PlaybackTokens:
    """Verifies tokens by the keys that hold, and signs some with the server's own."""

    def __init__(self, keys: PlaybackKeys, *, longest_seconds: int, clock: Clock = wall_clock) -> None:
        """Take the keys, and for how long a token may hold at most."""
        self._keys = keys
        self._longest = longest_seconds
        self._clock = clock
        self._known: OrderedDict[bytes, Pass] = OrderedDict()
        self._generation = 0

    @property
    def longest_seconds(self) -> int:
        """For how long a token may hold at most."""
        return self._longest

    async def verified(self, token: str) -> Pass:
        """Return what a token grants now. Raise TokenRefused."""
        if len(token) > LONGEST:
            raise Malformed("This is no playback token.")
        ring = await self._keys.ring()
        if ring.generation != self._generation:
            self._known.clear()  # by keys that may be gone
            self._generation = ring.generation
        name = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = self._known.get(name)
        if found is not None:
            self._known.move_to_end(name)
        else:
            kid = key_id(token)
            if kid not in ring.keys:
                ring = await self._keys.ring(lacking=kid)
            found = Pass(grant=verify(token, ring.keys), id=kid)
            if ring.generation == self._generation:
                self._remember(name, found)
        self._check(found.grant)
        return found

    def left(self, grant: Grant) -> int:
        """Return for how many whole seconds a grant holds from now on."""
        return max(0, (grant.expires * 1000 - self._clock()) // 1000)

    async def issue(self, subject: str, wish: Wish) -> Issued:
        """Sign a token for an asset or a stream with the server's own key."""
        grant = Grant(
            subject=subject,
            expires=self._clock() // 1000 + wish.seconds,
            not_before=wish.not_before or 0,
            **wish.limits,
        )
        signer = await self._keys.signer()
        return Issued(token=sign(grant, kid=signer.id, private=signer.private), grant=grant)

    def _check(self, grant: Grant) -> None:
        grant.check_time(self._clock() // 1000, longest=self._longest)

    def _remember(self, name: bytes, found: Pass) -> None:
        self._known[name] = found
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
