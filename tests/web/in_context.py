"""Log records that remember which request they were written for."""

import logging

from broker.web.context import REQUEST_ID, TRACE_ID


class InContext(logging.Filter):
    """Adds the request's id and trace to every record that is made for it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add what there is; lets every record pass."""
        for name, variable in (("request_id", REQUEST_ID), ("trace_id", TRACE_ID)):
            value = variable.get()
            if value is not None:
                setattr(record, name, value)
        return True
