from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import pytest
import torch

from zoo.data.corpora import faces
from zoo.data.corpora.backdrop import OCCLUDERS, Look, draw_look
from zoo.data.corpora.espeak import Segment, Voice, speak
from zoo.data.corpora.faces import Film, frames, landmarks
from zoo.data.corpora.grammar import draw_sentence, is_held_out
from zoo.data.corpora.identity import draw_identity
from zoo.data.corpora.lexicon import LANGUAGES, NOUNS, VERBS, content_words, noun_phrase
from zoo.data.corpora.motion import MOODS, HeadTrack, head_track, to_canvas, to_picture
from zoo.data.corpora.mouth import MouthTrack, mouth_track
from zoo.data.corpora.talkers import draw_talkers
from zoo.data.corpora.visemes import SILENCE, VISEMES, visemes

VOICES = {"en": "en-us", "es": "es", "fr": "fr", "it": "it", "pt": "pt"}
STILL_LOOK = Look(1, (90, 90, 160), (0.0, 0.0), (1.0, 1.0, 1.0), 0.0, 1.0)


def lips_of(text: str, language: str) -> str:
    """What an ideal lip reader without a clock sees of a text."""
    said: list[str] = []
    for phoneme in speak(text, Voice(language=VOICES[language])).phonemes:
        for name in visemes(phoneme.label):
            if name not in (SILENCE, *said[-1:]):
                said.append(name)
    return "".join(said)


def still(count: int) -> HeadTrack:
    zero = np.zeros(count)
    return HeadTrack(zero, zero, zero, zero, zero, zero + 1, zero)


def mouth(count: int, **values: float) -> MouthTrack:
    names = ("jaw", "open", "width", "round", "tuck", "tongue")
    return MouthTrack(**{name: np.full(count, values.get(name, 0.0)) for name in names})


def film(head: HeadTrack, lips: MouthTrack, seed: int = 0) -> Film:
    who = draw_identity(np.random.default_rng(seed), bearded=False)
    return Film(who, STILL_LOOK, "neutral", lips, head, None, 0)


def pictures(what: Film) -> torch.Tensor:
    """(T, 3, 224, 224) as a player shows them."""
    planes = torch.cat(list(frames(what))).numpy()
    shown = [av.VideoFrame.from_ndarray(p, "yuv420p").to_ndarray(format="rgb24") for p in planes]
    return torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("language", LANGUAGES)
def test_vocabulary_is_closed_and_small(language: str) -> None:
    words = content_words(language)
    assert 60 <= len(words) <= 150
    rng = np.random.default_rng(1)
    said = {
        word
        for _ in range(400)
        for word in draw_sentence(rng, held_out=False, language=language).words(language).split()
    }
    assert len(said - words) <= 20  # articles and other small words
    assert len(said & words) > 0.9 * len(words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phoneme_has_a_shape(language: str) -> None:
    nouns = [noun_phrase(language, k, 0, definite=True) for k in range(len(NOUNS))]
    verbs = [row[LANGUAGES.index(language)] for row in VERBS]
    for text in (*nouns, *verbs):
        for phoneme in speak(text, Voice(language=VOICES[language])).phonemes:
            assert not phoneme.label or visemes(phoneme.label) != (SILENCE,), (text, phoneme)


def test_lips_are_ambiguous() -> None:
    assert len(VISEMES) <= 12
    alike = ["bear pear mare", "sea tea knee", "tina dina nina", "van fan", "coat goat"]
    for group in alike:
        assert len({lips_of(word, "en") for word in group.split()}) == 1
    assert len({lips_of(word, "fr") for word in ("poule", "boule", "moule")}) == 1
    assert len({lips_of(word, "es") for word in ("luna", "duna")}) == 1
    different = {lips_of(word, "en") for word in ["bear", "van", "coat", "moon", "house"]}
    assert len(different) == 5


def test_phrases_agree() -> None:
    nouns = [row[0] for row in NOUNS]
    pear, bear = nouns.index("pear"), nouns.index("bear")
    red = 2
    assert noun_phrase("en", pear, red, definite=True) == "the red pear"
    assert noun_phrase("es", pear, red, definite=True) == "la pera roja"
    assert noun_phrase("es", bear, red, definite=False) == "un oso rojo"
    assert noun_phrase("fr", bear, None, definite=True) == "l'ours"
    assert noun_phrase("fr", bear, None, definite=False) == "un ours"


@pytest.mark.parametrize("held_out", [False, True])
def test_held_out_pairs_do_not_meet_in_training(held_out: bool) -> None:
    rng = np.random.default_rng(3)
    drawn = [draw_sentence(rng, held_out=held_out) for _ in range(300)]
    assert all(is_held_out(s.verb, s.noun) == held_out for s in drawn)
    assert len({s.verb for s in drawn}) == len(VERBS)  # but each of them does


def test_voices_and_faces_of_the_splits_are_different_people() -> None:
    people = [draw_talkers(seed) for seed in (0, 1)]
    timbres = [{s: {t.speaker.voice.variant for t in p[s]} for s in p} for p in people]
    assert timbres[0] == timbres[1]  # held-out voices stay held out whatever the seed
    assert not timbres[0]["train"] & (timbres[0]["dev"] | timbres[0]["test"])
    everyone = [t for split in people[0].values() for t in split]
    assert len({t.number for t in everyone}) == len({t.face for t in everyone}) == len(everyone)
    assert people[0]["train"][0].face != people[1]["train"][0].face


def track(text: str) -> tuple[MouthTrack, list[Segment]]:
    said = speak(text, Voice(rate=115))
    count = int(said.phonemes[-1].end_ms / 40) + 8
    rng, manner = np.random.default_rng(0), np.random.default_rng(0)
    lead = 120.0
    segments = [Segment(p.label, p.start_ms + lead, p.end_ms + lead) for p in said.phonemes]
    return mouth_track(said.phonemes, lead, count, rng, manner), segments


def test_mouth_follows_the_phonemes() -> None:
    lips, segments = track("mara moves a pan")
    middle = [(s, int((s.start_ms + s.end_ms) / 80)) for s in segments]
    closed = [lips.open[k] for s, k in middle if visemes(s.label) == ("P",)]
    wide = [lips.open[k] for s, k in middle if visemes(s.label) == ("A",)]
    assert len(closed) >= 3
    assert max(closed) < 0.08
    assert min(wide) > 0.3
    purse = next(lips.width[k] for s, k in middle if "uː" in s.label)
    assert purse < -0.15


def test_neighbours_colour_a_sound() -> None:
    """Co-articulation: the same consonant is wide beside "ee" and pursed beside "oo"."""
    widths = []
    for vowel in ("i", "u"):
        sounds = [Segment(s, 150.0 * k, 150.0 * (k + 1)) for k, s in enumerate([vowel, "t", vowel])]
        lips = mouth_track(sounds, 200, 24, np.random.default_rng(1), np.random.default_rng(1))
        widths.append(lips.width[int((200 + 225) / 40)])
    assert widths[0] > widths[1] + 0.4


def test_landmarks_lie_where_the_mouth_is_drawn() -> None:
    shut, wide = mouth(1), mouth(1, jaw=1.0, open=1.0)
    points = [landmarks(film(still(1), lips))[0] for lips in (shut, wide)]
    gap = [p[66, 1] - p[62, 1] for p in points]
    assert gap[0] < 1 < 15 < gap[1]
    assert points[1][8, 1] - points[0][8, 1] > 8  # the chin falls
    np.testing.assert_allclose(points[0][27:48], points[1][27:48])
    seen = pictures(film(still(1), wide))[0].float()
    x, y = points[1][60:68].mean(axis=0).round().astype(int)
    closed = pictures(film(still(1), shut))[0].float()
    assert (
        seen[:, y - 3 : y + 4, x - 6 : x + 7] - closed[:, y - 3 : y + 4, x - 6 : x + 7]
    ).abs().mean() > 20


def test_landmarks_follow_the_head() -> None:
    rng = np.random.default_rng(5)
    head = head_track(12, rng, liveliness=1.4)
    points = rng.uniform(60, 190, (12, 30, 2))
    seen = to_picture(head, points)
    back = np.stack([to_canvas(head, frame)[k] for k, frame in enumerate(seen)])
    np.testing.assert_allclose(back, points, atol=0.05)


def test_a_moved_head_is_seen_moved() -> None:
    moved = replace(still(1), x=np.array([8.0]))
    before, after = (pictures(film(head, mouth(1)))[0].float() for head in (still(1), moved))
    face = (slice(None), slice(90, 170), slice(90, 140))
    shifted = after[:, 90:170, 98:148]
    assert (before[face] - shifted).abs().mean() < 0.5 < (before[face] - after[face]).abs().mean()


def test_absent_frames_have_neither_face_nor_landmarks() -> None:
    away = replace(film(still(4), mouth(4)), absent=(1, 3))
    assert np.isnan(landmarks(away)).all(axis=(1, 2)).tolist() == [False, True, True, False]
    seen = pictures(away).float()
    assert (seen[0] - seen[1]).abs().mean() > 10
    assert torch.equal(seen[1], seen[2])


@pytest.mark.parametrize("thing", OCCLUDERS)
def test_an_occluder_comes_and_goes(thing: str) -> None:
    plain = film(still(50), mouth(50))
    hidden = pictures(replace(plain, occluder=thing)).float()
    change = (hidden - pictures(plain).float()).abs()[:, :, 110:180, 80:144].mean(dim=(1, 2, 3))
    assert change.max() > 2 > 0.01 > change.min()


@pytest.mark.parametrize("mood", list(MOODS))
def test_frames_are_the_same_again(mood: str) -> None:
    rng = np.random.default_rng(2)
    who, look = draw_identity(rng, bearded=True), draw_look(rng, wild=True)
    what = Film(who, look, mood, mouth(3, open=0.5), head_track(3, rng), "hand", 4)
    first = pictures(what)
    assert first.shape == (3, 3, 224, 224)
    assert first.dtype == torch.uint8
    assert torch.equal(first, pictures(what))


def test_long_clips_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    what = film(still(7), mouth(7, open=0.4))
    whole = torch.cat(list(frames(what)))
    monkeypatch.setattr(faces, "_CHUNK", 3)
    pieces = list(frames(what))
    assert [len(piece) for piece in pieces] == [3, 3, 1]
    assert torch.equal(torch.cat(pieces), whole)
