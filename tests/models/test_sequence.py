import pytest
import torch

from vlasync.errors import VlasyncError
from vlasync.models.sequence import ActionTokens
from vlasync.models.state import StateEncoder
from vlasync.models.vlm import VLM

SHORT, LONG = "open it", "push the red block to the left side of the table"


def build(folder, spec, *, latent=2, with_state=True):
    torch.manual_seed(0)
    vlm = VLM.from_pretrained(folder).eval()
    state = StateEncoder(spec, vlm.hidden_size) if with_state else None
    return vlm, ActionTokens(vlm, latent=latent, num_images=2, state=state)


def run(vlm, tokens, sentences, pixels, state):
    rows = tokens.assemble(sentences, torch.device("cpu"))
    with tokens.inserted(tokens.values(state)):
        return vlm(rows.fields, rows.attention_mask, pixels), rows


@torch.no_grad()
def test_the_prompts_hidden_states_equal_the_plain_vlms(tiny_folder, spec):
    vlm, tokens = build(tiny_folder, spec)
    pixels, state = torch.randn(1, 2, 3, 32, 32), torch.randn(1, 15)
    hidden, _ = run(vlm, tokens, [LONG], pixels, state)
    fields = {name: value[None] for name, value in vlm.prompt(LONG, 2).fields.items()}
    plain = vlm(fields, torch.ones_like(fields["input_ids"]), pixels)
    torch.testing.assert_close(hidden[:, : plain.shape[1]], plain, atol=1e-5, rtol=0)


@torch.no_grad()
def test_padding_and_batch_mates_never_change_a_row(tiny_folder, spec):
    vlm, tokens = build(tiny_folder, spec)
    pixels, state = torch.randn(3, 2, 3, 32, 32), torch.randn(3, 15)
    together, rows = run(vlm, tokens, [SHORT, LONG, SHORT], pixels, state)
    for row, sentence in enumerate([SHORT, LONG, SHORT]):
        alone, place = run(vlm, tokens, [sentence], pixels[row : row + 1], state[row : row + 1])
        torch.testing.assert_close(
            together[row, rows.places[row].squeeze(-1)], alone[0, place.places[0].squeeze(-1)], atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("with_state", [True, False])
def test_action_tokens_stand_at_the_end_of_their_own_row(tiny_folder, spec, with_state):
    vlm, tokens = build(tiny_folder, spec, latent=2, with_state=with_state)
    rows = tokens.assemble([SHORT, LONG], torch.device("cpu"))
    names = ["<|state|>"] * with_state + ["<|lrn_0|>", "<|lrn_1|>"]
    for row in range(2):
        real = rows.fields["input_ids"][row][rows.attention_mask[row].bool()]
        assert vlm.tokenizer.convert_ids_to_tokens(real[-len(names) :]) == names
        assert (
            vlm.tokenizer.convert_ids_to_tokens(rows.fields["input_ids"][row][rows.places[row].squeeze(-1)])
            == names[-2:]
        )


@torch.no_grad()
def test_state_and_latent_values_reach_what_is_read(tiny_folder, spec):
    vlm, tokens = build(tiny_folder, spec)
    pixels, state = torch.randn(1, 2, 3, 32, 32), torch.randn(1, 15)
    hidden, rows = run(vlm, tokens, [SHORT], pixels, state)
    other, _ = run(vlm, tokens, [SHORT], pixels, state + 0.3)
    assert not torch.allclose(hidden[0, rows.places[0].squeeze(-1)], other[0, rows.places[0].squeeze(-1)], atol=1e-4)
    tokens.embeddings.add_(0.1 * torch.randn_like(tokens.embeddings))
    changed, _ = run(vlm, tokens, [SHORT], pixels, state)
    assert not torch.allclose(hidden[0, rows.places[0].squeeze(-1)], changed[0, rows.places[0].squeeze(-1)], atol=1e-4)


def test_the_text_table_gets_no_gradient_from_inserted_tokens(tiny_folder, spec):
    vlm, tokens = build(tiny_folder, spec)
    ids = torch.tensor([[5, *tokens.assemble([SHORT], torch.device("cpu")).fields["input_ids"][0][-2:].tolist()]])
    values = torch.randn(1, 2, vlm.hidden_size, requires_grad=True)
    with tokens.inserted(values):
        output = vlm.token_embedding(ids)
    output.sum().backward()
    table = next(vlm.token_embedding.parameters()).grad
    assert table is not None and values.grad is not None
    assert table.abs().sum(-1).nonzero().flatten().tolist() == [5]
    assert (values.grad == 1).all()


def test_nothing_is_left_behind_on_the_vlm(tiny_folder, spec):
    vlm, tokens = build(tiny_folder, spec)
    with pytest.raises(RuntimeError, match="stop"), tokens.inserted(torch.zeros(1, 3, vlm.hidden_size)):
        raise RuntimeError("stop")
    assert not vlm.token_embedding._forward_hooks and not vlm.token_embedding._forward_pre_hooks


def test_no_action_token_is_refused(tiny_folders, spec):
    with pytest.raises(VlasyncError, match="latent is 0"):
        build(tiny_folders["smolvlm"], spec, latent=0)


def test_angles_enter_the_state_token_without_a_jump(spec):
    encoder = StateEncoder(spec, 8)
    state = torch.zeros(2, 15)
    state[:, 3] = torch.tensor([torch.pi - 1e-6, -torch.pi + 1e-6])
    assert torch.allclose(encoder.features(state[:1]), encoder.features(state[1:]), atol=1e-5)
    assert encoder.features(state).shape == (2, 3 + 6 + 1 + 1)
