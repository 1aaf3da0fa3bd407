"""The tables of scheduling, and the outbox."""

from alembic import op

from millrace_feeds.outbox import OUTBOX_DDL
from millrace_platform.audit.tables import AUDIT_DDL
from millrace_platform.idempotency import IDEMPOTENCY_DDL
from millrace_platform.revocation import REVOCATION_DDL

revision = "1004"
down_revision = None

TABLES = """
-- Provider-locations, copied from the change feed.
CREATE TABLE provider_locations (
    id uuid CONSTRAINT provider_locations_pkey PRIMARY KEY,
    npi text NOT NULL,
    practice_id uuid,
    time_zone text NOT NULL,
    version bigint NOT NULL CONSTRAINT provider_locations_version_check CHECK (version > 0),
    is_deleted boolean NOT NULL,
    -- The practice's name and the postal address in one line. Null, as copied_at, until an event or a replay fills it.
    address text,
    copied_at timestamptz
);
CREATE INDEX provider_locations_npi_idx ON provider_locations (npi);

-- The names of providers, copied from the change feed; null for deleted ones.
CREATE TABLE providers (
    npi text CONSTRAINT providers_pkey PRIMARY KEY,
    name text,
    version bigint NOT NULL CONSTRAINT providers_version_check CHECK (version > 0),
    copied_at timestamptz NOT NULL
);

-- Patients, copied from the change feed: what they may book. An erased patient may book nothing.
CREATE TABLE patients (
    id uuid CONSTRAINT patients_pkey PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT patients_version_check CHECK (version > 0),
    may_book boolean NOT NULL,
    dependant_ids uuid[] NOT NULL,
    insurance_card_ids uuid[] NOT NULL,
    -- When the account began. Null until an event or a replay fills it.
    registered_at timestamptz
);

-- A deleted calendar stays without a document, so that its version never falls. Slots exist up to materialized_to.
CREATE TABLE calendars (
    provider_location_id uuid CONSTRAINT calendars_pkey PRIMARY KEY
        CONSTRAINT calendars_provider_location_id_fkey REFERENCES provider_locations (id),
    version bigint NOT NULL CONSTRAINT calendars_version_check CHECK (version > 0),
    document jsonb,
    materialized_to date
);
CREATE INDEX calendars_materialized_to_idx ON calendars (materialized_to) WHERE document IS NOT NULL;

-- segments has three numbers per segment of the day, in the order of time (decision 0030).
CREATE TABLE slots (
    provider_location_id uuid CONSTRAINT slots_provider_location_id_fkey REFERENCES calendars (provider_location_id),
    day date,
    segments integer[] NOT NULL,
    CONSTRAINT slots_pkey PRIMARY KEY (provider_location_id, day)
);

CREATE FUNCTION provider_minute(npi text, at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN npi::bigint * 536870912 + extract(epoch FROM at AT TIME ZONE 'UTC')::bigint / 60;

-- A number for a person, i.e. the patient or a dependant, as a range of this one number: btree_gist isn't needed.
CREATE FUNCTION person_range(patient uuid, dependant uuid) RETURNS int8range LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN int8range(
        uuid_hash_extended(coalesce(dependant, patient), 0) >> 1,
        uuid_hash_extended(coalesce(dependant, patient), 0) >> 1, '[]'
    );

-- The minutes of a visit since 1970, without buffers.
CREATE FUNCTION visit_range(start timestamptz, minutes integer) RETURNS int8range LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN int8range(
        extract(epoch FROM start AT TIME ZONE 'UTC')::bigint / 60,
        extract(epoch FROM start AT TIME ZONE 'UTC')::bigint / 60 + minutes
    );

-- Reserved time: a hold, or the time of an appointment. occupied is the visit with its buffers. A hold occupies no time
-- once its expires_at has passed, even before it is released. address_hash is a keyed hash of the client's address.
CREATE TABLE reservations (
    id uuid CONSTRAINT reservations_pkey PRIMARY KEY,
    provider_location_id uuid NOT NULL,
    npi text NOT NULL,
    patient_id uuid NOT NULL,
    dependant_id uuid,
    start timestamptz NOT NULL,
    minutes integer NOT NULL,
    occupied tstzrange NOT NULL,
    kind text NOT NULL CONSTRAINT reservations_kind_check CHECK (kind IN ('hold', 'appointment')),
    is_released boolean NOT NULL DEFAULT false,
    expires_at timestamptz,
    is_extended boolean NOT NULL DEFAULT false,
    visit_type text NOT NULL,
    visit_reason text,
    mode text NOT NULL,
    patient_kind text NOT NULL,
    address_hash bytea,
    offer_id uuid,
    created_at timestamptz NOT NULL,
    CONSTRAINT reservations_expiry_check CHECK ((kind = 'hold') = (expires_at IS NOT NULL)),
    -- No provider is reserved twice at one time. A range of provider_minute stands for both, so that btree_gist isn't
    -- needed; the NPI suffices, as a provider-location has one provider.
    CONSTRAINT reservations_npi_occupied_excl EXCLUDE USING gist
        (int8range(provider_minute(npi, lower(occupied)), provider_minute(npi, upper(occupied))) WITH &&)
        WHERE (NOT is_released),
    -- No person has two visits at one time, at any provider; erased patients all have the nil UUID.
    CONSTRAINT reservations_person_visit_excl EXCLUDE USING gist
        (person_range(patient_id, dependant_id) WITH &&, visit_range(start, minutes) WITH &&)
        WHERE (NOT is_released AND patient_id <> '00000000-0000-0000-0000-000000000000')
);
CREATE UNIQUE INDEX reservations_provider_location_id_start_key
    ON reservations (provider_location_id, start) WHERE NOT is_released;
CREATE INDEX reservations_npi_start_idx ON reservations (npi, start) WHERE NOT is_released;
CREATE INDEX reservations_patient_id_start_idx ON reservations (patient_id, start);
CREATE INDEX reservations_address_hash_idx ON reservations (address_hash) WHERE address_hash IS NOT NULL;
CREATE INDEX reservations_expires_at_idx ON reservations (expires_at) WHERE NOT is_released AND kind = 'hold';
CREATE INDEX reservations_created_at_idx ON reservations (created_at) WHERE is_released;

-- The random key that hashes client addresses. There is one row.
CREATE TABLE address_key (
    id smallint CONSTRAINT address_key_pkey PRIMARY KEY CONSTRAINT address_key_id_check CHECK (id = 1),
    key bytea NOT NULL
);
INSERT INTO address_key
SELECT 1, decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex');

CREATE SEQUENCE openings_seq;
-- The openings of a week (its Monday) as last published; data is null for none. openings.seq takes the next value of
-- openings_seq with each change.
CREATE TABLE openings (
    provider_location_id uuid CONSTRAINT openings_provider_location_id_fkey REFERENCES provider_locations (id),
    week date,
    version bigint NOT NULL,
    seq bigint NOT NULL,
    data bytea,
    CONSTRAINT openings_pkey PRIMARY KEY (provider_location_id, week)
);
CREATE INDEX openings_week_idx ON openings (week);

-- A log of a provider's changed times (decision 0031), append-only so that writers don't wait for each other.
-- may_free_time is false for changes that only reserve time. A queue whose rows are deleted soon is vacuumed by the
-- number of rows.
CREATE TABLE dirty_openings (
    seq bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT dirty_openings_pkey PRIMARY KEY,
    npi text NOT NULL,
    changed_from timestamptz NOT NULL,
    changed_until timestamptz NOT NULL,
    may_free_time boolean NOT NULL DEFAULT true
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- patient_id is null once the patient's data was erased.
CREATE TABLE appointments (
    id uuid CONSTRAINT appointments_pkey PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT appointments_version_check CHECK (version > 0),
    state text NOT NULL CONSTRAINT appointments_state_check
        CHECK (state IN ('booked', 'confirmed', 'arrived', 'completed', 'cancelled', 'no_show')),
    reservation_id uuid NOT NULL CONSTRAINT appointments_reservation_id_key UNIQUE,
    patient_id uuid,
    dependant_id uuid,
    insurance_card_id uuid,
    provider_location_id uuid NOT NULL,
    npi text NOT NULL,
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
CREATE INDEX appointments_provider_location_id_start_id_idx ON appointments (provider_location_id, start, id);

-- A number for the day of a person at a provider-location: both ids as digits, then the day. It stands for all three in
-- an exclusion, so that btree_gist isn't needed.
CREATE FUNCTION waitlist_day(person_id uuid, provider_location_id uuid, day date) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    ('0x' || encode(uuid_send(person_id) || uuid_send(provider_location_id) || '\\x000000', 'hex'))::numeric
        + (day - date '2000-01-01');

-- Ids rise with time: the order of ids is that of the waitlist. The next run of the
-- processor looks for free time for the entries that have is_due.
CREATE TABLE waitlist_entries (
    id uuid CONSTRAINT waitlist_entries_pkey PRIMARY KEY,
    provider_location_id uuid NOT NULL
        CONSTRAINT waitlist_entries_provider_location_id_fkey REFERENCES provider_locations (id),
    patient_id uuid NOT NULL,
    dependant_id uuid,
    visit_reason text,
    mode text NOT NULL,
    patient_kind text NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL CONSTRAINT waitlist_entries_days_check CHECK (last_day >= first_day),
    state text NOT NULL CONSTRAINT waitlist_entries_state_check CHECK (state IN ('waiting', 'offered', 'done')),
    created_at timestamptz NOT NULL,
    is_due boolean NOT NULL DEFAULT false,
    -- A person waits once for a day at a provider-location.
    CONSTRAINT waitlist_entries_person_days_excl EXCLUDE USING gist
        (numrange(waitlist_day(coalesce(dependant_id, patient_id), provider_location_id, first_day),
            waitlist_day(coalesce(dependant_id, patient_id), provider_location_id, last_day), '[]') WITH &&)
        WHERE (state <> 'done')
);
CREATE INDEX waitlist_entries_provider_location_id_id_idx
    ON waitlist_entries (provider_location_id, id) WHERE state = 'waiting';
CREATE INDEX waitlist_entries_patient_id_id_idx ON waitlist_entries (patient_id, id);
CREATE INDEX waitlist_entries_is_due_provider_location_id_id_idx
    ON waitlist_entries (provider_location_id, id) WHERE state = 'waiting' AND is_due;
CREATE INDEX waitlist_entries_last_day_idx ON waitlist_entries (last_day) WHERE state = 'waiting';

CREATE TABLE waitlist_offers (
    id uuid CONSTRAINT waitlist_offers_pkey PRIMARY KEY,
    version bigint NOT NULL,
    state text NOT NULL CONSTRAINT waitlist_offers_state_check CHECK (state IN ('offered', 'taken', 'lapsed')),
    entry_id uuid NOT NULL CONSTRAINT waitlist_offers_entry_id_fkey REFERENCES waitlist_entries (id) ON DELETE CASCADE,
    reservation_id uuid NOT NULL,
    start timestamptz NOT NULL,
    minutes integer NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX waitlist_offers_entry_id_idx ON waitlist_offers (entry_id);
CREATE INDEX waitlist_offers_expires_at_idx ON waitlist_offers (expires_at) WHERE state = 'offered';

-- A log of providers whose time may have become free (decision 0037), append-only like dirty_openings.
CREATE TABLE dirty_waitlists (
    seq bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT dirty_waitlists_pkey PRIMARY KEY,
    npi text NOT NULL
);

-- iCalendar feeds with secret addresses (decision 0038). Only the hash of a secret is stored: the database doesn't
-- disclose the addresses.
CREATE TABLE calendar_feeds (
    id uuid CONSTRAINT calendar_feeds_pkey PRIMARY KEY,
    secret_hash bytea NOT NULL CONSTRAINT calendar_feeds_secret_hash_key UNIQUE,
    patient_id uuid,
    provider_location_id uuid,
    npi text,
    practice_id uuid,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    confirmed_at timestamptz NOT NULL,
    -- A feed belongs to a patient, a provider-location or a provider.
    CONSTRAINT calendar_feeds_owner_check CHECK (num_nonnulls(patient_id, provider_location_id, npi) = 1)
);
CREATE INDEX calendar_feeds_created_by_id_idx ON calendar_feeds (created_by, id);
CREATE INDEX calendar_feeds_practice_id_id_idx ON calendar_feeds (practice_id, id);
CREATE INDEX calendar_feeds_provider_location_id_idx ON calendar_feeds (provider_location_id);

-- Copied from events; only accounts that have one. The right of a staff feed depends on its creator's roles.
CREATE TABLE accounts (
    id uuid CONSTRAINT accounts_pkey PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT accounts_version_check CHECK (version > 0),
    roles text[] NOT NULL,
    practice_ids uuid[] NOT NULL
);
"""

# VOLATILE: the counts are taken after the lock was acquired, so that concurrent holds and bookings of one patient are
# counted one after the other (decisions 0036 and 0108). The first count has no condition on expires_at, and none says
# that these rows are holds (only holds expire, and only unreleased holds have an address_hash): the planner might scan
# the holds of all patients by reservations_expires_at_idx. A hold outlives its start by less than an hour.
COUNT_RESERVATIONS = """
CREATE FUNCTION count_reservations(
    patient uuid, provider text, address bytea, at timestamptz,
    OUT by_patient bigint, OUT patient_until timestamptz, OUT visits_with_provider bigint, OUT visits_in_all bigint,
    OUT by_address bigint, OUT address_until timestamptz
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(patient::text, 0));
    SELECT count(*) FILTER (WHERE expires_at > at), min(expires_at) FILTER (WHERE expires_at > at),
        count(*) FILTER (WHERE expires_at IS NULL AND start > at AND npi = provider),
        count(*) FILTER (WHERE expires_at IS NULL AND start > at)
    INTO by_patient, patient_until, visits_with_provider, visits_in_all
    FROM reservations WHERE patient_id = patient AND NOT is_released AND start > at - interval '1 hour';
    IF address IS NOT NULL THEN
        SELECT count(*), min(expires_at) INTO by_address, address_until FROM reservations
        WHERE address_hash = address AND expires_at > at;
    ELSE
        by_address := 0;
    END IF;
END
$$
"""


def upgrade() -> None:
    ddl = ";".join((TABLES, REVOCATION_DDL, IDEMPOTENCY_DDL, OUTBOX_DDL))
    for statement in (*filter(str.strip, ddl.split(";\n")), *AUDIT_DDL):
        op.execute(statement)
    op.execute(COUNT_RESERVATIONS)
