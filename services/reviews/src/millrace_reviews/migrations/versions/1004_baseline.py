"""The tables of reviews, and the outbox."""

from alembic import op

from millrace_feeds.outbox import OUTBOX_DDL
from millrace_platform.audit.tables import AUDIT_DDL
from millrace_platform.revocation import REVOCATION_DDL

revision = "1004"
down_revision = None

TABLES = """
-- Version 0: an event of a visit named this patient, but none of the patient was received yet.
CREATE TABLE patient (
    id text CONSTRAINT patient_pkey PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT patient_version_check CHECK (version >= 0),
    erased_at timestamptz
);

-- The practice of each provider-location, copied from the change feed.
CREATE TABLE provider_location (
    id text CONSTRAINT provider_location_pkey PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT provider_location_version_check CHECK (version > 0),
    practice_id text
);
CREATE INDEX provider_location_practice_id_idx ON provider_location (practice_id);

-- Appointments, copied from the change feed. month is YYYY-MM: a review shows no exact day (decision 0040).
CREATE TABLE visit (
    id text CONSTRAINT visit_pkey PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT visit_version_check CHECK (version > 0),
    patient_id text CONSTRAINT visit_patient_id_fkey REFERENCES patient (id),
    npi text NOT NULL,
    provider_location_id text NOT NULL,
    practice_id text,
    start timestamptz NOT NULL,
    month text NOT NULL,
    completed_at timestamptz
);
CREATE INDEX visit_patient_id_idx ON visit (patient_id);
CREATE INDEX visit_month_idx ON visit (month);
CREATE INDEX visit_practice_id_idx ON visit (practice_id);
CREATE INDEX visit_without_practice_idx ON visit (provider_location_id) WHERE practice_id IS NULL;

CREATE TABLE review (
    id uuid CONSTRAINT review_pkey PRIMARY KEY,
    -- The order of lists. The random id has none, as it would reveal the day of the review.
    seq bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT review_seq_key UNIQUE,
    appointment_id text NOT NULL CONSTRAINT review_appointment_id_fkey REFERENCES visit (id)
        -- One review per visit; a withdrawn one stays as a tombstone (decision 0044).
        CONSTRAINT review_appointment_id_key UNIQUE,
    author_id text CONSTRAINT review_author_id_fkey REFERENCES patient (id),
    npi text NOT NULL,
    version bigint NOT NULL CONSTRAINT review_version_check CHECK (version > 0),
    state text NOT NULL CONSTRAINT review_state_check
        CHECK (state IN ('pending', 'published', 'rejected', 'hidden', 'withdrawn')),
    -- A moderator took the review down: only a moderator may publish it again.
    needs_moderator boolean NOT NULL,
    reason text,
    overall smallint NOT NULL CONSTRAINT review_overall_check CHECK (overall BETWEEN 1 AND 5),
    bedside_manner smallint NOT NULL CONSTRAINT review_bedside_manner_check CHECK (bedside_manner BETWEEN 1 AND 5),
    wait_time smallint NOT NULL CONSTRAINT review_wait_time_check CHECK (wait_time BETWEEN 1 AND 5),
    text text,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX review_published_idx ON review (npi, seq) WHERE state = 'published';
CREATE INDEX review_unpublished_idx ON review (state, seq) WHERE state <> 'published';
CREATE INDEX review_author_id_seq_idx ON review (author_id, seq);

-- The practice's reply. The row of a deleted one stays, without text, so that its version never decreases.
CREATE TABLE reply (
    review_id uuid CONSTRAINT reply_pkey PRIMARY KEY CONSTRAINT reply_review_id_fkey REFERENCES review (id),
    version bigint NOT NULL CONSTRAINT reply_version_check CHECK (version > 0),
    text text,
    changed_at timestamptz NOT NULL
);

CREATE TABLE flag (
    review_id uuid CONSTRAINT flag_review_id_fkey REFERENCES review (id),
    reporter_id text,
    reason text NOT NULL,
    reported_at timestamptz NOT NULL,
    -- A second flag of the same reporter replaces the first.
    CONSTRAINT flag_pkey PRIMARY KEY (review_id, reporter_id)
);
CREATE INDEX flag_reporter_id_idx ON flag (reporter_id);

-- Moderators' decisions. version is that of the review after the decision.
CREATE TABLE decision (
    review_id uuid CONSTRAINT decision_review_id_fkey REFERENCES review (id),
    version bigint,
    decided_at timestamptz NOT NULL,
    actor_id uuid NOT NULL,
    state_before text NOT NULL,
    state_after text NOT NULL,
    reason text,
    CONSTRAINT decision_pkey PRIMARY KEY (review_id, version)
);

-- The last published averages. Version 0: none published yet.
CREATE TABLE summary (
    npi text CONSTRAINT summary_pkey PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT summary_version_check CHECK (version >= 0),
    count integer NOT NULL CONSTRAINT summary_count_check CHECK (count >= 0),
    overall double precision NOT NULL,
    bedside_manner double precision NOT NULL,
    wait_time double precision NOT NULL
);
"""


def upgrade() -> None:
    plain = filter(str.strip, (TABLES + REVOCATION_DDL + ";" + OUTBOX_DDL).split(";\n"))
    for statement in (*plain, *AUDIT_DDL):
        op.execute(statement)
