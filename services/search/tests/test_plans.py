"""Plans and plan sets."""

import msgspec
import pytest

from millrace_search.index.plans import Plans, PlanSets


def test_plan_is_accepted_by_the_sets_that_contain_it() -> None:
    sets = PlanSets()
    sets.extend([b"", b"A B", b"B"])
    assert sets.accepting("A", 2026).tolist() == [False, True, False]
    assert sets.accepting("B", 2026).tolist() == [False, True, True]
    assert sets.accepting("C", 2026).tolist() == [False, False, False]
    sets.extend([b"A"])
    assert sets.accepting("A", 2026).tolist() == [False, True, False, True]
    assert "A" in sets
    assert "C" not in sets


def test_plan_is_accepted_in_its_years() -> None:
    sets = PlanSets()
    sets.extend([b"", b"A:2026 A:2027", b"A:2025", b"A"])
    assert sets.accepting("A", 2025).tolist() == [False, False, True, True]
    assert sets.accepting("A", 2026).tolist() == [False, True, False, True]
    assert sets.accepting("A", 2028).tolist() == [False, False, False, True]
    assert "A" in sets


def test_nothing_is_accepted_without_sets() -> None:
    assert PlanSets().accepting("A", 2026).tolist() == [False]


def test_plans_are_decoded_after_their_version() -> None:
    plan = msgspec.json.encode({"id": "A1", "name": "Silver Plús", "issuer": "Acme"})
    plans = Plans([(b"A1", b"\1" + 7 * b"\0" + plan)])
    known = plans.get("A1")
    assert known is not None
    assert (known.name, known.issuer, known.words) == ("Silver Plús", "Acme", ("silver", "plus", "acme"))
    assert plans.neighbors("A0", 3) == ["A1"]
    assert plans.get("A0") is None


def test_invalid_plan_raises_decode_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        Plans([(b"A1", b"\1" + 7 * b"\0" + b"{")])
