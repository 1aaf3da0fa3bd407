"""SQL statements with named parameters for asyncpg, which itself numbers them: `$1`, `$2` and so on."""

import re
from collections.abc import Callable
from itertools import chain
from typing import Any, Final

_PARAMETER: Final = re.compile(r"(?<!:):([a-z_]+)")


class NamedStatement:
    """An SQL statement with named parameters such as `:npi`, which are numbered once, in the constructor.

    Each of `rows` inserts one whole row. It is called with the number of its first parameter and returns a CTE, which
    replaces `{its name}` in the SQL; `bind` takes the row's values as a sequence under the same name.
    """

    def __init__(self, sql: str, **rows: Callable[[int], str]) -> None:
        self._names = tuple(dict.fromkeys(_PARAMETER.findall(sql)))
        self._rows = tuple(rows)
        numbers = {name: number for number, name in enumerate(self._names, 1)}
        sql, number = _PARAMETER.sub(lambda match: f"${numbers[match[1]]}", sql), len(numbers) + 1
        for name, make in rows.items():
            cte = make(number)
            sql, number = sql.replace(f"{{{name}}}", cte), number + len(set(re.findall(r"\$\d+", cte)))
        self.sql = sql

    def bind(self, **values: Any) -> list[Any]:
        """Return the SQL followed by its arguments, for `fetch` and `first`; raise `KeyError` if one is missing."""
        return [self.sql, *(values[name] for name in self._names), *chain(*(values[name] for name in self._rows))]
