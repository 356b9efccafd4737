"""What other build systems read of this repository: one version, files that exist, known keys."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def text(name: str) -> str:
    return (ROOT / name).read_text()


def test_one_version_everywhere() -> None:
    found = {
        "pyproject.toml": re.search(r'^version = "(.*)"', text("pyproject.toml"), re.M),
        "CMakeLists.txt": re.search(r"project\(optcore VERSION (\S+)", text("CMakeLists.txt")),
        "package.xml": re.search(r"<version>(.*)</version>", text("package.xml")),
        "library.json": re.search(r'"version": "(.*)"', text("library.json")),
        "idf_component.yml": re.search(r'^version: "(.*)"', text("idf_component.yml"), re.M),
    }
    assert len({m and m.group(1) for m in found.values()}) == 1, found


def test_package_xml_is_of_format_3() -> None:
    """REP 149: the required elements; ctest's consumer_ament has ament_cmake itself read it."""
    package = ET.fromstring(text("package.xml"))
    assert (package.tag, package.get("format")) == ("package", "3")
    for required in ("name", "version", "description", "maintainer", "license"):
        assert package.findtext(required)
    assert "@" in (package.find("maintainer").get("email") or "")
    assert re.fullmatch(r"[a-z][a-z0-9_]*", package.findtext("name") or "")
    assert package.findtext("export/build_type") == package.findtext("buildtool_depend")


def test_library_json_of_platformio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = json.loads(text("library.json"))
    include = ROOT / library["build"]["includeDir"]
    assert all((include / header).is_file() for header in library["headers"])
    assert all((ROOT / path).exists() for path in library["export"]["include"])
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path))  # else it makes a folder in HOME
    parser = pytest.importorskip(
        "platformio.package.manifest.parser", reason="optcore[test] brings platformio"
    )
    from platformio.package.exception import ManifestValidationError
    from platformio.package.manifest.schema import ManifestSchema

    parsed = parser.LibraryJsonManifestParser(text("library.json")).as_dict()
    refused: set[str] = set()
    try:
        ManifestSchema().load_manifest(parsed)
    except ManifestValidationError as error:
        refused = set(error.messages)
    assert refused <= {"license"}  # its list of licences is fetched from the net


def test_idf_component_yml() -> None:
    manager = pytest.importorskip(
        "idf_component_tools.manager", reason="optcore[test] brings idf-component-manager"
    )
    version = json.loads(text("library.json"))["version"]
    assert manager.ManifestManager(str(ROOT), "optcore").load().version == version


STUBS = """
function(cmake_minimum_required)
  message(FATAL_ERROR "asks for CMake ${ARGN}")
endfunction()
function(idf_component_register)
  message(NOTICE "idf ${ARGN}")
endfunction()
function(zephyr_include_directories)
  message(NOTICE "zephyr ${ARGN}")
endfunction()
"""


@pytest.mark.parametrize(
    ("setting", "file", "says"),
    [
        ("ESP_PLATFORM", "CMakeLists.txt", "idf INCLUDE_DIRS;cpp/include"),
        ("CONFIG_OPTCORE", "zephyr/CMakeLists.txt", r"zephyr .*/zephyr/\.\./cpp/include"),
    ],
)
def test_components_give_the_headers_alone(
    setting: str, file: str, says: str, tmp_path: Path
) -> None:
    """Those systems' own functions in place, the file is read as they do: also by their CMake,
    which is older than ours (ESP-IDF 5.1 to 5.3 bring 3.24, Zephyr asks for 3.20)."""
    script = tmp_path / "script.cmake"
    folder = (ROOT / file).parent
    script.write_text(
        f"{STUBS}set({setting} 1)\nset(CMAKE_CURRENT_SOURCE_DIR {folder})\ninclude({ROOT / file})\n"
    )
    done = subprocess.run(["cmake", "-P", script], capture_output=True, text=True, check=True)
    assert re.search(says, done.stderr)
    assert (ROOT / "cpp/include/optcore/core/config.hpp").is_file()


def test_zephyr_module() -> None:
    """Keys of Zephyr's schema of module.yml, and the files they name."""
    lines = [line for line in text("zephyr/module.yml").splitlines() if line[:1] not in "#"]
    keys = dict(re.findall(r"^ *(\w+): (\S+)$", "\n".join(lines), re.M))
    assert keys == {"name": "optcore", "cmake": "zephyr", "kconfig": "zephyr/Kconfig"}
    assert (ROOT / keys["cmake"] / "CMakeLists.txt").is_file()
    defined = re.findall(r"^config (\w+)", text(keys["kconfig"]), re.M)
    assert [f"CONFIG_{name}" for name in defined] == re.findall(
        r"if\((CONFIG_\w+)\)", text("zephyr/CMakeLists.txt")
    )
