"""Use and training of the models that make faces speak, on parts a test can hold."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from tests.models.batches import talking_face_batch, tiny_config
from zoo.audio.mel import mel_front_end
from zoo.errors import ConfigError, MediaError
from zoo.models.synctalkface.module import SyncTalkFace
from zoo.models.talking_face.training import TrainedAnimator
from zoo.models.wav2lip_syncnet.config import Wav2LipConfig
from zoo.models.wav2lip_syncnet.module import Wav2Lip
from zoo.nn.face_windows import generator_input
from zoo.nn.lip_sync_losses import mouth_region
from zoo.tasks import Picture, Speech, TalkingFace, Video
from zoo.training.schedules import cosine
from zoo.video import load_video, probe_video
from zoo.video.landmarks import Landmarks

CLASSES: dict[str, type[TrainedAnimator]] = {
    "wav2lip_syncnet": Wav2Lip,
    "synctalkface": SyncTalkFace,
}


def build(slug: str = "wav2lip_syncnet", **arguments: Any) -> Any:
    torch.manual_seed(0)
    model = CLASSES[slug](tiny_config(slug), **arguments)
    model.log = lambda *args, **kwargs: None  # type: ignore[assignment]
    return model


@pytest.fixture(scope="module")
def model() -> Any:
    return build().eval()


def picture(height: int = 80, width: int = 80) -> Tensor:
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8)


def speech(seconds: float = 0.6) -> Tensor:
    return torch.randn(round(seconds * 16_000)) * 0.1


@pytest.mark.parametrize("slug", CLASSES)
def test_latents_and_faces(slug: str) -> None:
    model = build(slug).eval()
    assert isinstance(model, TalkingFace)
    mel, target = torch.randn(2, 3, 1, 80, 16), torch.rand(2, 3, 3, 64, 64)
    latent = model.encode_audio(mel).detach().requires_grad_(True)
    assert latent.shape[:2] == (2, 3)
    faces = model.generate(latent, generator_input(target, target))
    assert faces.shape == target.shape
    faces.sum().backward()
    assert latent.grad is not None, "a text front-end learns through the generator"


def test_geometry_timing_and_sound(model: Any, tmp_path: Path) -> None:
    sound = Speech(torch.randn(22_050) * 0.1, 44_100)  # half a second at a rate of its own
    film = model.animate(Picture(picture(101, 90)), sound)
    assert film.fps == 25 and film.frames.shape == (12, 3, 101, 90)
    assert film.speech is sound
    path = film.save(tmp_path / "talk.mp4")
    assert probe_video(path).has_audio


def test_outside_the_box_nothing_changes_and_inside_it_does(model: Any) -> None:
    face = picture(100, 120)
    film = model.animate(face, speech(), box=(30, 20, 94, 84))
    outside = torch.ones(100, 120, dtype=torch.bool)
    outside[20:84, 30:94] = False
    assert (film.frames[..., outside] == face[..., outside]).all()
    assert (film.frames[..., 60:75, 50:75] != face[..., 60:75, 50:75]).any()


def test_a_video_keeps_its_rate_and_begins_again(model: Any, tmp_path: Path) -> None:
    frames = torch.stack([torch.full((3, 64, 64), 20 * k, dtype=torch.uint8) for k in range(6)])
    rate = 30_000 / 1001
    path = Video(frames, rate).save(tmp_path / "face.mp4")
    film = model.animate(path, speech(0.5))
    assert film.fps == pytest.approx(rate) and len(film.frames) == 15
    corner = film.frames[:, 0, 0, 0].float()
    assert torch.allclose(corner[6:12], corner[:6]) and float(corner[:6].diff().min()) > 5
    with av.open(str(film.save(tmp_path / "talk.mp4"))) as container:
        assert container.streams.video[0].average_rate == Fraction(30_000, 1001)
    longer = model.animate(path, speech(0.1))
    assert len(longer.frames) == 3


class Watched(Wav2Lip):
    """Keeps what it is given and gives, and works in small parts."""

    frames_at_once = 5

    def encode_audio(self, mel: Tensor) -> Tensor:
        self.heard.append(mel[0, :, 0])
        return super().encode_audio(mel)

    def generate(self, latent: Tensor, faces: Tensor) -> Tensor:
        painted = super().generate(latent, faces)
        self.seen.append(faces[0])
        self.painted.append(painted[0])
        return painted


@pytest.mark.parametrize(("shift", "reference"), [(-2, "first"), (0, "same")])
def test_every_frame_has_its_own_sound_and_face(shift: int, reference: str) -> None:
    """At the rate of the film, in the generator's order of colours, part after part."""
    torch.manual_seed(0)
    changes = {"inference_shift": shift, "reference": reference}
    model = Watched(tiny_config("wav2lip_syncnet").replace(**changes)).eval()
    model.heard, model.seen, model.painted = [], [], []
    frames, sound = torch.randint(0, 256, (7, 3, 64, 64), dtype=torch.uint8), speech(0.6)
    film = model.animate(Video(frames, 30.0), sound, box=(0, 0, 64, 64), blend=False)
    heard, seen, painted = map(torch.cat, (model.heard, model.seen, model.painted))
    assert len(film.frames) == len(heard) == len(seen) == 18
    mel = mel_front_end("wav2lip")(sound)
    starts = [80 * (k + shift) // 30 for k in range(18)]
    inside = [k for k, start in enumerate(starts) if 0 <= start <= mel.shape[-1] - 16]
    assert len(inside) > 9
    for k in inside:
        assert torch.equal(heard[k], mel[:, starts[k] : starts[k] + 16])
    faces = frames[torch.arange(18) % 7].flip(1) / 255
    looks = faces if reference == "same" else faces[:1].expand_as(faces)
    torch.testing.assert_close(seen[:, 3:], looks)
    torch.testing.assert_close(seen[:, :3, :32], faces[:, :, :32])
    assert not seen[:, :3, 32:].any()
    assert (film.frames.float() - 255 * painted.flip(1)).abs().max() <= 1


def test_a_moving_box_and_landmarks(model: Any, tmp_path: Path) -> None:
    frames = picture(120, 160).expand(8, -1, -1, -1)
    boxes = torch.tensor([[10.0 + k, 20, 74 + k, 84] for k in range(8)])
    film = model.animate(Video(frames, 25.0), speech(0.32), box=boxes)
    assert film.frames.shape == (8, 3, 120, 160)
    for k, columns in enumerate((film.frames != frames).any(dim=1).any(dim=1)):
        places = columns.nonzero()
        assert 10 + k <= int(places.min()) < 20 + k and 64 + k < int(places.max()) < 74 + k
    points = np.zeros((8, 68, 2))
    points[:, 36:48], points[:, 48:68] = (60, 50), (60, 80)
    np.save(tmp_path / "points.npy", points)
    said = speech(0.2)
    by_file = model.animate(Video(frames, 25.0), said, landmarks=tmp_path / "points.npy")
    changed = (by_file.frames != frames[:5]).any(dim=1).any(dim=0).nonzero()
    middle = changed.float().mean(dim=0)
    assert abs(float(middle[1]) - 60) < 8 and 60 < float(middle[0]) < 110

    class Detector:
        def detect(self, frames: Tensor) -> Landmarks:
            return Landmarks(points[: len(frames)])

    found = model.animate(frames[0], said, landmarks=Detector())
    assert torch.equal(found.frames, by_file.frames)


def test_sound_before_and_after_does_not_matter_to_a_frame(model: Any) -> None:
    """A frame sees 0.2 s of sound: what is said elsewhere leaves it alone."""
    face, first = picture(), speech(2.0)
    second = first.clone()
    second[:16_000] = torch.randn(16_000) * 0.1
    one, other = (model.animate(face, s).frames for s in (first, second))
    assert torch.equal(one[32:], other[32:])
    assert not torch.equal(one[:20], other[:20])


@pytest.mark.parametrize(
    ("face", "sound", "options", "error", "message"),
    [
        (None, "ok", {}, MediaError, "expected a face as a path"),
        (torch.zeros(2, 8, 8), "ok", {}, MediaError, "image tensor"),
        (torch.zeros(2, 3, 8, 8), "ok", {}, MediaError, "uint8"),
        ("absent.png", "ok", {}, MediaError, "absent.png: no such file"),
        ("absent.mp4", "ok", {}, MediaError, "absent.mp4: no such file"),
        ("ok", torch.tensor([0.1, float("nan")]).repeat(8000), {}, MediaError, "NaN"),
        ("ok", torch.zeros(0), {}, MediaError, "waveform"),
        ("ok", torch.zeros(100), {}, MediaError, "too short"),
        ("ok", "absent.wav", {}, MediaError, "absent.wav: no such file"),
        ("ok", None, {}, ConfigError, "driven by speech"),
        ("ok", "ok", {"text": "hello"}, ConfigError, "driven by speech"),
        ("ok", "ok", {"mark": "loud"}, ConfigError, "metadata, visible, none"),
        ("ok", "ok", {"box": (0, 0, 4, 4)}, MediaError, "at least 16 x 16"),
        ("ok", "ok", {"controls": {"address": torch.zeros(3, 3, 3)}}, ConfigError, "address"),
        (["ok", "ok"], ["ok"], {}, MediaError, "list of as many"),
        ("ok", ["ok", "ok"], {}, MediaError, "list of as many"),
    ],
)
def test_bad_input(
    model: Any, face: Any, sound: Any, options: dict[str, Any], error: type, message: str
) -> None:
    good = {"face": picture(), "speech": speech()}

    def filled(given: Any, name: str) -> Any:
        if isinstance(given, list):
            return [filled(one, name) for one in given]
        return good[name] if isinstance(given, str) and given == "ok" else given

    with pytest.raises(error, match=message):
        model.animate(filled(face, "face"), filled(sound, "speech"), **options)


def test_a_checkpoint_without_a_generator_says_so() -> None:
    expert_only = Wav2Lip(tiny_config("wav2lip_syncnet").replace(generator=None))
    with pytest.raises(ConfigError, match=r"only a sync expert; load wav2lip_syncnet"):
        expert_only.animate(picture(), speech())
    with pytest.raises(ConfigError, match="nothing can be trained"):
        Wav2Lip.recipe(Wav2LipConfig.preset("wav2lip"))


@pytest.mark.parametrize("slug", CLASSES)
def test_a_verdict_needs_a_judge(slug: str) -> None:
    with pytest.raises(ConfigError, match="give a discriminator"):
        CLASSES[slug](tiny_config(slug).replace(discriminator=None))


def test_stages_of_the_presets() -> None:
    names = {
        preset: [stage.name for stage in Wav2Lip.recipe(Wav2LipConfig.preset(preset)).stages]
        for preset in ("sync_expert", "paper", "paper_gan", "tiny")
    }
    assert names.pop("sync_expert") == ["expert"]
    assert set(map(tuple, names.values())) == {("expert", "generator")}


@pytest.mark.parametrize("slug", CLASSES)
def test_the_expert_is_frozen_while_the_generator_learns(slug: str) -> None:
    model = build(slug).train()
    assert model.sync_share() > 0
    before = {k: v.clone() for k, v in model.expert.state_dict().items()}
    model.training_step(talking_face_batch(model.config), 0).backward()
    assert all(torch.equal(v, before[k]) for k, v in model.expert.state_dict().items())
    assert all(p.grad is None for p in model.expert.parameters())


@pytest.mark.parametrize("slug", CLASSES)
def test_the_drawn_mouth_guides_the_sound(slug: str) -> None:
    model = build(slug, stage="generator").train()
    batch = talking_face_batch(model.config)
    model.guidance(batch).backward()
    taught = [k for k, p in model.named_parameters() if p.grad is not None and p.grad.any()]
    assert taught and all("audio_encoder" in name for name in taught)
    heard = model.encode_audio(batch["window_mel"]).detach()
    assert model.config.train_shift == -2
    middle = 2  # the sound of a window starts two frames before the frame it belongs to
    for frame in range(5):
        followed = {**batch, "mouth": torch.randn_like(batch["mouth"])}
        followed["mouth"][:, :, frame] = heard[..., :2]
        assert (model.guidance(followed).item() < 1e-5) is (frame == middle)
    free = CLASSES[slug](model.config.replace(**{"training.guide": "none"}), stage="generator")
    assert free.guidance(batch) == 0


@pytest.mark.parametrize("slug", CLASSES)
@pytest.mark.parametrize("copied", [False, True])
def test_the_sound_can_start_where_the_expert_is(slug: str, copied: bool) -> None:
    narrow: Any = tiny_config(slug)
    parts = narrow.generator.audio_channels if slug == "wav2lip_syncnet" else (2, 4, 8, 16, 32)
    sizes = {"expert.face_channels": parts, "expert.audio_channels": parts}
    config = narrow.replace(**sizes, **{"training.from_expert": copied})
    model: Any = CLASSES[slug](config, stage="generator")
    mel = torch.randn(2, 1, 80, 16)

    def heard(encoder: Any) -> Tensor:
        blocks = list(encoder.eval())
        kept = blocks[:-3] + blocks[-2:] if encoder.deep else blocks
        return torch.nn.Sequential(*kept)(mel)

    model.setup("fit")
    own, expert = heard(model.audio_encoder_in_use), heard(model.sync_expert.audio_encoder)
    assert torch.equal(own, expert) is copied
    if slug == "synctalkface":
        window = torch.rand(2, 15, config.image_size // 2, config.image_size)
        seen = [
            tower.eval()(window) for tower in (model.network.lip_encoder, model.expert.face_encoder)
        ]
        assert torch.equal(*seen) is copied


def test_a_trunk_can_start_where_wav2lip_is(tmp_path: Path) -> None:
    painter = build().eval()
    painter.save_pretrained(tmp_path / "painter")
    changes = {"training.from_expert": False, "training.trunk_source": str(tmp_path / "painter")}
    config = tiny_config("synctalkface").replace(**changes)
    model: Any = SyncTalkFace(config, stage="generator")
    model.setup("fit")
    sound, faces = torch.randn(2, 1, 1, 80, 16), torch.rand(2, 1, 6, 64, 64)
    assert torch.equal(model.eval().encode_audio(sound), painter.encode_audio(sound))
    looks = model.network.identity_encoder(faces[:, 0])[-1]
    assert torch.equal(looks, painter.generator.face_encoder(faces[:, 0])[-1])
    ours, theirs = (
        list(decoder)[1:] for decoder in (model.network.decoder, painter.generator.face_decoder)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()))

    expert = painter.config.replace(generator=None)
    Wav2Lip(expert).save_pretrained(tmp_path / "expert")
    wider = SyncTalkFace(config.replace(width=2), stage="generator")
    other = SyncTalkFace(
        config.replace(**{"training.trunk_source": str(tmp_path / "expert")}), stage="generator"
    )
    for wrong, said in ((wider, "own width"), (other, "no Wav2Lip generator")):
        with pytest.raises(ConfigError, match=said):
            wrong.setup("fit")


@pytest.mark.parametrize("slug", CLASSES)
@pytest.mark.parametrize("sees", ["face", "mouth"])
def test_nothing_beside_the_mouth_need_please_the_expert(slug: str, sees: str) -> None:
    config = tiny_config(slug).replace(**{"training.sync_sees": sees})
    model = CLASSES[slug](config, stage="generator").eval()
    batch = talking_face_batch(config)
    frames = torch.rand(2, 5, 3, config.image_size, config.image_size, requires_grad=True)
    (slopes,) = torch.autograd.grad(model.sync_loss(batch, frames), frames)
    assert mouth_region(slopes).any()
    mouth_region(slopes).zero_()
    assert bool(slopes.any()) is (sees == "face")


@pytest.mark.parametrize("slug", CLASSES)
def test_the_sync_loss_waits(slug: str) -> None:
    model = CLASSES[slug](
        tiny_config(slug).replace(**{"training.sync_after": 10, "training.sync_below": 0.5})
    )
    assert model.sync_share() == 0
    model._trainer = type("T", (), {"callback_metrics": {"val/sync": torch.tensor(0.6)}})()
    model.on_validation_epoch_end()
    assert not model.sync_counts
    model._trainer.callback_metrics["val/sync"] = torch.tensor(0.4)
    model.on_validation_epoch_end()
    assert model.sync_counts
    kept: dict[str, Any] = {}
    model.on_save_checkpoint(kept)
    resumed = CLASSES[slug](model.config)
    resumed.on_load_checkpoint(kept)
    assert resumed.sync_counts


def test_the_expert_of_the_paper_learns_from_right_and_wrong_pairs() -> None:
    model = Wav2Lip(tiny_config("wav2lip_syncnet").replace(**{"expert_training.loss": "bce"}))
    torch.manual_seed(3)
    batch = talking_face_batch(model.config)
    values = {round(float(model.expert_loss(batch)), 4) for _ in range(8)}
    assert len(values) > 1, "which pairs are right is drawn anew"


def test_an_address_moves_the_lips() -> None:
    model = build("synctalkface").eval()
    slots = model.config.memory.slots
    face, said = picture(), speech()
    shown = [model.animate(face, said, address=torch.eye(slots)[k]).frames.int() for k in (0, 1)]
    assert not torch.equal(*shown)
    latent = model.encode_audio(torch.randn(1, 15, 1, 80, 16))
    weights = model.addresses(latent)
    assert weights.shape == (1, 15, slots)
    assert torch.allclose(weights.sum(-1), torch.ones(1, 15), atol=1e-5)
    with pytest.raises(ConfigError, match="address"):
        model.animate(face, said, address=torch.eye(slots))


@pytest.mark.parametrize("step", [0, 5])
def test_the_memory_starts_filled_with_what_the_training_clips_say(step: int) -> None:
    model = build("synctalkface", stage="generator")
    batches = [talking_face_batch(model.config) for _ in range(3)]
    model._trainer = SimpleNamespace(
        train_dataloader=iter(batches),
        strategy=SimpleNamespace(broadcast=lambda tensor: tensor),
        global_step=step,
    )
    model.config = model.config.replace(**{"memory.fill_from": 2})
    before = model.network.memory.key.clone()
    model.on_train_start()
    assert torch.equal(model.network.memory.key, before) is (step > 0)
    if step == 0:
        assert len(list(model.trainer.train_dataloader)) == 1, "two batches were taken"
        sound = torch.cat([batch["frame_mel"].flatten(0, 1) for batch in batches[:2]])
        slots = model.addresses(model.eval().network.encode_audio(sound)).argmax(dim=1)
        assert len(slots.unique()) > 1


def test_the_ablation_without_a_memory_ignores_the_address() -> None:
    config = tiny_config("synctalkface").replace(**{"memory.recall": False})
    model = SyncTalkFace(config).eval()
    latent, faces = torch.randn(1, 2, 32), torch.rand(1, 2, 6, 64, 64)
    one, other = (
        model.generate(latent, faces, address=torch.eye(16)[k].expand(1, 2, -1)) for k in (0, 1)
    )
    assert torch.equal(one, other)


def test_lips_that_judge_do_not_learn() -> None:
    model = build("synctalkface")
    frames = torch.rand(1, 5, 3, 64, 64, requires_grad=True)
    model.lip_loss(torch.rand(1, 5, 3, 64, 64), frames).backward()
    assert frames.grad is not None and float(frames.grad.abs().max()) > 0
    assert all(p.grad is None for p in model.network.lip_encoder.parameters())


def test_the_learning_rate_falls_along_a_cosine() -> None:
    assert [round(cosine(0, 10, 0.1)(x), 3) for x in (0, 5, 10, 20)] == [1, 0.55, 0.1, 0.1]
    assert cosine(0, 10, 1.0)(3) == 1


def test_real_clip_end_to_end(model: Any, tmp_path: Path, real_root: Path) -> None:
    clips = sorted(real_root.glob("lrs3/t*/*/[0-9]*[0-9].mp4"))
    if not clips:
        pytest.skip("ZOO_REAL: no lrs3 clips")
    path = clips[0]
    film = model.animate(path, path, box=(40, 40, 190, 190))
    original = load_video(path)
    assert abs(len(film.frames) - len(original.frames)) <= 2
    count = min(len(film.frames), len(original.frames))
    assert torch.equal(film.frames[:count, :, :90], original.frames[:count, :, :90])
    again = load_video(film.save(tmp_path / "talk.mp4"), with_audio=True)
    assert again.frames.shape == film.frames.shape
