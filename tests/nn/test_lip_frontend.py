from __future__ import annotations

import pytest
import torch

from zoo.nn import lip_frontend
from zoo.nn.lip_frontend import LipFrontEnd
from zoo.nn.residual_trunk import Activation, ResidualTrunk


@pytest.mark.parametrize("kind", ["prelu", "swish", "relu"])
def test_one_vector_a_frame(kind: Activation) -> None:
    net = LipFrontEnd((4, 6, 8, 10), kind).eval()
    clips = torch.randn(2, 5, 32, 32)
    with torch.no_grad():
        assert net(clips).shape == (2, 5, 10)


def test_long_clips_in_pieces_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    net = LipFrontEnd((4, 4, 4, 4)).eval()
    clips = torch.randn(2, 11, 24, 24)
    whole = net(clips)
    monkeypatch.setattr(lip_frontend, "CHUNK", 4)
    with torch.no_grad():
        torch.testing.assert_close(net(clips), whole.detach())


def test_zero_frames_act_like_the_end() -> None:
    net = LipFrontEnd((4, 4, 4, 4)).eval()
    clip = torch.randn(1, 6, 24, 24)
    padded = torch.cat([clip, torch.zeros(1, 3, 24, 24)], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(net(padded)[:, :6], net(clip))


def test_only_prelu_has_slopes() -> None:
    slopes = [
        sum(name.endswith(("act.weight", "act1.weight", "act2.weight")) for name in net)
        for net in (LipFrontEnd((4,) * 4, kind).state_dict() for kind in ("prelu", "swish"))
    ]
    assert slopes == [17, 0]


def test_one_dimensional_trunk() -> None:
    trunk = ResidualTrunk(3, (4, 6, 8, 10), "swish", dims=1)
    assert trunk(torch.randn(2, 3, 64)).shape == (2, 10, 8)


def test_shape_is_checked() -> None:
    with pytest.raises(ValueError, match="grey clips"):
        LipFrontEnd((4,) * 4)(torch.randn(1, 1, 5, 24, 24))
