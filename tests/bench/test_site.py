"""The page: parses, links resolve, nothing is injected, cells equal the results."""

from __future__ import annotations

import copy
import json
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from zoo.bench import render_page
from zoo.bench.published import PublishedColumn, PublishedRow, PublishedTable
from zoo.bench.result import Result
from zoo.errors import BenchError

VOID = {"meta", "link", "img", "input", "br", "path"}
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """Checks nesting; collects ids, links, tags and table cells."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.values: list[str] = []
        self._in_value = False
        self.feed(path.read_text("utf-8"))
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[name] for name in ("href", "src") if name in given]
        self._in_value = given.get("class") == "value"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        if self._in_value:
            self.values.append(data)
            self._in_value = False


@pytest.fixture(scope="module")
def site(finished, worse, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    render_page([finished, worse], out, samples=4)
    return out


def test_it_parses_and_every_link_resolves(site) -> None:
    page = Page(site / "index.html")
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        parts = urlsplit(link)
        assert not parts.scheme and not parts.netloc, f"{link} leaves the page"
        if parts.path:
            assert (site / parts.path).is_file(), link
        else:
            assert unquote(parts.fragment) in page.ids, link


def test_samples_have_pictures_players_and_answers(site) -> None:
    page = Page(site / "index.html")
    players = [given for tag, given in page.tags if tag == "audio"]
    assert len(players) == 4 and all(given["preload"] == "none" for given in players)
    pictures = [given for tag, given in page.tags if tag == "img"]
    assert len(pictures) == 4 * (1 + 2 * 5) and all(given["alt"] for given in pictures)
    text = (site / "index.html").read_text()
    assert "right picture at rank 1" in text and "slot 1" in text and "word said" in text
    assert sum(path.stat().st_size for path in site.iterdir() if path.is_file()) < 5_000_000


def test_every_cell_equals_the_result(site, finished, worse) -> None:
    values = Page(site / "index.html").values
    ours = [f"{e['value']:.1f}" for e in finished.metrics.values()]
    assert values[: len(ours)] == ours
    assert [
        entry["model"]["name"] for entry in json.loads((site / "results.json").read_text())
    ] == [
        "toy.a",
        "toy.b",
    ]


def test_the_table_has_scoped_headers_and_keyboard_sorting(site) -> None:
    page = Page(site / "index.html")
    headers = [given for tag, given in page.tags if tag == "th"]
    assert headers and all(given.get("scope") in ("col", "row") for given in headers)
    assert any(tag == "button" and "data-column" in given for tag, given in page.tags)


def test_nothing_from_outside_becomes_markup(finished, tmp_path) -> None:
    data = copy.deepcopy(dict(finished.data))
    data["model"]["name"] = data["task"]["title"] = data["run"]["command"] = EVIL
    data["baselines"][0]["name"] = EVIL
    data["failures"] = [
        {"type": EVIL, "count": 1, "example": {"id": EVIL, "message": EVIL}},
    ]
    row = PublishedRow(
        model=EVIL, note=EVIL, metrics={**data["baselines"][0]["metrics"], EVIL: 1.0}
    )
    table = PublishedTable(
        task="tiny-flickr8k-retrieval",
        split=EVIL,
        status="verified",
        source=EVIL,
        protocol=EVIL,
        columns=(PublishedColumn(id=EVIL, label=EVIL, unit=EVIL),),
        rows=(row,),
    )
    index = render_page([Result(data)], tmp_path, published=[table], title=EVIL)
    page = Page(index)
    assert [given for tag, given in page.tags if tag == "script"] == [{"src": "page.js"}]
    assert not any(name.startswith("on") for _, given in page.tags for name in given)
    assert not any(given.get("src") == "x" for _, given in page.tags)


def test_hostile_captions_and_keywords_stay_text(finished, corpus, tmp_path) -> None:
    import shutil

    copied = shutil.copytree(finished.folder, tmp_path / "run")
    references = copied / "references.jsonl"
    references.write_text(references.read_text().replace("square", json.dumps(EVIL)[1:-1]))
    shard = next((copied / "predictions").iterdir())
    lines = [json.loads(line) for line in shard.read_text().splitlines()]
    for line in lines:
        if "keywords" in line["output"]:
            line["output"]["keywords"][0][0] = EVIL
    shard.write_text("".join(json.dumps(line) + "\n" for line in lines))
    index = render_page([finished.at(copied, corpus)], tmp_path / "site", samples=2)
    page = Page(index)
    assert index.read_text().count("&lt;script&gt;alert(1)") >= 4
    assert [given for tag, given in page.tags if tag == "script"] == [{"src": "page.js"}]


def test_media_that_may_not_be_spread_stay_where_they_are(finished, tmp_path, monkeypatch) -> None:
    from dataclasses import replace

    from zoo.bench import gallery_parts

    closed = replace(gallery_parts.load_task(finished.task), redistributable=False)
    monkeypatch.setattr(gallery_parts, "load_task", lambda name: closed)
    render_page([finished], tmp_path, samples=4)
    assert not (tmp_path / "media").exists()


def test_a_result_that_does_not_fit_makes_no_page(finished, tmp_path) -> None:
    data = copy.deepcopy(dict(finished.data))
    data["schema"] = 7
    with pytest.raises(BenchError, match="schema 7"):
        render_page([Result(data)], tmp_path / "site")
    assert not (tmp_path / "site").exists()
