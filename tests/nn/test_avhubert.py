from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from zoo.nn.avhubert import AVHuBERT, scale_gradient
from zoo.nn.avhubert_config import AVHuBERTConfig
from zoo.nn.speech_transformer import SpeechTransformer

SMALL = AVHuBERTConfig(
    stem_widths=(4, 4, 4, 6),
    hidden_size=16,
    num_layers=2,
    num_heads=2,
    ffn_size=24,
    position_kernel=4,
    position_groups=2,
)


@pytest.fixture
def net() -> AVHuBERT:
    torch.manual_seed(0)
    return AVHuBERT(SMALL).eval()


def clips(*lengths: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mouths, sound and mask, zero on padding."""
    torch.manual_seed(1)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    video = torch.randn(*mask.shape, 24, 24) * mask[..., None, None]
    return video, torch.randn(*mask.shape, 104) * mask[..., None], mask


@torch.inference_mode()
def test_padding_changes_nothing(net: AVHuBERT) -> None:
    video, audio, mask = clips(9, 5)
    together = net(video, audio, mask)
    for k in range(2):
        length = int(mask[k].sum())
        alone = net(video[k : k + 1, :length], audio[k : k + 1, :length])
        torch.testing.assert_close(together[k, :length], alone[0], atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_an_absent_stream_counts_as_zero_features(net: AVHuBERT) -> None:
    video, audio, _ = clips(6)
    fused = net.fuse(video, None)
    assert not fused[..., : SMALL.hidden_size].any()  # sound comes first
    torch.testing.assert_close(fused[..., SMALL.hidden_size :], net.encode_lips(video))
    with pytest.raises(ValueError, match="at least one stream"):
        net(None, None)
    with pytest.raises(ValueError, match="6 frames of video but 1 of 5"):
        net(video, audio[:, :5])


@torch.inference_mode()
def test_the_last_layer_is_not_the_final_norm(net: AVHuBERT) -> None:
    video, audio, mask = clips(6)
    last = net(video, audio, mask, output_layer=SMALL.num_layers)
    final = net(video, audio, mask)
    assert not torch.allclose(last, final, atol=1e-2)
    torch.testing.assert_close(net.encoder.final_norm(last), final)


def test_a_prompt_reads_the_frames_and_leaves_them_as_they_are(net: AVHuBERT) -> None:
    video, audio, mask = clips(7, 5)
    net.requires_grad_(False)
    prompt = nn.Parameter(torch.randn(1, 2, SMALL.hidden_size))
    plain = net.hidden_states(video, audio, mask)
    prompted = net.hidden_states(video, audio, mask, prompt=prompt.expand(2, -1, -1))
    for without, state in zip(plain, prompted, strict=True):
        assert state.shape[1] == without.shape[1] + 2
        assert torch.equal(state[:, 2:], without)  # exactly
    other = video.clone()
    other[0, 1] += 1
    changed = net.hidden_states(other, audio, mask, prompt=prompt.expand(2, -1, -1))
    assert not torch.allclose(changed[-1][0, :2], prompted[-1][0, :2])
    beyond = video.clone()
    beyond[1, 5:] = 3.0  # padding is not read, but its neighbours in the front-end are
    far = net.hidden_states(beyond, audio, mask, prompt=prompt.expand(2, -1, -1))
    assert torch.equal(far[-1][0], prompted[-1][0])
    prompted[-1][:, :2].sum().backward()
    assert prompt.grad is not None and bool(prompt.grad.any())


@torch.inference_mode()
def test_an_attention_mask_of_ones_own(net: AVHuBERT) -> None:
    video, audio, mask = clips(6)
    only_self = torch.eye(6, dtype=torch.bool)[None, None]
    free = net.hidden_states(video, audio, mask)
    bound = net.hidden_states(video, audio, mask, attention_mask=only_self)
    assert torch.equal(bound[0], free[0])
    assert not torch.allclose(bound[-1], free[-1], atol=1e-4)


def test_modality_dropout_only_in_training() -> None:
    net = AVHuBERT(replace(SMALL, modality_dropout=1.0, audio_dropout=1.0)).train()
    video, audio, _ = clips(5)
    assert not net.fuse(video, audio)[..., : SMALL.hidden_size].any()
    assert net.fuse(None, audio)[..., : SMALL.hidden_size].any()  # a lone stream stays
    assert net.eval().fuse(video, audio)[..., : SMALL.hidden_size].any()


def test_gradients_of_the_front_ends_are_scaled() -> None:
    x = torch.randn(3, requires_grad=True)
    y = scale_gradient(x, 0.1)
    torch.testing.assert_close(y, x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.full((3,), 0.1))


def test_layers_are_left_out_in_training_only() -> None:
    stack = SpeechTransformer(8, 3, 2, 16, position_kernel=3, position_groups=2, layer_drop=1.0)
    x = torch.randn(1, 4, 8)
    states = stack.train()(x)
    assert all(torch.equal(state, states[0]) for state in states)
    assert not torch.equal(stack.eval()(x)[-1], stack(x)[0])


@pytest.mark.parametrize("kernel", [3, 4])
def test_positions_keep_the_length(kernel: int) -> None:
    stack = SpeechTransformer(8, 1, 2, 16, position_kernel=kernel, position_groups=2)
    assert stack.positions(torch.randn(2, 5, 8)).shape == (2, 5, 8)
