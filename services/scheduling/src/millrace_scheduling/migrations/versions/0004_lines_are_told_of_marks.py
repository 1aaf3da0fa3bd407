"""The waitlist is told of what was touched, and not of openings that differ."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Every line is looked at once: what came free until now may not have been told.
UP = """
ALTER TABLE dirty_openings ADD COLUMN frees boolean NOT NULL DEFAULT true;
CREATE TABLE dirty_lines (
    seq bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT dirty_lines_pkey PRIMARY KEY,
    npi text NOT NULL
);
DROP TABLE waitlist_progress;
DROP INDEX openings_seq_idx, waitlist_entries_seen_place_id_id_idx;
ALTER TABLE waitlist_entries DROP COLUMN seen;
ALTER TABLE waitlist_entries ADD COLUMN due boolean NOT NULL DEFAULT false;
CREATE INDEX waitlist_entries_due_place_id_id_idx ON waitlist_entries (place_id, id) WHERE state = 'waiting' AND due;
UPDATE waitlist_entries SET due = true WHERE state = 'waiting'
"""

DOWN = """
DROP INDEX waitlist_entries_due_place_id_id_idx;
ALTER TABLE waitlist_entries DROP COLUMN due;
ALTER TABLE waitlist_entries ADD COLUMN seen bigint NOT NULL DEFAULT 0;
CREATE INDEX waitlist_entries_seen_place_id_id_idx ON waitlist_entries (seen, place_id, id)
    WHERE state = 'waiting' AND seen <= 0;
CREATE INDEX openings_seq_idx ON openings (seq);
CREATE TABLE waitlist_progress (
    id smallint CONSTRAINT waitlist_progress_pkey PRIMARY KEY CONSTRAINT waitlist_progress_id_check CHECK (id = 1),
    seq bigint NOT NULL
);
INSERT INTO waitlist_progress SELECT 1, coalesce(max(seq), 0) FROM openings;
DROP TABLE dirty_lines;
ALTER TABLE dirty_openings DROP COLUMN frees
"""


def upgrade() -> None:
    for statement in UP.split(";"):
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN.split(";"):
        op.execute(statement)
