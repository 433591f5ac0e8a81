"""Uploads of several servers in one directory."""

from __future__ import annotations

import os
import time

import pytest

from streamer.uploads.directory import DiskInbox
from streamer.uploads.errors import NoSuchUpload, UploadElsewhere
from streamer.uploads.upload import Upload


async def _chunks(*chunks):
    for chunk in chunks:
        yield chunk


async def test_an_upload_stays_with_its_node_until_it_is_handed_over(tmp_path):
    a, b = DiskInbox(tmp_path, node="a"), DiskInbox(tmp_path, node="b")
    assert await b.all() == ()
    upload = await a.create(Upload(id="0" * 32, length=3, created=0, expires=1))
    with pytest.raises(UploadElsewhere):
        await b.claim(upload.id)
    with pytest.raises(UploadElsewhere):
        await b.remove(upload.id)
    await a.append(upload, 0, _chunks(b"abc"), limit=3)

    async def give(_upload, _path):
        pass

    await a.hand_over(upload.id, give)
    assert await DiskInbox(tmp_path, node="b").all() == ()
    original = await b.original(upload.id)
    assert (original.whole, await original.read(0, 3)) == (True, b"abc")
    assert [one.id for one in await DiskInbox(tmp_path, node="a").all()] == [upload.id]
    await b.remove(upload.id)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NoSuchUpload):
        await DiskInbox(tmp_path, node="b").state(upload.id)


async def test_what_another_node_is_just_making_is_not_swept(tmp_path):
    fresh, old = tmp_path / ("1" * 32), tmp_path / ("2" * 32)
    for path in (fresh, old):
        path.write_bytes(b"")
    os.utime(old, (time.time() - 7200,) * 2)
    assert await DiskInbox(tmp_path, node="a").all() == ()
    assert list(tmp_path.iterdir()) == [fresh]
