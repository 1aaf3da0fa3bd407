"""The pure rules: slowing down, rotation, sources, sealing, chains, who may see what."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace_patients.access import Need, may
from millrace_patients.account.device import device_token, known_device
from millrace_patients.account.model import normalized_email
from millrace_patients.audit.model import START, Deed, Entry, Head, Link, Purpose, digest_of, faults
from millrace_patients.crypto.kms import KeyRefusedError
from millrace_patients.crypto.kms_local import (
    LocalKms,
    MasterKeyError,
    decode_master_key,
    ensure_master_key,
    read_master_key,
)
from millrace_patients.crypto.sealing import SealBrokenError, derive, seal, unseal
from millrace_patients.crypto.service_keys import ServiceKeys, mac
from millrace_patients.signing.model import MARGIN, KeyAge, Rotation
from millrace_patients.throttle.model import DEVICE, MAIL, SOURCE, WINDOW, Count, Policy, at_account, current
from millrace_platform.authentication import Principal, Role
from millrace_platform.source import UNKNOWN, source_of

KEY = bytes(range(32))
ONE, TWO = UUID(int=1), UUID(int=2)


class TestWaits:
    @given(st.integers(0, 10_000), st.floats(0, 1e6))
    def test_a_wait_is_bounded_and_ends(self, failures: int, later: float) -> None:
        for policy in (DEVICE, MAIL, SOURCE, at_account(Count(failures, 0.0))):
            wait = policy.wait(Count(failures, 1000.0), 1000.0 + later)
            assert 0 <= wait <= policy.cap
            assert policy.wait(Count(failures, 1000.0), 1000.0 + later + wait) <= 1e-6

    @given(st.integers(0, 10_000))
    def test_whatever_happens_at_an_account_a_new_source_has_a_try(self, failures: int) -> None:
        assert at_account(Count(failures, 0.0)).wait(Count(0, 0.0), 0.0) == 0

    def test_what_lies_far_back_is_forgotten(self) -> None:
        assert current(Count(9, 0.0), WINDOW) == Count(9, 0.0)
        assert current(Count(9, 0.0), WINDOW + 1) == Count(0, WINDOW + 1)

    def test_each_wait_is_twice_the_last(self) -> None:
        policy = Policy(allowance=2, base=3.0, cap=20.0)
        assert [policy.wait(Count(n, 0.0), 0.0) for n in range(6)] == [0, 0, 3, 6, 12, 20]


class TestRotation:
    ROTATION = Rotation(period=1000.0, ahead=100.0, token=50.0)

    def test_the_first_key_signs_at_once(self) -> None:
        assert self.ROTATION.is_due([], 0.0)
        assert self.ROTATION.signer([KeyAge("a", 0.0)], 0.0).kid == "a"

    def test_a_new_key_is_published_before_it_signs_and_the_old_one_until_its_last_token_expired(self) -> None:
        keys = [KeyAge("b", 1000.0), KeyAge("a", 0.0)]
        assert self.ROTATION.is_due(keys[1:], 1000.0)
        assert not self.ROTATION.is_due(keys, 1999.0)
        assert self.ROTATION.signer(keys, 1099.0).kid == "a"
        assert self.ROTATION.signer(keys, 1100.0).kid == "b"
        end = 1000.0 + 100.0 + 50.0 + MARGIN
        assert list(self.ROTATION.withdrawn(keys, end - 1)) == []
        assert [key.kid for key in self.ROTATION.withdrawn(keys, end)] == ["a"]

    @given(st.lists(st.floats(0, 1e4), min_size=1, max_size=8, unique=True), st.floats(0, 2e4))
    def test_the_signer_is_never_withdrawn(self, made: list[float], now: float) -> None:
        keys = [KeyAge(str(at), at) for at in made if at <= now]
        if keys:
            assert self.ROTATION.signer(keys, now) not in set(self.ROTATION.withdrawn(keys, now))


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
def test_the_source_is_what_our_own_proxies_saw(peer: str | None, claimed: list[str], hops: int, source: str) -> None:
    assert source_of(peer, claimed, hops) == source


class TestSealing:
    @given(st.binary(max_size=200))
    def test_what_was_sealed_comes_back_only_with_its_key_at_its_place(self, plain: bytes) -> None:
        sealed = seal(KEY, plain, "a/1")
        assert unseal(KEY, sealed, "a/1") == plain
        assert seal(KEY, plain, "a/1") != sealed
        for key, place in ((KEY, "a/2"), (derive(KEY, "other"), "a/1")):
            with pytest.raises(SealBrokenError):
                unseal(key, sealed, place)

    @given(st.integers(0, 10_000))
    def test_no_changed_byte_passes(self, position: int) -> None:
        sealed = bytearray(seal(KEY, b"plain", "a"))
        sealed[position % len(sealed)] ^= 1
        with pytest.raises(SealBrokenError):
            unseal(KEY, bytes(sealed), "a")

    @pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02" + bytes(40), b"\x01" + bytes(12)])
    def test_nor_does_a_cut_one(self, sealed: bytes) -> None:
        with pytest.raises(SealBrokenError):
            unseal(KEY, sealed, "a")

    def test_parts_of_a_mac_dont_run_into_each_other(self) -> None:
        assert mac(KEY, "ab", "c") != mac(KEY, "a", "bc")

    def test_each_purpose_has_its_key_and_none_shows(self) -> None:
        keys = ServiceKeys.of(KEY)
        assert len({keys.audit, keys.mail, keys.signing, keys.throttle, keys.device, keys.email_index}) == 6
        assert repr(keys) == "ServiceKeys()"


class TestLocalKms:
    async def test_a_wrapped_key_opens_for_its_context_after_a_rotation_too(self) -> None:
        old = LocalKms([KEY])
        made = await old.generate({"person": "1"})
        rotated = LocalKms([bytes(32), KEY])
        assert await rotated.unwrap(made.wrapped, {"person": "1"}) == made.plain
        assert (await rotated.generate({})).wrapped[:8] != made.wrapped[:8]
        for kms, context in ((old, {"person": "2"}), (LocalKms([bytes(32)]), {"person": "1"})):
            with pytest.raises(KeyRefusedError):
                await kms.unwrap(made.wrapped, context)
        assert made.plain.hex() not in repr(made)

    def test_a_master_key_is_made_once_for_its_owner_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "below" / "key"
        with pytest.raises(MasterKeyError):
            read_master_key(path)
        ensure_master_key(path)
        first = read_master_key(path)
        ensure_master_key(path)
        assert read_master_key(path) == first
        assert len(first) == 32
        assert path.stat().st_mode & 0o777 == 0o600
        assert list(path.parent.iterdir()) == [path]

    def test_keys_that_arent_are_refused_without_being_quoted(self) -> None:
        with pytest.raises(MasterKeyError) as raised:
            decode_master_key("sécret")
        assert "cret" not in str(raised.value)
        for keys in ([], [b"short"]):
            with pytest.raises(MasterKeyError):
                LocalKms(keys)


class TestChains:
    ENTRY = Entry(actor=ONE, roles="patient", person=ONE, deed=Deed.READ, what="profile", purpose=Purpose.TREATMENT)

    def chain(self, length: int, start: bytes = START) -> tuple[list[Link], Head]:
        links: list[Link] = []
        for seq in range(1, length + 1):
            at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=seq)
            digest = digest_of(KEY, start, seq=seq, at=at, request_id="r", entry=self.ENTRY)
            links.append(Link(3, seq, at, "r", self.ENTRY, digest))
            start = digest
        return links, Head(3, length, start)

    def found(self, links: Sequence[Link], head: Head) -> list[str]:
        return list(faults(KEY, links, head))

    def test_a_chain_as_it_was_written_has_no_faults(self) -> None:
        assert self.found(*self.chain(0)) == []
        assert self.found(*self.chain(5)) == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"what": "insurance-cards"},
            {"actor": TWO},
            {"actor": None},
            {"person": TWO},
            {"purpose": Purpose.PAYMENT},
            {"deed": Deed.EXPORT},
            {"roles": ""},
        ],
        ids=str,
    )
    def test_a_changed_entry_is_found(self, changes: dict[str, object]) -> None:
        links, head = self.chain(5)
        links[2] = replace(links[2], entry=replace(self.ENTRY, **changes))  # type: ignore[arg-type]
        assert self.found(links, head) == ["chain 3: entry 3 isn't what was written"]

    def test_another_time_or_request_is_found(self) -> None:
        links, head = self.chain(2)
        assert self.found([replace(links[0], at=links[1].at), links[1]], head)
        assert self.found([replace(links[0], request_id=None), links[1]], head)

    def test_so_are_missing_ones_swapped_ones_and_a_cut_end(self) -> None:
        links, head = self.chain(5)
        assert self.found(links[:2] + links[3:], head) == ["chain 3: entry 3 is missing"]
        assert self.found([links[1], links[0], *links[2:]], head) == ["chain 3: entry 1 is missing"]
        assert self.found(links[:4], head) == ["chain 3: it ends at entry 4, its head says 5"]
        assert self.found([], head) == ["chain 3: it ends at entry 0, its head says 5"]

    def test_who_hasnt_the_key_cant_write_a_chain(self) -> None:
        links, head = self.chain(5)
        assert list(faults(bytes(32), links, head)) == ["chain 3: entry 1 isn't what was written"]


@pytest.mark.parametrize(
    ("roles", "practices", "needs"),
    [
        ({Role.PATIENT}, set(), set()),
        ({Role.STAFF}, {"p1"}, {Need.IDENTITY, Need.CARE}),
        ({Role.STAFF}, {"p2"}, set()),
        ({Role.STAFF}, set(), set()),
        ({Role.PATIENT}, {"p1"}, set()),
        ({Role.SUPPORT}, set(), {Need.IDENTITY}),
        ({Role.ADMIN}, {"p1"}, set()),
        ({Role.ADMIN, Role.SUPPORT, Role.STAFF}, {"p1"}, {Need.IDENTITY, Need.CARE}),
    ],
)
def test_what_others_may(roles: set[Role], practices: set[str], needs: set[Need]) -> None:
    other = Principal(TWO, frozenset(roles), frozenset(practices), 0, 0)
    assert {need for need in Need if may(other, ONE, frozenset({"p1"}), need)} == needs
    assert all(may(other, TWO, frozenset(), need) for need in Need)


def test_a_device_is_known_at_its_account_only() -> None:
    token = device_token(KEY, b"account")
    assert known_device(KEY, b"account", token) is not None
    for key, account, given_token in (
        (KEY, b"other", token),
        (bytes(32), b"account", token),
        (KEY, b"account", token[:-1]),
        (KEY, b"account", ""),
        (KEY, b"account", "é"),
        (KEY, b"account", None),
    ):
        assert known_device(key, account, given_token) is None


def test_spellings_of_one_address_are_one() -> None:
    assert normalized_email(" Zoe\u0308@EXAMPLE.org") == normalized_email("zo\u00eb@example.ORG")
