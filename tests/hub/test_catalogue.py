"""The manifests: valid, complete, without secrets, and what they say to a user."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from importlib.resources import files as package_files
from pathlib import Path

import pytest
import yaml

from tests.hub.official_places import (
    ADDRESSES,
    AVHUBERT_FILES,
    BLOCKS,
    DRIVE_IDS,
    HUB_REPOS,
    PAPERS,
    SPEECHCLIP_FILES,
)
from zoo.errors import CheckpointError, SourceError
from zoo.hub import catalogue
from zoo.hub.catalogue import find, list_checkpoints, list_models
from zoo.hub.entry import Entry, RemoteFile, Source
from zoo.models import MODEL_CLASSES

ENTRIES = list_checkpoints()


def _ids(source: Source) -> set[str]:
    return {source.drive_id, *(file.drive_id for file in source.files)} - {None}


def _manifest_text(slug: str) -> str:
    return (package_files("zoo.models") / slug / catalogue.MANIFEST).read_text(encoding="utf-8")


def test_manifests_are_valid() -> None:
    assert catalogue.validate() == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": "Speechclip.Base"}, "does not match"),
        ({"source": {"kind": "official", "repo": "a/b", "url": "https://x.org/f"}}, "should not"),
        ({"source": {"kind": "official", "revision": "main"}}, "does not match"),
        ({"license": {"code": "MIT", "weights": None}}, "is not valid"),
        ({"status": "unavailable"}, "'reason' is a required property"),
        ({"colour": "red"}, "Unevaluated properties"),
        (
            {"source": {"kind": "official", "files": [{"path": "../x", "bytes": None}]}},
            "'sha256' is a required property",
        ),
    ],
)
def test_schema_refuses(change: dict[str, object], complaint: str) -> None:
    document = yaml.safe_load(_manifest_text("ge2e"))
    document["checkpoints"][0] |= change
    assert any(complaint in problem for problem in catalogue._schema_problems(document))


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../b", "a\\b", "C:/x", "a//b"])
def test_schema_refuses_paths_that_leave_their_folder(path: str) -> None:
    document = yaml.safe_load(_manifest_text("ge2e"))
    document["checkpoints"][0]["source"]["files"] = [{"path": path, "bytes": 1, "sha256": None}]
    assert any("does not match" in problem for problem in catalogue._schema_problems(document))


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ({"repo": "a/b", "files": [{"path": "w", "sha256": "0" * 64}]}, "revision is not pinned"),
        ({"url": "https://x.org/w", "files": [{"path": "w"}]}, "w has no sha256"),
        ({"url": "https://x.org/w"}, "does not name the file"),
        ({}, "says nowhere where its files are"),
    ],
)
def test_supported_needs_pinned_files(source: dict[str, object], complaint: str) -> None:
    base = find("speechclip.base-flickr8k-parallel")
    files = tuple(RemoteFile(**file) for file in source.pop("files", ()))
    made = Source(kind="official", files=files, **source)
    entry = Entry(**{**base.__dict__, "status": "supported", "source": made})
    problems = list(catalogue._entry_problems(entry, {base.name}))
    assert any(complaint in problem for problem in problems), problems


def test_every_paper_and_block_has_a_manifest() -> None:
    assert set(PAPERS + BLOCKS) <= set(list_models())


@pytest.mark.parametrize("slug", list_models())
def test_folder_is_a_package_so_that_the_wheel_carries_it(slug: str) -> None:
    assert (import_module(f"zoo.models.{slug}").__doc__ or "").strip()


def test_names_are_unique() -> None:
    names = [entry.name for entry in ENTRIES]
    assert len(names) == len(set(names))
    written = sum(_manifest_text(slug).count("\n  - name: ") for slug in list_models())
    assert written == len(names)


@pytest.mark.parametrize("name", DRIVE_IDS)
def test_drive_ids(name: str) -> None:
    assert _ids(find(name).source) == set(DRIVE_IDS[name].split())


@pytest.mark.parametrize("name", HUB_REPOS)
def test_hub_repositories(name: str) -> None:
    assert find(name).source.repo == HUB_REPOS[name]


@pytest.mark.parametrize("name", ADDRESSES)
def test_addresses(name: str) -> None:
    assert any(ADDRESSES[name] in place for place in find(name).source.where())


def test_avhubert_is_complete() -> None:
    listed = {file.path for entry in list_checkpoints("avhubert") for file in entry.source.files}
    assert set(AVHUBERT_FILES) <= listed


@pytest.mark.parametrize("tag", SPEECHCLIP_FILES)
def test_speechclip_files(tag: str) -> None:
    entry = find(f"speechclip.{tag}")
    assert entry.source.repo == "speechclip/models"
    assert [file.path for file in entry.source.files] == [f"{SPEECHCLIP_FILES[tag]}.ckpt"]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_licence_and_hashes(entry: Entry) -> None:
    assert entry.license.weights or entry.license.note
    known = all(file.sha256 for file in entry.source.files)
    assert known or entry.status != "supported"


@pytest.mark.parametrize(
    "entry", [entry for entry in ENTRIES if entry.loadable], ids=lambda entry: entry.name
)
def test_loadable_entries_have_their_code(entry: Entry) -> None:
    module, name = MODEL_CLASSES[entry.model]
    config = getattr(import_module(module), name).Config
    # sizes are those of a preset, or lie beside the weights
    if entry.config.preset is None:
        assert any(file.role == "config" for file in entry.source.files)
    else:
        config.preset(entry.config.preset, overrides=dict(entry.config.overrides))
    if entry.source.kind == "official":
        assert entry.converter is not None
        official = import_module(f"zoo.models.{entry.converter.name}.official")
        assert entry.converter.version == official.VERSION


@pytest.mark.parametrize("slug", list_models())
def test_no_secrets_nor_local_paths(slug: str) -> None:
    text = _manifest_text(slug)
    assert not re.search(r"hf_[A-Za-z0-9]{20,}|gh[pousr]_\w{20,}|AKIA[0-9A-Z]{16}", text)
    assert not re.search(r"(?i)(password|secret|api[_-]?key|rlkey=|[?&](token|sig)=)", text)
    assert not re.search(
        r"(?<![\w.:/])(/(home|root|work|opt|tmp|Users|mnt)/|[A-Z]:\\|file://)", text
    )


def test_planned_entry_explains_itself() -> None:
    text = find("utut.sts").explain()
    assert "the model's code is not built yet" in text
    assert "1MEETNogbSgmqkhvzIO4SRSbh0o0dV-Sr" in text
    assert "2308.01831" in text and "utut.vocoder-it" in text


@pytest.mark.parametrize("name", ["utut.sts", "lmdecoder.vsr-es", "akvsr.official"])
def test_loading_what_cannot_be_loaded_explains_it(name: str) -> None:
    from zoo.hub.load import from_pretrained

    with pytest.raises(CheckpointError) as caught:
        from_pretrained(name)
    assert find(name).explain() in str(caught.value)


@pytest.mark.parametrize(
    "entry",
    [entry for entry in ENTRIES if entry.parity.get("status") == "pass"],
    ids=lambda entry: entry.name,
)
def test_what_was_compared_has_its_test(entry: Entry, repository: Path) -> None:
    assert entry.parity["tolerance"] > 0
    assert (repository / f"tests/parity/test_{entry.parity['golden']}.py").is_file()


def test_unavailable_entry_says_why() -> None:
    entry = find("akvsr.official")
    assert entry.reason in entry.explain()
    assert not entry.loadable


def test_own_unpublished_entry_names_the_folder_argument() -> None:
    entry = find("speechclip.tiny-parallel")
    assert entry.source.kind == "ours" and entry.loadable
    if entry.source.repo is None:
        assert "checkpoints/speechclip.tiny-parallel" in entry.explain()


def test_files_for_people_are_not_fetchable() -> None:
    assert not find("lmdecoder.vsr-es").source.fetchable
    assert not find("wav2lip_syncnet.expert").source.fetchable  # one file of a Drive folder
    assert find("wav2lip_syncnet.wav2lip-gan").source.fetchable
    assert find("utut.vocoder-it").source.fetchable
    assert find("speechclip.base-flickr8k-parallel").source.fetchable


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("speechclip", "speechclip.tiny-parallel"),
        ("speechclip.tiny-paralel", "speechclip.tiny-parallel"),
        ("speechclip.base", "speechclip.base-flickr8k-parallel"),
        ("wav2lip", "wav2lip_syncnet.wav2lip-gan"),
        ("zzzz", "zoo list"),
        ("", "zoo list"),
        (".", "zoo list"),
        ("../avhubert.base-vox-clean", "avhubert.base-vox-clean"),
    ],
)
def test_unknown_names_are_answered_with_near_ones(name: str, hint: str) -> None:
    with pytest.raises(SourceError) as caught:
        find(name)
    assert hint in str(caught.value)


def test_filters() -> None:
    assert list_models("*codec*") == ["mtp_codec", "neural_codec"]
    assert list_models(built=True) == sorted(set(list_models()) & set(MODEL_CLASSES))
    assert all(entry.slug == "utut" for entry in list_checkpoints("utut"))
    large = list_checkpoints(pattern="avhubert.large-*-vsr-*")
    assert large and all("large" in entry.tag for entry in large)
    assert {entry.status for entry in list_checkpoints(status="planned")} == {"planned"}
    with pytest.raises(SourceError, match="avhubert"):
        list_checkpoints("avhuber")
    with pytest.raises(SourceError, match="planned"):
        list_checkpoints(status="plannd")


def test_requirements_do_not_go_round() -> None:
    def walk(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, above
        for required in find(name).requires:
            walk(required, (*above, name))

    for entry in ENTRIES:
        walk(entry.name, ())


def test_reading_needs_no_torch() -> None:
    code = (
        "import sys; from zoo.hub.catalogue import list_checkpoints; list_checkpoints();"
        "sys.exit(bool({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_manifest_may_have_names_with_another_beginning() -> None:
    for name in ("wav2lip.wav2lip-gan", "wav2lip_syncnet.wav2lip-gan"):
        entry = find(name)
        assert (entry.name, entry.slug, entry.tag) == (
            "wav2lip_syncnet.wav2lip-gan",
            "wav2lip_syncnet",
            "wav2lip-gan",
        )
    with pytest.raises(SourceError, match="no checkpoint"):
        find("wav2lap.tiny")
