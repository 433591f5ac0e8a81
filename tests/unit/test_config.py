"""Layers of configuration, and what is said of a key that is not one."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest

from streamer.config import Config, load
from streamer.errors import ConfigError


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in list(os.environ):
        if name.startswith("STREAMER_"):
            monkeypatch.delenv(name)


def test_defaults_are_for_one_machine():
    config = load()
    assert config.host == "127.0.0.1"
    assert config.port == 8080
    assert config.data == Path("data").absolute()
    assert config.encode_slots >= 1


def test_each_layer_overrides_the_one_below(tmp_path, monkeypatch):
    file = tmp_path / "s.toml"
    file.write_text('port = 1\nhost = "a"\ndata = "from-file"\n')
    monkeypatch.setenv("STREAMER_PORT", "2")
    monkeypatch.setenv("STREAMER_HOST", "b")
    config = load({"port": 3, "host": None}, file=file)
    assert (config.port, config.host, config.data) == (3, "b", Path("from-file").absolute())


def test_the_environment_names_the_file(tmp_path, monkeypatch):
    file = tmp_path / "s.toml"
    file.write_text("upload_max_bytes = 5\n")
    monkeypatch.setenv("STREAMER_CONFIG", str(file))
    assert load().upload_max_bytes == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "did you mean 'port'"),
        ("upload_max = 1", "did you mean 'upload_max_bytes'"),
        ("port = 'x'", "port:"),
        ("port = 70000", "port:"),
        ("public_url = 'ftp://x'", "public_url:"),
        ("port = ", "is not TOML"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path, text, said):
    file = tmp_path / "s.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        load(file=file)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        load(file=tmp_path / "none.toml")


def test_an_unknown_variable_names_the_nearest(monkeypatch):
    monkeypatch.setenv("STREAMER_FFMPG", "/x")
    with pytest.raises(ConfigError, match="'ffmpg' in the environment; did you mean 'ffmpeg'"):
        load()


def test_an_unknown_flag_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'data'"):
        load({"date": "x"})


def test_every_key_is_described():
    assert all(field.description for field in Config.model_fields.values())


def test_the_data_directory_is_absolute_whatever_was_written() -> None:
    assert load({"data": Path("here")}).data == Path.cwd() / "here"
    assert load().data.is_absolute()


def test_the_catalog_is_a_file_or_a_url_that_is_not_shown(tmp_path):
    assert load({"data": tmp_path}).catalog == tmp_path / "catalog.sqlite"
    url = "postgresql://me:hidden@db.example.org/streamer?sslmode=verify-full"
    config = load({"database": url, "port": 81})
    assert config.catalog == url
    assert "hidden" not in f"{config!r} {config.database}"
    assert config.node_name.endswith("-81")
    assert load({"node": "a-1"}).node_name == "a-1"


def test_a_wrong_url_is_named_without_its_password():
    with pytest.raises(ConfigError, match="postgresql://") as caught:
        load({"database": "mysql://me:secret@db/streamer"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("written", ["0.2", '"0.2"', '"1/5"'])
def test_the_length_of_a_part_is_exact(tmp_path, written):
    file = tmp_path / "s.toml"
    file.write_text(f"live_part_seconds = {written}\n")
    assert load(file=file).live_part_seconds == Fraction(1, 5)


def test_rule_parts_are_a_third_of_a_second_unless_something_else_is_wished_for():
    """With much shorter ones some players go to and fro between parts and segments."""
    assert load().live_part_seconds == Fraction(333, 1000)


def test_the_door_for_rtmp_has_a_port_or_is_off(monkeypatch):
    assert load().live_rtmp_port == 1935
    for given, port in (("0", 0), ("1936", 1936), ("off", "off")):
        monkeypatch.setenv("STREAMER_LIVE_RTMP_PORT", given)
        assert load().live_rtmp_port == port


@pytest.mark.parametrize(
    ("name", "value"),
    [("live_part_seconds", "3"), ("live_rtmp_port", "none"), ("live_rtmp_port", 70_000)],
)
def test_a_live_setting_out_of_bounds_is_named(name, value):
    with pytest.raises(ConfigError, match=name):
        load({name: value})


def test_hosts_and_networks_that_may_be_asked_come_as_a_list_or_by_commas(tmp_path, monkeypatch):
    file = tmp_path / "s.toml"
    file.write_text('outbound_allow = ["hooks.local", "10.1.0.0/16"]\n')
    assert load(file=file).outbound_allow == ("hooks.local", "10.1.0.0/16")
    monkeypatch.setenv("STREAMER_OUTBOUND_ALLOW", " hooks.local, 10.1.0.0/16,")
    assert load().outbound_allow == ("hooks.local", "10.1.0.0/16")
    monkeypatch.setenv("STREAMER_OUTBOUND_ALLOW", "http://hooks.local")
    with pytest.raises(ConfigError, match=r"outbound_allow: .*neither a host nor a network"):
        load()


def test_a_secret_of_the_admission_hook_is_not_shown(monkeypatch):
    monkeypatch.setenv("STREAMER_LIVE_ADMISSION_SECRET", "sixteen letters!")
    assert "sixteen" not in f"{load()!r}"
    monkeypatch.setenv("STREAMER_LIVE_ADMISSION_SECRET", "too short")
    with pytest.raises(ConfigError, match="live_admission_secret") as caught:
        load()
    assert "too short" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("url", ["ftp://hook", "http://user:word@hook/", "http://", "hook"])
def test_the_admission_hook_has_a_web_address(monkeypatch, url):
    monkeypatch.setenv("STREAMER_LIVE_ADMISSION_URL", url)
    with pytest.raises(ConfigError, match="live_admission_url"):
        load()


def test_passwords_of_ice_servers_are_not_shown(monkeypatch):
    monkeypatch.setenv("STREAMER_LIVE_ICE_SERVERS", "turn:me:hidden@turn.example.net")
    config = load()
    assert [one.credential for one in config.ice_servers] == ["hidden"]
    assert "hidden" not in repr(config)
    with pytest.raises(ConfigError, match="live_ice_servers") as caught:
        load({"live_ice_servers": "turn:hidden@turn.example.net"})
    assert "hidden" not in str(caught.value)


def test_destinations_are_tables_of_the_file(tmp_path):
    file = tmp_path / "s.toml"
    table = '[destinations.cdn]\nurl = "s3://films/vod/"\nregion = "x"\n'
    file.write_text(f'publish_automatically = "cdn"\n{table}')
    config = load(file=file)
    assert config.publish_automatically == "cdn"
    assert str(config.destinations["cdn"].place) == "s3://films/vod"
    assert config.destinations["cdn"].access.region == "x"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[destinations.cdn]\nurl = "films/vod"', "destinations.cdn.url"),
        ('[destinations.cdn]\nurl = "s3://films"\nsecret_key = "hidden"', "destinations.cdn.secret_key"),
        ('[destinations.cdn]\nregion = "x"', "destinations.cdn.url"),
        ('publish_automatically = "cdn"', "publish_automatically"),
    ],
)
def test_a_destination_that_does_not_do_is_named(text, named, tmp_path):
    file = tmp_path / "s.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=named) as refused:
        load(file=file)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    "given", ["s3://films/media", '{"url": "s3://films/media", "endpoint": "https://s3.example.org"}']
)
def test_a_bucket_is_a_place_alone_or_a_table(monkeypatch, given):
    monkeypatch.setenv("STREAMER_MEDIA", given)
    media = load().media
    assert (media.place.bucket, media.place.prefix) == ("films", "media/")
    assert media.endpoint == ("https://s3.example.org" if "{" in given else None)


@pytest.mark.parametrize("given", ["films/media", "{", '{"url": "s3://films/media", "ednpoint": "x"}'])
def test_a_bucket_that_cannot_be_is_told(monkeypatch, given):
    monkeypatch.setenv("STREAMER_MEDIA", given)
    with pytest.raises(ConfigError, match=r"media"):
        load()
