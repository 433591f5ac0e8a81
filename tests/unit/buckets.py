"""An asset of a few bytes, and a bucket in memory that keeps conditions as a storage does."""

from __future__ import annotations

import hashlib

from cdn.s3 import Listed, Looked, Lost, Stamp
from packager.store import MemoryStore

HEAD = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="a.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"
v.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="i.m3u8"
"""
MEDIA = {name: f'#EXTM3U\n#EXT-X-MAP:URI="g/{name}/init.mp4"\n#EXTINF:1,\ng/{name}/0.m4s\n' for name in "avi"}
END = "#EXT-X-ENDLIST\n"
OBJECTS = [*(f"g/{name}/{file}" for name in "avi" for file in ("init.mp4", "0.m4s"))]
ORNAMENTS = ["g/poster.jpg", "g/storyboard.vtt", "g/storyboard/0.jpg"]


class Memory:
    """A bucket in memory, with conditions; it stands for no server, those are tested beside this."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, Stamp]] = {}
        self.written: list[str] = []
        self.deleted: list[list[str]] = []

    async def listing(self, prefix: str) -> dict[str, Listed]:
        return {key: self._listed(key) for key in self.objects if key.startswith(prefix)}

    async def look(self, key: str) -> Looked | None:
        if key not in self.objects:
            return None
        listed = self._listed(key)
        metadata = dict(self.objects[key][1].metadata)
        return Looked(size=listed.size, etag=listed.etag, metadata=metadata)

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes | None:
        return self.objects[key][0][start:stop] if key in self.objects else None

    async def metadata(self, key: str) -> dict[str, str]:
        return dict(self.objects[key][1].metadata) if key in self.objects else {}

    async def put(self, key: str, body: bytes, stamp: Stamp, *, instead: Listed | None) -> None:
        if (self._listed(key) if key in self.objects else None) != instead:
            raise Lost(key)
        self.objects[key] = body, stamp
        self.written.append(key)

    async def write(self, key: str, body: bytes, stamp: Stamp) -> None:
        self.objects[key] = body, stamp
        self.written.append(key)

    async def delete(self, keys: list[str]) -> None:
        self.deleted.append(list(keys))
        for key in keys:
            del self.objects[key]

    def _listed(self, key: str) -> Listed:
        body = self.objects[key][0]
        return Listed(size=len(body), etag=hashlib.md5(body, usedforsecurity=False).hexdigest())


async def small() -> MemoryStore:
    """Return a store that holds a whole asset, of 14 objects, and a stray one beside it."""
    made = MemoryStore()
    await made.put("main.m3u8", HEAD.encode())
    await made.put("main.mpd", b'<MPD type="static"></MPD>')
    for name, text in MEDIA.items():
        await made.put(f"{name}.m3u8", (text + END).encode())
    for key in (*OBJECTS, *ORNAMENTS):
        await made.put(key, key.encode())
    await made.put("old/v/0.m4s", b"of a generation that no manifest names")
    return made
