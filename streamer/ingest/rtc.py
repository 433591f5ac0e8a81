"""One WebRTC peer that only sends: whole frames behind the jitter buffer, never decoded here.

aiortc has no public way to them: its decoder's thread is replaced by one that hands frames through, and what
a receiver takes is looked at on its way in. These private names are pinned with its version, and tested.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from fractions import Fraction
from itertools import groupby, takewhile
from typing import Any, TypeAlias

from aiortc import (
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
    rtcrtpreceiver,
)
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtp import RtcpSrPacket, RtpPacket
from aiortc.sdp import candidate_from_sdp

from packager import avc
from packager.errors import BadBoxes
from streamer.ingest import matroska
from streamer.ingest.errors import BadOffer, Silent, TooMuch
from streamer.ingest.ice import IceServer
from streamer.ingest.lipsync import Lipsync
from streamer.ingest.matroska import Picture

_FRAMES_MAX = 512
_LINGER_SECONDS = 0.25
"""How long what a peer sent before it left may be on its way."""

_ASK_SECONDS = 1.0
"""How long after one request for a keyframe the next is made."""

# H.264 where it is offered: it need not be encoded again. Retransmissions come in a codec of their own.
_WANTED = {"video": ("video/h264", "video/vp8", "video/rtx"), "audio": ("audio/opus",)}
_SEQUENCE, _IDR = 7, 5


def _hand_through(
    loop: asyncio.AbstractEventLoop,
    frames: queue.Queue[Any],
    track: asyncio.Queue[Any],
    _decode_error: threading.Event,
) -> None:
    """Stand in for aiortc's decoder: give a track what its receiver has put together."""
    while (task := frames.get()) is not None:
        loop.call_soon_threadsafe(track.put_nowait, task)
    loop.call_soon_threadsafe(track.put_nowait, None)


rtcrtpreceiver.decoder_worker = _hand_through  # type: ignore[assignment]


_Came: TypeAlias = tuple[bool, str, Any]
"""Whether it is a picture, its codec, and the frame."""


class _Raw:
    """Stands in for aiortc's mapper of times: reports and frames are to be compared as they were sent."""

    def map(self, timestamp: int) -> int:
        """Return an RTP time as it is."""
        return timestamp


class Peer:
    """A publisher over WebRTC. Answer its offer, read its `pieces`, and close it.

    Of the `ice` servers the first one of each kind is asked for an address.
    """

    def __init__(
        self,
        *,
        ice: Sequence[IceServer] = (),
        connect_seconds: float = 15,
        idle_seconds: float = 10,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Take how long nothing may come, first and later, and a clock in nanoseconds."""
        known = [
            RTCIceServer(urls=one.uri, username=one.username or None, credential=one.credential or None)
            for one in ice
        ]
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=known))
        self._patience = connect_seconds
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._lipsync = Lipsync()
        self._frames: asyncio.Queue[_Came | None] = asyncio.Queue(_FRAMES_MAX)
        self._receivers: list[tuple[RTCRtpReceiver, bool]] = []
        self._reading: list[asyncio.Task[None]] = []
        self._video: RTCRtpReceiver | None = None
        self._sound = False
        self._asked = 0
        self._last: float | None = None  # when the pieces end, by the loop's clock
        self._overrun = False
        self._connection.on("connectionstatechange", self._changed)

    async def answer(self, offer: str) -> str:
        """Return the SDP that answers an offer, with all candidates. Raise BadOffer."""
        try:
            for kind, codecs in _WANTED.items():
                if f"m={kind} " in offer:
                    self._prepare(kind, codecs)
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        # What it raises on a bad offer is not specified: it parses by splitting and indexing.
        except (ValueError, KeyError, IndexError, AssertionError, AttributeError, TypeError) as error:
            raise BadOffer("The offer cannot be understood.") from error
        except (InvalidAccessError, InvalidStateError, OperationError) as error:
            raise BadOffer("The offer does not fit.") from error
        for transceiver in self._connection.getTransceivers():
            self._receive(transceiver.receiver)
        if self._video is None:
            raise BadOffer("The offer has no video.")
        return self._connection.localDescription.sdp

    async def add(self, candidate: str, mid: str) -> None:
        """Take a candidate that comes after the offer, as its line of SDP without `a=`. Raise BadOffer."""
        try:
            found = candidate_from_sdp(candidate.removeprefix("candidate:"))
            found.sdpMid = mid
            await self._connection.addIceCandidate(found)
        except (ValueError, IndexError, AssertionError) as error:
            raise BadOffer("A candidate cannot be understood.") from error

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield Matroska of what is sent, from a keyframe on, until the peer leaves. Raise IngestError."""
        begun, last = False, 0
        async for video, codec, frame in self._sent():
            if video:
                key = _is_key(codec, frame.data)
                if not begun:
                    picture = _picture(codec, frame.data) if key else None
                    if picture is None:
                        await self._ask()
                        continue
                    begun = True
                    yield matroska.head(picture, sound=self._sound)
                yield matroska.frame(
                    matroska.VIDEO, self._lipsync.picture(frame.timestamp), frame.data, key=key
                )
            elif begun and (at := self._lipsync.sound(frame.timestamp)) is not None:
                last = max(last, at)
                yield matroska.frame(matroska.AUDIO, last, frame.data, key=True)

    def leave(self) -> None:
        """Take it that no more is sent: the pieces end behind what may be on its way."""
        if self._last is None:
            self._last = asyncio.get_running_loop().time() + _LINGER_SECONDS
        with contextlib.suppress(asyncio.QueueFull):
            self._frames.put_nowait(None)

    async def close(self) -> None:
        """End the connection."""
        await self._connection.close()
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)

    def _prepare(self, kind: str, codecs: tuple[str, ...]) -> None:
        """Take a track of a kind, in the first of these codecs that is offered."""
        found = RTCRtpReceiver.getCapabilities(kind)
        known = found.codecs if found is not None else []
        wanted = [one for name in codecs for one in known if one.mimeType.lower() == name]
        self._connection.addTransceiver(kind, direction="recvonly").setCodecPreferences(wanted)

    def _receive(self, receiver: RTCRtpReceiver) -> None:
        """Read a track, and look at the times of what comes for it."""
        track: MediaStreamTrack | None = receiver.track
        if track is None:
            return
        video = track.kind == "video"
        if (video and self._video is not None) or (not video and self._sound):
            return  # one of each
        if video:
            self._video = receiver
        else:
            self._sound = True
        self._receivers.append((receiver, video))
        inner: Any = receiver
        inner._RTCRtpReceiver__timestamp_mapper = _Raw()  # noqa: SLF001
        inner._handle_rtp_packet = self._timed(inner._handle_rtp_packet, video=video)  # noqa: SLF001
        inner._handle_rtcp_packet = self._reported(inner._handle_rtcp_packet, video=video)  # noqa: SLF001
        self._reading.append(asyncio.create_task(self._read(track, video=video), name=f"rtc {track.kind}"))

    def _timed(
        self, handle: Callable[[RtpPacket, int], Awaitable[None]], *, video: bool
    ) -> Callable[..., Awaitable[None]]:
        async def timed(packet: RtpPacket, arrival_time_ms: int) -> None:
            if packet.payload:
                at = Fraction(self._clock(), 1_000_000_000)
                self._lipsync.arrive(video=video, rtp=packet.timestamp, at=at)
            await handle(packet, arrival_time_ms)

        return timed

    def _reported(
        self, handle: Callable[[Any], Awaitable[None]], *, video: bool
    ) -> Callable[[Any], Awaitable[None]]:
        async def reported(packet: Any) -> None:
            if isinstance(packet, RtcpSrPacket):
                said = packet.sender_info
                self._lipsync.report(video=video, ntp=said.ntp_timestamp, rtp=said.rtp_timestamp)
            await handle(packet)

        return reported

    async def _read(self, track: MediaStreamTrack, *, video: bool) -> None:
        try:
            while True:
                codec, frame = await track.recv()  # type: ignore[misc]
                self._frames.put_nowait((video, codec.name, frame))
        except MediaStreamError:
            if video:
                self.leave()
        except asyncio.QueueFull:
            self._overrun = True
            self.leave()

    async def _sent(self) -> AsyncIterator[_Came]:
        """Yield frames as they come, and behind the last one those that wait for what comes after them."""
        while (came := await self._next()) is not None:
            yield came
        for receiver, video in self._receivers:
            for codec, frame in _rest(receiver, video=video):
                yield video, codec, frame

    async def _next(self) -> _Came | None:
        """Return the next frame; None where the peer has left, and what it sent before has come."""
        while not self._overrun:
            try:
                async with asyncio.timeout_at(self._until()):
                    came = await self._frames.get()
            except TimeoutError as error:
                if self._last is not None:
                    return None
                raise Silent(f"Nothing was received for {self._patience:g} seconds.") from error
            if came is not None:
                self._patience = self._idle_seconds
                return came
        raise TooMuch("The server does not keep up with what is sent.")

    def _until(self) -> float:
        """Return when it is waited for the next frame no longer, by the loop's clock."""
        return asyncio.get_running_loop().time() + self._patience if self._last is None else self._last

    async def _ask(self) -> None:
        """Ask for a keyframe, now and then."""
        now = self._clock()
        if self._video is not None and (not self._asked or now - self._asked >= _ASK_SECONDS * 1_000_000_000):
            self._asked = now
            for source in self._video.getSynchronizationSources():
                await self._video._send_rtcp_pli(source.source)  # noqa: SLF001

    def _changed(self) -> None:
        if self._connection.connectionState in {"failed", "closed"}:
            self.leave()


def _rest(receiver: Any, *, video: bool) -> Iterator[tuple[str, JitterFrame]]:
    """Yield what is whole in the jitter buffer, with its codec, once nothing more comes.

    A frame is given out when the next one begins, and sound four frames late. Of pictures only a marker says
    that the last packet is there (RFC 6184 §5.1, RFC 7741 §4.1); a frame of Opus is one packet.
    """
    buffer, codecs = receiver._RTCRtpReceiver__jitter_buffer, receiver._RTCRtpReceiver__codecs  # noqa: SLF001
    places = () if buffer._origin is None else range(buffer._origin, buffer._origin + buffer.capacity)  # noqa: SLF001
    kept = (buffer._packets[place % buffer.capacity] for place in places)  # noqa: SLF001
    for timestamp, group in groupby(takewhile(bool, kept), key=lambda packet: packet.timestamp):
        packets = list(group)
        data = b"".join(packet._data for packet in packets)  # noqa: SLF001
        if data and (packets[-1].marker or not video):
            yield codecs[packets[0].payload_type].name, JitterFrame(data=data, timestamp=timestamp)


def _units(data: bytes) -> list[bytes]:
    """Return the NAL units of an access unit with start codes of four bytes, as aiortc joins them."""
    return [unit for unit in data.split(b"\0\0\0\1") if unit]


def _is_key(codec: str, data: bytes) -> bool:
    if codec == "VP8":
        return bool(data) and not data[0] & 1  # RFC 6386, §9.1
    return any(unit[0] & 31 == _IDR for unit in _units(data))


def _picture(codec: str, data: bytes) -> Picture | None:
    """Return what a keyframe shows; None where it does not say."""
    if codec == "VP8":
        if len(data) < 10:
            return None
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        return Picture(codec=matroska.VP8, width=width, height=height)
    for unit in _units(data):
        if unit[0] & 31 == _SEQUENCE:
            try:
                found = avc.sequence(unit)
            except BadBoxes:
                return None
            return Picture(codec=matroska.H264, width=found.width, height=found.height)
    return None
