"""`decide` over every small world, and over long lives of one: no process, no clock."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from packager.engine import (
    AHEAD,
    Group,
    Running,
    Slots,
    Span,
    Urgency,
    Want,
    World,
    complete,
    decide,
)

PICTURES = Group(names=("720p", "360p", "intra"), segments=12, ready=12, ornament="intra")
SOUND = Group(names=("audio-0",), segments=13, ready=13, stride=15, sound=True)
OTHER = Group(names=("audio-1",), segments=13, ready=13, stride=15, sound=True, first=False)
GROUPS = (PICTURES, SOUND, OTHER)
SEGMENTS = [Want(rendition=name, number=n) for g in GROUPS for name in g.names for n in range(g.segments)]
RANK = {"audio-0": 0, "audio-1": 0, "360p": 1, "720p": 2, "intra": 3}
PLENTY = Slots(now=99, soon=99, fill=99)

segments = st.sampled_from(SEGMENTS)
slots = st.builds(Slots, now=st.integers(0, 2), soon=st.integers(0, 1), fill=st.integers(0, 3))


def sets(stored):
    return {name: {want.number for want in stored if want.rendition == name} for name in RANK}


def running(span, *, begun, run="r"):
    return Running(run=run, span=span, begun=begun)


def pictures(first, last, *names, urgency=Urgency.FILL):
    return Span(names=names or PICTURES.names, first=first, last=last, urgency=urgency)


def want(name, number):
    return Want(rendition=name, number=number)


worlds = st.builds(
    lambda stored, wants, ready, fresh, fill: World(
        groups=[replace(group, ready=min(ready, group.segments)) for group in GROUPS],
        wants=wants,
        done=sets(stored),
        fronts={one.rendition: one.number for one in wants},
        fresh=fresh,
        fill=fill,
    ),
    st.frozensets(segments, max_size=60),
    st.lists(segments, max_size=6, unique=True),
    st.sampled_from([0, 5, 13]),
    st.booleans(),
    st.booleans(),
)


def ready(world, one):
    return any(one.rendition in group.names and one.number < group.ready for group in world.groups)


@given(worlds, slots, st.sampled_from(Urgency))
def test_no_more_than_there_are_places_nothing_twice_nothing_without_its_source(world, free, urgency):
    decision = decide(world, free, urgency)
    left = free
    for span in sorted(decision.start, key=lambda span: span.urgency):
        assert left.open(span.urgency)
        left = left.take(span.urgency)
        assert span.urgency <= urgency
    made = [one for span in decision.start for one in span.wants()]
    assert len(made) == len(set(made))
    assert all(ready(world, one) for one in made)
    assert not any(one.number in world.done[one.rendition] for one in made)
    assert decide(world, free, urgency) == decision
    assert not decision.promote
    assert not decision.cancel


@given(worlds, slots)
def test_who_waits_goes_first_sound_before_pictures_and_low_before_high(world, free):
    decision = decide(world, free)
    waiting = [
        one for one in world.wants if ready(world, one) and one.number not in world.done[one.rendition]
    ]
    served = [one for one in waiting if any(span.covers(one) for span in decision.start)]
    urgent = [span for span in decision.start if span.urgency is Urgency.NOW]
    assert len(served) == len(waiting) or not decide(world, replace(free, now=0)).start or decision.more
    if any(span.urgency > Urgency.NOW and free.now == 0 for span in decision.start):
        assert len(served) == len(waiting)
    assert [RANK[span.names[0]] for span in urgent] == sorted(RANK[span.names[0]] for span in urgent)
    left_out = [RANK[one.rendition] for one in waiting if one not in served]
    assert not left_out or not urgent or min(left_out) >= max(RANK[span.names[0]] for span in urgent)
    assert bool(served) == bool(waiting and free.open(Urgency.NOW))


@given(worlds)
def test_nothing_is_made_that_nobody_watches_where_that_is_the_rule(world):
    spans = decide(replace(world, fill=False, fresh=False), PLENTY).start
    asked = [*world.wants, *(want(name, number) for name, number in world.fronts.items())]
    asked += [want("audio-0", one.number) for one in world.wants]  # the sound of what is waited for
    near = {(one.rendition, one.number + ahead) for one in asked for ahead in range(3 * AHEAD + 1)}
    assert all((one.rendition, one.number) in near for span in spans for one in span.wants())
    assert decide(World(groups=GROUPS, fresh=False, fill=False), PLENTY).start == ()


def test_the_sound_of_awaited_pictures_is_made_beside_them():
    world = World(groups=GROUPS, wants=[want("360p", 7)], fronts={"360p": 7}, fresh=False)
    start = [(span.names, span.first, span.urgency) for span in decide(world, PLENTY, Urgency.SOON).start]
    assert start[:2] == [(("audio-0",), 7, Urgency.NOW), (("360p",), 7, Urgency.NOW)]
    pictures_only = decide(replace(world, wants=[want("intra", 7)]), PLENTY, Urgency.SOON).start
    assert not any(span.names == ("audio-0",) for span in pictures_only)


def test_an_asset_begins_with_its_default_sound_and_its_lowest_rung():
    decision = decide(World(groups=GROUPS), PLENTY, Urgency.SOON)
    assert [(span.names, span.first, span.urgency) for span in decision.start] == [
        (("audio-0",), 0, Urgency.SOON), (("360p",), 0, Urgency.SOON)
    ]  # fmt: skip
    assert decision.start[1].last == 0


def test_what_comes_next_is_made_in_what_is_watched_and_a_seek_moves_it():
    def ahead(number):
        world = World(groups=GROUPS, fronts={"360p": number}, fresh=False)
        return decide(world, PLENTY, Urgency.SOON).start

    assert ahead(2) == (pictures(3, 5, "360p", urgency=Urgency.SOON),)
    assert ahead(8) == (pictures(9, 11, "360p", urgency=Urgency.SOON),)
    assert ahead(11) == ()


def test_the_rest_begins_at_the_last_place_that_was_asked_for():
    world = World(groups=(PICTURES,), fronts={"360p": 2, "720p": 8}, fresh=False)
    spans = decide(world, Slots(fill=9)).start
    assert next((span.first, span.last) for span in spans if span.urgency is Urgency.FILL) == (8, 8)
    world = replace(world, fronts={}, done={"360p": set(range(12))})
    assert decide(world, Slots(fill=1)).start == (pictures(0, 3, "720p", "intra"),)


def test_a_want_joins_a_run_that_is_about_to_make_it():
    world = World(groups=GROUPS, wants=[want("audio-0", 2)], fresh=False)
    sound = Span(names=("audio-0",), first=0, last=12)
    assert not decide(replace(world, running=[running(sound, begun=True)]), PLENTY, Urgency.NOW).start
    alone = pictures(3, 5, "360p", urgency=Urgency.SOON)
    world = replace(world, wants=[want("360p", 4)], running=[running(alone, begun=True)])
    assert not decide(world, PLENTY, Urgency.NOW).start


def test_a_want_does_not_wait_for_a_long_background_run():
    own = (pictures(6, 6, "360p", urgency=Urgency.NOW),)
    world = World(groups=GROUPS, wants=[want("360p", 6)], fronts={"360p": 6}, fresh=False)
    for span in (pictures(4, 7), pictures(6, 9)):
        for begun in (True, False):
            decision = decide(replace(world, running=[running(span, begun=begun)]), PLENTY, Urgency.NOW)
            assert decision.start == own
            assert not decision.promote
            assert not decision.cancel


def test_a_short_run_that_waits_in_a_queue_is_raised_for_whoever_wants_it():
    queued = running(pictures(6, 8, "360p", urgency=Urgency.SOON), begun=False)
    world = World(groups=GROUPS, wants=[want("360p", 7)], running=[queued], fresh=False)
    decision = decide(world, PLENTY, Urgency.NOW)
    assert decision.promote == (replace(queued, span=replace(queued.span, urgency=Urgency.NOW)),)
    assert not decision.start
    assert decide(replace(world, running=decision.promote), PLENTY, Urgency.NOW).promote == ()


def test_what_waits_in_a_queue_for_nobody_is_taken_back_and_nothing_that_has_begun():
    spans = (
        pictures(6, 6, "360p", urgency=Urgency.NOW),
        pictures(7, 9, "360p", urgency=Urgency.SOON),
        pictures(0, 3),
    )
    queued = [running(span, begun=False, run=str(n)) for n, span in enumerate(spans)]
    world = World(groups=GROUPS, running=queued, fresh=False)
    assert decide(world, Slots(), Urgency.NOW).cancel == tuple(queued[:2])
    assert decide(replace(world, fill=False), Slots()).cancel == tuple(queued)
    assert not decide(replace(world, wants=[want("360p", 6)], fronts={"360p": 6}), Slots()).cancel
    begun = [replace(one, begun=True) for one in queued]
    assert not decide(replace(world, running=begun, fill=False), Slots()).cancel


def ranked(span, **fields):
    """Return how urgent a Run is that has begun, in such a world; None where that has not changed."""
    world = World(groups=GROUPS, running=[running(span, begun=True)], fresh=False, **fields)
    changed = decide(world, Slots(), Urgency.NOW).ranked
    assert all(one.begun and replace(one.span, urgency=span.urgency) == span for one in changed)
    return changed[0].span.urgency if changed else None


def test_what_has_begun_for_a_viewer_who_has_gone_is_no_more_urgent_than_the_rest():
    alone = pictures(6, 6, "360p", urgency=Urgency.NOW)
    assert ranked(alone) is Urgency.FILL
    assert ranked(alone, fronts={"360p": 9}) is Urgency.FILL
    assert ranked(alone, wants=[want("360p", 6)]) is None
    assert ranked(alone, fronts={"360p": 5}) is Urgency.SOON
    sound = Span(names=("audio-0",), first=6, last=9, urgency=Urgency.NOW)
    assert ranked(sound, wants=[want("360p", 6)]) is None
    assert ranked(sound, fronts={"360p": 6}) is Urgency.SOON


def test_what_has_begun_is_as_urgent_as_whoever_gets_a_segment_from_it():
    coming = pictures(6, 8, "360p", urgency=Urgency.SOON)
    assert ranked(coming, wants=[want("360p", 7)]) is Urgency.NOW
    assert ranked(coming, wants=[want("360p", 8)], fronts={"360p": 8}) is None  # it gets its own
    assert ranked(pictures(6, 9), wants=[want("360p", 6)], fronts={"360p": 6}) is None
    sound = Span(names=("audio-0",), first=0, last=12)
    assert ranked(sound, wants=[want("audio-0", 1)]) is Urgency.NOW
    assert ranked(sound, fronts={"audio-0": 1}) is None


def test_what_another_node_has_made_is_not_made_again():
    queued = running(pictures(0, 3), begun=False)
    made = World(groups=GROUPS, running=[queued], done={name: set(range(4)) for name in PICTURES.names})
    assert decide(made, Slots()).cancel == (queued,)


def test_a_want_outside_the_plan_or_before_its_bytes_starts_nothing():
    world = World(
        groups=[replace(PICTURES, ready=4)], wants=[want("360p", 12), want("480p", 0), want("360p", 4)]
    )
    assert decide(world, PLENTY, Urgency.NOW).start == ()


class Life(RuleBasedStateMachine):
    """One generation: viewers come, go and seek, Runs begin, store in order, end or die, bytes arrive."""

    def __init__(self):
        super().__init__()
        self.world = World(groups=[replace(group, ready=3) for group in GROUPS], done=sets(()))
        self.made = {}
        self.runs = 0

    @property
    def free(self):
        now, soon, fill = ([one.span.urgency for one in self.world.running].count(u) for u in Urgency)
        soon += max(0, now - 2)  # what found no place of its own is in one of the next kind
        fill += max(0, soon - 1)
        return Slots(now=max(0, 2 - now), soon=max(0, 1 - soon), fill=max(0, 2 - fill))

    def change(self, **fields):
        self.world = replace(self.world, **fields)

    @rule(urgency=st.sampled_from(Urgency))
    def plan(self, urgency):
        before = {one.run: one for one in self.world.running}
        decision = decide(self.world, self.free, urgency)
        for one in decision.cancel:
            assert not before.pop(one.run).begun
        for one in decision.promote:
            assert not before[one.run].begun
            assert one.span.urgency < before[one.run].span.urgency
            before[one.run] = one
        for span in decision.start:
            self.runs += 1
            before[str(self.runs)] = running(span, begun=False, run=str(self.runs))
        self.change(running=tuple(before.values()))

    @rule(one=segments)
    def ask(self, one):
        if one not in self.world.wants:
            fronts = {name: at for name, at in self.world.fronts.items() if name != one.rendition}
            self.change(
                wants=[*self.world.wants, one], fronts={**fronts, one.rendition: one.number}
            )  # fmt: skip

    @precondition(lambda self: self.world.wants)
    @rule(data=st.data())
    def leave(self, data):
        gone = data.draw(st.sampled_from(self.world.wants))
        self.change(wants=[one for one in self.world.wants if one != gone])

    @rule(more=st.integers(1, 6))
    def receive(self, more):
        self.change(
            groups=[
                replace(group, ready=min(group.segments, group.ready + more)) for group in self.world.groups
            ]
        )

    @rule(fill=st.booleans())
    def set_policy(self, fill):
        self.change(fill=fill)

    @rule(one=segments)
    def evict(self, one):
        self.world.done[one.rendition].discard(one.number)
        self.change(fresh=False)

    @precondition(lambda self: self.world.running)
    @rule(data=st.data(), steps=st.integers(0, 9), dies=st.booleans())
    def work(self, data, steps, dies):
        one = data.draw(st.sampled_from(self.world.running))
        begun = replace(one, begun=True)
        at = self.made.get(one.run, one.span.first)
        for number in range(at, min(at + steps, one.span.last + 1)):
            for name in one.span.names:
                self.world.done[name].add(number)
        self.made[one.run] = at + steps
        others = [other for other in self.world.running if other.run != one.run]
        ended = dies or at + steps > one.span.last
        self.change(running=others if ended else [*others, begun])
        self.change(wants=[w for w in self.world.wants if w.number not in self.world.done[w.rendition]])

    @invariant()
    def places_are_kept(self):
        busy = [one.span.urgency for one in self.world.running]
        assert len(busy) <= 5 + busy.count(Urgency.NOW)

    @invariant()
    def background_work_is_not_done_twice(self):
        fills = [one.span for one in self.world.running if one.span.urgency is Urgency.FILL]
        made = [one for span in fills for one in span.wants()]
        assert len(made) == len(set(made))

    def teardown(self):
        """However it went: with its bytes there and Runs that work, everything is made."""
        self.change(groups=GROUPS, fill=True)
        for _ in range(2 * len(SEGMENTS)):
            if complete(GROUPS, self.world.done):
                break
            self.plan(Urgency.FILL)
            assert self.world.running
            for one in self.world.running:
                for made in one.span.wants():
                    self.world.done[made.rendition].add(made.number)
            self.change(running=(), wants=())
        assert complete(GROUPS, self.world.done)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=25)
