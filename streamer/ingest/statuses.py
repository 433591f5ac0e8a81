"""What a publisher is told when its connection ends, by the cause. Encoders show the description."""

from __future__ import annotations

from streamer.errors import ServerError
from streamer.ingest import commands
from streamer.ingest.door import Ending
from streamer.ingest.errors import CodecRefused, IngestError, KeyBusy, NotForPlaying, Refused, Silent

_FAILED = "NetStream.Failed"
_ERRORS: tuple[tuple[type[IngestError], str], ...] = (
    (KeyBusy, "NetStream.Publish.BadName"),
    (Refused, "NetStream.Publish.Unauthorized"),
    (CodecRefused, "NetStream.Publish.Rejected"),
    (Silent, "NetStream.Publish.Idle"),
    (NotForPlaying, "NetStream.Play.Failed"),
)
_ENDINGS = {
    Ending.TAKEN_OVER: ("NetStream.Publish.BadName", "Another encoder has taken over this stream."),
    Ending.ENDED: ("NetStream.Unpublish.Success", "The broadcast has ended."),
    Ending.FAILED: (_FAILED, "The server cannot go on with this stream."),
    Ending.STOPPING: ("NetConnection.Connect.AppShutdown", "The server stops; come back in a moment."),
}


def unpublished() -> bytes:
    """Write what answers a publisher that stops by itself."""
    return commands.status("NetStream.Unpublish.Success", "Unpublished.", level="status")


def ended(ending: Ending) -> bytes:
    """Write why the server ends the connection. It is an error, so that encoders stop sending."""
    code, description = _ENDINGS[ending]
    return commands.status(code, description, level="error")


def failed(error: ServerError) -> bytes:
    """Write why the connection failed; nothing where the peer would not understand it."""
    code = next((code for kind, code in _ERRORS if isinstance(error, kind)), "")
    if not code and isinstance(error, IngestError):
        return b""
    return commands.status(code or _FAILED, error.message, level="error")
