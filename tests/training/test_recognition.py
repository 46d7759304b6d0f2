"""`transcribe` of the recognisers with sub-words: what goes in, what comes out, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.batches import give_subwords, prepare_lmdecoder
from zoo.errors import CheckpointError, ConfigError, MediaError
from zoo.models.avhubert.config import AVHuBERTModelConfig
from zoo.models.avhubert.module import AVHuBERTModel
from zoo.models.lmdecoder.config import LMDecoderConfig
from zoo.models.lmdecoder.module import LMDecoder
from zoo.nn.recognition_loss import END, PAD
from zoo.tasks import Recognizer, Speech, Transcript, Video, implements
from zoo.training import recognition


def clip(frames: int, height: int = 96, width: int = 96) -> torch.Tensor:
    torch.manual_seed(frames)
    return torch.randint(0, 256, (frames, 3, height, width), dtype=torch.uint8)


def made(**changes: Any) -> AVHuBERTModel:
    torch.manual_seed(0)
    model = AVHuBERTModel(
        AVHuBERTModelConfig.preset("tiny_s2s", {"search.beam": 2, **changes})
    ).eval()
    give_subwords(model)
    return model


@pytest.fixture(scope="module")
def model() -> AVHuBERTModel:
    return made()


@pytest.fixture(scope="module")
def lip_reader() -> AVHuBERTModel:
    return made(streams="video")


def test_words_with_confidence_and_time(model: AVHuBERTModel) -> None:
    assert implements(model, Recognizer)
    found = model.transcribe(clip(20), Speech(torch.randn(12_800) * 0.1, 16_000))
    assert isinstance(found, Transcript)
    assert found.text == " ".join(word.text for word in found.words)
    assert all(0 <= word.confidence <= 1 for word in found.words)
    times = [word.start_s for word in found.words]
    assert times == sorted(times) and all(0 <= t <= 0.8 for t in times)
    assert all(word.end_s <= 0.8 + 1e-6 for word in found.words)
    assert found.score < 0


def test_either_stream_may_be_left_out(model: AVHuBERTModel) -> None:
    video, audio = clip(12), torch.randn(12 * 640) * 0.1
    with_both = model.transcribe(video, audio)
    lips, sound = model.transcribe(video), model.transcribe(audio=audio)
    assert len({one.score for one in (with_both, lips, sound)}) == 3  # type: ignore[union-attr]


def test_sound_is_cut_or_filled_to_the_pictures(model: AVHuBERTModel) -> None:
    audio = torch.randn(20 * 640) * 0.1
    long, cut = (model.transcribe(clip(12), part) for part in (audio, audio[: 12 * 640 + 200]))
    assert long.text == cut.text  # type: ignore[union-attr]
    assert model.transcribe(clip(12), audio[:5000])


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_short_clips(model: AVHuBERTModel, frames: int) -> None:
    assert isinstance(model.transcribe(clip(frames)), Transcript)


def test_a_minute_in_pieces_of_little_memory(
    lip_reader: AVHuBERTModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "MAX_FRAMES", 40)
    texts = lip_reader.transcribe([clip(30), clip(45), clip(10), clip(12)])
    assert isinstance(texts, list) and len(texts) == 4
    alone = [lip_reader.transcribe(clip(n)) for n in (30, 45, 10, 12)]
    assert [one.text for one in texts] == [one.text for one in alone]  # type: ignore[union-attr]


def test_fifty_frames_a_second_become_25(lip_reader: AVHuBERTModel) -> None:
    frames = clip(24)
    fast = lip_reader.transcribe(Video(frames, 50.0))
    slow = lip_reader.transcribe(frames[::2])
    assert fast == slow


def test_no_clips_no_texts(lip_reader: AVHuBERTModel) -> None:
    assert lip_reader.transcribe([]) == []


def test_a_list_in_which_one_clip_has_no_sound(model: AVHuBERTModel) -> None:
    sound = torch.randn(12 * 640) * 0.1
    together = model.transcribe([clip(12), clip(12), clip(12)], [sound, None, sound])
    alone = [model.transcribe(clip(12), one) for one in (sound, None)]
    assert isinstance(together, list)
    assert [one.text for one in together] == [alone[0].text, alone[1].text, alone[0].text]  # type: ignore[union-attr]
    with pytest.raises(MediaError, match="clip 1 has neither video nor audio"):
        model.transcribe([clip(12), None], [None, None])


def test_bad_input(model: AVHuBERTModel, lip_reader: AVHuBERTModel) -> None:
    audio = torch.randn(6400)
    with pytest.raises(MediaError, match="nothing to transcribe"):
        model.transcribe()
    with pytest.raises(MediaError, match="2 clips but 1 recordings"):
        model.transcribe([clip(3), clip(3)], [audio])
    with pytest.raises(MediaError, match="reads lips only"):
        lip_reader.transcribe(clip(3), audio)
    with pytest.raises(MediaError, match="reads lips only"):
        lip_reader.transcribe(audio=audio)
    with pytest.raises(MediaError, match="100 samples are too short"):
        model.transcribe(audio=audio[:100])
    with pytest.raises(MediaError, match="no LRS-style face track"):
        model.transcribe(clip(3, 100, 160))
    with pytest.raises(MediaError, match="knows 'en' only, not 'tlh'"):
        model.transcribe(clip(3), language="tlh")


def test_a_pretrained_encoder_has_no_words() -> None:
    pretrained = AVHuBERTModel(AVHuBERTModelConfig.preset("tiny"))
    with pytest.raises(CheckpointError, match=r"has no subwords\.model.*fine-tuned"):
        pretrained.transcribe(clip(3))
    with pytest.raises(ConfigError, match="stage 'iteration9'"):
        AVHuBERTModel(AVHuBERTModelConfig.preset("tiny"), stage="iteration9")


def test_features_of_every_layer(model: AVHuBERTModel) -> None:
    layers = model.config.encoder.num_layers
    found = [model.extract_features(clip(6), output_layer=k) for k in (None, 0, layers)]
    assert all(one.shape == (6, model.config.encoder.hidden_size) for one in found)
    assert not torch.allclose(found[0], found[2], atol=1e-3)


def test_targets_end_and_are_padded(model: AVHuBERTModel) -> None:
    targets = model.targets(["TINA SEES THE SEA", "LEO"])
    lengths = (targets != PAD).sum(1)
    assert lengths[0] == targets.shape[1] > lengths[1]
    assert all(int(row[n - 1]) == END for row, n in zip(targets, lengths))
    decoded = [model.subwords.decode(row.tolist()) for row in targets]
    assert decoded == ["tina sees the sea", "leo"]


def test_validation_counts_words(model: AVHuBERTModel) -> None:
    logged: dict[str, float] = {}
    model.log = lambda name, value, **_: logged.update({name: float(value)})  # type: ignore
    batch = {
        "video": torch.randn(2, 6, 88, 88),
        "video_len": torch.tensor([6, 4]),
        "audio": torch.randn(2, 6 * 640),
        "audio_len": torch.tensor([6 * 640, 4 * 640]),
        "text": ["TINA SEES THE SEA", "LEO"],
        "id": ["a", "b"],
    }
    model.on_validation_epoch_start()
    model.count_errors(batch)
    model.on_validation_epoch_end()
    assert logged["val/wer"] >= 0 and model._errors[1] == 5


def test_units_to_text() -> None:
    torch.manual_seed(0)
    config = LMDecoderConfig.preset("tiny", {"search.beam": 2, "num_units": 10})
    model = LMDecoder(config).eval()
    prepare_lmdecoder(model)
    units = torch.randint(0, 10, (12,))
    several = model.transcribe_units([units, units[:5]])
    alone = model.transcribe_units(units)
    assert isinstance(several, list) and isinstance(alone, Transcript)
    assert several[0].text == alone.text
    assert several[0].score == pytest.approx(alone.score, abs=1e-3)
    with pytest.raises(MediaError, match=r"units 0\.\.10 are not of the inventory 0\.\.9"):
        model.transcribe_units(torch.tensor([0, 10]))
    with pytest.raises(MediaError, match="knows 'es' only"):
        model.transcribe(clip(3), language="en")
    with pytest.raises(ConfigError, match="language 'xx' is not one of"):
        LMDecoderConfig.preset("tiny", {"language": "xx"})
    blind = LMDecoder(config.replace(visual=None)).eval()
    prepare_lmdecoder(blind)
    with pytest.raises(MediaError, match="sees nothing: use `transcribe_units`"):
        blind.transcribe(clip(3))


def test_real_clips(model: AVHuBERTModel, real_root: Path) -> None:
    clips = sorted((real_root / "lrs3" / "test").glob("*/*.mp4"))
    clips = [path for path in clips if not path.stem.endswith("_lip")][:1]
    if not clips:
        pytest.skip("ZOO_REAL: no lrs3 clips")
    found = model.transcribe([str(path) for path in clips], [str(path) for path in clips])
    assert isinstance(found, list) and all(isinstance(one, Transcript) for one in found)
