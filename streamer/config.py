"""What an operator may set: defaults, then a TOML file, then STREAMER_*, then flags."""

from __future__ import annotations

import difflib
import os
import re
import socket
import tomllib
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from cdn.grants import Network
from streamer.destinations import NAME, Bucket, Destination
from streamer.errors import ConfigError
from streamer.ingest.ice import IceServer, servers
from streamer.outbound import allowance
from streamer.retention import Retention

PREFIX = "STREAMER_"
PART_LEAST, PART_MOST = Fraction(1, 10), Fraction(2)
"""Bounds of a live part in seconds: shorter ones cost more requests than they save, a segment has two."""

DVR_MOST = 86_400
RECONNECT_MOST = 1800

_SECRET = frozenset(
    {
        "database",
        "cluster_secret",
        "live_admission_secret",
        "live_ice_servers",
        "destinations",
        "edge_secret",
    }
)

FILE = "STREAMER_CONFIG"  # names the TOML file; the one variable that is not a key


def _exact(value: object) -> object:
    # 0.333 of a TOML file is a binary fraction; what was meant is the decimal one.
    return str(value) if isinstance(value, float) else value


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _reachable(entries: tuple[str, ...]) -> tuple[str, ...]:
    allowance(entries)
    return entries


def _postgresql(url: SecretStr | None) -> SecretStr | None:
    if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("a database is named by a URL that begins with postgresql://")
    return url


def _ice(text: SecretStr) -> SecretStr:
    servers(text.get_secret_value())
    return text


class Config(BaseSettings):
    """The server's settings. Every key is a flag `--key`, a variable `STREAMER_KEY` and a TOML key."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on; beyond loopback a token is needed.")
    port: int = Field(8080, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    # Absolute from here on: children have another working directory.
    data: Annotated[Path, AfterValidator(Path.absolute)] = Field(
        Path("data"),
        validate_default=True,
        description="Directory of the catalog, the media and the uploads.",
    )
    database: Annotated[SecretStr | None, AfterValidator(_postgresql)] = Field(
        None,
        description="postgresql:// URL of a catalog that several servers share; without it SQLite in `data`.",
    )
    media: Bucket = Field(
        None, description="Bucket that keeps the media, s3://bucket/prefix or a table; without it `data`."
    )
    uploads: Bucket = Field(
        None,
        description="Bucket that keeps uploads, as `media` is named: any server goes on with any upload.",
    )
    tier_bytes: int = Field(
        20 << 30,
        ge=1 << 20,
        description="Room in `data` for what is used most of a bucket's media; as much again for uploads.",
    )
    node: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$",
        description="Name of this server among those on one database; by itself host name and port.",
    )
    node_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#@\s]+/?$",
        description="Where the other servers on one database reach this one; by itself its host and port.",
    )
    cluster_secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="What servers on one database know each other by, to show each other's broadcasts.",
    )
    drain_seconds: int = Field(
        0,
        ge=0,
        description="When the server stops, how long it goes on after `/ready` has said so.",
    )
    ffmpeg: Path | None = Field(None, description="FFmpeg to use instead of the one in imageio-ffmpeg.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#\s]+/?$",
        description="How browsers reach the server when something stands in front of it.",
    )
    upload_max_bytes: int = Field(64 << 30, ge=1, description="Largest upload; above it 413.")
    upload_expiry_seconds: int = Field(
        7 * 86_400, ge=60, description="An unfinished upload without a byte for so long is removed."
    )
    disk_reserve_bytes: int = Field(
        1 << 30, ge=0, description="Free space that uploads must leave; else 507."
    )
    cache_bytes: int = Field(
        64 << 20,
        ge=1 << 20,
        description="Memory for media that is asked for again; as much again for what is on air.",
    )
    encode_slots: int = Field(
        default_factory=lambda: max(1, (os.cpu_count() or 2) // 2),
        ge=1,
        description="Encodes at one time in this process, and one more for a viewer who waits.",
    )
    farm: Literal["own", "workers", "both"] = Field(
        "own",
        description="Who encodes: this server, the database's workers, or those with this server among them.",
    )
    worker_drain_seconds: int = Field(
        60, ge=0, description="How long a stopping worker may finish what it encodes; the rest is put back."
    )
    encode_preset: Literal[
        "ultrafast",
        "superfast",
        "veryfast",
        "faster",
        "fast",
        "medium",
        "slow",
        "slower",
        "veryslow",
    ] = Field("veryfast", description="x264 preset of new plans: slower ones give smaller files.")
    fill: Literal["full", "watched"] = Field(
        "full",
        description="What of a new asset is made: all of it, or only what viewers ask for.",
    )
    watched_quota_bytes: int = Field(
        20 << 30,
        ge=1,
        description="Room for segments of assets filled as watched; the least recently asked for go first.",
    )
    encode_copy: bool = Field(
        True, description="Serve tracks of a source as they are where they comply; else encode all of it."
    )
    live_rtmp_port: Annotated[int, Field(ge=0, le=65535)] | Literal["off"] = Field(
        1935, description="TCP port that publishers send RTMP to; 0 takes a free one, off takes none."
    )
    live_rtmps_port: Annotated[int, Field(ge=0, le=65535)] | Literal["off"] = Field(
        "off", description="TCP port that publishers send RTMPS to; needs `tls_certificate` and `tls_key`."
    )
    https_port: Annotated[int, Field(ge=0, le=65535)] | Literal["off"] = Field(
        "off",
        description="TCP port for https and wss besides `port`; needs `tls_certificate` and `tls_key`.",
    )
    tls_certificate: Annotated[Path, AfterValidator(Path.absolute)] | None = Field(
        None, description="PEM file of the certificate that https and RTMPS show, with those of its issuers."
    )
    tls_key: Annotated[Path, AfterValidator(Path.absolute)] | None = Field(
        None, description="PEM file of the certificate's key, without a password."
    )
    live_srt_port_first: Annotated[int, Field(ge=1, le=65535)] | Literal["off"] = Field(
        "off", description="First UDP port of a range for SRT, one port for each live stream; off takes none."
    )
    live_srt_port_count: int = Field(
        16,
        ge=1,
        le=1000,
        description="Ports of that range; streams beyond it have none, the oldest go first.",
    )
    live_part_seconds: Annotated[Fraction, BeforeValidator(_exact), Field(ge=PART_LEAST, le=PART_MOST)] = (
        Field(
            Fraction(333, 1000),
            description="Length of a part of new live streams, from 0.1 to 2: shorter ones mean less delay.",
        )
    )
    live_dvr_seconds: int = Field(
        7200,
        ge=0,
        le=DVR_MOST,
        description="How far viewers of new live streams may go back; 0 is the whole broadcast.",
    )
    live_reconnect_seconds: int = Field(
        60,
        ge=0,
        le=RECONNECT_MOST,
        description="How long a publisher of new live streams may stay away before the broadcast ends.",
    )
    live_max_broadcasts: int = Field(
        8, ge=1, description="Broadcasts on air at one time; the publisher of another one is refused."
    )
    live_admission_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#@\s]+(/[^\s]*)?$",
        description="URL that is asked about every publisher with a known key; without it the key is enough.",
    )
    live_admission_secret: SecretStr | None = Field(
        None, min_length=16, description="What requests to `live_admission_url` are signed with."
    )
    live_admission_fails_open: bool = Field(
        False, description="Admit publishers while `live_admission_url` does not answer; else refuse them."
    )
    live_ice_servers: Annotated[SecretStr, AfterValidator(_ice)] = Field(
        SecretStr(""),
        description="STUN and TURN servers for publishers over WebRTC, by commas; see below.",
    )
    control_max_clients: int = Field(
        10_000,
        ge=1,
        description="Clients of the control channel over each of its transports at one time; above it 503.",
    )
    control_drain_seconds: int = Field(
        5,
        ge=0,
        description="When the server stops, clients of the control channel come back spread over so long.",
    )
    channel_keep_events: int = Field(
        1000, ge=1, description="Events that a channel keeps for those who come back to it."
    )
    channel_keep_seconds: int = Field(
        86_400, ge=60, description="How long a channel keeps an event; who was away for longer starts anew."
    )
    destinations: dict[Annotated[str, Field(pattern=NAME)], Destination] = Field(
        {}, description="Buckets that assets can be published to, by name: tables of the TOML file."
    )
    publish_automatically: str | None = Field(
        None, description="Name of the destination that every asset is published to once it is complete."
    )
    live_destination: str | None = Field(
        None,
        description="Name of the destination that new live streams are published to while they are on air.",
    )
    playback_policy: Literal["public", "signed"] = Field(
        "public", description="Who may watch new assets and streams: everybody, or who has a playback token."
    )
    playback_token_max_seconds: int = Field(
        7 * 86_400, ge=60, description="A playback token that holds for longer from now on opens nothing."
    )
    edge_secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="What edges send as `Streamer-Edge`; they check playback tokens before they keep media.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_listed)] = Field(
        (), description="Networks, by commas, of proxies that are believed when they say who asks, and how."
    )
    outbound_allow: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_listed), AfterValidator(_reachable)
    ] = Field(
        (),
        description="Hosts and networks, by commas, that may be asked though they are not on the internet.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe line that is logged."
    )

    @field_validator("publish_automatically", "live_destination")
    @classmethod
    def _destination(cls, name: str | None, others: ValidationInfo) -> str | None:
        if name is not None and name not in others.data.get("destinations", {}):
            raise ValueError("no destination has this name")
        return name

    @property
    def catalog(self) -> Path | str:
        """Where the catalog is: the URL of the shared database, or the SQLite file."""
        return self.data / "catalog.sqlite" if self.database is None else self.database.get_secret_value()

    @property
    def ice_servers(self) -> tuple[IceServer, ...]:
        """The servers of `live_ice_servers`."""
        return servers(self.live_ice_servers.get_secret_value())

    @property
    def redirects(self) -> dict[str, str]:
        """Where viewers read what is published, by destination; those they are not sent to are left out."""
        return {name: one.redirect for name, one in self.destinations.items() if one.redirect is not None}

    @property
    def retention(self) -> Retention:
        """How far back a channel reaches."""
        return Retention(events=self.channel_keep_events, seconds=self.channel_keep_seconds)

    @property
    def node_name(self) -> str:
        """The name of this server among those that share a database; it must be the same in its next life."""
        return self.node or f"{re.sub('[^A-Za-z0-9._-]', '-', socket.gethostname())[:40]}-{self.port}"

    @property
    def inner_url(self) -> str | None:
        """Where other servers reach this one, None where that cannot be known."""
        if self.node_url is not None:
            return self.node_url.rstrip("/")
        if not self.port:
            return None
        host = socket.gethostname() if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's, here and below
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values only from the constructor: `load` merges the layers itself, in one visible line."""
        return (init_settings,)


def load(flags: Mapping[str, Any] | None = None, *, file: Path | None = None) -> Config:
    """Read every layer and return the settings. Flags that are None count as not given. Raise ConfigError."""
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    named = os.environ.get(FILE)
    if file is None and named:
        file = Path(named)
    written = _toml(file) if file is not None else {}
    _known(written, of=f"{file}")
    _known((name[len(PREFIX) :].lower() for name in os.environ if _is_ours(name)), of="the environment")
    _known(given, of="the command line")
    try:
        return Config(**{**written, **EnvSettingsSource(Config)(), **given})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if key.partition(".")[0] in _SECRET:
            # What was given may hold a password; so may the error's own chain.
            raise ConfigError(f"{key}: {first['msg']}") from None
        raise ConfigError(f"{key}: {first['msg']} (got {first['input']!r})") from error


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX) and name != FILE


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error


def _known(keys: Iterable[str], *, of: str) -> None:
    for key in keys:
        if key in Config.model_fields:
            continue
        nearest = difflib.get_close_matches(key, Config.model_fields, n=1, cutoff=0.0)
        raise ConfigError(f"unknown key {key!r} in {of}; did you mean {nearest[0]!r}?")
