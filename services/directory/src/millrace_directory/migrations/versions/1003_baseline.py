"""The tables of the directory: entities, import progress, outbox."""

from alembic import op

from millrace_feeds.outbox import OUTBOX_DDL
from millrace_platform.revocation import REVOCATION_DDL

revision = "1003"
down_revision = None

TABLES = """
-- Text keys have the collation "C": lists and snapshots are sorted by their bytes, regardless of the database's locale.
-- A row with deleted_at is a tombstone, so that the version of an entity never falls.
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
    accepted_plan_years text[] NOT NULL DEFAULT '{}',
    -- Whether another practice of the provider still has to confirm it.
    is_pending boolean NOT NULL DEFAULT false,
    deleted_at timestamptz,
    -- A provider practices at a location once.
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

-- The progress of an import, by the digest of its file: an interrupted import continues at byte_position.
CREATE TABLE import_run (
    digest text CONSTRAINT import_run_pkey PRIMARY KEY,
    file text NOT NULL,
    byte_position bigint NOT NULL,
    line bigint NOT NULL,
    counts jsonb NOT NULL,
    rejects_file text,
    rejects_bytes bigint NOT NULL,
    reference_files_loaded boolean NOT NULL DEFAULT false,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);

-- The addresses of an NPI according to the last imports: when a provider leaves one, the import deletes that
-- provider-location and no other. Among the organizations at an address they determine the practice of the location.
-- source: 0 the main file of NPPES, 1 its secondary practice locations, 2 a QHP file. phone: only if the organization
-- has another one there.
CREATE TABLE imported_address (
    npi text COLLATE "C" NOT NULL,
    location_id uuid NOT NULL,
    is_organization boolean NOT NULL,
    source smallint NOT NULL,
    phone text,
    CONSTRAINT imported_address_pkey PRIMARY KEY (npi, location_id)
);
CREATE INDEX imported_address_organization_idx ON imported_address (location_id, source, npi) WHERE is_organization;

-- The reference files of the NPPES import that is running, in the order of their lines; used says that the rows of the
-- main file with this NPI were imported.
CREATE TABLE nppes_practice_location (
    npi text COLLATE "C" NOT NULL,
    line bigint NOT NULL,
    location_id uuid NOT NULL,
    line1 text NOT NULL,
    line2 text,
    city text NOT NULL,
    state text NOT NULL,
    zip text NOT NULL,
    phone text,
    used boolean NOT NULL DEFAULT false,
    CONSTRAINT nppes_practice_location_pkey PRIMARY KEY (npi, line)
);
CREATE TABLE nppes_other_name (
    npi text COLLATE "C" NOT NULL,
    line bigint NOT NULL,
    name text NOT NULL,
    used boolean NOT NULL DEFAULT false,
    CONSTRAINT nppes_other_name_pkey PRIMARY KEY (npi, line)
);
"""


def upgrade() -> None:
    for statement in filter(str.strip, (TABLES + REVOCATION_DDL + ";" + OUTBOX_DDL).split(";\n")):
        op.execute(statement)
