"""`RawCheckpoint` on every layout that the papers' training code writes."""

from __future__ import annotations

import argparse
import io
import json
import os
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.hub.pickles import Call, foreign, importable, save, save_joblib
from zoo.errors import CheckpointError, ConversionError, UnsafeFileError
from zoo.hub import archive
from zoo.hub.describe import describe
from zoo.hub.raw import RawCheckpoint

STATE = {"encoder.weight": torch.arange(6.0).reshape(2, 3), "encoder.bias": torch.ones(2)}


def under(prefix: str, state: dict[str, Tensor] = STATE) -> dict[str, Tensor]:
    return OrderedDict((f"{prefix}{key}", value) for key, value in state.items())


def same(found: dict[str, Tensor], expected: dict[str, Tensor] = STATE) -> bool:
    return found.keys() == expected.keys() and all(
        torch.equal(found[k], expected[k]) for k in expected
    )


LAYOUTS: dict[str, tuple[Any, str, str]] = {
    "flat": (STATE, "", ""),
    "fairseq": ({"args": None, "cfg": {"a": 1}, "model": STATE, "extra_state": {}}, "model", ""),
    "vocoder": ({"generator": STATE}, "generator", ""),
    "lightning": ({"epoch": 3, "state_dict": under("model.")}, "state_dict", "model."),
    "lightning-bare": ({"epoch": 3, "state_dict": STATE}, "state_dict", ""),
    "ddp": ({"state_dict": under("module."), "optimizer": {}}, "state_dict", "module."),
    "ddp-flat": (under("module."), "", "module."),
    "twice-wrapped": (under("module.module."), "", "module.module."),
    "compiled": ({"model": under("_orig_mod.")}, "model", "_orig_mod."),
    "average": (
        {
            "model_state_dict": under("", {k: v + 9 for k, v in STATE.items()}),
            "ema_model_state_dict": {**under("ema_model."), "initted": torch.tensor(True)},
        },
        "ema_model_state_dict",
        "ema_model.",
    ),
    "audiocraft": ({"xp.cfg": None, "best_state": {"model": STATE}}, "best_state.model", ""),
    "ge2e": ({"step": 3, "model_state": STATE}, "model_state", ""),
}


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_state_dict_is_found(tmp_path, layout, form):
    content, place, prefix = LAYOUTS[layout]
    raw = RawCheckpoint.open(save(content, tmp_path / "x.pt", form))
    assert same(raw.tensors)
    assert (raw.found.place, raw.found.prefix) == (place, prefix)
    assert list(raw.container) == list(content)


def test_several_state_dicts_come_under_their_names_or_one_is_chosen(tmp_path):
    path = save({"audio": STATE, "video": STATE, "step": 3}, tmp_path / "two.pt", "zip")
    both = {**under("audio."), **under("video.")}
    assert same(RawCheckpoint.open(path).tensors, both)
    assert same(RawCheckpoint.open(path, place="video").tensors)
    with pytest.raises(ConversionError, match=r"two\.pt.*'text'.*audio, video, step"):
        _ = RawCheckpoint.open(path, place="text").tensors


def test_entries_that_are_no_tensors_are_ignored_and_named(tmp_path):
    path = save({"model": {**STATE, "version": 3}}, tmp_path / "x.pt", "zip")
    raw = RawCheckpoint.open(path)
    assert same(raw.tensors) and raw.found.ignored == ("version",)


def test_a_file_without_weights_says_what_it_has(tmp_path):
    path = save({"cfg": {"a": 1}, "epoch": 2}, tmp_path / "empty.pt", "zip")
    with pytest.raises(ConversionError, match=r"empty\.pt.*no weights.*cfg, epoch"):
        _ = RawCheckpoint.open(path).tensors


def test_a_pickled_module_gives_its_state_dict(tmp_path):
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin = nn.Linear(2, 2)
            self.register_buffer("kept", torch.ones(1))
            self.register_buffer("left", torch.ones(1), persistent=False)

    Block.__module__, Block.__qualname__ = "enhancing.modules.stage1", "Block"
    module = nn.Sequential(Block(), nn.BatchNorm1d(2))
    with importable(Block):
        path = save(module, tmp_path / "tokenizer.ckpt", "zip")
    raw = RawCheckpoint.open(path)
    assert same(raw.tensors, module.state_dict())
    assert "enhancing.modules.stage1.Block" in raw.stand_ins


def test_configurations_are_plain_data(tmp_path):
    node = foreign("avssl.base.ordered_namespace.OrderedNamespace", lr=0.1)
    outer = foreign("avssl.base.ordered_namespace.OrderedNamespace", optim=node, names=["a"])
    with importable(node):
        type(outer).__qualname__ = type(node).__qualname__
        outer.__class__ = type(node)
        content = {"state_dict": STATE, "hyper_parameters": {"config": outer}}
        path = save(content, tmp_path / "x.ckpt", "zip")
    raw = RawCheckpoint.open(path)
    assert raw.config == {"config": {"optim": {"lr": 0.1}, "names": ["a"]}}
    assert raw.plain("hyper_parameters.config.optim.lr") == 0.1
    with pytest.raises(CheckpointError, match=r"x\.ckpt has no 'cfg\.model'.*state_dict"):
        raw.plain("cfg.model")


def test_args_are_used_where_cfg_is_none(tmp_path):
    content = {"cfg": None, "args": argparse.Namespace(arch="x"), "model": STATE}
    assert RawCheckpoint.open(save(content, tmp_path / "x.pt", "legacy")).config == {"arch": "x"}


def test_vocabularies_inside_the_file_become_side_files(tmp_path):
    (tmp_path / "text.txt").write_text("a b c ab bc ca abc\n" * 50)
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "text.txt"), model_prefix=str(tmp_path / "sp"), vocab_size=12,
        minloglevel=2,
    )  # fmt: skip
    proto = (tmp_path / "sp.model").read_bytes()
    processor = sentencepiece.SentencePieceProcessor(model_proto=proto)
    dictionary = foreign(
        "fairseq.data.dictionary.Dictionary",
        symbols=["<s>", "<pad>", "</s>", "<unk>", "▁a", "b"],
        count=[1, 1, 1, 1, 7, 5],
    )
    bpe = foreign("fairseq.data.encoders.sentencepiece_bpe.SentencepieceBPE", sp=processor)
    with importable(dictionary, bpe):
        task = {"s2s_tokenizer": bpe, "target_dictionary": dictionary, "lists": [dictionary]}
        path = save({"model": STATE, "task_state": task}, tmp_path / "x.pt", "zip")
    files = RawCheckpoint.open(path).side_files
    assert files["target_dictionary.dict.txt"] == "▁a 7\nb 5\n".encode()
    back = sentencepiece.SentencePieceProcessor(model_proto=files["s2s_tokenizer.model"])
    assert back.encode("abc") == processor.encode("abc")


def test_joblib_arrays_are_read_without_joblib(tmp_path):
    centers = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    kmeans = foreign(
        "sklearn.cluster._kmeans.KMeans",
        cluster_centers_=centers,
        n_clusters=5,
        labels_=np.asfortranarray(np.arange(6).reshape(2, 3)),
    )
    with importable(kmeans):
        path = save_joblib(kmeans, tmp_path / "km.bin")
    raw = RawCheckpoint.open(path)
    assert np.array_equal(raw.tensors["cluster_centers_"].numpy(), centers)
    assert raw.tensors["labels_"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert raw.plain("object.n_clusters") == 5
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"km\.bin.*(truncated|readable)"):
        RawCheckpoint.open(path)


def test_a_hostile_call_behind_a_joblib_array_is_refused(tmp_path):
    content = {"a": np.eye(2), "b": Call(os.system, f"touch {tmp_path / 'mark'}")}
    path = save_joblib(content, tmp_path / "km.bin")
    with pytest.raises(UnsafeFileError, match=r"posix\.system"):
        RawCheckpoint.open(path)
    assert not (tmp_path / "mark").exists()


def test_numpy_and_safetensors_files(tmp_path):
    np.save(tmp_path / "c.npy", np.eye(2, dtype=np.float32))
    assert torch.equal(RawCheckpoint.open(tmp_path / "c.npy").tensors["array"], torch.eye(2))
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(CheckpointError, match=r"o\.npy: not a plain numpy array"):
        RawCheckpoint.open(tmp_path / "o.npy")
    save_file(STATE, tmp_path / "m.safetensors")
    assert same(RawCheckpoint.open(tmp_path / "m.safetensors").tensors)
    (tmp_path / "m.safetensors").rename(tmp_path / "m.bin")
    assert RawCheckpoint.open(tmp_path / "m.bin").format == "safetensors"


def test_sharded_folders_are_joined_and_may_not_point_outside(tmp_path):
    for index, (key, tensor) in enumerate(STATE.items()):
        save_file({key: tensor}, tmp_path / f"part{index}.safetensors")
    names = {key: f"part{index}.safetensors" for index, key in enumerate(STATE)}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    assert same(RawCheckpoint.open(tmp_path).tensors)
    index.write_text(json.dumps({"weight_map": {"a": "../part0.safetensors"}}))
    with pytest.raises(UnsafeFileError, match=r"\.\./part0"):
        RawCheckpoint.open(tmp_path)


def test_partitioned_training_folders_are_refused_with_advice(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "global_step3").mkdir()
    (tmp_path / "global_step3" / "mp_rank_00_model_states.pt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"DeepSpeed.*zero_to_fp32"):
        RawCheckpoint.open(tmp_path)
    with pytest.raises(CheckpointError, match="one checkpoint file is needed"):
        RawCheckpoint.open(empty)


def test_a_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="there is no such file"):
        RawCheckpoint.open(tmp_path / "absent.pt")


def tar(path: Path, name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "") -> Path:
    with tarfile.open(path, "w:gz") as file:
        for member, content in (("good.ckpt", b"weights"), (name, b"")):
            info = tarfile.TarInfo(member)
            info.size, data = len(content), io.BytesIO(content)
            if member == name:
                info.type, info.linkname = kind, link
            file.addfile(info, data)
    return path


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../outside.ckpt", tarfile.REGTYPE, ""),
        ("/etc/outside.ckpt", tarfile.REGTYPE, ""),
        ("a/../../outside.ckpt", tarfile.REGTYPE, ""),
        ("link", tarfile.SYMTYPE, "/etc/passwd"),
        ("hard", tarfile.LNKTYPE, "../x"),
        ("fifo", tarfile.FIFOTYPE, ""),
    ],
)
def test_archives_whose_members_point_outside_are_refused_whole(tmp_path, name, kind, link):
    path = tar(tmp_path / "model.nemo", name, kind=kind, link=link)
    with pytest.raises(UnsafeFileError, match=r"model\.nemo: refused, its member"):
        archive.unpack(path, tmp_path / "out")
    assert not list(tmp_path.rglob("*.ckpt"))
    with pytest.raises(UnsafeFileError, match="refused"):
        RawCheckpoint.open(path)


def test_zip_archives_are_judged_the_same_way(tmp_path):
    path = tmp_path / "models.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/weights.pt", b"x")
        file.writestr("../outside.pt", b"x")
    with pytest.raises(UnsafeFileError, match=r"\.\./outside\.pt' points outside"):
        archive.members(path)
    with pytest.raises(UnsafeFileError, match=r"\.\./outside\.pt"):
        archive.unpack(path, tmp_path / "out")
    link = zipfile.ZipInfo("link.pt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(UnsafeFileError, match="is a link"):
        archive.unpack(path, tmp_path / "out")


def test_a_good_archive_is_unpacked_and_its_checkpoint_picked(tmp_path):
    path = tar(tmp_path / "models.tar.gz", "sub/other.txt")
    with pytest.raises(CheckpointError, match=r"an archive.*good\.ckpt"):
        RawCheckpoint.open(path)
    files = archive.unpack(path, tmp_path / "out")
    assert archive.pick_checkpoint(path, files).read_bytes() == b"weights"
    two = tar(tmp_path / "two.tar", "sub/second.ckpt")
    files = archive.unpack(two, tmp_path / "out2")
    with pytest.raises(CheckpointError, match=r"2 of its 2 files.*second\.ckpt.*--member"):
        archive.pick_checkpoint(two, files)
    assert archive.pick_checkpoint(two, files, "second.ckpt").name == "second.ckpt"


def test_describe_lists_without_reading_what_is_refused(tmp_path):
    mark = tmp_path / "mark"
    hostile = foreign("posixpath.Evil")
    with importable(hostile):
        path = save({"model": STATE, "x": hostile}, tmp_path / "x.pt", "zip")
    found = describe(path)
    assert found.refused == ["posixpath.Evil"] and not found.tensors and not mark.exists()
    path = save({"cfg": argparse.Namespace(a=1), "model": STATE}, tmp_path / "y.pt", "zip")
    found = describe(path)
    assert [(t.name, t.shape, t.dtype) for t in found.tensors] == [
        ("encoder.weight", (2, 3), "float32"),
        ("encoder.bias", (2,), "float32"),
    ]
    assert found.config == {"a": 1} and found.names["argparse.Namespace"] == "inert stand-in"
    assert json.loads(json.dumps(found.to_dict()))["place"] == "model"
