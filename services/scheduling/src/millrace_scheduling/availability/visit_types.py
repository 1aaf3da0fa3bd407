"""Choose the visit types of a calendar for the patients, modes and visit reasons that are asked for. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from millrace_contracts.entities import Mode, PatientKind
from millrace_scheduling.calendar.model import VisitType

PATIENTS: tuple[PatientKind, ...] = ("existing", "new")
MODES: tuple[Mode, ...] = ("in_person", "video")


class VisitCriteria(NamedTuple):
    """Search criteria for visits; a criterion that is None matches every visit. `visit_type` is an id."""

    visit_reason: str | None = None
    patient: PatientKind | None = None
    mode: Mode | None = None
    visit_type: str | None = None

    def each_visit(self) -> Iterator[tuple[PatientKind, Mode]]:
        """Yield each kind of patient with each mode that the criteria allow."""
        patients = PATIENTS if self.patient is None else (self.patient,)
        modes = MODES if self.mode is None else (self.mode,)
        return product(patients, modes)


ANY_VISIT = VisitCriteria()


class BookableVisit(NamedTuple):
    """A visit that can be booked at a time: every one of `patients` in every one of `modes` gets this visit type."""

    visit_type: VisitType
    modes: tuple[Mode, ...]
    patients: tuple[PatientKind, ...]


def matching_visit_types(visit_types: Sequence[VisitType], criteria: VisitCriteria) -> tuple[VisitType, ...]:
    """Return the visit types that match the criteria, in the calendar's order. At each time the first that fits is
    booked.
    """
    matching = [
        visit_type
        for patient, mode in criteria.each_visit()
        for visit_type in _types_for(visit_types, criteria, patient, mode)
    ]
    return tuple(each for each in visit_types if each in matching)


def list_bookable_visits(
    matching: Sequence[VisitType], fitting: Sequence[VisitType], criteria: VisitCriteria
) -> list[BookableVisit]:
    """Return the visits to be booked where only the visit types `fitting` fit, in the calendar's order.

    `matching` is the result of `matching_visit_types` for these criteria; each kind of patient in each mode is in one
    of the returned visits at most.
    """
    modes_of: dict[tuple[int, PatientKind], tuple[Mode, ...]] = {}
    for patient, mode in criteria.each_visit():
        types = _types_for(matching, criteria, patient, mode)
        chosen = next((each for each in types if each in fitting), None)
        if chosen is not None:
            key = matching.index(chosen), patient
            modes_of[key] = (*modes_of.get(key, ()), mode)
    patients_of: dict[tuple[int, tuple[Mode, ...]], tuple[PatientKind, ...]] = {}
    for (index, patient), modes in modes_of.items():
        patients_of[index, modes] = (*patients_of.get((index, modes), ()), patient)
    return [BookableVisit(matching[index], modes, patients) for (index, modes), patients in sorted(patients_of.items())]


def find_possible_values(visit_types: Sequence[VisitType], criteria: VisitCriteria) -> dict[str, tuple[str, ...]]:
    """Return, for each criterion whose change alone leads to a visit type, the values that do."""
    candidates: Mapping[str, Sequence[Any]] = {
        "mode": MODES,
        "patient": PATIENTS,
        "visit_reason": sorted({reason for each in visit_types for reason in each.visit_reasons}),
        "visit_type": [each.id for each in visit_types],
    }
    found = {
        name: tuple(value for value in values if matching_visit_types(visit_types, criteria._replace(**{name: value})))
        for name, values in candidates.items()
    }
    return {name: values for name, values in found.items() if values}


def _types_for(
    visit_types: Sequence[VisitType], criteria: VisitCriteria, patient: PatientKind, mode: Mode
) -> Sequence[VisitType]:
    """Return the visit types that may be booked for a kind of patient in a mode, in the calendar's order.

    A named type must list the visit reason or serve every reason. Without a name a reason determines the type: the
    first that lists it, else the first that serves every reason.
    """
    types = [each for each in visit_types if patient in each.patients and mode in each.modes]
    reason = criteria.visit_reason
    if criteria.visit_type is not None:
        named = [each for each in types if each.id == criteria.visit_type]
        return [each for each in named if reason is None or not each.visit_reasons or reason in each.visit_reasons]
    if reason is None:
        return types
    listing = [each for each in types if reason in each.visit_reasons]
    return (listing or [each for each in types if not each.visit_reasons])[:1]
