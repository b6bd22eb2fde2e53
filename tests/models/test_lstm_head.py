import pytest
import torch

from vlasync.models.heads.head import HeadShape
from vlasync.models.heads.lstm import LSTMHead, LSTMHeadConfig


def make_head(latent: int = 1) -> LSTMHead:
    torch.manual_seed(0)
    shape = HeadShape(embedding_size=12, latent=latent, window_size=8, chunk_size=10)
    return LSTMHeadConfig(hidden=24, layers=2).build(shape).eval()


@pytest.mark.parametrize("latent", [1, 3])
@torch.no_grad()
def test_streaming_equals_the_windowed_forward(latent):
    head = make_head(latent)
    frames = torch.randn(2, 20, latent, 12)
    stream = head.init_stream(2)
    for t in range(20):
        stream, streamed = head.step(stream, frames[:, t])
        window = head(frames[:, max(0, t - 7) : t + 1])
        torch.testing.assert_close(streamed.pose, window.pose[:, -1], atol=1e-5, rtol=0)
        torch.testing.assert_close(streamed.gripper, window.gripper[:, -1], atol=1e-5, rtol=0)


@torch.no_grad()
def test_streaming_equals_one_full_window_at_each_of_its_frames():
    head = make_head()
    frames = torch.randn(2, 8, 1, 12)
    window = head(frames)
    assert window.pose.shape == (2, 8, 10, 6) and window.gripper.shape == (2, 8, 10)
    stream = head.init_stream(2)
    for t in range(8):
        stream, streamed = head.step(stream, frames[:, t])
        torch.testing.assert_close(streamed.pose, window.pose[:, t], atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_step_depends_on_its_stream_alone():
    """No hidden attributes: calls in between change nothing, and an old stream can be continued again."""
    head = make_head()
    frames = torch.randn(1, 3, 1, 12)
    stream, _ = head.step(head.init_stream(1), frames[:, 0])
    _, first = head.step(stream, frames[:, 1])
    head(torch.randn(2, 8, 1, 12))
    head.step(stream, frames[:, 2])
    _, again = head.step(stream, frames[:, 1])
    assert torch.equal(first.pose, again.pose)


@torch.no_grad()
def test_the_past_matters_and_the_future_does_not():
    head = make_head()
    frames = torch.randn(1, 8, 1, 12)
    past, future = frames.clone(), frames.clone()
    past[:, 0] += 1
    future[:, -1] += 1
    assert not torch.allclose(head(past).pose[:, 4], head(frames).pose[:, 4], atol=1e-5)
    assert torch.equal(head(future).pose[:, 4], head(frames).pose[:, 4])


def test_the_head_computes_in_float32_under_autocast():
    head = make_head()
    frames = torch.randn(1, 8, 1, 12)
    with torch.autocast("cpu", torch.bfloat16):
        prediction = head(frames.bfloat16())
    assert prediction.pose.dtype == torch.float32
    assert torch.equal(prediction.pose, head(frames.bfloat16().float()).pose)
