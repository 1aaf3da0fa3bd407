"""Places, calendars, slots, claims, openings and the outbox."""

from alembic import op

from millrace_feeds.outbox import OUTBOX_DDL

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

CALENDARS = """
CREATE TABLE places (
    id uuid CONSTRAINT places_pkey PRIMARY KEY,
    npi text NOT NULL,
    practice_id uuid,
    time_zone text NOT NULL,
    version bigint NOT NULL CONSTRAINT places_version_check CHECK (version > 0),
    deleted boolean NOT NULL
);
CREATE INDEX places_npi_idx ON places (npi);

CREATE TABLE calendars (
    place_id uuid CONSTRAINT calendars_pkey PRIMARY KEY CONSTRAINT calendars_place_id_fkey REFERENCES places (id),
    version bigint NOT NULL CONSTRAINT calendars_version_check CHECK (version > 0),
    document jsonb,
    materialized_to date
);
CREATE INDEX calendars_materialized_to_idx ON calendars (materialized_to) WHERE document IS NOT NULL;

CREATE TABLE slots (
    place_id uuid CONSTRAINT slots_place_id_fkey REFERENCES calendars (place_id),
    day date,
    segments integer[] NOT NULL,
    CONSTRAINT slots_pkey PRIMARY KEY (place_id, day)
)
"""

# A range over (provider, minute) as one number gives an exclusion over a key and a time without btree_gist. A place has
# one provider, so the provider's number is key enough: nobody is in two places at once, and no place is taken twice.
CLAIMS = """
CREATE FUNCTION provider_minute(npi text, at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN npi::bigint * 536870912 + extract(epoch FROM at AT TIME ZONE 'UTC')::bigint / 60;
CREATE TABLE claims (
    id uuid CONSTRAINT claims_pkey PRIMARY KEY,
    place_id uuid NOT NULL,
    npi text NOT NULL,
    patient_id uuid NOT NULL,
    dependant_id uuid,
    start timestamptz NOT NULL,
    minutes integer NOT NULL,
    occupied tstzrange NOT NULL,
    kind text NOT NULL CONSTRAINT claims_kind_check CHECK (kind IN ('hold', 'appointment')),
    live boolean NOT NULL,
    expires_at timestamptz,
    extended boolean NOT NULL DEFAULT false,
    visit_type text NOT NULL,
    visit_reason text,
    mode text NOT NULL,
    patient_kind text NOT NULL,
    address bytea,
    offer_id uuid,
    created_at timestamptz NOT NULL,
    CONSTRAINT claims_expiry_check CHECK ((kind = 'hold') = (expires_at IS NOT NULL)),
    CONSTRAINT claims_npi_occupied_excl EXCLUDE USING gist
        (int8range(provider_minute(npi, lower(occupied)), provider_minute(npi, upper(occupied))) WITH &&) WHERE (live)
);
CREATE UNIQUE INDEX claims_place_id_start_key ON claims (place_id, start) WHERE live;
CREATE INDEX claims_npi_start_idx ON claims (npi, start) WHERE live
"""

OPENINGS = """
CREATE SEQUENCE openings_seq;
CREATE TABLE openings (
    place_id uuid CONSTRAINT openings_place_id_fkey REFERENCES places (id),
    week date,
    version bigint NOT NULL,
    seq bigint NOT NULL,
    data bytea,
    CONSTRAINT openings_pkey PRIMARY KEY (place_id, week)
);
CREATE INDEX openings_week_idx ON openings (week);

CREATE TABLE dirty_openings (
    seq bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT dirty_openings_pkey PRIMARY KEY,
    npi text NOT NULL,
    first timestamptz NOT NULL,
    last timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)
"""


def upgrade() -> None:
    for script in (CALENDARS, CLAIMS, OPENINGS, OUTBOX_DDL):
        for statement in filter(str.strip, script.split(";")):
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE outbox, dirty_openings, openings, claims, slots, calendars, places")
    op.execute("DROP SEQUENCE openings_seq")
    op.execute("DROP FUNCTION provider_minute")
