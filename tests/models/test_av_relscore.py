"""What is particular to AV-RelScore: missing streams, reliability, corruption, bad input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from tests.models.batches import av_relscore_batch, av_relscore_config, clips
from zoo.data.corpora import make
from zoo.errors import CheckpointError, ConfigError, DataError, MediaError
from zoo.hub.load import from_pretrained
from zoo.models.av_relscore import alphabet, official
from zoo.models.av_relscore.augmentation import Corruption
from zoo.models.av_relscore.config import AugmentationConfig, AVRelScoreConfig, InputConfig
from zoo.models.av_relscore.data import RelScoreDataModule, ShortFirst
from zoo.models.av_relscore.front_ends import fill_front_end
from zoo.models.av_relscore.inputs import audio_input
from zoo.models.av_relscore.module import AVRelScore, rate
from zoo.models.char_lm.module import CharLM, CharLMConfig
from zoo.nn.decoding.language_model import LanguageModelConfig
from zoo.tasks import Speech, Video


def small(stage: Literal["recognition"] | None = None, **changes: Any) -> AVRelScore:
    torch.manual_seed(0)
    config = av_relscore_config().replace(**changes)
    assert isinstance(config, AVRelScoreConfig)
    return AVRelScore(config, stage).eval()


@pytest.fixture(scope="module")
def model() -> AVRelScore:
    return small()


def both(batch: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    return batch["video"], batch["audio"], batch["video_len"]


def alone(model: AVRelScore, batch: dict[str, Any]) -> Iterator[tuple[Tensor, int, int]]:
    for row, frames in enumerate(batch["video_len"].tolist()):
        video = batch["video"][row : row + 1, :frames]
        audio = batch["audio"][row : row + 1, : 640 * frames]
        yield model.network.encode(video, audio).states[0], row, frames


WAVEFORM = {"input.sound": "waveform", "input.audio_widths": (8, 8, 8, 8)}
WAVEFORM |= {"input.video_widths": (4, 4, 4, 8)}


@pytest.mark.parametrize("sound", [{}, WAVEFORM, {"order": "behind"}])
@torch.no_grad()
def test_with_masks_a_clip_does_not_depend_on_its_batch(sound: dict[str, Any]) -> None:
    model = small(**sound)
    batch = av_relscore_batch(model.config)
    batch["audio"][torch.arange(20 * 640) >= 640 * batch["video_len"][:, None]] = 0
    together = model.network.encode(*both(batch)).states
    for states, row, frames in alone(model, batch):
        assert torch.allclose(together[row, :frames], states, atol=1e-4)


@torch.no_grad()
def test_as_published_it_does() -> None:
    model = small(mask_padding=False, **{"encoder.mask_convolution": False})
    batch = av_relscore_batch(model.config)
    together = model.network.encode(*both(batch)).states
    states, row, frames = min(alone(model, batch), key=lambda one: one[2])
    assert not torch.allclose(together[row, :frames], states, atol=1e-3)


@torch.no_grad()
def test_a_stream_that_is_dropped_in_training_is_as_if_it_were_not_given(model: AVRelScore) -> None:
    batch = av_relscore_batch(model.config)
    batch["audio"][torch.arange(20 * 640) >= 640 * batch["video_len"][:, None]] = 0
    encoded = model._encode_batch(batch).states
    lengths = batch["video_len"]
    without_sound = model.network.encode(batch["video"], None, lengths).states
    without_video = model.network.encode(None, batch["audio"], lengths).states
    assert batch["present"].tolist()[1:3] == [[True, False], [False, True]]
    assert torch.allclose(encoded[1, : lengths[1]], without_sound[1, : lengths[1]], atol=1e-4)
    assert torch.allclose(encoded[2, : lengths[2]], without_video[2, : lengths[2]], atol=1e-4)


@torch.no_grad()
def test_interleaved_sound_stands_beside_its_frame() -> None:
    model = small(order="interleaved", **{"encoder.num_layers": 1})
    seen, heard = torch.randn(2, 6, 96), torch.randn(2, 6, 96)
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    joined, valid, _ = model.network._join(seen, heard, mask)
    assert torch.equal(joined[:, 0::2], seen) and torch.equal(joined[:, 1::2], heard)
    assert valid is not None and valid.sum(dim=1).tolist() == [12, 8]
    fused = model.network.fuse(seen, heard, mask).states
    heard[0, 2] += 1
    changed = (model.network.fuse(seen, heard, mask).states - fused).abs().amax(dim=2)
    assert changed.shape == (2, 6) and float(changed[0].min()) > 0 == float(changed[1].max())


def test_known_mouths_teach_the_visual_front_end_alone() -> None:
    model = small("recognition", **{"training.mouth_weight": 1e6}).train()
    assert model.mouth_head is not None and model.network.video_front_end is not None
    batch = av_relscore_batch(model.config)
    batch["mouth"][0, 3] = torch.nan
    batch["mouth"][1, int(batch["video_len"][1]) :] = 1e9
    loss = model._mouth_loss(model.mouth_head(model.network.video_front_end(batch["video"])), batch)
    assert float(loss) < 100, "neither frames that are unknown nor padding count"
    loss.backward()
    assert model.network.video_front_end.stem_conv.weight.grad is not None
    assert model.network.ctc.weight.grad is None
    total = model.training_step(batch, 0)
    assert float(total) > 1e4
    assert small("recognition", **{"training.mouth_weight": 0.0}).mouth_head is None


def test_what_only_training_needs_is_not_saved(tmp_path: Path) -> None:
    trained = small("recognition", **{"training.mouth_weight": 1.0})
    loaded = from_pretrained(trained.save_pretrained(tmp_path / "model"))
    assert isinstance(loaded, AVRelScore) and loaded.mouth_head is None
    assert torch.equal(loaded.network.ctc.weight, trained.network.ctc.weight)


def test_mouths_come_with_training_clips(tmp_path: Path) -> None:
    corpus = make("tiny-lrs3", tmp_path / "corpus", seed=3, clips={"train": 2, "dev": 1, "test": 1})
    options = {"mouth_preset": "fixed", "size": 48, "row": 69, "batch_size": 2}
    data = RelScoreDataModule(str(corpus), train_split="train30", mouth_weight=1.0, **options)
    batch = next(iter(data.train_dataloader()))
    assert batch["mouth"].shape == (*batch["video"].shape[:2], 2)
    assert 0.2 < float(batch["mouth"][0, : int(batch["video_len"][0])].std()) < 3
    assert "mouth" not in next(iter(data.val_dataloader()))
    for truth in corpus.glob("trainval/*/*.npz"):
        truth.unlink()
    bare = RelScoreDataModule(str(corpus), train_split="train30", mouth_weight=1.0, **options)
    with pytest.raises(DataError, match="ground truth"):
        bare.train_dataloader()


def test_reliability_is_a_score_a_frame(model: AVRelScore) -> None:
    video = clips((9,))[0]
    found = model.reliability(video, torch.randn(9 * 640))
    assert found.video.shape == found.audio.shape == (9,)
    assert found.video_channels.shape == (9, model.config.input.video_widths[-1])
    assert bool(((found.video > 0) & (found.video < 1)).all())
    with pytest.raises(ConfigError, match="no reliability"):
        small(scoring=False).reliability(video, torch.randn(9 * 640))


def test_every_network_transcribes() -> None:
    video, sound = clips((6,))[0], torch.randn(6 * 640) * 0.1
    for fusion in ("relscore", "vcafe", "conformer"):
        found = small(fusion=fusion).transcribe(video, sound)
        assert not isinstance(found, list)
        times = [t for word in found.words for t in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert all(0 <= time <= 6 / 25 for time in times)


def test_silence_counts_as_no_sound(model: AVRelScore) -> None:
    video = clips((6,))[0]
    assert model.transcribe(video, torch.zeros(6 * 640)) == model.transcribe(video)


def test_a_model_of_both_streams_says_what_is_lacking() -> None:
    published = small(**{"input.one_may_lack": False})
    with pytest.raises(MediaError, match="no audio"):
        published.transcribe(clips((5,))[0])
    with pytest.raises(MediaError, match="no video"):
        published.transcribe(audio=torch.randn(3200))
    with pytest.raises(MediaError, match="neither"):
        published.transcribe()


@pytest.mark.parametrize(
    ("video", "audio", "message"),
    [
        (torch.zeros(0, 3, 96, 96).byte(), None, "empty"),
        (torch.zeros(4, 3, 60, 90).byte(), None, "face track"),
        (None, torch.randn(100), "40 ms"),
    ],
)
def test_bad_input(model: AVRelScore, video: Any, audio: Any, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        model.transcribe(video, audio)


def test_lists_must_be_of_one_length(model: AVRelScore) -> None:
    with pytest.raises(MediaError, match="2 videos but 1"):
        model.transcribe(clips((5, 5)), [torch.randn(3200)])


@pytest.mark.parametrize("frames", [1, 1500])
def test_one_frame_and_a_minute(model: AVRelScore, frames: int) -> None:
    video = torch.zeros(frames, 3, 96, 96, dtype=torch.uint8)
    greedy = small(**{"decoding.beam": 1, "decoding.ctc_weight": 0.0})
    found = (model if frames == 1 else greedy).transcribe(video, torch.randn(640 * frames))
    assert not isinstance(found, list)


def test_another_frame_rate_is_brought_to_25(model: AVRelScore) -> None:
    frames = clips((6,))[0]
    doubled = Video(frames.repeat_interleave(2, dim=0), 50.0)
    assert model.transcribe(doubled) == model.transcribe(frames)


def test_sound_is_cut_as_the_official_code_does() -> None:
    sound = Speech(torch.randn(640 * 203), 16_000)
    assert len(audio_input(sound, InputConfig(), 203)) == 640 * 203 - 1
    assert len(audio_input(sound, InputConfig(official_length=False), 203)) == 640 * 203
    standard = audio_input(sound, InputConfig(), 100)
    assert len(standard) == 640 * 100
    assert float(standard.mean()) == pytest.approx(0, abs=1e-5)
    assert float(standard.std(correction=0)) == pytest.approx(1, abs=1e-4)


def test_language_model_takes_part_and_must_fit(model: AVRelScore) -> None:
    sizes = {"size": 8, "num_layers": 1, "num_heads": 1, "ffn_size": 8, "embedding_size": 4}
    torch.manual_seed(1)
    lm = CharLM(CharLMConfig(network=LanguageModelConfig().replace(**sizes))).eval()
    with torch.no_grad():
        lm.network.output.weight.zero_()
        lm.network.output.bias.zero_()
        lm.network.output.bias[20] = 40.0  # nothing but this letter
    heavy = small(**{"decoding.lm_weight": 5.0, "decoding.ctc_weight": 0.0})
    before = set(heavy.state_dict())
    heavy.attach_language_model(lm)
    assert set(heavy.state_dict()) == before
    found = heavy.transcribe(clips((8,))[0])
    assert not isinstance(found, list)
    assert set(found.text) == {alphabet.SYMBOLS[20]}
    with pytest.raises(ConfigError, match="7 tokens"):
        other = LanguageModelConfig().replace(vocab_size=7, **sizes)
        heavy.attach_language_model(CharLM(CharLMConfig(network=other)))
    with pytest.raises(ConfigError, match="AVRelScore is no character language model"):
        heavy.attach_language_model(small())


def test_corruption_is_drawn_from_the_seed_and_touches_what_it_should() -> None:
    settings = AugmentationConfig(occlusion=1.0, clean=0.0, time_mask=3, hole=(4, 8))
    corruption = Corruption(settings, InputConfig(size=48))
    grey = torch.randint(0, 256, (20, 56, 56), dtype=torch.uint8)
    first, again = (corruption.video(grey.clone(), Random(3)) for _ in range(2))
    assert first.shape == (20, 48, 48)
    assert torch.equal(first, again)
    assert not torch.equal(first, corruption.video(grey, Random(4)))
    speech, noise = torch.randn(8000), torch.randn(9000)
    assert not torch.equal(corruption.audio(speech, noise, Random(1)), speech)
    silent = torch.zeros(8000)
    assert torch.equal(corruption.audio(silent, noise, Random(1)), silent)


def test_streams_are_dropped_as_often_as_asked() -> None:
    settings = AugmentationConfig(drop_video=0.2, drop_audio=0.3)
    corruption, draw = Corruption(settings, InputConfig()), Random(0)
    found = [corruption.present(draw) for _ in range(4000)]
    assert found.count((False, True)) / 4000 == pytest.approx(0.2, abs=0.03)
    assert found.count((True, False)) / 4000 == pytest.approx(0.3, abs=0.03)
    assert (False, False) not in found


def test_short_clips_come_first() -> None:
    sizes = [float(size) for size in range(60)]
    batches = ShortFirst(range(60), 4, True, sizes, short_steps=20, seed=1)
    epochs = [list(batches) for _ in range(3)]
    assert all(len(epoch) == len(batches) == 15 for epoch in epochs)
    steps = [batch for epoch in epochs for batch in epoch]
    assert all(max(batch) < 20 for batch in steps[:20])
    assert max(max(batch) for batch in steps[20:]) > 50
    assert all(max(batch) - min(batch) == 3 for batch in steps)


@pytest.mark.parametrize("stream", ["video", "audio"])
def test_training_can_start_from_front_ends_of_lrw(stream: str, tmp_path: Path) -> None:
    source, target = small(**WAVEFORM), small(**WAVEFORM)
    for parameter in source.parameters():
        torch.nn.init.normal_(parameter)
    prefix = f"encoders.frontend_{stream[:3]}."
    state = official.to_official(source.state_dict(), source.config)
    archive = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    torch.save({"model_state_dict": {**archive, "tcn.weight": torch.ones(2)}}, tmp_path / "lrw.pth")
    fill_front_end(target.network, stream, tmp_path / "lrw.pth")
    ours = getattr(target.network, f"{stream}_front_end").state_dict()
    theirs = getattr(source.network, f"{stream}_front_end").state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    archive.popitem()
    archive.pop(next(key for key in archive if key.endswith("conv1.weight")))
    torch.save({"model_state_dict": archive}, tmp_path / "damaged.pth")
    with pytest.raises(CheckpointError, match="lacking"):
        fill_front_end(target.network, stream, tmp_path / "damaged.pth")


def test_learning_rates() -> None:
    paper = AVRelScoreConfig.paper().training
    assert rate(paper.warmup_steps - 1, paper) == pytest.approx(1.0)
    assert rate(4 * paper.warmup_steps - 1, paper) == pytest.approx(0.5)
    tiny = AVRelScoreConfig.tiny().training
    assert rate(tiny.total_steps, tiny) == 0.0


def test_texts_survive_the_alphabet() -> None:
    for text in ("DON'T SELL 2 PEARS", "A B"):
        assert alphabet.decode(alphabet.encode(text).tolist()) == text
    spans = [(0.0, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4)]
    words = alphabet.words(alphabet.encode("AB C").tolist(), [0.9, 0.4, 0.5, 0.7], spans)
    assert [word.text for word in words] == ["AB", "C"]
    assert words[0].confidence == pytest.approx(0.6)
    assert (words[0].start_s, words[0].end_s) == (0.0, 0.2)
