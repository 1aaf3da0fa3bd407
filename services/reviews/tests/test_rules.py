"""Rules without I/O: moderation states, screening, averages and the review window."""

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
from millrace_reviews.review.model import ALLOWED_DECISIONS, IllegalTransitionError, Reason, ReviewStatus, State
from millrace_reviews.review.screening import Finding, screen
from millrace_reviews.summary.model import Averages, Prior, Totals, compute_averages
from millrace_reviews.visit.model import Obstacle, find_obstacle
from millrace_reviews.visit.wire import parse_visit

from .running import appointment_of, envelope

LINK = frozenset({Finding.LINK})
CLEAN: frozenset[Finding] = frozenset()
findings = st.sampled_from([CLEAN, LINK])


class TestReviewStatus:
    @pytest.mark.parametrize("before", State)
    @pytest.mark.parametrize("after", State)
    def test_moderator_decisions_follow_the_table(self, before: State, after: State) -> None:
        if after in ALLOWED_DECISIONS[before]:
            assert ReviewStatus(before).decide(after, Reason.ABUSIVE).state is after
        else:
            with pytest.raises(IllegalTransitionError, match=f"{before} review cannot become {after}"):
                ReviewStatus(before).decide(after)

    def test_withdrawn_review_cannot_change(self) -> None:
        withdrawn = ReviewStatus.submit(CLEAN).withdraw()
        for move in (withdrawn.withdraw, lambda: withdrawn.revise(CLEAN), lambda: withdrawn.decide(State.PUBLISHED)):
            with pytest.raises(IllegalTransitionError):
                move()


class ReviewTransitions(RuleBasedStateMachine):
    """Random sequences of changes, decisions and withdrawals of a review."""

    def __init__(self) -> None:
        super().__init__()
        self.status = ReviewStatus.submit(CLEAN)
        self.held = CLEAN
        self.is_taken_down = False

    @precondition(lambda self: self.status.state is not State.WITHDRAWN)
    @rule(found=findings)
    def revise(self, found: frozenset[Finding]) -> None:
        self.status = self.status.revise(found)
        self.held = found

    @rule(after=st.sampled_from(State), reason=st.sampled_from(Reason))
    def decide(self, after: State, reason: Reason) -> None:
        if after in ALLOWED_DECISIONS[self.status.state]:
            self.status = self.status.decide(after, reason)
            self.is_taken_down = after is not State.PUBLISHED
            self.held = CLEAN

    @precondition(lambda self: self.status.state is not State.WITHDRAWN)
    @rule(really=st.integers(0, 9))
    def withdraw(self, really: int) -> None:
        if really == 0:
            self.status = self.status.withdraw()

    @invariant()
    def published_review_has_no_findings_and_was_not_taken_down(self) -> None:
        if self.status.state is State.PUBLISHED:
            assert not self.held
            assert not self.is_taken_down
            assert self.status.reason is None

    @invariant()
    def moderator_can_publish_unless_withdrawn(self) -> None:
        assert (State.PUBLISHED in ALLOWED_DECISIONS[self.status.state]) is (self.status.state is not State.WITHDRAWN)


TestReviewTransitions = ReviewTransitions.TestCase
TestReviewTransitions.settings = settings(max_examples=50, stateful_step_count=20)

stars = st.integers(1, 5)
priors = st.builds(Prior, mean=st.floats(1, 5), weight=st.floats(0, 1000))
ratings = st.lists(stars, min_size=1, max_size=200)
TOLERANCE = 0.0011
"""Averages are rounded to thousandths."""


class TestAverages:
    @given(priors, ratings)
    def test_average_is_between_prior_and_mean(self, prior: Prior, ratings_: list[int]) -> None:
        mean = sum(ratings_) / len(ratings_)
        average = prior.average(sum(ratings_), len(ratings_))
        assert min(prior.mean, mean) - TOLERANCE <= average <= max(prior.mean, mean) + TOLERANCE
        assert 1 <= average <= 5

    @given(priors, ratings, stars)
    def test_better_review_never_lowers_the_average(self, prior: Prior, ratings_: list[int], more: int) -> None:
        totals = [prior.average(sum(ratings_) + each, len(ratings_) + 1) for each in (min(more, 4), min(more, 4) + 1)]
        assert totals[0] <= totals[1]

    @given(st.floats(1, 5), ratings)
    def test_average_without_prior_is_the_mean(self, mean: float, ratings_: list[int]) -> None:
        plain = sum(ratings_) / len(ratings_)
        assert Prior(mean, 0).average(sum(ratings_), len(ratings_)) == pytest.approx(plain, abs=TOLERANCE)

    @given(priors, ratings)
    def test_many_reviews_outweigh_the_prior(self, prior: Prior, ratings_: list[int]) -> None:
        mean = sum(ratings_) / len(ratings_)
        average = prior.average(sum(ratings_) * 10_000_000, len(ratings_) * 10_000_000)
        assert average == pytest.approx(mean, abs=TOLERANCE)

    def test_averages_of_an_example(self) -> None:
        assert compute_averages(Totals(2, 10, 5, 2), Prior(4.0, 5.0)) == Averages(2, 4.286, 3.571, 3.143)
        assert compute_averages(Totals(0, 0, 0, 0), Prior(4.0, 0.0)) == Averages(0)


LINKS_WITHOUT_SCHEME = (
    "evil dot com",
    "evil DOT com",
    "evil  d0t  com",
    "evil [dot] com/x",
    "evil<dot>ru",
    "evil -dot- co",
    "evildotcom",
    "evil . com",
    "evil .org",
    "evil。com",
    "evil｡com",
    "evil．com",
    "ｅｖｉｌ．ｃｏｍ",
    "evil․com",
    "evil﹒com",
    "evil·com",
    "evil•com",
    "evil・com",
    "evil۔com",
    "evil。\u200bde/x",
    "evil.ru",
    "пример.com",
    "bit.ly/x",
    "evil.dentist",
    "evil.co.uk",
    "evil.to/x",
    "EVIL.XYZ",
    "evil.xn--p1ai",
    "www dot evil dot example",
    "www。evil",
)


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
            "Thanks to Dr.Li and St.Jo!It was quick.So was Dr. Ng.",
            "Seen at 9 a.m. in the U.S. by a nurse, e.g. for a dot on my skin.",
            "看病很快。医生很好。",
            "The nurses were kind · the rooms clean • no waiting",
            "One dot is no link. Organs are fine. Communication too.",
        ],
    )
    def test_prose_has_no_findings(self, text: str | None) -> None:
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
            *((link, Finding.LINK) for link in LINKS_WITHOUT_SCHEME),
            ("mail jane.doe@example.org", Finding.EMAIL),
            ("jane@example。org", Finding.EMAIL),
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
    def test_contact_details_are_found(self, text: str, finding: Finding) -> None:
        assert finding in screen(text)

    @given(st.text(max_size=50), st.sampled_from(["jane@example.org", "https://x.example", "312-555-0142"]))
    def test_contact_details_are_found_inside_text(self, around: str, what: str) -> None:
        assert screen(f"{around} {what} {around}")

    @given(st.text(max_size=4000))
    def test_any_text_is_screened(self, text: str) -> None:
        assert screen(text) <= frozenset(Finding)

    @pytest.mark.parametrize("piece", ["a.", "1 ", "@", "a@", "dot ", "( ", "a-", "a [ ", "a .", "a dot "])
    def test_screening_time_is_bounded(self, piece: str) -> None:
        text = (piece * 4000)[:4000]
        began = time.process_time()
        screen(text)
        assert time.process_time() - began < 0.5


NOW = datetime(2026, 11, 21, tzinfo=UTC)


class TestVisits:
    def test_visit_is_reviewable_within_the_window_after_completion(self) -> None:
        window = timedelta(days=90)
        assert find_obstacle(None, NOW, window) is Obstacle.NOT_COMPLETED
        assert find_obstacle(NOW, NOW, window) is None
        assert find_obstacle(NOW - window, NOW, window) is None
        assert find_obstacle(NOW - window - timedelta(seconds=1), NOW, window) is Obstacle.TOO_LATE

    def test_completion_time_defaults_to_the_event_time(self) -> None:
        created = appointment_of("p", ManualClock(), completed_at=None)
        event = decode(envelope(APPOINTMENT, created, 3, False, NOW.timestamp()))
        assert parse_visit(created, event).completed_at == NOW

    @pytest.mark.parametrize("changes", [{"start": "soon"}, {"start": "2026-11-21T09:00:00"}, {"completed_at": "x"}])
    def test_invalid_time_is_named(self, changes: dict[str, str]) -> None:
        created: Appointment = appointment_of("p", ManualClock(), **changes)
        event = decode(envelope(APPOINTMENT, created, 1, False, 0.0))
        with pytest.raises(ContractError, match=next(iter(changes))):
            parse_visit(created, event)
