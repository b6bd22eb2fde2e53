"""A VLM's own processor, loaded so that still images suffice.

Processors of families that also see videos insist on a video processor, and every video processor of transformers
needs torchvision. A robot's cameras give still images, so its place is left empty, with or without torchvision.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoImageProcessor,
    AutoProcessor,
    AutoTokenizer,
    ProcessorMixin,
)
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.utils import PushToHubMixin

from vlasync.errors import VlasyncError

_LOADERS: dict[str, Any] = {
    "tokenizer": AutoTokenizer,
    "image_processor": AutoImageProcessor,
    "feature_extractor": AutoFeatureExtractor,
}


class UnusedVideoProcessor(PushToHubMixin):
    """Stands where a processor keeps its video processor, and saves the settings that it was loaded with."""

    _auto_class = None  # transformers reads it when it saves a processor
    model_input_names: tuple[str, ...] = ()

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings

    def to_dict(self) -> dict[str, Any]:
        """The settings, as they were in the processor's config."""
        return dict(self._settings)


def load_processor(name_or_path: str | Path) -> ProcessorMixin:
    """The processor of a VLM by Hugging Face name or folder.

    Raises:
        VlasyncError: there is none, or it needs a package that is not installed, or it has no images.
    """
    try:
        processor = _load(name_or_path)
    except (OSError, ValueError, ImportError) as error:
        raise VlasyncError(f"{name_or_path}: no processor that transformers can load ({error})") from error
    if missing := [part for part in ("tokenizer", "image_processor") if not hasattr(processor, part)]:
        raise VlasyncError(
            f"{name_or_path}: its processor, a {type(processor).__name__}, has no {' and no '.join(missing)}; "
            "give an image-text-to-text model"
        )
    return processor


def for_still_images(processor: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """The same processor class, but taking an `UnusedVideoProcessor` for its video processor."""

    def check_argument_for_proper_class(self: ProcessorMixin, name: str, argument: object) -> Any:
        if isinstance(argument, UnusedVideoProcessor):
            return UnusedVideoProcessor
        return processor.check_argument_for_proper_class(self, name, argument)

    return type(
        processor.__name__, (processor,), {check_argument_for_proper_class.__name__: check_argument_for_proper_class}
    )


def _load(name_or_path: str | Path) -> ProcessorMixin:
    settings, _ = ProcessorMixin.get_processor_dict(name_or_path)
    processor = _processor_class(name_or_path, settings)
    if processor is None or "video_processor" not in processor.get_attributes():
        return AutoProcessor.from_pretrained(name_or_path)
    parts = [
        UnusedVideoProcessor(settings.get(part, {}))
        if part == "video_processor"
        else _LOADERS[part].from_pretrained(name_or_path)
        for part in processor.get_attributes()
    ]
    loaded: Any = for_still_images(processor).from_args_and_dict(parts, settings)
    return loaded


def _processor_class(name_or_path: str | Path, settings: dict[str, Any]) -> type[ProcessorMixin] | None:
    """The class that a processor's config names, else the one of the model's family."""
    if name := settings.get("processor_class"):
        return getattr(transformers, name, None)
    family: Any = PROCESSOR_MAPPING.get(type(AutoConfig.from_pretrained(name_or_path)), None)
    return family
