"""A stage as a LightningCLI: what the flags and links give the model and its data."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from zoo.hub.module import ZooModule
from zoo.models.avhubert.module import AVHuBERTModel
from zoo.models.lip2speech_unit.module import Lip2SpeechUnit
from zoo.models.mel_vocoder.module import MelVocoder
from zoo.models.wav2lip_syncnet.module import Wav2Lip
from zoo.training.cli import StageCLI


def stage(folder: Path, model: type[ZooModule], name: str, *flags: str) -> StageCLI:
    config = model.Config.preset("tiny")
    recipe = model.recipe(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return StageCLI(
            model,
            recipe,
            recipe.stage(name),
            config=config,
            data_root=folder,
            folder=folder / "out",
            seed=1,
            arguments=["--trainer.accelerator", "cpu", *flags],
        )


@pytest.mark.parametrize(
    ("model", "name"),
    [(Lip2SpeechUnit, "units"), (MelVocoder, "vocoder"), (AVHuBERTModel, "iteration1")],
)
def test_presets_reach_the_model_as_they_are(
    tmp_path: Path, model: type[ZooModule], name: str
) -> None:
    """Also parts that may be None, parts within them, tuples, and a field called `kind`."""
    assert stage(tmp_path, model, name).model.config == model.Config.preset("tiny")


def test_a_value_has_one_home(tmp_path: Path) -> None:
    flag = "--model.config.expert_training.guide"
    changed = stage(tmp_path, Wav2Lip, "expert", flag, "loudness")
    assert changed.model.config.expert_training.guide == "loudness"
    assert not changed.datamodule.shape.mouth, "the data follow the stage's own setting"
    painting = stage(tmp_path, Wav2Lip, "generator", flag, "loudness")
    assert painting.datamodule.shape.mouth, "and not that of another stage"
