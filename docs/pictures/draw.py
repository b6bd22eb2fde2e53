"""Draws the pictures of `docs/check.md`: each defect as it looks in demonstrations of the play table.

    python docs/pictures/draw.py

Records a few short demonstrations, plants the defects of `vlasync.testing` and writes `check-*.png` beside this file.
"""

from __future__ import annotations

import images
import matplotlib
import streams
from look import STYLE

import actions
from vlasync.recording import calvin_cameras
from vlasync.testing import record_play_table


def main() -> None:
    """Draw everything."""
    tasks = ("lift_red_block_table", "open_drawer")
    recording = record_play_table("pictures", tasks, cameras=calvin_cameras(), seed=3)
    drawer, lift = recording.episodes[1], recording.episodes[2]
    with matplotlib.rc_context(STYLE):
        images.image_lag(lift)
        images.stuck_images(lift)
        images.turned_images(lift)
        actions.action_lag(lift)
        actions.conventions(lift)
        actions.rotations(lift)
        actions.commands(recording, lift)
        actions.sizes(recording.episodes)
        actions.gripper(lift)
        streams.clock(drawer)
        streams.language()
        streams.streams()
        streams.meaning(drawer, list(recording.episodes))


if __name__ == "__main__":
    main()
