"""Processors load for still images, and keep what they are not used for."""

import json

import numpy as np
import pytest
import torch
from transformers import PreTrainedConfig, Qwen2VLImageProcessorPil

from vlasync.errors import VlasyncError
from vlasync.models.processor import UnusedVideoProcessor, load_processor
from vlasync.models.prompt import PromptWriter
from vlasync.models.vlm import VLM
from vlasync.testing.families import build_family


@pytest.fixture
def qwen(tmp_path):
    return build_family("qwen2_vl", tmp_path / "qwen")


def test_a_processor_for_videos_too_loads_for_still_images(qwen):
    processor = load_processor(qwen)
    assert type(processor).__name__ == "Qwen2VLProcessor"
    assert isinstance(processor.video_processor, UnusedVideoProcessor)
    assert isinstance(processor.image_processor, Qwen2VLImageProcessorPil)


def test_the_settings_of_the_video_processor_survive(qwen, tmp_path):
    path = qwen / "processor_config.json"
    settings = json.loads(path.read_text())
    settings["video_processor"] = {"video_processor_type": "Qwen2VLVideoProcessor", "fps": 2.0}
    path.write_text(json.dumps(settings))
    load_processor(qwen).save_pretrained(tmp_path / "again")
    again = json.loads((tmp_path / "again" / "processor_config.json").read_text())
    assert again["video_processor"] == settings["video_processor"]
    assert again["processor_class"] == "Qwen2VLProcessor"


def test_a_tokenizer_alone_is_refused(qwen, tmp_path):
    load_processor(qwen).tokenizer.save_pretrained(tmp_path / "words")
    (tmp_path / "words" / "config.json").write_text('{"model_type": "llama"}')
    tokenizer_config = tmp_path / "words" / "tokenizer_config.json"
    settings = json.loads(tokenizer_config.read_text())
    settings.pop("processor_class", None)
    tokenizer_config.write_text(json.dumps(settings))
    with pytest.raises(VlasyncError, match="image_processor"):
        load_processor(tmp_path / "words")


class TwoReaders:
    """A model that reads the sentence in two places, as those with a text-conditioned Q-Former do."""

    config = PreTrainedConfig()

    def forward(self, input_ids, pixel_values, qformer_input_ids):
        pass


class WritesTwice:
    image_processor = None
    image_token = "<image>"

    def __call__(self, images, text, return_tensors):
        ids = torch.ones(1, len(text[0]), dtype=torch.long)
        return {"input_ids": ids, "qformer_input_ids": ids[:, 3:], "pixel_values": torch.zeros(1, 3, 4, 4)}


def test_a_sentence_that_is_written_twice_is_refused():
    writer = PromptWriter(WritesTwice(), TwoReaders())
    with pytest.raises(VlasyncError, match="qformer_input_ids"):
        writer.tokens("open the drawer", np.zeros((1, 4, 4, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", [(32, 32), (32, 64), (48, 48)])
def test_the_asked_size_decides_the_number_of_tokens(qwen, size):
    vlm = VLM.from_pretrained(qwen, image_size=size)
    assert (vlm.image_transform.height, vlm.image_transform.width) == size
    assert not vlm.calls_processor
    per_image = len(vlm.prompt("open it", 2)) - len(vlm.prompt("open it", 1))
    assert per_image == size[0] * size[1] // 16**2 + 2  # merged patches of 16 px, start and end


def test_without_a_size_images_are_as_large_as_vlas_usually_see_them(qwen):
    transform = VLM.from_pretrained(qwen).image_transform
    assert (transform.height, transform.width) == (224, 224)
