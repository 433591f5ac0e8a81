"""Buckets of any S3-compatible endpoint, through boto3: list, look, get, put, copy, delete."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, Credentials, DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.session import get_session
from botocore.utils import get_environ_proxies

from cdn import errors
from cdn.causes import ABSENT, LOST, NO_CONDITIONS, NO_RANGE, TOLD, cause, code_of
from cdn.places import Access
from cdn.wire import Wire
from packager.blocking import blocking

THREADS = 8
"""Requests at one time. More cost processor time and gain nothing."""

ATTEMPTS = 5
HASH = "content-hash"
"""Name under which the hash of an object's bytes is kept with them."""

DELETED_AT_ONCE = 1000
_REGION = "us-east-1"  # what endpoints that have no regions take
_WRITTEN = {200, 201, 204}
_READS = 3  # of one object, where the connection breaks off within its bytes
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An object as a listing shows it. `etag` is the MD5 of its bytes on most endpoints, without quotes."""

    size: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What is known of one object. `metadata` is what was kept with its bytes, names in lower case."""

    size: int
    etag: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What goes with an object's bytes."""

    media_type: str
    cache_control: str
    metadata: Mapping[str, str]

    def parameters(self) -> dict[str, Any]:
        """Return it as boto3 takes it."""
        return {
            "ContentType": self.media_type,
            "CacheControl": self.cache_control,
            "Metadata": self.metadata,
        }

    def headers(self, conditions: Mapping[str, str]) -> dict[str, str]:
        """Return it as it is sent, with conditions as boto3 takes them."""
        names = {"IfNoneMatch": "If-None-Match", "IfMatch": "If-Match"}
        return {
            "Content-Type": self.media_type,
            "Cache-Control": self.cache_control,
            **{f"x-amz-meta-{name}": value for name, value in self.metadata.items()},
            **{names[name]: value for name, value in conditions.items()},
        }


class Lost(Exception):
    """A condition did not hold: another object is there."""


class _Road:
    """Signs and sends objects without boto3's client, at half the processor time that it takes.

    It does no more: where an object is not accepted the client has to send it, which knows about retries,
    redirects and what errors mean.
    """

    def __init__(self, client: Any, credentials: Credentials, bucket: str) -> None:
        config = client.meta.config
        named = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
        self._root = named.partition("?")[0].removesuffix("k")
        self._path = urlsplit(self._root).path
        self._signer = S3SigV4Auth(credentials, "s3", client.meta.region_name)
        self._config = config
        trusted = get_cert_path(client._endpoint.http_session._verify)  # noqa: SLF001 - as the client has it
        self._wire = Wire(self._root, authorities=trusted, timeout=config.read_timeout)

    def put(self, key: str, body: bytes, headers: Mapping[str, str]) -> int | None:
        """Return the status of the answer, None where there was none."""
        name = quote(key, safe="/~")
        request = AWSRequest(method="PUT", url=self._root + name, data=body, headers=headers)
        request.context["client_config"] = self._config
        self._signer.add_auth(request)
        return self._wire.put(self._path + name, body, dict(request.headers.items()))

    def close(self) -> None:
        """Close its connections."""
        self._wire.close()


class Bucket:
    """One bucket. Every method raises PublishError; requests run in threads of its own, never on the loop."""

    def __init__(self, client: Any, road: _Road | None, name: str, threads: ThreadPoolExecutor) -> None:
        self.name = name
        self._client = client
        self._road = road
        self._threads = threads
        self._conditional = True

    async def listing(self, prefix: str) -> dict[str, Listed]:
        """Return what is under a prefix, by key."""
        return await self._call(self._listing, prefix)

    async def look(self, key: str) -> Looked | None:
        """Return what is known of an object, None where there is none."""
        return await self._call(self._look, key)

    async def metadata(self, key: str) -> dict[str, str]:
        """Return what was kept with an object's bytes, names in lower case; nothing where it is gone."""
        found = await self.look(key)
        return {} if found is None else dict(found.metadata)

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """Return bytes start to stop (excluded; None is the end), None where there is no object."""
        return await self._call(self._get, key, start, stop)

    async def copy(self, source: str, target: str) -> bool:
        """Have the storage write an object under another key too; False where there is no source."""
        return await self._call(self._copy, source, target)

    async def put(self, key: str, body: bytes | Path, stamp: Stamp, *, instead: Listed | None) -> None:
        """Write bytes or a file where there is nothing, or `instead` of what was listed. Raise Lost, OSError.

        An endpoint without conditional writes writes it in any case.
        """
        await self._call(self._put, key, body, stamp, instead)

    async def write(self, key: str, body: bytes | Path, stamp: Stamp) -> None:
        """Write bytes or a file whatever is there. Raise OSError."""
        await self._call(self._send, key, body, stamp, {})

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete up to a thousand objects; absence is no error."""
        await self._call(self._delete, keys)

    async def _call(self, work: Callable[..., _T], *args: object) -> _T:
        return await blocking(self._threads, self._told, work, *args)

    def _told(self, work: Callable[..., _T], *args: object) -> _T:
        try:
            return work(*args)
        except TOLD as error:
            raise cause(error, self.name) from error

    def _listing(self, prefix: str) -> dict[str, Listed]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return {
            one["Key"]: Listed(size=one["Size"], etag=one["ETag"].strip('"'))
            for page in pages
            for one in page.get("Contents", ())
        }

    def _look(self, key: str) -> Looked | None:
        try:
            found = self._client.head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if code_of(error) in ABSENT:
                return None
            raise
        metadata = {name.lower(): value for name, value in found["Metadata"].items()}
        return Looked(size=found["ContentLength"], etag=found["ETag"].strip('"'), metadata=metadata)

    def _get(self, key: str, start: int, stop: int | None) -> bytes | None:
        last = "" if stop is None else str(stop - 1)
        wanted = {"Range": f"bytes={start}-{last}"} if start or stop is not None else {}
        for left in reversed(range(_READS)):
            try:
                found = self._client.get_object(Bucket=self.name, Key=key, **wanted)
            except ClientError as error:
                if code_of(error) in ABSENT:
                    return None
                if code_of(error) in NO_RANGE:
                    return b""
                raise
            try:
                return bytes(found["Body"].read())
            except (BotoCoreError, OSError) as error:
                found["Body"].close()
                if not left:
                    raise errors.EndpointAway(f"the storage breaks off within an object: {error}") from error
        return None

    def _copy(self, source: str, target: str) -> bool:
        named = {"Bucket": self.name, "Key": source}
        try:
            self._client.copy_object(Bucket=self.name, Key=target, CopySource=named)
        except ClientError as error:
            if code_of(error) in ABSENT:
                return False
            raise
        return True

    def _put(self, key: str, body: bytes | Path, stamp: Stamp, instead: Listed | None) -> None:
        wanted: dict[str, str] = {}
        if self._conditional:
            wanted = {"IfNoneMatch": "*"} if instead is None else {"IfMatch": f'"{instead.etag}"'}
        try:
            self._send(key, body, stamp, wanted)
        except ClientError as error:
            if not wanted or not self._may_do_without(error, key, instead):
                raise
            self._send(key, body, stamp, {})

    def _send(self, key: str, body: bytes | Path, stamp: Stamp, wanted: Mapping[str, str]) -> None:
        if isinstance(body, Path):
            body = body.read_bytes()
        road = self._road
        status = None if road is None else road.put(key, body, stamp.headers(wanted))
        if status in _WRITTEN:
            return
        sent = {"Bucket": self.name, "Key": key, "Body": body, **stamp.parameters()}
        self._client.put_object(**sent, **wanted)
        if status is not None:  # what the client can and the road cannot is not tried twice each time
            self._road = None

    def _may_do_without(self, error: ClientError, key: str, instead: Listed | None) -> bool:
        """Say whether an object may be written though a condition was refused. Raise Lost."""
        if code_of(error) in NO_CONDITIONS:
            self._conditional = False
            return True
        if code_of(error) not in LOST:
            return False
        # Ceph 16 takes no quoted tag for its own: then the object that was listed is still there.
        if instead is None or self._tag(key) != instead.etag:
            raise Lost(key) from error
        return True

    def _tag(self, key: str) -> str:
        found = self._look(key)
        return "" if found is None else found.etag

    def _delete(self, keys: Sequence[str]) -> None:
        doomed = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        answer = self._client.delete_objects(Bucket=self.name, Delete=doomed)
        for failed in answer.get("Errors", ()):
            raise errors.StorageRefused(
                f"{failed.get('Key')} could not be deleted: {failed.get('Code')} {failed.get('Message')}"
            )


@asynccontextmanager
async def bucket(
    access: Access, name: str, *, threads: int = THREADS, attempts: int = ATTEMPTS, hurry: bool = False
) -> AsyncIterator[Bucket]:
    """Give a bucket while the block runs. Raise CredentialsMissing, BadDestination.

    A request is tried so often. In a `hurry` one that is not answered is given up within seconds: by then it
    is of little use.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="s3")
    closed: list[Callable[[], object]] = [partial(pool.shutdown, cancel_futures=True)]
    try:
        try:
            reach = partial(_reached, access, name, threads, attempts, hurry=hurry)
            client, road = await blocking(pool, reach)
        except (BotoCoreError, ValueError) as error:
            raise cause(error, name) from error
        closed += [client.close] if road is None else [client.close, road.close]
        yield Bucket(client, road, name, pool)
    finally:
        # Off the loop: a request that nobody waits for any more may still be on its way.
        await blocking(None, _close, closed)


def _close(closed: Sequence[Callable[[], object]]) -> None:
    for close in closed:
        close()


def _reached(
    access: Access, name: str, threads: int, attempts: int, *, hurry: bool
) -> tuple[Any, _Road | None]:
    session = session_of(access)
    region = session.region_name or _REGION

    def make(config: Config) -> Any:
        return session.client("s3", endpoint_url=access.endpoint, region_name=region, config=config)

    # The endpoint may stand in the environment or a profile: only a client tells which it is.
    first = make(Config())
    url = str(first.meta.endpoint_url)
    first.close()
    client = make(_tuned(url, access, threads, 1 if hurry else attempts, hurry=hurry))
    credentials = session.get_credentials()
    # Through a proxy, and without keys, the client goes alone.
    if credentials is None or get_environ_proxies(url):
        return client, None
    return client, _Road(client, credentials, name)


def session_of(access: Access) -> boto3.Session:
    """Return the session that has the keys, in the role where one is named."""
    session = boto3.Session(profile_name=access.profile, region_name=access.region)
    if access.role is None:
        return session
    return _assumed(session, access.role, session.region_name or _REGION)


def _assumed(session: boto3.Session, role: str, region: str) -> boto3.Session:
    """Return a session in a role, taken with the keys of another one and renewed before they lapse."""
    given = session.get_credentials()
    if given is None:
        raise NoCredentialsError

    def client(service: str, **options: Any) -> Any:
        return session.client(service, region_name=region, **options)  # type: ignore[call-overload]

    fetcher = AssumeRoleCredentialFetcher(client, given, role, extra_args={"RoleSessionName": "streamer"})
    taken = get_session()
    taken._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]  # noqa: SLF001 - botocore has no public way
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )
    return boto3.Session(botocore_session=taken, region_name=region)


def _tuned(url: str, access: Access, threads: int, attempts: int, *, hurry: bool) -> Config:
    """Return how requests are made to an endpoint.

    Checksums of boto3's own cost as much processor time as the rest, and some endpoints refuse their form.
    Over TLS the body is protected as it is; elsewhere its hash is part of the signature.
    """
    parts = urlsplit(url)
    amazon = (parts.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))
    path_style = not amazon if access.path_style is None else access.path_style
    return Config(
        signature_version="s3v4",
        max_pool_connections=threads,
        connect_timeout=2 if hurry else 10,
        read_timeout=10 if hurry else 60,
        tcp_keepalive=True,
        retries={"mode": "standard", "max_attempts": attempts},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            "addressing_style": "path" if path_style else "auto",
            **({"payload_signing_enabled": False} if parts.scheme == "https" else {}),
        },
    )
