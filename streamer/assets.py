"""REST for assets: list, show, rename, delete, retry, re-encode, captions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, Protocol

from aiohttp import hdrs, web

from packager import keys
from packager.captions import mapped, to_webvtt
from packager.store import Store
from streamer.access import Policy, principal_key
from streamer.catalog import PAGE_MAX, Catalog
from streamer.cursors import page_limit
from streamer.errors import InvalidRequest, WrongState
from streamer.policy_wish import policy_of
from streamer.replays import Answer, Replays, fingerprint
from streamer.rows import Asset, Caption, Fill, State, show
from streamer.session import answer, json_body, raw_body

ROOT: Final = "/api/v1/assets"
TITLE_MAX = 500
CAPTIONS_MAX = 4 << 20
_ID = r"{asset:[a-z0-9]{12}}"
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Works(Protocol):
    """What acts on an asset's media. Each returns once the wish is durable, not once it is fulfilled."""

    async def retry(self, asset_id: str) -> None:
        """Go on from the step that failed."""

    async def reencode(self, asset_id: str) -> None:
        """Make a new generation beside the old one, which goes when no cache can name it."""

    async def remove(self, asset_id: str) -> None:
        """Stop the Runs of an asset that has been deleted, and remove its media, then its rows."""

    async def refill(self, asset_id: str, fill: Fill) -> None:
        """Make all of an asset from now on, or only what viewers ask for."""

    async def changed(self, asset_id: str) -> None:
        """Render the manifests anew, and ask again who may have them."""


class Manifests(Protocol):
    """What names an asset's captions."""

    async def captions_changed(self, asset_id: str) -> None:
        """Have the captions of now named."""

    async def origin(self, asset_id: str) -> Fraction:
        """Return the media time in seconds that is an asset's beginning."""


def clean_title(title: str) -> str:
    """Return the title on one line without control characters, of at most 500. Raise InvalidRequest."""
    cleaned = " ".join(_CONTROL.sub(" ", title).split())
    if not cleaned:
        raise InvalidRequest("A title has at least one visible character.")
    if len(cleaned) > TITLE_MAX:
        raise InvalidRequest(f"A title has at most {TITLE_MAX} characters.")
    return cleaned


def clean_language(language: str) -> str:
    """Return the BCP 47 tag in its usual case, such as pt-BR or zh-Hant. Raise InvalidRequest."""
    if _LANGUAGE.fullmatch(language) is None:
        raise InvalidRequest("A language is a tag such as en or pt-BR.")
    first, *rest = language.split("-")
    cased = {2: str.upper, 4: str.title}
    return "-".join([first.lower(), *(cased.get(len(part), str.lower)(part) for part in rest)])


class Assets:
    """Handlers of /api/v1/assets, apart from the upload."""

    def __init__(
        self,
        catalog: Catalog,
        works: Works,
        replays: Replays,
        *,
        manifests: Manifests,
        store_of: Callable[[str], Store],
    ) -> None:
        """Take the catalog, what acts on media, what names captions, and the store of an asset by its id."""
        self._catalog = catalog
        self._manifests = manifests
        self._works = works
        self._replays = replays
        self._store_of = store_of

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = f"{ROOT}/{_ID}"
        captions = f"{one}/captions/{{language}}"
        return [
            web.get(ROOT, self.list, name="assets", allow_head=False),
            web.get(one, self.show, name="asset", allow_head=False),
            web.patch(one, self.change, name="asset"),
            web.delete(one, self.delete, name="asset"),
            web.post(f"{one}/retry", self.retry, name="asset-retry"),
            web.post(f"{one}/reencode", self.reencode, name="asset-reencode"),
            web.put(captions, self.put_captions, name="asset-captions"),
            web.delete(captions, self.delete_captions, name="asset-captions"),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Answer with a page of assets, newest first."""
        query = request.query
        page = await self._catalog.page(
            cursor=query.get("cursor"),
            limit=page_limit(query.get("limit", "20"), PAGE_MAX),
            query=query.get("q", "")[:TITLE_MAX],
        )
        return answer({"items": [show(asset) for asset in page.items], "next": page.next})

    async def show(self, request: web.Request) -> web.Response:
        """Answer with one asset; the log lines of a failure are for who has signed in."""
        asset = await self._catalog.get(request.match_info["asset"])
        return answer(show(asset, log=request[principal_key].policy >= Policy.VIEWER))

    async def change(self, request: web.Request) -> web.Response:
        """Change the title, what of the asset is made, or who may watch it."""
        asset = request.match_info["asset"]
        wish = await json_body(request)
        title, fill, policy = wish.get("title"), wish.get("fill"), wish.get("policy")
        if title is None and fill is None and policy is None:
            raise InvalidRequest("`title`, `fill` or `policy` is missing.")
        if not isinstance(title, str | None):
            raise InvalidRequest("`title` is a text.")
        if fill is not None and fill not in list(Fill):
            raise InvalidRequest(f"`fill` is one of {', '.join(Fill)}.")
        signed = None if policy is None else policy_of(policy)
        if fill is not None:
            _made_here(await self._catalog.get(asset))
        if title is not None:
            await self._catalog.rename(asset, clean_title(title))
        if fill is not None:
            await self._works.refill(asset, Fill(fill))
        if signed is not None:
            await self._catalog.set_policy(asset, signed)
            await self._works.changed(asset)
        return answer(show(await self._catalog.get(asset)))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete the asset for everybody at once; its media goes after."""
        asset = request.match_info["asset"]
        if (await self._catalog.get(asset)).on_air:
            raise WrongState("The broadcast is on air; end it first.")
        await self._catalog.delete(asset)
        await self._works.remove(asset)
        return web.Response(status=204, headers={hdrs.CACHE_CONTROL: "no-store"})

    async def retry(self, request: web.Request) -> web.Response:
        """Try again what has failed."""

        async def work() -> Answer:
            asset = await self._catalog.get(request.match_info["asset"])
            _made_here(asset)
            if asset.state is not State.FAILED:
                raise WrongState("Only what has failed can be tried again.")
            await self._works.retry(asset.id)
            return await self._accepted(asset)

        return await self._once(request, work)

    async def reencode(self, request: web.Request) -> web.Response:
        """Encode the asset anew, beside what is being watched."""

        async def work() -> Answer:
            asset = await self._catalog.get(request.match_info["asset"])
            _made_here(asset)
            if asset.state not in {State.PLAYABLE, State.COMPLETE}:
                raise WrongState("Only what can be watched can be encoded anew.")
            await self._works.reencode(asset.id)
            return await self._accepted(asset)

        return await self._once(request, work)

    async def put_captions(self, request: web.Request) -> web.Response:
        """Add captions from WebVTT or SubRip, in place of those in the same language. Raise BadCaptions."""
        asset = await self._catalog.get(request.match_info["asset"])
        if asset.on_air:
            raise WrongState("The broadcast is on air; captions are for its recording.")
        language = clean_language(request.match_info["language"])
        label = clean_title(request.query.get("label") or language)
        text = to_webvtt(await raw_body(request, CAPTIONS_MAX))
        body = mapped(text, await self._manifests.origin(asset.id)).encode()
        # The hash takes the place of a generation in the key: other captions, another URL.
        key = keys.text(f"c{hashlib.sha256(body).hexdigest()[:16]}", f"text-{language.lower()}")
        await self._store_of(asset.id).put(key, body)
        changed = await self._catalog.put_caption(asset.id, Caption(language=language, label=label, key=key))
        await self._manifests.captions_changed(asset.id)
        return answer(show(changed))

    async def delete_captions(self, request: web.Request) -> web.Response:
        """Remove the captions in a language."""
        asset = request.match_info["asset"]
        changed = await self._catalog.delete_caption(asset, clean_language(request.match_info["language"]))
        await self._manifests.captions_changed(asset)
        return answer(show(changed))

    async def _accepted(self, asset: Asset) -> tuple[int, Any]:
        return 202, show(await self._catalog.get(asset.id))

    async def _once(self, request: web.Request, work: Callable[[], Any]) -> web.Response:
        key = request.headers.get("Idempotency-Key")
        status, body = await self._replays.once(key, fingerprint(request.method, request.path), work)
        return answer(body, status=status)


def _made_here(asset: Asset) -> None:
    """Raise WrongState for a broadcast: it was encoded as it came, and nothing is made of it afterwards."""
    if asset.live is not None:
        raise WrongState("This is a broadcast: it stays as it was encoded when it was on air.")
