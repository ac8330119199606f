"""Writing lines for the log and the audit without ever blocking whoever has something to say."""
