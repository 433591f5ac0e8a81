"""Answers of the origin: entries by their conditions, preflights and problems, each with its cache rule."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from cdn.policy import POLICIES, Kind
from packager import keys
from packager.folder import content_etag
from streamer.conditions import judge
from streamer.files import Reply
from streamer.hot import Entry, head, render
from streamer.passage import narrow, narrowed
from streamer.problems import Problem

_METHODS = "GET, HEAD, OPTIONS"

# Media is for every page: a fixed answer, never an echo of Origin, so that no cache has to vary by it.
OPEN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Age, Content-Length, Content-Range, Date, ETag",
    "Timing-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
_PREFLIGHT = {
    **OPEN,
    "Allow": _METHODS,
    "Access-Control-Allow-Methods": _METHODS,
    "Access-Control-Allow-Headers": "Authorization, If-Match, If-None-Match, If-Range, Range",
    "Access-Control-Max-Age": "86400",
}


async def whole(request: web.Request, entry: Entry) -> web.StreamResponse:
    """Send all of an entry for a GET without conditions."""
    entry.hold()
    try:
        return await Reply(200, entry.whole, entry=entry, stop=entry.size).send(request)
    finally:
        entry.release()


async def judged(request: web.Request, entry: Entry) -> web.StreamResponse:
    """Answer a GET or HEAD by its conditions and range."""
    if narrow(request):
        entry = await _narrowed(request, entry)
    verdict = judge(request.headers, method=request.method, etag=entry.etag, size=entry.size)
    start, stop = verdict.start, verdict.stop
    if verdict.status == 304:
        return await Reply(304, head(304, entry.common, length=None)).send(request)
    if verdict.status == 412:
        return await refuse(request, Problem("precondition-failed", "It has changed", 412), Kind.FAILED)
    if verdict.status == 416:
        extent = {"Content-Range": f"bytes */{entry.size}"}
        problem = Problem("range-not-satisfiable", "No such range", 416, headers=extent)
        return await refuse(request, problem, Kind.FAILED)
    if request.method == "HEAD":
        return await Reply(200, entry.whole).send(request)
    lines = entry.whole
    if verdict.status == 206:
        extent_line = f"bytes {start}-{stop - 1}/{entry.size}"
        lines = head(206, entry.tail, length=stop - start, content_range=extent_line)
    return await Reply(verdict.status, lines, entry=entry, start=start, stop=stop).send(request)


def pushed_head() -> bytes:
    """Return the head, without its last lines, of an answer that goes on for as long as a broadcast."""
    policy = POLICIES[Kind.PUSHED]
    fields = {
        "Content-Type": policy.media_type,
        "Cache-Control": policy.cache,
        "Transfer-Encoding": "chunked",
        "X-Accel-Buffering": "no",  # nginx would gather frames before it sends them on
        **OPEN,
    }
    return head(200, render(fields), length=None)


async def moved(request: web.Request, url: str) -> web.StreamResponse:
    """Send the reader to where the object is (RFC 9110 section 15.4.8: method and fields stay)."""
    fields = {"Location": url, "Cache-Control": POLICIES[Kind.REDIRECT].cache, **OPEN}
    return await Reply(307, head(307, render(fields), length=0)).send(request)


async def preflight(request: web.Request) -> web.StreamResponse:
    """Answer OPTIONS: any page may read, with conditions and ranges."""
    return await Reply(204, head(204, render(_PREFLIGHT), length=None)).send(request)


async def not_allowed(request: web.Request) -> web.StreamResponse:
    """Tell that media is only to be read."""
    problem = Problem("method-not-allowed", "Only to be read", 405, headers={"Allow": _METHODS})
    return await refuse(request, problem, Kind.FAILED)


async def absent(request: web.Request) -> web.StreamResponse:
    """Tell that there is no such object."""
    return await refuse(request, Problem("not-found", "No such object", 404), Kind.ABSENT)


async def empty(request: web.Request) -> web.StreamResponse:
    """Tell that there is nothing in an object; caches keep that as long as they keep that there is none."""
    fields = render({"Cache-Control": POLICIES[Kind.ABSENT].cache, **OPEN})
    return await Reply(204, head(204, fields, length=None)).send(request)


async def refuse(request: web.Request, problem: Problem, kind: Kind) -> web.StreamResponse:
    """Send a problem, cacheable as the kind of error says."""
    body = json.dumps(problem.members()).encode()
    policy = POLICIES[kind]
    fields = {"Content-Type": policy.media_type, "Cache-Control": policy.cache, **problem.headers, **OPEN}
    entry = Entry(size=len(body), etag="", common=fields, content={}, body=body)
    lines = head(problem.status, entry.tail, length=len(body))
    sent = None if request.method == "HEAD" else entry
    return await Reply(problem.status, lines, entry=sent, stop=0 if sent is None else len(body)).send(request)


async def allowed(request: web.Request, *, seconds: int, own: bool) -> web.StreamResponse:
    """Tell an edge that a request may be answered from what it keeps, for so many seconds; 0 is this once.

    Where the answer is the viewer's `own` the edge is to have the origin give it.
    """
    fields = {
        "Cache-Control": f"max-age={seconds}" if seconds else "no-store",
        **({"Streamer-Pass": "yes"} if own else {}),
    }
    return await Reply(204, head(204, render(fields), length=None)).send(request)


async def _narrowed(request: web.Request, entry: Entry) -> Entry:
    """Return the entry of a manifest as the request's token grants it."""
    body = entry.body or b""
    own = await asyncio.to_thread(narrowed, request, body, coded=b"Content-Encoding: gzip" in entry.tail)
    kind = Kind.PRIVATE_MPD if request.path.endswith(keys.MPD) else Kind.PRIVATE_PLAYLIST
    etag = content_etag(own)
    return Entry(size=len(own), etag=etag, common=common(kind, etag), content=content(kind), body=own)


def common(kind: Kind, etag: str, *, target_duration: int = 0) -> dict[str, str]:
    """Return the fields of a 200 that a 304 repeats (RFC 9110 section 15.4.5); live ones live by a target."""
    policy = POLICIES[kind]
    vary = {"Vary": "Accept-Encoding"} if policy.negotiated else {}
    tag = {"ETag": f'"{etag}"'} if etag else {}
    return {**tag, "Cache-Control": policy.cache_control(target_duration=target_duration), **vary, **OPEN}


def content(kind: Kind, *, coding: str = "") -> dict[str, str]:
    """Return the fields that describe the bytes."""
    policy = POLICIES[kind]
    coded = {"Content-Encoding": coding} if coding else {}
    return {"Content-Type": policy.media_type, "Accept-Ranges": "bytes", **coded}
