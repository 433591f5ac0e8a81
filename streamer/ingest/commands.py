"""RTMP's commands (RTMP 1.0, §7.2): read what a client asks, write what it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamer.ingest import amf, chunks, enhanced
from streamer.ingest.chunks import Message
from streamer.ingest.errors import BadAmf, BadPriority, KeyUnknown, NoSuchApp

STREAM = 1
"""The id of the one message stream that a connection may create."""

_ON_CONNECTION, _ON_STREAM = 3, 5
_CONTROL = 2
_STREAM_BEGIN, _PING_REQUEST, _PING_RESPONSE = 0, 6, 7
_DYNAMIC_LIMIT = 2
_PRIORITIES = frozenset("0123456789")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command. `number` is what its answer must carry; `values` is all that follows, object included."""

    name: str
    number: float
    values: list[amf.Value]

    def text(self, place: int) -> str:
        """Return the value at a place; "" where there is no text."""
        value = self.values[place] if place < len(self.values) else None
        return value if isinstance(value, str) else ""

    @property
    def object(self) -> dict[str, amf.Value]:
        """The command object, empty where there is none."""
        value = self.values[0] if self.values else None
        return value if isinstance(value, dict) else {}


def read(message: Message) -> Command | None:
    """Read a command; None where the message is of another type. Raise BadAmf."""
    if message.type not in {chunks.COMMAND, chunks.COMMAND_AMF3}:
        return None
    # A command of type 17 is AMF0 behind one byte, and only its values may be AMF3.
    body = message.body.removeprefix(b"\0") if message.type == chunks.COMMAND_AMF3 else message.body
    values = amf.decode(body)
    name, number = values[0] if values else None, values[1] if len(values) > 1 else 0.0
    if not isinstance(name, str) or not isinstance(number, int | float):
        raise BadAmf("a command has no name or no number")
    return Command(name=name, number=float(number), values=values[2:])


def greeting(*, window: int) -> bytes:
    """Write what goes before the answer to `connect`: our limits, and the size of our chunks from then on."""
    size = window.to_bytes(4, "big")
    return (
        _control(chunks.WINDOW_SIZE, size)
        + _control(chunks.PEER_BANDWIDTH, size + bytes([_DYNAMIC_LIMIT]))
        + _control(chunks.SET_CHUNK_SIZE, chunks.OWN_CHUNK_SIZE.to_bytes(4, "big"))
    )


def welcome(command: Command) -> bytes:
    """Write the answer to a `connect` that is accepted: what we can."""
    information: dict[str, amf.Writable] = {
        "level": "status",
        "code": "NetConnection.Connect.Success",
        "description": "Connected.",
        "objectEncoding": 0,
    }
    if "fourCcList" in command.object:
        information["fourCcList"] = enhanced.FOURCCS
    return result(command, {"fmsVer": "FMS/3,0,1,123", "capabilities": 31}, information)


def result(command: Command, *values: amf.Writable) -> bytes:
    """Write the answer to a command that worked."""
    return _command(_ON_CONNECTION, "_result", command.number, *values)


def no_such_app(command: Command, reason: str) -> bytes:
    """Write the answer to a `connect` that is refused."""
    information = {"level": "error", "code": "NetConnection.Connect.InvalidApp", "description": reason}
    return _command(_ON_CONNECTION, "_error", command.number, None, information)


def prepared() -> bytes:
    """Write what `FCPublish` is answered besides, as Flash Media Server does."""
    information = {"code": "NetStream.Publish.Start", "description": "Publish now."}
    return _command(_ON_CONNECTION, "onFCPublish", 0, None, information)


def status(code: str, description: str, *, level: Literal["status", "error"]) -> bytes:
    """Write the status of the stream."""
    information = {"level": level, "code": code, "description": description}
    return _command(_ON_STREAM, "onStatus", 0, None, information, stream=STREAM)


def started() -> bytes:
    """Write that the client may send."""
    begin = _control(chunks.USER_CONTROL, _STREAM_BEGIN.to_bytes(2, "big") + STREAM.to_bytes(4, "big"))
    return begin + status("NetStream.Publish.Start", "Publishing.", level="status")


def acknowledgement(received: int) -> bytes:
    """Write how many bytes have come, modulo 32 bits (§5.4.3)."""
    return _control(chunks.ACKNOWLEDGEMENT, (received & 0xFFFFFFFF).to_bytes(4, "big"))


def pong(message: Message) -> bytes:
    """Write the answer to a ping; nothing where a control message is none (§7.1.7)."""
    event, rest = message.body[:2], message.body[2:6]
    if event != _PING_REQUEST.to_bytes(2, "big") or len(rest) < 4:
        return b""
    return _control(chunks.USER_CONTROL, _PING_RESPONSE.to_bytes(2, "big") + rest)


def in_app(connected: str, app: str) -> str:
    """Return what follows the application in `connect`'s app, without a query. Raise NoSuchApp."""
    first, _, rest = _bare(connected).partition("/")
    if first != app:
        raise NoSuchApp(f"There is no such application here; publish to /{app}/ and your stream key.")
    return rest.strip("/")


def key_of(rest: str, name: str) -> str:
    """Return the stream key from what followed the application and the stream's name. Raise KeyUnknown.

    Encoders differ in which of the two has it, some add a query or a slash.
    """
    parts = [part for part in (rest, _bare(name)) if part]
    if len(parts) != 1 or "/" in parts[0]:
        raise KeyUnknown("The address must end in one stream key.")
    return parts[0]


def priority_of(connected: str, name: str) -> int:
    """Return the `priority` in a query of the stream's name, else of `connect`'s app; 0 where none has it.

    Raise BadPriority.
    """
    for text in (name, connected):
        # Whatever else encoders add to a query is theirs.
        for field in text.partition("?")[2].split("&"):
            key, _, value = field.partition("=")
            if key != "priority":
                continue
            if value not in _PRIORITIES:
                raise BadPriority("The priority is one digit, 0 to 9.")
            return int(value)
    return 0


def _bare(text: str) -> str:
    return text.partition("?")[0].strip("/")


def _command(chunk_stream: int, name: str, number: float, *values: amf.Writable, stream: int = 0) -> bytes:
    body = amf.encode(name, number, *values)
    return chunks.write(Message(type=chunks.COMMAND, body=body, stream=stream), chunk_stream=chunk_stream)


def _control(kind: int, body: bytes) -> bytes:
    return chunks.write(Message(type=kind, body=body), chunk_stream=_CONTROL)
