"""Say of an asset who may watch it, and keep the keys that playback tokens are verified with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("asset", sa.Column("policy", sa.String(16), nullable=False, server_default="public"))
    op.create_table(
        "playback_key",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("private", sa.Text(), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playback_key")),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("playback_key")
    with op.batch_alter_table("asset") as table:
        table.drop_column("policy")
