"""LeRobot folders that others wrote are read, audited and learnt from, once it is declared what their numbers mean."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bridge_like import RATE_HZ, SENTENCES, STATE_NAMES, write_bridge_like

from vlasync.checks.audit import audit
from vlasync.checks.fix import fix_spec
from vlasync.cli import main
from vlasync.data.declaration import declare, declare_fields, draft_of
from vlasync.data.lerobot_names import action_names, layout_of, state_names
from vlasync.data.open import open_dataset
from vlasync.data.readers.lerobot import LeRobotFolder
from vlasync.errors import DatasetError, NotFiniteError, VlasyncError
from vlasync.models.tiny import TinySize
from vlasync.recipes.registry import get_recipe
from vlasync.runs import read_metrics
from vlasync.spec import SyncSpec
from vlasync.training.run import TinyVLM, train

BRIDGE = {
    "action_frame": "base",
    "action_mode": "relative_to_measured",
    "rotation": "euler_xyz_extrinsic",
    "rotation_composition": "euler_difference",
    "position_scale_m": 1.0,
    "rotation_scale_rad": 1.0,
    "gripper_open": 1.0,
    "gripper_closed": 0.0,
}
DATA, EPISODES = "data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet"


@pytest.fixture
def bridge(tmp_path: Path) -> Path:
    return write_bridge_like(tmp_path / "bridge")


@pytest.fixture
def declared(bridge: Path) -> Path:
    declare_fields(bridge, BRIDGE)
    return bridge


def test_a_folder_of_somebody_else_is_read(declared: Path) -> None:
    episodes = open_dataset(declared)
    assert isinstance(episodes, LeRobotFolder)
    assert [len(episode) for episode in episodes] == [14, 9, 12, 16]
    table = pq.read_table(declared / DATA)
    first = 14 + 9
    episode = episodes[2]
    assert episode.name == "bridge/000002"
    assert (episode.spec.rate_hz, episode.spec.state_size, episode.spec.action_size) == (RATE_HZ, 8, 7)
    assert [part.name for part in episode.spec.state_layout] == ["tcp_position", "tcp_euler", "pad", "gripper_opening"]
    assert set(episode.images) == {"image_0", "image_1"}  # a depth map is no colour camera
    np.testing.assert_array_equal(episode.state, np.array(table["observation.state"].to_pylist())[first : first + 12])
    np.testing.assert_array_equal(episode.actions, np.array(table["action"].to_pylist())[first : first + 12])
    np.testing.assert_array_equal(episode.frame_index, np.arange(first, first + 12))
    assert episode.state.dtype == np.float64
    assert episode.scene is None and episode.timestamps is None
    ((span),) = episode.language
    assert (span.first, span.last, span.sentence, span.task) == (0, 11, SENTENCES[0], SENTENCES[0])
    for outline, item in zip(episodes.outlines(), episodes, strict=True):
        assert (outline.length, outline.language) == (len(item), item.language)


def test_a_recorders_timestamps_are_kept_and_made_up_ones_are_not(declared: Path) -> None:
    table = pq.read_table(declared / DATA)
    stamps = table["timestamp"].to_numpy() + 0.01 * np.sin(np.arange(len(table)))
    rewrite(declared / DATA, timestamp=stamps.astype(np.float32))
    np.testing.assert_array_equal(open_dataset(declared)[0].timestamps, stamps.astype(np.float32)[:14])


def test_sentences_change_where_the_task_index_does(declared: Path) -> None:
    index = pq.read_table(declared / DATA)["task_index"].to_numpy().copy()
    index[5:9] = 1
    rewrite(declared / DATA, task_index=index)
    with pytest.raises(DatasetError, match=r"episode 0 have the sentences .*meta/episodes says .*out of step"):
        _ = open_dataset(declared)[0]
    rows = pq.read_table(declared / EPISODES).to_pylist()
    rows[0]["tasks"] = list(SENTENCES)
    pq.write_table(pa.Table.from_pylist(rows), declared / EPISODES)
    spans = open_dataset(declared)[0].language
    assert [(span.first, span.last, span.sentence) for span in spans] == [
        (0, 4, SENTENCES[0]),
        (5, 8, SENTENCES[1]),
        (9, 13, SENTENCES[0]),
    ]
    assert open_dataset(declared).outlines()[0].language == spans


def test_without_a_declaration_the_error_says_how_to_declare(bridge: Path) -> None:
    with pytest.raises(DatasetError, match=r"meta/syncspec\.json: not found; .*`vlasync declare .*bridge`"):
        open_dataset(bridge)
    fields, _ = declare_fields(bridge, {"rotation": "euler_xyz_extrinsic"})
    assert fields == draft_of(bridge) | {"rotation": "euler_xyz_extrinsic"}
    with pytest.raises(DatasetError, match=r"action_frame, action_mode, rotation_composition.* not declared yet"):
        open_dataset(bridge)
    declare_fields(bridge, BRIDGE)
    assert open_dataset(bridge).spec == SyncSpec.from_json((bridge / "meta/syncspec.json").read_text())


def test_what_is_declared_later_leaves_the_rest(declared: Path) -> None:
    before = open_dataset(declared).spec
    declare_fields(declared, {"gripper_open": 0.0, "gripper_closed": 1.0})
    assert open_dataset(declared).spec == before.replace(gripper_open=0.0, gripper_closed=1.0)
    declare(declared, before)
    assert open_dataset(declared).spec == before


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"action_frame": "tcp", "rotation_composition": "left"}, "composed on the `right`"),
        ({"rotation": "quat_xyzw", "rotation_composition": "right"}, "declares .*'actions': 8.* has .*'actions': 7"),
        ({"action_frame": "wrist"}, "action_frame is 'wrist'; give one of world, base, tcp"),
    ],
)
def test_what_means_nothing_or_does_not_fit_is_refused(bridge: Path, fields: dict, said: str) -> None:
    with pytest.raises(VlasyncError, match=said):
        declare_fields(bridge, BRIDGE | fields)


def test_names_tell_the_state() -> None:
    assert state_names(SyncSpec.CALVIN)[:8] == ["x", "y", "z", "roll", "pitch", "yaw", "gripper_width", "arm_joints_0"]
    assert layout_of(state_names(SyncSpec.CALVIN)) == SyncSpec.CALVIN.state_layout
    assert len(action_names(SyncSpec.CALVIN.replace(rotation="rot6d"))) == 10
    arm = layout_of(["joint_0", "joint_1", "joint_2", "gripper.pos"])
    assert [(part.name, part.start, part.stop) for part in arm[:1]] == [("arm_joints", 0, 3)]
    quaternion = layout_of(["x", "y", "z", "rx", "ry", "rz", "rw", "gripper"])
    assert [part.name for part in quaternion] == ["tcp_position", "tcp_quat_xyzw", "gripper_opening"]
    assert [part.stop for part in layout_of(STATE_NAMES)] == [3, 6, 7, 8]


def rewrite(file: Path, **columns: object) -> None:
    """Replace columns of a parquet file; None removes one."""
    table = pq.read_table(file)
    for name, values in columns.items():
        place = table.column_names.index(name)
        table = table.remove_column(place) if values is None else table.set_column(place, name, pa.array(values))
    pq.write_table(table, file)


def edit_info(folder: Path, **fields: object) -> None:
    file = folder / "meta/info.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def poison(folder: Path) -> None:
    state = np.array(pq.read_table(folder / DATA)["observation.state"].to_pylist())
    state[3, 0] = np.nan
    rewrite(folder / DATA, **{"observation.state": state.tolist()})


def without(folder: Path, key: str) -> None:
    info = json.loads((folder / "meta/info.json").read_text())
    edit_info(folder, features={name: feature for name, feature in info["features"].items() if name != key})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda folder: edit_info(folder, codebase_version="v2.1"),
            r"'v2\.1', expected v3\.x; convert it with LeRobot",
        ),
        (lambda folder: edit_info(folder, codebase_version="v4.0"), "expected v3.x; update vlasync"),
        (lambda folder: edit_info(folder, fps=0), "`fps` is 0"),
        (lambda folder: edit_info(folder, fps=10), "declares rate_hz 5.0, but info.json has fps 10"),
        (lambda folder: edit_info(folder, features={"action": {"dtype": "float32"}}), "a feature is damaged"),
        (lambda folder: edit_info(folder, total_episodes=5), "4 rows, expected one for each of 5 episodes"),
        (lambda folder: edit_info(folder, data_path="../{chunk_index}.parquet"), "leads out of the dataset"),
        (lambda folder: edit_info(folder, data_path="{chunk}.parquet"), "cannot be filled"),
        (lambda folder: without(folder, "observation.state"), "no feature `observation.state`.* it has"),
        (lambda folder: (folder / "meta/info.json").write_text("{"), r"info\.json: missing or damaged"),
        (lambda folder: (folder / "meta/tasks.parquet").unlink(), r"tasks\.parquet: missing or damaged"),
        (lambda folder: rewrite(folder / EPISODES, length=None), "lacks the columns \\['length'\\]"),
        (lambda folder: (folder / DATA).unlink(), r"file-000\.parquet: missing or damaged"),
        (lambda folder: (folder / DATA).write_bytes((folder / DATA).read_bytes()[:-50]), "missing or damaged"),
        (lambda folder: rewrite(folder / DATA, action=None), "has no column `action`; it has"),
        (
            lambda folder: rewrite(folder / DATA, action=[[0.0]] * 51),
            r"`action` .*\[14, 1\], expected numbers \[14, 7\]",
        ),
        (lambda folder: rewrite(folder / DATA, episode_index=[1] * 51), r"episode 0 .* belong to episodes \[1\]"),
        (lambda folder: rewrite(folder / DATA, task_index=[7] * 51), r"task_index \[7\] not in meta/tasks\.parquet"),
        (poison, "`observation.state` of episode 0 has NaN"),
        (
            lambda folder: rewrite(folder / DATA, **{"observation.images.image_0": [{"bytes": b"x", "path": ""}] * 51}),
            "`observation.images.image_0` of frame 0 of episode 0 cannot be decoded",
        ),
    ],
)
def test_damage_is_one_error_that_names_file_and_field(
    declared: Path, damage: Callable[[Path], object], said: str
) -> None:
    damage(declared)
    with pytest.raises(DatasetError, match=said) as error:
        _ = open_dataset(declared)[0].images["image_0"][0]
    assert isinstance(error.value, NotFiniteError) == (damage is poison)


def test_rows_that_end_early_are_one_error(declared: Path) -> None:
    pq.write_table(pq.read_table(declared / DATA).slice(0, 45), declared / DATA)
    assert len(open_dataset(declared)[2]) == 12
    with pytest.raises(DatasetError, match="ends after 45 rows, but episode 3 goes on to row 50"):
        _ = open_dataset(declared)[3]


def test_the_audit_checks_what_the_state_allows(declared: Path) -> None:
    report = audit(declared)
    assert report.problems == ()
    assert report.parts[0].inferred["not_checked"] == ["GripperCheck: the state has no gripper_width"]
    assert report.parts[0].inferred["action_index"] == 0
    declare_fields(declared, {"position_scale_m": 0.02})
    report = audit(declared)
    assert [problem.code for problem in report.problems] == ["action-units"]
    fix_spec(report)
    assert open_dataset(declared).spec.position_scale_m == pytest.approx(1.0)
    assert audit(declared).problems == ()


def test_data_of_another_robot_trains(declared: Path, tmp_path: Path) -> None:
    config = get_recipe("demo")
    size = TinySize(image_size=16, patch_size=8, hidden=32, vision_layers=1, text_layers=1, heads=2)
    small = replace(
        config,
        vlm=TinyVLM(family="smolvlm", size=size),
        vla=replace(config.vla, cameras=("image_0", "image_1"), shift_px={}, use_state=True),
        training=replace(config.training, steps=2, batch_size=2, validation_batches=1),
        validation_every=4,
    )
    train(small, declared, tmp_path / "run")
    losses = [line.loss for line in read_metrics(tmp_path / "run" / "metrics.jsonl")]
    assert losses and np.isfinite(losses).all()


def test_the_command_shows_what_is_open_and_then_what_is_declared(
    bridge: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*options: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as end:
            main(["declare", str(bridge), *options])
        printed = capsys.readouterr()
        return end.value.code, " ".join((printed.out + printed.err).split())

    code, text = run()
    assert code == 1
    assert "state_layout.tcp_euler 3:6 rad" in text and "--gripper-open --gripper-closed" in text
    code, text = run("--state", "tcp_position:0:3")
    assert (code, "expected NAME:FIRST:STOP:UNIT" in text) == (2, True)
    options = [part for name, value in BRIDGE.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    code, text = run(*options, "--state", "tcp_position:0:3:m", "tcp_euler:3:6:rad", "gripper:7:8:1")
    assert (code, "all is declared" in text) == (0, True)
    assert open_dataset(bridge).spec.state_layout[2].name == "gripper"
