"""Names of foreign checkpoints and the tables that turn them into ours; one file a source."""

from __future__ import annotations

from videonet.models.names import caffe2, images, mmaction2, pyslowfast, pytorchvideo, repositories, vmz
from videonet.models.names.table import Table

OURS = Table("videonet", mark=r"^(backbone|head|stem|res[2-5]|slow|fast)\.", rules=())

TABLES: tuple[Table, ...] = (
    OURS,
    *pyslowfast.TABLES,
    *pytorchvideo.TABLES,
    *caffe2.TABLES,
    *vmz.TABLES,
    *mmaction2.TABLES,
    *images.TABLES,
    *repositories.TABLES,
)
