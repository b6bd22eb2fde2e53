"""The built-in play table: CALVIN's scene, control law and observations on MuJoCo."""

from vlasync.envs.playtable.backend import choose_backend

choose_backend()

from vlasync.envs.playtable.env import PlayTable  # noqa: E402  # MuJoCo reads the backend when it is imported

__all__ = ["PlayTable"]
