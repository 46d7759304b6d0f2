"""The page in a real browser: sorting, filtering, players, deep links, keyboard, contrast."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.bench.browser import Browser, find_browser
from tests.bench.toy_clips import ToyFace, ToyReader, ToyVoice, clip_run, make_clips
from zoo.bench import Result, render_page
from zoo.bench.published import PublishedColumn, PublishedRow, PublishedTable

EVIL = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>'
S2I = "recall_at_1[direction=speech_to_image]"
TABLE = "document.querySelector('.board')"
NAMES = f"[...{TABLE}.tBodies[0].rows].map(r => r.className + ' ' + r.cells[0].innerText.trim())"
# colours of text and of what lies behind it, as WCAG 2 compares them
CONTRAST = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = (css) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => {
    const s = c[i] / 255;
    return sum + w * (s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4);
  }, 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c[3] > 0.99) return c;
    }
    return [255, 255, 255, 1];
  };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest('.skip, .sr')) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(found)];
})()
"""


def published() -> PublishedTable:
    rows = (
        PublishedRow(model=f"Paper {EVIL}", metrics={S2I: 99.5, "other[judge=b]": 3.0}),
        PublishedRow(model="Older paper", metrics={S2I: 1.0}, note=EVIL),
    )
    return PublishedTable(
        task="tiny-flickr8k-retrieval",
        split="test",
        status="unverified",
        source=EVIL,
        columns=(PublishedColumn(id="other[judge=b]", label=EVIL, higher_is_better=False),),
        rows=rows,
    )


@pytest.fixture(scope="module")
def site(finished, worse, tmp_path_factory) -> Path:
    """A page with pictures, generated speech, generated faces, transcripts and hostile names."""
    root = tmp_path_factory.mktemp("page")
    clips = make_clips(root / "clips", 2, 2)
    floor = copy.deepcopy(dict(worse.data))
    floor["model"] |= {"name": "shuffled pairs", "role": "floor"}
    runs = {
        "reader": (ToyReader(), "tiny-lrs3-avsr-babble0"),
        "voice": (ToyVoice(), "tiny-lrs3-v2s"),
        f"face {EVIL}": (ToyFace(), "tiny-lrs3-talking-face"),
    }
    results = [
        clip_run(model, task, clips, root / f"run{i}", model_name=name)
        for i, (name, (model, task)) in enumerate(runs.items())
    ]
    out = root / "site"
    everything = [finished, worse, Result(floor), *results]
    render_page(everything, out, samples=2, published=[published()], title=f"Page {EVIL}")
    return out


@pytest.fixture(scope="module")
def program() -> str:
    found = find_browser()
    if found is None:
        pytest.skip("no browser is installed (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="module")
def browser(program: str, tmp_path_factory) -> Iterator[Browser]:
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def page(browser: Browser, site: Path) -> Browser:
    browser.open((site / "index.html").as_uri())
    return browser


def test_it_works_from_the_file_system_without_errors(page: Browser, site: Path) -> None:
    page.run("document.querySelectorAll('img').forEach((one) => { one.loading = 'eager'; })")
    page.run("Promise.all([...document.images].map((one) => one.decode()))")
    assert page.errors() == []
    asked = page.requests()
    assert len(asked) > 5 and all(one.startswith(site.as_uri()) for one in asked)


def test_nothing_hostile_runs(page: Browser) -> None:
    assert page.run("window.broken") is None
    assert page.run("document.querySelectorAll('script, img[src=x]').length") == 1
    assert page.run("document.title").count("<script>") == 1


def test_sorting_keeps_the_groups(page: Browser) -> None:
    click = f"{TABLE}.tHead.querySelector('[data-column=\"1\"]').click()"
    order = ["model toy.a", "model toy.b", "floor", "baseline", "baseline", "published"]
    before = page.run(NAMES)
    assert [a.startswith(b) for a, b in zip(before, order, strict=False)] == [True] * 6
    page.run(click)
    assert page.run(NAMES) == before, "the best stands on top already"
    page.run(click)
    turned = page.run(NAMES)
    assert [name.split()[1] for name in turned[:2]] == ["toy.b", "toy.a"]
    assert [name.split()[0] for name in turned] == [name.split()[0] for name in before]
    assert turned[-1].startswith("published Paper"), "published figures are sorted among themselves"
    assert page.run(f"{TABLE}.tHead.querySelector('[aria-sort]').ariaSort") == "ascending"


def test_sorting_by_keyboard(page: Browser) -> None:
    page.run(f"{TABLE}.tHead.querySelector('[data-column=\"0\"]').focus()")
    page.press("Tab", 9)
    assert page.run("document.activeElement.dataset.column") == "1"
    before = page.run(NAMES)
    page.press("Enter", 13, "\r")
    page.press("Enter", 13, "\r")
    assert page.run(NAMES)[:2] == before[1::-1]
    assert "sorted by" in page.run("document.getElementById('status').textContent")


def test_filtering(page: Browser) -> None:
    shown = "[...document.querySelectorAll('.board tbody tr')].filter(r => r.checkVisibility())"
    everything = page.run(f"{shown}.length")
    page.run("document.getElementById('filter').focus()")
    page.type("TOY.B")
    assert page.run(f"{shown}.map(r => r.cells[0].innerText)") == ["toy.b"]
    answers = "[...document.querySelectorAll('[data-system]')].filter(a => a.checkVisibility())"
    assert set(page.run(f"{answers}.map(a => a.dataset.system)")) == {"toy.b"}
    page.run("filter.value = ''; filter.dispatchEvent(new Event('input'))")
    assert page.run(f"{shown}.length") == everything
    page.run("document.getElementById('hide-published').click()")
    assert page.run(f"{shown}.filter(r => r.className == 'published').length") == 0


def test_every_player_plays(page: Browser) -> None:
    script = """
    (async () => {
      const found = [];
      for (const one of document.querySelectorAll('video, audio')) {
        one.muted = true;
        const playing = new Promise((done, fail) => {
          one.addEventListener('timeupdate', done, {once: true});
          one.addEventListener('error', () => fail(new Error(one.src)), {once: true});
        });
        await one.play();
        await playing;
        one.pause();
        found.push([one.tagName, one.duration > 0.2, one.videoWidth || 0]);
      }
      return found;
    })()
    """
    found = page.run(script)
    kinds = [kind for kind, _, _ in found]
    assert kinds.count("VIDEO") >= 2 * 5 and kinds.count("AUDIO") >= 2
    assert all(lasts for _, lasts, _ in found)
    assert all(width > 0 for kind, _, width in found if kind == "VIDEO")


def test_one_player_at_a_time_or_all_in_turn(page: Browser) -> None:
    playing = "[...document.querySelectorAll('video, audio')].filter(p => !p.paused).length"
    page.run("document.querySelectorAll('video, audio').forEach(p => { p.muted = true })")
    page.run("Promise.all([...document.querySelectorAll('video')].slice(0, 1).map(p => p.play()))")
    page.run("[...document.querySelectorAll('video')][1].play()")
    assert page.run(playing) == 1
    ended = """
    new Promise((done) => {
      const card = document.querySelector('.clip');
      const players = card.querySelectorAll('video, audio');
      players[players.length - 1].addEventListener('ended', () => done(players.length));
      card.querySelector('.together').click();
    })
    """
    assert page.run(ended) >= 2


def test_samples_show_the_differences(page: Browser) -> None:
    text = "[...document.querySelectorAll('[data-system=reader] .diff')].map(d => d.innerHTML)"
    found = page.run(text)
    assert len(found) == 2 and all(one.strip() for one in found)
    assert page.run("document.querySelectorAll('figure.given video').length") == 2
    assert page.run("document.querySelectorAll('figure.original img.strip').length") >= 6


@pytest.mark.parametrize("place", ["toy.b", "voice", "reader"])
def test_deep_links(place: str, browser: Browser, site: Path) -> None:
    address = (site / "index.html").as_uri()
    browser.open(address)
    own = (
        f"[...document.querySelectorAll('[data-system]')].find(a => a.dataset.system == '{place}')"
    )
    target = browser.run(f"{own}.id")
    task, model, sample = target.split("/", 2)
    assert task.startswith("tiny-") and model == place and sample
    browser.open(f"{address}#{quote(target)}")
    assert browser.run("document.querySelector(':target').id") == target
    place_on_screen = browser.run("document.querySelector(':target').getBoundingClientRect().top")
    assert -5 <= place_on_screen < 1000
    link = browser.run(f"{own}.querySelector('a.deep').href")
    assert link.endswith(quote(target, safe="/@:.-_~!$&'()*+,;="))


def test_a_deep_link_opens_what_is_folded_and_filtered(page: Browser) -> None:
    page.run("filter.value = 'nothing'; filter.dispatchEvent(new Event('input'))")
    target = "document.querySelector('[data-system=voice]')"
    assert not page.run(f"{target}.checkVisibility()")
    page.run(f"location.hash = '#' + encodeURIComponent({target}.id)")
    page.run("new Promise((done) => setTimeout(done, 100))")
    assert page.run(f"{target}.checkVisibility()")


@pytest.mark.parametrize("dark", [False, True])
def test_contrast(dark: bool, browser: Browser, site: Path) -> None:
    browser.emulate(dark=dark)
    browser.open((site / "index.html").as_uri())
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.run(CONTRAST) == []
    browser.emulate(dark=False)


def test_whiskers_lie_in_their_axis(page: Browser) -> None:
    script = """
    [...document.querySelectorAll('.whisker')].map((bar) => {
      const [axis, span] = [bar, bar.firstChild].map((e) => e.getBoundingClientRect());
      return span.left >= axis.left - 1 && span.right <= axis.right + 1 && span.width > 0;
    })
    """
    found = page.run(script)
    assert len(found) > 6 and all(found)


def test_the_tables_need_no_script(program: str, site: Path, finished, tmp_path: Path) -> None:
    plain = Browser(program, tmp_path / "profile", javascript=False)
    try:
        plain.open((site / "index.html").as_uri())
        values = plain.run(f"[...{TABLE}.querySelectorAll('.value')].map(v => v.innerText)")
        assert f"{finished.value(S2I):.1f}" in values
        assert plain.run("document.querySelector('.together').checkVisibility()") is False
    finally:
        plain.close()
