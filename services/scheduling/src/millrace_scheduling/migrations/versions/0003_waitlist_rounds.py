"""Rounds of the waitlist read what changed since the last one, and nothing else."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UP = """
CREATE INDEX openings_seq_idx ON openings (seq);
CREATE INDEX waitlist_entries_seen_place_id_id_idx ON waitlist_entries (seen, place_id, id)
    WHERE state = 'waiting' AND seen <= 0;
CREATE INDEX waitlist_entries_last_day_idx ON waitlist_entries (last_day) WHERE state = 'waiting';
CREATE INDEX waitlist_offers_expires_at_idx ON waitlist_offers (expires_at) WHERE state = 'offered';
CREATE TABLE waitlist_progress (
    id smallint CONSTRAINT waitlist_progress_pkey PRIMARY KEY CONSTRAINT waitlist_progress_id_check CHECK (id = 1),
    seq bigint NOT NULL
);
INSERT INTO waitlist_progress SELECT 1, coalesce(max(seq), 0) FROM openings;
UPDATE waitlist_entries SET seen = 0 WHERE state = 'waiting'
"""

DOWN = """
DROP TABLE waitlist_progress;
DROP INDEX openings_seq_idx, waitlist_entries_seen_place_id_id_idx, waitlist_entries_last_day_idx,
    waitlist_offers_expires_at_idx;
UPDATE waitlist_entries SET seen = 0 WHERE seen < 0
"""


def upgrade() -> None:
    for statement in UP.split(";"):
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN.split(";"):
        op.execute(statement)
