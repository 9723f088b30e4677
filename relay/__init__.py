"""The mail: take it, weigh it, decide, add the note, pass it on."""
