"""Parameters of what the filter learns from mail that somebody has sorted (docs/filter-training.md)."""

from gatepost.config.parameters.row import BOOLEAN, DONE, INTEGER, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("filter_bayes_enable", BOOLEAN, "yes",
      "Whether Bayes has an opinion of mail: the BAYES_* rules, once 200 messages of both kinds have been learned.", DONE,
      since="gatepost"),
    P("filter_learner_enable", BOOLEAN, "yes",
      "Whether the learner adds points to those of the rules, or takes some off; none until it has learned both kinds.", DONE,
      since="gatepost"),
    P("filter_learner_labels", INTEGER, "1000",
      "How many messages of both kinds the learner has to know for filter_learner_points; with a tenth of them it has a quarter.",
      DONE, since="gatepost", minimum=1),
    P("filter_learner_points", INTEGER, "8",
      "The most points that the learner adds or takes off.", DONE, since="gatepost", minimum=0, maximum=100),
)
# fmt: on
