"""Names of foreign checkpoints and the tables that turn them into ours; one file a source."""

from __future__ import annotations

from videonet.models.names import pyslowfast
from videonet.models.names.table import Table

OURS = Table("videonet", mark=r"^(backbone|head|stem|res[2-5]|slow|fast)\.", rules=())

TABLES: tuple[Table, ...] = (OURS, *pyslowfast.TABLES)
