"""Losses of Wav2Lip (arXiv 2008.10010, section 3) and of the models trained like it.

The official expert loss is binary cross-entropy on a cosine. It is defined because embeddings
behind a ReLU have none below 0; it is clamped here, since rounding may give 1.0000001.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from zoo.nn.face_windows import expert_input, lower_half
from zoo.nn.modes import mode_of
from zoo.nn.sync_expert import SyncExpert

_EPSILON = 1e-7
_LOUDNESS = (4, 5)  # bands and moments


def cosine_bce(one: Tensor, other: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy on the cosine of unit vectors.

    Args:
        one: (N, C), not negative.
        other: (N, C), not negative.
        labels: (N,) 1 where they belong together, else 0.
    """
    cosine = (one * other).sum(dim=1).float().clamp(_EPSILON, 1 - _EPSILON)
    with torch.autocast(cosine.device.type, enabled=False):
        return F.binary_cross_entropy(cosine, labels.float())


def expert_contrast(sound: Tensor, faces: Tensor, scale: float = 16.0) -> Tensor:
    """Which sound of its clip is this face's, and the other way round?

    A stand-in for `cosine_bce` that gives a small expert a richer gradient. Only windows of one
    clip compete: voices of other clips could be told apart by who it is.

    Args:
        sound: (B, K, C) unit vectors of K windows of each clip.
        faces: (B, K, C) of the same windows.
        scale: inverse temperature.
    """
    logits = scale * faces @ sound.transpose(1, 2)
    right = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1)
    rows, columns = (F.cross_entropy(x, right) for x in (logits, logits.transpose(1, 2)))
    return (rows + columns) / 2


def loudness(mel: Tensor) -> Tensor:
    """Loudness (B, K, 20) of mel windows (B, K, 1, 80, 16): four bands at five moments."""
    return F.adaptive_avg_pool2d(mel[:, :, 0], _LOUDNESS).flatten(2)


def tracking_loss(embedding: Tensor, target: Tensor) -> Tensor:
    """How badly the first coordinates of an embedding follow known numbers.

    What two fresh towers have in common is found slowly by contrast alone; how far the mouth is
    open, or how loud it is, is a place to meet. All is relative to the clip's mean, so that neither
    voice nor looks matter.

    Args:
        embedding: (B, K, C) of K windows of each clip.
        target: (B, K, N), N up to C.

    Returns:
        One minus the correlation, mean over the N numbers.
    """
    own = embedding[..., : target.shape[-1]]
    own, target = ((x - x.mean(dim=1, keepdim=True)).flatten(0, 1) for x in (own, target))
    scale = own.norm(dim=0) * target.norm(dim=0)
    correlation = (own * target).sum(dim=0) / scale.clamp_min(_EPSILON)
    return 1 - torch.as_tensor(correlation).mean()


def sync_loss(
    expert: SyncExpert, mel: Tensor, frames: Tensor, *, batch_statistics: bool = False
) -> Tensor:
    """How far a frozen expert is from believing generated frames.

    Args:
        expert: takes no gradient; its input does.
        mel: (B, 1, 80, 16) of the first frame.
        frames: (B, 5, 3, H, W) BGR in [0, 1].
        batch_statistics: the expert normalises with the batch's statistics and goes on averaging
            them. (The official scripts never put their frozen expert into eval mode.)
    """
    with mode_of(expert, training=batch_statistics):
        sound, faces = expert(mel, expert_input(frames))
        return cosine_bce(sound, faces, faces.new_ones(len(faces)))


def without_gradient(module: nn.Module, *inputs: Tensor) -> Tensor:
    """Call a module whose inputs, but not whose parameters, get a gradient."""
    own = {name: p.detach() for name, p in module.named_parameters()}
    own |= {name: b.detach().clone() for name, b in module.named_buffers()}
    result: Tensor = functional_call(module, own, inputs)
    return result


def perceptual_loss(discriminator: nn.Module, frames: Tensor) -> Tensor:
    """The generator's side: frames (B, T, 3, H, W) should look filmed."""
    logits = without_gradient(discriminator, lower_half(frames).flatten(0, 1))
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def discriminator_loss(discriminator: nn.Module, filmed: Tensor, painted: Tensor) -> Tensor:
    """The discriminator's side, on frames (B, T, 3, H, W) each; `painted` gets no gradient."""
    real, fake = (
        discriminator(lower_half(frames).flatten(0, 1)) for frames in (filmed, painted.detach())
    )
    bce = F.binary_cross_entropy_with_logits
    return bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))


def weighted_l1(painted: Tensor, filmed: Tensor, mouth_weight: float = 0.0) -> Tensor:
    """Mean absolute error of frames (..., 3, H, W).

    Args:
        painted: generated frames.
        filmed: the true ones.
        mouth_weight: extra weight of the mouth's rectangle, `mouth_region`; 0 is the paper's loss,
            in which the mouth hardly counts.
    """
    error = (painted - filmed).abs()
    if mouth_weight == 0:
        return error.mean()
    return error.mean() + mouth_weight * mouth_region(error).mean()


def with_mouth_of(faces: Tensor, others: Tensor) -> Tensor:
    """Faces (..., 3, H, W) with the mouths of others of the same shape."""
    result = faces.clone()
    mouth_region(result).copy_(mouth_region(others))
    return result


def mouth_region(faces: Tensor) -> Tensor:
    """The rectangle (..., 3 H / 8, W / 2) in which a face crop has its mouth."""
    height, width = faces.shape[-2:]
    return faces[..., height // 2 : height * 7 // 8, width // 4 : width * 3 // 4]
