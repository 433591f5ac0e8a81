"""Keep live streams, and note which assets are broadcasts of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "stream",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("asset", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["asset"], ["asset.id"], name=op.f("fk_stream_asset"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stream")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_stream_key_hash")),
    )
    op.create_index(op.f("ix_stream_created_id"), "stream", ["created", "id"])
    stream = sa.ForeignKey("stream.id", name=op.f("fk_asset_stream"))
    # SQLite adds a reference with its column or not at all.
    op.add_column(
        "asset", sa.Column("stream", sa.String(length=64), stream, nullable=True), inline_references=True
    )
    op.create_index(op.f("ix_asset_stream"), "asset", ["stream"])


def downgrade() -> None:
    """Go back."""
    op.drop_index(op.f("ix_asset_stream"), "asset")
    with op.batch_alter_table("asset", schema=None) as batch_op:
        batch_op.drop_column("stream")
    op.drop_index(op.f("ix_stream_created_id"), "stream")
    op.drop_table("stream")
