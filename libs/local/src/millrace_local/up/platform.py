"""Starts the servers and services in order, and restores the AWS emulator's content after it was lost."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from millrace_local.home import Home
from millrace_local.ports import LOOPBACK
from millrace_local.process import ProcessSpec, http_probe
from millrace_local.routes import DATABASES, SERVICES
from millrace_local.servers import valkey
from millrace_local.servers.ministack import Ministack, environment_directory, is_installed
from millrace_local.servers.postgres import Postgres
from millrace_local.up.child import Child, Clock
from millrace_local.up.demo import Demo, PartFiles
from millrace_local.up.environment import (
    Ports,
    audit_variables,
    caller_key_variables,
    clock_variables,
    identity_variables,
    notifications_variables,
    platform_variables,
    service_variables,
)
from millrace_local.up.output import Output
from millrace_local.up.progress import (
    CALENDAR_STAGES,
    IMPORTER,
    NotDrainedError,
    until_drained,
    until_found,
    until_served,
)
from millrace_local.up.recovery import PUBLISHERS, RETRY_SECONDS, replay_everything
from millrace_local.up.supervisor import CommandError, Supervisor, all_ready

ALSO_PROVISIONED: Mapping[str, Sequence[str]] = {"refinery": ("feeds",)}
"""Packages that a service provisions in addition to its own: consumers create the streams that they read and write."""
EARLY = (IMPORTER, "refinery", "scheduling", "projector")
"""Services that a first start needs first: those that import data and pass it on to searches and calendars."""
EXAMPLE_SEARCH = "specialty=family-medicine&near=10001&radius_mi=25"
REPORT_SECONDS = 5.0
"""Interval at which a start that waits says for what."""
SERVICE_STOP_SECONDS = 30.0  # a service takes up to 25 s to finish its work


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `millrace up`. `environment` contains the user's environment variables.

    All services' clocks are `clock_ahead` ahead of the machine's.
    """

    home: Home
    port: int
    demo_providers: int
    environment: Mapping[str, str]
    clock_ahead: timedelta = timedelta(0)


class Platform:
    """One run of the platform on one home, which the caller has locked. `listener` is the edge's listening socket."""

    def __init__(
        self, options: Options, supervisor: Supervisor, output: Output, listener: socket.socket, clock: Clock
    ) -> None:
        home = options.home
        ports = Ports.choose()
        self._options = options
        self._supervisor = supervisor
        self._output = output
        self._listener = listener
        self._clock = clock
        self._ports = ports
        self._postgres = Postgres(home.postgres, ports.postgres)
        self._aws = Ministack(environment_directory(), home.aws, ports.aws)
        self._demo = Demo(options.demo_providers, home.demo, home.demo_pending, self._quiet_command)
        self._variables: dict[str, str] = {}
        self._stores: list[Child] = []
        self._aws_is_behind = False
        self._first_part: PartFiles | None = None

    async def bring_up(self) -> None:
        """Start all processes and return when searches work.

        Raise StartError, CommandError, NotDrainedError, InitialisationError and InstallationError.
        """
        began = self._clock()
        self._options.home.variables.unlink(missing_ok=True)
        await self._supervisor.fork_server.open()
        if not self._postgres.data.exists():
            self._demo.request()
        self._aws_is_behind = self._aws.marker.exists()
        await self._start_servers()
        await self._start_services()
        if self._aws_is_behind:
            await self._replay()
        if self._demo.providers > 0:
            await self._wait_for_read_model()
        self._options.home.write_variables(self._variables)
        self._output.say(summary(self._options, self._clock() - began))

    def _wall_clock(self) -> float:
        """Return the time of the services' clocks in Unix seconds."""
        return time.time() + self._options.clock_ahead.total_seconds()

    async def complete(self) -> None:
        """Load the rest of the demo data while the platform is used; return when all of it is found by searches.

        An error of the load is shown and ends it; the next start continues it.
        """
        try:
            if self._demo.is_pending:
                await self._load_remaining_parts()
        except (CommandError, NotDrainedError, OSError) as error:
            self._output.say(f"the demo data is not complete: {error}; the next start continues loading it")
        finally:
            self._output.progress(1.0, "")
            await self._supervisor.fork_server.close()

    async def _load_remaining_parts(self) -> None:
        self._output.say("loading the rest of the demo data in the background")
        await self._demo.make_others()
        for part in self._demo.remaining():
            await self._demo.load(part, self._output.progress)
            await until_served(self._variables, self._wall_clock(), self._clock)
            self._output.say(f"demo data of {part.name} is loaded ({part.number} of {part.count} parts)")
        await until_drained(self._variables, CALENDAR_STAGES, self._clock)
        await until_served(self._variables, self._wall_clock(), self._clock)
        self._demo.done()
        self._output.say("the demo data is complete")

    async def _wait_for_read_model(self) -> None:
        """Wait for the read model, which each start rebuilds because Valkey isn't persistent.

        If demo data are being loaded, also wait until a search finds some. Return without it if it makes no progress
        for a while, because the rest of the platform works without it.
        """
        try:
            await until_served(self._variables, 0.0, self._clock)
            if self._demo.is_pending:  # README and tutorials search for openings
                await until_found(self._variables, f"{EXAMPLE_SEARCH}&available_within=7d", self._clock)
        except NotDrainedError:
            self._output.say("the read model is not complete yet; searches will work once it is")

    def record_exits(self) -> None:
        """Remove the emulator's marker if the emulator stopped cleanly with all data. Call it after all exited."""
        self._options.home.variables.unlink(missing_ok=True)
        saved = any(child.spec.name == "ministack" and child.exit_code == 0 for child in self._stores)
        if saved and not self._aws_is_behind:
            self._aws.marker.unlink(missing_ok=True)

    async def _start_servers(self) -> None:
        self._output.say("starting PostgreSQL, Valkey and the AWS emulator")
        async with asyncio.TaskGroup() as group:
            if self._demo.needs_first_part:
                making = group.create_task(self._demo.make_first())
            group.create_task(self._start_stores())
        if self._demo.needs_first_part:
            self._first_part = making.result()

    async def _start_stores(self) -> None:
        if not is_installed(self._aws.environment):
            self._output.say("installing the AWS emulator, once")
        await asyncio.gather(asyncio.to_thread(self._postgres.prepare), asyncio.to_thread(self._aws.prepare))
        database_urls = {name: self._postgres.dsn(name) for name in DATABASES}
        self._variables = {
            **platform_variables(self._ports, database_urls, self._options.environment),
            **identity_variables(self._ports, self._options.port, self._options.home.master_key),
            **audit_variables(self._options.home.audit_key, self._options.home.audit_anchors),
            **clock_variables(self._options.clock_ahead, os.getpid()),
            **notifications_variables(self._options.port, self._options.home.webhook_key),
            **caller_key_variables(),
        }
        self._aws.marker.touch()
        self._stores = self._supervisor.start(
            self._postgres.spec(),
            valkey.spec(self._options.home.valkey, self._ports.valkey),
            self._aws.spec(),
            restore={"ministack": self._restore_aws},
        )
        await all_ready([each for each in self._stores if each.spec.name == "postgres"])
        await asyncio.gather(*(self._postgres.create_database(name) for name in DATABASES))
        await self._until_ready(self._stores)

    async def _start_services(self) -> None:
        """Start the services; each provisions its own resources and waits for missing streams."""
        self._output.say("starting the services")
        early = self._supervisor.start(*(self._service(name) for name in EARLY))
        if self._first_part is not None:
            await self._until_ready([each for each in early if each.spec.name == IMPORTER])
        late = self._supervisor.start(*(self._service(name) for name in SERVICES if name not in EARLY))
        edge = self._supervisor.start(self._edge(), descriptors=(self._listener.fileno(),))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._until_ready([*early, *late, *edge]))
            if self._first_part is not None:
                self._output.say(f"importing the demo data of {self._first_part.name}, where the examples search")
                group.create_task(self._demo.load(self._first_part, self._output.progress))

    async def _until_ready(self, children: Sequence[Child]) -> None:
        """Wait until all these processes are ready; say regularly which ones aren't."""
        waiting = asyncio.create_task(all_ready(children))
        try:
            while not (await asyncio.wait({waiting}, timeout=REPORT_SECONDS))[0]:
                names = [child.spec.name for child in children if not child.ready.is_set()]
                self._output.say(f"waiting for {', '.join(names)}")
        finally:
            waiting.cancel()

    def _service(self, name: str) -> ProcessSpec:
        return ProcessSpec(
            name=name,
            command=(sys.executable, "-m", "millrace_local.init_and_run", name, *ALSO_PROVISIONED.get(name, ())),
            ready=http_probe(f"{self._ports.service_url(name)}/readyz"),
            environment=service_variables(name, self._ports, self._variables),
            stop_seconds=SERVICE_STOP_SECONDS,
        )

    def _edge(self) -> ProcessSpec:
        variables = {
            "MILLRACE_EDGE_DESCRIPTOR": str(self._listener.fileno()),
            "MILLRACE_EDGE_READY_FILE": str(self._options.home.variables),
        }
        return ProcessSpec(
            name="edge",
            command=(sys.executable, "-m", "millrace_local.edge"),
            ready=http_probe(f"http://{LOOPBACK}:{self._options.port}/"),
            environment={**self._variables, **variables},
        )

    async def _command(self, *arguments: str) -> None:
        await self._run_command(*arguments, quiet=False)

    async def _quiet_command(self, *arguments: str) -> None:
        await self._run_command(*arguments, quiet=True)

    async def _run_command(self, *arguments: str, quiet: bool) -> None:
        command = (sys.executable, "-m", "millrace_local", *arguments)
        home = {"MILLRACE_HOME": str(self._options.home.root)}
        await self._supervisor.command(arguments[0], command, {**self._variables, **home}, quiet=quiet)

    async def _restore_aws(self, clean: bool) -> None:
        """Create streams and tables again after a restart of the AWS emulator; unless it stopped cleanly, replay all
        services' data.
        """
        self._aws_is_behind |= not clean
        while True:
            try:
                await self._command("init")
                break
            except CommandError as error:
                self._output.say(f"{error}; trying again in {RETRY_SECONDS:g} s")
                await asyncio.sleep(RETRY_SECONDS)
        if self._aws_is_behind:
            await self._replay()

    async def _replay(self) -> None:
        self._output.say("the data in ministack is out of date: replaying all data through the feeds")
        owners = {name: self._ports.service_url(name) for name in PUBLISHERS}
        await replay_everything(owners, self._variables, self._output.say)
        self._aws_is_behind = False


def summary(options: Options, seconds: float) -> str:
    """Return the text that a user sees when the platform is ready."""
    url = f"http://{LOOPBACK}:{options.port}"
    search = f"{url}/v1/search?{EXAMPLE_SEARCH}"
    shift = options.clock_ahead
    clock = (f"  its clock     {datetime.now(UTC) + shift:%Y-%m-%d %H:%M} UTC, {shift} ahead",) if shift else ()
    return "\n".join(
        (
            "",
            f"Millrace is ready after {seconds:.1f} s.",
            "",
            f"  start here    {url}/",
            f"  interface     {url}/docs",
            f"  a search      curl '{search}'",
            "  a booking     docs/tutorial/first-booking.md",
            f"  its state     {os.fspath(options.home.root)}",
            *clock,
            "",
            "Ctrl-C stops everything.",
            "",
        )
    )
