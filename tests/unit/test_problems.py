"""The table from errors to problems."""

from __future__ import annotations

import inspect
import json

import pytest
from aiohttp import web

from packager import errors as packaging
from streamer import errors
from streamer.problems import TABLE, Problem, problem_of, response_of, unexpected

SERVER = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.ServerError)
    # A base, those that end a program before it serves, one of a client's, and one that ends a subscription.
    and kind not in {errors.ServerError, errors.ServerAway, errors.FellBehind}
    and not issubclass(kind, errors.ConfigError)
]


@pytest.mark.parametrize("kind", SERVER, ids=lambda kind: kind.__name__)
def test_every_error_of_the_server_is_told(kind):
    problem = problem_of(kind("x"))
    assert problem is not None
    assert 400 <= problem.status < 600


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for _, kind in inspect.getmembers(packaging, inspect.isclass)
        if issubclass(kind, packaging.Refused)
    ],
    ids=lambda kind: kind.__name__,
)
def test_every_refusal_of_the_packager_is_told(kind):
    problem = problem_of(kind("because", evidence="/secret/path"))
    assert problem is not None
    assert problem.detail == "because"
    assert "secret" not in json.dumps(problem.members())


def test_slugs_and_titles_are_one_to_one():
    assert len({entry.slug for entry in TABLE.values()}) == len(TABLE)


def test_the_nearest_class_decides():
    assert problem_of(errors.InvalidCursor("x")).slug == "invalid-cursor"
    assert problem_of(errors.InvalidRequest("x")).slug == "invalid-request"


def test_extras_do_not_hide_the_standard_members():
    problem = Problem("a", "A", 400, "why", extras={"status": 200, "limit": 5})
    assert problem.members() == {
        "type": "urn:streamer:problem:a",
        "title": "A",
        "status": 400,
        "detail": "why",
        "limit": 5,
    }


def test_the_response_is_a_problem_that_nobody_stores():
    response = response_of(Problem("a", "A", 429, headers={"Retry-After": "3"}))
    assert response.status == 429
    assert response.content_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Retry-After"] == "3"


def test_allow_survives():
    problem = problem_of(web.HTTPMethodNotAllowed("PUT", ["GET"]))
    assert (problem.slug, problem.headers) == ("method-not-allowed", {"Allow": "GET"})


def test_unauthenticated_says_how():
    assert "Bearer" in problem_of(errors.Unauthenticated("x")).headers["WWW-Authenticate"]


def test_what_is_not_foreseen_is_not_told_but_logged(caplog):
    assert problem_of(ValueError("secret")) is None
    problem = unexpected(ValueError("secret"), where="GET /x")
    shown = json.dumps(problem.members())
    assert "secret" not in shown
    assert problem.extras["reference"] in caplog.text
    assert "secret" in caplog.text
