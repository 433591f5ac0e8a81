"""The HTML of the pages. No inline script, so that they work under a strict Content-Security-Policy."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from player import PREFIX, entry

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob: data:; "
    "connect-src 'self' ws: wss:; "
    "style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; form-action 'self'"
)
"""What the pages need and no more: send it with each. data: media is hls.js's empty track for captions."""

_ENGINE = "src/engine/hls.ts"

_MARK = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E"
    "%3Crect width='32' height='32' rx='9' fill='%237c9cff'/%3E"
    "%3Cpath d='M12 8.5v15l12-7.5z' fill='%230b1020'/%3E%3C/svg%3E"
)


def library_html() -> str:
    """Return the library page. Raise BundleMissing."""
    return _page(title="streamer", head=[entry("library").tags()], body="<library-page></library-page>")


def live_html() -> str:
    """Return the go-live page. Raise BundleMissing."""
    return _page(title="Go live · streamer", head=[entry("live").tags()], body="<live-page></live-page>")


def operator_html() -> str:
    """Return the operator page. Raise BundleMissing."""
    return _page(
        title="Operations · streamer", head=[entry("operator").tags()], body="<operator-page></operator-page>"
    )


def watch_html(
    title: str,
    poster: str | None = None,
    id: str = "",  # noqa: A002 - the API's own word
    *,
    hls: str | None = None,
    stream: str = "",
    storyboard: str | None = None,
    description: str = "",
    preload: Sequence[str] = (),
    head: Sequence[str] = (),
) -> str:
    """Return the watch page of an asset, whose first paint is the poster. Raise BundleMissing.

    That of a live stream names the `stream` too, and shows what is on air whichever asset that is.

    `hls` is None while nothing can be played: the page then waits on the control channel. `preload` are more
    addresses that the first frame needs, such as media playlists and inits. `head` is ready HTML (OpenGraph,
    oEmbed); everything else is escaped here.
    """
    watch = entry("watch")
    hints = [hls, *preload] if hls else []
    lines = [
        watch.tags(),
        *(f'<link rel="preload" as="fetch" crossorigin href="{escape(address)}">' for address in hints),
    ]
    # The engine is a chunk of its own; asked for here, it comes beside the page's script, not after it.
    lines += [f'<link rel="modulepreload" href="{escape(PREFIX + chunk)}">' for chunk in watch.lazy[_ENGINE]]
    if poster:
        lines.append(f'<link rel="preload" as="image" fetchpriority="high" href="{escape(poster)}">')
    if description:
        lines.append(f'<meta name="description" content="{escape(description)}">')
    picture = f'<img src="{escape(poster)}" alt="">' if poster else ""
    values = {
        "asset": id,
        "stream": stream,
        "heading": title,
        "src": hls,
        "poster": poster,
        "storyboard": storyboard,
    }
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in values.items() if value)
    body = (
        f'<watch-page{attributes}><div class="stage">{picture}</div><h1>{escape(title)}</h1></watch-page>'
        "<noscript>Playing needs JavaScript.</noscript>"
    )
    return _page(title=f"{title} · streamer", head=[*lines, *head], body=body)


def _page(*, title: str, head: Sequence[str], body: str) -> str:
    lines = "\n".join(head)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark">
<meta name="theme-color" content="#0c0e12">
<title>{escape(title)}</title>
<link rel="icon" href="{_MARK}">
{lines}
</head>
<body>
{body}
</body>
</html>
"""
