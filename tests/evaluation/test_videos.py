import base64
import dataclasses
import io

import av
import numpy as np
import pytest

from vlasync.evaluation.videos import (
    CAMERA_HEIGHT,
    HOLD_SECONDS,
    MAX_BYTES,
    MAX_VIDEO_FRAMES,
    TITLE_HEIGHT,
    render_video,
    video_data_uri,
)


def decode(video: bytes) -> tuple[np.ndarray, float]:
    """Frames `[T, H, W', 3]` and their rate."""
    with av.open(io.BytesIO(video)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return np.stack(frames), float(stream.average_rate)


@pytest.mark.parametrize("steps", [1, 2, 40])
def test_every_step_becomes_a_frame_and_the_last_one_stays(steps, record_rollout):
    frames, rate = decode(render_video(record_rollout(steps=steps), 30.0))
    assert rate == 10
    assert len(frames) == steps + 10
    assert np.abs(frames[-1].astype(int) - frames[steps]).mean() < 1


def test_a_long_rollout_is_thinned_but_keeps_its_duration(record_rollout):
    frames, rate = decode(render_video(record_rollout(steps=360), 30.0))
    assert len(frames) / rate == pytest.approx(3 * 360 / 30 + HOLD_SECONDS, rel=0.02)
    assert len(frames) <= MAX_VIDEO_FRAMES + 1 + HOLD_SECONDS * rate


def test_browsers_can_play_it(record_rollout):
    video = render_video(record_rollout(steps=5), 30.0)
    with av.open(io.BytesIO(video)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.pix_fmt == "yuv420p"
    assert video.index(b"moov") < video.index(b"mdat")


def test_the_cameras_stand_side_by_side(record_rollout):
    recording = record_rollout(steps=3)
    white, black = (np.full((3, 84, 84, 3), value, np.uint8) for value in (255, 0))
    frames, _ = decode(render_video(dataclasses.replace(recording, frames={"a": white, "b": black}), 30.0))
    images = frames[1, TITLE_HEIGHT : TITLE_HEIGHT + CAMERA_HEIGHT]
    assert images[:, 8 : CAMERA_HEIGHT - 8].min() > 240
    assert images[:, CAMERA_HEIGHT + 8 :].max() < 15


def test_the_plot_moves_with_the_time_and_shows_what_was_predicted(record_rollout):
    recording = record_rollout(steps=30)
    plot = slice(TITLE_HEIGHT + CAMERA_HEIGHT, None)
    frames, _ = decode(render_video(recording, 30.0))
    other, _ = decode(render_video(dataclasses.replace(recording, predicted=-recording.predicted), 30.0))
    assert np.abs(frames[5, plot].astype(int) - frames[20, plot]).max() > 60
    assert np.abs(frames[5, plot].astype(int) - other[5, plot]).max() > 60


def test_even_noise_fits_into_a_page(record_rollout):
    noise = np.random.default_rng(0).integers(0, 256, (60, 200, 200, 3), dtype=np.uint8)
    recording = dataclasses.replace(record_rollout(steps=60), frames={"static": noise, "gripper": noise})
    video = render_video(recording, 30.0)
    assert len(video) < 1.25 * MAX_BYTES
    assert base64.b64decode(video_data_uri(video).removeprefix("data:video/mp4;base64,")) == video


def test_streams_of_unequal_length_are_refused(record_rollout):
    recording = record_rollout(steps=5)
    with pytest.raises(ValueError, match="'static': 4"):
        dataclasses.replace(recording, frames=recording.frames | {"static": recording.frames["static"][1:]})
