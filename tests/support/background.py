"""Compute results in the background, ahead of the tests that wait for them, two at a time.

They come from processes that mostly compile, on one core each.
"""

from concurrent.futures import ThreadPoolExecutor


def run_in_background(request, function, *names):
    """Run function(*values) in the background for the parameter values of the collected tests of this file.

    Yield a function that returns the result for given values; for a module-scoped fixture (`yield from`).
    """
    items = [
        item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")
    ]
    params = [item.callspec.params for item in items]
    wanted = {tuple(each[name] for name in names): None for each in params if {*names} <= each.keys()}
    with ThreadPoolExecutor(2) as pool:
        results = {values: pool.submit(function, *values) for values in wanted}
        yield lambda *values: results[values].result()
        for result in results.values():
            result.cancel()
