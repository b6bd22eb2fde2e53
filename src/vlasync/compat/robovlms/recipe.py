"""A RoboVLMs config as a recipe: `vlasync train path/to/config.json` trains what it describes."""

from __future__ import annotations

from pathlib import Path

from vlasync.compat.robovlms.build import find_vlm, vla_config, vlm_folder
from vlasync.compat.robovlms.settings import Schedule, Settings, read_settings
from vlasync.training.optimizer import OptimizerConfig
from vlasync.training.run import RunConfig
from vlasync.training.trainer import TrainingConfig

_HUB = "https://huggingface.co/"


def read_recipe(file: Path) -> RunConfig:
    """The recipe of a config, which starts from its VLM's pretrained weights.

    Raises:
        VlasyncError: the file is no config, or has settings that vlasync cannot follow, all of which are named; or its
            VLM is neither in a folder near it nor on Hugging Face.
    """
    settings = read_settings(file)
    settings.require_followed(training=True)
    return RunConfig(
        vlm=_vlm(settings),
        vla=vla_config(settings),
        training=_training(settings.schedule),
        normalization=settings.normalization,
        bounds=settings.bounds,
        without_effect=settings.idle,
    )


def _vlm(settings: Settings) -> str:
    """The VLM's folder, or where there is none its name on Hugging Face, from where the original clones it."""
    if vlm_folder(settings) is None and settings.vlm_url.startswith(_HUB):
        return settings.vlm_url.removeprefix(_HUB)
    return str(find_vlm(settings))


def _training(schedule: Schedule) -> TrainingConfig:
    """AdamW with PyTorch's usual moments, and the weights of the last step rather than their average, as there.

    Its 16-bit floats with scaled losses become bfloat16, where the processor is fast in it. Its rate is 0 at the first
    step; here it is what it is there at the second.
    """
    return TrainingConfig(
        epochs=schedule.max_epochs,
        batch_size=schedule.batch_size,
        gradient_accumulation=schedule.accumulate_grad_batches,
        optimizer=OptimizerConfig(
            learning_rate=schedule.learning_rate,
            schedule="constant" if schedule.shape == "constant" else "cosine",
            final_fraction=schedule.min_lr_scale if schedule.shape == "half-cosine" else 0.0,
            warmup_steps=schedule.warmup_steps,
            warmup_share=schedule.warmup_epochs / schedule.max_epochs,
            weight_decay=0.0,
            betas=(0.9, 0.999),
            clip_norm=schedule.gradient_clip_val or None,
        ),
        average_decay=0.0,
        precision="auto" if schedule.half_precision else "fp32",
        validate_every=1000,
        checkpoint_every=1000,
        seed=schedule.seed,
    )
