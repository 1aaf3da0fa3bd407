"""Calculations of the cost script."""

import pytest

from tests.bench.cost import Load, Prices, fixed, main, of_bookings, of_searches, searches_per_second


def test_searches_cost_less_at_a_higher_rate_per_worker() -> None:
    def dollars(rate: float) -> float:
        return sum(line.dollars for line in of_searches(Prices(), Load(), rate))

    assert dollars(2_000) < dollars(1_000)
    assert searches_per_second() > 100


def test_variable_costs_grow_with_patients_and_fixed_costs_do_not() -> None:
    def dollars(load: Load) -> float:
        return sum(line.dollars for line in of_bookings(Prices(), load))

    assert dollars(Load(patients=2_000_000)) == pytest.approx(2 * dollars(Load(patients=1_000_000)))
    assert all(line.dollars > 0 for line in fixed(Prices()))


def test_table_shows_each_calculation(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert "2 × 0.04 × 730 h" in capsys.readouterr().out
