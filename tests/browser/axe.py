"""axe-core on a drawn page: what it finds that is serious or critical. The script comes with a package of the tests."""

from __future__ import annotations

from importlib.resources import files

SCRIPT = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
_RUN = """async rules => {
    const options = { resultTypes: ['violations'], ...(rules ? { runOnly: { type: 'rule', values: rules } } : {}) };
    const found = await axe.run(document, options);
    return found.violations.filter(item => ['serious', 'critical'].includes(item.impact))
        .map(item => `${item.id}: ${item.nodes.slice(0, 3).map(node => node.html.slice(0, 200)).join(' | ')}`);
}"""


def violations(page, *rules: str) -> list[str]:
    """What stands in the way of people on this page; of some rules only, if they are named."""
    if not page.evaluate("() => typeof axe !== 'undefined'"):
        page.evaluate(SCRIPT)
    return page.evaluate(_RUN, list(rules) or None)
