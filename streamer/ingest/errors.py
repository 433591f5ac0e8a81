"""Every way a publisher is refused or its connection fails: one class per cause, no protocol in it.

No message contains a stream key or bytes that a peer chose: they are logged.
"""

from __future__ import annotations

from streamer.errors import ServerError


class IngestError(ServerError):
    """Base of what receiving raises on purpose. The message is fit for the person at the encoder."""


class NotRtmp(IngestError):
    """The first bytes of a connection are not RTMP's handshake."""


class BadChunks(IngestError):
    """Bytes are not the chunks of RTMP that they should be."""


class TooLarge(IngestError):
    """A message, or what is unfinished of several, is larger than allowed."""


class BadAmf(IngestError):
    """Bytes are not the AMF0 values that they should be, or nest too deep, or are too many."""


class BadTag(IngestError):
    """Sound or a picture is shorter than its own head."""


class BadFlv(IngestError):
    """Bytes are not the FLV that they should be."""


class BadMedia(IngestError):
    """What is sent cannot be read as the container that it should be, or has nothing to show."""


class TooMuch(IngestError):
    """The publisher sends faster than anything live would."""


class BadHello(IngestError):
    """A client does not begin with the message that it should."""


class BadOffer(IngestError):
    """A description or a candidate of a session cannot be understood, or does not fit."""


class WebrtcMissing(IngestError):
    """What speaks WebRTC is not installed."""


class NoSuchSession(IngestError):
    """No publisher has this session, or it is over."""


class CodecRefused(IngestError):
    """The publisher sends something other than H.264 and AAC."""


class NoSuchApp(IngestError):
    """The address names an application that is not this server's."""


class NotForPlaying(IngestError):
    """The client wants to watch over a protocol that only receives."""


class TooSlow(IngestError):
    """The client did not come to publishing in time."""


class Silent(IngestError):
    """The publisher has sent nothing for too long, or takes no answers."""


class Gone(IngestError):
    """The peer closed the connection without saying goodbye."""


class Refused(IngestError):
    """Base of what a door answers to a publisher that may not come in."""


class KeyUnknown(Refused):
    """The stream key is missing, unknown or no longer valid."""


class BadPriority(Refused):
    """The publisher names a priority that is none."""


class NotAdmitted(Refused):
    """The owner's hook does not admit the publisher; the message is the hook's own."""


class Undecided(Refused):
    """The owner's hook has not decided about the publisher."""


class KeyBusy(Refused):
    """Somebody else publishes with this key, and is not to be replaced."""


class Crowded(Refused):
    """There are as many publishers as may be, altogether or from one address."""
