"""Writes the examples of the headers' comments, fenced as C++, into one program that runs them all.

header_examples.py INCLUDE-FOLDER OUT.cpp floor...    (floor: a folder of include/optcore)
"""

import re
import sys
from pathlib import Path

FENCED = re.compile(r"((?:^ *///.*\n)*?)^ */// ```cpp\n((?:^ *///.*\n)+?)^ */// ```$", re.MULTILINE)
# Faces without which nobody starts: each has an example.
FACES = {
    "core/arena", "core/random", "linalg/cholesky", "gp/model", "gp/likelihood",
    "mpc/ocp_solver", "mpc/dense_qp", "mpc/condensed", "mpc/models", "belief/categorical",
    "belief/dirichlet", "belief/discrete_filter", "belief/kalman", "runtime/block_pool",
    "runtime/cache", "runtime/histogram", "runtime/single_flight", "host/belief",
    "host/dense_qp", "host/gp",
}  # fmt: skip


def main() -> int:
    include, out, *floors = sys.argv[1:]
    includes, bodies, faces = [], [], set()
    for path in sorted(Path(include, "optcore").rglob("*.hpp")):
        name = path.relative_to(Path(include, "optcore")).with_suffix("").as_posix()
        if name.split("/")[0] not in floors:
            continue
        text = path.read_text()
        for _, example in FENCED.findall(text):
            line = text[: text.index(example)].count("\n") + 1
            code = re.sub(r"^ *///( |$)", "", example, flags=re.MULTILINE)
            includes.append(f'#include "optcore/{name}.hpp"\n')
            bodies.append(f'void example_{len(bodies)}() {{\n#line {line} "{path}"\n{code}}}\n')
            faces.add(name)
    missing = sorted(face for face in FACES - faces if face.split("/")[0] in floors)
    if missing:
        print("headers without an example:", *missing)
        return 1
    calls = "".join(f"  example_{i}();\n" for i in range(len(bodies)))
    text = "#undef NDEBUG\n#include <cassert>\n#include <cmath>\n\n" + "".join(includes)
    text += "\nnamespace {\nusing optcore::failed;\n" + "".join(bodies) + "}  // namespace\n"
    Path(out).write_text(f"{text}int main() {{\n{calls}}}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
