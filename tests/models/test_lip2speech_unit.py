"""Lip2Speech-Unit: both stages of training, voices, lengths, augmentation and bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.make_media import tone, write_clip
from tests.models.batches import lip2speech_config
from tests.models.speech_training import last_checkpoint, train, unit_source, voice_source
from zoo.data.lip_speech import LipSpeechDataModule
from zoo.data.mouths import Mouths
from zoo.data.speech_targets import SpeechTargets
from zoo.data.unit_crops import UnitCrops
from zoo.errors import CheckpointError, ConfigError, MediaError
from zoo.hub.load import from_pretrained
from zoo.models.av_relscore.config import AVRelScoreConfig
from zoo.models.av_relscore.module import AVRelScore
from zoo.models.ge2e.config import GE2EConfig
from zoo.models.ge2e.module import SpeakerEncoder
from zoo.models.lip2speech_unit.augmentation import (
    augment_video,
    erased_rectangle,
    mask_time,
    spoil_mel,
)
from zoo.models.lip2speech_unit.config import (
    FirstStageTraining,
    Lip2SpeechUnitConfig,
    MelAugmentation,
)
from zoo.models.lip2speech_unit.module import Lip2SpeechUnit
from zoo.models.mel_vocoder.config import MelVocoderConfig
from zoo.models.mel_vocoder.module import MelVocoder
from zoo.models.unit_vocoder.config import UnitVocoderConfig
from zoo.models.unit_vocoder.module import UnitVocoder
from zoo.nn.units import Units
from zoo.tasks import Speech, Video
from zoo.training.export import weights_of
from zoo.video.mouth_input import eval_input, to_grey


def build(**changes: Any) -> Lip2SpeechUnit:
    torch.manual_seed(0)
    model = Lip2SpeechUnit(lip2speech_config().replace(**changes)).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("original0"):  # the small weights of the start let nothing through
            parameter.data.mul_(20)
    return model


def mouths(frames: int) -> torch.Tensor:
    return torch.randint(0, 256, (frames, 3, 96, 96), dtype=torch.uint8)


@pytest.fixture(scope="module")
def model() -> Lip2SpeechUnit:
    one = build()
    one.mean_speaker.fill_(1 / 16)
    return one


def test_both_stages_train_by_one_command(
    talkers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units, voices = unit_source(tmp_path / "units"), voice_source(tmp_path / "voices")
    small = lip2speech_config()
    sizes = {"num_units": 6, "speaker_size": 64}
    values = {
        "unit_source": units,
        "speaker_source": voices,
        "first": json.dumps(small.first.replace(**sizes).to_dict()),
        "vocoder": json.dumps(small.vocoder.replace(**sizes).to_dict()),
        "first_training.batch_size": 2,
        "training.batch_size": 2,
        "training.crop_samples": 6400,
        "training.gan_start": 2,
        "lips_source": "null",
        "trunk_source": "null",
    }
    flags = [w for k, v in values.items() for w in (f"--model.config.{k}", str(v))]
    words = (*flags, "--data.eval_samples", "6400", "--max_steps", "4")
    folder = train(Lip2SpeechUnit, talkers, tmp_path / "o", *words)
    state = last_checkpoint(tmp_path / "o" / "vocoder")
    assert len(state["optimizer_states"]) == 2
    trained = from_pretrained(folder)
    first = from_pretrained(tmp_path / "o" / "units" / "model")
    ours, theirs = trained.first.state_dict(), first.first.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours), "stage 2 leaves stage 1 alone"
    assert not torch.equal(trained.vocoder.fc.weight, first.vocoder.fc.weight)
    assert float(trained.mean_speaker.norm()) == pytest.approx(1.0, abs=1e-5)
    assert trained.synthesize(mouths(5)).waveform.shape == (5 * 640,)

    heard: list[dict[int, Any]] = []
    monkeypatch.setattr(UnitCrops, "hear", lambda self, said: heard.append(said))
    again = ("--stage", "vocoder", "--init", str(folder), "--model.config.vocoder_hears")
    train(Lip2SpeechUnit, talkers, tmp_path / "again", *words, *again, "predictions")
    mel, own = heard[0][0]
    assert mel.shape == (2 * len(own), 80) and int(own.max()) < 6
    clip = LipSpeechDataModule(
        str(talkers), **{**trained_on(trained), "unit_source": str(units)}
    ).clips("train", train=False)[0]
    with torch.no_grad():
        said = trained.first(clip["video"][None], clip["speaker"][None])
    assert torch.allclose(said.mel[0], mel, atol=1e-5)


def trained_on(model: Lip2SpeechUnit) -> dict[str, Any]:
    window = model.config.window
    return {
        "speaker_source": model.config.speaker_source,
        **{name: getattr(window, name) for name in ("mouths", "size", "row", "column")},
    }


def test_crops_hear_what_they_are_told() -> None:
    sound = [{"audio": torch.randn(3200), "id": str(k)} for k in range(2)]
    units = tuple(torch.full((10,), k) for k in range(2))
    targets = SpeechTargets(units, torch.zeros(2, 4))
    crops = UnitCrops(sound, targets, 1600, "tacotron16k", train=False)  # type: ignore[arg-type]
    before = [crops[k] for k in range(2)]
    crops.hear({1: (torch.full((20, 80), 7.0), torch.full((10,), 5))})
    assert torch.equal(crops[0]["mel"], before[0]["mel"])
    assert bool((crops[1]["mel"] == 7).all()) and crops[1]["units"].tolist() == [5] * 5
    assert torch.equal(crops[1]["wav"], before[1]["wav"])


def test_the_lips_start_from_a_recogniser(tmp_path: Path) -> None:
    torch.manual_seed(1)
    recogniser = AVRelScore(AVRelScoreConfig.preset("tiny", {"scoring": False})).eval()
    widths = recogniser.config.input.video_widths
    source = recogniser.save_pretrained(tmp_path / "recogniser")
    model = build(**{"first.stem_widths": widths, "lips_source": str(source)})
    model.initialise_pretrained()
    video = torch.randn(1, 4, 48, 48)
    with torch.no_grad():
        theirs = recogniser.network.video_front_end.eval()(video)
        assert torch.equal(model.first.lips(video), theirs)
    with pytest.raises(ConfigError, match="other sizes"):
        build(
            **{"lips_source": str(source), "first.stem_widths": (8, 8, 8, 8)}
        ).initialise_pretrained()
    whole = Lip2SpeechUnit(Lip2SpeechUnitConfig.tiny().replace(lips_source=str(source))).eval()
    whole.initialise_pretrained()
    with torch.no_grad():
        read = recogniser.network.encode(video, None).states
        found = whole.first(video, torch.randn(1, 256)).logits[:, ::2]
        assert torch.allclose(found, whole.first.unit_head(read), atol=1e-5)
    judge = SpeakerEncoder(GE2EConfig.tiny()).save_pretrained(tmp_path / "voices")
    with pytest.raises(ConfigError, match="no visual front-end"):
        build(lips_source=str(judge)).initialise_pretrained()


def test_the_vocoder_starts_from_a_mel_vocoder(tmp_path: Path) -> None:
    torch.manual_seed(1)
    sizes = {"istft.width": 32, "istft.num_blocks": 2}
    speaks = MelVocoder(MelVocoderConfig.preset("tiny", sizes)).eval()
    source = str(speaks.save_pretrained(tmp_path / "mel"))
    wider = MelVocoder(MelVocoderConfig.preset("tiny", {"istft.width": 48}))
    painted = MelVocoder(MelVocoderConfig.preset("tiny_hifigan", {"hifigan.channels": 16}))

    def started(folder: str) -> Lip2SpeechUnit:
        changes = {"trunk_source": folder, "vocoder.guesses_mel": False}
        model = Lip2SpeechUnit(lip2speech_config().replace(**changes), stage="vocoder").eval()
        model.mean_speaker.fill_(0.1)
        model.setup("fit")
        return model

    units, mel, voice = torch.randint(0, 100, (2, 4)), torch.randn(2, 80, 8), torch.randn(2, 256)
    vocoder = started(source).vocoder
    assert torch.allclose(vocoder(units, mel, voice), speaks(mel), atol=1e-6)
    vocoder(units, mel, voice).square().sum().backward()
    assert vocoder.generator.conv_pre.weight.grad[:, 80:].any(), "the units can be learned"
    deeper = MelVocoder(MelVocoderConfig.preset("tiny", {**sizes, "istft.num_blocks": 3})).eval()
    first = started(str(deeper.save_pretrained(tmp_path / "deeper"))).vocoder.generator
    for own, theirs in zip(first.blocks, deeper.network.blocks):
        assert torch.equal(own.up.weight, theirs.up.weight)
    for other, said in ((wider, "same sizes"), (painted, "inverse-STFT")):
        with pytest.raises(ConfigError, match=said):
            started(str(other.save_pretrained(tmp_path / said)))


def test_the_vocoder_starts_from_a_unit_vocoder(tmp_path: Path) -> None:
    torch.manual_seed(1)
    sizes = {"network.istft.width": 32, "network.istft.num_blocks": 2}
    speaks = UnitVocoder(UnitVocoderConfig.preset("tiny_km200", sizes)).eval()
    source = str(speaks.save_pretrained(tmp_path / "units", dtype="float32"))
    model = Lip2SpeechUnit(lip2speech_config().replace(trunk_source=source), stage="vocoder").eval()
    model.mean_speaker.fill_(0.1)
    model.setup("fit")
    units, voice = torch.randint(0, 200, (2, 4)), torch.rand(2, 256)
    made = model.vocoder(units, torch.randn(2, 80, 8), voice)
    assert torch.allclose(made, speaks.network(units, speaker=voice).waveform, atol=1e-5)
    model.vocoder(units, torch.randn(2, 80, 8), voice).square().sum().backward()
    assert model.vocoder.generator.conv_pre.weight.grad[:, :80].any(), "the mel can be learned"
    told = UnitVocoder(speaks.config.replace(**{"network.f0": "optional"})).eval()
    torch.nn.init.ones_(told.network.generator.depth.bias)
    model.vocoder.start_from_units(told.network)
    made = model.vocoder(units, torch.randn(2, 80, 8), voice)
    alone = told.network(units, speaker=voice).waveform
    assert torch.allclose(made, alone, atol=1e-5), "of one that may be told the pitch likewise"
    differ = ({"num_units": 100}, {"istft.width": 48}, {"speaker": "id"}, {"context": None})
    for changes in differ:
        other = UnitVocoder(
            speaks.config.replace(**{f"network.{key}": value for key, value in changes.items()})
        )
        with pytest.raises(ConfigError, match="same units"):
            model.vocoder.start_from_units(other.network)


def test_a_first_stage_starts_from_one_of_other_units(tmp_path: Path) -> None:
    sizes = {"first.num_units": 30, "vocoder": None}
    known = build(**sizes).save_pretrained(tmp_path / "known", dtype="float32")
    model = build()
    head = model.first.unit_head.weight.detach().clone()
    weights_of(str(known)).copy_into(model)
    kept = from_pretrained(known).first.mel_head.weight
    assert torch.equal(model.first.mel_head.weight, kept)
    assert torch.equal(model.first.unit_head.weight, head)
    wider = build(**{"first.conformer.ffn_size": 96})
    with pytest.raises(CheckpointError, match="does not fit the model"):
        weights_of(str(known)).copy_into(wider)


def test_released_vocoders_correct_no_mel() -> None:
    with pytest.raises(ConfigError, match="set istft"):
        build(**{"vocoder.istft": None})


def test_training_sees_the_part_that_use_sees(tmp_path: Path) -> None:
    window = build().config.window
    clip = write_clip(tmp_path / "clip.mp4", frames=4, size=(224, 224))
    seen = Mouths().window(clip, clip.name, window)
    used = window.model_input(window.crops(clip, "avhubert"))
    assert torch.equal(eval_input(seen, window.size), used)
    assert used.shape[1:] == (48, 48)


@pytest.mark.parametrize("frames", [1, 2, 40])
def test_a_frame_of_video_gives_640_samples(model: Lip2SpeechUnit, frames: int) -> None:
    speech = model.synthesize(mouths(frames))
    assert speech.sample_rate == 16_000
    assert speech.waveform.shape == (640 * frames,)
    assert bool(speech.waveform.isfinite().all())


def test_over_avhubert_too() -> None:
    encoder = Lip2SpeechUnitConfig.tiny_avhubert().first.avhubert
    encoder = encoder.replace(stem_widths=(8, 8, 16, 16), num_layers=1)
    small = lip2speech_config().replace(**{"first.avhubert": encoder.to_dict()})
    model = Lip2SpeechUnit(small, stage="units")
    assert not any(p.requires_grad for p in model.first.lips.parameters())
    assert not model.train().first.lips.training
    free = Lip2SpeechUnit(small.replace(**{"first_training.freeze_avhubert": False}), stage="units")
    assert all(p.requires_grad for p in free.first.lips.parameters())
    made = free.eval().synthesize(mouths(4), torch.ones(256))
    assert made.waveform.shape == (4 * 640,)


def test_the_voice_may_be_a_vector_a_recording_or_the_mean(model: Lip2SpeechUnit) -> None:
    clip = mouths(6)
    other = torch.rand(256)
    by_mean = model.synthesize(clip).waveform
    by_vector = model.synthesize(clip, other).waveform
    assert not torch.equal(by_mean, by_vector)
    assert torch.equal(by_mean, model.synthesize(clip, 3 * model.mean_speaker).waveform)
    torch.manual_seed(0)
    encoder = SpeakerEncoder(GE2EConfig.tiny().replace(embedding_size=256)).eval()
    model.use(speaker_encoder=encoder)
    recording = Speech(torch.from_numpy(tone(2.0, 16_000)), 16_000)
    by_recording = model.synthesize(clip, recording).waveform
    vector = model.voice(recording)
    assert vector.shape == (256,)
    assert torch.allclose(by_recording, model.synthesize(clip, vector).waveform, atol=2e-5)
    with pytest.raises(MediaError, match="silent"):
        model.synthesize(clip, torch.zeros(16_000))
    # units are read from the lips alone
    reading = [model.read(torch.randn(5, 48, 48).fill_(0.3), v) for v in (vector, other)]
    assert torch.equal(reading[0].units, reading[1].units)
    assert not torch.equal(reading[0].mel, reading[1].mel)


def test_without_a_mean_the_clip_speaks_in_its_own_voice() -> None:
    model = build()
    torch.manual_seed(0)
    model.use(speaker_encoder=SpeakerEncoder(GE2EConfig.tiny().replace(embedding_size=256)).eval())
    own = Speech(torch.from_numpy(tone(1.0, 16_000)), 16_000)
    film = Video(mouths(6), 25.0, own)
    found = model.synthesize(film).waveform
    assert torch.equal(found, model.synthesize(mouths_of(film), own).waveform)
    with pytest.raises(MediaError, match="whose voice"):
        model.synthesize(mouths(6))


def mouths_of(film: Video) -> torch.Tensor:
    return film.frames


def test_one_voice_or_one_for_each_clip(model: Lip2SpeechUnit) -> None:
    clips = [mouths(3), mouths(4)]
    voices = [torch.rand(256), torch.rand(256)]
    made = model.synthesize(clips, voices)
    for clip, voice, speech in zip(clips, voices, made, strict=True):
        assert torch.allclose(speech.waveform, model.synthesize(clip, voice).waveform, atol=1e-5)
    with pytest.raises(MediaError, match="2 clips but 1 voices"):
        model.synthesize(clips, voices[:1])


def test_a_first_stage_alone_borrows_a_vocoder(model: Lip2SpeechUnit, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "vocoder")
    config = lip2speech_config().replace(vocoder=None, vocoder_source=str(tmp_path / "vocoder"))
    alone = Lip2SpeechUnit(config).eval()
    alone.first.load_state_dict(model.first.state_dict())
    clip = mouths(5)
    found = alone.synthesize(clip, model.mean_speaker).waveform
    assert torch.allclose(found, model.synthesize(clip).waveform, atol=1e-5)
    assert not any(key.startswith("vocoder") for key in alone.state_dict())
    wrong = SpeakerEncoder(GE2EConfig.tiny()).save_pretrained(tmp_path / "wrong")
    lost = Lip2SpeechUnit(config.replace(vocoder_source=str(wrong))).eval()
    with pytest.raises(CheckpointError, match="holds no vocoder"):
        lost.synthesize(clip, model.mean_speaker)
    vocoder = Lip2SpeechUnit(lip2speech_config().replace(first=None)).eval()
    with pytest.raises(ConfigError, match="cannot read lips"):
        vocoder.synthesize(clip, model.mean_speaker)


def test_a_mel_vocoder_speaks_the_mel_alone(model: Lip2SpeechUnit, tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = {"istft.width": 32, "istft.num_blocks": 1, "istft.ffn_size": 32}
    voice = MelVocoder(MelVocoderConfig.preset("tiny", small)).eval()
    source = str(voice.save_pretrained(tmp_path / "voice"))
    config = model.config.replace(vocoder=None, vocoder_source=source)
    alone = Lip2SpeechUnit(config).eval()
    alone.first.load_state_dict(model.first.state_dict())
    film, vector = mouths(5), model.mean_speaker
    with torch.inference_mode():  # the vocoder may be loaded where nothing is counted
        made = alone.synthesize(film, vector).waveform
    reading = model.read(model.config.window.model_input(to_grey(film)), vector)
    assert torch.allclose(made, voice.vocode(reading.mel.T).waveform, atol=1e-5)
    assert made.shape == alone.synthesize(film, vector).waveform.shape == (5 * 640,)
    name = "hifigan22k"
    alone.use(vocoder=MelVocoder(voice.config.replace(front_end=name, **{"istft.front_end": name})))
    with pytest.raises(CheckpointError, match="speaks hifigan22k mels"):
        alone.synthesize(film, vector)


def test_a_unit_vocoder_speaks_the_units_alone(model: Lip2SpeechUnit, tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = {"network.istft.width": 32, "network.istft.num_blocks": 1}
    voice = UnitVocoder(UnitVocoderConfig.preset("tiny_km200", small)).eval()
    source = str(voice.save_pretrained(tmp_path / "voice", dtype="float32"))
    alone = Lip2SpeechUnit(model.config.replace(vocoder=None, vocoder_source=source)).eval()
    alone.first.load_state_dict(model.first.state_dict())
    film, vector = mouths(5), torch.nn.functional.normalize(torch.rand(256), dim=0)
    made = alone.synthesize(film, vector).waveform
    reading = model.read(model.config.window.model_input(to_grey(film)), vector)
    spoken = voice.vocode(Units(reading.units, 50.0), speaker=vector).waveform
    assert torch.allclose(made, spoken, atol=1e-5) and made.shape == (5 * 640,)
    assert not torch.allclose(made, alone.synthesize(film, vector.flip(0)).waveform, atol=1e-5)
    for changes in ({"unit_source": "hubert_units.tiny"}, {"network.speaker": "id"}):
        alone.use(vocoder=UnitVocoder(voice.config.replace(**changes)))
        with pytest.raises(CheckpointError, match="this model reads units of"):
            alone.synthesize(film, vector)


@pytest.mark.parametrize("samples", [16_000, 16_000 + 123, 16_000 - 7])
def test_a_recording_comes_back_as_long_as_it_was(samples: int, tmp_path: Path) -> None:
    units, voices = unit_source(tmp_path / "units"), voice_source(tmp_path / "voices")
    sizes = {"first.speaker_size": 64, "vocoder.speaker_size": 64}
    model = build(unit_source=str(units), speaker_source=str(voices), **sizes)
    speech = torch.from_numpy(tone(samples / 16_000, 16_000)).float()
    made = model.resynthesize(Speech(speech, 16_000)).waveform
    assert made.shape == speech.shape and bool(made.isfinite().all())
    assert not torch.equal(made, model.resynthesize(Speech(speech.flip(0), 16_000)).waveform)


def test_the_mel_can_be_spoken_without_a_network(model: Lip2SpeechUnit) -> None:
    plain = model.ablated("griffin-lim")
    film = mouths(6)
    made, usual = plain.synthesize(film).waveform, model.synthesize(film).waveform
    assert made.shape == usual.shape and not torch.equal(made, usual)
    assert torch.equal(usual, model.synthesize(film).waveform), "the model itself is unchanged"
    with pytest.raises(ConfigError, match="griffin-lim"):
        model.ablated("audio-zeroed")


def test_clips_that_cannot_be_used_are_refused(model: Lip2SpeechUnit, tmp_path: Path) -> None:
    wide = write_clip(tmp_path / "wide.mp4", size=(128, 72))
    with pytest.raises(MediaError, match="landmarks"):
        model.synthesize(wide)
    with pytest.raises(MediaError, match=r"none\.mp4"):
        model.synthesize(tmp_path / "none.mp4")
    silent = write_clip(tmp_path / "silent.mp4", size=(96, 96), frames=5)
    assert model.synthesize(silent).waveform.shape == (5 * 640,)
    with pytest.raises(MediaError, match="whose voice"):
        build().synthesize(silent)
    with pytest.raises(ConfigError, match="do not agree"):
        lip2speech_config().replace(**{"first.num_units": 7})
    with pytest.raises(ConfigError, match="nothing is left"):
        Lip2SpeechUnitConfig(first=None, vocoder=None)


def test_erased_rectangles_lie_inside() -> None:
    torch.manual_seed(0)
    areas = []
    for _ in range(200):
        top, left, height, width = erased_rectangle(88, 88)
        assert top >= 0 and left >= 0 and top + height <= 88 and left + width <= 88
        areas.append(height * width / 88**2)
    assert min(areas) > 0.01
    assert max(areas) < 0.36
    top, left, height, width = erased_rectangle(88, 60, to_the_corner=True)
    assert (top + height, left + width) == (88, 60)


def test_time_masks_come_once_a_second() -> None:
    torch.manual_seed(0)
    for frames in (1, 10, 60):
        clip = torch.ones(frames, 2, 2)
        mask_time(clip, frames, 10)
        hidden = int((clip[:, 0, 0] == 0).sum())
        assert hidden <= 10 * max(1, round(frames / 25))
        assert hidden < frames
    settings = FirstStageTraining(erase=0.0, time_mask_frames=0)
    video = torch.randn(2, 5, 8, 8)
    assert torch.equal(augment_video(video, torch.tensor([5, 3]), settings), video)
    erased = augment_video(video, torch.tensor([5, 3]), FirstStageTraining(erase=1.0))
    assert not torch.equal(erased, video)
    assert torch.equal(erased[1, 3:], video[1, 3:]), "padding is left as it is"


def test_spoilt_mels_are_blurred_like_torchvision_and_noisy() -> None:
    from torchvision.transforms.v2.functional import gaussian_blur

    mel = torch.randn(2, 20, 30)
    settings = MelAugmentation(blur_kernel=9, blur_sigma=(0.7, 0.7), noise=0.0)
    expected = gaussian_blur(mel.unsqueeze(1), [9, 9], [0.7, 0.7]).squeeze(1)
    assert torch.allclose(spoil_mel(mel, settings), expected, atol=1e-5)
    noisy = spoil_mel(torch.zeros(2, 80, 200), MelAugmentation())
    assert float(noisy.std()) == pytest.approx(1.0, abs=0.05)
