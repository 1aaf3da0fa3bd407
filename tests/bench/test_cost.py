"""The sums of the cost script."""

import pytest

from tests.bench.cost import Load, Prices, fixed, main, of_bookings, of_searches, searches_per_second


def test_a_search_costs_less_the_more_a_worker_answers() -> None:
    def dollars(rate: float) -> float:
        return sum(line.dollars for line in of_searches(Prices(), Load(), rate))

    assert dollars(2_000) < dollars(1_000)
    assert searches_per_second() > 100


def test_what_is_added_grows_with_the_patients_and_what_is_fixed_does_not() -> None:
    def dollars(load: Load) -> float:
        return sum(line.dollars for line in of_bookings(Prices(), load))

    assert dollars(Load(patients=2_000_000)) == pytest.approx(2 * dollars(Load(patients=1_000_000)))
    assert all(line.dollars > 0 for line in fixed(Prices()))


def test_it_prints_each_sum_with_its_terms(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert "2 × 0.04 × 730 h" in capsys.readouterr().out
