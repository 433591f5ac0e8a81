"""Lay uploads out in a store that servers share; their bytes lie on this machine too. For an executor.

Under `{id}/` are the `record`, the bytes as `pieces/`, and `terms/`: one object for each time that a server
has taken the upload. `open/{id}` marks those that are not handed over. How far an upload has come follows
from its pieces. It is acknowledged once they are there and their writer has seen that no other server has
taken the upload: so neither an old record nor a writer that comes too late can lose a byte or add one.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from packager.errors import KeyMissing, PackagingError, StoreAway, StoreFull
from packager.folder import content_etag
from packager.store import Store
from streamer.uploads.disk import read_span
from streamer.uploads.errors import NoRoom, NoSuchUpload, NotDurable, StorageAway, Superseded
from streamer.uploads.folder import Folder
from streamer.uploads.pieces import PIECE_BYTES, Piece, end_of, laid, piece_of
from streamer.uploads.sources import AT_ONCE, piece_key, record_key
from streamer.uploads.spool import Spool
from streamer.uploads.upload import IDENTITY, Upload, from_json

_OPEN = "open/"
_T = TypeVar("_T")


@dataclass(slots=True, kw_only=True)
class _Hand:
    """An upload in this server's hand: the term, where that began, how far bytes are kept.

    `small` pieces are to go once a larger one holds their bytes.
    """

    term: int
    base: int
    end: int
    small: list[Piece] = field(default_factory=list)


class BucketFolder(Folder):
    """A Folder whose records and bytes last in a store. Make it in the loop that the store is used from."""

    def __init__(self, spool: Spool, store: Store, *, node: str, piece_bytes: int = PIECE_BYTES) -> None:
        """Take where the bytes are on this machine, and where they last; `node` is this server's name."""
        super().__init__(spool.root, node=node)
        self._name = node
        self._spool = spool
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._piece_bytes = piece_bytes
        self._hands: dict[str, _Hand] = {}
        self._expiries: dict[str, int] = {}

    def scan(self) -> list[tuple[Upload, bool]]:
        """Take every upload that this server was receiving, and empty the spool."""
        self._spool.open()
        found: list[tuple[Upload, bool]] = []
        for key in self._ask(self._store.list(_OPEN)):
            upload = self.look(key.removeprefix(_OPEN))
            if upload is not None and upload.node == self._name and not upload.into:
                found += [(one, False) for one in self.take(upload.id)]
        return found

    def look(self, upload_id: str) -> Upload | None:
        """Return the record of an upload, None without one."""
        if not IDENTITY.fullmatch(upload_id):
            return None
        try:
            return from_json(self._ask(self._store.get(record_key(upload_id))))
        except KeyMissing:
            return None

    def lapsed(self, now: int) -> list[Upload]:
        """Return the uploads of other servers that have expired: those may be gone for good."""
        there = [key.removeprefix(_OPEN) for key in self._ask(self._store.list(_OPEN))]
        self._expiries = {name: self._expiries.get(name, 0) for name in there if name not in self._hands}
        found = []
        for name in [name for name, expires in self._expiries.items() if expires <= now]:
            upload = self.look(name)
            if upload is not None and upload.node != self._name and not upload.into:
                self._expiries[name] = upload.expires  # which others may only put off
                found += [upload] if upload.expires <= now and not upload.abandoned else []
        return found

    def holds(self, upload_id: str) -> bool:
        """Say whether an upload is in this server's hand."""
        hand = self._hands.get(upload_id)
        return hand is not None and self._term(upload_id) == hand.term

    def take(self, upload_id: str) -> list[Upload]:
        """Take an upload, and its end where it has one, whoever has it. Raise NoSuchUpload."""
        upload = self.look(upload_id)
        if upload is None:
            raise NoSuchUpload("There is no such upload.")
        tail = self.look(upload.tail) if upload.tail else None
        return [self._take(one) for one in (upload, tail) if one is not None]

    def _take(self, upload: Upload) -> Upload:
        if upload.delivered or upload.abandoned:
            return upload
        term = self._term(upload.id)
        while not self._begin_term(upload.id, term := term + 1):
            pass
        end = end_of(laid(self._pieces(upload.id)))
        self._hands[upload.id] = _Hand(term=term, base=end, end=end)
        taken = replace(upload, offset=end, node=self._name, generation=upload.generation + 1)
        self.write(taken)
        return taken

    def _begin_term(self, upload_id: str, term: int) -> bool:
        mark = f"{self._name} {secrets.token_hex(8)}".encode()
        there = self._ask(self._store.put(_term_key(upload_id, f"{term:06d}"), mark))
        return there.etag == content_etag(mark)

    def _term(self, upload_id: str) -> int:
        marks = self._ask(self._store.list(_term_key(upload_id)))
        return max((int(mark.rpartition("/")[2]) for mark in marks), default=0)

    def _pieces(self, upload_id: str) -> list[Piece]:
        names = self._ask(self._store.list(piece_key(upload_id)))
        return [piece for name in names if (piece := piece_of(name.rpartition("/")[2])) is not None]

    def create(self, upload: Upload) -> None:
        """Make record and file, of an end only the record."""
        self._begin_term(upload.id, 1)
        self._hands[upload.id] = _Hand(term=1, base=0, end=0)
        self.write(upload)
        self._ask(self._store.put(f"{_OPEN}{upload.id}", b""))
        if not upload.into:
            self.root.mkdir(parents=True, exist_ok=True)
            self.bytes_of(upload.id).touch(mode=0o600)

    def write(self, upload: Upload) -> None:
        """Write the record durably. Raise NoRoom, NotDurable."""
        self._ask(self._store.replace(record_key(upload.id), upload.to_json()))
        if upload.delivered:
            self._ask(self._store.delete(f"{_OPEN}{upload.id}"))
            self._hands.pop(upload.id, None)

    def keep(self, upload: Upload) -> None:
        """Bring what is counted into the store. Raise Superseded where another server has the upload."""
        hand = self._hands.get(upload.id)
        if hand is None:
            raise Superseded("Another server goes on with this upload.")
        pieces = list(_cut(hand, upload.offset, self._piece_bytes))
        for first in range(0, len(pieces), AT_ONCE):
            self._ask(self._put(upload, pieces[first : first + AT_ONCE]))
        if not self.holds(upload.id):
            raise Superseded("Another server goes on with this upload.")
        hand.end = upload.offset
        self._tidy(upload.id, hand, pieces)

    async def _put(self, upload: Upload, pieces: list[Piece]) -> None:
        await asyncio.gather(*(self._put_piece(upload, piece) for piece in pieces))

    async def _put_piece(self, upload: Upload, piece: Piece) -> None:
        path = self.bytes_of(upload.into or upload.id)
        body = await asyncio.to_thread(read_span, path, upload.at + piece.start, upload.at + piece.stop)
        if len(body) != piece.stop - piece.start:
            raise NotDurable("The upload's file is shorter than what was received.")
        key = piece_key(upload.id, piece.name)
        if (await self._store.put(key, body)).etag != content_etag(body):  # of a request that was not counted
            await self._store.replace(key, body)

    def _tidy(self, upload_id: str, hand: _Hand, pieces: list[Piece]) -> None:
        """Remove pieces that a larger one holds by now; what is left over does no harm."""
        large = [one for one in pieces if one.stop % self._piece_bytes == 0]
        with contextlib.suppress(NotDurable):
            for small in [one for one in hand.small if any(_within(one, other) for other in large)]:
                self._ask(self._store.delete(piece_key(upload_id, small.name)))
                hand.small.remove(small)
        hand.small += [one for one in pieces if one not in large]

    def unlink(self, upload_id: str) -> None:
        """Remove record and bytes; absence is no error. Raise NotDurable."""
        self.unlink_record(upload_id)
        self.bytes_of(upload_id).unlink(missing_ok=True)
        self._spool.drop(upload_id)

    def unlink_record(self, upload_id: str) -> None:
        """Remove all that the store has of an upload."""
        self._ask(self._store.delete(f"{upload_id}/"))
        self._ask(self._store.delete(f"{_OPEN}{upload_id}"))
        self._hands.pop(upload_id, None)

    def unlink_bytes(self, upload_id: str) -> None:
        """Remove the bytes; absence is no error. Raise NotDurable."""
        self._ask(self._store.delete(piece_key(upload_id)))
        self.bytes_of(upload_id).unlink(missing_ok=True)
        self._spool.drop(upload_id)

    def _ask(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Return what the store says, waiting for it in this thread."""
        with _causes():
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _cut(hand: _Hand, stop: int, size: int) -> Iterator[Piece]:
    """Yield the pieces that hold what is new up to `stop`; one that becomes whole holds all of its bytes."""
    at = hand.end
    while at < stop:
        block = at - at % size
        end = min(block + size, stop)
        start = max(block, hand.base) if end == block + size else at
        yield Piece(term=hand.term, start=start, stop=end)
        at = end


def _within(small: Piece, large: Piece) -> bool:
    return small != large and large.start <= small.start and small.stop <= large.stop


def _term_key(upload_id: str, term: str = "") -> str:
    return f"{upload_id}/terms/{term}"


@contextlib.contextmanager
def _causes() -> Iterator[None]:
    """Turn what the store says into the errors of uploads."""
    try:
        yield
    except KeyMissing:
        raise
    except StoreFull as error:
        raise NoRoom("The storage is full. Everything acknowledged is kept.") from error
    except StoreAway as error:
        raise StorageAway("The storage cannot be reached. Everything acknowledged is kept.") from error
    except PackagingError as error:
        raise NotDurable(f"The storage failed: {error.message} Everything acknowledged is kept.") from error
