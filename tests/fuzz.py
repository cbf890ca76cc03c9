"""Fuzz everything public: ``python tests/fuzz.py --cases 100000 --seed 0``.

There are three targets: the functions of the package, the file readers of the command line, and its
arguments. Each runs in its own process, with bounds checking in all kernels and limited memory. Only
documented exceptions may be raised, results must be valid, and inputs unchanged. With the package `atheris`
the cases are guided by coverage; without it they are random. Exit code 0: nothing was found.
"""

import argparse
import gzip
import io
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

#: The share of the cases that goes to each target.
SHARES = {"face": 0.6, "files": 0.35, "arguments": 0.05}
MEMORY = 8 << 30
SECONDS = 1200
LENGTH = 256
#: Modules whose functions are also compiled, and must not be instrumented; and those that are.
COMPILED = ("_engine.bins", "_engine.structs.seeds")
WATCHED = ("_engine.fit", "_scipy", "_batch", "_cli.main", "_cli.cluster", "_cli.inputs")
WATCHED += ("_cli.files", "_cli.tables", "_cli.arrays", "_cli.delimited", "_cli.dialect", "_cli.pictures")


class Source:
    """A source of decisions, read from bytes; zeros once they are used up."""

    def __init__(self, content):
        self._content, self._at = content, 0

    def take(self, n):
        piece = self._content[self._at : self._at + n]
        self._at += n
        return piece.ljust(n, b"\0")

    def below(self, n):
        return int.from_bytes(self.take(2), "little") % n

    def one_of(self, choices):
        return choices[self.below(len(choices))]

    def maybe(self, one_in=2):
        return self.below(one_in) == one_in - 1


def require_message(error):
    assert str(error), "an error without a message"


# --- The functions


def setup_face():
    import numpy as np

    import numbakmeans

    dtypes = ["f8", "f4", "f2", ">f8", "i8", "u1", "?", "g", "c16", "O", "U3", "M8[s]", "S2", "i2"]
    special = [0.0, -0.0, 1.0, np.nan, np.inf, -np.inf, 5e-324, 1.7e308, -1.7e308, 1e-30, 1e30, 3.0]

    def array(source):
        ndim = source.one_of([2] * 12 + [1] * 4 + [0, 3])
        shape = tuple(source.one_of([1, 2, 3, 5, 7, 9, 20] * 3 + [0]) for _ in range(ndim))
        size = int(np.prod(shape))
        kind = source.one_of(["small", "small", "small", "special", "raw"])
        if kind == "small":
            values = np.array([source.take(1)[0] for _ in range(min(size, 60))] or [0]) % 8 / 2.0
        elif kind == "special":
            values = np.array([source.one_of(special) for _ in range(min(size, 20))] or [0.0])
        else:
            values = np.frombuffer(source.take(8 * max(1, min(size, 12))), "<f8")
        dtype = source.one_of(dtypes) if source.maybe(5) else source.one_of(dtypes[:2])
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                X = np.resize(values, shape).astype(dtype)
            except (ValueError, TypeError, OverflowError):
                X = np.resize(values, shape)
        wrap = source.below(36)
        if wrap == 1:
            return np.asfortranarray(X)
        if wrap == 2:
            return X[::-1] if X.ndim else X
        if wrap == 3:
            return X.tolist()
        if wrap == 4:
            return np.ma.masked_equal(X, 1) if X.dtype.kind in "fiu" else X
        if wrap == 5:
            return source.one_of([None, "text", [[1], [2, 3]], {}, object(), 3, b"x", [[]], np.float32(2)])
        return X

    def book(source, X):
        """Return centers that match X, most of the time."""
        if source.maybe(4) or not isinstance(X, np.ndarray) or X.ndim == 0:
            return array(source)
        return X[: 1 + source.below(4)]

    def count(source):
        if source.maybe(4):
            odd = [0, -1, 2.5, 3.0, np.inf, np.nan, 2**31, 2**63, -(2**70), None, "3", 1j, True, np.array(2)]
            return source.one_of([*odd, np.array([2]), np.array([[3]]), [], [2], np.int8(3), object()])
        return 1 + source.below(6)

    def clusters(source, X):
        """Return centers or a number of clusters, but none so large that a case takes long."""
        k = book(source, X) if source.maybe(3) else count(source)
        try:
            number = float(np.asarray(k).item())
        except (TypeError, ValueError):
            return k
        return number % 1000 if 1000 < number < 2**31 else k

    def passes(source):
        odd = [0, -1, 2.0, 2.5, None, "2", np.nan, np.inf, True, np.int64(3), np.array(2), [3], object()]
        return source.one_of(odd) if source.maybe(6) else 1 + source.below(4)

    def options(source, generator):
        given = {"check_finite": source.one_of([True, False, None, 0])} if source.maybe() else {}
        if generator and source.maybe(3):
            odd = [None, "x", -1, 1.5, np.random, object()]
            given[source.one_of(["rng", "seed"])] = source.one_of(
                [0, np.random.default_rng(1), np.random.RandomState(1), np.random.PCG64(3), *odd]
            )
        elif generator:
            given["rng"] = source.below(9)
        if generator and source.maybe(12):
            given["seed"] = 1
        return given

    def check(found, labels, n_clusters):
        assert labels.dtype == np.int32
        assert labels.min(initial=0) >= 0
        assert labels.max(initial=0) < n_clusters
        assert found.dtype in (np.float32, np.float64)

    def ways(source):
        odd = [source.one_of([None, "x", 3, b"++", object()])] if source.maybe(12) else []
        more = options(source, generator=True)
        more["minit"] = source.one_of(odd or ["random", "points", "++", "matrix"])
        more["missing"] = source.one_of(["warn", "warn", "raise", *odd])
        return {"iter": passes(source), "thresh": source.one_of([1e-5, *odd]), **more}

    def kmeans2(source, X):
        centers, labels = numbakmeans.kmeans2(X, clusters(source, X), **ways(source))
        check(centers, labels, len(centers))

    def kmeans2_batch(source, X):
        data = source.one_of([X, [X, X], [X, array(source)]])
        k = clusters(source, X)
        found = numbakmeans.kmeans2_batch(data, [k, k] if source.maybe(4) else k, **ways(source))
        pairs = found if isinstance(found, list) else zip(*found, strict=True)
        for centers, labels in pairs:
            check(centers, labels, len(centers))

    def kmeans(source, X):
        k = clusters(source, X)
        thresh = source.one_of([1e-5, 0.1, 0, -1, np.nan, "x", None, np.inf])
        codes, distortion = numbakmeans.kmeans(
            X, k, passes(source), thresh, **options(source, generator=True)
        )
        assert len(codes) >= 1
        assert np.ndim(distortion) == 0

    def vq(source, X):
        codes = book(source, X)
        labels, dists = numbakmeans.vq(X, codes, **options(source, generator=False))
        check(dists, labels, max(1, np.size(codes)))  # rows without features are all alike

    def whiten(source, X):
        found = numbakmeans.whiten(X, **options(source, generator=False))
        assert found.shape == np.shape(X)

    def weights(source, X):
        """Return weights that match X, most of the time."""
        if source.maybe(4):
            return array(source)
        n_samples = len(X) if np.ndim(X) else 1
        return [source.one_of([0.0, 1.0, 2.0, 0.5, 1e-300, 1e300, 5e-324]) for _ in range(n_samples)]

    def refinements(source):
        """Return options that `fit` and KMeans share."""
        given = {}
        if source.maybe(3):
            given["tol"] = source.one_of([0, 0.0, 1e-4, 1.0, 0.5, -1, np.nan, np.inf, "x", None])
        if source.maybe(3):
            given["metric"] = source.one_of(["cosine", "cosine", "cosine", "euclidean", "x", None, 3])
        if source.maybe(3):
            odd = [3, "x", [[0]], [0.5], [-1], [2**70], None, object()]
            given["fixed"] = source.one_of([[0], [0, 1], [True], [True, False], [], range(3), *odd])
        if source.maybe(3):
            given["empty_clusters"] = source.one_of(["keep", "relocate", "relocate", "raise", "x", None])
        return given

    def fit(source, X):
        more = {"sample_weight": weights(source, X)} if source.maybe(3) else {}
        centers = book(source, X)
        more |= refinements(source) | options(source, generator=False)
        result = numbakmeans.fit(X, centers, max_iter=passes(source), **more)
        check(result.centers, result.labels, len(result.centers))
        assert isinstance(result.inertia, float)

    def estimator(source, X):
        names = ["k-means++", "k-means||", "random", "x", None]
        init = source.one_of(names) if source.maybe() else book(source, X)
        states = [0, 1, 2, None, -1, "x", 1.5, np.random.default_rng(1), np.random.RandomState(1)]
        more = refinements(source) | {"random_state": source.one_of(states)}
        k = count(source)
        model = numbakmeans.KMeans(k, init=init, n_init=source.one_of(["auto", 1, 2, 3, 0, "x"]), **more)
        model.fit(X, sample_weight=weights(source, X) if source.maybe(3) else None)
        check(model.cluster_centers_, model.labels_, len(model.cluster_centers_))
        assert np.array_equal(model.predict(X), model.labels_)
        assert isinstance(model.inertia_, float)

    calls = [kmeans2, kmeans2, kmeans2_batch, kmeans, vq, whiten, fit, fit, estimator]
    documented = (TypeError, ValueError, numbakmeans.ClusterError)
    warnings.simplefilter("ignore")

    def run(content):
        source = Source(content)
        call, X = source.one_of(calls), array(source)
        before = X.copy() if isinstance(X, np.ndarray) else None
        try:
            call(source, X)
        except documented as error:
            require_message(error)
        except OverflowError as error:
            if "iter cannot be read" not in str(error):
                raise
        if before is not None and before.dtype.kind != "O":
            assert X.tobytes() == before.tobytes(), "the input was changed"

    return run


# --- The files


def valid_files(folder):
    import numpy as np
    from PIL import Image

    rows = np.random.default_rng(0).integers(0, 99, size=(9, 3))
    np.save(folder / "a.npy", rows.astype(float))
    np.save(folder / "b.npy", np.asfortranarray(rows.astype(">f4")))
    np.savez(folder / "a.npz", first=rows, second=rows * 0.5)
    np.savez_compressed(folder / "b.npz", only=rows.astype(np.float16))
    text = "x,y,name\n" + "".join(f'{a},{b}e1,"q,{c}"\n' for a, b, c in rows)
    (folder / "a.csv").write_text(text)
    (folder / "b.csv").write_text("\ufeff1;2\n\n3,4\n-inf,nan\n0x1,1_0\n")
    (folder / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    picture = Image.fromarray(rows.astype(np.uint8).repeat(3).reshape(9, 3, 3))
    for ending in ("png", "bmp", "gif", "jpg", "tiff", "webp", "ppm", "ico", "pcx", "tga"):
        picture.save(folder / f"a.{ending}")
    return sorted(folder.iterdir())


def setup_files():
    from numbakmeans._cli import files as _files
    from numbakmeans._cli.dialect import Options
    from numbakmeans._cli.tables import FileError

    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    models = [(path.name, path.read_bytes()) for path in valid_files(folder)]
    endings = [name[1:] for name, _ in models] + [".txt", ".NPY", ""]
    columns = [None, None, None, "0", "0-1", "x", "1,0", "9", "x,x", "-", "2-1", ",", "٣", "name", "0-99999"]
    warnings.simplefilter("ignore")

    def run(content):
        source = Source(content)
        name, model = source.one_of(models)
        if source.maybe(12):
            name = "a" + source.one_of(endings)
        changed = bytearray(model)
        for _ in range(source.one_of([0, 1, 1, 1, 2, 3, 6])):
            at = source.below(len(changed) + 1)
            match source.below(6):
                case 0:
                    del changed[at:]
                case 1:
                    changed[at:at] = source.take(source.below(9))
                case 2:
                    changed[at : at + 4] = source.take(4)
                case 3:
                    changed[at : at + 1] = source.take(1)
                case 4:
                    changed[at:at] = changed[: source.below(64)]
                case 5:
                    del changed[at : at + source.below(9)]
        path = folder / f"case-{name}"
        path.write_bytes(changed)
        array = source.one_of([None, None, None, "first", "x"])
        options = Options(
            source.one_of([None, None, None, ",", ";", "\t", " ", "x"]),
            source.one_of([None, None, True, False]),
            source.one_of([None, None, ".", ","]),
            source.one_of([None, None, None, "utf-8", "utf-16", "ascii", "no such"]),
            source.maybe(2),
        )
        try:
            table = _files.read(path, array=array, columns=source.one_of(columns), options=options)
        except FileError as error:
            require_message(error)
        except MemoryError:
            return  # a header that claims more than fits into memory; the command line reports that
        else:
            assert table.values.ndim == 2
            assert table.values.size > 0
            assert len(table.headings) == table.values.shape[1]
        finally:
            path.unlink()

    return run


# --- The arguments


def setup_arguments():
    from numbakmeans._cli.main import main

    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    files = [path.name for path in valid_files(folder)]
    os.chdir(folder)
    words = ["cluster", "-k", "--minit", "--iter", "--seed", "--dtype", "--array", "--columns", "--output"]
    words += ["--format", "--help", "--version", "info", "--", "-h", "--colums", "-", ""]
    words += [
        "--sep",
        "--header",
        "--decimal",
        "--na",
        "--encoding",
        "drop",
        "yes",
        "no",
        ";",
        "tab",
        "blanks",
    ]
    values = ["1", "2", "3", "0", "-1", "1e3", "999", "x", "nan", "99999999999999999999", "random", "points"]
    values += [
        "++",
        "float32",
        "float64",
        "csv",
        "npy",
        "first",
        "x,y",
        "0-1",
        "out",
        "no/such",
        "\udc80",
    ]

    def run(content):
        source = Source(content)
        arguments = ["cluster"] if not source.maybe(6) else []
        arguments += [source.one_of(files)] if source.maybe() else []
        for _ in range(source.below(6)):
            arguments.append(source.one_of(words))
            arguments.append(source.one_of(values))
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = main(arguments)
        assert code in (0, 2), code
        if code == 2:
            assert out.getvalue() == ""
            assert re.fullmatch(r"numbakmeans: error: .+\n", err.getvalue()), err.getvalue()

    return run


SETUPS = {"face": setup_face, "files": setup_files, "arguments": setup_arguments}


# --- Faults that the fuzzer must find


def plant_infinite():
    """Accept an infinite number of clusters."""
    from numbakmeans import _arguments, _scipy

    careless = SimpleNamespace(**{**vars(math), "isfinite": lambda _value: True})
    for module in (_arguments, _scipy):
        assert module.math is math
        module.math = careless


def plant_reader():
    """Let exceptions that a damaged file raises in its reader reach the caller."""
    from numbakmeans._cli import files as _files

    assert callable(_files._reading)

    @contextmanager
    def reading(_path):
        yield

    _files._reading = reading


def plant_width():
    """Give kernels centers with a feature less than the rows have, so that they write past the end."""
    from numbakmeans._engine import fit as _fit

    pad_centers = _fit.pad_centers
    _fit.pad_centers = lambda centers: pad_centers(centers)[:, : centers.shape[1] - 1].copy()


FAULTS = {
    "infinite": (plant_infinite, "face"),
    "reader": (plant_reader, "files"),
    "width": (plant_width, "face"),
}


# --- Running


def run_one(target, cases, seed, fault, blind):
    """Run the cases of one target in this process."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    if not blind:
        import atheris

        for name in COMPILED:
            import_module(f"numbakmeans.{name}")
        with atheris.instrument_imports(include=["numbakmeans"]):
            for name in WATCHED:
                import_module(f"numbakmeans.{name}")
    if fault is not None:
        FAULTS[fault][0]()
    run = SETUPS[target]()
    draw = random.Random(seed)
    if not blind:
        # From an empty corpus, a few thousand cases of growing length would all be too short to be useful.
        start = Path(tempfile.mkdtemp())
        for case in range(cases // 4):
            (start / f"{case}").write_bytes(draw.randbytes(draw.randrange(LENGTH)))
        settings = [f"-runs={cases}", f"-seed={seed + 1}", f"-max_len={LENGTH}", "-len_control=0"]
        atheris.Setup([sys.argv[0], *settings, "-timeout=30", f"{start}"], run)
        atheris.Fuzz()
        return
    for case in range(cases):
        content, passed = draw.randbytes(draw.randrange(LENGTH)), False
        try:
            run(content)
            passed = True
        finally:
            if not passed:
                print(f"case {case}: {content!r}", file=sys.stderr)
    print(f"Done {cases} cases", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fault", choices=FAULTS, help="plant a fault, which must be found")
    parser.add_argument("--blind", action="store_true", help="do not follow coverage")
    parser.add_argument("--target", choices=SETUPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.target is not None:
        run_one(options.target, options.cases, options.seed, options.fault, options.blind)
        return 0
    targets = SHARES if options.fault is None else {FAULTS[options.fault][1]: 1.0}
    here = Path(__file__).resolve()
    environment = {
        **os.environ,
        "NUMBA_BOUNDSCHECK": "1",
        "PYTHONPATH": os.pathsep.join([str(here.parent.parent), os.environ.get("PYTHONPATH", "")]),
    }
    blind = options.blind or find_spec("atheris") is None
    way = "blind" if blind else "guided by coverage"
    total, found = 0, []
    for target, share in targets.items():
        cases = max(1, round(options.cases * share))
        command = [sys.executable, str(here), "--target", target, "--cases", str(cases)]
        command += ["--seed", str(options.seed)]
        command += ["--blind"] if blind else []
        command += [] if options.fault is None else ["--fault", options.fault]
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run(
                command, env={**environment, "TMPDIR": folder}, cwd=folder, capture_output=True, text=True,
                errors="replace", timeout=SECONDS,
            )  # fmt: skip
        if result.returncode != 0:
            found.append(target)
            print(result.stdout[-4000:], result.stderr[-1000:])
        else:
            cases = int(re.search(r"^Done (\d+) ", result.stderr, flags=re.M)[1])
            total += cases
        print(f"{target}: {cases} cases, {'FOUND' if result.returncode else 'nothing found'}", flush=True)
    print(f"{total} cases without a finding, seed {options.seed}, {way}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
