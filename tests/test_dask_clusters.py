"""numbakmeans.dask on workers: the same bits, also where one is lost, and clear errors."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster

import numbakmeans
from numbakmeans.dask import KMeans
from numbakmeans.dask.passes import Passes

N_SAMPLES, N_CHUNKS, N_CLUSTERS = 4000, 8, 5

#: A worker that finds no numbakmeans, or another version.
WORKER = """
import asyncio, sys, types
version = sys.argv[2]
sys.modules["numbakmeans"] = types.SimpleNamespace(__version__=version) if version else None
from distributed import Worker

async def main():
    async with Worker(sys.argv[1]) as worker:
        await worker.finished()

asyncio.run(main())
"""


@contextlib.contextmanager
def cluster(n_workers):
    """Yield a client of workers with one thread each."""
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with LocalCluster(n_workers=n_workers, **options) as local, Client(local) as client:
        yield client


@pytest.fixture(scope="module")
def client():
    with cluster(2) as client:
        yield client


def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(N_SAMPLES, 6)) + 4 * rng.integers(0, 3, size=(N_SAMPLES, 1))


def chunk(number, seconds=0.0):
    """Return some of the rows, read from a slow disk."""
    time.sleep(seconds)
    size = N_SAMPLES // N_CHUNKS
    return rows()[number * size : (number + 1) * size]


def read(seconds=0.0):
    """Return all rows as chunks, which are read whenever they are needed."""
    size = N_SAMPLES // N_CHUNKS
    delayed = [dask.delayed(chunk)(number, seconds) for number in range(N_CHUNKS)]
    return da.concatenate([da.from_delayed(each, (size, 6), float) for each in delayed])


def in_memory(weights=None):
    k = numbakmeans.KMeans(N_CLUSTERS, init="k-means||", random_state=0)
    return k.fit(rows(), sample_weight=weights)


def same(ours, right):
    assert ours.cluster_centers_.tobytes() == right.cluster_centers_.tobytes()
    assert (ours.inertia_, ours.n_iter_) == (right.inertia_, right.n_iter_)
    assert np.array_equal(ours.labels_.compute(), right.labels_)


def test_workers_give_the_bits_of_one_array(client):
    weights = np.random.default_rng(1).random(N_SAMPLES)
    for X in (read(), read().persist()):
        same(KMeans(N_CLUSTERS, random_state=0).fit(X, sample_weight=weights), in_memory(weights))
    assert client.scheduler_info()["workers"]


@pytest.mark.parametrize("persisted", [False, True])
def test_a_worker_that_is_lost_in_a_pass_changes_no_bit(persisted, monkeypatch):
    right, killed = in_memory(), []
    with cluster(2) as client:
        X = read(0.0 if persisted else 0.02)
        X = X.persist() if persisted else X
        pids = list(client.run(os.getpid).values())
        original = Passes.run

        def kill(passes, *given):
            if len(killed) == 0:
                killed.append(pids[0])
                threading.Timer(0.1, os.kill, (pids[0], signal.SIGKILL)).start()
            return original(passes, *given)

        monkeypatch.setattr(Passes, "run", kill)
        ours = KMeans(N_CLUSTERS, random_state=0).fit(X)
        same(ours, right)
        time.sleep(0.2)
        assert pids[0] not in client.run(os.getpid).values()
    assert killed


def test_a_chunk_that_is_not_finite_is_named(client):
    X = read().map_blocks(lambda block, block_id: np.where(block_id[0] == 3, np.nan, block), dtype=float)
    with pytest.raises(ValueError, match=r"contains NaN.* row 0 of chunk 3 \(row 1500 of all\), column 0"):
        KMeans(N_CLUSTERS).fit(X)


@pytest.mark.parametrize(("version", "words"), [("", "cannot import numbakmeans"), ("0.0.1", "has 0.0.1")])
def test_a_worker_without_this_version_is_named(version, words):
    with LocalCluster(n_workers=0, dashboard_address=":0") as local, Client(local) as client:
        command = [sys.executable, "-c", WORKER, local.scheduler_address, version]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as worker:
            try:
                client.wait_for_workers(1, timeout=60)
                with pytest.raises(RuntimeError, match=f"worker tcp.* {words}: install numbakmeans"):
                    KMeans(N_CLUSTERS).fit(da.zeros((100, 2), chunks=50))
            finally:
                worker.terminate()
