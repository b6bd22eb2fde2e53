"""Tiny random VLMs of many families, from their real config, model and processor classes, to try code against.

Example::

    folder = build_family("qwen3_vl", tmp_path)
    results = check_vlm(VLM.from_pretrained(folder, image_size=FAMILIES["qwen3_vl"].image_size))

Nothing is fetched from anywhere. A folder loads by transformers' Auto classes as a downloaded model does.
"""

from pathlib import Path

from vlasync.errors import VlasyncError
from vlasync.testing.families.family import SENTENCES, Family, make_family
from vlasync.testing.families.patches import PATCHES
from vlasync.testing.families.whole_images import WHOLE_IMAGES

FAMILIES: dict[str, Family] = {**WHOLE_IMAGES, **PATCHES}
"""`model_type` -> how to make the family tiny."""

__all__ = ["FAMILIES", "SENTENCES", "Family", "build_family", "make_family"]


def build_family(name: str, folder: Path, *, seed: int = 0) -> Path:
    """Write a tiny VLM of a family of `FAMILIES` and its processor to `folder`; see `make_family`.

    Raises:
        VlasyncError: there is no such family.
    """
    if name not in FAMILIES:
        raise VlasyncError(f"unknown family {name!r}; there are {', '.join(FAMILIES)}")
    return make_family(name, FAMILIES[name], folder, seed=seed)
