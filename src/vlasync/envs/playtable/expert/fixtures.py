"""How to move what is fixed to the table: drawer, sliding door, button and switch. Metres, world frame."""

from __future__ import annotations

from typing import Literal

import numpy as np

from vlasync.envs.playtable.expert.motion import Motion, along_fingers, tilted_turn
from vlasync.envs.playtable.expert.view import AWAY, CLOSED, OPEN, RIGHT, UP, View, point

# The switch slides up the cabinet's front, 60 degrees from the horizontal.
UP_THE_FRONT = 0.5 * AWAY + np.sqrt(0.75) * UP
# Fingers pointing forward as well as down, at what stands on the cabinet's slanting front: the hand stays clear of the
# front, the arm reaches the switch, and the fingers push it square to its way up.
TILT = 0.6


def open_drawer(view: View) -> Motion:
    """Reach into the gap behind the handle's bar from above, and pull."""
    return Motion(
        entry=point(view.layout.drawer_x, -0.208 - view.drawer, 0.368),
        axis=-UP,
        stroke=-AWAY,
        gripper=OPEN,
        tolerance=point(0.03, 0.008, 0.0),
        reach=point(0.06, 0.025, 0.0),
        hover=0.08,
    )


def close_drawer(view: View) -> Motion:
    """Come down in front of the handle's bar, and push."""
    return Motion(
        entry=point(view.layout.drawer_x, -0.305 - view.drawer, 0.368),
        axis=-UP,
        stroke=AWAY,
        gripper=OPEN,
        tolerance=point(0.04, 0.015, 0.0),
        reach=point(0.08, 0.045, 0.0),
        hover=0.08,
    )


def move_slider(view: View, *, side: Literal[-1, 1]) -> Motion:
    """Reach in beside the door's handle with closed fingers, and push it to `side` (+1 right)."""
    return Motion(
        entry=point(view.layout.slider_x - view.slider - side * 0.06, 0.0, 0.53),
        axis=along_fingers(TILT),
        stroke=side * RIGHT,
        gripper=CLOSED,
        tolerance=point(0.015, 0.015, 0.015),
        reach=point(0.045, 0.04, 0.04),
        hover=0.09,
        turn=tilted_turn(TILT),
    )


def press_button(view: View) -> Motion:
    """Come down on the button with closed fingers; which way the LED switches is the button's affair."""
    return Motion(
        entry=point(view.layout.button_x, -0.12, 0.495),
        axis=-UP,
        stroke=-UP,
        gripper=CLOSED,
        tolerance=point(0.012, 0.012, 0.0),
        reach=point(0.03, 0.03, 0.0),
        hover=0.05,
    )


def raise_switch(view: View) -> Motion:
    """Reach under the switch's bar from the front with closed fingers, and push up the slope."""
    return Motion(
        entry=point(view.layout.switch_x, -0.010, 0.488) + view.switch * UP_THE_FRONT,
        axis=along_fingers(TILT),
        stroke=UP_THE_FRONT,
        gripper=CLOSED,
        tolerance=point(0.02, 0.008, 0.008),
        reach=point(0.04, 0.03, 0.03),
        hover=0.07,
        turn=tilted_turn(TILT),
    )


def lower_switch(view: View) -> Motion:
    """Come down on the switch's bar with closed fingers, and push down the slope."""
    return Motion(
        entry=point(view.layout.switch_x, 0.028, 0.562) + view.switch * UP_THE_FRONT,
        axis=-UP,
        stroke=-UP_THE_FRONT,
        gripper=CLOSED,
        tolerance=point(0.02, 0.01, 0.0),
        reach=point(0.04, 0.03, 0.0),
        hover=0.06,
        turn=tilted_turn(TILT),
    )
