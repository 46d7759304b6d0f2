"""The multi-target loss of Lip2Speech-Unit (arXiv 2305.19603, equations 1 to 4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.nn.lip_to_units import MELS_A_UNIT, PAD, LipUnits

LABEL_SMOOTHING = 0.1
MEL_WEIGHT = 10.0


@dataclass(frozen=True)
class MultiTargetLoss:
    """Sums over a batch, not yet divided by the number of sentences or labels.

    Attributes:
        units: label-smoothed cross-entropy, summed over labels.
        nll: the same without smoothing.
        mel: absolute difference plus spectral convergence of every sentence.
        correct: labels that were right.
        total: labels.
    """

    units: Tensor
    nll: Tensor
    mel: Tensor
    correct: Tensor
    total: int

    def combined(self, mel_weight: float = MEL_WEIGHT) -> Tensor:
        """What is trained on.

        Units weigh as a sum over frames and the mel as a mean: so it is published.
        """
        return self.units + mel_weight * self.mel


def multi_target_loss(
    output: LipUnits,
    labels: Tensor,
    mel: Tensor,
    *,
    smoothing: float = LABEL_SMOOTHING,
    per_label: bool = False,
) -> MultiTargetLoss:
    """Loss of a batch.

    Args:
        output: of the first stage.
        labels: (B, L) int64 of specials and units, filled up with `PAD`.
        mel: (B, M, num_mels) natural log; four frames count for every valid frame of video, as
            far as this tensor goes.
        smoothing: probability mass that the other labels share.
        per_label: weigh every sentence's mel by its frames, for a loss that is divided by the
            number of labels and not by that of sentences.
    """
    length = min(output.logits.shape[1], labels.shape[1])
    log_probs = output.logits[:, :length].float().log_softmax(-1)
    labels = labels[:, :length]
    valid = labels != PAD
    nll = -log_probs.gather(-1, labels.unsqueeze(-1)).squeeze(-1)[valid].sum()
    spread = -log_probs.sum(-1)[valid].sum()
    share = smoothing / (log_probs.shape[-1] - 1)
    return MultiTargetLoss(
        units=(1 - smoothing - share) * nll + share * spread,
        nll=nll,
        mel=_mel_loss(output, mel, per_label=per_label),
        correct=(log_probs.argmax(-1) == labels)[valid].sum(),
        total=int(valid.sum()),
    )


def _mel_loss(output: LipUnits, mel: Tensor, *, per_label: bool) -> Tensor:
    frames = min(output.mel.shape[1], mel.shape[1])
    made, real = output.mel[:, :frames].float(), mel[:, :frames]
    ends = (output.mask.sum(1) * MELS_A_UNIT).clamp(max=frames)
    valid = torch.arange(frames, device=made.device) < ends[:, None]
    difference = (made - real) * valid.unsqueeze(-1)
    absolute = difference.abs().mean(-1).sum(1) / ends
    size = (real * valid.unsqueeze(-1)).flatten(1).norm(dim=1)
    sentence = absolute + difference.flatten(1).norm(dim=1) / size
    total: Tensor = (sentence * ends).sum() if per_label else sentence.sum()
    return total
