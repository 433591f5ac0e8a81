"""The command line: `streamer serve | demo | package | publish | worker | live | token | doctor | config`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cdn.errors import PublishError
from packager.errors import PackagingError
from streamer import __version__
from streamer.errors import ServerError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Upload or go live, watch in seconds, publish to S3 and a CDN.",
)
token_app = typer.Typer(no_args_is_help=True, help="Tokens that let people and programs in.")
app.add_typer(token_app, name="token")
live_app = typer.Typer(no_args_is_help=True, help="Live streams: lasting addresses to go live on.")
app.add_typer(live_app, name="live")

Host = Annotated[str | None, typer.Option(help="Address to listen on; beyond loopback a token is needed.")]
Port = Annotated[int | None, typer.Option(help="TCP port to listen on; 0 takes a free one.")]
Data = Annotated[Path | None, typer.Option(help="Directory of the catalog, the media and the uploads.")]
Settings = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]


@app.command()
def serve(host: Host = None, port: Port = None, data: Data = None, config: Settings = None) -> None:
    """Start the server."""
    from streamer.serving import serve as listen  # noqa: PLC0415 - starting the server imports much

    _finish(listen(_load(config, host=host, port=port, data=data)))


@app.command()
def demo(host: Host = None, port: Port = None, data: Data = None, config: Settings = None) -> None:
    """Start the server with a sample to watch."""
    from streamer.serving import serve as listen  # noqa: PLC0415

    _finish(listen(_load(config, host=host, port=port, data=data), sample=True))


@app.command()
def package(
    source: Annotated[Path, typer.Argument(help="Any video or audio file.", metavar="SRC")],
    destination: Annotated[Path, typer.Argument(help="Directory for the HLS and DASH set.", metavar="DEST")],
    *,
    json: Annotated[bool, typer.Option("--json", help="Write JSON lines instead of a progress bar.")] = False,
    slots: Annotated[int | None, typer.Option(min=1, help="Encodes at one time.")] = None,
    preset: Annotated[str, typer.Option(help="x264 preset, from ultrafast to veryslow.")] = "veryfast",
    crf: Annotated[int, typer.Option(min=10, max=40, help="x264 quality: lower is better and larger.")] = 23,
) -> None:
    """Package a file into a directory that any web server can serve. Running it again continues."""
    from streamer.packing import pack  # noqa: PLC0415

    _finish(pack(source, destination, json=json, slots=slots, preset=preset, crf=crf))


What = Annotated[str, typer.Argument(help="An asset's id, or a packaged directory.", metavar="ID|DIR")]
Where = Annotated[
    str, typer.Argument(help="s3://bucket/prefix, or a configured destination.", metavar="DEST")
]
Endpoint = Annotated[str | None, typer.Option(help="URL of the storage; by itself Amazon S3.")]
Region = Annotated[str | None, typer.Option(help="Region of the bucket.")]
Profile = Annotated[str | None, typer.Option(help="Profile of the AWS configuration files.")]
RoleArn = Annotated[str | None, typer.Option("--role", help="ARN of a role to assume.")]
PathStyle = Annotated[
    bool | None,
    typer.Option("--path-style/--virtual-host", help="Where URLs of the storage have the bucket."),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON lines instead of a progress bar.")]


@app.command()
def publish(
    what: What,
    destination: Where,
    *,
    complete: Annotated[
        bool, typer.Option("--complete", help="Make all of an asset of which only what is watched is made.")
    ] = False,
    signed_ok: Annotated[
        bool, typer.Option("--signed-ok", help="Publish it though it is signed: the bucket is not public.")
    ] = False,
    json: Json = False,
    endpoint: Endpoint = None,
    region: Region = None,
    profile: Profile = None,
    role: RoleArn = None,
    path_style: PathStyle = None,
    host: Host = None,
    port: Port = None,
    data: Data = None,
    config: Settings = None,
) -> None:
    """Mirror an asset or a packaged directory into a bucket. Running it again uploads what is missing."""
    from streamer.publishing import Wish, send  # noqa: PLC0415

    access = _access(endpoint=endpoint, region=region, profile=profile, role=role, path_style=path_style)
    wish = Wish(what=what, destination=destination, access=access, complete=complete, signed=signed_ok)
    _finish(send(_load(config, host=host, port=port, data=data), wish, json=json))


@app.command()
def unpublish(
    what: What,
    destination: Where,
    *,
    json: Json = False,
    endpoint: Endpoint = None,
    region: Region = None,
    profile: Profile = None,
    role: RoleArn = None,
    path_style: PathStyle = None,
    config: Settings = None,
) -> None:
    """Delete from a bucket what was published there, manifests first."""
    from streamer.publishing import Wish, withdraw_from  # noqa: PLC0415

    access = _access(endpoint=endpoint, region=region, profile=profile, role=role, path_style=path_style)
    wish = Wish(what=what, destination=destination, access=access)
    _finish(withdraw_from(_load(config), wish, json=json))


@app.command()
def worker(
    slots: Annotated[int | None, typer.Option(min=1, help="Encodes at one time.")] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Write JSON lines instead of a log.")] = False,
    data: Data = None,
    config: Settings = None,
) -> None:
    """Encode for the servers of a database. SIGTERM lets it finish what it has begun."""
    from streamer.cluster.worker import work  # noqa: PLC0415 - needs the extra `cluster`

    _finish(work(_load(config, data=data, encode_slots=slots), json=json))


@live_app.command("create")
def live_create(
    title: Annotated[str, typer.Option(help="What it is called.")] = "Live",
    *,
    passthrough: Annotated[
        bool, typer.Option("--passthrough", help="Send its pictures as they are, where they can be.")
    ] = False,
    destination: Annotated[
        str | None, typer.Option(help="A configured destination that it goes to while it is on air.")
    ] = None,
    test: Annotated[bool, typer.Option("--test", help="Have the server publish a test card to it.")] = False,
    host: Host = None,
    port: Port = None,
    data: Data = None,
    config: Settings = None,
) -> None:
    """Make a stream. Its key is shown once and stored only as a hash."""
    from streamer.live_command import create  # noqa: PLC0415

    settings = _load(config, data=data, host=host, port=port)
    made = create(settings, title=title, passthrough=passthrough, destination=destination, test=test)
    _finish(made)


@live_app.command("list")
def live_list(data: Data = None, config: Settings = None) -> None:
    """List the streams, without their keys."""
    from streamer.live_command import show  # noqa: PLC0415

    _finish(show(_load(config, data=data)))


@live_app.command("end")
def live_end(
    stream: Annotated[str, typer.Argument(help="The stream's id, as listed.")],
    host: Host = None,
    port: Port = None,
    data: Data = None,
    config: Settings = None,
) -> None:
    """Have the running server end what is on air, and wait for the recording."""
    from streamer.live_command import end  # noqa: PLC0415

    _finish(end(_load(config, host=host, port=port, data=data), stream))


@token_app.command("create")
def token_create(
    name: Annotated[str, typer.Argument(help="Who or what it is for.")] = "administrator",
    role: Annotated[str, typer.Option(help="admin or viewer.")] = "admin",
    data: Data = None,
    config: Settings = None,
) -> None:
    """Make a token. It is shown once and stored only as a hash."""
    from streamer.token_command import create  # noqa: PLC0415

    _finish(create(_load(config, data=data), name=name, role=role))


@token_app.command("playback")
def token_playback(
    identity: Annotated[str, typer.Argument(help="An asset's or a stream's id.", metavar="ID")],
    expires: Annotated[str, typer.Option(help="How long it holds: 90s, 30m, 1h or 7d.")] = "1h",
    data: Data = None,
    config: Settings = None,
) -> None:
    """Sign a playback token: whoever has it may watch one asset or stream."""
    from streamer.token_command import playback  # noqa: PLC0415

    _finish(playback(_load(config, data=data), identity, expires=expires))


@token_app.command("cookies")
def token_cookies(
    identity: Annotated[str, typer.Argument(help="An asset's id.", metavar="ID")],
    destination: Annotated[str, typer.Argument(help="A configured destination behind CloudFront.")],
    expires: Annotated[str, typer.Option(help="How long they hold: 90s, 30m, 1h or 7d.")] = "1h",
    config: Settings = None,
) -> None:
    """Sign cookies with which CloudFront lets a viewer in to what is published there of an asset."""
    from streamer.token_command import cookies  # noqa: PLC0415

    _finish(cookies(_load(config), identity, destination, expires=expires))


@token_app.command("list")
def token_list(data: Data = None, config: Settings = None) -> None:
    """List the tokens, without their secrets."""
    from streamer.token_command import show  # noqa: PLC0415

    _finish(show(_load(config, data=data)))


@token_app.command("revoke")
def token_revoke(
    token: Annotated[str, typer.Argument(help="The token's id, as listed.")],
    data: Data = None,
    config: Settings = None,
) -> None:
    """Revoke a token; its sessions end at once."""
    from streamer.token_command import revoke  # noqa: PLC0415

    _finish(revoke(_load(config, data=data), token))


@app.command()
def doctor(data: Data = None, config: Settings = None) -> None:
    """Say what this machine can do and what is missing."""
    from streamer.checkup import doctor as check  # noqa: PLC0415

    _finish(check(_load(config, data=data)))


@app.command("config")
def show_config(config: Settings = None) -> None:
    """Show every setting, its value and what it does."""
    from streamer.checkup import settings  # noqa: PLC0415

    settings(_load(config))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def _load(file: Path | None, **flags: Any) -> Any:
    from streamer.config import load  # noqa: PLC0415

    return load({key: value for key, value in flags.items() if value is not None}, file=file)


def _access(**given: Any) -> Any:
    from cdn.places import Access  # noqa: PLC0415

    return Access(**given)


def _finish(work: Coroutine[Any, Any, int | None]) -> None:
    """Run a command to its end; its result is the exit status."""
    raise typer.Exit(asyncio.run(work) or 0)


def main() -> None:
    """Run the command line: errors are one clear line and exit status 1 (2 for usage)."""
    try:
        app()
    except (PackagingError, PublishError, ServerError, OSError) as error:
        Console(stderr=True, soft_wrap=True).print(f"[red]error:[/red] {_plain(str(error))}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
