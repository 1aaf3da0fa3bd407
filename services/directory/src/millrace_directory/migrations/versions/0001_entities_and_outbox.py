"""The five aggregates and the outbox."""

from alembic import op

from millrace_feeds.outbox import OUTBOX_DDL

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Keys of text compare by bytes ("C"): lists and the snapshot run in the order of the subjects, whatever the database's
# locale is.
ENTITIES = """
CREATE TABLE practice (
    id uuid CONSTRAINT practice_pkey PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT practice_version_check CHECK (version > 0),
    npi text COLLATE "C" CONSTRAINT practice_npi_key UNIQUE,
    name text NOT NULL,
    phone text,
    deleted_at timestamptz
);

CREATE TABLE location (
    id uuid CONSTRAINT location_pkey PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT location_version_check CHECK (version > 0),
    practice_id uuid CONSTRAINT location_practice_id_fkey REFERENCES practice (id),
    line1 text NOT NULL,
    line2 text,
    city text NOT NULL,
    state text NOT NULL,
    zip text NOT NULL,
    phone text,
    deleted_at timestamptz
);
CREATE INDEX location_practice_id_idx ON location (practice_id);

CREATE TABLE provider (
    npi text COLLATE "C" CONSTRAINT provider_pkey PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT provider_version_check CHECK (version > 0),
    last_name text NOT NULL,
    first_name text NOT NULL,
    middle_name text,
    suffix text,
    credential text,
    sex text,
    taxonomy text NOT NULL,
    taxonomies text[] NOT NULL DEFAULT '{}',
    languages text[] NOT NULL DEFAULT '{}',
    deleted_at timestamptz
);

CREATE TABLE provider_location (
    id uuid CONSTRAINT provider_location_pkey PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT provider_location_version_check CHECK (version > 0),
    npi text COLLATE "C" NOT NULL CONSTRAINT provider_location_npi_fkey REFERENCES provider (npi),
    location_id uuid NOT NULL CONSTRAINT provider_location_location_id_fkey REFERENCES location (id),
    taxonomy text NOT NULL,
    phone text,
    new_patients boolean,
    accepted_plans text[] NOT NULL DEFAULT '{}',
    deleted_at timestamptz,
    CONSTRAINT provider_location_npi_location_id_key UNIQUE (npi, location_id)
);
CREATE INDEX provider_location_location_id_idx ON provider_location (location_id);
CREATE INDEX provider_location_npi_id_idx ON provider_location (npi, id);

CREATE TABLE insurance_plan (
    id text COLLATE "C" CONSTRAINT insurance_plan_pkey PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT insurance_plan_version_check CHECK (version > 0),
    name text NOT NULL,
    issuer text,
    years smallint[] NOT NULL DEFAULT '{}',
    network_tiers text[] NOT NULL DEFAULT '{}',
    deleted_at timestamptz
);
"""


def upgrade() -> None:
    for script in (ENTITIES, OUTBOX_DDL):
        for statement in filter(str.strip, script.split(";")):
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE outbox, provider_location, location, practice, provider, insurance_plan")
