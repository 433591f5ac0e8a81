"""The text format."""

from __future__ import annotations

from streamer.metrics import Counter, Gauge, Histogram, Metrics


def test_a_counter_grows_for_each_combination():
    counter = Counter("c", "about", ("a", "b"))
    counter.add(1, "x", "y")
    counter.add(2, "x", "y")
    counter.add(1, 'q"\\\n', "")
    assert counter.lines() == ['c{a="x",b="y"} 3', 'c{a="q\\"\\\\\\n",b=""} 1']


def test_a_counter_without_labels_begins_at_nothing():
    assert Counter("c", "about").lines() == ["c 0"]


def test_large_counters_keep_every_digit():
    counter = Counter("c", "about")
    counter.add(123_456_789_012)
    counter.add(1)
    assert counter.lines() == ["c 123456789013"]


def test_a_gauge_is_set():
    gauge = Gauge("g", "about")
    gauge.set(5)
    gauge.set(2.5)
    assert gauge.lines() == ["g 2.5"]


def test_buckets_are_cumulative():
    histogram = Histogram("h", "about", bounds=(1, 2))
    for value in (0.5, 1, 1.5, 9):
        histogram.observe(value)
    assert histogram.lines() == [
        'h_bucket{le="1"} 2',
        'h_bucket{le="2"} 3',
        'h_bucket{le="+Inf"} 4',
        "h_sum 12",
        "h_count 4",
    ]


def test_every_metric_is_typed():
    text = Metrics().text()
    assert text.endswith("\n")
    assert text.count("# TYPE ") == text.count("# HELP ") == 14
