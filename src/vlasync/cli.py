"""The command line: `vlasync demo`, `record`, `declare`, `convert`, `check`, `train`, `evaluate` ...

Exit codes: 0 all is well, 1 audit or contract found problems, 2 wrong use or unreadable data; see `vlasync.ending`.
Imports stand inside the commands, so that `--help` does not wait for torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from vlasync.checks.check_command import CheckOptions, run_check
from vlasync.data.convert_command import ConvertOptions, run_convert
from vlasync.data.declare_command import DeclareOptions, run_declare
from vlasync.ending import run_and_exit
from vlasync.evaluation.evaluate_command import run_evaluation
from vlasync.evaluation.protocol.options import ProtocolOptions
from vlasync.progress import console
from vlasync.recipes.options import RecordOptions, TrainOptions, TuningOptions
from vlasync.speed.bench_command import BenchOptions, run_bench

Positional = tyro.conf.Positional

CHECK_ALL = CheckOptions()
NOTHING_NEW = DeclareOptions()
EVERYTHING = RecordOptions()
AS_THE_RECIPE = TrainOptions()
SINGLE_TASKS = ProtocolOptions()
ALL_OF_IT = TuningOptions()
AS_USUAL = BenchOptions()


def demo(run: Path = Path("runs/demo"), *, workers: int = 2) -> int:
    """Record, audit, train, evaluate and report: the whole way on a CPU in about a quarter of an hour.

    What a previous call finished is used again, so an interrupted demo goes on where it was.

    For example:

        vlasync demo
        vlasync demo --run /tmp/demo --workers 4

    Args:
        run: folder for everything that the demo makes.
        workers: processes for recording and evaluation.
    """
    from vlasync.demo import demo_config, run_demo

    page = run_demo(demo_config(run, workers=workers), run)
    console.print(f"report: {page}")
    return 0


def record(
    out: Positional[Path],
    *,
    options: Annotated[RecordOptions, tyro.conf.arg(name="")] = EVERYTHING,
    workers: int = 2,
) -> int:
    """Record demonstrations of the play table with the scripted expert.

    For example:

        vlasync record data/table --tasks open_drawer close_drawer --episodes 50
        vlasync record data/calvin --format calvin --workers 4
        vlasync record data/abc --scenes A,B,C --style play --episodes 100 --workers 4

    Args:
        out: folder of the dataset; complete parts of it are kept, so a stopped recording goes on.
        options: what to record.
        workers: processes; the recording does not depend on their number.
    """
    from vlasync.envs.playtable.instructions import DEMONSTRATED_TASKS
    from vlasync.recording import RecordingConfig, calvin_cameras
    from vlasync.recording import record as record_demonstrations

    config = RecordingConfig(
        out=out,
        tasks=options.tasks or DEMONSTRATED_TASKS,
        episodes=options.episodes,
        scenes=tuple(scene for given in options.scenes for scene in given.split(",")),
        style=options.style,
        play_frames=options.play_frames,
        format=options.format,
        images=options.images,
        cameras=calvin_cameras(*options.image_size),
        workers=workers,
        seed=options.seed,
    )
    record_demonstrations(config)
    console.print(f"recorded in {out}; look it over with [bold]vlasync check {out}[/bold]")
    return 0


def check(
    data: Positional[Path | None] = None,
    *,
    options: Annotated[CheckOptions, tyro.conf.arg(name=""), tyro.conf.FlagCreatePairsOff] = CHECK_ALL,
) -> int:
    """Audit a dataset: do image, text, state and action line up, and do the numbers mean what they claim?

    Exit code 0: nothing found, 1: problems, 2: data that cannot be read.

    For example:

        vlasync check data/table
        vlasync check task_D_D --html audit.html
        vlasync check task_ABC_D/training --no-images --sample 500 --json audit.json
        vlasync check data/mine --statistics runs/kosmos
        vlasync check data/table --replay
        vlasync check task_D_D/validation --replay --calvin-root ~/calvin
        vlasync check data/mine --fix-spec
        vlasync check --list

    Args:
        data: a training store, a CALVIN split (the folder with the episode_*.npz files), a LeRobot v3 folder, or a
            folder with training/ and validation/.
        options: how to audit, and what to write.
    """
    return run_check(data, options, console)


def train(
    recipe: Positional[str],
    *,
    data: Annotated[tuple[str, ...], tyro.conf.UseAppendAction],
    run: Path,
    parallel: Literal["ddp", "fsdp", "hsdp"] = "ddp",
    options: Annotated[TrainOptions, tyro.conf.arg(name="")] = AS_THE_RECIPE,
) -> int:
    """Train a VLA by a recipe; a run that was interrupted goes on from its last checkpoint.

    For example:

        vlasync train tiny-kosmos2-lstm --data task_D_D --run runs/tiny
        vlasync train demo --data runs/demo/data --data more/data=0.3 --run runs/mixed --steps 500
        vlasync train demo --data runs/demo/data --run runs/tcp --actions tcp_relative
        vlasync train demo --data runs/demo/data --run runs/flow --head flow --history interleaved
        vlasync train kosmos2-lstm --data task_D_D --run runs/lora --tuning lora --lora-rank 32
        vlasync train configs/kosmos.json --data task_D_D --run runs/robovlms
        accelerate launch -m vlasync train kosmos2-lstm --data task_D_D --run runs/kosmos
        torchrun --nproc-per-node 8 -m -- vlasync train kosmos2-lstm --data task_D_D --run runs/k --parallel fsdp

    Args:
        recipe: name of a recipe, where a wrong one lists them; or a RoboVLMs config, as path to a .json file.
        data: a training store, a CALVIN split, a LeRobot v3 folder, or a folder with training/ and validation/, also in
            an object store (s3://...); several ones are mixed by size, or by their shares of the windows drawn (B=0.3).
        run: run folder for checkpoints, metrics and TensorBoard files.
        parallel: what each process of a launcher holds: all weights (ddp), a part of them (fsdp), or a part of them
            with a copy on each machine (hsdp).
        options: settings instead of the recipe's.
    """
    from vlasync.compat.robovlms.recipe import read_recipe
    from vlasync.data.mixture import Source
    from vlasync.recipes.registry import get_recipe, with_overrides
    from vlasync.training.run import train as train_run

    config = read_recipe(Path(recipe)) if recipe.endswith(".json") else get_recipe(recipe)
    sources = [Source.parse(text) for text in data]
    checkpoint = train_run(with_overrides(config, options), sources, run, parallel=parallel, compute=options.compute)
    console.print(f"trained: {checkpoint}; see how it drives with [bold]vlasync evaluate {run}[/bold]")
    return 0


def evaluate(
    run: Positional[Path],
    *,
    tasks: tuple[str, ...] = (),
    trials: int = 20,
    max_steps: int | None = None,
    workers: int = 2,
    options: Annotated[ProtocolOptions, tyro.conf.arg(name="")] = SINGLE_TASKS,
) -> int:
    """Evaluate a run in closed loop, in the play table or CALVIN's simulator: unseen starts and sentences, baselines.

    By default single tasks are tried, which writes results.json and report.html into the run folder. With `--protocol
    calvin` five tasks follow one another without a reset, as in CALVIN's benchmark; its page is chains.html. What is
    finished is kept: a stopped evaluation goes on.

    For example:

        vlasync evaluate runs/demo
        vlasync evaluate runs/again --tasks open_drawer push_blue_block_right --trials 50
        vlasync evaluate runs/kosmos --protocol calvin --workers 8
        vlasync evaluate runs/kosmos --protocol calvin --policy swapped --chains 100
        vlasync evaluate runs/kosmos --protocol calvin --execute ensemble --shard 0/4
        vlasync evaluate runs/kosmos --protocol calvin --simulator calvin --calvin-root ~/calvin

    Args:
        run: a run folder.
        tasks: trials: tasks to try; those of the run's demonstrations by default.
        trials: trials: starts per task.
        max_steps: control steps (at 30 Hz) after which a task has failed; 120 for trials, 360 for calvin by default.
        workers: processes; the results do not depend on their number.
        options: the protocol.
    """
    page = run_evaluation(run, options, tasks=tasks, trials=trials, max_steps=max_steps, workers=workers)
    if page is not None:
        console.print(f"report: {page}")
    return 0


def vlm(
    name_or_path: Positional[str],
    *,
    options: Annotated[TuningOptions, tyro.conf.arg(name="")] = ALL_OF_IT,
    image_size: tuple[int, int] | None = None,
    contract: bool = True,
) -> int:
    """Look a VLM over: can it carry a policy, what of it would train, and how much memory does that take?

    Exit code 0: it keeps the contract, 1: a clause fails, 2: it cannot be loaded.

    For example:

        vlasync vlm HuggingFaceTB/SmolVLM-256M-Instruct
        vlasync vlm Qwen/Qwen3-VL-2B-Instruct --tuning lora --image-size 224 224
        vlasync vlm google/paligemma2-3b-pt-224 --parts decoder --decoder-layers 4
        vlasync vlm runs/demo/vlm --no-contract

    Args:
        name_or_path: an image-text-to-text model of transformers, by Hugging Face name or folder.
        options: what would train; all of it by default.
        image_size: height and width in px of the images, for a VLM that takes any size.
        contract: try the contract between a VLM and a policy, in float32 on the CPU.
    """
    from vlasync.models.tuning import Tuning
    from vlasync.models.vlm import VLM
    from vlasync.recipes.registry import tuned
    from vlasync.testing.vlm_report import report_vlm

    tuning = tuned(Tuning(), options)
    report = report_vlm(VLM.from_pretrained(name_or_path, image_size=image_size), tuning, contract=contract)
    report.print(console)
    return 0 if report.passed else 1


def bench(run: Positional[Path], *, options: Annotated[BenchOptions, tyro.conf.arg(name="")] = AS_USUAL) -> int:
    """Time a run's policy on this machine: milliseconds of a control step, frames a second in training, and what of it.

    For example:

        vlasync bench runs/demo
        vlasync bench runs/kosmos --batch 8 --compile
        vlasync bench runs/kosmos --precision fp32 --steps 1000 --json > speed.json

    Args:
        run: a run folder (its newest checkpoint) or one checkpoint.
        options: what to time, and how.
    """
    return run_bench(run, options, console)


def export(run: Positional[Path], out: Positional[Path], *, merge: bool = False) -> int:
    """Make a run's policy stand alone: one folder with all weights, the VLM's among them, and nothing of the training.

    For example:

        vlasync export runs/demo policies/table
        vlasync export runs/lora policies/lora --merge

    Args:
        run: a run folder (its newest checkpoint) or one checkpoint.
        out: folder to write; it must not exist.
        merge: fold LoRA's updates into the weights, which act as before and need no LoRA any more.
    """
    from vlasync.models.export import export_policy

    export_policy(run, out, merge=merge)
    console.print(f"exported: {out}; `Policy.load({str(out)!r})` acts with it")
    return 0


def declare(data: Positional[Path], *, options: Annotated[DeclareOptions, tyro.conf.arg(name="")] = NOTHING_NEW) -> int:
    """Say what the numbers of a dataset mean, where its own files do not: a LeRobot folder has to be told.

    What its files do say (rate, cameras, names of the state) is taken from there. Without options it shows what is
    open. Exit code 0: everything is declared, 1: fields are open.

    For example:

        vlasync declare data/bridge
        vlasync declare data/bridge --action-frame base --action-mode relative_to_measured --gripper-open 1
        vlasync declare data/mine --state tcp_position:0:3:m tcp_euler:3:6:rad gripper_opening:6:7:1

    Args:
        data: a LeRobot v3 folder, a training store or a CALVIN split.
        options: what its numbers mean.
    """
    return run_declare(data, options, console)


def convert(
    source: Positional[Path],
    target: Positional[Path],
    *,
    options: Annotated[ConvertOptions, tyro.conf.arg(name="")],
) -> int:
    """Convert a dataset between CALVIN's layout, LeRobot v3 and the training store; every number and pixel is kept.

    A stopped conversion goes on where it was. Exit code 0: complete, 1: the shares of other calls are missing.

    For example:

        vlasync convert task_D_D data/d --to store --workers 8
        vlasync convert data/d data/d-lerobot --to lerobot --video h264
        vlasync convert data/d data/d-small --to store --images lossless
        vlasync convert task_ABCD_D data/abcd --to store --shard 0/16

    Args:
        source: a training store, a CALVIN split, a LeRobot v3 folder, or a folder with training/ and validation/.
        target: folder to write.
        options: how to convert.
    """
    return run_convert(source, target, options, console)


def convert_checkpoint(
    config: Positional[Path], weights: Positional[Path], out: Positional[Path], *, vlm: Path | None = None
) -> int:
    """Make a run folder of a RoboVLMs checkpoint (Kosmos-2), whose policy then acts as it did there.

    For example:

        vlasync convert-checkpoint configs/calvin_finetune/kosmos.json kosmos.pt runs/kosmos
        vlasync convert-checkpoint kosmos.json kosmos.safetensors runs/kosmos --vlm kosmos-2-patch14-224

    Args:
        config: its JSON file; `parent` files are read, too.
        weights: .safetensors, .pt or .ckpt; one that asks for code is refused.
        out: run folder to write.
        vlm: folder with the VLM's config and tokenizer, instead of the one that the config names.
    """
    from vlasync.compat.robovlms.convert import run_conversion

    return run_conversion(config, weights, out, vlm=vlm, console=console)


def doctor(*, calvin_root: Path | None = None) -> int:
    """Say what this machine lacks and how to get it: graphics without a screen, a GPU, packages.

    Exit code 0: nothing that is needed is missing, 1: something is.

    For example:

        vlasync doctor
        vlasync doctor --calvin-root ~/calvin

    Args:
        calvin_root: a checkout of CALVIN, to look for what its simulator needs, too.
    """
    from vlasync.doctor import run_doctor

    return run_doctor(calvin_root, console)


DESCRIPTION = "Turn any Hugging Face vision-language model into a robot policy, with image, text and action in step."

COMMANDS = {
    "demo": demo,
    "record": record,
    "check": check,
    "train": train,
    "evaluate": evaluate,
    "vlm": vlm,
    "bench": bench,
    "export": export,
    "declare": declare,
    "convert": convert,
    "convert-checkpoint": convert_checkpoint,
    "doctor": doctor,
}


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `vlasync` and `python -m vlasync`."""
    run_and_exit(
        lambda: tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="vlasync", description=DESCRIPTION, args=arguments, sort_subcommands=False
        )
    )
