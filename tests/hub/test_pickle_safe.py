"""Reading pickles: everything harmless comes through, everything else is refused unrun."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import pickle
import subprocess
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hub.pickles import FORMS, Call, foreign, importable, save
from zoo.errors import CheckpointError, UnsafeFileError
from zoo.hub.inert import Inert
from zoo.hub.pickle_machine import read_data
from zoo.hub.pickle_safe import names_in, read_pickle
from zoo.hub.plain import plain

TORCH_FORMS = ("zip", "legacy")


def ran() -> None:
    """What a hostile file would call; pickled by its name."""
    raise AssertionError("the file was run")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("posix.system", lambda mark: Call(os.system, f"touch {mark}")),
        ("builtins.eval", lambda mark: Call(eval, f"open({str(mark)!r}, 'w')")),
        ("builtins.exec", lambda mark: Call(exec, f"open({str(mark)!r}, 'w')")),
        ("builtins.getattr", lambda mark: Call(getattr, "text", "join")),
        ("io.open", lambda mark: Call(open, str(mark), "w")),
        ("subprocess.Popen", lambda mark: Call(subprocess.Popen, ["touch", str(mark)])),
        ("importlib.import_module", lambda mark: Call(importlib.import_module, "this")),
        ("tests.hub.test_pickle_safe.ran", lambda mark: Call(ran)),
        ("torch.storage._load_from_bytes", lambda mark: Call(torch.storage._load_from_bytes, b"")),
    ],
)
def test_a_hostile_call_is_refused_by_name_and_not_run(tmp_path, form, name, make):
    mark = tmp_path / "mark"
    content = {"model": {"w": 1.0}, "cfg": argparse.Namespace(deep=[make(mark)])}
    path = save(content, tmp_path / "hostile.pt", form)
    with pytest.raises(UnsafeFileError, match=f"hostile.pt.*{name.replace('.', '[.]')}"):
        read_pickle(path)
    assert not mark.exists()


def test_all_refused_names_are_listed_at_once(tmp_path):
    path = save([Call(os.system, "true"), Call(eval, "1")], tmp_path / "two.pt", "zip")
    with pytest.raises(UnsafeFileError, match=r"builtins\.eval, posix\.system"):
        read_pickle(path)


@pytest.mark.parametrize("form", FORMS)
def test_a_call_of_a_known_package_makes_an_inert_object(tmp_path, form):
    # numpy has functions that run commands; its names are on the list, its code is never reached
    mark = tmp_path / "mark"
    runner = foreign("numpy.testing.runstring")
    with importable(runner):
        content = [Call(type(runner), f"open({str(mark)!r}, 'w')")]
        type(runner).__init__ = lambda self, *args: None
        read = read_pickle(save(content, tmp_path / "x.pt", form))
    assert isinstance(read.content[0], Inert) and not mark.exists()
    assert read.content[0].args == (f"open({str(mark)!r}, 'w')",)
    assert read.stand_ins == ("numpy.testing.runstring",)


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x02(ios\nsystem\n.",  # INST
        b"\x80\x02(cargparse\nNamespace\no.",  # OBJ
        b"\x80\x02Pid\n.",  # PERSID
        b"\x80\x02\x82\x01.",  # EXT1
        b"\x80\x04\x8c\x02os]\x93.",  # STACK_GLOBAL of a list
        b"\x80\x02}(R.",  # REDUCE of a dict
        b"\x80\x02K\x01)R.",  # a number is called
        b"\x80\x02cargparse\nNamespace\n)\x81)R.",  # an object is called
    ],
)
def test_odd_instructions_are_refused(tmp_path, code):
    path = tmp_path / "odd.pkl"
    path.write_bytes(code)
    with pytest.raises(CheckpointError, match=r"odd\.pkl"):
        read_pickle(path)


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little") + b"x.",
        b"\x80\x02T\xff\xff\xff\x7f.",
        b"\x80\x02]q\x00h\x05.",
        b"\x80\x02",
        b"\x80\x02.",
        b"\x80\x02u.",
    ],
)
def test_damaged_pickles_give_one_error(tmp_path, code):
    path = tmp_path / "damaged.pkl"
    path.write_bytes(code)
    with pytest.raises(CheckpointError, match=r"damaged\.pkl"):
        read_pickle(path)


@pytest.mark.parametrize("form", FORMS)
def test_containers_stay_real(tmp_path, form):
    filled = defaultdict(list, {"a": [1], "b": [2]})
    content = {
        "ordered": OrderedDict(x=1),
        "default": filled,
        "set": {1, 2},
        "bytes": b"\x00\xff",
        "tuple": (1, (2.5, None, True)),
        "big": 1 << 70,
    }
    read = read_pickle(save(content, tmp_path / "c.pt", form)).content
    assert read == content and isinstance(read["ordered"], OrderedDict)
    assert type(read["default"]) is dict  # without the function that makes its defaults
    if form not in TORCH_FORMS:
        assert read_pickle(save(Counter("aab"), tmp_path / "n.pt", form)).content == {
            "a": 2,
            "b": 1,
        }


@pytest.mark.parametrize("form", FORMS)
def test_numpy_values_come_out_as_numbers_and_arrays(tmp_path, form):
    array = np.arange(6, dtype=">i2").reshape(2, 3)
    content = {"scalar": np.float64(2.5), "array": array, "fortran": np.asfortranarray(array)}
    view = plain(read_pickle(save(content, tmp_path / "n.pt", form)).content)
    assert view["scalar"] == 2.5
    assert np.array_equal(view["array"], array) and np.array_equal(view["fortran"], array)


def test_an_array_of_objects_is_not_read(tmp_path):
    path = save({"a": np.array([{}], dtype=object)}, tmp_path / "o.pkl", "pickle2")
    with pytest.raises(CheckpointError, match="not plain numbers"):
        plain(read_pickle(path).content)


@pytest.mark.parametrize("form", TORCH_FORMS)
def test_tensors_and_unknown_classes_come_through_together(tmp_path, form):
    node = foreign("omegaconf.nodes.AnyNode", _val=3, _parent=None)
    config = foreign("omegaconf.dictconfig.DictConfig", _content={"layers": node})
    node._parent = config  # OmegaConf's nodes point back
    callback = type("ModelCheckpoint", (), {"__module__": "pytorch_lightning.callbacks"})
    spec = foreign("fairseq.tasks.Spec", tuple)
    with importable(config, node, callback, spec):
        content = {
            "state_dict": OrderedDict(w=torch.arange(3.0), p=torch.nn.Parameter(torch.ones(2))),
            "config": config,
            "callbacks": {callback: {"best": 1}},
            "args": argparse.Namespace(lr=0.1, nested=argparse.Namespace(a=[1])),
        }
        path = save(content, tmp_path / "x.ckpt", form)
    read = read_pickle(path).content
    assert torch.equal(read["state_dict"]["w"], torch.arange(3.0))
    view = plain({key: value for key, value in read.items() if key != "state_dict"})
    assert view == {
        "config": {"layers": 3},
        "callbacks": {"pytorch_lightning.callbacks.ModelCheckpoint": {"best": 1}},
        "args": {"lr": 0.1, "nested": {"a": [1]}},
    }


def test_the_views_of_cyclic_and_very_deep_data_end():
    loop: list[object] = [1]
    loop.append(loop)
    assert plain(loop) == [1, "<refers to itself>"]
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UnsafeFileError, match="deep"):
        plain(deep)


def test_python_2_names_are_translated_before_they_are_judged(tmp_path):
    path = tmp_path / "old.pkl"
    path.write_bytes(b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.")
    assert names_in(path) == {"builtins.eval"}
    with pytest.raises(UnsafeFileError, match=r"builtins\.eval"):
        read_pickle(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>quota</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
        (b"\x1f\x8b\x08\x00rest", "gzip"),
        (b"RIFF0000WAVE", "damaged or of another format"),
        (b"PK\x03\x04rest of a zip", "truncated"),
    ],
)
def test_what_is_not_a_checkpoint_is_called_by_its_name(tmp_path, content, message):
    path = tmp_path / "file.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"file\.pt.*{message}"):
        read_pickle(path)


@pytest.mark.parametrize("form", TORCH_FORMS)
def test_a_truncated_file_says_so(tmp_path, form):
    path = save({"w": torch.zeros(1000)}, tmp_path / "cut.pt", form)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CheckpointError, match=r"cut\.pt.*(truncated|damaged)"):
        read_pickle(path)


def test_a_torchscript_archive_is_a_program_and_refused(tmp_path):
    path = tmp_path / "script.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))
    with pytest.raises(CheckpointError, match="TorchScript"):
        read_pickle(path)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
HASHABLE = SCALARS | st.binary() | st.tuples(SCALARS, SCALARS)
DATA = st.recursive(
    HASHABLE | st.frozensets(HASHABLE) | st.sets(HASHABLE),
    lambda inner: st.lists(inner) | st.dictionaries(HASHABLE, inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(data=DATA, protocol=st.integers(2, 5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_plain_data_reads_like_pickle_reads_it(data, protocol):
    shared = [data, data, {"again": data}]
    raw = pickle.dumps(shared, protocol=protocol)
    found, names = read_data(io.BytesIO(raw), "data")
    assert found == shared
    assert names <= {"builtins.set", "builtins.frozenset", "_codecs.encode", "builtins.bytes"}


def test_reading_needs_none_of_the_packages(tmp_path, golden_pickle):
    """Neither fairseq nor omegaconf nor scikit-learn is imported by reading their objects."""
    script = (
        "import sys; from zoo.hub.pickle_safe import read_pickle; "
        f"read_pickle({str(golden_pickle)!r}); "
        "print([m for m in ('fairseq', 'omegaconf', 'sklearn', 'joblib') if m in sys.modules])"
    )
    result = subprocess.run(
        [os.environ.get("PYTHON", os.sys.executable), "-c", script],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[]"


@pytest.fixture
def golden_pickle(tmp_path: Path) -> Path:
    dictionary = foreign("fairseq.data.dictionary.Dictionary", symbols=["<s>", "a"], count=[1, 1])
    kmeans = foreign("sklearn.cluster._kmeans.KMeans", cluster_centers_=np.eye(2))
    node = foreign("omegaconf.nodes.AnyNode", _val=3)
    with importable(dictionary, kmeans, node):
        return save([dictionary, kmeans, node], tmp_path / "all.pt", "zip")
