"""Demonstrations made up of smooth noise, in which everything is as CALVIN's convention says."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vlasync.actions.frames import increments
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Episode, LanguageSpan

SPEC = SyncSpec.CALVIN.replace(cameras={"static": Camera(height=4, width=4)})


def demonstration(seed: int, length: int = 40) -> Episode:
    """A smooth motion with a burst of noise in its middle, a hand that points down, and a grasp."""
    random = np.random.default_rng(seed)
    velocity = np.zeros((length, 6))
    for t in range(1, length):
        jitter = 2.0 if 15 <= t < 19 else 0.15
        velocity[t] = 0.8 * velocity[t - 1] + jitter * random.normal(size=6) * ([0.005] * 3 + [0.01] * 3)
    velocity[:, :3] = velocity[:, :3].clip(-0.03, 0.03)  # faster than 0.02 m per frame is clipped in the actions
    pose = np.array([0.1, -0.1, 0.5, 3.14, 0.0, 1.5]) + velocity.cumsum(axis=0)
    pose[:, 3:] = (pose[:, 3:] + np.pi) % (2 * np.pi) - np.pi
    command = np.where(np.arange(length) < length // 2, 1.0, -1.0)
    width = np.empty(length)
    width[0] = 0.08
    for t in range(length - 1):
        goal = 0.08 if command[t] > 0 else 0.045
        width[t + 1] = width[t] + 0.5 * (goal - width[t]) + 1e-4 * random.normal()
    state = np.zeros((length, 15))
    state[:, :6], state[:, 6] = pose, width
    state[1:, 14] = command[:-1]
    moved = np.concatenate([increments(pose[:-1], pose[1:], SPEC), np.zeros((1, 6))])
    return Episode(
        name=f"episode {seed}",
        spec=SPEC,
        images={"static": np.random.default_rng(length).integers(0, 256, (length, 4, 4, 3), np.uint8)},
        state=state,
        actions=np.concatenate([moved.clip(-1, 1), command[:, None]], axis=1),
        scene=np.zeros((length, 24)),
        frame_index=np.arange(length) + 100 * seed,
        language=(
            LanguageSpan(first=0, last=14, sentence="lift it", task="lift"),
            LanguageSpan(first=22, last=length - 1, sentence="lift it", task="lift"),
        ),
    )


def with_actions(episode: Episode, change: Callable[[np.ndarray], np.ndarray]) -> Episode:
    """The same episode with its actions changed; `change` gets a copy."""
    return replace(episode, actions=change(np.array(episode.actions)))


CLEAN = [demonstration(seed) for seed in range(12)]
