"""Does the audit find every defect that can be planted, name it rightly, and say nothing about clean data?

    OMP_NUM_THREADS=1 python benchmarks/audit_defects.py [--calvin DATASET --commands FILE] [--only WORD] [--write]
    OMP_NUM_THREADS=1 python benchmarks/audit_defects.py --fresh SEED

Every defect of `vlasync.testing`, in every strength, is planted into all episodes and into a single one, of play table
demonstrations recorded for the purpose at two image sizes and, where given, of a CALVIN recording. A defect counts as
found where its code is among the problems, no other code is claimed that it does not explain, and no untouched episode
is blamed. The exit code is 0 where all were found and no clean data raised an alarm.

With `--fresh`, demonstrations of all tasks are recorded from a seed that no threshold was chosen on, and every strength
is planted once: into episodes, and in a scope, that the seed draws.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from sections import write_section
from vlasync.data.open import open_dataset
from vlasync.data.store import create_store, write_shard
from vlasync.envs.playtable.instructions import DEMONSTRATED_TASKS
from vlasync.progress import stage
from vlasync.recording import calvin_cameras
from vlasync.testing import (
    DEFECTS,
    FILE_DEFECTS,
    HARMLESS,
    Defect,
    Recording,
    StatisticsDefect,
    Trial,
    as_claimed,
    false_alarms,
    file_trial,
    record_play_table,
    trial,
)
from vlasync.testing.actions import commanded
from vlasync.types import Episode

TASKS = (
    "open_drawer",
    "close_drawer",
    "move_slider_left",
    "turn_on_led",
    "turn_off_lightbulb",
    "lift_red_block_table",
    "push_blue_block_left",
    "lift_pink_block_table",
)

FRESH_EPISODES = 18
"""Episodes of a dataset that is drawn from fresh demonstrations."""

PAGE = Path(__file__).parents[1] / "docs" / "check.md"
SECTION = "defects"

FILES = "files"
"""Name of the column for damage to files, planted into a store or into CALVIN's layout."""


@dataclass(frozen=True, kw_only=True)
class AuditDefects:
    """What to try.

    Attributes:
        calvin: a dataset in CALVIN's layout with `training` and `validation`.
        commands: `.npz` with `<split>_<first frame>__cmd` `[T, 7]` for its episodes: the commanded poses.
        only: try only defects whose name or code has this word in it.
        write: put the table into `docs/check.md`.
        fresh: seed of other demonstrations to try instead, at random.
    """

    calvin: Path | None = None
    commands: Path | None = None
    only: str = ""
    write: bool = False
    fresh: int | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """A trial, and the name of the data it was made on."""

    data: str
    trial: Trial


def main(config: AuditDefects) -> int:
    """Try everything, print the table, and say what was missed."""
    with tempfile.TemporaryDirectory() as scratch:
        recordings = list(_recordings(config))
        alarms = _false_alarms(recordings) if not config.only else []
        drawn = config.fresh is not None
        results = list(_drawn_trials(recordings[0], config) if drawn else _episode_trials(recordings, config.only))
        results += _file_trials(recordings[0], config, Path(scratch))
        turns = "; ".join(map(_in_turn, recordings)) if not config.only else ""
    missed = [result for result in results if not result.trial.passed]
    text = table(results, [recording.name for recording in recordings])
    if turns:
        text += f"\n\nImages one frame late or early in one episode, each episode in turn: {turns}."
    print(text)
    for result in missed:
        attempt = result.trial
        found = ", ".join(attempt.found) or "nothing"
        print(f"MISSED on {result.data}: {attempt.defect}, {attempt.strength}, {attempt.scope}: found {found}")
        if attempt.misplaced:
            print(f"  blamed without cause: {'; '.join(attempt.misplaced)}")
    for alarm in alarms:
        print(f"FALSE ALARM {alarm}")
    if config.write:
        write_section(PAGE, SECTION, text)
    return 1 if missed or alarms else 0


def _recordings(config: AuditDefects) -> Iterator[Recording]:
    """The clean data."""
    if config.fresh is not None:
        yield record_play_table("fresh", DEMONSTRATED_TASKS, cameras=calvin_cameras(96, 64), seed=config.fresh)
        return
    yield record_play_table("play table, 64 px", TASKS, cameras=calvin_cameras(64, 64), seed=11)
    yield record_play_table("play table, 200 / 84 px", TASKS, cameras=calvin_cameras(), seed=12)
    if config.calvin:
        episodes = [_in_memory(episode) for episode in open_dataset(config.calvin / "training")]
        commands = {}
        if config.commands:
            with np.load(config.commands, allow_pickle=False) as arrays:
                for episode in episodes:
                    split, frames = episode.name.split("/")
                    commands[episode.name] = arrays[f"{split}_{int(frames.split('-')[0])}__cmd"][:, :6]
        yield Recording(name="CALVIN", episodes=episodes, commands=commands)


def _in_memory(episode: Episode) -> Episode:
    """The episode with its images read once, so that hundreds of audits measure the audit and not the disk."""
    return replace(episode, images={name: images[:] for name, images in episode.images.items()})


def _false_alarms(recordings: Sequence[Recording]) -> list[str]:
    """Problems that the audit claims of clean data: after each harmless change, and of each episode alone."""
    found = []
    for recording in recordings:
        attempts = [(change, list(recording.episodes), distort) for change, distort in HARMLESS.items()]
        attempts += [(episode.name, [episode], HARMLESS["as recorded"]) for episode in recording.episodes]
        for name, episodes, distort in attempts:
            problems = false_alarms(episodes, distort)
            found += [f"{recording.name}, {name}: {problem.code}" for problem in problems]
    return found


def _episode_trials(recordings: Sequence[Recording], only: str) -> Iterator[Result]:
    """Every defect of episodes on every recording."""
    for recording in recordings:
        chosen = _chosen(recording, only)
        with stage(f"defects, {recording.name}", sum(len(defect.strengths) for defect in chosen)) as progress:
            for defect in chosen:
                held = as_claimed(defect, recording.episodes)
                for strength in defect.strengths:
                    for scope in defect.scopes:
                        outcome = trial(held, strength, scope, recording.episodes)
                        if outcome is not None:
                            yield Result(data=recording.name, trial=outcome)
                    progress.advance()


def _drawn_trials(recording: Recording, config: AuditDefects) -> Iterator[Result]:
    """Every strength of every defect once, in episodes and a scope drawn at random."""
    random = np.random.default_rng(config.fresh)
    chosen = _chosen(recording, config.only)
    with stage("defects, drawn at random", sum(len(defect.strengths) for defect in chosen)) as progress:
        for defect in chosen:
            for strength in defect.strengths:
                numbers = random.choice(len(recording.episodes), FRESH_EPISODES, replace=False)
                episodes = [recording.episodes[number] for number in sorted(numbers)]
                scope = defect.scopes[random.integers(len(defect.scopes))]
                outcome = trial(as_claimed(defect, episodes), strength, scope, episodes)
                if outcome is not None:
                    yield Result(data=recording.name, trial=outcome)
                progress.advance()


def _chosen(recording: Recording, only: str) -> list[Defect | StatisticsDefect]:
    """The defects to try on a recording."""
    defects = (*DEFECTS, *([commanded(recording.commands)] if recording.commands else []))
    return [defect for defect in defects if only in defect.name or only in defect.code]


def _in_turn(recording: Recording) -> str:
    """How often the smallest defect of all is found, images one frame off in a single episode, over all episodes."""
    (lag,) = (defect for defect in DEFECTS if isinstance(defect, Defect) and defect.code == "image-lag")
    episodes = list(recording.episodes)
    claimed = as_claimed(lag, episodes)
    outcomes: dict[bool, list[bool]] = {True: [], False: []}
    for strength in (name for name in lag.strengths if ", 1 " in name):
        for middle, episode in enumerate(episodes):
            first = middle - len(episodes) // 2
            turned = episodes[first:] + episodes[:first]  # puts this one into the middle, where it is planted
            outcome = trial(lag, strength, "one episode", turned)
            outcomes[claimed.shows(episode)].append(outcome is not None and outcome.passed)
    kept, more = outcomes[True], outcomes[False]
    return (
        f"{recording.name}: {sum(kept)} of the {len(kept)} that the audit claimed beforehand to see, "
        f"and {sum(more)} of {len(more)} others"
    )


def _file_trials(recording: Recording, config: AuditDefects, scratch: Path) -> list[Result]:
    """Every damage to files, of a store made from the recording and of the CALVIN dataset."""
    store = scratch / "store"
    _write_store(store / "training", recording.episodes)
    cameras = recording.episodes[0].spec.cameras
    held_out = record_play_table("held out", TASKS[:4], cameras=cameras, episodes_per_task=1, seed=13)
    _write_store(store / "validation", held_out.episodes)
    datasets = {"store": store} | ({"calvin": config.calvin} if config.calvin else {})
    return [
        Result(data=FILES, trial=file_trial(defect, strength, datasets[defect.layout]))
        for defect in FILE_DEFECTS
        if defect.layout in datasets and (config.only in defect.name or config.only in defect.code)
        for strength in defect.strengths
    ]


def _write_store(folder: Path, episodes: Sequence[Episode]) -> None:
    create_store(folder, episodes[0].spec)
    numbers = (np.arange(len(episode)) + 1000 * index for index, episode in enumerate(episodes))
    numbered = [replace(episode, frame_index=index) for episode, index in zip(episodes, numbers, strict=True)]
    write_shard(folder, "episodes", numbered)


def table(results: Sequence[Result], data: Sequence[str]) -> str:
    """Markdown: one row per defect and strength, one column per data set."""
    shown = [*data, FILES]
    rows: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        attempt = result.trial
        rows.setdefault((attempt.code, attempt.defect, attempt.strength), []).append(result)
    count = len(results)
    passed = sum(result.trial.passed for result in results)
    kinds = len({result.trial.defect for result in results})
    lines = [
        f"{passed} of {count} planted defects ({kinds} kinds, {len(rows)} strengths) were found and named rightly.",
        "",
        f"| code | defect | strength | {' | '.join(shown)} | seconds |",
        "|---" * (len(shown) + 4) + "|",
    ]
    for (code, defect, strength), found in rows.items():
        cells = [_cell([result.trial for result in found if result.data == name]) for name in shown]
        seconds = np.mean([result.trial.seconds for result in found])
        lines.append(f"| `{code}` | {defect} | {strength} | {' | '.join(cells)} | {seconds:.2f} |")
    return "\n".join(lines)


def _cell(attempts: Sequence[Trial]) -> str:
    """Where it was found, `all` or `one` episode, or what was found instead."""
    words = {"every episode": "all", "one episode": "one"}
    texts = [
        words[attempt.scope] + ("" if attempt.passed else f": **{', '.join(attempt.found) or 'missed'}**")
        for attempt in attempts
    ]
    return ", ".join(texts) or "-"


if __name__ == "__main__":
    sys.exit(main(tyro.cli(AuditDefects)))
