"""Images: the cameras see what CALVIN's see, where they see it."""

from pathlib import Path

import numpy as np
import pytest

from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.arm import NEUTRAL
from vlasync.spec import Camera

VISIBLE = 60
"""Pixels of a block that make its place in the image certain."""


@pytest.fixture(scope="module")
def table() -> PlayTable:
    return PlayTable(render_mode="rgb_array")


def masks(image: np.ndarray) -> dict[str, np.ndarray]:
    """`[H, W]` masks of what has a colour of its own."""
    red, green, blue = image.astype(int).transpose(2, 0, 1)
    return {
        "red": (red > 120) & (green < 60) & (blue < 60),
        "blue": (blue > 120) & (red < 60) & (green < 60),
        "pink": (red > 120) & (blue > 120) & (green < 60),
        "bulb": (red > 150) & (green > 150) & (blue < 80),
        "led": (green > 150) & (red < 80) & (blue < 80),
    }


def centre(mask: np.ndarray) -> np.ndarray:
    """`[2]` mean row and column."""
    return np.argwhere(mask).mean(axis=0)


def test_blocks_and_lights_appear_where_calvin_shows_them(table, shared_data: Path):
    paths = sorted((shared_data / "calvin_sample" / "training").glob("episode_*.npz"))[::16]
    distances, mismatches = [], 0
    for path in paths:
        with np.load(path, allow_pickle=False) as frame:
            recorded = {"static": frame["rgb_static"], "gripper": frame["rgb_gripper"]}
            seen, _ = table.reset(robot_obs=frame["robot_obs"], scene_obs=frame["scene_obs"])
        for camera, image in recorded.items():
            ours = masks(seen["images"][camera])
            for name, theirs in masks(image).items():
                if max(theirs.sum(), ours[name].sum()) < VISIBLE:
                    continue
                # Where the arm or a finger hides a part, the simpler arm hides another part.
                if 0.75 < ours[name].sum() / max(theirs.sum(), 1) < 1.35:
                    distances.append(np.linalg.norm(centre(theirs) - centre(ours[name])))
                else:
                    mismatches += 1
    assert len(distances) > 100
    assert np.percentile(distances, 95) < 1.5
    assert np.median(distances) < 1.0
    assert mismatches < 0.15 * len(distances)


def test_lights_show_their_state(table):
    blocks = [(0.0, -0.12, 0.46, 0, 0, 0), (0.1, -0.12, 0.46, 0, 0, 0), (0.25, -0.12, 0.46, 0, 0, 0)]
    for bulb, led in ((0, 0), (1, 0), (0, 1), (1, 1)):
        seen, _ = table.reset(scene_obs=np.concatenate([[0, 0, 0, 0.088 * bulb, bulb, led], *blocks]))
        shown = masks(seen["images"]["static"])
        assert (shown["bulb"].sum() > 50) == bool(bulb)
        assert (shown["led"].sum() > 50) == bool(led)


def test_images_have_the_declared_sizes_and_belong_to_the_caller():
    cameras = {"static": Camera(height=40, width=60), "gripper": Camera(height=30, width=20)}
    table = PlayTable(cameras=cameras, render_mode="rgb_array")
    seen, _ = table.reset(seed=0)
    kept = {name: image.copy() for name, image in seen["images"].items()}
    table.step(np.array([1.0, 1, -1, 0, 0, 0, -1]))
    assert seen["images"].keys() == cameras.keys()
    for name, camera in cameras.items():
        image = seen["images"][name]
        assert (image.shape, image.dtype) == ((camera.height, camera.width, 3), np.uint8)
        assert image.flags.c_contiguous
        np.testing.assert_array_equal(image, kept[name])
    table.close()


def test_a_camera_sees_the_same_whichever_others_there_are(table):
    both, _ = table.reset(seed=4)
    for name, camera in table.sync_spec.cameras.items():
        alone = PlayTable(cameras={name: camera})
        seen, _ = alone.reset(seed=4)
        np.testing.assert_array_equal(seen["images"][name], both["images"][name])
        alone.close()


def test_tables_come_and_go_without_disturbing_one_another(table):
    before, _ = table.reset(seed=4)
    for close in (True, False):
        other = PlayTable(cameras={"static": Camera(height=250, width=100)})
        other.reset(seed=1)
        if close:
            other.close()
            other.close()
        del other
        after, _ = table.reset(seed=4)
        np.testing.assert_array_equal(after["images"]["static"], before["images"]["static"])


def test_render_shows_the_static_camera(table):
    seen, _ = table.reset(seed=4)
    np.testing.assert_array_equal(table.render(), seen["images"]["static"])
    assert PlayTable(cameras={}).render() is None


def test_the_gripper_camera_looks_at_the_fingertips(table):
    """A block at the TCP appears in the column between the fingers, and the open fingers on either side of it."""
    place = np.array(NEUTRAL[:3])
    far = [(0.3, 0.1, 0.05, 0, 0, 0), (0.35, -0.1, 0.05, 0, 0, 0)]
    seen, _ = table.reset(scene_obs=np.concatenate([np.zeros(6), [*place, *NEUTRAL[3:6]], *far]))
    image = seen["images"]["gripper"]
    row, column = centre(masks(image)["red"])
    assert column == pytest.approx(image.shape[1] / 2, abs=2)
    assert row < image.shape[0] / 2
