"""The whole suite."""

from __future__ import annotations

from vlasync.testing.actions import ACTION_DEFECTS
from vlasync.testing.defect import Defect, StatisticsDefect
from vlasync.testing.gripper import GRIPPER_DEFECTS
from vlasync.testing.images import IMAGE_DEFECTS
from vlasync.testing.language import LANGUAGE_DEFECTS
from vlasync.testing.streams import STREAM_DEFECTS

DEFECTS: tuple[Defect | StatisticsDefect, ...] = (
    *STREAM_DEFECTS,
    *IMAGE_DEFECTS,
    *ACTION_DEFECTS,
    *GRIPPER_DEFECTS,
    *LANGUAGE_DEFECTS,
)
"""Every kind of defect that can be planted into open episodes."""
