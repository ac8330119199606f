"""Threads are made as they are needed, kept, and never more than there may be."""

import threading
from collections.abc import Iterator

import pytest

from broker.web.pool import Pool

PATIENCE = 10


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Make one of two threads; it is shut down at the end."""
    pool = Pool(2)
    yield pool
    pool.shutdown()


class Task:
    """Work that ends when the test says so."""

    def __init__(self) -> None:
        self.begun, self.go, self.ended = (threading.Event() for _ in range(3))
        self.thread: threading.Thread

    def __call__(self) -> None:
        """Note which thread it is, and wait."""
        self.thread = threading.current_thread()
        self.begun.set()
        self.go.wait(PATIENCE)
        self.ended.set()

    def let_end(self, pool: Pool) -> None:
        """Let it end, and take it back."""
        self.go.set()
        assert self.ended.wait(PATIENCE)
        pool.take_back()


def test_a_thread_that_is_free_is_used_again(pool: Pool) -> None:
    """No second one is made for work that comes one after the other."""
    threads = set()
    for _ in range(5):
        task = Task()
        pool.give(task)
        assert task.begun.wait(PATIENCE)
        task.let_end(pool)
        threads.add(task.thread.name)
    assert threads == {"request-1"}


def test_more_work_than_threads_waits(pool: Pool) -> None:
    """In its order, until one is free."""
    tasks = [Task() for _ in range(4)]
    for task in tasks:
        pool.give(task)
    assert all(task.begun.wait(PATIENCE) for task in tasks[:2])
    assert {task.thread.name for task in tasks[:2]} == {"request-1", "request-2"}
    assert not tasks[2].begun.is_set()
    tasks[0].let_end(pool)
    assert tasks[2].begun.wait(PATIENCE)
    assert not tasks[3].begun.is_set()
    for task in (tasks[1], tasks[2], tasks[3]):
        task.go.set()
    assert tasks[3].ended.wait(PATIENCE)


def test_threads_end_with_the_pool_when_their_work_has() -> None:
    """A stop waits for nobody here: the main loop has waited."""
    pool, task = Pool(3), Task()
    pool.give(task)
    assert task.begun.wait(PATIENCE)
    pool.shutdown(wait=False)
    assert task.thread.is_alive()
    task.let_end(pool)
    task.thread.join(PATIENCE)
    assert not task.thread.is_alive()
