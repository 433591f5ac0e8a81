"""`decide` over every small world: no process, no clock."""

from hypothesis import given
from hypothesis import strategies as st

from packager.engine import Group, Slots, Span, Urgency, Want, complete, decide

PICTURES = Group(names=("720p", "360p", "intra"), segments=12, ready=12)
SOUND = Group(names=("audio-0",), segments=13, ready=13, stride=15)
GROUPS = (PICTURES, SOUND)
NAMES = [(name, group.segments) for group in GROUPS for name in group.names]

segments = st.sampled_from([(name, n) for name, count in NAMES for n in range(count)])
worlds = st.tuples(
    st.frozensets(segments, max_size=49),
    st.lists(segments, max_size=6, unique=True),
    st.integers(0, 2),
    st.integers(0, 3),
)


def done_of(stored):
    return {name: {n for other, n in stored if other == name} for name, _ in NAMES}


def ask(stored, wanted, slots, running=()):
    wants = [Want(rendition=name, number=n) for name, n in wanted]
    return wants, decide(wants, groups=GROUPS, done=done_of(stored), running=running, slots=slots)


@given(worlds)
def test_no_more_runs_than_slots_and_no_segment_twice(world):
    stored, wanted, urgent, fill = world
    _, spans = ask(stored, wanted, Slots(urgent=urgent, fill=fill))
    assert len(spans) <= urgent + fill
    made = [(name, n) for span in spans for name in span.names for n in range(span.first, span.last + 1)]
    assert len(made) == len(set(made))
    assert not set(made) & stored


@given(worlds)
def test_a_waiting_viewer_is_served_before_any_fill(world):
    stored, wanted, urgent, fill = world
    wants, spans = ask(stored, wanted, Slots(urgent=urgent, fill=fill))
    open_wants = [want for want in wants if (want.rendition, want.number) not in stored]
    served = [want for want in open_wants if any(span.covers(want) for span in spans)]
    fills = [span for span in spans if span.urgency is Urgency.FILL]
    assert not fills or len(served) == len(open_wants)
    if open_wants and urgent + fill:
        assert open_wants[0] in served


@given(worlds)
def test_repeating_it_ends_with_everything_made(world):
    stored, wanted, urgent, fill = world
    slots = Slots(urgent=urgent, fill=max(1, fill))
    for _ in range(80):
        _, spans = ask(stored, wanted, slots)
        if not spans:
            break
        stored |= {
            (name, n) for span in spans for name in span.names for n in range(span.first, span.last + 1)
        }
    assert complete(GROUPS, done_of(stored))


@given(worlds)
def test_what_runs_is_not_started_again(world):
    stored, wanted, urgent, fill = world
    _, first = ask(stored, wanted, Slots(urgent=urgent, fill=fill))
    _, second = ask(stored, wanted, Slots(urgent=1, fill=2), running=first)
    made = [{(name, n) for name in s.names for n in range(s.first, s.last + 1)} for s in (*first, *second)]
    assert sum(map(len, made)) == len(set().union(*made)) if made else True


def test_sound_comes_first_then_pictures_from_the_front_that_is_watched():
    _, spans = ask(frozenset(), [], Slots(urgent=1, fill=2))
    assert [span.names for span in spans] == [("audio-0",), PICTURES.names]
    sound = frozenset(("audio-0", n) for n in range(13))
    _, spans = ask(sound, [("360p", 8)], Slots(urgent=1, fill=1))
    assert spans[0] == Span(names=("360p",), first=8, last=8, urgency=Urgency.NOW)
    assert (spans[1].first, spans[1].names) == (8, ("720p", "intra"))


def test_a_want_outside_the_plan_starts_nothing():
    _, spans = ask(frozenset(), [("360p", 12), ("480p", 0)], Slots(urgent=1, fill=0))
    assert spans == []
