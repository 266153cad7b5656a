#!/usr/bin/env bash
# Build the documentation site into build/site; its tools are installed into the environment by the first call.
set -euo pipefail
cd "$(dirname "$0")/../.."
export ENV=${ENV:-.venv}
stamp="$ENV/.stamp-docs-$(sha256sum requirements-docs.lock | cut -c1-16)"

[ -e "$stamp" ] || "$ENV/bin/python" -m workflow.install docs --stamp "$stamp"
NO_MKDOCS_2_WARNING=1 "$ENV/bin/python" -m mkdocs build --strict --clean --quiet --site-dir build/site
printf '[docs] build/site/index.html\n' >&2
