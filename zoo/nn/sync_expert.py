"""The sync expert of Wav2Lip (arXiv 2008.10010, section 3.1): do five mouths and 0.2 s of sound
belong together?

Its face tower also makes the lip encoder of SyncTalkFace (arXiv 2211.00924) and of CALS.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from zoo.nn.wav2lip import AudioEncoder, ConvBlock, coarsest, residuals

WINDOW = 5
"""Video frames in a window."""
_HALVINGS = 5
_OFFICIAL_SIZE = 96


class FaceTower(nn.Sequential):
    """Lower halves of five frames (N, 15, S / 2, S) -> (N, C, 1, 1), not negative.

    Args:
        channels: five widths; the last one is that of the embedding.
        image_size: side S of the whole face.
    """

    def __init__(self, channels: Sequence[int], image_size: int = _OFFICIAL_SIZE) -> None:
        first, second, third, fourth, last = channels
        # parity: the official layer pads one pixel too few and makes maps of 46 x 47; only the
        # size of the released weights keeps that
        margin = 1 if image_size == _OFFICIAL_SIZE else 2
        super().__init__(
            ConvBlock(3 * WINDOW, first, kernel=7, padding=3),
            ConvBlock(first, second, kernel=5, stride=(1, 2), padding=margin),
            *residuals(second, 2),
            ConvBlock(second, third, stride=2),
            *residuals(third, 3),
            ConvBlock(third, fourth, stride=2),
            *residuals(fourth, 2),
            ConvBlock(fourth, last, stride=2),
            *residuals(last, 2),
            ConvBlock(last, last, stride=2),
            ConvBlock(last, last, kernel=coarsest(image_size, _HALVINGS), padding=0),
            ConvBlock(last, last, kernel=1, padding=0),
        )


class SyncExpert(nn.Module):
    """Both towers; their embeddings have length one and no negative coordinate.

    Args:
        face_channels: five widths of the face tower.
        audio_channels: five widths of the audio encoder; the last one must be the same.
        image_size: side of the whole face.
    """

    def __init__(
        self,
        face_channels: Sequence[int],
        audio_channels: Sequence[int],
        image_size: int = _OFFICIAL_SIZE,
    ) -> None:
        super().__init__()
        self.face_encoder = FaceTower(face_channels, image_size)
        self.audio_encoder = AudioEncoder(audio_channels, deep=True)

    def embed_audio(self, mel: Tensor) -> Tensor:
        """Mel windows (N, 1, 80, 16) -> (N, C)."""
        return F.normalize(self.audio_encoder(mel).flatten(1), dim=1)

    def embed_faces(self, windows: Tensor) -> Tensor:
        """Lower halves of five frames, (N, 15, S / 2, S) BGR in [0, 1] -> (N, C)."""
        return F.normalize(self.face_encoder(windows).flatten(1), dim=1)

    def forward(self, mel: Tensor, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (N, C) of sound and of faces."""
        return self.embed_audio(mel), self.embed_faces(windows)
