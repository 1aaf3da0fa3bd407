"""What the importers remember: how far a file was read, and where it said that an NPI practises."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# imported_address tells an address that a file gave from those that were added otherwise, so that a move takes away the
# right one; of the organizations at one address it finds the one whose practice the location belongs to.
IMPORTS = """
CREATE TABLE import_run (
    digest text CONSTRAINT import_run_pkey PRIMARY KEY,
    file text NOT NULL,
    byte_position bigint NOT NULL,
    line bigint NOT NULL,
    figures jsonb NOT NULL,
    rejects_file text,
    rejects_bytes bigint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);

CREATE TABLE imported_address (
    npi text COLLATE "C" CONSTRAINT imported_address_pkey PRIMARY KEY,
    location_id uuid NOT NULL,
    organization boolean NOT NULL
);
CREATE INDEX imported_address_organization_idx ON imported_address (location_id, npi) WHERE organization;
"""


def upgrade() -> None:
    for statement in filter(str.strip, IMPORTS.split(";")):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE imported_address, import_run")
