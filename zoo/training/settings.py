"""Hyper-parameters that trainings share; a model says its values and adds what is its own."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.hub.config import ZooConfig


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings(ZooConfig):
    """A learning rate that grows first."""

    lr: float
    """Peak learning rate of Adam."""
    warmup_steps: int
    """Steps of linear growth."""
    total_steps: int
    """Optimizer steps, the decay included."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(ScheduleSettings):
    """What a training needs besides."""

    batch_size: int
    """Examples in a global batch."""
    gradient_clip: float
    """Limit of the gradient norm."""


@dataclass(frozen=True, kw_only=True)
class DecayedTrainingSettings(TrainingSettings):
    """The same with weight decay."""

    weight_decay: float
    """Weight decay of the optimizer."""


@dataclass(frozen=True, kw_only=True)
class RecogniserSettings(ScheduleSettings):
    """fairseq's fine-tuning of recognisers: growth, plateau and decay; a hybrid loss."""

    warmup_steps: int
    """Steps of linear growth from a hundredth."""
    hold_steps: int = 0
    """Steps at the peak."""
    decay_steps: int
    """Steps of exponential decay to a twentieth."""
    label_smoothing: float = 0.1
    """Probability spread over the wrong tokens."""
    ctc_weight: float = 0.0
    """Share of CTC in the loss, where there is a CTC head."""


@dataclass(frozen=True, kw_only=True)
class LipReaderSettings(RecogniserSettings, TrainingSettings):
    """Training of a lip reader on top of AV-HuBERT; the defaults are what its successors share."""

    lr: float = 1e-3
    total_steps: int = 60_000
    batch_size: int = 32
    """Utterances in a global batch."""
    max_seconds: float = 20.0
    """Longer utterances are left out of training."""
    gradient_clip: float = 10.0
    label_share: float = 1.0
    """Share of the training utterances that have a text, for learning from few."""
