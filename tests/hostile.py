"""Twenty-five texts that try to break out of wherever they are put, for names of all kinds."""

from __future__ import annotations

SCRIPT = "document.title='pwned';window.pwned=1"
HOSTILE = (
    f"<script>{SCRIPT}</script>",
    f"<img src=x onerror={SCRIPT.split(';')[0]}>",
    f"<svg/onload=\"{SCRIPT}\">",
    f"\"><img src=x onerror=\"{SCRIPT}\">",
    f"'><iframe srcdoc='<script>parent.{SCRIPT}</script>'>",
    f"<a href=\"javascript:{SCRIPT}\">click</a>",
    f"[click](javascript:{SCRIPT})",
    f"javascript:{SCRIPT}",
    "<b>bold</b><br><i>x</i>",
    "</textarea></title></style></script><h1>out</h1>",
    "&lt;img src=x onerror=alert(1)&gt;",
    "${7*7}{{7*7}}<%= 7*7 %>",
    "$\\href{javascript:alert(1)}{x}$",
    "$x^2$",
    "%{customdata}<extra></extra>%{x}",
    "=HYPERLINK(\"http://evil.example\",\"x\")",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "x\"; DROP TABLE batches; --",
    "a]b`c'd\"e",
    "../../etc/passwd",
    "C:\\Windows\\..\\CON",
    "line\nbreak",
    "\u202eright to left\u202c\u200b",
    "😀 é ñ 中文 \ufdfa",
    "_:.,-+%/#?&;",
)  # fmt: skip
