"""The holds of a patient and of an address are found by these, and not among all that run."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Neither count says that it is of holds: what expires is one, and what has an address is a live one. If they said
# so, they might go by the index of expiry, through the holds of everybody; with statistics of a time without holds
# they do.
HOLDS_OF = """
CREATE OR REPLACE FUNCTION holds_of(
    patient uuid, source bytea, at timestamptz,
    OUT by_patient bigint, OUT patient_until timestamptz, OUT by_address bigint, OUT address_until timestamptz
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(patient::text, 0));
    SELECT count(*), min(expires_at) INTO by_patient, patient_until FROM claims
    WHERE patient_id = patient AND live {and_is_hold} AND expires_at > at AND offer_id IS NULL;
    SELECT count(*), min(expires_at) INTO by_address, address_until FROM claims
    WHERE address = source {and_is_live_hold} AND expires_at > at;
END
$$
"""
INDEX = "CREATE INDEX claims_address_idx ON claims (address) WHERE {condition}"


def upgrade() -> None:
    op.execute("DROP INDEX claims_address_idx")
    op.execute(INDEX.format(condition="address IS NOT NULL"))
    op.execute(HOLDS_OF.format(and_is_hold="", and_is_live_hold=""))


def downgrade() -> None:
    op.execute("DROP INDEX claims_address_idx")
    op.execute(INDEX.format(condition="live AND kind = 'hold'"))
    op.execute(HOLDS_OF.format(and_is_hold="AND kind = 'hold'", and_is_live_hold="AND live AND kind = 'hold'"))
