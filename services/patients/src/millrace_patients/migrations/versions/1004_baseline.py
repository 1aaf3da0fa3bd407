"""The tables of patients, the append-only audit trail, and the outbox."""

from alembic import op

from millrace_feeds.outbox import OUTBOX_DDL
from millrace_platform.audit.tables import AUDIT_DDL

revision = "1004"
down_revision = None

TABLES = """
-- The key of all MACs and service keys, wrapped by the master key. There is one row.
CREATE TABLE root_key (
    id smallint CONSTRAINT root_key_pkey PRIMARY KEY CONSTRAINT root_key_id_check CHECK (id = 1),
    wrapped bytea NOT NULL
);

-- Each person has a key; erasing a person deletes it, which makes the sealed data unreadable, in backups too.
CREATE TABLE person (
    id uuid CONSTRAINT person_pkey PRIMARY KEY,
    wrapped_key bytea,
    created_at timestamptz NOT NULL,
    erased_at timestamptz,
    is_erasure_recorded boolean NOT NULL DEFAULT false
);
CREATE INDEX person_unrecorded_erasure_idx ON person (id) WHERE erased_at IS NOT NULL AND NOT is_erasure_recorded;

-- email_index is a MAC of the address: unique without the address in plain text.
CREATE TABLE account (
    id uuid CONSTRAINT account_pkey PRIMARY KEY CONSTRAINT account_id_fkey REFERENCES person (id),
    email_index bytea CONSTRAINT account_email_index_key UNIQUE,
    sealed_email bytea,
    password_hash text,
    roles text[] NOT NULL,
    practice_ids uuid[] NOT NULL,
    created_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    tokens_valid_from timestamptz
);

-- A second factor has no effect until it is confirmed. Codes of steps up to last_used_step have been used.
CREATE TABLE second_factor (
    account_id uuid CONSTRAINT second_factor_pkey PRIMARY KEY
        CONSTRAINT second_factor_account_id_fkey REFERENCES account (id),
    sealed_secret bytea NOT NULL,
    last_used_step bigint NOT NULL,
    confirmed_at timestamptz
);

-- hash is a MAC; a used code is deleted.
CREATE TABLE recovery_code (
    account_id uuid CONSTRAINT recovery_code_account_id_fkey REFERENCES account (id),
    hash bytea,
    CONSTRAINT recovery_code_pkey PRIMARY KEY (account_id, hash)
);

CREATE TABLE session (
    id uuid CONSTRAINT session_pkey PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT session_account_id_fkey REFERENCES account (id),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    has_second_factor boolean NOT NULL DEFAULT false
);
CREATE INDEX session_account_id_idx ON session (account_id);
CREATE INDEX session_expires_at_idx ON session (expires_at);

-- A used token stays until it expires: its second use revokes the session, unless the client that used_by identifies
-- repeats its request within seconds and gets the sealed response again.
CREATE TABLE refresh_token (
    hash bytea CONSTRAINT refresh_token_pkey PRIMARY KEY,
    session_id uuid NOT NULL CONSTRAINT refresh_token_session_id_fkey REFERENCES session (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    used_by bytea,
    sealed_response bytea
);
CREATE INDEX refresh_token_session_id_idx ON refresh_token (session_id);
CREATE INDEX refresh_token_expires_at_idx ON refresh_token (expires_at);

CREATE TABLE challenge (
    hash bytea CONSTRAINT challenge_pkey PRIMARY KEY,
    kind text NOT NULL,
    email_index bytea NOT NULL,
    person_id uuid,
    sealed bytea NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX challenge_email_index_idx ON challenge (email_index);
CREATE INDEX challenge_expires_at_idx ON challenge (expires_at);

CREATE TABLE queued_email (
    id uuid CONSTRAINT queued_email_pkey PRIMARY KEY,
    kind text NOT NULL,
    person_id uuid,
    email_index bytea NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX queued_email_email_index_idx ON queued_email (email_index);
CREATE INDEX queued_email_created_at_idx ON queued_email (created_at);

-- Attempts of a source at an account, which are MACs of addresses; last_attempt_at is in Unix seconds.
CREATE TABLE throttle (
    account bytea,
    source bytea,
    failures integer NOT NULL,
    successes integer NOT NULL,
    last_attempt_at double precision NOT NULL,
    CONSTRAINT throttle_pkey PRIMARY KEY (account, source)
);
CREATE INDEX throttle_source_idx ON throttle (source);
CREATE INDEX throttle_last_attempt_at_idx ON throttle (last_attempt_at);

-- created_at is in Unix seconds.
CREATE TABLE signing_key (
    kid text CONSTRAINT signing_key_pkey PRIMARY KEY,
    sealed bytea NOT NULL,
    created_at double precision NOT NULL
);

CREATE TABLE patient (
    id uuid CONSTRAINT patient_pkey PRIMARY KEY CONSTRAINT patient_id_fkey REFERENCES person (id),
    version bigint NOT NULL CONSTRAINT patient_version_check CHECK (version > 0),
    state text NOT NULL CONSTRAINT patient_state_check CHECK (state IN ('active', 'erased')),
    may_book boolean NOT NULL,
    confirmed_email_index bytea
);

CREATE TABLE record (
    id uuid CONSTRAINT record_pkey PRIMARY KEY,
    patient_id uuid NOT NULL CONSTRAINT record_patient_id_fkey REFERENCES patient (id),
    kind text NOT NULL,
    version bigint NOT NULL CONSTRAINT record_version_check CHECK (version > 0),
    sealed bytea,
    deleted_at timestamptz,
    -- Deleting a record erases its content in the same statement.
    CONSTRAINT record_tombstone_check CHECK ((sealed IS NULL) = (deleted_at IS NOT NULL))
);
CREATE INDEX record_patient_id_kind_id_idx ON record (patient_id, kind, id);

-- scope: 'all', or 'visits' for what the visits in visit_share need.
CREATE TABLE share (
    patient_id uuid CONSTRAINT share_patient_id_fkey REFERENCES patient (id),
    practice_id uuid,
    scope text NOT NULL CONSTRAINT share_scope_check CHECK (scope IN ('all', 'visits')),
    shared_at timestamptz NOT NULL,
    CONSTRAINT share_pkey PRIMARY KEY (patient_id, practice_id)
);

-- Visits that were shared with their practice, once each. A row stays when the patient ends the share, so that later
-- events of the appointment don't share again.
CREATE TABLE visit_share (
    appointment_id uuid,
    practice_id uuid,
    patient_id uuid NOT NULL CONSTRAINT visit_share_patient_id_fkey REFERENCES patient (id),
    dependant_id uuid,
    insurance_card_id uuid,
    is_ended boolean NOT NULL DEFAULT false,
    CONSTRAINT visit_share_pkey PRIMARY KEY (appointment_id, practice_id)
);
CREATE INDEX visit_share_patient_id_practice_id_idx ON visit_share (patient_id, practice_id);

-- Practices and insurance plans, copied from the change feed.
CREATE TABLE directory_entry (
    kind text,
    id text,
    version bigint NOT NULL CONSTRAINT directory_entry_version_check CHECK (version > 0),
    is_deleted boolean NOT NULL,
    CONSTRAINT directory_entry_pkey PRIMARY KEY (kind, id)
);
"""


def upgrade() -> None:
    for statement in (*filter(str.strip, (TABLES + OUTBOX_DDL).split(";\n")), *AUDIT_DDL):
        op.execute(statement)
