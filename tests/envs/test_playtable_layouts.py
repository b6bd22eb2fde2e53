"""The four scenes: D is what the scene file says, and in the others everything stands where the layout says."""

from importlib.resources import files
from pathlib import Path

import mujoco
import numpy as np
import pytest

from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.layouts import LAYOUTS, Layout
from vlasync.envs.playtable.model import load_model
from vlasync.envs.playtable.tasks import BLOCKS, achieved
from vlasync.errors import VlasyncError

TABLE_TOP = (-0.44, 0.44)


@pytest.fixture(params=LAYOUTS.values(), ids=lambda layout: layout.name)
def layout(request: pytest.FixtureRequest) -> Layout:
    return request.param


def settled(model: mujoco.MjModel) -> mujoco.MjData:
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return data


def extent(model: mujoco.MjModel, data: mujoco.MjData, body: str) -> tuple[float, float]:
    """Lowest and highest x of a body's geoms."""
    ends = []
    for geom in range(model.ngeom):
        if model.geom_bodyid[geom] == model.body(body).id:
            center, half = model.geom_aabb[geom].reshape(2, 3)
            rotation = data.geom_xmat[geom].reshape(3, 3)
            middle = data.geom_xpos[geom] + rotation @ center
            reach = np.abs(rotation) @ half
            ends.append((middle[0] - reach[0], middle[0] + reach[0]))
    return min(low for low, _ in ends), max(high for _, high in ends)


def test_scene_d_is_the_scene_file_to_the_last_bit():
    described = mujoco.MjModel.from_xml_string((files("vlasync.envs.playtable") / "scene.xml").read_text())
    built = load_model(LAYOUTS["D"])
    arrays = [name for name in dir(described) if isinstance(getattr(described, name, None), np.ndarray)]
    assert len(arrays) > 200
    for name in arrays:
        np.testing.assert_array_equal(getattr(built, name), getattr(described, name), err_msg=name)
    assert built.names == described.names


def test_everything_stands_where_the_layout_says(layout):
    model = load_model(layout)
    data = settled(model)
    for body, x in {
        "button_link": layout.button_x,
        "led_link": layout.led_x,
        "switch_link": layout.switch_x,
        "light_link": layout.bulb_x,
        "slide_link": layout.slider_x,
        "drawer_link": layout.drawer_x,
        "plank_link": layout.cabinet_x,
    }.items():
        assert np.mean(extent(model, data, body)) == pytest.approx(x, abs=1e-9), body
    assert data.geom("collar").xpos[0] == pytest.approx(layout.button_x)
    assert model.joint("slider").range[1] == pytest.approx(layout.slider_limit)
    lengths = [2 * model.geom_size[model.body(f"block_{color}").geomadr[0], 0] for color in BLOCKS]
    np.testing.assert_allclose(lengths, layout.block_lengths)


def test_the_table_has_no_gap_beside_cabinet_and_drawer(layout):
    model = load_model(layout)
    data = settled(model)
    assert extent(model, data, "base_link") == pytest.approx(TABLE_TOP)
    box = {name: (data.geom(name).xpos[0], model.geom(name).size[0]) for name in ("apron_left", "apron_right")}
    front = (box["apron_left"][0] + box["apron_left"][1], box["apron_right"][0] - box["apron_right"][1])
    assert front == pytest.approx(extent(model, data, "drawer_link"))
    hollow = extent(model, data, "plank_link")
    for side, (name, end) in enumerate((("wedge_left", 1), ("wedge_right", 0))):
        mesh = model.mesh(name).id
        vertices = model.mesh_vert[model.mesh_vertadr[mesh] :][: model.mesh_vertnum[mesh]]
        geom = int(np.flatnonzero(model.geom_dataid == mesh)[0])
        x = (vertices @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom])[:, 0]
        assert (x.min(), x.max())[end] == pytest.approx(hollow[side], abs=1e-6)
        assert (x.min(), x.max())[1 - end] == pytest.approx(TABLE_TOP[side], abs=1e-6)


def test_the_door_stays_in_front_of_the_cabinet_and_uncovers_each_side(layout):
    # Half of the door, and of the cabinet's hollow part.
    door, hollow = 0.14, 0.26
    left, right = layout.slider_x - layout.slider_limit, layout.slider_x
    for x in (left, right):
        assert layout.cabinet_x - hollow - 0.04 <= x - door < x + door <= layout.cabinet_x + hollow + 0.04
    on_the_left, on_the_right = layout.cabinet_blocks_x
    assert np.mean(on_the_left) < right - door
    assert np.mean(on_the_right) > left + door


def test_blocks_rest_in_all_their_places_in_every_scene(layout):
    table = PlayTable(scene=layout.name, cameras={})
    middle = np.mean(layout.table_blocks_x)
    left, right = (np.mean(side) for side in layout.cabinet_blocks_x)
    places = [(middle, -0.12, 0.46), (left, 0.0924, 0.461), (right, 0.0924, 0.461)]
    scene = np.zeros(24)
    scene[6:] = np.concatenate([[*place, 0.0, 0.0, np.pi / 2] for place in places])
    table.reset(scene_obs=scene)
    start = table.snapshot()
    for _ in range(15):
        table.step(np.array([0.0] * 6 + [1.0]))
    end = table.snapshot()
    assert achieved(start, end) == set()
    np.testing.assert_allclose(end.scene_obs[:6], 0.0, atol=1e-3)
    np.testing.assert_allclose(end.block_pos, places, atol=2e-3)


def test_random_blocks_fall_into_the_places_of_their_scene(layout):
    table = PlayTable(scene=layout.name, cameras={})
    areas = ((layout.table_blocks_x, (-0.15, -0.03)), *((side, (0.05, 0.12)) for side in layout.cabinet_blocks_x))
    used = set()
    for seed in range(20):
        observation, _ = table.reset(seed=seed)
        for x, y in observation["scene"][6:].reshape(3, 6)[:, :2]:
            inside = [area for area, (xs, ys) in enumerate(areas) if xs[0] <= x <= xs[1] and ys[0] <= y <= ys[1]]
            assert len(inside) == 1
            used.update(inside)
    assert used == {0, 1, 2}


def test_an_unknown_scene_is_named_with_its_neighbours():
    with pytest.raises(VlasyncError, match=r"scene 'a': no such scene.*did you mean A"):
        PlayTable(scene="a", cameras={})
    with pytest.raises(VlasyncError, match="choose one of A, B, C, D"):
        PlayTable(scene="kitchen", cameras={})


def test_the_guide_gives_the_numbers_of_the_layouts():
    guide = Path(__file__).parents[2] / "docs" / "scenes.md"
    rows = [line.strip("| ").split(" | ") for line in guide.read_text().splitlines() if line.startswith("| `")]
    names = {"table_blocks_x": " to ", "block_lengths": ", "}
    for head, *cells in rows:
        name = head.split("`")[1]
        for cell, layout in zip(cells, LAYOUTS.values(), strict=True):
            value = getattr(layout, name)
            assert cell == (names[name].join(str(number) for number in value) if name in names else str(value)), name
    assert len(rows) == 10
