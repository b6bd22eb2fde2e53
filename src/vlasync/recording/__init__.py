"""Demonstrations from the play table: the expert does single tasks or plays on and on, and every frame is kept."""

from vlasync.recording.config import RecordingConfig, calvin_cameras
from vlasync.recording.perturbation import Perturbation
from vlasync.recording.record import record

__all__ = ["Perturbation", "RecordingConfig", "calvin_cameras", "record"]
