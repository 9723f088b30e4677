"""After the mail: intake, events, worker, log, credits, audit."""
