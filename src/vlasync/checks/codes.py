"""The stable names of everything that the audit can find, for scripts and for `vlasync check --list`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CODES: Mapping[str, str] = MappingProxyType(
    {
        # Files
        "unreadable": "a file is missing, cut short or of another shape",
        "unsafe-file": "a file asks to run code when it is read",
        # Streams
        "not-finite": "a stream has NaN or infinite numbers",
        "length-mismatch": "the streams of an episode have different numbers of frames",
        "index-gap": "frame numbers of an episode do not follow one another",
        "time-jitter": "timestamps are not evenly spaced, or run backwards",
        "wrong-rate": "timestamps run at another rate than the declared one",
        "state-units": "the state is in millimetres or degrees, not in metres and radians",
        # Images
        "image-black": "images without any content",
        "image-duplicate": "an image is shown again while the robot moves",
        "image-frozen": "a camera shows the same image for many frames while the robot moves",
        "image-lag": "a camera's images come some frames before or after the state they belong to",
        "camera-swapped": "a camera shows what another camera sees",
        "image-upside-down": "images are upside down or mirrored",
        "image-colour-order": "red and blue are exchanged",
        # Actions
        "action-lag": "actions come some frames before or after the motion they describe",
        "action-scale": "actions have another scale or sign than declared",
        "action-units": "actions are in other units than declared: millimetres, degrees, metres",
        "action-frame": "actions are written in other axes than declared: world, base, TCP",
        "action-mode": "actions are poses where increments are declared, or the other way round",
        "action-rotation": "rotations are written in another form than declared",
        "action-composition": "rotation increments join the old rotation in another way than declared",
        "action-commanded": "actions were commanded, not achieved, or the other way round",
        "action-clipped": "many actions were cut off at the declared bound",
        "action-normalized": "actions are normalised already; normalising again would distort them",
        "action-mismatch": "actions do not describe the motion, and no known convention explains them",
        "statistics-mismatch": "normalisation statistics were fitted on other actions",
        # Gripper
        "gripper-polarity": "the commands for open and closed are exchanged",
        "gripper-values": "gripper commands are other numbers than the two declared ones",
        "gripper-lag": "gripper commands come some frames before or after the fingers' motion",
        # Language
        "language-out-of-bounds": "a sentence covers frames that its episode does not have",
        "language-crosses-episode": "a sentence runs on into the next episode",
        "language-empty": "a sentence is empty",
        "language-overlap": "two sentences of different tasks cover the same frames",
        "language-too-short": "a sentence covers fewer frames than a training window",
        "language-wrong-task": "a sentence names something else than what moved",
        # Splits
        "split-leakage": "the validation split holds frames of the training split",
    }
)
"""Code -> what it means, in one line."""
