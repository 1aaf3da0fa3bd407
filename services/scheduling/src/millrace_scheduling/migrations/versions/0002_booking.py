"""Appointments, answers to repeated requests, the waitlist and calendar feeds."""

from alembic import op

from millrace_platform.idempotency import IDEMPOTENCY_DDL

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CLAIMS = """
CREATE INDEX claims_patient_id_idx ON claims (patient_id);
CREATE INDEX claims_address_idx ON claims (address) WHERE live AND kind = 'hold';
CREATE INDEX claims_expires_at_idx ON claims (expires_at) WHERE live AND kind = 'hold';
CREATE INDEX claims_created_at_idx ON claims (created_at) WHERE NOT live
"""

# Volatile, so that the counts are taken after the lock was had: holds of one patient come one after the other.
HOLDS_OF = """
CREATE FUNCTION holds_of(
    patient uuid, source bytea, at timestamptz,
    OUT by_patient bigint, OUT patient_until timestamptz, OUT by_address bigint, OUT address_until timestamptz
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(patient::text, 0));
    SELECT count(*), min(expires_at) INTO by_patient, patient_until FROM claims
    WHERE patient_id = patient AND live AND kind = 'hold' AND expires_at > at AND offer_id IS NULL;
    SELECT count(*), min(expires_at) INTO by_address, address_until FROM claims
    WHERE address = source AND live AND kind = 'hold' AND expires_at > at;
END
$$
"""

KEY = """
CREATE TABLE address_key (
    id smallint CONSTRAINT address_key_pkey PRIMARY KEY CONSTRAINT address_key_id_check CHECK (id = 1),
    key bytea NOT NULL
);
INSERT INTO address_key
SELECT 1, decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
"""

APPOINTMENTS = """
CREATE TABLE appointments (
    id uuid CONSTRAINT appointments_pkey PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT appointments_version_check CHECK (version > 0),
    state text NOT NULL CONSTRAINT appointments_state_check
        CHECK (state IN ('booked', 'confirmed', 'arrived', 'completed', 'cancelled', 'no_show')),
    claim_id uuid NOT NULL CONSTRAINT appointments_claim_id_key UNIQUE,
    patient_id uuid,
    dependant_id uuid,
    place_id uuid NOT NULL,
    npi text NOT NULL,
    time_zone text NOT NULL,
    start timestamptz NOT NULL,
    minutes integer NOT NULL,
    visit_type text NOT NULL,
    visit_reason text,
    mode text NOT NULL,
    patient_kind text NOT NULL,
    sequence integer NOT NULL,
    moved_from timestamptz,
    cancelled_by text,
    cancellation_reason text,
    completed_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT appointments_cancellation_check
        CHECK ((state = 'cancelled') = (cancelled_by IS NOT NULL AND cancellation_reason IS NOT NULL))
);
CREATE INDEX appointments_patient_id_start_id_idx ON appointments (patient_id, start, id);
CREATE INDEX appointments_place_id_start_id_idx ON appointments (place_id, start, id)
"""

WAITLIST = """
CREATE TABLE waitlist_entries (
    id uuid CONSTRAINT waitlist_entries_pkey PRIMARY KEY,
    place_id uuid NOT NULL CONSTRAINT waitlist_entries_place_id_fkey REFERENCES places (id),
    patient_id uuid NOT NULL,
    dependant_id uuid,
    visit_reason text,
    mode text NOT NULL,
    patient_kind text NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL CONSTRAINT waitlist_entries_days_check CHECK (last_day >= first_day),
    state text NOT NULL CONSTRAINT waitlist_entries_state_check CHECK (state IN ('waiting', 'offered', 'done')),
    seen bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL
);
CREATE INDEX waitlist_entries_place_id_id_idx ON waitlist_entries (place_id, id) WHERE state = 'waiting';
CREATE INDEX waitlist_entries_patient_id_id_idx ON waitlist_entries (patient_id, id);

CREATE TABLE waitlist_offers (
    id uuid CONSTRAINT waitlist_offers_pkey PRIMARY KEY,
    version bigint NOT NULL,
    state text NOT NULL CONSTRAINT waitlist_offers_state_check CHECK (state IN ('offered', 'taken', 'lapsed')),
    entry_id uuid NOT NULL CONSTRAINT waitlist_offers_entry_id_fkey REFERENCES waitlist_entries (id) ON DELETE CASCADE,
    claim_id uuid NOT NULL,
    start timestamptz NOT NULL,
    minutes integer NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX waitlist_offers_entry_id_idx ON waitlist_offers (entry_id)
"""

FEEDS = """
CREATE TABLE ics_feeds (
    id uuid CONSTRAINT ics_feeds_pkey PRIMARY KEY,
    secret_hash bytea NOT NULL CONSTRAINT ics_feeds_secret_hash_key UNIQUE,
    patient_id uuid,
    place_id uuid,
    npi text,
    practice_id uuid,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT ics_feeds_whose_check CHECK (num_nonnulls(patient_id, place_id, npi) = 1)
);
CREATE INDEX ics_feeds_created_by_id_idx ON ics_feeds (created_by, id)
"""


def upgrade() -> None:
    op.execute(HOLDS_OF)
    for script in (CLAIMS, KEY, APPOINTMENTS, IDEMPOTENCY_DDL, WAITLIST, FEEDS):
        for statement in filter(str.strip, script.split(";")):
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE ics_feeds, waitlist_offers, waitlist_entries, idempotency, appointments, address_key")
    op.execute("DROP FUNCTION holds_of")
    op.execute("DROP INDEX claims_patient_id_idx, claims_address_idx, claims_expires_at_idx, claims_created_at_idx")
