"""The process that starts clamd and freshclam, watches them and starts them again (`filter_supervise`)."""
