"""Parameters of delivery to commands (pipe(8))."""

from gatepost.config.parameters.row import DONE, STRING, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("pipe_delivery_status_filter", STRING, "$default_delivery_status_filter",
      "Table that changes the status code and text of results of commands.", DONE),
)
