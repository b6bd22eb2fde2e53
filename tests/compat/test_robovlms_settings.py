"""RoboVLMs' configs: shapes like those that it ships parse, and each key is followed, refused or listed as idle."""

import copy
import json
from typing import Any

import pytest

from vlasync.compat.robovlms.heads import LSTMDecoderConfig
from vlasync.compat.robovlms.settings import read_settings
from vlasync.errors import VlasyncError
from vlasync.models.tuning import Tuning

HEAD = {
    "type": "LSTMDecoder",
    "hidden_size": 32,
    "action_dim": 7,
    "down_sample": "none",
    "latent": 1,
    "fwd_pred_next_n": 1,
    "window_size": 1,
    "action_space": "continuous",
    "with_history": True,
    "history_type": "post",
}
SETUP = {
    "precision": "bf16",
    "predict_action": True,
    "predict_forward": False,
    "predict_caption": False,
    "train_vision": True,
    "freeze_backbone": False,
    "lora_enable": False,
    "train_text_embedding": True,
}
KOSMOS: dict[str, Any] = {
    "robovlm_name": "RoboKosMos",
    "parent": None,
    "model": "kosmos",
    "model_url": "https://huggingface.co/microsoft/kosmos-2-patch14-224",
    "image_size": 224,
    "window_size": 6,
    "fwd_pred_next_n": 9,
    "arm_gripper_loss_ratio": 0.02,
    "seed": 7,
    "batch_size": 3,
    "optimizer": "adam",
    "learning_rate": 3e-5,
    "min_lr_scale": 0.1,
    "weight_decay": 0,
    "warmup_epochs": 0.5,
    "warmup_steps": 0,
    "use_hand_rgb": False,
    "use_vision_resampler": False,
    "model_load_path": None,
    "resume": None,
    "fwd_head": None,
    "train_setup": SETUP,
    "act_head": HEAD,
    "tokenizer": {"type": "AutoProcessor", "max_text_len": 256, "additional_special_tokens": None},
    "vlm": {"type": "AutoModelForVision2Seq", "name": "kosmos", "pretrained_model_name_or_path": "vlms/kosmos"},
    "trainer": {"precision": "16", "gradient_clip_val": 1.0, "max_epochs": 2, "max_steps": -1},
    "train_dataset": {"type": "DiskCalvinDataset", "rgb_pad": 10, "gripper_pad": 4},
    "val_dataset": {"type": "DiskCalvinDataset"},
    "norm_action": True,
    "norm_min": -0.65,
    "norm_max": 0.65,
}


def other(name: str, model: str, **changes: Any) -> dict[str, Any]:
    return {"robovlm_name": name, "model": model, **changes}


# What each of the shipped files has beside or instead of the first one's.
SHIPPED: dict[str, dict[str, Any]] = {
    "kosmos": {},
    "kosmos with hand": {"use_hand_rgb": True, "window_size": 16},
    "flamingo": other(
        "RoboFlamingo",
        "flamingo",
        weight_decay=0.1,
        gradient_clip_val=1.0,
        act_head={**HEAD, "down_sample": "pooling", "action_space": "down_sample"},
        train_setup={"predict_action": True, "train_vision": False, "train_decoder_layers": -1},
        tokenizer={"type": "AutoTokenizer", "additional_special_tokens": ["<|endofchunk|>", "<image>"]},
        vision_encoder={"clip_vision_encoder_path": "ViT-L-14"},
    ),
    "llava": other("RoboLLaVA", "llava", llava="llava-mpt-7b", train_setup={**SETUP, "train_text_embedding": False}),
    "moondream": other("RoboMoonDream", "moondream", use_vision_resampler=True),
    "paligemma": other("RoboPaligemma", "paligemma"),
    "qwen": other("RoboQwen", "qwen", image_size=448, qwen="vlms/qwen", train_setup={**SETUP, "train_vision": False}),
    "uform": other(
        "RoboUform", "uform", act_head={**HEAD, "action_space": "down_sample", "token_source": "all"}, val_dataset=[]
    ),
}


@pytest.fixture
def read(tmp_path):
    """Settings of a config like Kosmos-2's with some keys changed, `section.key` for those in a section."""

    def write_and_read(changes):
        config = copy.deepcopy(KOSMOS)
        for name, value in changes.items():
            section, _, key = name.rpartition(".")
            (config[section] if section else config)[key] = value
        (tmp_path / "config.json").write_text(json.dumps(config))
        return read_settings(tmp_path / "config.json")

    return write_and_read


@pytest.mark.parametrize("shape", SHIPPED)
def test_the_shipped_shapes_parse_and_those_of_kosmos_can_be_followed(read, shape):
    settings = read(SHIPPED[shape])
    assert (settings.window_size, settings.chunk_size) == (SHIPPED[shape].get("window_size", 6), 9)
    if shape.startswith("kosmos"):
        settings.require_followed(training=True)
    else:
        with pytest.raises(VlasyncError, match=r"robovlm_name: got 'Robo.*', expected 'RoboKosMos'"):
            settings.require_followed()


def test_what_a_config_says_arrives(read):
    settings = read({"use_hand_rgb": True, "use_mu_law": True, "train_dataset.rgb_pad": -1, "act_head.num_layers": 2})
    assert settings.cameras == ("gripper", "static")
    assert settings.head == LSTMDecoderConfig(hidden_size=32, num_layers=2)
    assert settings.shift_px == {"static": 0, "gripper": 4}
    assert settings.gripper_weight == 0.02
    normalization = settings.spec().normalization
    assert normalization is not None and normalization.kind == "mu_law" and normalization.high[:6] == (0.65,) * 6
    schedule = settings.schedule
    assert (schedule.learning_rate, schedule.shape, schedule.seed) == (3e-5, "constant", 7)


FULL = ("vision", "projector", "text_embedding", "decoder")


@pytest.mark.parametrize(
    ("changes", "tuning"),
    [
        ({}, Tuning()),
        ({"train_vision": False}, Tuning(parts=FULL[1:])),
        ({"train_text_embedding": False}, Tuning(parts=("vision", "projector", "decoder"))),
        ({"train_decoder_layers": 2}, Tuning(parts=("vision", "text_embedding", "decoder"), decoder_layers=2)),
        ({"freeze_backbone": True}, Tuning(parts=("vision", "text_embedding"))),
        ({"freeze_backbone": True, "train_vision": False, "train_text_embedding": False}, Tuning(mode="frozen")),
        (
            {"lora_enable": True, "train_text_embedding": False, "lora_r": 8, "lora_alpha": 32, "lora_dropout": 0.1},
            Tuning(mode="lora", lora_rank=8, lora_alpha=32, lora_dropout=0.1),
        ),
    ],
)
def test_what_trains_is_what_it_trains(read, changes, tuning):
    settings = read({f"train_setup.{key}": value for key, value in changes.items()})
    settings.require_followed(training=True)
    assert settings.tuning == tuning


@pytest.mark.parametrize(
    ("changes", "message"),
    [({}, "train_text_embedding: got True"), ({"train_setup.lora_bias": "all"}, "lora_bias: got 'all'")],
)
def test_what_its_lora_trains_besides_cannot_be_followed(read, changes, message):
    lora = {"lora_enable": True, "lora_r": 8, "lora_alpha": 32, "lora_dropout": 0.1}
    with pytest.raises(VlasyncError, match=message):
        read({f"train_setup.{key}": value for key, value in lora.items()} | changes).require_followed(training=True)


@pytest.mark.parametrize(
    ("key", "value", "training"),
    [
        ("tcp_rel", True, False),
        ("regular_action", True, False),
        ("mu_val", 100, False),
        ("norm_max", 0.5, False),
        ("use_vision_resampler", True, False),
        ("act_head.history_type", "pre", False),
        ("train_dataset.type", "OpenVLADataset", False),
        ("act_head.action_space", "discrete", False),
        ("act_head.fill_zero", True, False),
        ("tokenizer.additional_special_tokens", ["<a>"], False),
        ("weight_decay", 0.1, True),
        ("fwd_head", {"type": "x"}, True),
        ("model_load_path", "x.pt", True),
        ("train_setup.train_decoder_layers", 0, True),
        ("trainer.max_steps", 10, True),
        ("trainer.precision", "64", True),
    ],
)
def test_what_cannot_be_followed_is_named_with_what_was_found(read, key, value, training):
    settings = read({key: value})
    with pytest.raises(VlasyncError, match=rf"(?s)config\.json.*{key}.*: got .*, expected "):
        settings.require_followed(training=training)
    if training:
        settings.require_followed()


def test_keys_without_effect_are_listed_and_no_others(read):
    idle = read({"use_state": True, "trainer.strategy": "ddp", "made_up": 1}).idle
    assert {"use_state", "trainer.strategy", "made_up", "optimizer", "trainer.gradient_clip_val"} <= set(idle)
    assert not {"norm_min", "act_head.type", "trainer.max_epochs", "tcp_rel", "vlm"} & set(idle)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("window_size", "8", "window_size: got '8', expected a whole number"),
        ("window_size", None, "window_size: got nothing, expected a whole number"),
        ("use_hand_rgb", 1, "use_hand_rgb: got 1, expected true or false"),
        ("batch_size", True, "batch_size: got True, expected a whole number"),
        ("trainer", 3, "trainer: got 3, expected an object"),
        ("act_head.type", "MapDecoder", r"config\.json: act_head\.type: got 'MapDecoder'"),
    ],
)
def test_wrong_kinds_are_named_with_file_and_key(read, key, value, message):
    with pytest.raises(VlasyncError, match=message):
        read({key: value})


def test_a_child_overrides_its_parents_key_by_key(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "base.json").write_text(json.dumps(KOSMOS))
    middle = {"parent": "configs/base.json", "window_size": 4, "act_head": {"hidden_size": 16}}
    (tmp_path / "configs" / "middle.json").write_text(json.dumps(middle))
    (tmp_path / "configs" / "child.json").write_text(json.dumps({"parent": "middle.json", "window_size": 2}))
    settings = read_settings(tmp_path / "configs" / "child.json")
    assert (settings.window_size, settings.head, settings.chunk_size) == (2, LSTMDecoderConfig(hidden_size=16), 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"parent": "config.json"}', "leads back"),
        ('{"parent": "none.json"}', "got 'none.json'"),
        ("{", "no JSON"),
        ("[]", "got a JSON list"),
    ],
)
def test_files_that_are_no_config_are_errors(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(VlasyncError, match=message):
        read_settings(tmp_path / "config.json")
    with pytest.raises(VlasyncError, match="not found"):
        read_settings(tmp_path / "other.json")
