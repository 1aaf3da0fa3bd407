"""Tables of providers and provider-locations. Rows stay after a deletion, because emails may still name them."""

from sqlalchemy import BigInteger, Boolean, Column, Table, Text

from millrace_notifications.tables import metadata

provider = Table(
    "provider",
    metadata,
    Column("npi", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
)

provider_location = Table(
    "provider_location",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("npi", Text, nullable=False, index=True),
    Column("is_pending", Boolean, nullable=False),
    Column("practice_id", Text),
    Column("practice_name", Text),
    Column("address", Text, nullable=False),
    Column("phone", Text),
    Column("time_zone", Text),
)
