"""Every head keeps the contract, and the contract notices a head that does not."""

import dataclasses

import pytest
import torch

from vlasync.compat.robovlms.heads import FCDecoderConfig, GPTDecoderConfig, LSTMDecoderConfig
from vlasync.errors import VlasyncError
from vlasync.models.chunks import ChunkTarget
from vlasync.models.heads.discrete import DiscreteHeadConfig
from vlasync.models.heads.fc import FCHead, FCHeadConfig
from vlasync.models.heads.flow import FlowHead, FlowHeadConfig
from vlasync.models.heads.gpt import GPTHeadConfig
from vlasync.models.heads.head import HeadShape
from vlasync.models.heads.kinds import HEADS, head_config
from vlasync.models.heads.lstm import LSTMHead, LSTMHeadConfig
from vlasync.models.losses import LossConfig, chunk_loss
from vlasync.testing.heads import HEAD_CLAUSES, check_head

TINY = HeadShape(embedding_size=8, latent=1, window_size=2, chunk_size=3)

CONFIGS = (
    FCHeadConfig(hidden=32),
    LSTMHeadConfig(hidden=32, layers=2),
    GPTHeadConfig(hidden=32, layers=2, attention_heads=2),
    DiscreteHeadConfig(hidden=32, layers=1, attention_heads=2, bins=32),
    FlowHeadConfig(hidden=64, layers=1, attention_heads=2, blocks=2),
)
REFERENCE = (
    LSTMDecoderConfig(hidden_size=16, num_layers=2),
    FCDecoderConfig(hidden_size=16),
    GPTDecoderConfig(hidden_size=16),
)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
@pytest.mark.parametrize("clause", HEAD_CLAUSES.values(), ids=HEAD_CLAUSES)
def test_the_contract(clause, config):
    clause(config)


# Their wide layers learn slowly; that they learn as the original does is seen from their gradients, in tests/compat.
@pytest.mark.parametrize("config", REFERENCE, ids=lambda config: config.kind)
@pytest.mark.parametrize("clause", [name for name in HEAD_CLAUSES if name != "four_windows_are_learnt"])
def test_heads_of_another_project_keep_the_contract(clause, config):
    HEAD_CLAUSES[clause](config)


@torch.no_grad()
@pytest.mark.parametrize("config", (*CONFIGS, *REFERENCE), ids=lambda config: config.kind)
def test_the_past_matters_to_all_heads_but_fc(config):
    torch.manual_seed(0)
    head = config.build(dataclasses.replace(TINY, window_size=6)).eval()
    frames = torch.randn(1, 6, 1, 8)
    other = torch.cat([frames[:, :1] + 1.0, frames[:, 1:]], dim=1)
    differs = not torch.allclose(head.read(frames)[:, 4], head.read(other)[:, 4], atol=1e-6)
    assert differs == (config.kind not in ("fc", "robovlms-fc"))


class Peeking(LSTMHead):
    def read(self, embeddings):
        return super().read(embeddings) + super().read(embeddings[:, -1:])


class Clinging(LSTMHead):
    """Looks back whatever its window is."""

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.history = max(2, shape.window_size)


class Forgetful(LSTMHead):
    """Reads half of its window when streaming."""

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.history = max(1, shape.window_size // 2)


class Remembering(LSTMHead):
    """Carries its state in an attribute, past the window and from one rollout into the next."""

    state = None

    def step(self, stream, embedding):
        hidden, self.state = self.reader(embedding.flatten(1).unsqueeze(1), self.state)
        return stream, self.predict(hidden[:, -1])


class Unmasked(FCHead):
    def compare(self, context, target, config):
        return super().compare(context, dataclasses.replace(target, mask=torch.ones_like(target.mask)), config)


class Leaking(FlowHead):
    """Masked entries do not count themselves, but the others see them."""

    def compare(self, context, target, config):
        terms = super().compare(context, target, config)
        return dataclasses.replace(terms, pose=terms.pose + target.pose.mean())


class Noisy(FCHead):
    def predict(self, context):
        return super().predict(context + 1e-3 * torch.randn_like(context))


class Unseeded(FCHead):
    generator = torch.Generator()

    def compare(self, context, target, config):
        return super().compare(context + torch.randn(context.shape, generator=self.generator), target, config)


class Detached(FCHead):
    def read(self, embeddings):
        return super().read(embeddings.detach())


class Idle(FCHead):
    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.unused = torch.nn.Parameter(torch.zeros(3))


class Frozen(FCHead):
    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.reader.requires_grad_(False)
        self.pose.requires_grad_(False)


class Averse(FCHead):
    """Learns well and predicts something else."""

    def predict(self, context):
        prediction = super().predict(context)
        return dataclasses.replace(prediction, pose=-prediction.pose)

    def compare(self, context, target, config):
        return chunk_loss(super().predict(context), target, config)


class Halved(FCHead):
    def forward(self, embeddings):
        prediction = super().forward(embeddings)
        return dataclasses.replace(prediction, pose=prediction.pose.to(embeddings.dtype))


class Flat(FCHead):
    def predict(self, context):
        prediction = super().predict(context)
        return dataclasses.replace(prediction, gripper=prediction.gripper.unsqueeze(-1))


class Unsaved(FCHead):
    """Keeps a random tensor that is not part of its weights."""

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.offset = torch.randn(1)

    def predict(self, context):
        return super().predict(context + self.offset)


BROKEN = {
    Flat: "chunks_have_their_shape",
    Forgetful: "streaming_equals_windowed",
    Clinging: "a_window_of_one_frame_is_a_frame",
    Remembering: "a_step_depends_on_its_stream_alone",
    Peeking: "the_future_does_not_matter",
    Noisy: "acting_is_not_random",
    Unseeded: "a_seed_decides",
    Unmasked: "masked_entries_do_not_count",
    Leaking: "masked_entries_do_not_count",
    Detached: "gradients_reach_everything",
    Idle: "gradients_reach_everything",
    Frozen: "four_windows_are_learnt",
    Averse: "four_windows_are_learnt",
    Halved: "bfloat16_runs",
    Unsaved: "saved_weights_and_config_bring_a_head_back",
}


@pytest.mark.parametrize("head", BROKEN, ids=lambda head: head.__name__)
def test_a_head_that_breaks_a_clause_is_noticed(head):
    base = next(config for config in CONFIGS if isinstance(config.build(TINY), head.__mro__[1]))

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(type(base)):
        def build(self, shape):
            return head(self, shape)

    config = Config(**{key: value for key, value in dataclasses.asdict(base).items() if key != "kind"})
    with pytest.raises(AssertionError):
        HEAD_CLAUSES[BROKEN[head]](config)
    with pytest.raises(AssertionError):
        check_head(config)


@torch.no_grad()
def test_a_flow_head_draws_other_chunks_from_other_noise():
    head = FlowHeadConfig(hidden=32).build(TINY).eval()
    context = head.read(torch.randn(2, 2, 1, 8))
    noise = torch.randn(2, 2, 3, 6)
    drawn = head.sample(context, noise)
    assert not torch.allclose(drawn.pose, head.predict(context).pose, atol=1e-3)
    fixed = head.sample(context, head.noise.expand(2, 2, 3, 6))
    assert torch.equal(fixed.pose, head.predict(context).pose)


def test_a_flow_head_keeps_two_ways_apart():
    """Where demonstrations go left or right, regression goes between; flow takes one, and its gripper follows."""
    torch.manual_seed(0)
    shape = HeadShape(embedding_size=4, latent=1, window_size=1, chunk_size=1)
    embeddings = torch.ones(32, 1, 1, 4)
    side = torch.tensor([-0.8, 0.8]).repeat(16).view(32, 1, 1, 1).expand(32, 1, 1, 6)
    target = ChunkTarget(pose=side, gripper_open=side[..., 0] > 0, mask=torch.ones(32, 1, 1, dtype=torch.bool))
    flow = learn(FlowHeadConfig(hidden=32, layers=1).build(shape), embeddings, target)
    fc = learn(FCHeadConfig(hidden=32).build(shape), embeddings, target)
    with torch.no_grad():
        assert fc(embeddings).pose.abs().max() < 0.3
        drawn = flow.sample(flow.read(torch.ones(200, 1, 1, 4)), torch.randn(200, 1, 1, 6))
    sides = drawn.pose[..., 0]
    assert ((sides.abs() - 0.8).abs() < 0.3).float().mean() > 0.8
    assert 0.2 < (sides > 0).float().mean() < 0.8
    assert ((sides > 0) == (drawn.gripper > 0)).float().mean() > 0.9


def learn(head, embeddings, target, steps=300):
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        head.loss(embeddings, target, LossConfig(gripper_weight=1.0)).total.backward()
        optimizer.step()
    return head.eval()


def test_a_discrete_head_writes_centres_of_bins():
    config = DiscreteHeadConfig(hidden=32, bins=5, bound=2.0)
    head = config.build(TINY).eval()
    with torch.no_grad():
        pose = head(torch.randn(2, 2, 1, 8)).pose
    centres = torch.tensor([-1.5, -0.5, 0.5, 1.5])
    assert torch.isin(pose, centres).all()


@torch.no_grad()
def test_a_discrete_chunk_is_what_its_own_loss_finds_likeliest():
    """Ids written one by one, with keys and values kept, against the loss that reads them all at once."""
    torch.manual_seed(0)
    head = DiscreteHeadConfig(hidden=32, bins=16).build(TINY).eval()
    embeddings = torch.randn(3, 2, 1, 8)
    own = head(embeddings)

    def pose_loss(pose):
        mask = torch.tensor([True, False, False]).expand(3, 2, 3)
        target = ChunkTarget(pose=pose, gripper_open=own.gripper > 0, mask=mask)
        return head.loss(embeddings, target, LossConfig()).pose

    for centre in torch.arange(-14, 15, 2) / 15:
        other = own.pose.clone()
        other[..., 0, -1] = centre  # the first action's last number, which no other real one follows
        assert pose_loss(own.pose) <= pose_loss(other) + 1e-6


@pytest.mark.parametrize("config", [GPTHeadConfig(hidden=30), FlowHeadConfig(hidden=20, attention_heads=4)])
def test_a_width_that_does_not_divide_is_refused(config):
    with pytest.raises(VlasyncError, match=r"hidden is \d+, attention_heads 4"):
        config.build(TINY)


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_is_found_by_name_with_all_its_settings(kind):
    config = HEADS[kind](hidden=64)
    assert head_config(**dataclasses.asdict(config)) == config


def test_a_name_that_no_head_has_lists_those_there_are():
    with pytest.raises(VlasyncError, match=r"'lstn'.*discrete, fc, flow, gpt, lstm, robovlms-fc"):
        head_config("lstn")
