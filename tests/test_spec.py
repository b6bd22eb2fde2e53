"""The SyncSpec: round trips, comparisons, and the errors they give."""

import dataclasses
import json

import pytest

from vlasync.errors import SpecMismatchError
from vlasync.spec import (
    CONVERTIBLE_FIELDS,
    Camera,
    ImageTransform,
    Normalization,
    SyncSpec,
    TokenLayout,
)

FULL = SyncSpec.CALVIN.replace(
    normalization=Normalization(
        kind="quantile", low=(-1.0,) * 7, high=(1.0,) * 7, identity=(3, 6), fitted_on="x", count=12
    ),
    image_transform=ImageTransform(height=64, width=64, interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3),
    tokens=TokenLayout(layout="prompt [LRN]", latent=1),
)


@pytest.mark.parametrize("spec", [SyncSpec.CALVIN, FULL])
def test_json_round_trip_gives_the_same_record_and_text(spec):
    again = SyncSpec.from_json(spec.to_json())
    assert again == spec
    assert again.to_json() == spec.to_json()


def test_every_field_of_the_design_is_there():
    names = {field.name for field in dataclasses.fields(SyncSpec)}
    assert names == {
        "rate_hz",
        "action_index",
        "action_frame",
        "action_mode",
        "rotation",
        "rotation_composition",
        "position_scale_m",
        "rotation_scale_rad",
        "action_clip",
        "gripper_open",
        "gripper_closed",
        "state_layout",
        "cameras",
        "language_span",
        "chunk_frame",
        "padding",
        "normalization",
        "image_transform",
        "tokens",
        "base_in_world",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rate_hz", 10.0),
        ("action_index", 1),
        ("action_frame", "tcp"),
        ("rotation", "rotvec"),
        ("gripper_open", -1.0),
        ("action_clip", None),
        ("cameras", {"static": Camera(height=64, width=64)}),
    ],
)
def test_difference_names_the_field_and_whether_it_converts(field, value):
    (found,) = SyncSpec.CALVIN.difference(SyncSpec.CALVIN.replace(**{field: value}))
    assert found.field == field
    assert found.theirs == value
    assert found.convertible == (field in CONVERTIBLE_FIELDS)


def test_what_one_side_has_not_decided_is_no_difference():
    assert FULL.difference(SyncSpec.CALVIN) == []
    assert SyncSpec.CALVIN.difference(FULL) == []


def test_two_decided_normalisations_differ():
    assert FULL.normalization is not None
    other = FULL.replace(normalization=dataclasses.replace(FULL.normalization, count=13))
    (found,) = FULL.difference(other)
    assert found.field == "normalization"
    assert not found.convertible


def test_hand_over_error_shows_both_values_and_the_place():
    with pytest.raises(SpecMismatchError, match=r"store a: .*\n.*gripper_open: 1.0 here, -1.0 there"):
        SyncSpec.CALVIN.require_equal(SyncSpec.CALVIN.replace(gripper_open=-1.0), where="store a")


def test_unknown_and_missing_fields_are_named():
    raw = json.loads(SyncSpec.CALVIN.to_json())
    with pytest.raises(SpecMismatchError, match="wrist"):
        SyncSpec.from_json(json.dumps(raw | {"wrist": 1}))
    del raw["rate_hz"]
    with pytest.raises(SpecMismatchError, match="rate_hz"):
        SyncSpec.from_json(json.dumps(raw))


def test_representation_changes_with_what_an_action_means_and_with_nothing_else():
    spec = SyncSpec.CALVIN
    assert spec.replace(action_frame="tcp").representation() != spec.representation()
    assert spec.replace(rate_hz=10.0).representation() == spec.representation()


def test_state_slices_by_name():
    assert SyncSpec.CALVIN.state_slice("gripper_width") == slice(6, 7)
    assert SyncSpec.CALVIN.state_size == 15
    with pytest.raises(SpecMismatchError, match=r"no 'wrist'.*tcp_position"):
        SyncSpec.CALVIN.state_slice("wrist")


def test_a_word_that_no_field_has_is_refused():
    raw = json.loads(SyncSpec.CALVIN.to_json()) | {"action_frame": "gripper"}
    with pytest.raises(SpecMismatchError, match="action_frame is 'gripper'; give one of world, base, tcp"):
        SyncSpec.from_json(json.dumps(raw))
