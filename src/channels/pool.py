"""The threads in which the sync code of all connections runs: a bounded pool of them."""

import atexit
import sys
import threading
import traceback
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

from asgiref.sync import SyncToAsync

if TYPE_CHECKING:
    from channels.strands import Strand

Job: TypeAlias = tuple[Callable[..., object], Any]


class Worker:
    """One thread that can be spoken to by itself.

    A daemon, so that a call which never returns does not keep the process. At the interpreter's
    exit work in hand is waited for nevertheless, unless :attr:`left_behind` is set.

    Raises:
        RuntimeError: the system has no thread left.
    """

    def __init__(self, name: str) -> None:
        self.left_behind: bool = False
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        # Not a method as target: the thread is to end when nobody knows the worker any more.
        self._thread = threading.Thread(target=_work, args=(self._jobs,), name=name, daemon=True)
        self._thread.start()
        weakref.finalize(self, self._jobs.put, None).atexit = False
        _workers.add(self)

    def submit(self, function: Callable[[Any], object], argument: Any) -> None:
        """Run ``function``, which raises nothing, after what was submitted before."""
        self._jobs.put((function, argument))

    def shutdown(self) -> None:
        """End the thread after what was submitted."""
        self._jobs.put(None)

    def join(self) -> None:
        self._thread.join()

    def stack(self) -> str:
        """Where the thread is at the moment, as a traceback says it."""
        return _stack(self._thread)


class SharedWorker:
    """asgiref's own single thread, which the rest of the process uses too."""

    left_behind: bool = False

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor = SyncToAsync.single_thread_executor

    def submit(self, function: Callable[[Any], object], argument: Any) -> None:
        self._executor.submit(function, argument)

    def shutdown(self) -> None:
        """Nothing: the others go on using it."""

    def stack(self) -> str:
        threads: Any = vars(self._executor)["_threads"]
        return "".join(_stack(thread) for thread in threads)


AnyWorker: TypeAlias = Worker | SharedWorker


def _work(jobs: "SimpleQueue[Job | None]") -> None:
    while (job := jobs.get()) is not None:
        function, argument = job
        function(argument)
        # They may hold a connection, and the next job may be long in coming.
        del job, function, argument


def _stack(thread: threading.Thread) -> str:
    frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage] # public but in name
    frame = frames.get(thread.ident or 0)
    return "".join(traceback.format_stack(frame))


_workers: "weakref.WeakSet[Worker]" = weakref.WeakSet()


@atexit.register
def _finish_work() -> None:
    awaited = [worker for worker in _workers if not worker.left_behind]
    for worker in awaited:
        worker.shutdown()
    for worker in awaited:
        worker.join()


@dataclass(frozen=True, slots=True)
class PoolState:
    """How many threads there are at one moment, and what became of them."""

    size: int
    """The bound, without the threads that stand in for those left behind."""
    threads: int
    """Started and not ended, those left behind included."""
    idle: int
    waiting: int
    """Connections whose sync code waits for a thread."""
    left_behind: int
    """Threads in a call that outlived its connection, at this moment."""
    left_behind_ever: int
    """How often that has happened."""


class Pool:
    """At most ``size`` workers, started when they are needed, given to one strand at a time.

    For each worker that is left behind in a call another may be started, so that there are at most
    twice as many. A pool of one uses asgiref's own single thread, which the rest of the process
    uses too.
    """

    def __init__(self, size: int) -> None:
        self.lock: threading.Lock = threading.Lock()
        self._size = size
        self._started = 0
        self._idle: list[AnyWorker] = []
        self._waiting: deque[Strand] = deque()
        self._left_behind: list[AnyWorker] = []
        self._left_behind_ever = 0

    def state(self) -> PoolState:
        with self.lock:
            return PoolState(
                size=self._size,
                threads=self._started,
                idle=len(self._idle),
                waiting=len(self._waiting),
                left_behind=len(self._left_behind),
                left_behind_ever=self._left_behind_ever,
            )

    def start(self, strand: "Strand") -> None:
        """Run ``strand`` as soon as a worker is free. The caller holds the lock.

        Raises:
            RuntimeError: the system has no thread left, or the interpreter is going down.
        """
        worker = self._free_worker(strand.preferred)
        if worker is None:
            self._waiting.append(strand)
            return
        try:
            worker.submit(strand.run, worker)
        except RuntimeError:
            self._started -= 1
            raise

    def next_after(self, worker: AnyWorker) -> "Strand | None":
        """Who is to use ``worker`` now that its user is done with it. The caller holds the lock."""
        if self._started > self._bound():
            self._started -= 1
            worker.shutdown()
            return None
        if self._waiting:
            return self._waiting.popleft()
        self._idle.append(worker)
        return None

    def take_turns(self, strand: "Strand") -> "Strand":
        """Who is to use the worker of ``strand``, which has more to do: whoever waits longest, so
        that nobody keeps a worker while others have none. The caller holds the lock."""
        if not self._waiting:
            return strand
        self._waiting.append(strand)
        return self._waiting.popleft()

    def run_if_idle(self, worker: AnyWorker, job: Callable[[], None]) -> Future[None] | None:
        """Run ``job`` on ``worker`` unless a strand has it; never waits for that strand."""
        with self.lock:
            if worker not in self._idle:
                return None
            self._idle.remove(worker)
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()

        def run(worker: AnyWorker) -> None:
            error: BaseException | None = None
            try:
                job()
            except BaseException as raised:
                error = raised
            with self.lock:
                following = self.next_after(worker)
            done.set_result(None) if error is None else done.set_exception(error)
            if following is not None:
                following.run(worker)

        worker.submit(run, worker)
        return done

    def leave_behind(self, worker: AnyWorker) -> None:
        """Do not count on ``worker``, which is in a call that nobody waits for any more: let
        another take its place. The caller holds the lock."""
        worker.left_behind = True
        self._left_behind.append(worker)
        self._left_behind_ever += 1
        if self._waiting:
            longest = self._waiting.popleft()
            worker_instead = self._free_worker(longest.preferred)
            if worker_instead is None:
                self._waiting.appendleft(longest)
            else:
                worker_instead.submit(longest.run, worker_instead)

    def take_back(self, worker: AnyWorker) -> None:
        """Count on ``worker`` again if it was left behind. The caller holds the lock."""
        if worker.left_behind:
            worker.left_behind = False
            self._left_behind.remove(worker)

    def _bound(self) -> int:
        return self._size + min(len(self._left_behind), self._size)

    def _free_worker(self, preferred: AnyWorker | None) -> AnyWorker | None:
        if preferred is not None and preferred in self._idle:
            self._idle.remove(preferred)
            return preferred
        if self._idle:
            # The last one that came back: its caches and its database connection are warm.
            return self._idle.pop()
        if self._started >= self._bound():
            return None
        only_one = self._size == 1 and not self._left_behind
        worker = SharedWorker() if only_one else Worker(f"channels-sync-{self._started + 1}")
        self._started += 1
        return worker
