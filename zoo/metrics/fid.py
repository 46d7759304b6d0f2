"""Frechet Inception distance between all generated and all original frames.

One number of a whole set: Gaussians are fitted to the 2048 pooled features of Inception-v3 over the
frames of either side (torchmetrics, with the TensorFlow weights that torch-fidelity carries over).
Every frame counts, as in the papers on talking faces. The number falls with the size of the set, so
only sets of the same size compare, and there is no interval: resampled frames repeat, which alone
raises it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from zoo.metrics.base import Array, Columns, Figure, Row
from zoo.metrics.image import as_frames
from zoo.metrics.judges import official_file
from zoo.metrics.values import MeanMetric, Quantity
from zoo.tasks import VideoLike

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torchmetrics.image.fid import FrechetInceptionDistance

ENTRY: Final = "judge.inception-fid"
_FEATURES: Final = 2048
_FRAMES: Final = 32  # through the network at once


class FID(MeanMetric):
    """Distance of the generated frames from the original ones, as sets.

    Args:
        device: where the judge runs.
    """

    name: ClassVar[str] = "fid"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "Frechet distance of Inception features, all frames against all"
    needs: ClassVar[tuple[str, ...]] = ("video", "reference_video")
    of_set: ClassVar[bool] = True
    unit: ClassVar[str] = "distance"
    higher_is_better: ClassVar[bool | None] = False
    judge: str | None = f"{ENTRY} (Inception-v3, TensorFlow weights of 2015-12-05)"
    requires: tuple[str, ...] = (ENTRY,)

    def __init__(self, device: str | None = None) -> None:
        self.device = device
        self._distance: FrechetInceptionDistance | None = None

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The frames that a sample brings in."""
        return (Quantity("frames", "frames", "frames", None),)

    def available(self) -> str | None:
        """Needs torch-fidelity, which holds the network, and its weights."""
        from zoo.errors import ZooError

        if self._distance is not None:
            return None
        if find_spec("torch_fidelity") is None:
            return "FID needs torch-fidelity; pip install 'avspeech-zoo[metrics]'"
        try:
            official_file(ENTRY)
        except (ZooError, OSError) as error:
            return f"not measured: needs a judge; {str(error).splitlines()[0]}"
        return None

    def setup(self) -> None:
        """Load the judge and begin with no frame."""
        if self._distance is None:
            from torchmetrics.image.fid import NoTrainInceptionV3

            network = NoTrainInceptionV3(
                "inception-v3-compat", [str(_FEATURES)], str(official_file(ENTRY))
            )
            self.use(network, _FEATURES)
        assert self._distance is not None
        self._distance.reset()

    def use(self, network: nn.Module, features: int) -> None:
        """Count with a network that is loaded already: uint8 (B, 3, H, W) to (B, features)."""
        from torchmetrics.image.fid import FrechetInceptionDistance

        network.num_features = features  # type: ignore[assignment]  # where torchmetrics looks
        self._distance = FrechetInceptionDistance(feature=network).to(self.device or "cpu")

    def score_sample(self, prediction: VideoLike, reference: VideoLike) -> dict[str, float]:
        """Add the frames of both to their sets; sizes and numbers of frames may differ."""
        if self._distance is None:
            self.setup()
        assert self._distance is not None
        sides = [(as_frames(prediction), False), (as_frames(reference), True)]
        for frames, real in sides:
            for part in self._parts(frames):
                self._distance.update(part, real=real)
        return {"frames": float(len(sides[0][0]))}

    def _parts(self, frames: Any) -> Sequence[Tensor]:
        import torch

        images = torch.from_numpy(frames).permute(0, 3, 1, 2)
        return [part.to(self.device or "cpu") for part in torch.split(images, _FRAMES)]

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """The distance of everything that was scored since `setup`."""
        value = self._value()

        def reduce(columns: Columns, weights: Array) -> Array:
            return np.full(len(weights), value)

        frames = sum(row.values.get("frames", 0.0) for row in rows)
        return [
            Figure(
                id="fid",
                label="FID",
                unit=self.unit,
                higher_is_better=False,
                aggregator="distance of two sets of frames",
                reduce=reduce,
                columns=("frames/n",),
                count="frames/n",
                resampled=False,
                details={"features": _FEATURES, "generated_frames": int(frames)},
            )
        ]

    def _value(self) -> float:
        """NaN before there are two frames a side."""
        if self._distance is None or min(self._counts()) < 2:
            return float("nan")
        return max(0.0, float(self._distance.compute()))  # rounding may pass below

    def _counts(self) -> tuple[int, int]:
        found: Any = self._distance
        return int(found.real_features_num_samples), int(found.fake_features_num_samples)
