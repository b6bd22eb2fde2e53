"""What users can put their own parts to the test with.

Beside this, `testing.vlm` and `testing.heads` hold the contracts of VLMs and policy heads. Here: known defects to plant
into good demonstrations, so that any checker of data can be tried::

    for defect in vlasync.testing.DEFECTS:
        for strength in defect.strengths:
            planted = defect.plant(episodes, strength)
            if planted is not None:
                assert defect.code in my_checker(planted.episodes)
"""

from vlasync.testing.defect import Defect, Distortion, FileDefect, Planted, Scope, StatisticsDefect
from vlasync.testing.defects import DEFECTS
from vlasync.testing.files import FILE_DEFECTS
from vlasync.testing.harmless import HARMLESS
from vlasync.testing.recordings import Recording, record_play_table
from vlasync.testing.trials import Trial, as_claimed, false_alarms, file_trial, trial

__all__ = [
    "DEFECTS",
    "FILE_DEFECTS",
    "HARMLESS",
    "Defect",
    "Distortion",
    "FileDefect",
    "Planted",
    "Recording",
    "Scope",
    "StatisticsDefect",
    "Trial",
    "as_claimed",
    "false_alarms",
    "file_trial",
    "record_play_table",
    "trial",
]
