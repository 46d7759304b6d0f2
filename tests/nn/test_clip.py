from __future__ import annotations

import pickle

import pytest
import torch
from PIL import Image

from zoo.nn.clip import CLIP_VOCABULARY, CLIPConfig, CLIPTowers, image_transform
from zoo.nn.clip_vocabulary import (
    END_ROW,
    START_ROW,
    Vocabulary,
    clean_caption,
    match_rows,
    reduced_ids,
    tokenizer,
)

SMALL = CLIPConfig(
    embedding_size=16,
    image_size=32,
    patch_size=8,
    vision_layers=2,
    vision_size=32,
    vision_heads=2,
    text_layers=2,
    text_size=32,
    text_heads=2,
    context_length=12,
    vocab_size=20,
)
CAPTIONS = ["A dog runs on the beach .", "a cat sleeps", "A dog and a dog"]


@pytest.fixture
def towers() -> CLIPTowers:
    torch.manual_seed(0)
    return CLIPTowers(SMALL).eval()


def test_text_equals_open_clip_on_the_whole_context(towers: CLIPTowers) -> None:
    """The short run up to the end token gives what open_clip's padded run gives."""
    ids = torch.tensor([[2, 5, 6, 19, 0, 0], [2, 7, 19, 0, 0, 0]])  # open_clip ends at the argmax
    last = torch.tensor([3, 2])
    padded = torch.nn.functional.pad(ids, (0, SMALL.context_length - ids.shape[1]))
    expected = towers.model.encode_text(padded)
    torch.testing.assert_close(towers.encode_text(ids, last), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(towers.encode_text(ids[:, :4], last), expected, atol=1e-5, rtol=1e-5)


def test_meta_build_and_reset(towers: CLIPTowers) -> None:
    with torch.device("meta"):
        empty = CLIPTowers(SMALL)
    empty.load_state_dict(towers.state_dict(), assign=True)
    empty.reset_buffers()
    assert torch.equal(empty.model.attn_mask, towers.model.attn_mask)
    image = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(empty.encode_image(image), towers.encode_image(image))


def test_rows_of_the_full_table() -> None:
    towers = CLIPTowers(SMALL.replace(keep_full_embedding=True))
    assert towers.full_token_embedding is not None
    towers.full_token_embedding.data.normal_()
    ids = torch.randperm(CLIP_VOCABULARY)[:20]
    towers.take_rows(ids)
    assert torch.equal(towers.token_embedding, towers.full_token_embedding[ids])
    assert torch.equal(match_rows(towers.token_embedding, towers.full_token_embedding), ids)
    full = towers.encode_text(ids[:3].unsqueeze(0), torch.tensor([2]), full_vocabulary=True)
    reduced = towers.encode_text(torch.arange(3).unsqueeze(0), torch.tensor([2]))
    torch.testing.assert_close(full, reduced)
    with pytest.raises(ValueError, match="1 of 20 rows"):
        rows = towers.token_embedding.detach().clone()
        rows[7] += 1
        match_rows(rows, towers.full_token_embedding)


def test_no_full_table(towers: CLIPTowers) -> None:
    with pytest.raises(ValueError, match="full token table"):
        towers.encode_text(torch.zeros(1, 3).long(), torch.tensor([2]), full_vocabulary=True)


def test_reduced_ids_have_the_special_rows_in_their_places() -> None:
    ids = reduced_ids(CAPTIONS)
    assert ids[0] == 0
    assert ids[START_ROW] == tokenizer().sot_token_id
    assert ids[END_ROW] == tokenizer().eot_token_id
    words = Vocabulary(ids)
    assert words.word(1) == "a"  # the most frequent word
    assert words.word(4) == "dog"
    assert len(set(ids)) == len(ids)
    assert "." not in [words.word(row) for row in range(4, len(ids))]


def test_text_to_rows() -> None:
    words = Vocabulary(reduced_ids(CAPTIONS))
    rows, last, unknown = words.encode(["a dog", "a zebra runs ."], 77)
    assert unknown == ["zebra"]
    assert last.tolist() == [3, 3]
    assert [words.word(row) for row in rows[1, 1:3].tolist()] == ["a", "runs"]
    assert rows[:, 0].tolist() == [START_ROW] * 2
    assert rows[[0, 1], last].tolist() == [END_ROW] * 2
    rows, last, _ = words.encode(["a dog " * 50], 10)
    assert rows.shape == (1, 10)
    assert rows[0, -1] == END_ROW


def test_clean_caption() -> None:
    assert clean_caption(" A dog .. ") == "A dog ."


@pytest.mark.parametrize("size", [(50, 40), (33, 90), (32, 32), (7, 5)])
def test_transform_of_any_size(size: tuple[int, int]) -> None:
    transform = pickle.loads(pickle.dumps(image_transform(32)))
    assert transform(Image.new("RGB", size, "red")).shape == (3, 32, 32)
