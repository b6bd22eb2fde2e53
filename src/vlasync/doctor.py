"""`vlasync doctor`: what this machine has, what it lacks, and how to get that.

What can only be known by trying it, drawing an image, is tried in a process of its own: a wrong OpenGL driver ends the
whole process.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vlasync.envs.calvin.checkout import Checkout
from vlasync.envs.calvin.simulation import MODULES
from vlasync.envs.playtable.backend import INSTALL
from vlasync.errors import VlasyncError

TRIAL_SECONDS = 120
"""How long drawing one image may take; software rendering on a busy machine needs some ten seconds."""

DRAW_PLAY_TABLE = "from vlasync.envs.playtable import PlayTable; PlayTable().reset(seed=0)"
DRAW_CALVIN = (
    "import pathlib, sys; from vlasync.envs.calvin import CalvinEnv; CalvinEnv(pathlib.Path(sys.argv[1])).reset(seed=0)"
)
FAST_PIXELS = "import pybullet, sys; sys.exit(not pybullet.isNumpyEnabled())"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One thing that was looked for.

    Attributes:
        what: it is.
        found: what is there, in a few words.
        well: it is there and works.
        needed: without it something that was asked for does not work; else it would only be better.
        remedy: how to get it; empty where all is well.
    """

    what: str
    found: str
    well: bool
    needed: bool = True
    remedy: str = ""


def run_doctor(calvin_root: Path | None, console: Console) -> int:
    """Print what was found as a table.

    Returns:
        The exit code: 0 nothing that is needed is missing, 1 something is.
    """
    found = diagnose(calvin_root)
    table = Table("", "what", "found", "what to do", box=None, header_style="dim", pad_edge=False)
    for one in found:
        mark = Text("ok", "green") if one.well else Text("missing", "red") if one.needed else Text("optional", "yellow")
        table.add_row(mark, one.what, Text(one.found), Text(one.remedy))
    console.print(table)
    return 0 if all(one.well or not one.needed for one in found) else 1


def diagnose(calvin_root: Path | None = None) -> list[Diagnosis]:
    """Everything that vlasync uses, and with `calvin_root` what CALVIN's simulator in that checkout needs, too."""
    return [*_machine(), *([] if calvin_root is None else _calvin(calvin_root))]


def _machine() -> list[Diagnosis]:
    """Models and the play table."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return [
        _package("transformers", "transformers"),
        _package("torch", "torch"),
        Diagnosis(
            what="GPU",
            found=gpu or f"none that torch {torch.__version__} can use",
            well=bool(gpu),
            needed=False,
            remedy="" if gpu else "for VLMs of full size; the demo needs none",
        ),
        _package("torchvision", "torchvision", optional="a few VLMs' processors want it"),
        _package("bitsandbytes", "bitsandbytes", optional="`vlasync train --tuning qlora` needs it"),
        _tried("images of the play table", [DRAW_PLAY_TABLE], remedy=INSTALL),
    ]


def _calvin(root: Path) -> list[Diagnosis]:
    """The real simulator."""
    found = [_package(module, package) for module, package in MODULES.items()]
    try:
        checkout = Checkout.find(root)
    except VlasyncError as error:
        return [*found, Diagnosis(what="calvin_env", found="not there", well=False, remedy=str(error))]
    found.append(Diagnosis(what="calvin_env", found=str(checkout.simulator), well=True))
    try:
        checkout.sentences()
        found.append(Diagnosis(what="CALVIN's sentences", found="34 tasks", well=True))
    except VlasyncError as error:
        found.append(Diagnosis(what="CALVIN's sentences", found="not there", well=False, remedy=str(error)))
    if not all(one.well for one in found):
        return found
    numpy = importlib.metadata.version("numpy")
    return [
        *found,
        _tried(
            f"PyBullet built for numpy {numpy.split('.')[0]}",
            [FAST_PIXELS],
            remedy="`pip install --force-reinstall pybullet` where numpy is installed; without, images take seconds",
        ),
        _tried(
            "images of CALVIN",
            [DRAW_CALVIN, str(root)],
            remedy="install EGL: `apt-get install libegl1 libgl1-mesa-dri`; on a GPU also its driver's EGL library",
        ),
    ]


def _package(module: str, package: str, *, optional: str = "") -> Diagnosis:
    """A package by the module that it brings; `optional` says what it would be good for."""
    if importlib.util.find_spec(module) is None:
        advice = f"`pip install {package}`" + (f": {optional}" if optional else "")
        return Diagnosis(what=package, found="not installed", well=False, needed=not optional, remedy=advice)
    return Diagnosis(what=package, found=importlib.metadata.version(package), well=True, needed=not optional)


def _tried(what: str, program: list[str], *, remedy: str) -> Diagnosis:
    """Whether a Python program with its arguments ends well in a process of its own."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", *program], capture_output=True, text=True, timeout=TRIAL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Diagnosis(what=what, found=f"nothing after {TRIAL_SECONDS} s", well=False, remedy=remedy)
    if done.returncode == 0:
        return Diagnosis(what=what, found="works", well=True)
    last_words = done.stderr.strip().splitlines()[-1:] or [f"ended with code {done.returncode}"]
    return Diagnosis(what=what, found=last_words[0], well=False, remedy=remedy)
