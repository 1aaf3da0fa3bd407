"""The tables of a service's audit trail, and the statements of its migration that create them."""

from typing import Final

import sqlalchemy as sa

from millrace_platform.audit.model import CHAINS

_metadata = sa.MetaData()

audit_entry = sa.Table(
    "audit_entry",
    _metadata,
    sa.Column("chain", sa.SmallInteger, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("request_id", sa.Text),
    sa.Column("actor_id", sa.Uuid),
    sa.Column("roles", sa.Text, nullable=False),
    sa.Column("person_id", sa.Uuid, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Index("audit_entry_person_id_seq_idx", "person_id", "seq"),
)

audit_head = sa.Table(
    "audit_head",
    _metadata,
    sa.Column("chain", sa.SmallInteger, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
)


def add_audit_tables(metadata: sa.MetaData) -> None:
    """Add the tables to the metadata with which a service compares its migrated database."""
    for table in (audit_entry, audit_head):
        table.to_metadata(metadata)


AUDIT_DDL: Final = (
    # Entries of hash chains; see decision 0115. audit_entry.digest covers the entry and the digest before it.
    """
CREATE TABLE audit_entry (
    chain smallint,
    seq bigint,
    recorded_at timestamptz NOT NULL,
    request_id text,
    actor_id uuid,
    roles text NOT NULL,
    person_id uuid NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    purpose text NOT NULL,
    source text NOT NULL,
    digest bytea NOT NULL,
    CONSTRAINT audit_entry_pkey PRIMARY KEY (chain, seq)
)
""",
    "CREATE INDEX audit_entry_person_id_seq_idx ON audit_entry (person_id, seq)",
    # The last entry of each chain. Writers lock its row, so the numbers of a chain have no gaps.
    """
CREATE TABLE audit_head (
    chain smallint CONSTRAINT audit_head_pkey PRIMARY KEY,
    seq bigint NOT NULL,
    digest bytea NOT NULL
)
""",
    f"""
INSERT INTO audit_head SELECT chain, 0, decode(repeat('00', 32), 'hex') FROM generate_series(0, {CHAINS - 1}) AS chain
""",  # noqa: S608 # constants
    """
CREATE FUNCTION audit_entry_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_entry is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$
""",
    """
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_is_append_only()
""",
    # ENABLE ALWAYS: session_replication_role = replica would turn an ordinary trigger off.
    "ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_append_only",
)
"""Statements that create the tables; for a service's migration."""
