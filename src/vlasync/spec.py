"""SyncSpec: one record that says what every number of a demonstration, checkpoint or policy means.

It travels from the demonstrations through the training store, the normaliser and the checkpoint to the policy, and
every hand-over compares the two sides with `SyncSpec.difference`: equal, convertible, or an error that shows both.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

from vlasync.errors import SpecMismatchError

ActionFrame = Literal["world", "base", "tcp"]
ActionMode = Literal["absolute", "relative_to_measured", "relative_to_target"]
Rotation = Literal["euler_xyz_extrinsic", "euler_xyz_intrinsic", "quat_xyzw", "rotvec", "rot6d"]
RotationComposition = Literal["euler_difference", "left", "right", "inverted_pseudo_infinitesimal"]
NormalizationKind = Literal["quantile", "min_max", "z_score", "bounds", "mu_law", "identity"]


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "action_frame": get_args(ActionFrame),
    "action_mode": get_args(ActionMode),
    "rotation": get_args(Rotation),
    "rotation_composition": get_args(RotationComposition),
}
"""Fields that are one of some words."""


@dataclass(frozen=True, kw_only=True)
class StateSlice:
    """A named part of the state vector: `state[..., start:stop]`, in `unit` (`m`, `rad`, `command` or `1`)."""

    name: str
    start: int
    stop: int
    unit: str


@dataclass(frozen=True, kw_only=True)
class Camera:
    """How one image stream is stored: `[T, height, width, 3]` uint8.

    `up` names what lies towards row 0 of an upright image, so that a flipped stream can be told from a turned camera.
    """

    height: int
    width: int
    channel_order: Literal["rgb", "bgr"] = "rgb"
    up: str = "world +z"


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """A map per action dimension, `encoded = 2 (clip(a) - low) / (high - low) - 1` for the bounded kinds.

    `vlasync.actions.normalization.Normalizer` applies it, and says what the other kinds do. D is the length of an
    action.

    Attributes:
        kind: how `low` and `high` were obtained; for `z_score` they are mean and standard deviation.
        low: `[D]` lower bound per dimension, in the units of the actions.
        high: `[D]` upper bound per dimension.
        identity: dimensions left as they are (the gripper, and spans too small to carry a signal).
        fitted_on: `SyncSpec.representation()` of the actions that the statistics describe.
        count: number of frames that the statistics describe.
        clipped_share: `[D]` share of their values outside `low..high`, which encoding clips; empty if not counted.
    """

    kind: NormalizationKind
    low: tuple[float, ...]
    high: tuple[float, ...]
    identity: tuple[int, ...]
    fitted_on: str
    count: int
    clipped_share: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ImageTransform:
    """From a camera's uint8 pixels to what the VLM's vision tower receives, per colour channel (r, g, b)."""

    height: int
    width: int
    interpolation: Literal["bilinear", "bicubic", "nearest"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    backend: str = "torch-antialias"


@dataclass(frozen=True, kw_only=True)
class TokenLayout:
    """Where the action tokens [LRN] stand in the VLM's sequence, and how many there are for a frame."""

    layout: str
    latent: int
    position: Literal["end"] = "end"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One field on which two specs disagree, and whether a declared conversion leads from `ours` to `theirs`."""

    field: str
    ours: Any
    theirs: Any
    convertible: bool

    def __str__(self) -> str:
        verdict = "convertible" if self.convertible else "no conversion"
        return f"{self.field}: {self.ours!r} here, {self.theirs!r} there ({verdict})"


ROTATION_SIZE: Mapping[Rotation, int] = {
    "euler_xyz_extrinsic": 3,
    "euler_xyz_intrinsic": 3,
    "quat_xyzw": 4,
    "rotvec": 3,
    "rot6d": 6,
}
"""How many numbers write a rotation down."""

# Fields that describe geometry or units of an action have an exact conversion (actions/frames.py). The others describe
# what was measured and when: no arithmetic can repair a stream of another rate, index or camera.
CONVERTIBLE_FIELDS = frozenset(
    {
        "action_frame",
        "action_mode",
        "rotation",
        "rotation_composition",
        "position_scale_m",
        "rotation_scale_rad",
        "action_clip",
        "gripper_open",
        "gripper_closed",
        "chunk_frame",
        "base_in_world",
    }
)

# What only a model decides; raw demonstrations leave these fields open (None).
DECIDED_LATER = frozenset({"normalization", "image_transform", "tokens"})


@dataclass(frozen=True, kw_only=True)
class SyncSpec:
    """What the numbers of image, text, state and action mean, and how they line up in time.

    Attributes:
        rate_hz: control rate; frame t was taken at `t / rate_hz` seconds.
        action_index: offset i such that `action[t + i]` maps observation[t] to observation[t + 1]; 0 here.
        action_frame: axes in which an action's translation and rotation are written.
        action_mode: whether an action is a pose, or an increment on the measured or on the commanded pose.
        rotation: how a rotation is written down.
        rotation_composition: how a rotation increment joins the old rotation: angle by angle (`euler_difference`), as
            D in R' = D R with D in the axes of `action_frame` (`left`), or as D in R' = R D (`right`, the only one in
            the TCP frame). `inverted_pseudo_infinitesimal` is a published recipe kept for models that were trained
            with it, see `actions/compat.py`. Without meaning for `absolute` actions.
        position_scale_m: metres per unit of an action's first three numbers.
        rotation_scale_rad: radians per unit of an action's rotation numbers; quaternions and `rot6d` have no unit.
        action_clip: bound that the recorded numbers were clipped to (`+-action_clip`), or None.
        gripper_open: the number that commands an open gripper.
        gripper_closed: the number that commands a closed gripper.
        state_layout: named slices of the state vector.
        cameras: image streams by name.
        language_span: `inclusive`, a sentence covers its first and its last frame.
        chunk_frame: whose pose the k-th action of a chunk refers to.
        padding: how a window or chunk past its sentence is filled; the mask says which entries are real.
        normalization: statistics of the actions that a model sees; None for raw data.
        image_transform: pixels as the VLM sees them; None for raw data.
        tokens: layout of the VLM's sequence; None for raw data.
        base_in_world: `[7]` pose of the robot's base, position in metres and quaternion xyzw; what `base` refers to.
    """

    rate_hz: float
    action_index: int
    action_frame: ActionFrame
    action_mode: ActionMode
    rotation: Rotation
    rotation_composition: RotationComposition
    position_scale_m: float
    rotation_scale_rad: float
    action_clip: float | None
    gripper_open: float
    gripper_closed: float
    state_layout: tuple[StateSlice, ...]
    cameras: Mapping[str, Camera]
    language_span: Literal["inclusive"] = "inclusive"
    chunk_frame: Literal["each_step", "first_step"] = "each_step"
    padding: Literal["repeat_last"] = "repeat_last"
    normalization: Normalization | None = None
    image_transform: ImageTransform | None = None
    tokens: TokenLayout | None = None
    base_in_world: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)

    CALVIN: ClassVar[SyncSpec]
    """The convention of CALVIN's `rel_actions` and observations."""

    def state_slice(self, name: str) -> slice:
        """The slice of the state vector called `name`; where there is none, `SpecMismatchError` lists the names."""
        for part in self.state_layout:
            if part.name == name:
                return slice(part.start, part.stop)
        raise SpecMismatchError(
            f"the state has no {name!r}, which this needs; state_layout has {[part.name for part in self.state_layout]}"
        )

    @property
    def action_size(self) -> int:
        """Length of an action: position, rotation, gripper; 7 unless rotations are quaternions (8) or rot6d (10)."""
        return 3 + ROTATION_SIZE[self.rotation] + 1

    @property
    def state_size(self) -> int:
        """Length S of the state vector."""
        return max(part.stop for part in self.state_layout)

    def representation(self) -> str:
        """One line that identifies what an action's numbers mean; statistics fitted under another line do not fit."""
        names = (
            "action_frame",
            "action_mode",
            "rotation",
            "rotation_composition",
            "position_scale_m",
            "rotation_scale_rad",
            "action_clip",
            "gripper_open",
            "gripper_closed",
        )
        if self.action_frame == "base":
            names = (*names, "base_in_world")
        if self.chunk_frame != "each_step":
            names = (*names, "chunk_frame")
        return " ".join(f"{name}={getattr(self, name)}" for name in names)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def difference(self, other: SyncSpec) -> list[Difference]:
        """The fields on which two specs disagree.

        `normalization`, `image_transform` and `tokens` are decided on the way from data to model, so a side that has
        not decided yet (None) does not disagree. `base_in_world` counts only where actions refer to the base.
        """
        found = []
        base_matters = "base" in (self.action_frame, other.action_frame)
        for field in dataclasses.fields(self):
            ours, theirs = getattr(self, field.name), getattr(other, field.name)
            silent = field.name == "base_in_world" and not base_matters
            silent |= field.name in DECIDED_LATER and (ours is None or theirs is None)
            if ours != theirs and not silent:
                convertible = field.name in CONVERTIBLE_FIELDS
                found.append(Difference(field=field.name, ours=ours, theirs=theirs, convertible=convertible))
        return found

    def require_equal(self, other: SyncSpec, *, where: str) -> None:
        """Raise `SpecMismatchError` naming every field that differs at the hand-over `where`."""
        found = self.difference(other)
        if found:
            raise SpecMismatchError(f"{where}: the SyncSpecs differ\n" + "\n".join(f"  {item}" for item in found))

    def to_json(self) -> str:
        """JSON text with sorted keys, so that equal specs give equal text."""
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Inverse of `to_json`; an unknown or missing field, or a word that it does not know, is one clear error."""
        raw = json.loads(text)
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(raw) - known):
            raise SpecMismatchError(f"SyncSpec: unknown fields {unknown}; known are {sorted(known)}")
        for name, words in _CHOICES.items():
            if raw.get(name, words[0]) not in words:
                raise SpecMismatchError(f"SyncSpec: {name} is {raw[name]!r}; give one of {', '.join(words)}")
        try:
            return cls(
                **{
                    **raw,
                    "state_layout": tuple(StateSlice(**part) for part in raw["state_layout"]),
                    "base_in_world": tuple(raw.get("base_in_world", cls.base_in_world)),
                    "cameras": {name: Camera(**camera) for name, camera in raw["cameras"].items()},
                    "normalization": _read(Normalization, raw.get("normalization")),
                    "image_transform": _read(ImageTransform, raw.get("image_transform")),
                    "tokens": _read(TokenLayout, raw.get("tokens")),
                }
            )
        except (TypeError, KeyError) as error:
            raise SpecMismatchError(f"SyncSpec: cannot be read from this JSON ({error})") from error


def _read(kind: type[Any], raw: dict[str, Any] | None) -> Any:
    """A nested record from its JSON form, with lists turned back into tuples."""
    if raw is None:
        return None
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()})


CALVIN_STATE_LAYOUT = (
    StateSlice(name="tcp_position", start=0, stop=3, unit="m"),
    StateSlice(name="tcp_euler", start=3, stop=6, unit="rad"),
    StateSlice(name="gripper_width", start=6, stop=7, unit="m"),
    StateSlice(name="arm_joints", start=7, stop=14, unit="rad"),
    StateSlice(name="gripper_command", start=14, stop=15, unit="command"),
)

# CALVIN's recordings: rel_actions are differences of achieved poses in world axes, rotations by subtracting Bullet's
# (extrinsic xyz) Euler angles, clipped to +-1 after scaling by 0.02 m and 0.05 rad.
SyncSpec.CALVIN = SyncSpec(
    rate_hz=30.0,
    action_index=0,
    action_frame="world",
    action_mode="relative_to_measured",
    rotation="euler_xyz_extrinsic",
    rotation_composition="euler_difference",
    position_scale_m=0.02,
    rotation_scale_rad=0.05,
    action_clip=1.0,
    gripper_open=1.0,
    gripper_closed=-1.0,
    state_layout=CALVIN_STATE_LAYOUT,
    cameras={"static": Camera(height=200, width=200), "gripper": Camera(height=84, width=84, up="hand +x")},
    base_in_world=(-0.34, -0.46, 0.24, 0.0, 0.0, 0.0, 1.0),
)
