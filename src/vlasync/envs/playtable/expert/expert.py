"""The expert: solves the play table's tasks from the simulator's state, to make demonstrations.

An action is a smooth function of the measured state alone. There is no clock and no hidden phase, so that frames with
equal observations carry equal labels, and an expert that is pushed off its way finds back from wherever it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable.expert import blocks, fixtures, placing
from vlasync.envs.playtable.expert.clearing import way_out
from vlasync.envs.playtable.expert.motion import Motion, follow
from vlasync.envs.playtable.expert.view import CLOSED, OPEN, View
from vlasync.envs.playtable.instructions import require_demonstrated
from vlasync.envs.playtable.layouts import LAYOUTS, Layout
from vlasync.envs.playtable.tasks import BLOCKS
from vlasync.spec import SyncSpec
from vlasync.types import Observation

# Share of the TCP's error that one step asks for. The arm covers about half of what is asked within the step, so more
# overshoots, and then equal states carry labels that differ with the speed.
GAIN = 0.3

_MOTIONS: dict[str, Callable[[View], Motion]] = {
    "open_drawer": fixtures.open_drawer,
    "close_drawer": fixtures.close_drawer,
    "move_slider_left": partial(fixtures.move_slider, side=-1),
    "move_slider_right": partial(fixtures.move_slider, side=1),
    "turn_on_led": fixtures.press_button,
    "turn_off_led": fixtures.press_button,
    "turn_on_lightbulb": fixtures.raise_switch,
    "turn_off_lightbulb": fixtures.lower_switch,
    **{f"lift_{color}_block_table": partial(blocks.lift_from_table, color=color) for color in BLOCKS},
    **{f"lift_{color}_block_slider": partial(blocks.lift_from_cabinet, color=color) for color in BLOCKS},
    **{f"lift_{color}_block_drawer": partial(blocks.lift_from_drawer, color=color) for color in BLOCKS},
    **{f"push_{color}_block_right": partial(blocks.push, color=color, side=1) for color in BLOCKS},
    **{f"push_{color}_block_left": partial(blocks.push, color=color, side=-1) for color in BLOCKS},
    **{f"rotate_{color}_block_right": partial(blocks.rotate, color=color, side=1) for color in BLOCKS},
    **{f"rotate_{color}_block_left": partial(blocks.rotate, color=color, side=-1) for color in BLOCKS},
    "place_in_slider": placing.place_in_cabinet,
    "place_in_drawer": placing.place_in_drawer,
    "push_into_drawer": placing.push_into_drawer,
    "stack_block": placing.stack,
    "unstack_block": blocks.unstack,
}


class Expert:
    """Acts for one task.

    Args:
        task: one of `instructions.DEMONSTRATED_TASKS`.
        layout: of the scene.

    Raises:
        VlasyncError: there is no such task.
    """

    def __init__(self, task: str, layout: Layout = LAYOUTS["D"]) -> None:
        require_demonstrated(task)
        self.task = task
        self._layout = layout
        self._motion = _MOTIONS[task]

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The relative action `[7]` of `SyncSpec.CALVIN`: position, Euler angles, gripper command.

        Args:
            observation: state and scene; images are not looked at.
        """
        view = View.of(observation, self._layout)
        motion = self._motion(view)
        if view.grasped() not in (None, motion.holds):
            return np.append(np.zeros(6), OPEN)
        change, turn = follow(view, motion)
        gripper = motion.gripper
        leave, outwards = way_out(view, motion)
        if leave > 0.0:
            # The hand neither turns nor drops what it holds until it is clear.
            change = (1.0 - leave) * change + leave * outwards
            turn = (1.0 - leave) * turn
            gripper = CLOSED if view.closing else OPEN
        moves = np.concatenate([change / SyncSpec.CALVIN.position_scale_m, turn / SyncSpec.CALVIN.rotation_scale_rad])
        moves = np.clip(GAIN * moves, -1.0, 1.0)
        haste = max(float(np.linalg.norm(moves[:3])) / motion.pace, 1.0)
        return np.append(moves / haste, gripper)
