"""report.html in Chromium: offline, quiet, hostile texts as texts, for every eye and hand."""

import re
from pathlib import Path

import pytest

from stages.core.visible import visible

# What a text that was taken as HTML could have become.
MADE = "script, img, iframe, object, embed, form, link, base, [srcdoc], [onload], [onmouseover]"
OPEN_ALL = "document.querySelectorAll('details').forEach(each => each.open = true)"


def squeezed(text: str) -> str:
    """Return a text with one space for all that is white."""
    return re.sub(r"\s+", " ", text)


def test_it_opens_offline_and_says_nothing(show, heard, pages):
    for path in pages:
        heard.requests.clear()
        page = show(path.resolve().as_uri())
        assert heard.requests == [page.url]
        assert page.title()
        assert page.locator("h1").count() == 1
        assert page.locator("h2").count() >= 8
        assert len(page.locator("main").inner_text()) > 2000


def test_no_hostile_text_becomes_an_element(show, hostile, texts):
    page = show(hostile.as_uri())
    page.evaluate(OPEN_ALL)
    assert page.locator(MADE).count() == 0
    assert page.locator("h1").count() == 1
    assert page.locator("style").count() == 1
    for address in page.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))"):
        assert address.startswith("#"), address
    page.mouse.move(600, 400)
    shown = squeezed(page.locator("body").inner_text())
    told = [squeezed(visible(text)).strip() for text in texts]
    missing = [text[:60] for text in told if text[:60] not in shown]
    assert missing == []
    assert "\x1b" not in page.content()
    assert "\u202e" not in page.content()


def test_an_anchor_leads_to_a_part(show, pages):
    for path in pages:
        page = show(path.resolve().as_uri())
        lost = page.evaluate(
            "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.hash.slice(1))"
            ".filter(id => !document.getElementById(decodeURIComponent(id)))"
        )
        assert lost == []
        twice = page.evaluate(
            "(ids => ids.filter((id, at) => ids.indexOf(id) !== at))"
            "([...document.querySelectorAll('[id]')].map(each => each.id))"
        )
        assert twice == []
        assert page.locator("nav a:visible").count() == page.locator("main section h2").count()


@pytest.mark.parametrize("size", ["phone", "tablet", "computer"])
def test_only_tables_and_pictures_scroll_sideways(show, wider, pages, size):
    for path in pages:
        page = show(path.resolve().as_uri(), size)
        page.evaluate(OPEN_ALL)
        assert wider(page) == 0


def test_the_theme_is_the_readers(show, hostile):
    background = "getComputedStyle(document.body).backgroundColor"
    light = show(hostile.as_uri()).evaluate(background)
    dark = show(hostile.as_uri(), dark=True).evaluate(background)
    bright, dim = (sum(map(int, re.findall(r"\d+", each)[:3])) for each in (light, dark))
    assert bright > 600
    assert dim < 200


@pytest.mark.parametrize("size", ["phone", "computer"])
def test_nothing_keeps_anybody_out(show, barriers, pages, size):
    """By axe-core, with every part unfolded; contrast is looked at below, in seconds less."""
    for path in pages:
        page = show(path.resolve().as_uri(), size)
        page.evaluate(OPEN_ALL)
        ranks = ("moderate", "serious", "critical")
        assert barriers(page, ranks=ranks, rules={"color-contrast": {"enabled": False}}) == []


def test_axe_finds_no_faint_text_in_the_dark(show, barriers, hostile):
    page = show(hostile.as_uri(), dark=True)
    assert barriers(page, fewest=1, runOnly=["color-contrast"]) == []


# Of each way in which texts are painted, the contrast with what lies behind: backgrounds of what a
# text stands in; for a picture's texts, the shapes under them.
# Source: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
FAINT = """() => {
  const parts = color => {
    const found = (color.match(/[\\d.]+/g) || []).map(Number);
    return color.startsWith('color(srgb') ? found.map((v, at) => at < 3 ? v * 255 : v) : found;
  };
  const light = color => color.map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const over = (top, below) =>
    [0, 1, 2].map(at => top[at] * (top[3] ?? 1) + below[at] * (1 - (top[3] ?? 1)));
  const drawn = each => each.namespaceURI.endsWith('svg') && each.tagName !== 'svg';
  const paint = (each, color) => {
    const found = parts(color);
    if (found.length < 3) return null;
    const style = getComputedStyle(each);
    return [...found.slice(0, 3), (found[3] ?? 1) * style.opacity
      * (drawn(each) ? style.fillOpacity : 1)];
  };
  const behind = layers => layers.reduceRight((below, each) => {
    const style = getComputedStyle(each);
    const top = paint(each, drawn(each) ? style.fill : style.backgroundColor);
    return top ? over(top, below) : below;
  }, dark ? [0, 0, 0] : [255, 255, 255]);
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const seen = new Map();
  const note = (each, color, layers) => {
    const style = getComputedStyle(each), below = behind(layers);
    const top = over(paint(each, color), below);
    const [a, b] = [light(top), light(below)].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24
      || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const key = [top, below, large].join();
    if (!seen.has(key)) seen.set(key, [(a + 0.05) / (b + 0.05) / (large ? 3 : 4.5),
      each.textContent.trim().slice(0, 40), each.className.baseVal ?? each.className,
      top.map(Math.round).join(), below.map(Math.round).join()]);
  };
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const each = node.parentElement;
    if (!node.textContent.trim() || !each.checkVisibility() || each.closest('style, title, desc'))
      continue;
    texts += 1;
    if (!drawn(each)) {
      const layers = [];
      for (let up = each; up; up = up.parentElement) layers.push(up);
      note(each, getComputedStyle(each).color, layers);
    } else {
      each.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
      const box = each.getBoundingClientRect();
      const at = [box.x + box.width / 2, box.y + box.height / 2];
      const layers = document.elementsFromPoint(...at).filter(one => !one.closest('text'));
      note(each, getComputedStyle(each).fill, layers);
    }
  }
  return [texts, [...seen.values()].filter(found => found[0] < 1)];
}"""


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_stands_out(show, pages, dark):
    for path in pages:
        page = show(path.resolve().as_uri(), dark=dark)
        page.evaluate(OPEN_ALL)
        texts, faint = page.evaluate(FAINT)
        assert texts > 500
        assert faint == []


def test_a_picture_says_in_words_what_it_shows(show, pages):
    for path in pages:
        page = show(path.resolve().as_uri())
        pictures = page.locator("svg[role=img]")
        assert pictures.count() >= 3
        for picture in pictures.all():
            named = picture.get_attribute("aria-labelledby") or ""
            title = picture.locator("title").first
            assert named or picture.get_attribute("aria-label") or title.text_content().strip()
        assert page.locator("svg:not([role=img]):not([aria-hidden=true])").count() == 0


def focused(page) -> dict[str, str]:
    """Return what the keyboard is on."""
    return page.evaluate(
        "(e => ({tag: e.tagName, href: e.getAttribute('href') || '', text: e.innerText || '',"
        " ring: getComputedStyle(e).outlineStyle}))(document.activeElement)"
    )


def test_the_keyboard_reaches_everything(show, hostile):
    page = show(hostile.as_uri())
    page.keyboard.press("Tab")
    skip = focused(page)
    assert skip["tag"] == "A"
    assert skip["href"].startswith("#")
    page.keyboard.press("Enter")
    target = page.locator(f"[id='{skip['href'][1:]}']")
    assert target.evaluate("e => e.matches('main, main *')")

    page = show(hostile.as_uri())
    links = page.locator("nav a:visible").count()
    assert links >= 8
    seen = []
    for _ in range(links + 60):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        if seen[-1]["tag"] == "SUMMARY":
            break
    assert seen[-1]["tag"] == "SUMMARY", [each["tag"] for each in seen]
    assert sum(each["tag"] == "A" for each in seen) >= links
    assert all(each["ring"] != "none" for each in seen), seen
    details = page.locator("details:has(> summary:focus)")
    before = details.evaluate("e => e.open")
    page.keyboard.press("Enter")
    assert details.evaluate("e => e.open") is not before


def test_what_scrolls_sideways_can_be_scrolled_by_the_keyboard(show, hostile):
    page = show(hostile.as_uri(), "phone")
    page.evaluate(OPEN_ALL)
    stuck = page.evaluate(
        "[...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1"
        " && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.tabIndex < 0)"
        ".map(e => e.outerHTML.slice(0, 120))"
    )
    assert stuck == []


def test_it_prints(show, hostile, tmp_path: Path):
    printed = show(hostile.as_uri()).pdf(path=tmp_path / "report.pdf")
    assert len(printed) > 10_000
