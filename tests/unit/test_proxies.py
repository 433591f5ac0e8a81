"""Who is believed about who asks."""

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from streamer.proxies import Proxies, peer_key, peer_of

PROXIES = Proxies([ip_network("10.0.0.0/8"), ip_network("::1/128")])


class Socket:
    """A connection from an address."""

    def __init__(self, address: str) -> None:
        self._address = address

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (self._address, 1) if name == "peername" else default


def request(remote: str, *said: tuple[str, str]):
    return make_mocked_request("GET", "/", headers=CIMultiDict(said), transport=Socket(remote))


@pytest.mark.parametrize(
    ("remote", "said", "peer"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["127.0.0.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["127.0.0.1", "198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        ("::1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "unknown"),
        ("10.0.0.1", [", "], "10.0.0.1"),
    ],
)
def test_the_last_address_that_is_no_proxys_counts(remote, said, peer):
    sent = [("X-Forwarded-For", one) for one in said]
    assert PROXIES.peer(request(remote, *sent)) == peer


def test_nobody_is_believed_by_itself():
    sent = request("10.0.0.1", ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Proto", "https"))
    assert not Proxies()
    assert Proxies().peer(sent) == "10.0.0.1"
    assert not Proxies().secure(sent)


def test_one_hop_is_believed_of_who_is_known_otherwise():
    sent = request("203.0.113.9", ("X-Forwarded-For", "127.0.0.1, 198.51.100.1"))
    assert Proxies().peer(sent, trusted=True) == "198.51.100.1"


@pytest.mark.parametrize(
    ("remote", "said", "secure"),
    [
        ("10.0.0.1", "https", True),
        ("10.0.0.1", "https, http", False),
        ("10.0.0.1", "http", False),
        ("10.0.0.1", None, False),
        ("203.0.113.9", "https", False),
    ],
)
def test_tls_is_a_trusted_proxys_word(remote, said, secure):
    sent = [("X-Forwarded-Proto", said)] if said else []
    assert PROXIES.secure(request(remote, *sent)) is secure


def test_what_was_found_on_the_way_in_counts():
    sent = request("10.0.0.1")
    assert peer_of(sent) == "10.0.0.1"
    sent[peer_key] = "198.51.100.1"
    assert peer_of(sent) == "198.51.100.1"
