"""A pytest plugin that prints the selected tests as JSON: file, name, and the shorter runs with each."""

import json

import selection


def pytest_collection_finish(session):
    for item in session.items:
        marks = {"day": not selection.is_extra(item), "quick": selection.is_quick(item)}
        print()
        print(json.dumps([item.path.name, item.name, [name for name, holds in marks.items() if holds]]))
