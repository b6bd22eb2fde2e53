"""Where the time of a step goes, as torch's profiler sees it: images, vision, decoder, head, and their gradients.

The parts of the VLM are marked by hooks while this looks, the rest by marks in `VLA`. A gradient belongs to the part
whose forward operation made it: both carry autograd's sequence number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from vlasync.models.parts import vlm_parts
from vlasync.models.vla import MARKS, VLA

_STEP, _OPTIMIZER, _GRADIENT = "vlasync/step", "Optimizer.step#", "autograd::engine::evaluate_function: "
_VLM = ("vision", "projector", "decoder")

FORWARD = ("images", *_VLM, "head", "decode")
BACKWARD = tuple(f"{part} backward" for part in ("head", "decoder", "projector", "vision"))
PARTS = (*FORWARD, *BACKWARD, "optimizer", "rest")
"""Of what a budget tells, in the order of time; `rest` is all that is none of the others."""


def budget_of(vla: VLA, step: Callable[[], object], *, repeats: int) -> dict[str, float]:
    """Milliseconds of each part of a step, the mean of `repeats`; those of all parts are the step's.

    On a GPU they are milliseconds of its kernels, and `rest` what is left of the time on the clock.

    Args:
        vla: what steps.
        step: one step, which has been warmed up.
        repeats: steps to look at.

    Returns:
        Those of `PARTS` that took any time.
    """
    gpu = next(vla.parameters()).device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if gpu else [])]
    with _marked(vla), profile(activities=activities) as recorded:
        for _ in range(repeats):
            with record_function(_STEP):
                step()
                if gpu:
                    torch.cuda.synchronize()
    spent = _microseconds(list(recorded.events() or ()), gpu=gpu)
    total = spent.pop(_STEP)
    spent["rest"] = max(0.0, total - sum(spent.values()))
    return {part: spent[part] / (1e3 * repeats) for part in PARTS if part in spent}


def _microseconds(events: list[FunctionEvent], *, gpu: bool) -> dict[str, float]:
    """Time by part, and that of all steps together."""
    spent: defaultdict[str, float] = defaultdict(float)
    makers: dict[int, str] = {}
    events.sort(key=lambda event: event.time_range.start)
    for event in events:
        name = _part(event.name)
        if name is not None:
            on_clock = event.name == _STEP or not gpu
            spent[name] += event.time_range.elapsed_us() if on_clock else event.device_time_total
        elif event.name.startswith(_GRADIENT):
            if (maker := makers.get(event.sequence_nr)) is not None:
                spent[f"{maker} backward"] += event.device_time_total if gpu else event.time_range.elapsed_us()
        elif event.sequence_nr >= 0 and (part := _enclosing(event)) is not None:
            makers[event.sequence_nr] = part  # the last operation of a number is the one that made the gradient's node
    return spent


def _part(name: str) -> str | None:
    """The part that an event's name marks."""
    if name.startswith(_OPTIMIZER):
        return "optimizer"
    return name if name == _STEP else _MARKED.get(name)


def _enclosing(event: FunctionEvent) -> str | None:
    """The part in whose forward pass an event lies; None within a gradient."""
    parent: Any = event.cpu_parent
    while parent is not None:
        if parent.name in _MARKED:
            return _MARKED[parent.name]
        parent = parent.cpu_parent
    return None


_MARKED: Mapping[str, str] = {**MARKS, **{f"vlasync/{part}": part for part in _VLM}}


@contextmanager
def _marked(vla: VLA) -> Iterator[None]:
    """While it lasts, the VLM's vision tower, projector and decoder are marked for the profiler."""
    part_of = vlm_parts(vla.vlm)
    open_marks: list[record_function] = []
    with ExitStack() as hooks:
        for name, child in vla.vlm.model.named_children():
            parts = {part_of[f"{name}.{own}"] for own, _ in child.named_parameters()} - {"text_embedding"}
            for part in parts:  # one, since a part consists of whole children
                hooks.callback(child.register_forward_pre_hook(partial(_open, f"vlasync/{part}", open_marks)).remove)
                hooks.callback(child.register_forward_hook(partial(_close, open_marks)).remove)
        yield


def _open(mark: str, marks: list[record_function], *_: object) -> None:
    marks.append(record_function(mark))
    marks[-1].__enter__()


def _close(marks: list[record_function], module: nn.Module, *_: object) -> None:
    marks.pop().__exit__(None, None, None)
