"""One line over all tests, from the XML files that GoogleTest, ctest and pytest wrote.

Usage: test_summary.py FOLDER, holding gtest/*.xml, ctest.xml and pytest.xml. Exits with 1 when a
test failed or a half left no report.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree


def outcome(case: ElementTree.Element) -> str:
    """failed, skipped or passed, for a <testcase> of any of the three."""
    tags = {child.tag for child in case}
    if tags & {"failure", "error"} or case.get("status") == "fail":
        return "failed"
    notrun = case.get("status") in {"notrun", "disabled"} or case.get("result") == "skipped"
    return "skipped" if "skipped" in tags or notrun else "passed"


def count(path: Path, *, leave_out: frozenset[str] = frozenset()) -> Counter[str]:
    cases = ElementTree.parse(path).iter("testcase")
    return Counter(outcome(case) for case in cases if case.get("name") not in leave_out)


def line(counts: Counter[str]) -> str:
    parts = [f"{counts['passed']} passed"]
    parts += [f"{counts[kind]} {kind}" for kind in ("failed", "skipped") if counts[kind]]
    return ", ".join(parts)


def main(folder: Path) -> int:
    missing = [name for name in ("ctest.xml", "pytest.xml") if not (folder / name).exists()]
    gtest = sorted((folder / "gtest").glob("*.xml"))
    native: Counter[str] = Counter()
    for path in gtest:
        native += count(path)
    if "ctest.xml" not in missing:  # ctest sees each GoogleTest program as one test
        native += count(folder / "ctest.xml", leave_out=frozenset(path.stem for path in gtest))
    python = Counter[str]() if "pytest.xml" in missing else count(folder / "pytest.xml")
    total = native + python
    for name in missing:
        print(f"optcore: no report {name}: that half did not run to its end")
    print(f"optcore: {line(total)} (C++ {line(native)}; Python {line(python)})")
    return 1 if total["failed"] or missing else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
