"""A tiny VLA to be timed."""

import pytest

from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.tiny import TinySize, build_tiny_vlm
from vlasync.models.vla import VLA, VLAConfig, build_vla
from vlasync.spec import Camera, Normalization, SyncSpec

SENTENCE = "open the drawer"


@pytest.fixture(scope="session")
def vla(tmp_path_factory: pytest.TempPathFactory) -> VLA:
    folder = tmp_path_factory.mktemp("vlm")
    size = TinySize(image_size=32, patch_size=8, hidden=32, vision_layers=1, text_layers=2, heads=2, expansion=2)
    build_tiny_vlm("smolvlm", folder, corpus=(SENTENCE,), size=size)
    raw = SyncSpec.CALVIN.replace(cameras={name: Camera(height=32, width=32) for name in ("static", "gripper")})
    fitted = Normalization(
        kind="quantile",
        low=(-0.8,) * 6 + (-1.0,),
        high=(0.6,) * 6 + (1.0,),
        identity=(6,),
        fitted_on=raw.representation(),
        count=100,
    )
    config = VLAConfig(window_size=2, chunk_size=3, head=LSTMHeadConfig(hidden=16, layers=1))
    return build_vla(folder, config, raw.replace(normalization=fitted))
