"""Tell how far an asset's media is there while its upload still runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("asset", sa.Column("seekable", sa.Text(), nullable=True))


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("asset", schema=None) as batch_op:
        batch_op.drop_column("seekable")
