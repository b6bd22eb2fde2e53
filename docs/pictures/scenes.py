"""Draws the pictures of `docs/scenes.md`: the four scenes as their cameras see them.

    python docs/pictures/scenes.py

Writes `scene-A.png` to `scene-D.png` beside this file: static camera with everything shut and off, the same with
everything open and on, and the gripper camera.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.layouts import LAYOUTS, Layout
from vlasync.envs.playtable.starts import DRAWER_LIMIT, SWITCH_LIMIT
from vlasync.recording import calvin_cameras

FOLDER = Path(__file__).parent
SIDE = 300
"""Pixels on a side of each picture."""


def main() -> None:
    """Draw every scene."""
    for layout in LAYOUTS.values():
        table = PlayTable(scene=layout.name, cameras=calvin_cameras(SIDE, SIDE))
        shut, _ = table.reset(scene_obs=np.concatenate([np.zeros(6), _blocks(layout)]))
        fixtures = np.array([layout.slider_limit, DRAWER_LIMIT, 0.0, SWITCH_LIMIT, 1.0, 1.0])
        opened, _ = table.reset(scene_obs=np.concatenate([fixtures, _blocks(layout)]))
        row = np.hstack([shut["images"]["static"], opened["images"]["static"], opened["images"]["gripper"]])
        Image.fromarray(row).save(FOLDER / f"scene-{layout.name}.png", optimize=True)
        table.close()


def _blocks(layout: Layout) -> NDArray[np.float64]:
    """`[18]` the red block in the cabinet, blue and pink side by side on the table."""
    low, high = layout.table_blocks_x
    left, _ = layout.cabinet_blocks_x
    middle, turned = (low + high) / 2 + 0.05, (0.0, 0.0, np.pi / 2)
    places = ((np.mean(left), 0.0924, 0.461), (middle - 0.07, -0.12, 0.46), (middle + 0.07, -0.12, 0.46))
    return np.concatenate([[*place, *turned] for place in places])


if __name__ == "__main__":
    main()
