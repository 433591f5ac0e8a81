"""What players tell becomes sums."""

from __future__ import annotations

import pytest

from streamer.beacons import Beacons, readable
from streamer.metrics import Metrics


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def beacons(metrics):
    return Beacons(metrics)


def test_a_beacon_is_added_up_by_kind_of_stream(beacons, metrics):
    told = {"v": 2, "st": "ll", "sta": "p", "bl": 2300, "br": 3200, "ltc": 1400, "msd": 800, "bs": True}
    beacons.heard(told)
    beacons.heard(told | {"bs": False, "br": [1600, 128], "bsd": [350]})
    text = metrics.text()
    for line in (
        'streamer_playback_beacons_total{stream="low-latency"} 2',
        'streamer_playback_stalls_total{stream="low-latency"} 1',
        'streamer_playback_buffer_seconds_sum{stream="low-latency"} 4.6',
        'streamer_playback_latency_seconds_sum{stream="low-latency"} 2.8',
        'streamer_playback_startup_seconds_sum{stream="low-latency"} 1.6',
        'streamer_playback_stall_seconds_sum{stream="low-latency"} 0.35',
        'streamer_playback_kilobits_sum{stream="low-latency"} 4800',
    ):
        assert line in text.splitlines()


def test_a_player_that_gave_up_is_an_error(beacons, metrics):
    beacons.heard({"st": "v", "sta": "f"})
    assert 'streamer_playback_errors_total{stream="vod"} 1' in metrics.text()


@pytest.mark.parametrize("value", [True, -1, 10**10, "1", None, [], {}, [[1]], float("inf")], ids=repr)
def test_what_has_no_sense_counts_for_nothing(beacons, metrics, value):
    beacons.heard({"st": value, "bl": value, "br": value, "sta": value, "bs": "yes", "sid": value})
    playback = [line for line in metrics.text().splitlines() if line.startswith("streamer_playback")]
    assert playback == ['streamer_playback_beacons_total{stream="other"} 1']


def test_only_an_object_of_not_too_many_keys_is_read():
    assert readable({"bl": 1})
    assert not readable([])
    assert not readable({str(key): key for key in range(65)})
