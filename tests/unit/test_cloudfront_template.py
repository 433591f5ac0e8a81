"""The template for CloudFront, filled in and held against botocore's own model of what CloudFront takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, Shape, StructureShape
from botocore.validate import ParamValidator

from streamer.live import asked

TEMPLATE = json.loads((Path(__file__).parents[2] / "cdn/edges/cloudfront.json").read_text())
CLOUDFRONT = botocore.session.get_session().get_service_model("cloudfront")
PSEUDO = {
    "AWS::StackName": "films",
    "AWS::Region": "eu-central-1",
    "AWS::Partition": "aws",
    "AWS::AccountId": "1",
    "AWS::URLSuffix": "amazonaws.com",
}
ABSENT = object()
CASES = {
    "bucket": {"BucketName": "films"},
    "signed bucket": {
        "BucketName": "films",
        "PublicKey": "PEM",
        "ViewerName": "tv.example",
        "CertificateArn": "arn",
    },
    "server": {"ServerName": "media.example"},
    "signed server": {"ServerName": "media.example", "PublicKey": "PEM", "EdgeSecret": "secret"},
    "secret and no key": {"ServerName": "media.example", "EdgeSecret": "secret"},
}
CONFIGS = {
    "AWS::CloudFront::CachePolicy": "CachePolicyConfig",
    "AWS::CloudFront::Distribution": "DistributionConfig",
    "AWS::CloudFront::KeyGroup": "KeyGroupConfig",
    "AWS::CloudFront::OriginAccessControl": "OriginAccessControlConfig",
    "AWS::CloudFront::OriginRequestPolicy": "OriginRequestPolicyConfig",
    "AWS::CloudFront::PublicKey": "PublicKeyConfig",
    "AWS::CloudFront::ResponseHeadersPolicy": "ResponseHeadersPolicyConfig",
}
RENAMED = {"IPV6Enabled": "IsIPV6Enabled", "OriginCustomHeaders": "CustomHeaders"}
SPOKEN = {"CallerReference": "x", "Comment": "x"}
"""What the API asks for and a template may leave out."""


class Stack:
    """The template with its parameters: what would be created."""

    def __init__(self, parameters: dict[str, str]) -> None:
        defaults = {name: one.get("Default", "") for name, one in TEMPLATE["Parameters"].items()}
        assert parameters.keys() <= defaults.keys()
        self._values = PSEUDO | defaults | parameters
        self._created = {
            name
            for name, one in TEMPLATE["Resources"].items()
            if "Condition" not in one or self._holds(one["Condition"])
        }
        self.resources = {
            name: (one["Type"], self._filled(one["Properties"]))
            for name, one in TEMPLATE["Resources"].items()
            if name in self._created
        }
        self.outputs = {
            name: self._filled(one["Value"])
            for name, one in TEMPLATE["Outputs"].items()
            if "Condition" not in one or self._holds(one["Condition"])
        }

    @property
    def distribution(self) -> dict[str, Any]:
        return self.resources["Distribution"][1]["DistributionConfig"]

    def _holds(self, name: str) -> bool:
        return self._true(TEMPLATE["Conditions"][name])

    def _true(self, condition: dict[str, Any]) -> bool:
        ((how, what),) = condition.items()
        if how == "Fn::Equals":
            return self._filled(what[0]) == what[1]
        if how == "Fn::Not":
            return not self._true(what[0])
        if how == "Fn::And":
            return all(self._true(one) for one in what)
        return self._holds(what)

    def _named(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return ABSENT
        if name in TEMPLATE["Resources"]:
            assert name in self._created, f"{name} is not created in this case"
            return name.lower()
        return self._values[name]

    def _filled(self, value: Any) -> Any:
        if isinstance(value, list):
            return [one for each in value if (one := self._filled(each)) is not ABSENT]
        return self._entry(value) if isinstance(value, dict) else value

    def _entry(self, value: dict[str, Any]) -> Any:
        ((how, what), *others) = value.items() if value else [("", None)]
        if not others and (how == "Ref" or how.startswith("Fn::")):
            return self._called(how, what)
        return {key: one for key, each in value.items() if (one := self._filled(each)) is not ABSENT}

    def _called(self, how: str, what: Any) -> Any:
        if how == "Ref":
            return self._named(what)
        if how == "Fn::GetAtt":
            return f"{self._named(what[0])}.{what[1]}"
        if how == "Fn::Sub":
            return re.sub(r"\$\{([^}]+)}", lambda found: self._named(found[1]), what)
        assert how == "Fn::If"
        return self._filled(what[1] if self._holds(what[0]) else what[2])


@pytest.fixture(params=CASES)
def stack(request):
    return Stack(CASES[request.param])


def test_everything_is_what_cloudfront_takes(stack):
    for name, (kind, properties) in stack.resources.items():
        if kind in CONFIGS:
            config = CONFIGS[kind]
            shape = CLOUDFRONT.shape_for(config)
            report = ParamValidator().validate(_spoken(properties[config], shape), shape)
            assert not report.has_errors(), f"{name}: {report.generate_report()}"


def test_every_behaviour_has_an_origin_and_lets_the_answer_say_how_long(stack):
    origins = {one["Id"] for one in stack.distribution["Origins"]}
    behaviours = [stack.distribution["DefaultCacheBehavior"], *stack.distribution["CacheBehaviors"]]
    assert {one["TargetOriginId"] for one in behaviours} == origins
    for name in {one["CachePolicyId"] for one in behaviours}:
        (policy,) = (one for key, (_, one) in stack.resources.items() if key.lower() == name)
        assert policy["CachePolicyConfig"]["MinTTL"] == 0
    assert stack.distribution["HttpVersion"] == "http2and3"


def test_playlists_are_kept_by_the_delivery_directives_and_nothing_is_by_more(stack):
    keys = {
        name: one["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]
        for name, (kind, one) in stack.resources.items()
        if kind == "AWS::CloudFront::CachePolicy"
    }
    wanted = [asked.MSN, asked.PART, asked.SKIP]
    assert keys["Playlists"]["QueryStringsConfig"]["QueryStrings"] == wanted
    assert all(one["CookiesConfig"] == {"CookieBehavior": "none"} for one in keys.values())
    assert all(one["HeadersConfig"] == {"HeaderBehavior": "none"} for one in keys.values())
    first = [one["PathPattern"] for one in stack.distribution["CacheBehaviors"]]
    assert first.index("*.push*") == 0


@pytest.mark.parametrize("case", CASES)
def test_who_is_signed_for_is_asked_and_only_then_the_secret_is_said(case):
    distribution = Stack(CASES[case]).distribution
    signed = case.startswith("signed")
    assert all(("TrustedKeyGroups" in one) == signed for one in distribution["CacheBehaviors"])
    (origin,) = distribution["Origins"]
    assert ("OriginCustomHeaders" in origin) == (case == "signed server")
    assert ("CacheTagConfig" in distribution) == case.endswith("bucket")


def _spoken(value: Any, shape: Shape) -> Any:
    """Return a template's value as the API would be told it."""
    if isinstance(shape, ListShape):
        return [_spoken(one, shape.member) for one in value]
    if not isinstance(shape, StructureShape):
        return value
    if isinstance(value, list):
        items = _spoken(value, shape.members["Items"])
        enabled = {"Enabled": True} if "Enabled" in shape.members else {}
        return {"Quantity": len(items), "Items": items, **enabled}
    members = {name.lower(): name for name in shape.members}
    told = {name: one for name, one in SPOKEN.items() if name in shape.required_members}
    for key, one in value.items():
        name = RENAMED.get(key, key)
        assert name.lower() in members, f"{shape.name} has no {key}"
        name = members[name.lower()]
        told[name] = _spoken(one, shape.members[name])
    if "Quantity" in shape.required_members:
        told.setdefault("Quantity", len(told.get("Items", [])))
    return told
