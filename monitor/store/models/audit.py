"""What people did that must be accounted for, and what must not come back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity
from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.models.base import NOW, Base


class AuditEntry(Base):
    """Append-only. Ids of people and requests stand here as hashes."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    actor: Mapped[str]
    action: Mapped[str]
    detail: Mapped[dict[str, Any]]


class Erased(Base):
    """What was erased, so that reading its record again does not bring it back."""

    __tablename__ = "erased"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    """Of a request id (`monitor.store.tombstones.tombstone`), or the content hash of a label."""
    erased_at: Mapped[datetime]
