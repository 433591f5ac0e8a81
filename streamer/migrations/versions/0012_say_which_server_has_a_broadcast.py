"""Say which server has a broadcast, how often it has changed hands, and where servers are reached."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("asset", sa.Column("term", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "node",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_node")),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("node")
    with op.batch_alter_table("asset", schema=None) as batch_op:
        batch_op.drop_column("term")
