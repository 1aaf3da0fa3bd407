"""Providers as the feed carries them."""

from sqlalchemy import select

from millrace_contracts.entities import Provider
from millrace_contracts.registry import PROVIDER
from millrace_directory.provider.tables import provider
from millrace_directory.wire import Kind, Row


def entity(row: Row) -> Provider:
    return Provider(
        npi=row["npi"],
        last_name=row["last_name"],
        first_name=row["first_name"],
        middle_name=row["middle_name"],
        suffix=row["suffix"],
        credential=row["credential"],
        sex=row["sex"],
        taxonomy=row["taxonomy"],
        taxonomies=tuple(row["taxonomies"]),
        languages=tuple(row["languages"]),
    )


_columns = provider.c
PROVIDERS = Kind(
    contract=PROVIDER,
    query=select(
        _columns.npi,
        _columns.version,
        _columns.deleted_at.is_not(None).label("deleted"),
        _columns.last_name,
        _columns.first_name,
        _columns.middle_name,
        _columns.suffix,
        _columns.credential,
        _columns.sex,
        _columns.taxonomy,
        _columns.taxonomies,
        _columns.languages,
    ),
    key=_columns.npi,
    order=(_columns.npi,),
    entity=entity,
)
