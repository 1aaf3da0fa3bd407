"""The pure rules: the state machine, the screening, the averages, the time to review."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from millrace_contracts.entities import Appointment
from millrace_contracts.envelope import ContractError, decode
from millrace_contracts.registry import APPOINTMENT
from millrace_platform.testing import ManualClock
from millrace_reviews.review.model import DECISIONS, IllegalMoveError, Reason, Standing, State
from millrace_reviews.review.screening import Finding, screen
from millrace_reviews.summary.model import Averages, Prior, Totals, averages
from millrace_reviews.visit.model import Obstacle, obstacle
from millrace_reviews.visit.wire import visit_of

from .running import appointment_of, envelope

LINK = frozenset({Finding.LINK})
CLEAN: frozenset[Finding] = frozenset()
findings = st.sampled_from([CLEAN, LINK])


class TestStanding:
    @pytest.mark.parametrize("before", State)
    @pytest.mark.parametrize("after", State)
    def test_a_moderator_moves_it_as_the_table_says(self, before: State, after: State) -> None:
        if after in DECISIONS[before]:
            assert Standing(before).decided(after, Reason.ABUSIVE).state is after
        else:
            with pytest.raises(IllegalMoveError, match=f"{before} can't become {after}"):
                Standing(before).decided(after)

    def test_nothing_leads_out_of_withdrawal(self) -> None:
        gone = Standing.submitted(CLEAN).withdrawn()
        for move in (gone.withdrawn, lambda: gone.revised(CLEAN), lambda: gone.decided(State.PUBLISHED)):
            with pytest.raises(IllegalMoveError):
                move()


class Moves(RuleBasedStateMachine):
    """Whatever is done to a review in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.standing = Standing.submitted(CLEAN)
        self.held = CLEAN
        self.is_taken_down = False

    @precondition(lambda self: self.standing.state is not State.WITHDRAWN)
    @rule(found=findings)
    def revise(self, found: frozenset[Finding]) -> None:
        self.standing = self.standing.revised(found)
        self.held = found

    @rule(after=st.sampled_from(State), reason=st.sampled_from(Reason))
    def decide(self, after: State, reason: Reason) -> None:
        if after in DECISIONS[self.standing.state]:
            self.standing = self.standing.decided(after, reason)
            self.is_taken_down = after is not State.PUBLISHED
            self.held = CLEAN

    @precondition(lambda self: self.standing.state is not State.WITHDRAWN)
    @rule(really=st.integers(0, 9))
    def withdraw(self, really: int) -> None:
        if really == 0:
            self.standing = self.standing.withdrawn()

    @invariant()
    def nothing_is_published_that_screening_or_a_moderator_holds(self) -> None:
        if self.standing.state is State.PUBLISHED:
            assert not self.held
            assert not self.is_taken_down
            assert self.standing.reason is None

    @invariant()
    def a_moderator_can_always_publish_what_is_not_withdrawn(self) -> None:
        assert (State.PUBLISHED in DECISIONS[self.standing.state]) is (self.standing.state is not State.WITHDRAWN)


TestMoves = Moves.TestCase
TestMoves.settings = settings(max_examples=50, stateful_step_count=20)

stars = st.integers(1, 5)
priors = st.builds(Prior, mean=st.floats(1, 5), weight=st.floats(0, 1000))
ratings = st.lists(stars, min_size=1, max_size=200)
TOLERANCE = 0.0011
"""Averages are told in thousandths."""


class TestAverages:
    @given(priors, ratings)
    def test_they_lie_between_the_prior_and_the_plain_mean(self, prior: Prior, given_: list[int]) -> None:
        mean = sum(given_) / len(given_)
        average = prior.average(sum(given_), len(given_))
        assert min(prior.mean, mean) - TOLERANCE <= average <= max(prior.mean, mean) + TOLERANCE
        assert 1 <= average <= 5

    @given(priors, ratings, stars)
    def test_a_better_review_never_lowers_them(self, prior: Prior, given_: list[int], more: int) -> None:
        totals = [prior.average(sum(given_) + each, len(given_) + 1) for each in (min(more, 4), min(more, 4) + 1)]
        assert totals[0] <= totals[1]

    @given(st.floats(1, 5), ratings)
    def test_without_a_prior_they_are_plain(self, mean: float, given_: list[int]) -> None:
        plain = sum(given_) / len(given_)
        assert Prior(mean, 0).average(sum(given_), len(given_)) == pytest.approx(plain, abs=TOLERANCE)

    @given(priors, ratings)
    def test_many_alike_outweigh_the_prior(self, prior: Prior, given_: list[int]) -> None:
        mean = sum(given_) / len(given_)
        average = prior.average(sum(given_) * 10_000_000, len(given_) * 10_000_000)
        assert average == pytest.approx(mean, abs=TOLERANCE)

    def test_by_hand(self) -> None:
        assert averages(Totals(2, 10, 5, 2), Prior(4.0, 5.0)) == Averages(2, 4.286, 3.571, 3.143)
        assert averages(Totals(0, 0, 0, 0), Prior(4.0, 0.0)) == Averages(0)


class TestScreening:
    @pytest.mark.parametrize(
        "text",
        [
            None,
            "Listened, and explained everything. 10/10!",
            "Waited 45 minutes. Appointment was at 9:30, seen at 10:15.",
            "Dr. Ruiz is great.She took her time.",
            "I'd give 5 of 5, have been there 3 times since 2019",
            "Room 204, ZIP 10001. It cost $1,250.",
            "Das war gut.\nVielen Dank – 感谢",
        ],
    )
    def test_prose_is_shown(self, text: str | None) -> None:
        assert screen(text) == CLEAN

    @pytest.mark.parametrize(
        ("text", "finding"),
        [
            ("see https://evil.example/x", Finding.LINK),
            ("see HTTP://EVIL", Finding.LINK),
            ("WWW.evil.example", Finding.LINK),
            ("go to cheap-pills.com now", Finding.LINK),
            ("cheap-pills(.)com", Finding.LINK),
            ("cheap-pills dot com", Finding.LINK),
            ("cheap\u200b-pills.c\u200bom", Finding.LINK),
            ("mail jane.doe@example.org", Finding.EMAIL),
            ("jane at example dot org".replace(" at ", " (at) "), Finding.EMAIL),
            ("jane＠example．org", Finding.EMAIL),
            ("find me @jane_doe", Finding.EMAIL),
            ("call 555-1234", Finding.PHONE),
            ("call (312) 555-0142", Finding.PHONE),
            ("call +1.312.555.0142", Finding.PHONE),
            ("3 1 2 5 5 5 0 1 4 2", Finding.PHONE),
            ("３１２５５５０１４２", Finding.PHONE),
            ("٣١٢٥٥٥٠١٤٢", Finding.PHONE),
        ],
    )
    def test_ways_to_reach_somebody_are_held_back(self, text: str, finding: Finding) -> None:
        assert finding in screen(text)

    @given(st.text(max_size=50), st.sampled_from(["jane@example.org", "https://x.example", "312-555-0142"]))
    def test_whatever_stands_around_it(self, around: str, what: str) -> None:
        assert screen(f"{around} {what} {around}")

    @given(st.text(max_size=4000))
    def test_any_text_is_judged(self, text: str) -> None:
        assert screen(text) <= frozenset(Finding)

    @pytest.mark.parametrize("piece", ["a.", "1 ", "@", "a@", "dot ", "( ", "a-"])
    def test_no_text_takes_long(self, piece: str) -> None:
        text = (piece * 4000)[:4000]
        began = time.process_time()
        screen(text)
        assert time.process_time() - began < 0.5


NOW = datetime(2026, 11, 21, tzinfo=UTC)


class TestVisits:
    def test_it_is_reviewed_from_its_completion_on_for_as_long_as_is_given(self) -> None:
        window = timedelta(days=90)
        assert obstacle(None, NOW, window) is Obstacle.NOT_COMPLETED
        assert obstacle(NOW, NOW, window) is None
        assert obstacle(NOW - window, NOW, window) is None
        assert obstacle(NOW - window - timedelta(seconds=1), NOW, window) is Obstacle.TOO_LATE

    def test_a_completion_without_its_time_is_that_of_the_event(self) -> None:
        made = appointment_of("p", ManualClock(), completed_at=None)
        event = decode(envelope(APPOINTMENT, made, 3, False, NOW.timestamp()))
        assert visit_of(made, event).completed_at == NOW

    @pytest.mark.parametrize("changes", [{"start": "soon"}, {"start": "2026-11-21T09:00:00"}, {"completed_at": "x"}])
    def test_a_time_that_cannot_be_read_is_named(self, changes: dict[str, str]) -> None:
        made: Appointment = appointment_of("p", ManualClock(), **changes)
        event = decode(envelope(APPOINTMENT, made, 1, False, 0.0))
        with pytest.raises(ContractError, match=next(iter(changes))):
            visit_of(made, event)
