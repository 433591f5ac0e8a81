"""The catalog's tables. Times are milliseconds since the epoch, media times exact fractions as text."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

NAME = String(64)

asset = Table(
    "asset",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("title", Text, nullable=False),
    Column("folded", Text, nullable=False),  # the title case-folded, for searching
    Column("state", String(16), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("size", BigInteger),
    Column("received", BigInteger, nullable=False),
    Column("duration", Text),
    Column("seekable", Text),  # media time up to which a growing source is there
    Column("upload_id", NAME),
    Column("generation", NAME),
    Column("source", JSON(none_as_null=True)),
    Column("warnings", JSON, nullable=False),
    Column("failure", JSON(none_as_null=True)),
    Column("deleted_at", BigInteger),
    Column("maker", NAME),  # the server that makes it, for as long as its lease holds
    Column("maker_until", BigInteger, nullable=False, server_default="0"),
    Column("asked", NAME),  # what its maker is to do, asked of another server
    Column("term", BigInteger, nullable=False, server_default="0"),  # how often a broadcast changed hands
    Column("fill", String(16), nullable=False, server_default="full"),
    Column("policy", String(16), nullable=False, server_default="public"),
    Column("stream", NAME, ForeignKey("stream.id")),  # the stream that it is a broadcast of
    Index(None, "created", "id"),
    Index(None, "state"),
    Index(None, "stream"),
    Index(None, "upload_id"),
)

stream = Table(  # addresses of live streams; a deleted one stays for the sake of its recordings
    "stream",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("title", Text, nullable=False),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("deleted", BigInteger),
    Column("settings", JSON, nullable=False),
    # The broadcast that is on air, or the last one.
    Column("asset", NAME, ForeignKey("asset.id", ondelete="SET NULL", use_alter=True)),
    Index(None, "created", "id"),
)

generation = Table(
    "generation",
    metadata,
    Column("asset", NAME, ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True),
    Column("name", NAME, primary_key=True),
    Column("plan", JSON, nullable=False),
    Column("rungs", JSON, nullable=False),
    Column("poster", Text),
    Column("storyboard", Text),
    Column("created", BigInteger, nullable=False),
    Column("retired_at", BigInteger),
)

run = Table(
    "run",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("asset", NAME, nullable=False),
    Column("generation", NAME, nullable=False),
    Column("body", JSON, nullable=False),
    Column("first", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    Column("rungs", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("worker", NAME),
    Column("created", BigInteger, nullable=False),
    Column("started", BigInteger),
    Column("ended", BigInteger),
    Column("failure", Text),
    Column("error", JSON(none_as_null=True)),  # code, status and evidence of the failure, for the planner
    Column("lost", Integer, nullable=False, server_default="0"),  # times its worker went away with it
    ForeignKeyConstraint(
        ["asset", "generation"], ["generation.asset", "generation.name"], ondelete="CASCADE"
    ),
    Index(None, "asset", "generation", "state"),
    Index(None, "state", "urgency", "created"),
)

worker = Table(  # processes that execute Runs; one not seen for ten seconds has lost what it had
    "worker",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("slots", Integer, nullable=False),
    Column("urgent", Integer, nullable=False),  # slots beyond, for what a viewer waits for
    Column("encoder", Text, nullable=False),  # the build of its FFmpeg; it takes only Runs planned for it
    Column("version", Text, nullable=False),
    Column("state", String(16), nullable=False),  # working, draining, stopped
    Column("started", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
)

segment = Table(
    "segment",
    metadata,
    Column("asset", NAME, primary_key=True),
    Column("generation", NAME, primary_key=True),
    Column("rendition", NAME, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("watched", BigInteger, nullable=False, server_default="0"),  # last asked for, where that counts
    ForeignKeyConstraint(
        ["asset", "generation"], ["generation.asset", "generation.name"], ondelete="CASCADE"
    ),
    sqlite_with_rowid=False,
)

caption = Table(
    "caption",
    metadata,
    Column("asset", NAME, ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True),
    Column("language", NAME, primary_key=True),
    Column("label", Text, nullable=False),
    Column("key", Text, nullable=False),
)

placement = Table(  # what was mirrored into a bucket, or is to be, or was taken away from there
    "placement",
    metadata,
    Column("asset", NAME, ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True),
    Column("destination", NAME, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("all_of_it", Integer, nullable=False),  # 1 where what is only watched is to be made in full
    Column("objects", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("uploaded", Integer, nullable=False),
    Column("failure", JSON(none_as_null=True)),
    Column("node", NAME, nullable=False),  # the server that does it
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Index(None, "state"),
)

marker = Table(  # `number` is the offset of the event that told of it; it names the marker in segments
    "marker",
    metadata,
    Column("asset", NAME, ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True),
    Column("id", NAME, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("kind", NAME, nullable=False),
    Column("moment", Text, nullable=False),  # seconds since the epoch, as playlists date the picture
    Column("media_time", Text, nullable=False),  # seconds from the first picture
    Column("duration", Text),
    Column("data", JSON(none_as_null=True)),
    Column("scte35", Text),  # hexadecimal
    Column("splice", String(8), nullable=False),
    Column("inband", Boolean, nullable=False),  # the segments tell of it
    Column("created", BigInteger, nullable=False),
)

channel = Table(
    "channel",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("epoch", NAME, nullable=False),
    Column("last", BigInteger, nullable=False),  # offset of the newest event, 0 where there is none
)

event = Table(
    "event",
    metadata,
    Column("channel", String(128), ForeignKey("channel.name", ondelete="CASCADE"), primary_key=True),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("type", NAME, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("media_time", Text),
    Column("data", JSON, nullable=False),
)

webhook = Table(
    "webhook",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("url", Text, nullable=False),
    Column("events", JSON, nullable=False),  # patterns of types
    Column("channel", String(128)),  # pattern of channels, null where any will do
    Column("secret", Text, nullable=False),  # as it is: what it signs, the receiver checks with the same
    Column("former", Text),  # the secret before it, which signs too up to a time
    Column("former_until", BigInteger, nullable=False, server_default="0"),
    Column("enabled", Boolean, nullable=False),
    Column("gone", Boolean, nullable=False),  # the receiver wished to be asked no more
    Column("node", NAME),  # the server that delivers, for as long as its lease holds
    Column("until", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
)

delivery = Table(  # what is to be posted, with its body: the log may have forgotten the event by then
    "delivery",
    metadata,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("webhook", NAME, ForeignKey("webhook.id", ondelete="CASCADE"), nullable=False),
    Column("channel", String(128), nullable=False),
    Column("epoch", NAME, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("type", NAME, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failing", BigInteger),  # since when it has failed, null where it was not tried yet
    Column("due", BigInteger, nullable=False),  # when it is tried, if nothing is before it
    Column("failure", Text),  # why it failed the last time
    Column("created", BigInteger, nullable=False),
    Index(None, "webhook", "state", "channel", "sequence"),
    Index(None, "webhook", "epoch", "offset"),
)

token = Table(
    "token",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("revoked", BigInteger),
    Column("expires", BigInteger),
    Column("parent", NAME, ForeignKey("token.id", ondelete="CASCADE")),  # a session's token
)

playback_key = Table(  # what playback tokens are verified with
    "playback_key",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("name", Text, nullable=False),
    Column("algorithm", String(16), nullable=False),
    Column("public", Text, nullable=False),  # PEM
    Column("private", Text),  # PEM, where the server itself signs with it; null for keys of applications
    Column("created", BigInteger, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", JSON, nullable=False),
    Column("created", BigInteger, nullable=False),
)

want = Table(  # missing segments that viewers of other servers wait for, each with a lease
    "want",
    metadata,
    Column("asset", NAME, ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True),
    Column("generation", NAME, primary_key=True),
    Column("rendition", NAME, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("node", NAME, primary_key=True),
    Column("until", BigInteger, nullable=False),
)

writer = Table(  # the mark of each server's last commit, by which it tells whether that was done
    "writer",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("mark", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),  # seconds since the epoch
)

node = Table(  # servers that share the database: where others reach them, and until when they are there
    "node",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("url", Text),
    Column("until", BigInteger, nullable=False),
)
