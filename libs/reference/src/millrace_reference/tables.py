"""Read data files of a package: CSV with a header line, plain or compressed with gzip."""

import csv
import gzip
import io
from collections.abc import Iterator
from importlib.resources import files


def read_rows(name: str, package: str = "millrace_reference.data") -> Iterator[dict[str, str]]:
    """Yield the rows of a data file as mappings from column name to value."""
    content = files(package).joinpath(name).read_bytes()
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    yield from csv.DictReader(io.StringIO(content.decode(), newline=""))
