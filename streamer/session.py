"""Sessions of browsers: a token is exchanged for a cookie that scripts cannot read."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from streamer.access import COOKIE, Access, principal_key
from streamer.errors import InvalidRequest
from streamer.problems import Problem
from streamer.tokens import SESSION_SECONDS, Tokens

_BODY_MAX = 64 << 10


async def json_body(request: web.Request) -> dict[str, Any]:
    """Return the request's JSON object, of at most 64 KiB. Raise InvalidRequest."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > _BODY_MAX:
            raise InvalidRequest("The body is larger than 64 KiB.")
    try:
        value = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not JSON.") from error
    if not isinstance(value, dict):
        raise InvalidRequest("The body is not a JSON object.")
    return value


def _no_number(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def answer(body: Any, *, status: int = 200) -> web.Response:
    """Return a JSON response that no cache stores."""
    return web.Response(
        status=status,
        body=json.dumps(body, ensure_ascii=False).encode(),
        content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )


async def raw_body(request: web.Request, most: int) -> bytes:
    """Return the request's body, whatever it is. Raise Problem where it has more than so many bytes."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > most:
            raise Problem("too-large", "Too large", 413, f"At most {most} bytes are accepted here.")
    return bytes(body)


class Session:
    """Handlers of /api/v1/session."""

    def __init__(self, tokens: Tokens, access: Access) -> None:
        """Take the tokens and the one who checks them."""
        self._tokens = tokens
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        path = "/api/v1/session"
        return [
            web.get(path, self.show, name="session", allow_head=False),
            web.post(path, self.open, name="session"),
            web.delete(path, self.close, name="session"),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Tell the caller which role it has: public, viewer or admin."""
        return answer(self._told(request))

    async def open(self, request: web.Request) -> web.Response:
        """Exchange a token for a cookie. Raise Unauthenticated."""
        secret = (await json_body(request)).get("token")
        if not isinstance(secret, str):
            raise InvalidRequest("`token` is missing.")
        token = await self._access.token(request, secret.strip())
        _, session = await self._tokens.open_session(token)
        response = answer({"role": str(token.role)}, status=201)
        response.set_cookie(
            COOKIE,
            session,
            max_age=SESSION_SECONDS,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=self._access.secure(request),
        )
        return response

    async def close(self, request: web.Request) -> web.Response:
        """End the caller's session; without one there is nothing to do."""
        cookie = request.cookies.get(COOKIE)
        session = await self._tokens.find(cookie) if cookie else None
        if session is not None and session.parent is not None:
            await self._tokens.revoke(session.id)
        response = web.Response(status=204, headers={"Cache-Control": "no-store"})
        response.del_cookie(COOKIE, path="/")
        return response

    def _told(self, request: web.Request) -> dict[str, str]:
        return {"role": request[principal_key].policy.name.lower()}
