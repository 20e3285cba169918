"""Layouts of data by name. Adding one is one file and one line here."""

import zoo.tasks.bce  # noqa: F401
import zoo.tasks.cdconv  # noqa: F401
import zoo.tasks.ec  # noqa: F401
import zoo.tasks.lba  # noqa: F401
import zoo.tasks.mqa  # noqa: F401
import zoo.tasks.pdbbind  # noqa: F401
import zoo.tasks.ppbs  # noqa: F401
import zoo.tasks.react  # noqa: F401
import zoo.tasks.table  # noqa: F401
from zoo.tasks.samples import LAYOUTS

__all__ = ["LAYOUTS"]
