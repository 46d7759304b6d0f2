"""Reduced vocabularies of CLIP: which sub-words of its tokenizer a corpus uses, and text to rows.

SpeechCLIP section 3.4: only sub-words that occur in the captions keep their row, in the order of
decreasing count. Row 0 is the padding id, rows 2 and 3 are start and end of text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

PADDING_ROW, START_ROW, END_ROW = 0, 2, 3
"""Rows of a reduced vocabulary that are no words."""
PADDING_ID = 0


@lru_cache(maxsize=1)
def tokenizer() -> Any:
    """CLIP's byte-pair tokenizer; its table comes with open_clip."""
    from open_clip.tokenizer import _tokenizer

    return _tokenizer


def clean_caption(text: str) -> str:
    """Caption as SpeechCLIP tokenises it: stripped, without one final full stop."""
    return text.strip().removesuffix(".").rstrip()


def reduced_ids(captions: Iterable[str]) -> list[int]:
    """CLIP's sub-word ids that occur in the captions, most frequent first.

    The three special ids stand at rows 0, 2 and 3, as they do in the released lists.
    """
    encode = tokenizer().encode
    words: Counter[str] = Counter()
    for caption in captions:
        words.update(clean_caption(caption).lower().split())
    counts: Counter[int] = Counter()
    for word, count in words.items():  # byte pairs never cross a space, so words suffice
        for token in encode(word):
            counts[token] += count
    del counts[PADDING_ID]  # "!" shares the padding's id
    ordered = [token for token, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    start, end = tokenizer().sot_token_id, tokenizer().eot_token_id
    return [PADDING_ID, *ordered[:1], start, end, *ordered[1:]]


def caption_words(text: str) -> list[str]:
    """The sub-words of a caption as readable text, without end-of-word marks."""
    return [
        tokenizer().decode([token]).strip() for token in tokenizer().encode(clean_caption(text))
    ]


class Vocabulary:
    """Text <-> rows of a reduced token table.

    Args:
        ids: (V,) CLIP id of each row.
    """

    def __init__(self, ids: Tensor | Sequence[int]) -> None:
        self.ids = [int(token) for token in ids]
        self._row = {token: row for row, token in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)

    def word(self, row: int) -> str:
        """A row's sub-word as readable text, without the end-of-word mark."""
        text: str = tokenizer().decode([self.ids[row]])
        return text.strip()

    def encode(self, texts: Sequence[str], length: int) -> tuple[Tensor, Tensor, list[str]]:
        """Rows of the texts, start and end included.

        Args:
            texts: B captions; sub-words outside the vocabulary are left out.
            length: longest sequence; longer texts are cut, keeping the end token.

        Returns:
            rows (B, L) int64 padded with row 0 to the longest, (B,) position of the end token, and
            the sub-words left out.
        """
        unknown: list[str] = []
        sequences = []
        for text in texts:
            tokens = tokenizer().encode(clean_caption(text))
            unknown += [tokenizer().decode([t]).strip() for t in tokens if t not in self._row]
            rows = [self._row[token] for token in tokens if token in self._row][: length - 2]
            sequences.append(
                [self._row[tokenizer().sot_token_id], *rows, self._row[tokenizer().eot_token_id]]
            )
        last = torch.tensor([len(rows) - 1 for rows in sequences])
        padded = torch.zeros(len(texts), int(last.max()) + 1, dtype=torch.long)
        for i, rows in enumerate(sequences):
            padded[i, : len(rows)] = torch.tensor(rows)
        return padded, last, unknown


def match_rows(reduced: Tensor, full: Tensor) -> Tensor:
    """Recover which rows of a full table (N, C) a reduced one (V, C) was cut from: (V,) int64.

    Raises:
        ValueError: a row of the reduced table is not in the full one.
    """
    # byte equality suffices: the reduced table is a copy of rows of the full one
    index = {row.numpy().tobytes(): i for i, row in enumerate(full.detach().cpu().contiguous())}
    keys = [row.numpy().tobytes() for row in reduced.detach().cpu().contiguous()]
    lost = [row for row, key in enumerate(keys) if key not in index]
    if lost:
        raise ValueError(
            f"{len(lost)} of {len(keys)} rows of the reduced token table (first: row {lost[0]}) "
            "are no rows of the full one"
        )
    return torch.tensor([index[key] for key in keys], dtype=torch.long)
