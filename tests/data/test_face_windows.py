from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.data.drawn_truth import read_mouth
from zoo.data.face_windows import (
    FaceClip,
    FaceWindowDataModule,
    WindowShape,
    cut_windows,
    spread,
)
from zoo.errors import DataError
from zoo.tasks import Speech, Video


def clip(frames: int) -> FaceClip:
    """Faces and mel that tell the time: frame number, and mel column."""
    faces = torch.arange(frames, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
    columns = torch.arange(1 + frames * 16 // 5).float()
    return FaceClip(faces, columns.expand(80, -1))


def test_faces_and_sound_of_a_window_belong_together() -> None:
    shape = WindowShape(image_size=4, windows=6, context=2, mel_shift=-2)
    for seed in range(20):
        item = cut_windows(clip(60), shape, torch.Generator().manual_seed(seed))
        starts = item["faces"][:, 0, 0, 0, 0].long()
        assert item["faces"].shape == (6, 5, 3, 4, 4)
        assert torch.equal(item["window_mel"][:, 0, 0, 0].long(), (starts * 16) // 5)
        assert (starts.sort().values.diff() >= 5).all(), "windows do not overlap"
        first = int(starts[0])
        assert item["around"][:, 0, 0, 0].tolist() == list(range(first - 2, first + 7))
        own = [max(-4, (16 * (first + j - 2)) // 5) for j in range(5)]
        assert item["frame_mel"][:, 0, 0, 0].tolist() == own
        reference = set(item["reference"][:, 0, 0, 0].tolist())
        assert not reference & set(range(first, first + 5))


def test_the_mouth_belongs_to_the_window() -> None:
    shape = WindowShape(image_size=4, windows=4)
    bare = clip(40)
    known = torch.arange(40.0)[:, None] * torch.tensor([1.0, 10.0])
    item = cut_windows(FaceClip(bare.faces, bare.mel, known), shape, torch.Generator())
    assert torch.equal(item["mouth"][..., 0], item["faces"][:, :, 0, 0, 0].float())
    assert torch.equal(item["mouth"][..., 1], 10 * item["mouth"][..., 0])


def test_mouths_are_asked_of_a_corpus_that_knows_them(corpus: Path, tmp_path: Path) -> None:
    data = FaceWindowDataModule(str(corpus), image_size=16, batch_size=2, guide="mouth")
    one = corpus / "trainval" / "video1" / "50001.npz"
    with pytest.raises(DataError, match="ground truth of the face"):
        FaceWindowDataModule(str(without_truth(corpus, tmp_path)), guide="mouth").dataset("train")
    tracks = dict(np.load(one))
    np.savez(one, **tracks, opening=np.arange(32.0), width=np.ones(32))
    item = data.dataset("train")[0]
    assert item["mouth"].shape == (1, 5, 2) and torch.equal(
        item["mouth"][0, :, 1], torch.full((5,), float(read_mouth(one)[0, 1]))
    )


def without_truth(corpus: Path, folder: Path) -> Path:
    """The first training clip alone, as LRS3 has it."""
    clips = folder / "trainval" / "video1"
    clips.mkdir(parents=True)
    for ending in (".mp4", ".txt"):
        name = Path("trainval/video1/50001").with_suffix(ending)
        (folder / name).write_bytes((corpus / name).read_bytes())
    (folder / "lrs3-valid.id").write_text("trainval/video0/50001\n")
    return folder


def test_the_shortest_clip_still_has_a_reference() -> None:
    shape = WindowShape(image_size=4, windows=8, context=2)
    short = clip(shape.least_frames)
    for seed in range(50):
        item = cut_windows(short, shape, torch.Generator().manual_seed(seed))
        assert item["faces"].shape[0] == 8 and item["reference"].shape[0] == 5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LRS3 with one clip a video: good ones, one that is too short, one that is broken."""
    root = tmp_path_factory.mktemp("lrs3")
    torch.manual_seed(0)
    for number, frames in enumerate((30, 32, 30, 8, 30)):
        video = root / "trainval" / f"video{number}"
        video.mkdir(parents=True)
        pixels = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8).expand(frames, -1, -1, -1)
        sound = Speech(torch.randn(frames * 640) * 0.1, 16_000)
        Video(pixels, 25.0, sound).save(video / "50001.mp4")
        (video / "50001.txt").write_text("Text:  HELLO\nConf:  4\n")
        face = np.zeros((frames, 68, 2))
        face[:, 36:48], face[:, 48:68] = (32, 20), (32, 40)
        np.savez(video / "50001.npz", landmarks=face)
    (root / "trainval" / "video4" / "50001.mp4").write_bytes(b"no film")
    (root / "lrs3-valid.id").write_text("trainval/video0/50001\n")
    return root


@pytest.mark.parametrize("landmarks", [False, True])
def test_batches(corpus: Path, landmarks: bool, caplog: pytest.LogCaptureFixture) -> None:
    module = FaceWindowDataModule(
        str(corpus),
        image_size=16,
        windows=3,
        context=1,
        batch_size=2,
        landmarks=str(corpus) if landmarks else None,
    )
    batches = list(module.train_dataloader())
    assert sum(len(batch["id"]) for batch in batches) == 2
    batch = next(iter(module.val_dataloader()))
    assert batch["faces"].shape == (1, 3, 5, 3, 16, 16) and batch["faces"].dtype == torch.uint8
    assert batch["around"].shape == (1, 7, 3, 16, 16)
    assert batch["window_mel"].shape == (1, 3, 1, 80, 16)
    assert batch["frame_mel"].shape == (1, 5, 1, 80, 16)
    assert "has 8 frames, fewer than 13" in caplog.text and "video4" in caplog.text
    again = next(iter(module.val_dataloader()))
    assert torch.equal(batch["faces"], again["faces"]), "validation windows stay the same"


def test_fewer_clips_are_spread_over_the_list() -> None:
    assert spread(list(range(10)), 4) == [0, 2, 5, 7]  # type: ignore[arg-type]
    assert spread(list(range(3)), 9) == [0, 1, 2]  # type: ignore[arg-type]


def test_a_clip_is_decoded_once(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = FaceWindowDataModule(str(corpus), image_size=16, batch_size=1, epoch_repeats=3)
    data = module.dataset("train", train=True)
    read = []
    monkeypatch.setattr(data, "_read", lambda i, real=data._read: read.append(i) or real(i))
    for _ in range(2):
        list(module.train_dataloader())
    assert len(read) == len(set(read))
