"""Tables, leaderboard, comparison, terminal: nothing mixed, published figures apart."""

from __future__ import annotations

import copy

import pytest
from rich.console import Console

from tests.bench.conftest import toy_run
from tests.bench.toy import ToyRetriever
from zoo.bench import compare, print_table, render_leaderboard
from zoo.bench.board import build_boards
from zoo.bench.leaderboard import escape, update_readme
from zoo.bench.published import PublishedRow, PublishedTable
from zoo.bench.result import Result
from zoo.errors import BenchError

S2I = "recall_at_1[direction=speech_to_image]"


def published(value: float = 99.9, status: str = "unverified", **row) -> PublishedTable:
    line = PublishedRow(model="From a paper", metrics={S2I: value}, **row)
    return PublishedTable(
        task="tiny-flickr8k-retrieval", split="test", status=status, source="a paper", rows=(line,)
    )


@pytest.fixture(scope="module")
def subset(corpus, tmp_path_factory) -> Result:
    folder = tmp_path_factory.mktemp("runs") / "subset"
    return toy_run(ToyRetriever(), corpus, folder, limit=2, model_name="toy.part")


def test_models_are_ranked_and_the_rest_follows(worse, finished) -> None:
    (board,) = build_boards([worse, finished], [published()])
    assert [line.name for line in board.lines if line.kind == "model"] == ["toy.a", "toy.b"]
    kinds = [line.kind for line in board.lines]
    assert kinds == ["model", "model", "baseline", "baseline", "published"]


def test_subsets_and_other_samples_have_tables_of_their_own(subset, finished) -> None:
    data = copy.deepcopy(dict(finished.data))
    data["integrity"]["references_sha256"] = "f" * 64
    data["model"]["name"] = "toy.elsewhere"
    boards = build_boards([subset, finished, Result(data)], [published()])
    assert [[r.model for r in board.results] for board in boards] == [
        *sorted([["toy.a"], ["toy.elsewhere"]], key=lambda _: finished.group[1] > "f" * 64),
        ["toy.part"],
    ]
    assert boards[-1].subset and "subset" in boards[-1].heading
    assert not any(line.kind == "published" for line in boards[-1].lines)


def test_a_figure_by_other_means_stays_out_of_our_columns(finished) -> None:
    row = PublishedRow(model="Elsewhere", metrics={f"{S2I[:-1]},judge=other]": 77.7})
    table = PublishedTable(
        task="tiny-flickr8k-retrieval", split="test", status="verified", source="p", rows=(row,)
    )
    (board,) = build_boards([finished], [table])
    assert not any(line.kind == "published" for line in board.lines)
    (apart,) = board.published
    assert [line.name for line in apart.lines] == ["Elsewhere"]
    assert [cell.text for cell in apart.lines[0].cells] == ["77.7"]


def named(result: Result, name: str, **about: str) -> Result:
    data = copy.deepcopy(dict(result.data))
    data["model"] |= {"name": name, **about}
    return Result.from_dict(data)


def test_only_whole_models_are_ranked(finished, worse) -> None:
    rows = [
        named(finished, "shuffled pairs", role="floor"),
        named(worse, "toy.b", ablation="audio-only"),
        worse,
        named(finished, "resynthesis", role="control"),
        finished,
        named(worse, "originals", role="ceiling"),
    ]
    (board,) = build_boards(rows)
    assert [(line.kind, line.name) for line in board.lines if line.kind != "baseline"] == [
        ("ceiling", "originals"),
        ("model", "toy.a"),
        ("model", "toy.b"),
        ("ablation", "toy.b (without the video)"),
        ("control", "resynthesis"),
        ("floor", "shuffled pairs"),
    ]
    text = render_leaderboard(rows)
    places = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert sorted(filter(None, places[2:])) == ["1", "2"]
    assert "| *originals* |" in text and "| ceiling |" in text


def test_a_role_is_one_of_the_schemas(finished) -> None:
    with pytest.raises(BenchError, match=r"model\.role"):
        named(finished, "best of all", role="winner")


def test_leaderboard_marks_what_is_not_ours(finished, worse) -> None:
    tables = [published(), published(12.3, "verified"), published(45.6, "secondary")]
    text = render_leaderboard([finished, worse], tables)
    assert "*99.9* †" in text and "*12.3* |" in text and "*45.6* ‡" in text
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert rows[2:4] == ["1", "2"] and set(rows[4:]) == {""}


def test_a_cell_is_the_result_rounded_to_the_tasks_digits(finished) -> None:
    (board,) = build_boards([finished], all_figures=True)
    line = board.lines[0]
    assert len(board.columns) == len(finished.metrics)
    for column, cell in zip(board.columns, line.cells, strict=True):
        entry = finished.metrics[column.id]
        assert cell.text == f"{entry['value']:.1f}" and cell.value == entry["value"]
        assert cell.interval == f"[{entry['ci95'][0]:.1f}, {entry['ci95'][1]:.1f}]"


def test_failures_are_shown_beside_the_name(finished) -> None:
    data = copy.deepcopy(dict(finished.data))
    data["counts"]["n_failed"] = 3
    assert "3 failed" in render_leaderboard([Result(data)])


def test_markdown_cannot_break_the_table() -> None:
    assert escape("a|b <b>*x*</b>\n`c`") == "a\\|b &lt;b&gt;\\*x\\*&lt;/b&gt; \\`c\\`"


def test_the_table_fits_a_terminal(finished, worse) -> None:
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_table([finished, worse], console)
    text = console.export_text()
    assert "speech→image R@1" in text and "toy.a" in text and "chance" in text
    assert f"{finished.value(S2I):.1f}" in text


def test_paired_comparison(finished, worse) -> None:
    found = {d.id: d for d in compare(finished.folder, worse.folder, resamples=500).differences}
    difference = found[S2I]
    assert difference.value == pytest.approx(finished.value(S2I) - worse.value(S2I))
    assert difference.low <= difference.value <= difference.high
    assert not any("keyword" in id_ for id_ in found), "only one of the two names keywords"
    same = compare(finished.folder, finished.folder, resamples=50)
    assert {d.verdict for d in same.differences} == {"undecided"}


def test_runs_on_other_samples_are_not_compared(finished, subset) -> None:
    with pytest.raises(BenchError, match=r"\[first 2\].*not on the same samples"):
        compare(finished.folder, subset.folder)


def test_readme_gets_our_results_between_its_markers(finished, worse) -> None:
    readme = "# Head\n<!-- results:begin -->\nold\n<!-- results:end -->\ntail\n"
    text = update_readme(readme, [finished, worse])
    assert text.startswith("# Head\n") and text.endswith("<!-- results:end -->\ntail\n")
    assert "old" not in text and finished.model in text
    assert update_readme(text, [finished, worse]) == text
    with pytest.raises(BenchError, match="lacks the markers"):
        update_readme("# Head", [finished])
