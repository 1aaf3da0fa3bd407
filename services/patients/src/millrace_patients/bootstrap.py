"""The composition root: the only place that wires the patients service."""

import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from fastapi import FastAPI

from millrace_feeds.clock import Clock
from millrace_feeds.consumer import Consumer
from millrace_feeds.relay import Relay
from millrace_patients.access import AccessControl
from millrace_patients.account.passwords import Passwords, open_passwords
from millrace_patients.account.registration import Registration
from millrace_patients.account.roles import RoleService
from millrace_patients.account.sign_in import SignInService
from millrace_patients.challenge.service import Challenges
from millrace_patients.composition import Core, create_issuer, create_session_policy, open_core, open_key_ring
from millrace_patients.dependencies import Identity, Patients
from millrace_patients.directory.client import Directory
from millrace_patients.directory.service import DirectoryService
from millrace_patients.email_queue.service import EmailQueue
from millrace_patients.erasure.ledger import OpenLedger
from millrace_patients.erasure.recorder import ErasureRecorder
from millrace_patients.erasure.service import Eraser
from millrace_patients.feed import EntityHandler, is_outage
from millrace_patients.insurance_card.service import InsuranceCardService
from millrace_patients.patient.address import AddressBook, AddressService
from millrace_patients.patient.contact import ContactService
from millrace_patients.patient.export import Exporter
from millrace_patients.patient.service import PatientService
from millrace_patients.person.vault import Vault
from millrace_patients.record.model import RecordKind
from millrace_patients.record.service import RecordService
from millrace_patients.second_factor.repository import SecondFactors
from millrace_patients.second_factor.service import CodeVerifier, SecondFactorService
from millrace_patients.session.service import Sessions
from millrace_patients.session.verifier import SessionVerifier
from millrace_patients.settings import PatientsSettings
from millrace_patients.sharing.service import ShareService, VisitSharing
from millrace_patients.signing.ring import KeyRing
from millrace_patients.signing.tokens import KeyRingSource
from millrace_patients.sweep import Sweep
from millrace_patients.throttle.service import Throttle
from millrace_patients.wire import SOURCE
from millrace_platform.application import ServiceRuntime
from millrace_platform.audit.anchors import AnchorWriter, open_anchors
from millrace_platform.audit.repository import AuditTrail
from millrace_platform.audit.unit_of_work import UnitsOfWork
from millrace_platform.authentication import TokenVerifier, Verifier, token_rules
from millrace_platform.ids import Ids
from millrace_platform.persistence import open_relay
from millrace_platform.service import Infrastructure, Subscription
from millrace_platform.unit_of_work import Envelopes

APPLICATION = "patients"
READS_PER_SECOND = 0.5
"""Reads per second of each shard of `entities`; see decision 0016."""

OpenDirectory = Callable[[str, ssl.SSLContext], AbstractAsyncContextManager[Directory]]
"""Type of `open_directory`, so that tests can replace it."""


class Components:
    """Components that both the identity and the patients part of the service use."""

    def __init__(self, settings: PatientsSettings, core: Core, clock: Clock, ids: Ids) -> None:
        self.settings = settings
        self.core = core
        self.clock = clock
        self.ids = ids
        self.units = UnitsOfWork(core.database, Envelopes(SOURCE, clock, ids), AuditTrail(core.keys.audit))
        self.vault = Vault(core.kms, clock)
        self.sessions = Sessions(ids)
        self.challenges = Challenges(core.keys.mail)
        self.emails = EmailQueue(core.keys.mail, ids)
        self.codes = CodeVerifier(SecondFactors(core.keys.second_factor), self.vault, self.emails, clock)
        self.throttle = Throttle(core.database, core.keys.throttle, clock)
        self.eraser = Eraser(self.vault, self.sessions, self.challenges, self.emails)

    @property
    def is_issuer(self) -> bool:
        return self.settings.patients_identity == "local"


async def start(
    settings: PatientsSettings,
    infrastructure: Infrastructure,
    app: FastAPI,
    stack: AsyncExitStack,
    *,
    open_directory: OpenDirectory,
    open_ledger: OpenLedger,
) -> ServiceRuntime:
    """Open the database, the KMS and the feeds, wire the services, and register background tasks and health checks."""
    clock = infrastructure.clock
    core = await stack.enter_async_context(open_core(settings))
    relay = await stack.enter_async_context(open_relay(settings, infrastructure, settings.patients_database_url))
    components = Components(settings, core, clock, infrastructure.ids)
    units = components.units
    subscription = Subscription(
        APPLICATION, settings.entities_stream, settings.patients_leases_table, READS_PER_SECOND, is_outage
    )
    handler = EntityHandler(units, VisitSharing(units, components.vault))
    consumer = await stack.enter_async_context(infrastructure.open_consumer(settings, subscription, handler))
    directory = DirectoryService(
        await stack.enter_async_context(open_directory(settings.directory_url, settings.service_context()))
    )
    app.state.patients = _patients(components, relay, consumer, directory)
    sweep = Sweep(units, components.challenges, components.sessions, components.throttle, components.emails)
    recorder = ErasureRecorder(units, await stack.enter_async_context(open_ledger(settings)))
    anchors = await stack.enter_async_context(open_anchors(settings, APPLICATION, infrastructure.ids))
    tasks = {
        "relay": relay.run,
        "consumer": consumer.run,
        "sweep": sweep.run,
        "erasures": recorder.run,
        "anchors": AnchorWriter(core.database, anchors, settings.audit_anchors_interval, infrastructure.clock).run,
    }
    if components.is_issuer:
        ring = await open_key_ring(settings, core, clock)
        passwords = await stack.enter_async_context(open_passwords(settings))
        app.state.identity = _identity(components, ring, passwords, directory)
        verifier: TokenVerifier = Verifier(token_rules(settings), KeyRingSource(ring), clock)
        tasks["signing-keys"] = ring.run
    else:
        verifier = await stack.enter_async_context(infrastructure.open_verifier(settings, clock))
    app.state.verifier = SessionVerifier(verifier, units, components.sessions, components.is_issuer)
    # There is no check of the streams: while they are unavailable, patients can read and change their data.
    return ServiceRuntime(tasks=tasks, checks={"database": core.database.check})


def _identity(components: Components, ring: KeyRing, passwords: Passwords, directory: DirectoryService) -> Identity:
    keys, units = components.core.keys, components.units
    issuer = create_issuer(components.settings, ring, components.clock, components.ids)
    return Identity(
        registration=Registration(
            units=units,
            keys=keys,
            throttle=components.throttle,
            challenges=components.challenges,
            emails=components.emails,
            passwords=passwords,
            vault=components.vault,
            sessions=components.sessions,
            ids=components.ids,
        ),
        sign_in=SignInService(
            units=units,
            keys=keys,
            throttle=components.throttle,
            passwords=passwords,
            sessions=components.sessions,
            policy=create_session_policy(components.settings),
            codes=components.codes,
            issuer=issuer,
        ),
        roles=RoleService(units, directory),
        second_factor=SecondFactorService(units, components.codes, components.sessions, components.throttle),
        issuer=issuer,
    )


def _patients(components: Components, relay: Relay, consumer: Consumer, directory: DirectoryService) -> Patients:
    units = components.units
    access = AccessControl(components.vault, components.is_issuer)
    addresses = AddressBook(components.core.keys)
    return Patients(
        patients=PatientService(units, access, components.eraser, components.clock),
        exporter=Exporter(units, access),
        contacts=ContactService(units, components.vault, addresses),
        addresses=AddressService(
            units, access, addresses, components.throttle, components.challenges, components.emails
        ),
        dependants=RecordService(units, access, components.ids, RecordKind.DEPENDANT),
        insurance_cards=InsuranceCardService(units, access, components.ids, RecordKind.INSURANCE_CARD, directory),
        sharing=ShareService(units, access, directory),
        emails=components.emails,
        units=units,
        relay=relay,
        consumer=consumer,
    )
