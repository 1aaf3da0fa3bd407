"""Numbering of named parameters."""

from millrace_scheduling.statement import NamedStatement


def test_parameters_are_numbered_by_first_use_and_rows_follow() -> None:
    statement = NamedStatement(
        "WITH {row} SELECT :b::text, :a, :b",
        row=lambda number: f"row AS (INSERT INTO t SELECT ${number}::uuid, ${number + 1})",
    )
    sql, *arguments = statement.bind(a=1, b=2, row=("x", "y"))
    assert sql == "WITH row AS (INSERT INTO t SELECT $3::uuid, $4) SELECT $1::text, $2, $1"
    assert arguments == [2, 1, "x", "y"]
