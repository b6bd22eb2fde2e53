"""One policy for many simulators: what they ask at about the same time is predicted together.

A simulator process has a `RemotePolicy`, which asks the server in the process that holds the weights. The server keeps
a history for each. Which requests meet in a batch is chance, and changes nothing: see `Policy.predict_together`.
"""

from __future__ import annotations

import contextlib
import queue
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection, Listener, wait

from vlasync.policy import Policy
from vlasync.spec import SyncSpec
from vlasync.types import ActionChunk, Observation

LINGER_SECONDS = 0.002
"""How long the server waits for more requests once it has one: little beside a batch, much beside a message."""

IDLE_SECONDS = 0.1
"""How often the server looks for new simulators while no one asks."""


@dataclass(frozen=True, kw_only=True)
class ServerAddress:
    """Where a server listens, and the key without which it does not answer."""

    path: str
    key: bytes


class RemotePolicy:
    """A policy whose weights are in another process; a `vlasync.evaluation.rollout.Actor`."""

    def __init__(self, address: ServerAddress) -> None:
        self._connection = Client(address.path, authkey=address.key)
        self.spec: SyncSpec
        self.memory: int
        self.spec, self.memory = self._connection.recv()

    def reset(self, instruction: str) -> None:
        """Begin a new task; see `Policy.reset`."""
        self._ask(instruction)

    def predict(self, observation: Observation) -> ActionChunk:
        """The chunk intended from this frame on; see `Policy.predict`."""
        chunk = self._ask(observation)
        assert isinstance(chunk, ActionChunk)
        return chunk

    def _ask(self, question: str | Observation) -> ActionChunk | None:
        self._connection.send(question)
        answer = self._connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextmanager
def serve(policy: Policy, *, rows: int, sentences: Sequence[str]) -> Iterator[ServerAddress]:
    """Answer simulators from a thread of this process while the block runs.

    Args:
        policy: whose weights predict.
        rows: predictions per batch.
        sentences: all that will be asked for.
    """
    key = secrets.token_bytes(16)
    with Listener(authkey=key) as listener:
        address = ServerAddress(path=str(listener.address), key=key)
        server = _Server(policy, rows=rows, filler=_longest(policy, sentences))
        admitting = threading.Thread(target=server.admit, args=(listener,))
        answering = threading.Thread(target=server.answer)
        admitting.start()
        answering.start()
        try:
            yield address
        finally:
            server.stopped.set()
            Client(address.path, authkey=key).close()  # wakes the thread that waits for simulators
            admitting.join()
            answering.join()


def _longest(policy: Policy, sentences: Sequence[str]) -> str:
    """The sentence whose prompt has the most tokens."""
    tokens = policy.vla.tokens
    return max(sentences, key=lambda text: tokens.assemble([text], policy.device).attention_mask.shape[1])


class _Server:
    """The two threads of `serve`, and what they share."""

    def __init__(self, policy: Policy, *, rows: int, filler: str) -> None:
        self.stopped = threading.Event()
        self._policy = policy
        self._rows = rows
        self._filler = filler
        self._admitted: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._policies: dict[Connection, Policy] = {}  # one history for each simulator

    def admit(self, listener: Listener) -> None:
        """Greet every simulator that comes."""
        while not self.stopped.is_set():
            connection = listener.accept()
            assert isinstance(connection, Connection)
            if not self.stopped.is_set():
                connection.send((self._policy.spec, self._policy.memory))
                self._admitted.put(connection)

    def answer(self) -> None:
        """Gather questions and answer them, batch by batch."""
        try:
            while not self.stopped.is_set():
                if not self._policies:
                    self._take_in(IDLE_SECONDS)
                elif wait(list(self._policies), timeout=IDLE_SECONDS):
                    time.sleep(LINGER_SECONDS)
                self._take_in(0.0)
                seen = self._seen()
                for first in range(0, len(seen), self._rows):
                    self._predict(dict(list(seen.items())[first : first + self._rows]))
        finally:
            for connection in self._policies:  # a simulator that asks on does not wait for ever
                connection.close()

    def _take_in(self, timeout: float) -> None:
        """Begin a history for each simulator that has been admitted; wait for the first one."""
        with contextlib.suppress(queue.Empty):
            while True:
                connection = self._admitted.get(timeout=timeout) if timeout else self._admitted.get_nowait()
                self._policies[connection] = Policy(self._policy.vla, device=self._policy.device)
                timeout = 0.0

    def _seen(self) -> dict[Connection, Observation]:
        """The observations that have come; instructions are followed at once, and simulators that died forgotten."""
        seen: dict[Connection, Observation] = {}
        for connection in wait(list(self._policies), timeout=0.0):
            assert isinstance(connection, Connection)
            try:
                question = connection.recv()
            except (EOFError, ConnectionError):
                del self._policies[connection]
                continue
            if isinstance(question, Observation):
                seen[connection] = question
            else:
                self._policies[connection].reset(question)
                connection.send(None)
        return seen

    def _predict(self, seen: Mapping[Connection, Observation]) -> None:
        """One batch; an error goes to those who asked, whose processes end with it."""
        policies = [self._policies[connection] for connection in seen]
        answers: Sequence[ActionChunk | Exception]
        try:
            answers = Policy.predict_together(policies, list(seen.values()), rows=self._rows, filler=self._filler)
        except Exception as error:
            answers = [error] * len(policies)
        for connection, answer in zip(seen, answers, strict=True):
            with contextlib.suppress(ConnectionError):  # one that died is forgotten when it is next looked at
                connection.send(answer)
