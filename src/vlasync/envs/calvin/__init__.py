"""The real CALVIN simulator, where the user has a checkout of it."""

from vlasync.envs.calvin.env import CalvinEnv

__all__ = ["CalvinEnv"]
