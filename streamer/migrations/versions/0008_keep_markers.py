"""Keep markers: what is to be told at one moment of an asset."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "marker",
        sa.Column("asset", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("moment", sa.Text(), nullable=False),
        sa.Column("media_time", sa.Text(), nullable=False),
        sa.Column("duration", sa.Text(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=True),
        sa.Column("scte35", sa.Text(), nullable=True),
        sa.Column("splice", sa.String(length=8), nullable=False),
        sa.Column("inband", sa.Boolean(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["asset"], ["asset.id"], name=op.f("fk_marker_asset"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("asset", "id", name=op.f("pk_marker")),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("marker")
