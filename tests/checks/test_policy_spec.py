"""A policy's SyncSpec is found wherever the policy lies, and anything else is one clear error."""

import pytest

from vlasync.checks.policy_spec import read_policy_spec
from vlasync.errors import CheckpointError
from vlasync.spec import Normalization, SyncSpec

STATISTICS = Normalization(
    kind="quantile",
    low=(-1.0,) * 7,
    high=(1.0,) * 7,
    identity=(6,),
    fitted_on=SyncSpec.CALVIN.representation(),
    count=9,
)
SPEC = SyncSpec.CALVIN.replace(normalization=STATISTICS)


def test_a_run_a_checkpoint_and_a_file_will_do(tmp_path):
    old, new = tmp_path / "checkpoints" / "0000001", tmp_path / "checkpoints" / "0000002"
    for folder, spec in ((old, SPEC.replace(rate_hz=1.0)), (new, SPEC)):
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(spec.to_json())
    assert read_policy_spec(tmp_path) == read_policy_spec(new) == read_policy_spec(new / "spec.json") == SPEC
    assert read_policy_spec(old).rate_hz == 1.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "not found"),
        ("{", "no SyncSpec"),
        ("[1]", "no SyncSpec"),
        ('{"rate_hz": 30}', "no SyncSpec"),
        (SyncSpec.CALVIN.to_json(), "normalization"),
    ],
)
def test_anything_else_is_one_clear_error(text, said, tmp_path):
    file = tmp_path / "spec.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(CheckpointError, match=said):
        read_policy_spec(file)
