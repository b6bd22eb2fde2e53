"""Names of layouts that a dataset can be written in, and of the codings of its images and videos."""

from typing import Literal

Layout = Literal["store", "calvin", "lerobot"]
"""The training store, CALVIN's layout, and LeRobot's, version 3."""

VideoCoding = Literal["lossless", "h264"]
"""`lossless` decodes to the very pixels; `h264` is smaller, plays everywhere, and changes pixels a little."""

ImageCoding = Literal["raw", "lossless", "jpeg"]
"""How a training store keeps images: `raw` bytes need no decoding, `lossless` decodes to the very pixels, and `jpeg`
decodes faster and changes pixels a little."""
