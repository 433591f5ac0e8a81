"""Note which server makes an asset, what is asked of it, and which segments others wait for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "writer",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_writer")),
    )
    op.create_table(
        "want",
        sa.Column("asset", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.String(length=64), nullable=False),
        sa.Column("rendition", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["asset"], ["asset.id"], name=op.f("fk_want_asset"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("asset", "generation", "rendition", "number", "node", name=op.f("pk_want")),
    )
    op.add_column("asset", sa.Column("maker", sa.String(length=64), nullable=True))
    op.add_column("asset", sa.Column("maker_until", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("asset", sa.Column("asked", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("asset", schema=None) as batch_op:
        batch_op.drop_column("asked")
        batch_op.drop_column("maker_until")
        batch_op.drop_column("maker")
    op.drop_table("want")
    op.drop_table("writer")
