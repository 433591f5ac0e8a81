"""Buckets that an operator names: where they are and how they are reached, without any keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode

from cdn.errors import BadDestination
from cdn.places import Access, Place, place
from cdn.purge import Purge

NAME = r"^[a-z0-9][a-z0-9-]{0,31}$"


def _place(url: str) -> str:
    try:
        place(url)
    except BadDestination as error:
        raise ValueError(error.message) from None
    return url


class Entrance(BaseModel):
    """The table `cloudfront` of a destination: how viewers are let in to what is private there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        pattern=r"^https://[^/?#@\s]+(/[^?#\s]*)?$", description="Where viewers read what is published there."
    )
    key_pair: str = Field(pattern=r"^[A-Z0-9]{1,64}$", description="Id of the public key at CloudFront.")
    key_file: Path = Field(description="PEM file of its private half, RSA without a password.")
    cookie_domain: str | None = Field(
        None, pattern=r"^\.?[a-z0-9.-]+$", description="Domain of cookies, where pages lie on another host."
    )


class Destination(BaseModel):
    """One table `[destinations.NAME]`, or `[media]`. Keys come from AWS_* variables, a profile or a role."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, AfterValidator(_place)] = Field(description="s3://bucket/prefix.")
    endpoint: str | None = Field(
        None, pattern=r"^https?://[^/?#@\s]+/?$", description="URL of the storage; by itself Amazon S3."
    )
    region: str | None = Field(None, description="Region of the bucket.")
    profile: str | None = Field(None, description="Profile of the AWS configuration files to take keys from.")
    role: str | None = Field(None, description="ARN of a role to assume with these keys.")
    path_style: bool | None = Field(
        None, description="Name the bucket in the path; by itself everywhere but at Amazon."
    )
    live_dvr_seconds: int = Field(
        600, ge=30, le=86_400, description="How far back the manifests of a broadcast on air reach there."
    )
    signed: bool = Field(
        False, description="Take signed assets too: what stands before the bucket checks who may watch."
    )
    redirect: str | None = Field(
        None,
        pattern=r"^https?://[^/?#@\s]+(/[^?#\s]*)?$",
        description="URL under which viewers read what is published there; the server sends them to it.",
    )
    purge: Purge | None = Field(
        None, description="Which CDN is told to forget what has been replaced or withdrawn."
    )

    cloudfront: Entrance | None = Field(None, description="How CloudFront is told to let viewers in.")

    @property
    def place(self) -> Place:
        """The bucket and the prefix."""
        return place(self.url)

    @property
    def access(self) -> Access:
        """How the bucket is reached."""
        return Access(
            endpoint=self.endpoint,
            region=self.region,
            profile=self.profile,
            role=self.role,
            path_style=self.path_style,
        )


def _named(value: object) -> object:
    # A place alone, or as the environment has it a table in JSON.
    if isinstance(value, str):
        return {"url": value} if "{" not in value else json.loads(value)
    return value


Bucket = Annotated[Destination | None, NoDecode, BeforeValidator(_named)]
"""`s3://bucket/prefix`, or a table like one of `destinations`."""
