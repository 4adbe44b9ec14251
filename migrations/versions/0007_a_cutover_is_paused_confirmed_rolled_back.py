"""A cutover is paused, confirmed, or rolled back; switches count how often they were."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade():
    whole = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    for definition in (
        f"paused_at {whole}",
        (
            f"confirmed_at {whole} CONSTRAINT ck_enrollment_window_confirmed_when_cut_over"
            " CHECK (confirmed_at IS NULL OR cut_over_at IS NOT NULL)"
        ),
        f"rolling_back_since {whole}",
        f"rolled_back {whole} DEFAULT 0 NOT NULL",
    ):
        op.execute(f"ALTER TABLE enrollment_window ADD COLUMN {definition}")
    op.execute(f"ALTER TABLE switch ADD COLUMN rolled_back {whole} DEFAULT 0 NOT NULL")


def downgrade():
    op.drop_column("switch", "rolled_back")
    for column in ("rolled_back", "rolling_back_since", "confirmed_at", "paused_at"):
        op.drop_column("enrollment_window", column)
