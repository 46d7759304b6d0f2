"""A fine-tuned AV-HuBERT in the form of the released files: read, converted, used, written back."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece
import torch

from tests.hub.pickles import foreign, importable, save
from tests.parity.golden import load_golden
from zoo.hub.convert import convert
from zoo.hub.load import from_pretrained
from zoo.models.avhubert.module import AVHuBERTModel
from zoo.tasks import Transcript
from zoo.text.subwords import DICTIONARY_FILE, MODEL_FILE, Subwords, train_subwords

TEXTS = ["tina sees the sea", "leo has a pear", "nina buys it"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    golden = load_golden("avhubert", "s2s")
    place = tmp_path_factory.mktemp("avhubert")
    proto = train_subwords(TEXTS, golden.config["vocab"])
    pieces = Subwords(proto).symbols
    symbols = [*pieces[:4], *reversed(pieces[4:])]  # an order of its own
    content = {
        "args": None,
        "cfg": {
            "model": {
                **golden.config,
                "_name": "av_hubert_seq2seq",
                "required_seq_len_multiple": 1,
                "w2v_args": {"model": golden.config["encoder"], "task": {}},
            },
            "task": {"modalities": ["video"]},
        },
        "model": golden.weights,
        "task_state": {
            "target_dictionary": foreign(
                "fairseq.data.dictionary.Dictionary", symbols=symbols, count=[1] * len(symbols)
            ),
            "s2s_tokenizer": foreign(
                "fairseq.data.encoders.sentencepiece_bpe.SentencepieceBPE",
                sp=sentencepiece.SentencePieceProcessor(model_proto=proto),
            ),
        },
        "extra_state": {},
        "last_optimizer_state": None,
    }
    state = content["task_state"]
    assert isinstance(state, dict)
    with importable(*state.values()):
        save(content, place / "base_vox_433h.pt", "zip")
    convert(place / "base_vox_433h.pt", "avhubert", place / "model", check=True)
    return place / "model"


def test_the_vocabulary_comes_out_of_the_file(folder: Path) -> None:
    assert (folder / MODEL_FILE).is_file() and (folder / DICTIONARY_FILE).is_file()
    model = from_pretrained(folder)
    assert isinstance(model, AVHuBERTModel)
    subwords = model.subwords
    own = Subwords((folder / MODEL_FILE).read_bytes())
    assert subwords.symbols[4:] == own.symbols[:3:-1]
    assert all(subwords.decode(subwords.encode(text)) == text for text in TEXTS)


def test_it_reads_lips(folder: Path) -> None:
    model = from_pretrained(folder)
    assert isinstance(model, AVHuBERTModel)
    assert model.streams == "video"
    assert model.config.search.beam == 50
    found = model.transcribe(torch.randint(0, 256, (6, 3, 96, 96)).byte())
    assert isinstance(found, Transcript)
