"""The table of provider-locations."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Table, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from millrace_directory.tables import Key, metadata, versioned

provider_location = Table(
    "provider_location",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("npi", Key, ForeignKey("provider.npi"), nullable=False),
    Column("location_id", ForeignKey("location.id"), nullable=False, index=True),
    Column("taxonomy", Text, nullable=False),
    Column("phone", Text),
    Column("new_patients", Boolean),
    Column("accepted_plans", ARRAY(Text), nullable=False, server_default="{}"),
    *versioned(),
    UniqueConstraint("npi", "location_id"),
    Index(None, "npi", "id"),
)
