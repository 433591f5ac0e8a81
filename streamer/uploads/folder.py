"""Lay uploads out in a directory: `{id}` holds bytes, `{id}.json` the record. Blocking: for an executor."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from dataclasses import replace
from pathlib import Path

from streamer.uploads.disk import failure, sync_folder, write_record
from streamer.uploads.errors import NoSuchUpload, NotDurable
from streamer.uploads.upload import IDENTITY, Upload, from_json

log = logging.getLogger(__name__)


_FRESH_SECONDS = 3600


class Folder:
    """The directory of an inbox; where servers share it, `node` says whose uploads are meant."""

    def __init__(self, root: Path, *, node: str = "") -> None:
        """Take the directory, which `scan` makes."""
        self.root = root
        self._node = node

    def bytes_of(self, upload_id: str) -> Path:
        """Return the file of the bytes. Raise NoSuchUpload for what is no id."""
        if not IDENTITY.fullmatch(upload_id):
            raise NoSuchUpload("There is no such upload.")
        return self.root / upload_id

    def record_of(self, upload_id: str) -> Path:
        """Return the file of the record. Raise NoSuchUpload for what is no id."""
        return self.bytes_of(upload_id).with_suffix(".json")

    def scan(self) -> list[tuple[Upload, bool]]:
        """Return every upload, and whether its record on disk differs; sweep up what a crash left behind."""
        self.root.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in self.root.iterdir()}
        found: list[tuple[Upload, bool]] = []
        for name in sorted(names):
            orphan = IDENTITY.fullmatch(name) and f"{name}.json" not in names
            if orphan or name.endswith(".tmp"):
                self._sweep(self.root / name)
            elif name.endswith(".json"):
                found += [one for one in self._read(self.root / name) if one[0].node == self._node]
        return found

    def write(self, upload: Upload) -> None:
        """Write the record durably. Raise NoRoom, NotDurable."""
        write_record(self.record_of(upload.id), upload)

    def keep(self, upload: Upload) -> None:
        """Make it last that bytes which are on the disk are counted. Raise NoRoom, NotDurable."""
        self.write(upload)

    def look(self, upload_id: str) -> Upload | None:
        """Return the record of an upload that another server receives or has received, None without one."""
        path = self.record_of(upload_id)
        found = self._read(path) if path.exists() else []
        return found[0][0] if found else None

    def _sweep(self, path: Path) -> None:
        # What is fresh may be another server's, which is writing it at this moment.
        with contextlib.suppress(FileNotFoundError):
            if not self._node or path.stat().st_mtime < time.time() - _FRESH_SECONDS:
                path.unlink()

    def _read(self, path: Path) -> list[tuple[Upload, bool]]:
        try:
            upload = from_json(path.read_bytes())
        except (OSError, ValueError) as error:
            log.warning("the upload record %s cannot be read: %s", path.name, error)
            return []
        if upload.delivered or upload.abandoned:
            return [(upload, False)]
        held = self.bytes_of(upload.into or upload.id)
        size = held.stat().st_size if held.exists() else 0
        kept = max(0, min(upload.offset, size - upload.at))
        return [(replace(upload, offset=kept), kept != upload.offset)]

    def create(self, upload: Upload) -> None:
        """Make both files durably, of an end only the record. See `_create`."""
        if upload.into:
            self.write(upload)
        else:
            self._create(upload)

    def _create(self, upload: Upload) -> None:
        """Make both files durably. Raise NoRoom, NotDurable, and FileExistsError where the id is taken."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(self.bytes_of(upload.id), flags, 0o600))
        except FileExistsError:
            raise
        except OSError as error:
            raise failure(error, doing="creating the upload") from error
        try:
            self.write(upload)
        except BaseException:
            self.unlink(upload.id)
            raise

    def unlink(self, upload_id: str) -> None:
        """Remove both files; absence is no error. Raise NotDurable."""
        # The record first: bytes without one are nothing, a record without bytes would be an upload.
        self.record_of(upload_id).unlink(missing_ok=True)
        self.unlink_bytes(upload_id)

    def unlink_record(self, upload_id: str) -> None:
        """Remove the record of an upload that has no file of its own."""
        self.record_of(upload_id).unlink(missing_ok=True)

    def unlink_bytes(self, upload_id: str) -> None:
        """Remove the bytes; absence is no error. Raise NotDurable."""
        self.bytes_of(upload_id).unlink(missing_ok=True)
        try:
            sync_folder(self.root)
        except OSError as error:
            raise NotDurable(f"The disk failed at removing the upload: {error.strerror}.") from error

    def free(self) -> int:
        """Return the free bytes of the disk. Raise OSError."""
        space = os.statvfs(self.root)
        return space.f_bavail * space.f_frsize
