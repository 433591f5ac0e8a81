"""How a server hands its Runs to workers, and lends them its own slots where it is asked to."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Self

from packager.precedence import Precedence
from packager.process import Spawner
from packager.store import Store
from streamer.bus import Bus
from streamer.channel import Channels
from streamer.cluster.crew import Crew
from streamer.cluster.farm import ClusterFarm
from streamer.cluster.labour import Bench, Say, log_line
from streamer.cluster.queue import Queue
from streamer.cluster.reconcile import Reconciler
from streamer.cluster.register import Register, worker_name
from streamer.cluster.runs import Runs
from streamer.cluster.wire import Wire
from streamer.config import Config
from streamer.database import Database
from streamer.errors import ConfigError
from streamer.ledger import SqlLedger
from streamer.uploads.sources import Find


class Cluster:
    """A process's part in a cluster: the queue, the rows, the reconciler. Use as an async context manager."""

    def __init__(
        self, config: Config, database: Database, *, bus: Bus, channels: Channels, ledger: SqlLedger
    ) -> None:
        """Raise ConfigError without a shared database."""
        if config.database is None:
            raise ConfigError(
                "workers need a database that is shared: set STREAMER_DATABASE to a postgresql:// URL"
            )
        self.url = config.database.get_secret_value()
        self.name = worker_name(config.node)
        self.runs = Runs(database, ledger, channels)
        self.register = Register(database)
        self.queue = Queue(self.url)
        self.wire = Wire(bus)
        self._config = config
        self._ledger = ledger
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.queue)
        reconciler = Reconciler(
            self.url,
            queue=self.queue,
            runs=self.runs,
            register=self.register,
            wire=self.wire,
            name=self.name,
        )
        await self._stack.enter_async_context(reconciler)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def farm(self) -> ClusterFarm:
        """Return the farm that hands Runs to the workers."""
        return ClusterFarm(queue=self.queue, runs=self.runs, register=self.register, wire=self.wire)

    def crew(self, *, store: Store, find: Find, spawner: Spawner, encoder: str, say: Say = log_line) -> Crew:
        """Return this process's slots; `find` returns the source that an upload is."""
        precedence = Precedence(spawner, slots=self._config.encode_slots)
        self.wire.obey(precedence.rank)
        bench = Bench(
            name=self.name,
            runs=self.runs,
            ledger=self._ledger,
            store=store,
            precedence=precedence,
            wire=self.wire,
            find=find,
            say=say,
        )
        return Crew(
            queue=self.queue,
            register=self.register,
            bench=bench,
            slots=self._config.encode_slots,
            encoder=encoder,
            drain_seconds=self._config.worker_drain_seconds,
        )
