"""The ways in which an image can be handed on wrongly, each its own undoing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.images.flow import FLOW_SIZE, TURNED_COLUMNS, TURNED_ROWS


@dataclass(frozen=True, kw_only=True)
class View:
    """Images with rows, columns or colour channels in reverse order; doing it twice gives the image back."""

    rows: bool = False
    columns: bool = False
    colours: bool = False

    @property
    def name(self) -> str:
        """What is wrong with such images, in words."""
        return {
            (False, False): "have red and blue exchanged" if self.colours else "are as they should be",
            (True, False): "are upside down",
            (False, True): "are mirrored",
            (True, True): "are turned by 180 degrees",
        }[self.rows, self.columns]

    @property
    def code(self) -> str:
        """The code of such a defect."""
        return "image-colour-order" if self.colours else "image-upside-down"

    def apply(self, small: NDArray[np.float32]) -> NDArray[np.float32]:
        """`[..., 3, h, w]` seen this way."""
        channels, rows, columns = (
            slice(None, None, -1 if flip else 1) for flip in (self.colours, self.rows, self.columns)
        )
        return small[..., channels, rows, columns]

    def picture(self, small: NDArray[np.float32]) -> NDArray[np.uint8]:
        """One thumbnail `[3, h, w]` seen this way, as an image `[h, w, 3]`."""
        return np.ascontiguousarray(np.moveaxis(self.apply(small), 0, -1).round().astype(np.uint8))

    def signs(self) -> NDArray[np.float64]:
        """The factors `[6]` that an affine flow gets when images are seen this way."""
        signs = np.ones(FLOW_SIZE)
        if self.rows:
            signs = signs * TURNED_ROWS
        return signs * TURNED_COLUMNS if self.columns else signs

    def __xor__(self, other: View) -> View:
        """One after the other."""
        return View(
            rows=self.rows != other.rows, columns=self.columns != other.columns, colours=self.colours != other.colours
        )


UPRIGHT = View()
TURNED = (View(rows=True), View(columns=True), View(rows=True, columns=True))
BGR = View(colours=True)
WRONG = (*TURNED, BGR)
