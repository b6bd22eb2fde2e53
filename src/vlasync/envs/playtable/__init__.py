"""The built-in play table: CALVIN's scene, control law and observations on MuJoCo."""

from vlasync.envs.playtable.env import PlayTable

__all__ = ["PlayTable"]
