"""The tables of notifications."""

from alembic import op

from millrace_platform.revocation import REVOCATION_DDL

revision = "1003"
down_revision = None

TABLES = """
-- Copies from the change feed. A deleted provider or provider-location stays: emails may still have to name it.
CREATE TABLE provider (
    npi text CONSTRAINT provider_pkey PRIMARY KEY,
    version bigint NOT NULL,
    name text NOT NULL
);

CREATE TABLE provider_location (
    id text CONSTRAINT provider_location_pkey PRIMARY KEY,
    version bigint NOT NULL,
    npi text NOT NULL,
    is_pending boolean NOT NULL,
    practice_id text,
    practice_name text,
    address text NOT NULL,
    phone text,
    time_zone text
);
CREATE INDEX provider_location_npi_idx ON provider_location (npi);

-- Events that arrive after the erasure must not schedule emails again.
CREATE TABLE erased_patient (
    id text CONSTRAINT erased_patient_pkey PRIMARY KEY,
    erased_at timestamptz NOT NULL
);

CREATE TABLE appointment (
    id text CONSTRAINT appointment_pkey PRIMARY KEY,
    version bigint NOT NULL,
    state text NOT NULL,
    start timestamptz NOT NULL,
    provider_location_id text NOT NULL
);

-- The last consumed version of each offer.
CREATE TABLE waitlist_offer (
    id text CONSTRAINT waitlist_offer_pkey PRIMARY KEY,
    version bigint NOT NULL
);

-- Scheduled emails. No address is stored: it is fetched from patients when the email is sent (decision 0046).
CREATE TABLE scheduled_email (
    id uuid CONSTRAINT scheduled_email_pkey PRIMARY KEY,
    kind text NOT NULL,
    entity text NOT NULL,
    version bigint NOT NULL,
    patient_id text NOT NULL,
    template_data jsonb NOT NULL,
    due_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    state text NOT NULL
        CONSTRAINT scheduled_email_state_check CHECK (state IN ('waiting', 'sent', 'dropped', 'expired', 'failed')),
    reason text,
    attempts integer NOT NULL,
    lease uuid,
    lease_until timestamptz,
    settled_at timestamptz,
    -- A redelivered event schedules no second email.
    CONSTRAINT scheduled_email_kind_entity_version_key UNIQUE (kind, entity, version)
);
CREATE INDEX scheduled_email_due_at_idx ON scheduled_email (due_at) WHERE state = 'waiting';
CREATE INDEX scheduled_email_entity_idx ON scheduled_email (entity) WHERE state = 'waiting';
CREATE INDEX scheduled_email_patient_id_idx ON scheduled_email (patient_id) WHERE state = 'waiting';
CREATE INDEX scheduled_email_settled_at_idx ON scheduled_email (settled_at);

-- The state of emails whose content the service patients stores.
CREATE TABLE account_email (
    id uuid CONSTRAINT account_email_pkey PRIMARY KEY,
    attempts integer NOT NULL,
    lease uuid,
    lease_until timestamptz,
    due_at timestamptz NOT NULL,
    outcome text,
    first_seen_at timestamptz NOT NULL
);
CREATE INDEX account_email_first_seen_at_idx ON account_email (first_seen_at);

-- Webhook endpoints. Secrets are derived from a key and a generation; none is stored (decision 0048).
CREATE TABLE endpoint (
    id uuid CONSTRAINT endpoint_pkey PRIMARY KEY,
    practice_id text NOT NULL,
    version bigint NOT NULL,
    url text NOT NULL,
    description text,
    events text[] NOT NULL,
    disabled_reason text
        CONSTRAINT endpoint_disabled_reason_check CHECK (disabled_reason IN ('by_practice', 'failing', 'gone')),
    secret_key text NOT NULL,
    secret_generation integer NOT NULL,
    previous_key text,
    previous_generation integer,
    previous_until timestamptz,
    failing_since timestamptz,
    -- How many of the last attempts in a row had a prompt response, up to the number that makes an endpoint prompt.
    prompt_attempts smallint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL
);
CREATE INDEX endpoint_practice_id_id_idx ON endpoint (practice_id, id);

CREATE TABLE message (
    id uuid CONSTRAINT message_pkey PRIMARY KEY,
    practice_id text NOT NULL,
    type text NOT NULL,
    entity text NOT NULL,
    version bigint NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL,
    -- A redelivered event creates no second message.
    CONSTRAINT message_practice_id_type_entity_version_key UNIQUE (practice_id, type, entity, version)
);
CREATE INDEX message_practice_id_created_at_idx ON message (practice_id, created_at);
CREATE INDEX message_created_at_idx ON message (created_at);

CREATE TABLE delivery (
    id uuid CONSTRAINT delivery_pkey PRIMARY KEY,
    endpoint_id uuid NOT NULL
        CONSTRAINT delivery_endpoint_id_fkey REFERENCES endpoint (id) ON DELETE CASCADE,
    message_id uuid NOT NULL
        CONSTRAINT delivery_message_id_fkey REFERENCES message (id) ON DELETE CASCADE,
    state text NOT NULL
        CONSTRAINT delivery_state_check CHECK (state IN ('pending', 'delivered', 'failed', 'cancelled')),
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    lease uuid,
    lease_until timestamptz,
    settled_at timestamptz
);
CREATE INDEX delivery_due_at_idx ON delivery (due_at) WHERE state = 'pending';
CREATE INDEX delivery_endpoint_id_id_idx ON delivery (endpoint_id, id);
CREATE INDEX delivery_message_id_idx ON delivery (message_id);

CREATE TABLE attempt (
    delivery_id uuid CONSTRAINT attempt_delivery_id_fkey REFERENCES delivery (id) ON DELETE CASCADE,
    number integer,
    attempted_at timestamptz NOT NULL,
    status integer,
    failure text,
    milliseconds integer NOT NULL,
    CONSTRAINT attempt_pkey PRIMARY KEY (delivery_id, number)
);
"""


def upgrade() -> None:
    for statement in filter(str.strip, (TABLES + REVOCATION_DDL).split(";\n")):
        op.execute(statement)
