"""Demonstrations from the play table: the expert acts, is pushed off its way now and then, and every frame is kept."""

from vlasync.recording.demonstration import Perturbation
from vlasync.recording.record import RecordingConfig, calvin_cameras, record

__all__ = ["Perturbation", "RecordingConfig", "calvin_cameras", "record"]
