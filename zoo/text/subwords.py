"""Sub-words of text: sentencepiece models, and the numbering of fairseq's dictionaries.

A fairseq checkpoint brings both: the model cuts a text into pieces, and the dictionary says which
number a piece has behind the four special symbols.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence

import sentencepiece

from zoo.errors import CheckpointError, ConfigError

MODEL_FILE = "subwords.model"
DICTIONARY_FILE = "dict.txt"
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
BOS, PAD, EOS, UNK = range(4)
_SPACE = "\u2581"  # sentencepiece's mark of a word's beginning


class Subwords:
    """Cuts texts into numbered pieces and puts them together again.

    Args:
        model: the sentencepiece model as it lies in a file.
        dictionary: fairseq's dictionary file (a line a piece and its count, without the special
            symbols); None takes the model's own order.

    Raises:
        CheckpointError: the model cannot be read, or lacks pieces of the dictionary.
    """

    def __init__(self, model: bytes, dictionary: bytes | None = None) -> None:
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        except Exception as error:  # sentencepiece raises whatever its C++ side does
            raise CheckpointError(f"{MODEL_FILE}: not a sentencepiece model ({error})") from error
        symbols = list(SPECIALS)
        if dictionary is None:
            size = self._pieces.get_piece_size()
            own = (self._pieces.id_to_piece(i) for i in range(size))
            symbols += [piece for piece in own if piece not in SPECIALS]
        else:
            lines = dictionary.decode("utf-8").splitlines()
            symbols += [line.rsplit(" ", 1)[0] for line in lines if line]
        self.symbols = symbols
        self._ids = {symbol: number for number, symbol in enumerate(symbols)}

    @classmethod
    def from_side_files(cls, files: Mapping[str, bytes], owner: str) -> Subwords:
        """The sub-words saved beside a model.

        Raises:
            CheckpointError: there are none.
        """
        if MODEL_FILE not in files:
            raise CheckpointError(
                f"{owner} has no {MODEL_FILE}: it was pretrained without text or not trained yet; "
                "load a recogniser (a fine-tuned checkpoint), or fine-tune this one first"
            )
        return cls(files[MODEL_FILE], files.get(DICTIONARY_FILE))

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> list[int]:
        """Numbers of the pieces of a text, without an end."""
        pieces = self._pieces.encode(text, out_type=str)
        return [self._ids.get(piece, UNK) for piece in pieces]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of pieces; special symbols are left out."""
        return " ".join(word for word, _ in self.words(ids))

    def words(self, ids: Sequence[int]) -> list[tuple[str, list[int]]]:
        """Words and the places of their pieces in `ids`."""
        found: list[tuple[str, list[int]]] = []
        for place, number in enumerate(ids):
            if number < len(SPECIALS) or number >= len(self.symbols):
                continue
            for part, starts in _parts(self.symbols[number]):
                if starts or not found:
                    found.append(("", []))
                word, places = found[-1]
                found[-1] = (word + part, [*places, place])
        return [(word, places) for word, places in found if word]


def _parts(piece: str) -> list[tuple[str, bool]]:
    """A piece as parts of words, and whether each begins one; some pieces hold a space inside."""
    first, *others = piece.split(_SPACE)
    parts = [(first, False)] if first else []
    return parts + [(part, True) for part in others]


def train_subwords(texts: Iterable[str], size: int) -> bytes:
    """A unigram model of at most `size` pieces, special symbols included, in fairseq's numbering.

    Raises:
        ConfigError: the texts have more different letters than that.
    """
    file = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=file,
            model_type="unigram",
            vocab_size=size,
            hard_vocab_limit=False,
            character_coverage=1.0,
            bos_id=BOS,
            pad_id=PAD,
            eos_id=EOS,
            unk_id=UNK,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ConfigError(f"no sub-words of size {size} for these texts: {error}") from error
    return file.getvalue()
