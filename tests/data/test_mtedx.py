from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.make_media import tone, write_clip, write_sound
from zoo.data.audio_visual import AudioVisualDataModule, detect_dataset
from zoo.data.mtedx import mtedx_languages, plain_text, read_mtedx, read_translations
from zoo.errors import DataError

RATE = 16_000
LINES = {
    "es": ["¿Qué hora es? —Las 2.", "«Hola», dijo.\u2028"],
    "fr": ["L’ours, c'est lui !", "Non."],
}


@pytest.fixture
def mtedx(tmp_path: Path) -> Path:
    """Two languages; es has talks only, of fr the first segment has a clip."""
    root = tmp_path / "mtedx"
    for language, lines in LINES.items():
        for split in ("train", "valid", "test"):
            base = root / f"{language}-{language}" / "data" / split
            (base / "wav").mkdir(parents=True)
            (base / "txt").mkdir()
            sound = np.concatenate([tone(2.0, RATE, hertz=200), tone(2.0, RATE, hertz=900)])
            soundfile.write(base / "wav" / "a_-b.flac", sound, RATE)
            (base / "txt" / "segments").write_text(
                "a_-b_0000 a_-b 0.5 1.5\na_-b_0001 a_-b 2.2 3.8\n"
            )
            text = "".join(f"{line}\n" for line in lines)
            (base / "txt" / f"{split}.{language}").write_text(text, encoding="utf-8", newline="")
    clips = root / "fr-fr" / "data" / "test" / "video" / "a_-b"
    clips.mkdir(parents=True)
    write_clip(clips / "a_-b_0000.mp4", frames=25, size=(96, 96), sound=tone(1.0, RATE), rate=RATE)
    return root


def test_lists(mtedx: Path) -> None:
    assert detect_dataset(mtedx) == "mtedx"
    assert mtedx_languages(mtedx) == ["es", "fr"]
    found = read_mtedx(mtedx, "dev", "es")
    assert [one.id for one in found] == ["es/a_-b_0000", "es/a_-b_0001"]
    assert [(one.start_s, one.end_s) for one in found] == [(0.5, 1.5), (2.2, 3.8)]
    assert {(one.split, one.source, one.language, one.video) for one in found} == {
        ("valid", "a_-b", "es", None)
    }
    assert len(read_mtedx(mtedx, "train")) == len(read_mtedx(mtedx, "train", ["es", "fr"])) == 4


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("¿Qué hora es? —Las 2.", "qué hora es las 2"),
        ("L’ours, c'est lui !", "l'ours c'est lui"),
        ("'Ciao' e\u0301 qui…", "ciao é qui"),
        ("Это она: да-да!", "это она да да"),
    ],
)
def test_text_is_plain(line: str, plain: str) -> None:
    assert plain_text(line) == plain


def test_a_clip_stands_for_its_segment(mtedx: Path) -> None:
    clip, talk = read_mtedx(mtedx, "test", "fr")
    assert clip.video == "fr-fr/data/test/video/a_-b/a_-b_0000.mp4"
    assert (clip.audio, clip.start_s) == (None, None)
    assert (talk.video, talk.audio) == (None, "fr-fr/data/test/wav/a_-b.flac")


def test_clips_elsewhere(mtedx: Path) -> None:
    here = mtedx / "fr-fr" / "data" / "test" / "video"
    (mtedx / "muavic" / "fr" / "video").mkdir(parents=True)
    here.rename(mtedx / "muavic" / "fr" / "video" / "test")
    found = read_mtedx(mtedx, "test", "fr", videos="muavic/{language}/video/{split}")
    assert [one.video is None for one in found] == [False, True]


def test_segments_of_a_talk_are_cut_out(mtedx: Path) -> None:
    module = AudioVisualDataModule(
        str(mtedx), picture="none", batch_size=2, num_workers=0, languages="es"
    )
    (batch,) = module.test_dataloader()
    assert batch["audio_len"].tolist() == [16000, 25600]
    heights = []
    for wave, length in zip(batch["audio"], batch["audio_len"].tolist()):
        spectrum = np.abs(np.fft.rfft(wave[:length].numpy()))
        heights.append(round(float(spectrum.argmax()) * RATE / length, -1))
    assert heights == [200, 900]


def test_translations(mtedx: Path) -> None:
    folder = mtedx / "es-fr" / "data" / "test" / "txt"
    folder.mkdir(parents=True)
    (folder / "segments").write_text("x_0 x 0 1\n")
    (folder / "test.fr").write_text("Bonjour.\n")
    assert read_translations(mtedx, "test", "es", "fr") == {"x_0": "Bonjour."}
    assert mtedx_languages(mtedx) == ["es", "fr"]


def test_what_is_missing_is_said(mtedx: Path) -> None:
    with pytest.raises(DataError, match="lacks pt-pt/data"):
        read_mtedx(mtedx, "test", "pt")
    with pytest.raises(DataError, match="no split 'dev2'"):
        read_mtedx(mtedx, "dev2")
    base = mtedx / "es-es" / "data" / "test"
    (base / "wav" / "a_-b.flac").unlink()
    with pytest.raises(DataError, match="2 of 2 segments have neither"):
        read_mtedx(mtedx, "test", "es", incomplete=True)
    (base / "txt" / "test.es").write_text("una\n")
    with pytest.raises(DataError, match="has 1 lines for 2 segments"):
        read_mtedx(mtedx, "test", "es")
    (base / "txt" / "segments").write_text("a b 2 1\n")
    with pytest.raises(DataError, match="segments:1 ends before it starts"):
        read_mtedx(mtedx, "test", "es")
    write_sound(base / "wav" / "a_-b.wav", tone(1.0, RATE), RATE)
    (base / "txt" / "segments").write_text("a\n")
    with pytest.raises(DataError, match="segments:1 is not"):
        read_mtedx(mtedx, "test", "es")
