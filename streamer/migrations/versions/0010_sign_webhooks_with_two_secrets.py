"""Let the secret that a webhook had before sign for a while beside the one that took its place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("webhook", sa.Column("former", sa.Text(), nullable=True))
    op.add_column("webhook", sa.Column("former_until", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Go back."""
    op.drop_column("webhook", "former_until")
    op.drop_column("webhook", "former")
