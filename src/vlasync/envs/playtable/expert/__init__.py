"""The expert, which makes demonstrations: `Expert(task, layout).act(observation)`."""

from vlasync.envs.playtable.expert.expert import Expert

__all__ = ["Expert"]
