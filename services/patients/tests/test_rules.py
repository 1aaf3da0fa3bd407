"""Rules without I/O: throttling, key rotation, sources, sealing, hash chains and permissions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from email_validator import EmailNotValidError
from hypothesis import given
from hypothesis import strategies as st

from millrace_patients.access import Permission, has_permission
from millrace_patients.account.device import create_device_token, verify_device_token
from millrace_patients.account.model import normalize_email
from millrace_patients.account.weaknesses import find_weaknesses, load_common_passwords
from millrace_patients.crypto.kms import UnwrapError
from millrace_patients.crypto.kms_local import (
    LocalKms,
    MasterKeyError,
    decode_master_key,
    read_master_key,
)
from millrace_patients.crypto.sealing import UnsealError, derive_key, seal, unseal
from millrace_patients.crypto.service_keys import ServiceKeys, compute_mac
from millrace_patients.signing.model import MARGIN, KeyAge, RotationPolicy
from millrace_patients.throttle.model import (
    DEVICE,
    EMAILS_OF_SOURCE,
    SOURCE,
    UNUSED_EMAILS,
    AttemptCount,
    DelayPolicy,
    account_policy,
)
from millrace_platform.audit.model import START, Action, AuditEntry, Head, Link, Purpose, compute_digest, find_faults
from millrace_platform.authentication import Principal, Role
from millrace_platform.client_address import UNKNOWN, find_client_address
from millrace_platform.key_file import create_key_file

KEY = bytes(range(32))
ONE, TWO = UUID(int=1), UUID(int=2)


class TestThrottleDelays:
    @given(st.integers(0, 10_000), st.floats(0, 1e6))
    def test_wait_is_bounded_and_ends(self, failures: int, later: float) -> None:
        for policy in (DEVICE, SOURCE, UNUSED_EMAILS, EMAILS_OF_SOURCE, account_policy(failures)):
            wait = policy.wait(AttemptCount(failures, 1000.0), 1000.0 + later)
            assert 0 <= wait <= policy.cap
            assert policy.wait(AttemptCount(failures, 1000.0), 1000.0 + later + wait) <= 1e-6

    @given(st.integers(0, 10_000))
    def test_new_source_always_has_an_attempt(self, failures: int) -> None:
        assert account_policy(failures).wait(AttemptCount(0, 0.0), 0.0) == 0

    def test_wait_doubles(self) -> None:
        policy = DelayPolicy(allowance=2, base=3.0, cap=20.0)
        assert [policy.wait(AttemptCount(n, 0.0), 0.0) for n in range(6)] == [0, 0, 3, 6, 12, 20]


class TestPasswords:
    COMMON = load_common_passwords()

    @pytest.mark.parametrize(
        ("password", "reason"),
        [
            ("Q1w2e3r4t5y6", "most common"),
            ("Correct Horse Battery Staple", "most common"),
            ("123Liverpool!2024", "most common"),
            ("ｐａｓｓｗｏｒｄ１２３４", "most common"),
            ("passwordpassword", "easy to guess"),
            ("P4ssw0rdP4ssw0rd", "easy to guess"),
            ("1987654321987", "easy to guess"),
            ("millracemillrace", "easy to guess"),
            ("LovelaceLovelace", "easy to guess"),
            ("abcabcabcabc", "different characters"),
            ("x" * 256, "different characters"),
            ("ada.lovelace@example.org!", "similar to the email address"),
        ],
    )
    def test_weak_password_has_a_reason(self, password: str, reason: str) -> None:
        assert any(reason in each for each in find_weaknesses(password, "ada.lovelace@example.org", self.COMMON))

    @pytest.mark.parametrize(
        "password",
        [
            "a quiet sentence about rivers",
            "étoile de la mémoire",
            "vK3-9tQz_81hw",
            "a quiet sentence about rivers" + " x" * 100,
        ],
    )
    def test_strong_password_has_none(self, password: str) -> None:
        assert list(find_weaknesses(password, "ada.lovelace@example.org", self.COMMON)) == []

    def test_list_covers_frequent_passwords_of_breaches(self) -> None:
        assert len(self.COMMON) > 10_000
        assert {"password1234", "qwerty123456", "1q2w3e4r5t6y"} <= self.COMMON


class TestRotation:
    ROTATION = RotationPolicy(period=1000.0, ahead=100.0, token=50.0)

    def test_first_key_signs_at_once(self) -> None:
        assert self.ROTATION.is_due([], 0.0)
        assert self.ROTATION.select_signer([KeyAge("a", 0.0)], 0.0).kid == "a"

    def test_keys_are_published_before_signing_and_until_their_last_token_expires(self) -> None:
        keys = [KeyAge("b", 1000.0), KeyAge("a", 0.0)]
        assert self.ROTATION.is_due(keys[1:], 1000.0)
        assert not self.ROTATION.is_due(keys, 1999.0)
        assert self.ROTATION.select_signer(keys, 1099.0).kid == "a"
        assert self.ROTATION.select_signer(keys, 1100.0).kid == "b"
        end = 1000.0 + 100.0 + 50.0 + MARGIN
        assert list(self.ROTATION.expired_keys(keys, end - 1)) == []
        assert [key.kid for key in self.ROTATION.expired_keys(keys, end)] == ["a"]

    @given(st.lists(st.floats(0, 1e4), min_size=1, max_size=8, unique=True), st.floats(0, 2e4))
    def test_signer_is_never_expired(self, generated: list[float], now: float) -> None:
        keys = [KeyAge(str(at), at) for at in generated if at <= now]
        if keys:
            assert self.ROTATION.select_signer(keys, now) not in set(self.ROTATION.expired_keys(keys, now))


@pytest.mark.parametrize(
    ("peer", "claimed", "hops", "source"),
    [
        ("192.0.2.1", [], 0, "192.0.2.1"),
        ("192.0.2.1", ["10.0.0.1"], 0, "192.0.2.1"),
        ("10.0.0.9", ["192.0.2.1"], 1, "192.0.2.1"),
        ("10.0.0.9", ["6.6.6.6, 192.0.2.1"], 1, "192.0.2.1"),
        ("10.0.0.9", ["6.6.6.6", "192.0.2.1, 10.0.0.8"], 2, "192.0.2.1"),
        ("192.0.2.1", [], 1, "192.0.2.1"),
        ("10.0.0.9", ["2001:db8:1:2:3:4:5:6"], 1, "2001:db8:1:2::/64"),
        ("10.0.0.9", ["::ffff:192.0.2.1"], 1, "192.0.2.1"),
        ("10.0.0.9", ["nonsense"], 1, UNKNOWN),
        (None, [], 0, UNKNOWN),
    ],
)
def test_source_is_the_address_seen_by_the_outermost_proxy(
    peer: str | None, claimed: list[str], hops: int, source: str
) -> None:
    assert find_client_address(peer, claimed, hops) == source


class TestSealing:
    @given(st.binary(max_size=200))
    def test_unsealing_requires_key_and_label(self, plain: bytes) -> None:
        sealed = seal(KEY, plain, "a/1")
        assert unseal(KEY, sealed, "a/1") == plain
        assert seal(KEY, plain, "a/1") != sealed
        for key, label in ((KEY, "a/2"), (derive_key(KEY, "other"), "a/1")):
            with pytest.raises(UnsealError):
                unseal(key, sealed, label)

    @given(st.integers(0, 10_000))
    def test_modified_byte_is_detected(self, position: int) -> None:
        sealed = bytearray(seal(KEY, b"plain", "a"))
        sealed[position % len(sealed)] ^= 1
        with pytest.raises(UnsealError):
            unseal(KEY, bytes(sealed), "a")

    @pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02" + bytes(40), b"\x01" + bytes(12)])
    def test_truncated_bytes_are_rejected(self, sealed: bytes) -> None:
        with pytest.raises(UnsealError):
            unseal(KEY, sealed, "a")

    def test_mac_separates_its_parts(self) -> None:
        assert compute_mac(KEY, "ab", "c") != compute_mac(KEY, "a", "bc")

    def test_service_keys_differ_and_are_not_shown(self) -> None:
        keys = ServiceKeys.from_root(KEY)
        assert len({keys.audit, keys.mail, keys.signing, keys.throttle, keys.device, keys.email_index}) == 6
        assert repr(keys) == "ServiceKeys()"


class TestLocalKms:
    async def test_wrapped_key_is_bound_to_its_context_and_survives_rotation(self) -> None:
        old = LocalKms([KEY])
        generated = await old.generate({"person": "1"})
        rotated = LocalKms([bytes(32), KEY])
        assert await rotated.unwrap(generated.wrapped, {"person": "1"}) == generated.plain
        assert (await rotated.generate({})).wrapped[:8] != generated.wrapped[:8]
        for kms, context in ((old, {"person": "2"}), (LocalKms([bytes(32)]), {"person": "1"})):
            with pytest.raises(UnwrapError):
                await kms.unwrap(generated.wrapped, context)
        assert generated.plain.hex() not in repr(generated)

    def test_master_key_is_created_once_and_readable_by_its_owner_only(self, tmp_path: Path) -> None:
        path = tmp_path / "below" / "key"
        with pytest.raises(MasterKeyError):
            read_master_key(path)
        create_key_file(path)
        first = read_master_key(path)
        create_key_file(path)
        assert read_master_key(path) == first
        assert len(first) == 32
        assert path.stat().st_mode & 0o777 == 0o600
        assert list(path.parent.iterdir()) == [path]

    def test_invalid_master_keys_are_rejected_without_quoting_them(self) -> None:
        with pytest.raises(MasterKeyError) as raised:
            decode_master_key("sécret")
        assert "cret" not in str(raised.value)
        for keys in ([], [b"short"]):
            with pytest.raises(MasterKeyError):
                LocalKms(keys)


class TestChains:
    ENTRY = AuditEntry(
        person_id=ONE, action=Action.READ, target="profile", purpose=Purpose.TREATMENT, actor_id=ONE, roles="patient"
    )

    def chain(self, length: int, start: bytes = START) -> tuple[list[Link], Head]:
        links: list[Link] = []
        for seq in range(1, length + 1):
            at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=seq)
            digest = compute_digest(KEY, start, seq=seq, recorded_at=at, request_id="r", entry=self.ENTRY)
            links.append(Link(3, seq, at, "r", self.ENTRY, digest))
            start = digest
        return links, Head(3, length, start)

    def find_faults(self, links: Sequence[Link], head: Head) -> list[str]:
        return list(find_faults(KEY, links, head))

    def test_intact_chain_has_no_faults(self) -> None:
        assert self.find_faults(*self.chain(0)) == []
        assert self.find_faults(*self.chain(5)) == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"target": "insurance-cards"},
            {"actor_id": TWO},
            {"actor_id": None},
            {"person_id": TWO},
            {"purpose": Purpose.PAYMENT},
            {"action": Action.EXPORT},
            {"roles": ""},
        ],
        ids=str,
    )
    def test_changed_entry_is_detected(self, changes: dict[str, object]) -> None:
        links, head = self.chain(5)
        links[2] = replace(links[2], entry=replace(self.ENTRY, **changes))  # type: ignore[arg-type]
        assert self.find_faults(links, head) == ["chain 3: entry 3 was changed"]

    def test_changed_time_or_request_id_is_detected(self) -> None:
        links, head = self.chain(2)
        assert self.find_faults([replace(links[0], recorded_at=links[1].recorded_at), links[1]], head)
        assert self.find_faults([replace(links[0], request_id=None), links[1]], head)

    def test_missing_swapped_and_cut_off_entries_are_detected(self) -> None:
        links, head = self.chain(5)
        assert self.find_faults(links[:2] + links[3:], head) == ["chain 3: entry 3 is missing"]
        assert self.find_faults([links[1], links[0], *links[2:]], head) == ["chain 3: entry 1 is missing"]
        assert self.find_faults(links[:4], head) == ["chain 3: ends at entry 4, but its head is at 5"]
        assert self.find_faults([], head) == ["chain 3: ends at entry 0, but its head is at 5"]

    def test_chain_with_another_key_is_detected(self) -> None:
        links, head = self.chain(5)
        assert list(find_faults(bytes(32), links, head)) == ["chain 3: entry 1 was changed"]


@pytest.mark.parametrize(
    ("roles", "practices", "permissions"),
    [
        ({Role.PATIENT}, set(), set()),
        ({Role.STAFF}, {"p1"}, {Permission.READ_IDENTITY, Permission.READ_CARE}),
        ({Role.STAFF}, {"p2"}, set()),
        ({Role.STAFF}, set(), set()),
        ({Role.PATIENT}, {"p1"}, set()),
        ({Role.SUPPORT}, set(), {Permission.READ_IDENTITY}),
        ({Role.ADMIN}, {"p1"}, set()),
        ({Role.ADMIN, Role.SUPPORT, Role.STAFF}, {"p1"}, {Permission.READ_IDENTITY, Permission.READ_CARE}),
    ],
)
def test_permissions_by_role(roles: set[Role], practices: set[str], permissions: set[Permission]) -> None:
    other = Principal(TWO, frozenset(roles), frozenset(practices), 0, 0, 0)
    assert {
        permission for permission in Permission if has_permission(other, ONE, frozenset({"p1"}), permission)
    } == permissions
    assert all(has_permission(other, TWO, frozenset(), permission) for permission in Permission)


def test_device_token_is_valid_for_its_account_only() -> None:
    token = create_device_token(KEY, b"account")
    assert verify_device_token(KEY, b"account", token) is not None
    for key, account, sent_token in (
        (KEY, b"other", token),
        (bytes(32), b"account", token),
        (KEY, b"account", token[:-1]),
        (KEY, b"account", ""),
        (KEY, b"account", "é"),
        (KEY, b"account", None),
    ):
        assert verify_device_token(key, account, sent_token) is None


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" Ada@EXAMPLE.org ", "ada@example.org"),
        # Another domain than strasse.de: a folding would send its emails to strangers.
        ("ada@Straße.de", "ada@xn--strae-oqa.de"),
        ("ada@пример.рф", "ada@xn--e1afmkfd.xn--p1ai"),
        ("ada+tag@example.org", "ada+tag@example.org"),
    ],
)
def test_email_address_is_normalized(text: str, canonical: str) -> None:
    assert normalize_email(text) == normalize_email(canonical) == canonical


@pytest.mark.parametrize(
    "text", ["", "ada", "ada@", "@example.org", "a<b@c>", "x;y@z", "a..b@example.org", "zoë@example.org", "a@b\nc.de"]
)
def test_text_that_cannot_receive_email_is_rejected(text: str) -> None:
    with pytest.raises(EmailNotValidError):
        normalize_email(text)
