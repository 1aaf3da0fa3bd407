"""Read a package's data files: CSV, plain or gzip, a header line first."""

import csv
import gzip
import io
from collections.abc import Iterator
from importlib.resources import files


def rows(name: str, package: str = "millrace_reference.data") -> Iterator[dict[str, str]]:
    """The rows of a data file by column name."""
    content = files(package).joinpath(name).read_bytes()
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    yield from csv.DictReader(io.StringIO(content.decode(), newline=""))
