"""What Bayes and the learner know, as the configuration wants it: below `filter` of `data_directory`."""

from msgspec import Struct

from gatepost.filter.bayes.store import open_memory
from gatepost.filter.learner.port import Settings
from gatepost.filter.learner.store import open_weights
from gatepost.filter.scan import Learned
from gatepost.service.filter_folder import filter_folder


class LearnedSettings(Struct, frozen=True):
    """Parameters of what is learned (docs/filter-training.md)."""

    data_directory: str
    filter_bayes_enable: bool
    filter_learner_enable: bool
    filter_learner_labels: int
    filter_learner_points: int


def opened(settings: LearnedSettings, *, make: bool) -> Learned:
    """What Bayes and the learner know, for a scanner, before its walls go up; None of what is not wanted. `make`: begin where there
    is nothing, so that what is learned later is seen. Raises OSError."""
    place = filter_folder(settings.data_directory)
    return Learned(
        open_memory(place, make=make) if settings.filter_bayes_enable else None,
        open_weights(place, learner_settings(settings), make=make) if settings.filter_learner_enable else None,
    )


def learner_settings(settings: LearnedSettings) -> Settings:
    """How much the learner has to say."""
    return Settings(settings.filter_learner_points, settings.filter_learner_labels)
