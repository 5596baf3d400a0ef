"""The content filter as a gate (decision 0052): a message is inspected at its end, judged, and marked, refused or set aside."""
